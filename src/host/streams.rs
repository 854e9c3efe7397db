//! The process's standard output and error. Rust's `println!` and `eprintln!` panic where a pipe was
//! closed or a disk is full, and a session would end with its variables: `host` does not use them.

use std::io::{ErrorKind, Write, stderr, stdout};

use super::{Exit, signals};

/// Writes to standard output. Where nobody takes it any more, the process ends: quietly behind a pipe
/// that was closed, as other commands do.
pub fn out(text: &str) {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::BrokenPipe => signals::end_by_closed_pipe(),
        Err(e) => {
            say(&format!("error: writing to standard output: {e}"));
            signals::leave(Exit::Failure.code());
        }
    }
}

/// Writes to standard error, where anybody takes it.
pub fn err(text: &str) {
    stderr().write_all(text.as_bytes()).ok();
}

/// Writes a line to standard error, where anybody takes it.
pub fn say(line: &str) {
    err(&format!("{line}\n"));
}
