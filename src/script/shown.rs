//! How a value is shown.

use rhai::{Dynamic, Engine, Scope};

use super::interpreter::Shown;
use super::plot::Figure;
use super::slide::Picture;

/// The forms a value has for people to look at.
pub(super) fn show(engine: &Engine, value: Dynamic) -> Shown {
    let figure = value.clone().try_cast::<Figure>().and_then(|f| f.png().ok());
    let png = figure.or_else(|| value.clone().try_cast::<Picture>()?.png().ok());
    let mut scope = Scope::new();
    scope.push_dynamic("value", value);
    let text = engine
        .eval_expression_with_scope::<String>(&mut scope, "value.to_debug()")
        .unwrap_or_default();
    Shown { text, png }
}
