//! What a run writes down: its checkpoints, in a folder that is its own as long as it runs.

use std::path::{Path, PathBuf};

use super::adam::Adam;
use super::checkpoint;
use super::fit::{Best, Epoch, Fit};
use super::model::Model;
use super::others::Others;
use crate::base::{Error, Result, saved as news};
use crate::batch::gvae::Fingerprint;

/// The checkpoints of a run.
pub(super) struct Kept<'a> {
    options: &'a Fit,
    fingerprint: &'a Fingerprint,
    /// The folder, and what in it is not this run's.
    folder: Option<(&'a Path, Others<'a>)>,
    /// The epoch that it goes on from.
    first: u64,
    /// The epoch of the last one.
    epoch: u64,
    /// Where it is.
    pub saved: Option<PathBuf>,
}

impl<'a> Kept<'a> {
    /// Those of a run that begins, or goes on from `resumed` after so many epochs, on what was `read`
    /// from some files.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn new(
        options: &'a Fit,
        resumed: Option<PathBuf>,
        first: u64,
        fingerprint: &'a Fingerprint,
        read: &[PathBuf],
    ) -> Result<Self> {
        let others = |folder: &'a Path| {
            Ok((folder, Others::of(folder, &options.results, resumed.as_deref(), first, read)?))
        };
        let folder = options.checkpoints.as_deref().map(others).transpose()?;
        Ok(Self { options, fingerprint, folder, first, epoch: first, saved: resumed })
    }

    /// Says what will become of what others left in the folder.
    pub fn note(&self) {
        if let Some((_, others)) = &self.folder {
            others.note();
        }
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
        let Some((folder, others)) = &mut self.folder else { return Ok(()) };
        others.put_aside()?;
        let (training, fingerprint) = (&self.options.training, self.fingerprint);
        let path = checkpoint::save(folder, model, training, adam, history, best, fingerprint)?;
        news::tell(&path);
        self.saved = Some(path);
        if last {
            others.remove();
        }
        Ok(())
    }

    /// What the user is told who stopped the run after [`Kept::save`].
    pub fn stopped(&self, best: Option<&Best>) -> Error {
        let (epoch, epochs) = (self.epoch, self.options.training.epochs);
        let go_on = |p: &Path| format!("Go on with resume = \"{0}\" (--resume {0})", p.display());
        let advice = match (&self.saved, &self.folder) {
            (None, _) if epoch == 0 => "No epoch was over, so there is nothing to resume".into(),
            (Some(p), _) if epoch == self.first => {
                format!("No epoch was over since {}. {}", p.display(), go_on(p))
            }
            (Some(p), Some((_, others))) => {
                let own = format!("Saved {}. {}", p.display(), go_on(p));
                let parts = [Some(own), others.whereabouts()];
                parts.into_iter().flatten().collect::<Vec<_>>().join(". ")
            }
            _ => {
                let best = best.map_or_else(String::new, |b| {
                    format!(" (the best was {}, which is lost)", b.epoch)
                });
                format!(
                    "The model is that of epoch {epoch}{best}, but nothing was written: give a folder for checkpoints to be able to resume"
                )
            }
        };
        Error::interrupted(format!("training, stopped after epoch {epoch} of {epochs}"))
            .advice(advice)
    }
}
