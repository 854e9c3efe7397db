//! What other runs left in the folder of a run.
//!
//! Loading and resuming go by the latest checkpoint of a folder, and people take what lies beside it
//! for its results. So what is of others must leave with the first checkpoint of this run. It is lost
//! only when the run has ended: one that was begun by mistake and stopped takes nothing away.

use std::path::{Path, PathBuf};

use super::folder::{checkpoints, earlier, epoch_of, last, list, next_earlier};
use crate::base::{Error, Result, progress};

/// Checkpoints and results that are not of the run in whose folder they are.
pub(super) struct Others<'a> {
    folder: &'a Path,
    /// Names of what scripts write beside checkpoints.
    results: &'a [String],
    /// What the data was read from stays wherever it is.
    read: Vec<PathBuf>,
    /// Those that lie beside this run's own.
    files: Vec<PathBuf>,
}

impl<'a> Others<'a> {
    /// Those in the folder of a run that begins, or goes on from a checkpoint after so many epochs;
    /// `read` is what its data came from.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn of(
        folder: &'a Path,
        results: &'a [String],
        resumed: Option<&Path>,
        epoch: u64,
        read: &[PathBuf],
    ) -> Result<Self> {
        let from = resumed.and_then(|p| Some(p.canonicalize().ok()?.parent()?.to_owned()));
        let here = from.is_some() && from == folder.canonicalize().ok();
        // What it goes on from, and what led there, is its own; results are of another epoch.
        let own = |p: &PathBuf| here && epoch_of(p) <= Some(epoch);
        let mut files = checkpoints(folder)?;
        files.retain(|p| !own(p));
        let read = read.iter().filter_map(|p| p.canonicalize().ok()).collect();
        let mut others = Self { folder, results, read, files };
        let found = others.results_in(folder);
        others.files.extend(found);
        Ok(others)
    }

    fn results_in(&self, folder: &Path) -> Vec<PathBuf> {
        let spare =
            |p: &PathBuf| p.canonicalize().is_ok_and(|p| p.is_file() && !self.read.contains(&p));
        self.results.iter().map(|name| folder.join(name)).filter(spare).collect()
    }

    /// Says what will become of them.
    pub fn note(&self) {
        let before = earlier(self.folder);
        if !before.is_empty() {
            progress::note(format!(
                "{} holds what a run that was stopped found here{}: the end of this run removes it, so move it elsewhere to keep it",
                list(&before),
                epochs(before.iter().flat_map(|f| checkpoints(f).unwrap_or_default()))
            ));
        }
        if !self.files.is_empty() {
            let epochs = epochs(self.files.iter().cloned());
            let what = if epochs.is_empty() { "results" } else { "checkpoints" };
            progress::note(format!(
                "{} holds {what} of an earlier run{epochs}: the first checkpoint of this one moves them to {}, its end removes them",
                self.folder.display(),
                next_earlier(self.folder).display()
            ));
        }
    }

    /// Moves them out of the way, once.
    ///
    /// # Errors
    /// The system refuses.
    pub fn put_aside(&mut self) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let aside = next_earlier(self.folder);
        let failed = |e| Error::io(format!("moving an earlier run to {}", aside.display()), e);
        std::fs::create_dir(&aside).map_err(failed)?;
        for path in self.files.drain(..) {
            let to = aside.join(path.file_name().unwrap_or_default());
            std::fs::rename(&path, to).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes what was moved aside, by this run and by those that were stopped, and the folders where
    /// nothing else is in them. What cannot be removed is in nobody's way.
    pub fn remove(&self) {
        for aside in earlier(self.folder) {
            let results = self.results_in(&aside);
            for path in checkpoints(&aside).unwrap_or_default().into_iter().chain(results) {
                std::fs::remove_file(path).ok();
            }
            std::fs::remove_dir(&aside).ok();
        }
    }

    /// Where they are now, for who has stopped the run.
    pub fn whereabouts(&self) -> Option<String> {
        let aside = Some(list(&earlier(self.folder))).filter(|l| !l.is_empty())?;
        Some(format!("What was there before is in {aside} until a run into this folder has ended"))
    }
}

/// How far they came.
fn epochs(checkpoints: impl Iterator<Item = PathBuf>) -> String {
    let last = last(checkpoints.filter(|p| epoch_of(p).is_some()).collect());
    last.and_then(|p| epoch_of(&p)).map(|e| format!(", to epoch {e}")).unwrap_or_default()
}
