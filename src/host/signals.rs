//! Ctrl-C and SIGTERM: the first asks the running work to stop, the second ends the process.
//! A kernel hears them by [`watch`] instead: there, no number of Ctrl-C ends the process.

use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::signal::unix::{self, SignalKind};

use super::Exit;
use crate::base::interrupt;

unsafe extern "C" {
    /// The C library's exit without clean-up. Rust's `exit` would run libtorch's destructors under
    /// the feet of the thread that still computes, which ends in a crash now and then.
    #[link_name = "_exit"]
    pub(super) safe fn leave(code: i32) -> !;
    fn signal(number: i32, handler: usize) -> usize;
}

/// Ends the process, for all ways that do not crash: a training that was interrupted may still
/// compute on its thread, and libtorch must not be taken down under it.
pub fn end(code: i32) -> ! {
    std::io::stdout().flush().ok();
    std::io::stderr().flush().ok();
    leave(code)
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
        if KEEPING.load(Ordering::SeqCst) {
            return patiently();
        }
        if !RUNNING.load(Ordering::SeqCst) || interrupt::requested() {
            leave(Exit::Interrupted.code());
        }
        interrupt::request();
    })?;
    Ok(())
}

/// Whether a session's variables would be lost with the process.
static KEEPING: AtomicBool = AtomicBool::new(false);
/// Ctrl-C pressed since the present cell began.
static PRESSED: AtomicUsize = AtomicUsize::new(0);

/// From now on a second Ctrl-C only says what a third one does.
pub fn keep_session() {
    KEEPING.store(true, Ordering::SeqCst);
}

fn patiently() {
    if !RUNNING.load(Ordering::SeqCst) {
        return;
    }
    match PRESSED.fetch_add(1, Ordering::SeqCst) {
        0 => interrupt::request(),
        1 => {
            interrupt::request();
            eprintln!(
                "The cell will stop at its next safe point. Ctrl-C once more ends the session, and its variables are lost"
            );
        }
        _ => leave(Exit::Interrupted.code()),
    }
}

/// Gives what native code says before it aborts (a C++ exception that nobody caught, memory that
/// ran out) the time to get from the pipe that is our standard error to whoever looks on. Without
/// it, the words would die with the process.
pub fn tell_of_aborts() {
    extern "C" fn wait(number: libc::c_int) {
        let time = libc::timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        // SAFETY: all three may be called in a signal's handler; the time is only read. The last
        // two end the process as `abort` does without us.
        unsafe {
            libc::nanosleep(&time, std::ptr::null_mut());
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        }
    }
    // SAFETY: the handler lives as long as the process and calls nothing that a handler must not.
    unsafe { signal(libc::SIGABRT, wait as *const () as usize) };
}

/// Calls one for every SIGINT and the other for every SIGTERM, for ever.
///
/// # Errors
/// The system refuses a signal handler.
pub async fn watch(interrupted: impl Fn(), ended: impl Fn()) -> std::io::Result<Infallible> {
    let mut interrupts = unix::signal(SignalKind::interrupt())?;
    let mut ends = unix::signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupts.recv() => interrupted(),
            _ = ends.recv() => ended(),
        }
    }
}

/// Runs something that the first Ctrl-C asks to stop. What was asked before is forgotten before this
/// listens, so that nothing is lost in between.
pub fn while_running<T>(work: impl FnOnce() -> T) -> T {
    interrupt::clear();
    PRESSED.store(0, Ordering::SeqCst);
    RUNNING.store(true, Ordering::SeqCst);
    let out = work();
    RUNNING.store(false, Ordering::SeqCst);
    out
}
