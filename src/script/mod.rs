//! The Rhai layer, one file an object. The only importer of `rhai`.
//!
//! Imports all layers below; no loops and no arithmetic here.

mod bind;
mod error;
mod interpreter;
mod params;
mod resolver;
mod shown;
pub mod source;

use std::rc::Rc;

use rhai::{Dynamic, Engine};
use serde_json::Value;

use bind::Part;
pub use error::{Failure, Place};
use interpreter::State;
pub use interpreter::{Interpreter, Shown};
pub use params::{Param, Signature};

/// The language, part by part, in the order of the reference.
const PARTS: &[Part] = &[];

fn install(engine: &mut Engine) {
    for part in PARTS {
        part.install(engine);
    }
}

/// `param`, which answers with what the session was given.
fn params_of_session(engine: &mut Engine, state: &Rc<State>) {
    let state = state.clone();
    engine.register_fn("param", move |name: &str, default: Dynamic, _doc: &str| {
        match state.given.borrow().get(name) {
            Some(Value::Null) | None => default,
            Some(value) => rhai::serde::to_dynamic(value).unwrap_or(default),
        }
    });
}
