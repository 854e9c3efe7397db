//! A text run many times over, for `%timeit`.

use std::time::{Duration, Instant};

use rhai::EvalAltResult;

use super::Interpreter;
use crate::script::error::Failure;

impl Interpreter {
    /// How long `loops` runs of a text take, at least one; it is compiled once, before. What it
    /// defines is forgotten after each run.
    ///
    /// # Errors
    /// The text fails, or the user stops it.
    pub fn repeat(&mut self, text: &str, name: &str, loops: u64) -> Result<Duration, Failure> {
        let ast = self.compile(text, name)?;
        let took = self.aside(|me| {
            let statements = me.begin(&ast, name);
            let variables = me.scope.len();
            let start = Instant::now();
            for _ in 0..loops.max(1) {
                drop(me.evaluate(&statements)?);
                me.scope.rewind(variables);
            }
            Ok(start.elapsed())
        });
        took.map_err(|e: Box<EvalAltResult>| Failure::new(&e, name, &self.world()))
    }
}
