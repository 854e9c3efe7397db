//! The process's own standard output and error, led into the cell: libtorch and other native code
//! write there.

use std::fmt;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

/// The standard error that the kernel was started with: what an administrator reads.
#[derive(Clone)]
pub struct Log(Arc<File>);

impl Log {
    pub fn line(&self, text: fmt::Arguments<'_>) {
        // One write, so that lines of several threads do not mix.
        self.0.as_ref().write_all(format!("spatia kernel: {text}\n").as_bytes()).ok();
    }
}

/// What is read at once from a pipe; also what a pipe holds on Linux unless told otherwise.
const CHUNK: usize = 64 << 10;

/// One of the two streams, as bytes come in.
pub struct Pipe {
    reader: PipeReader,
    /// The start of a character whose end has not come yet.
    partial: Vec<u8>,
}

/// Standard output, standard error, and where the latter led before.
pub struct Captured {
    pub pipes: [Pipe; 2],
    pub log: Log,
}

/// Leads file descriptors 1 and 2 into pipes for the rest of the process's life.
///
/// # Errors
/// The system has no file descriptors left.
pub fn begin() -> io::Result<Captured> {
    let log = Log(Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?)));
    let pipes = [lead(1)?, lead(2)?];
    unbuffer();
    Ok(Captured { pipes, log })
}

/// Puts a pipe in the place of a file descriptor. The writing end has no other holder in this
/// process; children that inherit it never keep us waiting, since nobody waits for its end.
fn lead(descriptor: i32) -> io::Result<Pipe> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: both are open descriptors; dup2 closes and replaces the second in one step.
    if unsafe { libc::dup2(writer.as_raw_fd(), descriptor) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the reader is ours; F_SETFL changes only its own end of the pipe.
    if unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pipe { reader, partial: Vec::new() })
}

/// Lets the C library hand on every `printf` at once: into a pipe it would keep 4 KB back.
fn unbuffer() {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
    }
    // SAFETY: `stdout` is the C library's, open for the whole life of the process; no buffer is
    // given that could go away.
    unsafe { libc::setvbuf(stdout, std::ptr::null_mut(), libc::_IONBF, 0) };
}

/// Waits until one of the pipes holds something.
pub fn wait(descriptors: [i32; 2]) {
    let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: the array lives through the call and its length is given; -1 waits without end.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
}

impl Pipe {
    pub fn descriptor(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    /// Takes what lies in the pipe, without waiting for more. Never more than the pipe can hold
    /// twice over, so that a thread that writes without end cannot keep us here.
    pub fn take(&mut self) -> String {
        let most = 2 * CHUNK;
        let mut bytes = std::mem::take(&mut self.partial);
        let mut chunk = [0; CHUNK];
        while bytes.len() < most {
            match self.reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nothing there.
                Err(_) => break,
            }
        }
        let whole = whole_characters(&bytes);
        self.partial = bytes.split_off(whole);
        String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into())
    }

    /// What [`Pipe::take`] kept back, when no more will come.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned()
    }
}

/// How many of the bytes do not end amid a character that more bytes could make whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let start = bytes.len().saturating_sub(3);
    let tail = &bytes[start..];
    let lead = tail.iter().rposition(|b| b & 0xC0 != 0x80);
    let Some(lead) = lead else { return bytes.len() };
    let wanted = match tail[lead] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    if tail.len() - lead < wanted { start + lead } else { bytes.len() }
}
