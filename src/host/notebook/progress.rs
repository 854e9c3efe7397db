//! How a run of a notebook goes, on stderr: a line a cell, and milestones of long jobs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use crate::base::progress::{Sink, Step, clock};
use crate::host::live::Live;

/// The stderr that the process was started with: what native code writes to the other goes into
/// the cells.
#[derive(Clone)]
pub struct Log(Arc<File>);

impl Log {
    /// # Errors
    /// The system has no file descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?))))
    }

    /// Writes a line.
    pub fn say(&self, line: &str) {
        self.copy(&format!("{line}\n"));
    }

    /// Writes a text as it is.
    pub fn copy(&self, text: &str) {
        self.0.as_ref().write_all(text.as_bytes()).ok();
    }
}

/// Shows jobs in their cell and, where a line is enough, on stderr.
pub struct Shown {
    pub cell: Live,
    pub log: Log,
}

impl Sink for Shown {
    fn note(&self, text: &str) {
        self.cell.note(text);
        self.log.say(&format!("      {text}"));
    }

    fn step(&self, step: &Step<'_>) {
        self.cell.step(step);
        if step.milestone {
            let left = step.eta.map(|t| format!("  {} left", clock(t)));
            let Step { name, done, total, message, .. } = step;
            self.log.say(&format!(
                "      {name} {done}/{total}  {message}{}",
                left.unwrap_or_default()
            ));
        }
    }

    fn end(&self, name: &str) {
        self.cell.end(name);
    }
}
