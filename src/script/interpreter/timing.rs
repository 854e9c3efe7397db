//! A text run many times over, for `%timeit`.

use std::time::{Duration, Instant};

use rhai::Caches;

use super::Interpreter;
use crate::script::error::Failure;

impl Interpreter {
    /// How long `loops` runs of a text take, at least one; it is compiled once, before. What it
    /// defines is forgotten after each run.
    ///
    /// # Errors
    /// The text fails, or the user stops it.
    pub fn repeat(&mut self, text: &str, name: &str, loops: u64) -> Result<Duration, Failure> {
        let (variables, functions) = (self.scope.len(), self.global.lib.len());
        let ast = self.compile(text, name)?;
        let start = Instant::now();
        let mut ran = self.run(&ast, name).map(drop);
        self.scope.rewind(variables);
        for _ in 1..loops {
            if ran.is_err() {
                break;
            }
            #[expect(
                deprecated,
                reason = "the only call that keeps functions and imports from one cell to the next"
            )]
            let result = self.engine.eval_statements_raw(
                &mut self.global,
                &mut Caches::new(),
                &mut self.scope,
                ast.statements(),
            );
            ran = result.map(drop);
            self.scope.rewind(variables);
        }
        let took = start.elapsed();
        self.global.lib.truncate(functions);
        ran.map_err(|e| Failure::new(&e, name, &self.world()))?;
        Ok(took)
    }
}
