//! Sessions that ended without being closed.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use super::history::{Entry, Event, History, Opened, State};
use super::left_out::left_out;
use super::restore::runs;
use super::{file, now};
use crate::base::{Error, Result, files};

/// A session whose process died: killed, aborted, out of memory.
#[derive(Clone, Debug)]
pub struct Crashed {
    pub(super) path: PathBuf,
    pub(super) history: History,
}

/// All of them, those first that are most like the session of `opened`, of these the latest.
pub(super) fn find(folder: &Path, opened: &Opened) -> Vec<Crashed> {
    let dead = file::all(folder).into_iter().filter_map(|path| {
        let history = History::read(&std::fs::read(&path).ok()?);
        let over = history.closed || history.restored || history.entries.is_empty();
        (!over && !file::is_alive(&path, history.opened.pid)).then_some(Crashed { path, history })
    });
    let mut dead: Vec<Crashed> = dead.collect();
    dead.sort_by_key(|c| Reverse(c.likeness(opened)));
    dead
}

impl Crashed {
    /// The session of a journal that somebody names, however it ended.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading {}", path.display());
        files::exists(path)?;
        let history = History::read(&std::fs::read(path).map_err(|e| Error::io(doing(), e))?);
        if history.opened.carrier.is_empty() {
            let e = Error::new(doing()).expected("the journal of a session");
            return Err(e.found("lines that say nothing of one"));
        }
        Ok(Self { path: path.to_owned(), history })
    }

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
    /// not hear of the crashes of others, nor a REPL of those in other folders.
    pub(super) fn concerns(&self, opened: &Opened) -> bool {
        let here = opened.carrier == "repl" && self.history.opened.folder == opened.folder;
        self.is_of_same_kind(opened) && (here || self.shares_key(opened))
    }

    /// Whether the session of `opened` may take it for its own: it began in the same folder, or is
    /// the same notebook's.
    pub(super) fn is_near(&self, opened: &Opened) -> bool {
        self.shares_key(opened) || self.history.opened.folder == opened.folder
    }

    /// It is offered and taken no more; a session that still lives stays one that may die.
    pub(super) fn was_restored(&self) {
        if !file::is_alive(&self.path, self.history.opened.pid) {
            file::append(&self.path, &Event::Restored { time: now() });
        }
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

    /// "REPL session here that began 5 minutes ago".
    pub(super) fn name(&self) -> String {
        let Opened { carrier, folder, time, .. } = &self.history.opened;
        let carrier = if carrier == "repl" { "REPL" } else { carrier };
        let place = if super::here() == *folder { "here".into() } else { format!("in {folder}") };
        format!("{carrier} session {place} that began {} ago", ago(now().saturating_sub(*time)))
    }

    /// "3 finished cells": those that `:restore` would run.
    pub(super) fn cells(&self) -> String {
        many(runs(&self.history.entries) as u64, "finished cell")
    }

    /// "The REPL session here that began 5 minutes ago died in cell [7] ...".
    pub(super) fn offer(&self) -> String {
        let ended = match self.running() {
            Some(cell) => format!("died in cell [{}] ({})", cell.number, cell.glimpse()),
            None => "was killed between two cells".into(),
        };
        let restore = format!(":restore runs its {} again", self.cells());
        let show = if self.running().is_some() { ", not the one it died in" } else { "" };
        let stopped = match left_out(&self.history.entries).len() {
            0 => String::new(),
            n => format!(", and leaves out {} that did not end", many(n as u64, "cell")),
        };
        let saved = match self.checkpoint() {
            Some(path) => format!(" Training had saved {path}."),
            None => String::new(),
        };
        format!("The {} {ended}. {restore}{show}{stopped}.{saved}", self.name())
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
