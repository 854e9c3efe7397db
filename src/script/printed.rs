//! How arrays, maps and characters are written by `print` and inside texts: as code would write
//! them, all on one line. `debug` writes them as they are shown.

use rhai::{Array, Dynamic, Engine, Map};

use super::shown::{in_a_line, in_lines};

pub(super) fn install(engine: &mut Engine) {
    // Rhai has each by two names.
    for name in ["print", "to_string"] {
        engine.register_fn(name, |array: &mut Array| in_a_line(&Dynamic::from(array.clone())));
        engine.register_fn(name, |map: &mut Map| in_a_line(&Dynamic::from(map.clone())));
    }
    for name in ["debug", "to_debug"] {
        engine.register_fn(name, |array: &mut Array| in_lines(&Dynamic::from(array.clone())));
        engine.register_fn(name, |map: &mut Map| in_lines(&Dynamic::from(map.clone())));
        engine.register_fn(name, |c: char| format!("{c:?}"));
    }
}
