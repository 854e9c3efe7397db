//! The user's wish to stop. The host sets it (Ctrl-C, a kernel's interrupt); long loops look at it,
//! and foreign code that cannot look works on a thread of its own, where it is left alone.

#[cfg(feature = "full")]
mod abandonable;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "full")]
pub use abandonable::{THREAD, abandonable, with_own_threads};

use super::{Error, Result};

/// Looks that still find no wish to stop; 0 is the wish.
static LOOKS: AtomicU64 = AtomicU64::new(NEVER);
const NEVER: u64 = u64::MAX;
/// What the last wish came by, for messages.
static BY: Mutex<&str> = Mutex::new(CTRL_C);
const CTRL_C: &str = "Ctrl-C";

thread_local! {
    /// Whether the job that this thread works for was abandoned.
    static ABANDONED: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
    /// Whether this thread does what is owed in any case.
    static REGARDLESS: Cell<bool> = const { Cell::new(false) };
}

/// Asks whatever runs to stop at its next safe point.
pub fn request() {
    request_by(CTRL_C);
}

/// The same, by something else than Ctrl-C, which messages then name.
pub fn request_by(what: &'static str) {
    *BY.lock().unwrap_or_else(PoisonError::into_inner) = what;
    LOOKS.store(0, Ordering::SeqCst);
}

/// What the last request came by.
pub fn by() -> &'static str {
    *BY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets so many looks find nothing before one finds the wish: how tests stop work at each of its
/// safe points in turn.
pub fn request_after(looks: u64) {
    LOOKS.store(looks, Ordering::SeqCst);
}

/// Forgets an earlier request. Only whoever carries cells to a session may, between two of them.
pub fn clear() {
    LOOKS.store(NEVER, Ordering::SeqCst);
}

/// Whether a stop was asked for; leaves the request standing. In a job that was abandoned it is so
/// for ever.
pub fn requested() -> bool {
    if REGARDLESS.get() {
        return false;
    }
    let counted = |left: u64| (left != 0 && left != NEVER).then(|| left - 1);
    match LOOKS.load(Ordering::Relaxed) {
        0 => true,
        NEVER => ABANDONED.with_borrow(|a| a.as_ref().is_some_and(|a| a.load(Ordering::Relaxed))),
        _ => LOOKS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted) == Err(0),
    }
}

/// Does to its end what takes but a moment and is owed also where the user wishes to stop: the last state
/// of a display.
pub fn regardless<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            REGARDLESS.set(self.0);
        }
    }
    let _before = Before(REGARDLESS.replace(true));
    work()
}

/// Returns [`Kind::Interrupted`](super::Kind::Interrupted) when a stop was asked for.
pub fn check(doing: &str) -> Result<()> {
    if requested() { Err(Error::interrupted(doing)) } else { Ok(()) }
}
