//! Ctrl-D, typed before the prompt. Nobody reads keys then: the terminal takes it for the end of a
//! line and hands the editor a zero, which is also Ctrl-Space.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::host::tty;

use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyEvent, RepeatCount,
};

/// A zero that is there so soon was typed before the prompt.
const SOON: Duration = Duration::from_millis(500);

/// The prompt that waits.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<Prompt>>);

#[derive(Default)]
struct Prompt {
    shown: Option<Instant>,
    /// Keys were there before it.
    behind_keys: bool,
}

impl Asked {
    /// A prompt is about to be shown.
    pub fn now(&self) {
        let prompt = Prompt { shown: Some(Instant::now()), behind_keys: tty::keys_wait() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = prompt;
    }

    fn was_early(&self) -> bool {
        let prompt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prompt.behind_keys || prompt.shown.is_some_and(|shown| shown.elapsed() < SOON)
    }
}

impl ConditionalEventHandler for Asked {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        Some(if self.was_early() { Cmd::EndOfFile } else { Cmd::Noop })
    }
}

/// The key, and what it does.
pub fn binding(asked: &Asked) -> (KeyEvent, EventHandler) {
    (KeyEvent::ctrl('@'), EventHandler::Conditional(Box::new(asked.clone())))
}
