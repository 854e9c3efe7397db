//! Signals. Ctrl-C asks the running work to stop, and a second one ends the process; in a REPL, whose
//! variables would be lost, it takes a third. SIGTERM and SIGHUP ask the same, and the process ends
//! with the work; a second ends it at once, unless it comes so soon that both are one wish. A kernel hears signals by [`watch`] instead: there, no
//! number of Ctrl-C ends the process.

use std::convert::Infallible;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libc::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::signal::unix::{self, SignalKind};

use super::Exit;
use super::streams::say;
use crate::base::interrupt;

unsafe extern "C" {
    /// The C library's exit without clean-up. Rust's `exit` would run libtorch's destructors under
    /// the feet of the thread that still computes, which ends in a crash now and then.
    #[link_name = "_exit"]
    pub(super) safe fn leave(code: i32) -> !;
}

/// Ends the process, for all ways that do not crash: a training that was interrupted may still
/// compute on its thread, and libtorch must not be taken down under it.
pub fn end(code: i32) -> ! {
    std::io::stdout().flush().ok();
    std::io::stderr().flush().ok();
    leave(code)
}

/// Lets a closed pipe end the process quietly, as it ends other commands; Rust would panic. Not
/// where helpers are spoken to through pipes: theirs may close.
pub fn end_with_closed_pipes() {
    // SAFETY: the C library's own function with its documented arguments.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Ends the process as a closed pipe ends other commands.
pub(super) fn end_by_closed_pipe() -> ! {
    end_with_closed_pipes();
    // SAFETY: a signal to this process, which it does not outlive.
    unsafe { libc::raise(libc::SIGPIPE) };
    leave(Exit::Failure.code())
}

/// Whether something runs that can be asked to stop.
static RUNNING: AtomicBool = AtomicBool::new(false);
/// The signal by which the process is to end with what runs; 0 where it is not to.
static ENDING: AtomicI32 = AtomicI32::new(0);

/// When the process was first told to end.
static FIRST: OnceLock<Instant> = OnceLock::new();
/// `timeout` signals a process and then its group, a terminal that closes the shell and then its jobs:
/// what the first asks for, a checkpoint perhaps, is not to be lost to the second.
const TOGETHER: Duration = Duration::from_secs(1);

/// Listens from now on, for the whole process. What the process was started to ignore stays ignored:
/// SIGHUP under `nohup`, SIGINT in the background of a shell script.
///
/// # Errors
/// The system refuses a signal handler.
pub fn install() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(|n| !ignored(*n)))?;
    let listen = move || signals.forever().for_each(heard);
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(())
}

fn ignored(number: libc::c_int) -> bool {
    // SAFETY: a struct of numbers, which the call fills in; nothing is changed.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &mut now) == 0
            && now.sa_sigaction == libc::SIG_IGN
    }
}

fn heard(number: libc::c_int) {
    let keeping = KEEPING.load(Ordering::SeqCst);
    if keeping && number == SIGINT {
        return patiently();
    }
    let stoppable = keeping || RUNNING.load(Ordering::SeqCst);
    let first = *FIRST.get_or_init(Instant::now);
    if stopped() && first.elapsed() < TOGETHER {
        return;
    }
    if ENDING.swap(number, Ordering::SeqCst) != 0 || !stoppable {
        leave(Exit::Interrupted.code());
    }
    interrupt::request_by(name(number));
    if keeping {
        wake();
    }
}

/// Whether the process was told to end.
pub fn stopped() -> bool {
    ENDING.load(Ordering::SeqCst) != 0
}

/// The exit code of a process that was stopped, as a shell gives it for the signal. Ctrl-C that a
/// line editor reads as a key is none, and counts as one.
pub(super) fn code() -> i32 {
    match ENDING.load(Ordering::SeqCst) {
        0 => 128 + SIGINT,
        number => 128 + number,
    }
}

/// What messages call a signal.
fn name(number: libc::c_int) -> &'static str {
    match number {
        SIGTERM => "SIGTERM",
        SIGHUP => "SIGHUP",
        _ => "Ctrl-C",
    }
}

/// Whether a session's variables would be lost with the process.
static KEEPING: AtomicBool = AtomicBool::new(false);
/// The thread that reads what is typed.
static READER: AtomicUsize = AtomicUsize::new(0);
/// Ctrl-C pressed since the present cell began.
static PRESSED: AtomicUsize = AtomicUsize::new(0);

/// From now on a second Ctrl-C only says what a third one does, and this thread, which reads what is
/// typed, is woken when the process is to end; it asks [`stopped`].
pub fn keep_session() {
    // SAFETY: asks for the number of this thread.
    READER.store(unsafe { libc::pthread_self() } as usize, Ordering::SeqCst);
    KEEPING.store(true, Ordering::SeqCst);
}

fn patiently() {
    if !RUNNING.load(Ordering::SeqCst) || stopped() {
        return;
    }
    match PRESSED.fetch_add(1, Ordering::SeqCst) {
        0 => interrupt::request(),
        1 => {
            interrupt::request();
            say(
                "The cell will stop at its next safe point. Ctrl-C once more ends the session, and its variables are lost",
            );
        }
        _ => leave(Exit::Interrupted.code()),
    }
}

/// Ends the line editor, which gives the terminal back and takes SIGINT for Ctrl-C: again and again
/// until the process has ended, because the editor may be just about to read.
fn wake() {
    std::thread::spawn(|| {
        loop {
            let reader = READER.load(Ordering::SeqCst);
            // SAFETY: a signal that is handled, to a thread that lives as long as the process.
            unsafe { libc::pthread_kill(reader as libc::pthread_t, SIGINT) };
            std::thread::sleep(Duration::from_millis(50));
        }
    });
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
    unsafe { libc::signal(libc::SIGABRT, wait as *const () as usize) };
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
/// listens, so that nothing is lost in between; that the process is to end is never forgotten.
pub fn while_running<T>(work: impl FnOnce() -> T) -> T {
    interrupt::clear();
    PRESSED.store(0, Ordering::SeqCst);
    let outer = RUNNING.swap(true, Ordering::SeqCst);
    let ending = ENDING.load(Ordering::SeqCst);
    if ending != 0 {
        interrupt::request_by(name(ending));
    }
    let out = work();
    RUNNING.store(outer, Ordering::SeqCst);
    out
}
