//! The user's wish to stop. The host sets it (Ctrl-C, a kernel's interrupt); long loops look at it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Error, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks whatever runs to stop at its next safe point. Safe to call from a signal handler.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Forgets an earlier request; called by the host before it starts something.
pub fn clear() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Whether a stop was asked for; leaves the request standing.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Returns [`Kind::Interrupted`](super::Kind::Interrupted) when a stop was asked for.
pub fn check(doing: &str) -> Result<()> {
    if requested() { Err(Error::interrupted(doing)) } else { Ok(()) }
}
