//! The process that runs the code of Rust cells: evcxr's runtime, with its standard output watched.
//!
//! evcxr keeps to itself that a cell panicked or returned an error by `?`; it reads both off that
//! stream. They are said once more here, in lines that it passes on. Of what a cell displays it
//! keeps one value of each kind; under another name it passes on all of them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// In place of `EVCXR_BEGIN_CONTENT` and of `EVCXR_END_CONTENT`.
pub const BEGIN: &str = "SPATIA_BEGIN_CONTENT ";
pub const END: &str = "SPATIA_END_CONTENT";
/// Behind evcxr's mark of a panic.
pub const PANICKED: &str = "SPATIA_PANICKED";
/// Behind evcxr's mark of an error that `?` returned.
pub const RETURNED: &str = "SPATIA_RETURNED";

/// The end of the pipe that is read here.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Puts the watch between the code and evcxr.
///
/// # Errors
/// The system gives no pipe or no thread.
pub fn watch() -> std::io::Result<()> {
    let outer = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let (reader, writer) = std::io::pipe()?;
    // SAFETY: both are open files of this process; handlers are plain functions without state.
    unsafe {
        if libc::dup2(writer.as_raw_fd(), 1) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        libc::atexit(drain);
        libc::signal(libc::SIGABRT, on_abort as *const () as libc::sighandler_t);
    }
    PIPE.store(reader.as_raw_fd(), Ordering::SeqCst);
    std::thread::Builder::new().spawn(move || forward(OwnedFd::from(reader).into(), outer))?;
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Trial {
    Awaited,
    Shown,
    Over,
}

/// Line by line, as evcxr reads.
fn forward(from: File, mut to: File) {
    let mut lines = BufReader::with_capacity(1 << 16, from);
    let mut line = Vec::new();
    // At its start evcxr evaluates 42, when nobody takes yet what it passes on.
    let mut trial = Trial::Awaited;
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        if trial == Trial::Awaited && line == b"EVCXR_BEGIN_CONTENT text/plain\n" {
            let next = lines.read_until(b'\n', &mut line);
            trial =
                if next.is_ok() && line.ends_with(b"\n42\n") { Trial::Shown } else { Trial::Over };
        }
        let said = match line.trim_ascii_end() {
            _ if trial == Trial::Shown => {
                if line == b"EVCXR_END_CONTENT\n" {
                    trial = Trial::Over;
                }
                to.write_all(&line)
            }
            b"EVCXR_PANIC_NOTIFICATION" => {
                to.write_all(&line).and_then(|()| writeln!(to, "{PANICKED}"))
            }
            b"EVCXR_ERROR_OCCURRED" => {
                to.write_all(&line).and_then(|()| writeln!(to, "{RETURNED}"))
            }
            b"EVCXR_END_CONTENT" => writeln!(to, "{END}"),
            _ => match find(&line, b"EVCXR_BEGIN_CONTENT ") {
                Some(at) => {
                    let renamed =
                        [&line[..at], BEGIN.as_bytes(), &line[at + "EVCXR_BEGIN_CONTENT ".len()..]];
                    to.write_all(&renamed.concat())
                }
                None => to.write_all(&line),
            },
        };
        if said.is_err() {
            return;
        }
        line.clear();
    }
}

fn find(line: &[u8], word: &[u8]) -> Option<usize> {
    line.windows(word.len()).position(|part| part == word)
}

/// What the code has printed goes out before the process does.
extern "C" fn drain() {
    for _ in 0..100 {
        let mut left: libc::c_int = 0;
        // SAFETY: asks a pipe of this process how much it holds.
        let known = unsafe { libc::ioctl(PIPE.load(Ordering::SeqCst), libc::FIONREAD, &mut left) };
        pause();
        if known != 0 || left == 0 {
            return;
        }
    }
}

extern "C" fn on_abort(_signal: libc::c_int) {
    drain();
}

/// Ten milliseconds, for the thread to write what it has taken.
fn pause() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    // SAFETY: may be called in a handler of signals; what is left of the time is not asked for.
    unsafe { libc::nanosleep(&time, std::ptr::null_mut()) };
}
