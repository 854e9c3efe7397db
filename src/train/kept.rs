//! The folder of a run: its checkpoints, and those of others that it finds there.
//!
//! Loading and resuming go by the latest checkpoint of a folder, so those of others must leave with
//! the first of this run. They are lost only when it has ended: a run that was begun by mistake and
//! stopped takes nothing away.

use std::path::{Path, PathBuf};

use super::adam::Adam;
use super::checkpoint::{self, all, epoch_of, latest};
use super::config::TrainConfig;
use super::fit::{Best, Epoch};
use super::model::Model;
use crate::base::{Error, Result, progress, saved as news};
use crate::batch::gvae::Fingerprint;

/// The checkpoints of a run.
pub(super) struct Kept<'a> {
    folder: Option<&'a Path>,
    training: &'a TrainConfig,
    fingerprint: &'a Fingerprint,
    /// Those that are not this run's, and whether they were moved aside.
    others: Option<Others>,
    aside: bool,
    /// The epoch of the last one.
    epoch: u64,
    /// Where it is.
    pub saved: Option<PathBuf>,
}

/// Checkpoints that are not of the run in whose folder they are.
struct Others {
    files: Vec<PathBuf>,
    aside: PathBuf,
}

impl<'a> Kept<'a> {
    /// Those of a run that begins, or goes on from `resumed` after so many epochs.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn new(
        folder: Option<&'a Path>,
        resumed: Option<&Path>,
        epoch: u64,
        training: &'a TrainConfig,
        fingerprint: &'a Fingerprint,
    ) -> Result<Self> {
        let others = match folder {
            Some(folder) => Others::of(folder, resumed, epoch)?,
            None => None,
        };
        if let (Some(folder), Some(o)) = (folder, &others) {
            let last = o.files.iter().filter_map(|p| epoch_of(p)).max().unwrap_or(0);
            progress::note(format!(
                "{} holds checkpoints of another run, to epoch {last}: the first one of this run moves them to {}, its end removes them",
                folder.display(),
                o.aside.display()
            ));
        }
        let saved = resumed.map(Path::to_owned);
        Ok(Self { folder, training, fingerprint, others, aside: false, epoch, saved })
    }

    /// Writes the model as it is, where there is a folder and something new to write; `last` says
    /// that the run has ended.
    ///
    /// # Errors
    /// What [`checkpoint::save`] refuses; those of others cannot be moved.
    pub fn save(
        &mut self,
        model: &Model,
        adam: &Adam,
        history: &[Epoch],
        best: Option<&Best>,
        last: bool,
    ) -> Result<()> {
        let epoch = history.len() as u64;
        if epoch == self.epoch {
            return Ok(());
        }
        self.epoch = epoch;
        let Some(folder) = self.folder else { return Ok(()) };
        if let Some(others) = self.others.as_mut().filter(|_| !self.aside) {
            others.put_aside()?;
            self.aside = true;
        }
        let fingerprint = self.fingerprint;
        let path =
            checkpoint::save(folder, model, self.training, adam, history, best, fingerprint)?;
        news::tell(&path);
        self.saved = Some(path);
        if let Some(others) = self.others.take_if(|_| last) {
            others.remove();
        }
        Ok(())
    }

    /// What the user is told who stopped the run after [`Kept::save`].
    pub fn stopped(&self, best: Option<&Best>) -> Error {
        let epoch = self.epoch;
        let doing = format!("training, stopped after epoch {epoch} of {}", self.training.epochs);
        let advice = match self.saved.as_ref().filter(|_| self.folder.is_some()) {
            Some(p) => {
                let own =
                    format!("Saved {0}. Go on with resume = \"{0}\" (--resume {0})", p.display());
                match self.others.as_ref().filter(|_| self.aside) {
                    Some(o) => format!("{own}. What was there before is in {}", o.aside.display()),
                    None => own,
                }
            }
            None if epoch == 0 => "No epoch was over, so there is nothing to resume".into(),
            None => {
                let best = best.map_or_else(String::new, |b| {
                    format!(" (the best was {}, which is lost)", b.epoch)
                });
                format!(
                    "The model is that of epoch {epoch}{best}, but nothing was written: give a folder for checkpoints to be able to resume"
                )
            }
        };
        Error::interrupted(doing).advice(advice)
    }
}

impl Others {
    /// Those in the folder of a run that begins, or goes on from `resumed` after so many epochs.
    fn of(folder: &Path, resumed: Option<&Path>, epoch: u64) -> Result<Option<Self>> {
        let home = |p: PathBuf| Some(p.canonicalize().ok()?.parent()?.to_owned());
        let from = resumed.map(latest).transpose()?.and_then(home);
        let here = from.is_some() && from == folder.canonicalize().ok();
        // What it goes on from, and what led there, is its own.
        let own = |p: &PathBuf| here && epoch_of(p) <= Some(epoch);
        let files: Vec<PathBuf> = all(folder)?.into_iter().filter(|p| !own(p)).collect();
        let names =
            std::iter::once("earlier".to_owned()).chain((2..).map(|n: u32| format!("earlier_{n}")));
        let aside = names.map(|n| folder.join(n)).find(|p| !p.exists());
        Ok(aside.filter(|_| !files.is_empty()).map(|aside| Self { files, aside }))
    }

    fn put_aside(&mut self) -> Result<()> {
        let failed = |e| Error::io(format!("moving checkpoints to {}", self.aside.display()), e);
        std::fs::create_dir_all(&self.aside).map_err(failed)?;
        for path in &mut self.files {
            let to = self.aside.join(path.file_name().unwrap_or_default());
            std::fs::rename(&*path, &to).map_err(failed)?;
            *path = to;
        }
        Ok(())
    }

    /// Removes them, and their folder where nothing else is in it. What cannot be removed is in
    /// nobody's way.
    fn remove(self) {
        for path in &self.files {
            std::fs::remove_file(path).ok();
        }
        std::fs::remove_dir(&self.aside).ok();
    }
}
