//! The journal of a session: its cells, written down as they run, so that `:restore` can bring
//! them back after a crash, and `:save` can make a script of them.
//!
//! One file a session in `$XDG_STATE_HOME/spatia/sessions` (by default under `~/.local/state`),
//! readable by its user only, one JSON object a line (see [`history::Event`]). A line is handed to
//! the system before the cell runs, so that it outlives an abort of the process. The file is
//! locked as long as its session lives: one that is neither locked nor closed belongs to a session
//! that was killed. What `input_secret` is answered never gets here; texts of cells do.
//!
//! The REPL and the kernel call [`Session::keep_journal`](super::Session::keep_journal) once and
//! [`Journal::offer`] when the user can see it; scripts and notebook runs keep nothing on disk. A disk that
//! is full or a home that is read-only costs one note, never a cell.

mod crashed;
mod file;
mod history;
mod left_out;
mod names;
mod restore;
mod save;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use crashed::Crashed;
use file::File;
pub use history::glimpse;
pub use history::{Entry, State};
use history::{Event, History};
pub use left_out::{LeftOut, why_missing};
pub use restore::{Restored, restore};
pub use save::save;

use crate::base::{progress, saved};
use crate::host::commands::Holder;

/// Who carries the session that a journal belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Carrier<'a> {
    Repl,
    /// The kernel, by the path of its connection file. Jupyter gives a restarted kernel the same
    /// one, and the same `JPY_SESSION_NAME`; by either it finds the journal of the one that died.
    Kernel(&'a Path),
}

/// The cells of a session since it began or was restarted; in memory, and on disk once opened.
#[derive(Default)]
pub struct Journal(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    history: History,
    file: Option<File>,
    /// Where this journal and those of other sessions are.
    folder: Option<PathBuf>,
    /// Cells that run now, the innermost last (`:restore` runs others).
    running: Vec<(usize, Instant)>,
}

impl Journal {
    /// A journal on disk; its file is made when the first cell begins, and files of all but the
    /// last twenty sessions are removed. Checkpoints that training saves are noted in it.
    pub fn open(carrier: Carrier<'_>) -> Self {
        Self::in_folder(file::folder(), carrier)
    }

    /// See [`Journal::open`]; without a folder nothing is kept on disk.
    pub fn in_folder(folder: Option<PathBuf>, carrier: Carrier<'_>) -> Self {
        let mut log = Log::default();
        log.record(Event::opened(carrier));
        log.file = folder.as_deref().map(File::in_folder);
        log.folder = folder;
        let journal = Self(Arc::new(Mutex::new(log)));
        let log = Arc::downgrade(&journal.0);
        saved::listen(move |path| {
            if let Some(log) = log.upgrade() {
                lock(&log).checkpoint(path);
            }
        });
        journal
    }

    /// Called before a cell runs.
    pub fn begin(&mut self, cell: usize, text: &str) {
        let mut log = lock(&self.0);
        log.running.push((cell, Instant::now()));
        log.record(Event::Began { time: now(), cell, text: text.into() });
    }

    /// Called when it has ended, with how.
    pub fn end(&mut self, cell: usize, state: State) {
        let mut log = lock(&self.0);
        let Some(at) = log.running.iter().rposition(|(number, _)| *number == cell) else { return };
        let (_, began) = log.running.remove(at);
        let seconds = began.elapsed().as_secs_f64();
        let (succeeded, interrupted) = (state == State::Succeeded, state == State::Interrupted);
        log.record(Event::Ended { cell, succeeded, interrupted, seconds });
    }

    /// Notes a cell of another session that is not run here, so that this one knows what is missing.
    pub fn leave_out(&mut self, cell: usize, entry: &Entry) {
        self.begin(cell, &entry.text);
        for checkpoint in &entry.checkpoints {
            lock(&self.0).record(Event::Saved { cell, checkpoint: checkpoint.clone() });
        }
        self.end(cell, entry.state);
    }

    /// Called when the session forgot what a holder held, and those that live no longer: the cells
    /// that made it are no part of the session any more.
    pub fn forgotten(&mut self, by: Holder) {
        lock(&self.0).record(Event::Restarted { time: now(), by });
    }

    /// The session ends as it should. Dropping a journal does the same.
    pub fn close(&mut self) {
        lock(&self.0).close();
    }

    /// The session is ended from outside, with its terminal or by the system: it is left as one that
    /// died, so that the next one offers its cells.
    pub fn leave_open(&mut self) {
        lock(&self.0).file.take();
    }

    /// What a process closes the journal by that leaves while a cell runs.
    pub fn latch(&self) -> Latch {
        Latch(Arc::downgrade(&self.0))
    }

    /// The cells so far, those that run now among them.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.0).history.entries.clone()
    }

    /// The session whose process died without closing it that `:restore` takes: of the same notebook or
    /// folder, the most like this one. Cells of another folder would read and write in this one.
    pub fn crashed(&self) -> Option<Crashed> {
        let log = lock(&self.0);
        log.crashed().into_iter().find(|c| c.is_near(&log.history.opened))
    }

    /// All such sessions, of whatever folder.
    pub(super) fn all_crashed(&self) -> Vec<Crashed> {
        lock(&self.0).crashed()
    }

    /// What to say to the user of a session when one like it has crashed, once for each crash: it
    /// counts as said.
    pub fn offer(&self) -> Option<String> {
        let log = lock(&self.0);
        let crashed = log.crashed().into_iter().next()?;
        if crashed.was_offered() || !crashed.concerns(&log.history.opened) {
            return None;
        }
        file::append(&crashed.path, &Event::Offered { time: now() });
        Some(crashed.offer())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A panic that takes the session with it is a crash like any other.
        if !std::thread::panicking() {
            self.close();
        }
    }
}

/// Closes a session's journal from another thread than the session's.
pub struct Latch(Weak<Mutex<Log>>);

impl Latch {
    /// Closes it, unless this very moment something is written: whoever leaves does not wait.
    pub fn close(&self) {
        if let Some(log) = self.0.upgrade()
            && let Ok(mut log) = log.try_lock()
        {
            log.close();
        }
    }
}

impl Log {
    fn close(&mut self) {
        if let Some(mut file) = self.file.take() {
            file.close(&Event::Closed { time: now() });
        }
    }

    fn crashed(&self) -> Vec<Crashed> {
        let folder = self.folder.as_deref();
        folder.map(|f| crashed::find(f, &self.history.opened)).unwrap_or_default()
    }

    fn record(&mut self, event: Event) {
        if let Some(file) = &mut self.file
            && let Err(e) = file.write(&self.history.opened, &event)
        {
            progress::note(format!(
                "The journal of this session is not kept, :restore will not find it: {e}"
            ));
        }
        self.history.apply(event);
    }

    fn checkpoint(&mut self, path: &Path) {
        let Some(&(cell, _)) = self.running.last() else { return };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.record(Event::Saved { cell, checkpoint: path.display().to_string() });
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs())
}

/// The working directory, for people and for comparing.
fn here() -> String {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")).display().to_string()
}
