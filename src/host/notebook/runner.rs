//! Runs the cells of a notebook one after the other and keeps what they gave.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::file::Notebook;
use super::options::Options;
use super::output::Piece;
use super::page::Page;
use super::progress::{Log, Shown};
use crate::base::{Error, Kind, Result, files, interrupt, progress};
use crate::host::capture;
use crate::host::cell::Cell;
use crate::host::journal::glimpse;
use crate::host::kernel::execute;
use crate::host::live::Live;
use crate::host::session::{Effect, Said};
use crate::host::{Exit, Session, signals};
use crate::script::{Failure, source};

/// How often the file is written while cells run.
const SAVING: Duration = Duration::from_secs(2);

/// A notebook on its way.
pub struct Runner {
    notebook: Notebook,
    session: Session,
    page: Arc<Page>,
    out: PathBuf,
    /// What the command line set, for messages.
    given: Vec<(String, Value)>,
    allow_errors: bool,
    pictures: bool,
    timeout: Option<Duration>,
    log: Log,
}

/// What a cell means for those behind it.
enum Verdict {
    Next,
    /// Nothing behind it runs.
    Stop(Exit),
}

impl Runner {
    /// `page` is the console of `session`; what comes of it is written to `out`.
    ///
    /// # Errors
    /// The system has no file descriptors left.
    pub fn new(
        notebook: Notebook,
        session: Session,
        page: Arc<Page>,
        out: PathBuf,
        given: Vec<(String, Value)>,
        options: &Options,
    ) -> Result<Self> {
        let failed = |e| Error::io("leading native output into the cells", e);
        let log = Log::new().map_err(failed)?;
        page.listen(capture::begin().map_err(failed)?.pipes, log.clone());
        signals::tell_of_aborts();
        let Options { allow_errors, pictures, timeout, .. } = *options;
        Ok(Self { notebook, session, page, out, given, allow_errors, pictures, timeout, log })
    }

    /// Runs all cells, or those before the first that fails, and writes the notebook either way.
    pub fn run(mut self) -> Exit {
        let cell = Live::new(self.page.clone());
        progress::install(Some(Arc::new(Shown { cell, log: self.log.clone() })));
        let cells: Vec<(usize, String)> = (0..self.notebook.len())
            .filter(|&i| !self.notebook.has_tag(i, "skip-execution"))
            .filter_map(|i| Some((i, self.notebook.code(i)?)))
            .collect();
        for (index, _) in &cells {
            self.set(*index, "execution_count", Value::Null);
            self.set(*index, "outputs", json!([]));
        }
        let began = Instant::now();
        let mut written = Instant::now();
        let mut exit = Exit::Success;
        let mut ran = String::new();
        for (n, (index, code)) in cells.iter().enumerate() {
            self.log.say(&format!("{:>5} {}", format!("{}/{}", n + 1, cells.len()), glimpse(code)));
            if let Verdict::Stop(with) = self.cell(*index, code) {
                exit = with;
                ran = format!("{} of {} cells ran, ", n + 1, cells.len());
                break;
            }
            if written.elapsed() > SAVING {
                self.write().unwrap_or_else(|e| self.log.say(&format!("      not saved: {e}")));
                written = Instant::now();
            }
        }
        progress::install(None);
        if let Err(e) = self.write() {
            self.log.say(&format!("error: {e}"));
            return Exit::Failure;
        }
        let took = began.elapsed().as_secs_f64();
        self.log.say(&format!("      {:.1} s, {ran}written to {}", took, self.out.display()));
        exit
    }

    fn cell(&mut self, index: usize, code: &str) -> Verdict {
        self.page.begin(index);
        let (said, timed_out) = self.timed(code);
        self.page.end();
        let count = self.session.count();
        self.set(index, "execution_count", count.into());
        match said {
            Said { outcome: Err(failure), .. } => self.failed(index, &failure, timed_out),
            Said { outcome: Ok(value), effect } => {
                // Documentation is to be read now, as in the kernel; it is no result of the notebook.
                let asked = matches!(Cell::parse(code), Cell::Question { .. });
                if let Some(bundle) = value.filter(|_| !asked) {
                    self.page.put(Piece::Result { bundle, count });
                }
                if let Some(Effect::Quit(code)) = effect {
                    self.log.say("      the cell asked to quit: those behind it do not run");
                    return Verdict::Stop(Exit::Asked(code));
                }
                Verdict::Next
            }
        }
    }

    /// Runs a cell; true when it was stopped because it took too long.
    fn timed(&mut self, code: &str) -> (Said, bool) {
        let session = &mut self.session;
        let Some(limit) = self.timeout else {
            return (signals::while_running(|| session.cell(code)), false);
        };
        let (over, ended) = mpsc::channel::<()>();
        let watched = || {
            std::thread::scope(|scope| {
                let watch = scope.spawn(move || {
                    let late = ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
                    if late {
                        interrupt::request_by("--timeout");
                    }
                    late
                });
                let said = session.cell(code);
                drop(over);
                (said, watch.join().unwrap_or(false))
            })
        };
        // It forgets what was asked before: the watch must not begin earlier.
        signals::while_running(watched)
    }

    fn failed(&mut self, index: usize, failure: &Failure, timed_out: bool) -> Verdict {
        let traceback = self.session.traceback(failure);
        let interrupted = failure.kind == Kind::Interrupted;
        self.page.put(Piece::Error(execute::error(&self.session, failure)));
        let (count, place) = (self.session.count(), index + 1);
        let cell = format!("cell [{count}] (number {place} of {})", self.notebook.len());
        if interrupted && !timed_out {
            self.log.say(&format!("stopped in {cell}: {}", failure.message));
            return Verdict::Stop(Exit::Interrupted);
        }
        if self.notebook.has_tag(index, "raises-exception") && !timed_out {
            return Verdict::Next;
        }
        match self.timeout.filter(|_| interrupted) {
            Some(limit) => self.log.say(&format!(
                "error: {cell} took longer than the {} s of --timeout\n{traceback}",
                limit.as_secs_f64()
            )),
            None => self.log.say(&format!("error: {cell} failed{}\n{traceback}", self.used(index))),
        }
        if self.allow_errors { Verdict::Next } else { Verdict::Stop(Exit::Failure) }
    }

    /// The parameters from the command line that a cell names, which may be why it failed.
    fn used(&self, index: usize) -> String {
        let code = self.notebook.code(index).unwrap_or_default();
        let tokens = source::scan(&code).tokens;
        let names = |name: &str| tokens.iter().any(|t| t.text.trim_matches('"') == name);
        let used = self.given.iter().filter(|(name, _)| names(name));
        let used: Vec<String> = used.map(|(name, value)| format!("--{name} {value}")).collect();
        if used.is_empty() { String::new() } else { format!("; it uses {}", used.join(", ")) }
    }

    fn set(&mut self, index: usize, field: &str, value: Value) {
        if let Some(cell) = self.notebook.cell_mut(index) {
            cell.insert(field.into(), value);
        }
    }

    /// Writes the notebook with the outputs so far.
    fn write(&mut self) -> Result<()> {
        if self.pictures {
            self.page.keep_pictures();
        }
        for index in 0..self.notebook.len() {
            let ran = self.notebook.cells()[index]["execution_count"].is_u64();
            if ran && !self.notebook.has_tag(index, "skip-execution") {
                self.set(index, "outputs", self.page.outputs(index));
            }
        }
        files::write(&self.out, self.notebook.text()?)
    }
}
