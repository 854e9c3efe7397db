//! Sessions that ended without being closed.

use std::path::{Path, PathBuf};

use super::history::{Entry, History, Opened, State};
use super::left_out::left_out;
use super::{file, now};

/// A session whose process died: killed, aborted, out of memory.
#[derive(Clone, Debug)]
pub struct Crashed {
    pub(super) path: PathBuf,
    pub(super) history: History,
}

/// The latest one, one that is like the session of `opened` first.
pub(super) fn find(folder: &Path, opened: &Opened) -> Option<Crashed> {
    let dead = file::all(folder).into_iter().filter_map(|path| {
        let history = History::read(&std::fs::read(&path).ok()?);
        let over = history.closed || history.restored || history.entries.is_empty();
        (!over && !file::is_alive(&path, history.opened.pid)).then_some(Crashed { path, history })
    });
    // The first of the greatest: files come latest first, and `max_by_key` keeps the last.
    let mut dead: Vec<Crashed> = dead.collect();
    dead.reverse();
    dead.into_iter().max_by_key(|c| c.likeness(opened))
}

impl Crashed {
    /// The cell that was running when the process died.
    pub fn running(&self) -> Option<&Entry> {
        self.history.entries.iter().rev().find(|e| e.state == State::Running)
    }

    /// The cells that succeeded, in order.
    pub fn finished(&self) -> impl Iterator<Item = &Entry> {
        self.history.entries.iter().filter(|e| e.state == State::Succeeded)
    }

    /// Its cells, checkpoints among them.
    pub fn entries(&self) -> &[Entry] {
        &self.history.entries
    }

    /// Whether it is worth a word to the session of `opened` without being asked: a notebook does
    /// not hear of the crashes of others.
    pub(super) fn concerns(&self, opened: &Opened) -> bool {
        self.is_of_same_kind(opened) && (opened.carrier == "repl" || self.shares_key(opened))
    }

    pub(super) fn was_offered(&self) -> bool {
        self.history.offered
    }

    fn likeness(&self, opened: &Opened) -> (bool, bool, bool) {
        let folder = self.history.opened.folder == opened.folder;
        (self.shares_key(opened), self.is_of_same_kind(opened) && folder, folder)
    }

    fn is_of_same_kind(&self, opened: &Opened) -> bool {
        self.history.opened.carrier == opened.carrier
    }

    fn shares_key(&self, opened: &Opened) -> bool {
        self.history.opened.keys.iter().any(|k| opened.keys.contains(k))
    }

    /// "The last session ended in cell [7] ...".
    pub(super) fn offer(&self) -> String {
        let opened = &self.history.opened;
        let place = if super::here() == opened.folder { "here" } else { &opened.folder };
        let place = if place == "here" { place.to_owned() } else { format!("in {place}") };
        let finished = self.history.entries.iter().filter(|e| e.is_kept()).count();
        let cells = |n: usize| many(n as u64, "finished cell");
        let ended = match self.running() {
            Some(cell) => format!("died in cell [{}] ({})", cell.number, cell.glimpse()),
            None => "was killed between two cells".into(),
        };
        let restore = format!(":restore runs its {} again", cells(finished));
        let show = if self.running().is_some() { ", not the one it died in" } else { "" };
        let stopped = match left_out(&self.history.entries).len() {
            0 => String::new(),
            n => format!(", and leaves out {} that did not end", many(n as u64, "cell")),
        };
        let saved = match self.checkpoint() {
            Some(path) => format!(" Training had saved {path}."),
            None => String::new(),
        };
        format!(
            "The session {place} that began {} ago {ended}. {restore}{show}{stopped}.{saved}",
            ago(now().saturating_sub(opened.time))
        )
    }

    /// The last checkpoint of the cell that was running, if it is still there.
    pub fn checkpoint(&self) -> Option<&str> {
        self.running()?.checkpoint()
    }
}

fn many(n: u64, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

fn ago(seconds: u64) -> String {
    match seconds {
        s if s < 120 => many(s, "second"),
        s if s < 2 * 3600 => many(s / 60, "minute"),
        s if s < 48 * 3600 => many(s / 3600, "hour"),
        s => many(s / 86400, "day"),
    }
}
