//! Foreign code that cannot be stopped (libtorch amid a pass, a query, a clustering), on threads of
//! its own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{ABANDONED, check, requested};
use crate::base::{Error, Result};

/// What the system calls the threads of jobs, and those that foreign code starts for them. A panic in
/// them is not to be shown: it reaches whoever waits.
pub const THREAD: &str = "abandonable";

/// How often whoever waits looks at the wish to stop.
const POLL: Duration = Duration::from_millis(20);

type Job = Box<dyn FnOnce() + Send>;

/// A thread that has done its job and waits for another. Epochs of a training share one: libtorch
/// makes threads and memory ready for each new thread that calls it.
static IDLE: Mutex<Option<Sender<Job>>> = Mutex::new(None);

/// Does on a thread of its own what cannot be stopped, and leaves it there when the user wishes to
/// stop. It may then go on for a moment, at low priority (polars has threads of its own, which keep
/// theirs); what it owns and makes goes with it, and nobody sees any of it.
///
/// # Errors
/// What the job says; an interrupt; the system refuses a thread.
pub fn abandonable<T: Send + 'static>(
    doing: &str,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    check(doing)?;
    let (finished, done) = channel();
    let abandoned = Arc::new(AtomicBool::new(false));
    let left = abandoned.clone();
    let worker = match idle().take() {
        Some(worker) => worker,
        None => start().map_err(|e| Error::io(doing, e))?,
    };
    let work = move || {
        ABANDONED.set(Some(left));
        let result = catch_unwind(AssertUnwindSafe(job));
        ABANDONED.set(None);
        finished.send(result).ok();
    };
    // A thread that is gone shows when its answer is waited for.
    worker.send(Box::new(work)).ok();
    loop {
        match done.recv_timeout(POLL) {
            Ok(result) => {
                // What a panic has left in its thread is not to meet the next job.
                if result.is_ok() {
                    *idle() = Some(worker);
                }
                return result.unwrap_or_else(|panic| resume_unwind(panic));
            }
            Err(RecvTimeoutError::Timeout) if !requested() => {}
            Err(RecvTimeoutError::Timeout) => {
                abandoned.store(true, Ordering::SeqCst);
                // It may bear the same name as those that are to give way.
                idle().take();
                give_way();
                return Err(Error::interrupted(doing));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(doing).found("that its thread has ended"));
            }
        }
    }
}

fn idle() -> MutexGuard<'static, Option<Sender<Job>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that does jobs until nobody can give it any.
fn start() -> io::Result<Sender<Job>> {
    // The pool that all share bears the name of the thread that first asks for it.
    rayon::current_num_threads();
    let (jobs, given) = channel::<Job>();
    let work = move || given.into_iter().for_each(|job| job());
    thread::Builder::new().name(THREAD.into()).spawn(work)?;
    Ok(jobs)
}

/// Within an [`abandonable`] job: gives rayon threads of their own to what it does in parallel, so
/// that the next cell need not wait for those that all share.
///
/// # Errors
/// The system refuses threads.
pub fn with_own_threads<T: Send>(doing: &str, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let abandoned = ABANDONED.with_borrow(Clone::clone);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .thread_name(|_| THREAD.into())
        .start_handler(move |_| ABANDONED.set(abandoned.clone()))
        .build();
    pool.map_err(|e| Error::io(doing, e))?.install(f)
}

/// What nobody waits for any more comes after all else.
fn give_way() {
    const LAST: i32 = 19;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let id = task.file_name().to_str().and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|_| name.trim_end() == THREAD) {
            // SAFETY: a plain system call; where the thread is gone it does nothing.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, id, LAST) };
        }
    }
}
