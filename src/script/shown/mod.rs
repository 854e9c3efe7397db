//! How a value is shown: its MIME bundle and its JSON.
//!
//! `dataset`, `numbers`, `work` and `pictures` say it for every object of the language, `values` for
//! maps and arrays; `grid` (tables) and `html` are what they are made with, `curves` is for hosts.

mod curves;
pub(super) mod dataset;
mod grid;
mod html;
pub(super) mod numbers;
mod pictures;
mod values;
mod work;

use std::fmt;

use rhai::plugin::*;
use rhai::{Dynamic, Engine, Map, Scope};
use serde_json::Value;

pub use curves::Curves;
pub(super) use grid::text as grid_text;
pub use html::escape;
pub(super) use values::{in_a_line, in_lines};

use super::convert::Outcome;
use super::output::Bundle;
use super::{column, error, graph, model, plot, run, slide, slots, table, tensor};
use super::{dataset as datasets, values as matrices};
use crate::base::Result;

/// What an object says of itself beside its text, which is its `Display`.
pub(super) trait Shown: fmt::Display {
    /// As data: all of it where it is data itself (a table, a tensor), else what describes it.
    fn json(&self) -> Result<Value>;

    /// For notebooks, where it says more than the text.
    fn html(&self) -> Option<String> {
        None
    }

    /// All forms; only what has more than text and HTML writes its own.
    fn bundle(&self) -> Result<Bundle> {
        let text = Bundle::text(self.to_string());
        Ok(match self.html() {
            Some(html) => text.with("text/html", html),
            None => text,
        })
    }
}

type Cast = fn(&Dynamic) -> Option<Box<dyn Shown>>;

/// Every type of object.
const OBJECTS: &[Cast] = &[
    cast::<datasets::Dataset>,
    cast::<slots::Rows>,
    cast::<slots::Matrices>,
    cast::<slots::Layers>,
    cast::<graph::Pairs>,
    cast::<slots::Tree>,
    cast::<matrices::Matrix>,
    cast::<column::Column>,
    cast::<table::Table>,
    cast::<tensor::Tensor>,
    cast::<graph::Graph>,
    cast::<model::Model>,
    cast::<run::Run>,
    cast::<slide::Slide>,
    cast::<slide::Picture>,
    cast::<plot::Figure>,
    cast::<error::Raised>,
];

fn cast<T: Shown + Clone + 'static>(value: &Dynamic) -> Option<Box<dyn Shown>> {
    value.clone().try_cast::<T>().map(|object| Box::new(object) as Box<dyn Shown>)
}

fn object(value: &Dynamic) -> Option<Box<dyn Shown>> {
    OBJECTS.iter().find_map(|cast| cast(value))
}

/// The forms a value has for people to look at.
pub(super) fn show(engine: &Engine, value: Dynamic) -> Bundle {
    if let Some(object) = object(&value) {
        // What cannot be drawn still has its text, and says why.
        return object.bundle().unwrap_or_else(|e| Bundle::text(format!("{object}\n{e}")));
    }
    if value.is_map() || value.is_array() {
        return values::bundle(&value);
    }
    let mut scope = Scope::new();
    scope.push_dynamic("value", value);
    let text = engine
        .eval_expression_with_scope::<String>(&mut scope, "value.to_debug()")
        .unwrap_or_default();
    Bundle::text(text)
}

/// Rhai has a `to_json` for maps of its own, which knows no object.
pub(super) fn install(engine: &mut Engine) {
    engine.register_fn("to_json", |map: &mut Map| methods::to_json(&mut map.clone().into()));
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// The value as JSON: all of a table, a column, a tensor, a map or an array; of other objects
    /// what describes them.
    ///
    /// ```rhai
    /// ds.obs["purity"].to_json().starts_with("[")   // => true
    /// ```
    ///
    /// What JSON has no word for (NaN, infinity, a missing value) becomes `null`.
    #[rhai_fn(return_raw)]
    pub fn to_json(value: &mut Dynamic) -> Outcome<String> {
        Ok(values::json(value)?.to_string())
    }

    /// The forms in which notebooks show the value: a map from MIME type to content.
    ///
    /// ```rhai
    /// plot::spatial(ds, "purity").mime_bundle().keys()   // => ["application/vnd.vegalite.v5+json", "image/png", "text/plain"]
    /// ```
    ///
    /// Pictures are base 64. `display(value)` shows them.
    #[rhai_fn(return_raw)]
    pub fn mime_bundle(context: NativeCallContext, value: &mut Dynamic) -> Outcome<Map> {
        let bundle = show(context.engine(), value.clone());
        Ok(rhai::serde::to_dynamic(bundle.data)?.try_cast().unwrap_or_default())
    }
}
