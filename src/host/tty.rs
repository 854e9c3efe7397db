//! The terminal as a device: its size, what was typed ahead, questions to it with a time limit.
//!
//! Bytes that were typed while the terminal answered a question are kept for the next prompt.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::mem::zeroed;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::{Error, Result, interrupt};

/// What was typed, read and not used yet.
static AHEAD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
    /// Width and height of a character in pixels, where the terminal says them.
    pub cell: Option<(f64, f64)>,
}

/// The size of the terminal that standard output goes to; 80 x 24 where it does not say.
pub fn size() -> Size {
    // SAFETY: a struct of numbers, which the call fills in.
    let mut w: libc::winsize = unsafe { zeroed() };
    // SAFETY: the call writes to the struct of its documented type.
    let said = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut w) } == 0;
    if !said || w.ws_col == 0 || w.ws_row == 0 {
        return Size { columns: 80, rows: 24, cell: None };
    }
    let cell = (w.ws_xpixel > 0 && w.ws_ypixel > 0).then(|| {
        (f64::from(w.ws_xpixel) / f64::from(w.ws_col), f64::from(w.ws_ypixel) / f64::from(w.ws_row))
    });
    Size { columns: w.ws_col.into(), rows: w.ws_row.into(), cell }
}

/// Whether someone sits before both ends: keys come in, and what is written is seen.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// What was typed before anyone asked: while a cell ran.
pub fn typed_ahead() -> String {
    let mut typed = typed_meanwhile();
    if let Some(_raw) = Raw::enter(true) {
        let bytes: Vec<u8> = std::iter::from_fn(|| read_byte(Duration::ZERO)).collect();
        typed += &printable(&String::from_utf8_lossy(&bytes));
    }
    typed
}

/// What was typed while the terminal answered a question.
pub fn typed_meanwhile() -> String {
    let bytes = std::mem::take(&mut *AHEAD.lock().unwrap_or_else(PoisonError::into_inner));
    printable(&String::from_utf8_lossy(&bytes))
}

/// Whether keys wait that nobody has read.
pub fn keys_wait() -> bool {
    Raw::enter(true).is_some_and(|_raw| Input::is_ready(0))
}

/// Text without the keys that are no text; lines end in `\n`.
fn printable(typed: &str) -> String {
    let mut out = String::new();
    let mut chars = typed.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                // ESC [ ... letter, ESC O letter, ESC letter
                if matches!(chars.next(), Some('[' | 'O')) {
                    while chars.next().is_some_and(|c| !c.is_ascii_alphabetic() && c != '~') {}
                }
            }
            '\r' | '\n' => out.push('\n'),
            '\t' => out.push(' '),
            '\x08' | '\x7f' => {
                if out.chars().next_back().is_some_and(|c| c != '\n') {
                    out.pop();
                }
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Sends a question and collects the answer until `done` says that it is whole, for at most
/// `limit`. What else was typed meanwhile is kept for the next prompt.
pub fn ask(question: &str, done: impl Fn(&[u8]) -> bool, limit: Duration) -> Option<Vec<u8>> {
    let _raw = Raw::enter(true)?;
    let keep = |bytes: &[u8]| {
        AHEAD.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    };
    let mut out = std::io::stdout();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).ok()?;
    let until = Instant::now() + limit;
    let mut answer = Vec::new();
    while !done(&answer) {
        let Some(byte) = read_byte(until.saturating_duration_since(Instant::now())) else {
            keep(&answer);
            return None;
        };
        // Answers begin with an escape; what comes before it was typed.
        if answer.is_empty() && byte != 0x1b {
            keep(&[byte]);
        } else {
            answer.push(byte);
        }
    }
    Some(answer)
}

/// Reads a line without showing it.
///
/// # Errors
/// The input ends; the user stops it.
pub fn read_secret(prompt: &str) -> Result<String> {
    let doing = "reading a secret";
    let raw = Raw::enter(false)
        .ok_or_else(|| Error::new(doing).expected("a terminal to read from").found("none"))?;
    let mut out = std::io::stdout();
    let mut line = Vec::new();
    let show = |text: &str, out: &mut std::io::Stdout| {
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
    };
    show(prompt, &mut out);
    let result = loop {
        match read_byte(Duration::from_secs(3600)) {
            Some(b'\r' | b'\n') => break Ok(()),
            Some(3) => break Err(Error::interrupted(doing)),
            Some(4) if line.is_empty() => {
                break Err(Error::new(doing).expected("a line").found("the end of the input"));
            }
            Some(0x7f | 8) => {
                // A character of several bytes goes as one.
                while line.pop().is_some_and(|b: u8| b & 0xc0 == 0x80) {}
            }
            Some(0x15) => line.clear(),
            Some(byte) => line.push(byte),
            None if interrupt::requested() => break Err(Error::interrupted(doing)),
            None if std::io::stdin().is_terminal() => {}
            None => break Err(Error::new(doing).found("the terminal is gone")),
        }
    };
    drop(raw);
    show("\n", &mut out);
    result.map(|()| String::from_utf8_lossy(&line).into_owned())
}

