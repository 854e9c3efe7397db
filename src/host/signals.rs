//! Ctrl-C and SIGTERM: the first asks the running work to stop, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Exit;
use crate::base::interrupt;

unsafe extern "C" {
    /// The C library's exit without clean-up. Rust's `exit` would run libtorch's destructors under
    /// the feet of the thread that still computes, which ends in a crash now and then.
    #[link_name = "_exit"]
    safe fn leave(code: i32) -> !;
    fn signal(number: i32, handler: usize) -> usize;
}

/// Lets a closed pipe end the process quietly, as it ends other commands; Rust would panic.
pub fn end_with_closed_pipes() {
    const SIGPIPE: i32 = 13;
    const DEFAULT: usize = 0;
    // SAFETY: the C library's own function with its documented arguments, before any thread runs.
    unsafe { signal(SIGPIPE, DEFAULT) };
}

/// Whether something runs that can be asked to stop.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Installs the handler for the whole process.
///
/// # Errors
/// The system refuses a signal handler.
pub fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if !RUNNING.load(Ordering::SeqCst) || interrupt::requested() {
            leave(Exit::Interrupted.code());
        }
        interrupt::request();
    })?;
    Ok(())
}

/// Runs something that the first Ctrl-C asks to stop.
pub fn while_running<T>(work: impl FnOnce() -> T) -> T {
    RUNNING.store(true, Ordering::SeqCst);
    let out = work();
    RUNNING.store(false, Ordering::SeqCst);
    out
}
