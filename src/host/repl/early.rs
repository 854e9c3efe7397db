//! Ctrl-D, typed in the moment between a cell's end and the next prompt. Nobody reads keys then: the
//! terminal takes it for the end of a line and hands the editor a zero, which is also Ctrl-Space.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyEvent, RepeatCount,
};

/// A zero that is there so soon was typed before the prompt.
const SOON: Duration = Duration::from_millis(100);

/// When the prompt that waits was shown.
#[derive(Clone)]
pub struct Asked(Arc<Mutex<Instant>>);

impl Asked {
    pub fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn ago(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Default for Asked {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl ConditionalEventHandler for Asked {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        Some(if self.ago() < SOON { Cmd::EndOfFile } else { Cmd::Noop })
    }
}

/// The key, and what it does.
pub fn binding(asked: &Asked) -> (KeyEvent, EventHandler) {
    (KeyEvent::ctrl('@'), EventHandler::Conditional(Box::new(asked.clone())))
}
