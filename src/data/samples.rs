//! The samples that a dataset was joined of.

use super::{Dataset, Uns, keys};
use crate::base::Result;

impl Dataset {
    /// The column of `obs` that tells the samples apart, where `concat` has recorded one.
    pub fn sample_key(&self) -> Option<&str> {
        let key = self.uns().get(&[keys::SAMPLE_KEY]).and_then(Uns::as_str)?;
        Some(key).filter(|k| self.obs().has(k))
    }

    /// Each sample that has spots, with the places of its spots; none where no column tells them.
    ///
    /// # Errors
    /// A column that cannot be read.
    pub fn samples(&self) -> Result<Vec<(String, Vec<usize>)>> {
        self.sample_key().map_or(Ok(Vec::new()), |key| self.groups(key))
    }

    /// Whether the spots are of more than one sample: each has its own picture and scale.
    pub fn has_several_samples(&self) -> bool {
        let column = self.sample_key().and_then(|key| self.obs().column(key).ok());
        column.and_then(|c| c.n_unique().ok()).is_some_and(|n| n > 1)
    }

    /// The names of the samples that have spots.
    pub(super) fn sample_names(&self) -> Vec<String> {
        self.samples().unwrap_or_default().into_iter().map(|(name, _)| name).collect()
    }
}