/// The terminal without lines and echo, until dropped.
struct Raw(libc::termios);

impl Raw {
    /// `None` where there is no terminal, or another process has it. With `signals`, Ctrl-C stays
    /// a signal.
    fn enter(signals: bool) -> Option<Self> {
        const STDIN: i32 = libc::STDIN_FILENO;
        if !is_interactive() {
            return None;
        }
        // SAFETY: asks for numbers; changing a terminal from the background would stop us.
        if unsafe { libc::tcgetpgrp(STDIN) != libc::getpgrp() } {
            return None;
        }
        // SAFETY: a struct of numbers, which the next call fills in.
        let mut before: libc::termios = unsafe { zeroed() };
        // SAFETY: as documented, with a struct of its type.
        if unsafe { libc::tcgetattr(STDIN, &mut before) } != 0 {
            return None;
        }
        let mut raw = before;
        raw.c_lflag &= !(libc::ICANON | libc::ECHO);
        if !signals {
            raw.c_lflag &= !libc::ISIG;
        }
        raw.c_cc[libc::VMIN] = 0;
        raw.c_cc[libc::VTIME] = 0;
        // SAFETY: as documented, with a struct of its type.
        (unsafe { libc::tcsetattr(STDIN, libc::TCSANOW, &raw) } == 0).then_some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: puts back what the same call gave.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &self.0) };
    }
}

/// A byte from the terminal, past Rust's buffer, which lines are read through.
fn read_byte(limit: Duration) -> Option<u8> {
    let mut ready = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    let mut byte = 0u8;
    // SAFETY: one entry, and one byte of room, as the calls are told.
    unsafe {
        if libc::poll(&mut ready, 1, limit) < 1 {
            return None;
        }
        (libc::read(libc::STDIN_FILENO, (&raw mut byte).cast(), 1) == 1).then_some(byte)
    }
}

/// Standard input where it is no terminal. One buffer for all who read it: cells and `input`.
static PIPED: Mutex<Option<Piped>> = Mutex::new(None);

struct Piped {
    input: BufReader<Input>,
    /// A line that was looked at and is still to be read.
    seen: Option<Vec<u8>>,
}

struct Input;

impl Input {
    /// Whether there is something to read, or the end, within so many milliseconds.
    fn is_ready(milliseconds: i32) -> bool {
        let mut ready = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, as the call is told.
        unsafe { libc::poll(&mut ready, 1, milliseconds) > 0 }
    }
}

impl Read for Input {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        while !Self::is_ready(100) {
            if interrupt::requested() {
                return Err(std::io::Error::other("interrupted"));
            }
        }
        // SAFETY: the pointer and the length are those of the slice.
        let n = unsafe { libc::read(libc::STDIN_FILENO, room.as_mut_ptr().cast(), room.len()) };
        usize::try_from(n).map_err(|_| std::io::Error::last_os_error())
    }
}

impl Piped {
    /// A line with its end; empty where the input has ended.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line)?;
        Ok(line)
    }
}

fn piped<T>(read: impl FnOnce(&mut Piped) -> T) -> T {
    let mut piped = PIPED.lock().unwrap_or_else(PoisonError::into_inner);
    read(piped.get_or_insert_with(|| Piped { input: BufReader::new(Input), seen: None }))
}

/// A line of piped input with its end; `None` where the input has ended. What is no UTF-8 is
/// replaced. An interrupt is an error.
pub fn read_line() -> std::io::Result<Option<String>> {
    piped(|piped| {
        let line = piped.seen.take().map_or_else(|| piped.line(), Ok)?;
        Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
    })
}

/// The line after that, if it begins without waiting; it stays to be read.
pub fn next_line() -> Option<String> {
    piped(|piped| {
        if piped.seen.is_none() && piped.input.buffer().is_empty() && !Input::is_ready(0) {
            return None;
        }
        // Its end may be in what the other side writes next.
        let line = piped.seen.take().map_or_else(|| piped.line(), Ok).ok()?;
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        piped.seen = Some(line).filter(|line| !line.is_empty());
        piped.seen.is_some().then_some(text)
    })
}
