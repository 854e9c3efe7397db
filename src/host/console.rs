//! The console of scripts and of the REPL: standard output, standard error, standard input.
//!
//! In a terminal, figures show as pictures, displays renew themselves where they stand, and
//! `clear_output` takes away what the cell has written. Piped output is text and nothing else.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};

use super::streams::{err, out};
use super::{picture, terminal, tty};
use crate::base::{Error, Result, interrupt};
use crate::script::{Bundle, Console, Output};

/// Speaks on the process's own streams.
#[derive(Default)]
pub struct Terminal {
    written: Mutex<Written>,
    /// Whether the present cell has asked for input.
    asked: AtomicBool,
}

/// What the present cell has written, to go back over it.
#[derive(Default)]
struct Written {
    /// Rows from where the cell began to the cursor, and the cursor's column.
    rows: usize,
    column: usize,
    /// A `clear_output(true)` waits for the next output.
    clearing: bool,
    /// The display that was written last, and the row where it begins.
    last: Option<(String, usize)>,
}

impl Terminal {
    /// A new cell begins: what stands above it stays.
    pub fn begin(&self) {
        *self.written() = Written::default();
        terminal::lines_written();
    }

    /// Shows a value: its picture where the terminal can, and its text.
    pub fn show(&self, bundle: &Bundle) {
        terminal::aside(|| show(&mut self.written(), bundle));
    }

    /// Whether a cell has asked for input since this was last asked.
    pub fn has_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Console for Terminal {
    fn output(&self, output: Output) {
        terminal::aside(|| {
            let mut written = self.written();
            written.rows += terminal::lines_written();
            if let Output::Clear { wait } = output {
                written.clearing = wait;
                if !wait {
                    written.erase(0);
                }
                return;
            }
            if std::mem::take(&mut written.clearing) {
                written.erase(0);
            }
            match output {
                Output::Stdout(text) => {
                    written.follow(&text);
                    out(&text);
                }
                Output::Stderr(text) => {
                    written.follow(&text);
                    err(&text);
                }
                Output::Display { bundle, id, update } => {
                    let last =
                        written.last.take().filter(|(last, _)| update && Some(last) == id.as_ref());
                    if let Some((_, row)) = last {
                        written.erase(row);
                    }
                    let row = written.rows;
                    show(&mut written, &bundle);
                    written.last = id.map(|id| (id, row));
                }
                Output::Clear { .. } => {}
            }
        });
    }

    fn input(&self, prompt: &str, secret: bool) -> Result<String> {
        let doing = "reading a line of input";
        self.begin();
        self.asked.store(true, Ordering::Relaxed);
        if tty::is_interactive() {
            return if secret { tty::read_secret(prompt) } else { edited(doing, prompt) };
        }
        // The prompt is for people, not for whatever reads the output.
        err(prompt);
        let missing = "This input comes from a terminal or a pipe; param() takes values from the command line";
        match tty::read_line() {
            Ok(None) => Err(Error::new(doing)
                .expected("a line")
                .found("the end of the input")
                .advice(missing)),
            Ok(Some(line)) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
            Err(e) => interrupt::check(doing).and(Err(Error::io(doing, e))),
        }
    }
}

/// A line with editing, and no history of its own.
fn edited(doing: &str, prompt: &str) -> Result<String> {
    let failed = |e: ReadlineError| match e {
        ReadlineError::Interrupted => Error::interrupted(doing),
        ReadlineError::Eof => Error::new(doing).expected("a line").found("the end of the input"),
        other => Error::io(doing, other),
    };
    let config = Config::default();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<(), _>::with_history(config, history).map_err(failed)?;
    editor.readline_with_initial(prompt, (&tty::typed_ahead(), "")).map_err(failed)
}

fn show(written: &mut Written, bundle: &Bundle) {
    if written.column > 0 {
        out("\n");
        written.follow("\n");
    }
    if let Some(png) = bundle.png() {
        // A picture that cannot be drawn leaves its text.
        let rows = picture::show(&png).unwrap_or(0);
        written.rows += rows;
    }
    let text = bundle.plain().trim_end_matches('\n');
    if !text.is_empty() {
        let line = format!("{text}\n");
        out(&line);
        written.follow(&line);
    }
}

impl Written {
    /// Moves on as the terminal does.
    fn follow(&mut self, text: &str) {
        self.last = None;
        let columns = tty::size().columns;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => (self.rows, self.column) = (self.rows + 1, 0),
                '\r' => self.column = 0,
                '\t' => self.column = (self.column / 8 + 1) * 8,
                '\x1b' => while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
                c if c.is_control() => {}
                c => {
                    // Beginning with Hangul, most of what follows is twice as wide.
                    let width = if c >= '\u{1100}' && !('\u{2000}'..'\u{2e80}').contains(&c) {
                        2
                    } else {
                        1
                    };
                    if self.column + width > columns {
                        (self.rows, self.column) = (self.rows + 1, 0);
                    }
                    self.column += width;
                }
            }
        }
    }

    /// Goes back to a row of this cell and takes away what stands below, as far as the screen goes.
    fn erase(&mut self, row: usize) {
        if !std::io::stdout().is_terminal() {
            return;
        }
        let up = self.rows.saturating_sub(row).min(tty::size().rows.saturating_sub(1));
        let up = if up > 0 { format!("\x1b[{up}A") } else { String::new() };
        out(&format!("\r{up}\x1b[J"));
        (self.rows, self.column, self.last) = (row, 0, None);
    }
}
