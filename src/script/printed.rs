//! How arrays, maps and characters are written: as code would write them, objects in them by their first line
//! in `<..>`, and shortened where they are shown.

use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};

/// A shown array or map has this many entries at most; printed ones have all.
const SHOWN: usize = 100;

/// A shown map whose line would be longer has a line for each entry.
const WIDTH: usize = 100;

pub(super) fn install(engine: &mut Engine) {
    engine.register_fn("to_debug", |context: NativeCallContext<'_>, array: &mut Array| {
        list(&context, array, SHOWN)
    });
    engine.register_fn("to_string", |context: NativeCallContext<'_>, array: &mut Array| {
        list(&context, array, usize::MAX)
    });
    engine.register_fn("to_debug", |context: NativeCallContext<'_>, map: &mut Map| {
        let line = entries(&context, map, SHOWN, " ");
        if line.chars().count() > WIDTH { entries(&context, map, SHOWN, "\n  ") } else { line }
    });
    engine.register_fn("to_debug", |c: char| format!("{c:?}"));
    engine.register_fn("to_string", |context: NativeCallContext<'_>, map: &mut Map| {
        entries(&context, map, usize::MAX, " ")
    });
}

fn list(context: &NativeCallContext<'_>, array: &mut Array, most: usize) -> String {
    let count = array.len();
    let mut parts: Vec<String> =
        array.iter_mut().take(most).map(|value| one(context, value, most)).collect();
    if count > most {
        parts.push(format!("... ({count} in all)"));
    }
    format!("[{}]", parts.join(", "))
}

fn entries(context: &NativeCallContext<'_>, map: &mut Map, most: usize, gap: &str) -> String {
    let count = map.len();
    let mut parts: Vec<String> = map
        .iter_mut()
        .take(most)
        .map(|(key, value)| format!("{:?}: {}", key.as_str(), one(context, value, most)))
        .collect();
    if count > most {
        parts.push(format!("... ({count} in all)"));
    }
    if gap == " " {
        return format!("#{{{}}}", parts.join(", "));
    }
    format!("#{{{gap}{}\n}}", parts.join(&format!(",{gap}")))
}

/// A value inside an array or a map.
fn one(context: &NativeCallContext<'_>, value: &mut Dynamic, most: usize) -> String {
    if let Some(mut array) = value.write_lock::<Array>() {
        return list(context, &mut array, most);
    }
    if let Some(mut map) = value.write_lock::<Map>() {
        return entries(context, &mut map, most, " ");
    }
    let said = match context.call_native_fn_raw("to_debug", true, &mut [value]) {
        Ok(said) if said.is_string() => said.to_string(),
        _ => context.engine().map_type_name(value.type_name()).to_owned(),
    };
    // Of Rhai's own values only texts have lines, and those are escaped.
    let is_object = value.type_name().contains("spatia::");
    match said.lines().next() {
        Some(line) if is_object => format!("<{}>", line.trim_end()),
        _ => said,
    }
}
