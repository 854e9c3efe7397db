//! What is in a journal: events, one a line, and what they add up to.

use serde::{Deserialize, Serialize};

use super::left_out::is_handed_some;
use super::{Carrier, here, now};
use crate::base::text::visible;
use crate::host::cell::Cell;
use crate::host::commands::{self, Holder, Sort};

/// A line of a journal. Times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Opened(Opened),
    /// A cell is about to run.
    Began {
        time: u64,
        cell: usize,
        text: String,
    },
    Ended {
        cell: usize,
        succeeded: bool,
        #[serde(default)]
        interrupted: bool,
        seconds: f64,
    },
    /// Training saved a checkpoint while the cell ran.
    Saved {
        cell: usize,
        checkpoint: String,
    },
    /// The session forgot its variables, and all else that lives no longer than what `by` holds.
    Restarted {
        time: u64,
        #[serde(default)]
        by: Holder,
    },
    /// Somebody was told of the crash.
    Offered {
        time: u64,
    },
    /// Another session ran the cells again.
    Restored {
        time: u64,
    },
    /// The session ended as it should.
    Closed {
        time: u64,
    },
}

/// Whose journal it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Opened {
    pub time: u64,
    pub version: String,
    /// "repl" or "kernel".
    pub carrier: String,
    /// The working directory.
    pub folder: String,
    /// What stays the same when Jupyter restarts a kernel.
    pub keys: Vec<String>,
    pub pid: u32,
}

/// One cell of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub number: usize,
    pub text: String,
    pub state: State,
    /// Paths of the checkpoints that training saved in it, the last one last.
    pub checkpoints: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs; in the journal of a dead session: it was running when the process died.
    Running,
    Succeeded,
    Failed,
    /// The user stopped it.
    Interrupted,
}

/// A session as its events tell it.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub opened: Opened,
    /// Those that made what the session holds now, in the order in which they began; a cell that
    /// forgot what others had made, too.
    pub entries: Vec<Entry>,
    pub offered: bool,
    pub restored: bool,
    pub closed: bool,
}

impl Event {
    pub fn opened(carrier: Carrier<'_>) -> Self {
        let (name, keys) = match carrier {
            Carrier::Repl => ("repl", Vec::new()),
            Carrier::Kernel(connection) => {
                let session = std::env::var("JPY_SESSION_NAME").ok();
                let connection = connection.file_name().map(|n| n.to_string_lossy().into_owned());
                ("kernel", session.into_iter().chain(connection).collect())
            }
        };
        Self::Opened(Opened {
            time: now(),
            version: env!("CARGO_PKG_VERSION").into(),
            carrier: name.into(),
            folder: here(),
            keys,
            pid: std::process::id(),
        })
    }
}

impl History {
    /// Adds up the lines of a journal; one that is torn (the disk was full) is passed over.
    pub fn read(bytes: &[u8]) -> Self {
        let mut history = Self::default();
        String::from_utf8_lossy(bytes)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .for_each(|event| history.apply(event));
        history
    }

    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Opened(opened) => self.opened = opened,
            Event::Began { cell, text, .. } => self.entries.push(Entry {
                number: cell,
                text,
                state: State::Running,
                checkpoints: Vec::new(),
            }),
            Event::Ended { cell, succeeded, interrupted, .. } => {
                if let Some(entry) = self.entry(cell) {
                    entry.state = match (succeeded, interrupted) {
                        (true, _) => State::Succeeded,
                        (_, true) => State::Interrupted,
                        _ => State::Failed,
                    };
                }
            }
            Event::Saved { cell, checkpoint } => {
                if let Some(entry) = self.entry(cell) {
                    entry.checkpoints.retain(|c| *c != checkpoint);
                    entry.checkpoints.push(checkpoint);
                }
            }
            Event::Restarted { by, .. } => self.forget(by),
            Event::Offered { .. } => self.offered = true,
            Event::Restored { .. } => self.restored = true,
            Event::Closed { .. } => self.closed = true,
        }
    }

    /// Of cells stays what they did to what lives longer than `forgotten`.
    fn forget(&mut self, forgotten: Holder) {
        // What a cell of Rust was given must be there when it runs again.
        let handed = |e: &Entry| e.state == State::Succeeded && is_handed_some(&e.text);
        if forgotten < Holder::Rust && self.entries.iter().any(handed) {
            return;
        }
        self.entries.retain_mut(|e| match e.state {
            State::Running => true,
            State::Succeeded => outlasting(&e.text, forgotten).map(|t| e.text = t).is_some(),
            State::Failed | State::Interrupted => false,
        });
    }

    fn entry(&mut self, number: usize) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|e| e.number == number)
    }
}

impl Entry {
    /// Whether the cell makes what the session holds. Those that only look (`?x`, `:vars`) or speak
    /// of the session itself (`:restore`, `:save`) do not.
    pub fn builds_state(&self) -> bool {
        changes(&self.text).is_some()
    }

    /// The first line, shortened.
    pub fn glimpse(&self) -> String {
        glimpse(&self.text)
    }
}

/// What is another behind a cell.
fn changes(text: &str) -> Option<Holder> {
    match Cell::parse(text) {
        Cell::Code(code) => (!commands::is_word(code)).then_some(Holder::Language),
        Cell::Magic { name, .. } => commands::changes(Sort::Cell, name),
        Cell::Line { name, .. } => commands::changes(Sort::Line, name),
        Cell::Command { name, .. } => commands::changes(Sort::Command, name),
        Cell::Question { .. } => None,
        Cell::Lead { first, rest, .. } => changes(first).max(changes(rest)),
    }
}

/// The part of a cell that changed what lives longer than `forgotten`.
fn outlasting(text: &str, forgotten: Holder) -> Option<String> {
    if let Cell::Lead { first, rest, .. } = Cell::parse(text) {
        let parts = [first, rest].into_iter().filter_map(|part| outlasting(part, forgotten));
        let parts = parts.collect::<Vec<_>>();
        return (!parts.is_empty()).then(|| parts.join("\n"));
    }
    changes(text).filter(|holder| *holder > forgotten).map(|_| text.trim().to_owned())
}

/// The first line of a cell that says something, shortened to fit beside other words.
pub fn glimpse(text: &str) -> String {
    const MOST: usize = 60;
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let line = lines.next().unwrap_or_default();
    let more = line.chars().count() > MOST || lines.next().is_some();
    let short: String = line.chars().take(MOST).map(visible).collect();
    if more { format!("{short} ...") } else { short }
}
