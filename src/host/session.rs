//! A session that scripts, the REPL and later the kernel share. It takes text and returns plain
//! data; they only carry it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::interrupt;
use crate::script::source::{self, Completeness};
use crate::script::{Failure, Interpreter, Shown, Signature};

/// What an evaluation gave: a value worth showing, or nothing.
pub type Outcome = Option<Shown>;

pub struct Session {
    interpreter: Interpreter,
}

impl Session {
    /// A session without variables, whose `print` writes through `print`.
    pub fn new(print: impl Fn(&str) + 'static) -> Self {
        Self { interpreter: Interpreter::new(print) }
    }

    /// Runs a text; `name` is what messages call it (a path, or "[3]" for an entry).
    ///
    /// # Errors
    /// What failed and where. Variables keep what they held at that moment.
    pub fn eval(&mut self, text: &str, name: &str) -> Result<Outcome, Failure> {
        interrupt::clear();
        self.interpreter.eval(text, name)
    }

    /// The summary and the parameters of a script, without running it.
    ///
    /// # Errors
    /// A script that cannot be read as one.
    pub fn signature(&self, text: &str, name: &str) -> Result<Signature, Failure> {
        self.interpreter.signature(text, name)
    }

    /// Sets the values of the script's parameters.
    pub fn give(&mut self, values: BTreeMap<String, Value>) {
        self.interpreter.give(values);
    }

    /// Whether a text can be run, or waits for more lines.
    pub fn is_complete(text: &str) -> bool {
        source::completeness(text) == Completeness::Complete
    }

    /// The text of a source that messages name.
    pub fn source(&self, name: &str) -> Option<String> {
        self.interpreter.source(name)
    }
}
