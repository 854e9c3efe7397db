//! Whose turn it is: the cell that runs, those that wait, and how an interrupt reaches exactly
//! the one it was meant for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::message::Message;
use crate::base::interrupt;

#[derive(Default)]
pub struct Turn(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<Arc<Message>>,
    /// Cells that came in and have not ended.
    open: usize,
    /// Cells that came in before this are not run: one before them failed.
    abort: Option<Instant>,
    /// The kernel ends; nothing is run any more.
    closed: bool,
}

impl Turn {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cell came in and waits for its turn.
    pub fn queue(&self) {
        self.state().open += 1;
    }

    /// The cell runs, unless one before it failed when this one had `come` already.
    pub fn begin(&self, cell: &Arc<Message>, come: Instant) -> bool {
        let mut state = self.state();
        let runs = !state.closed && state.abort.is_none_or(|abort| come > abort);
        if runs {
            state.running = Some(cell.clone());
        }
        runs
    }

    /// The cell has ended; an interrupt that was meant for it harms none after it.
    pub fn end(&self) {
        let mut state = self.state();
        state.running = None;
        state.open = state.open.saturating_sub(1);
        interrupt::clear();
    }

    /// Cells that have come in until now are not run.
    pub fn abort_waiting(&self) {
        self.state().abort = Some(Instant::now());
    }

    /// Cells are not run any more.
    pub fn close(&self) {
        self.state().closed = true;
    }

    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Does something with the cell that runs, which does not end meanwhile.
    pub fn with_running(&self, f: impl FnOnce(&Message)) {
        if let Some(cell) = &self.state().running {
            f(cell);
        }
    }

    /// Asks the present cell to stop, if there is one: the one that runs, or the next of those that
    /// wait. The wish stands until it has ended.
    pub fn interrupt(&self) {
        let state = self.state();
        if state.open > 0 {
            interrupt::request();
        }
    }
}
