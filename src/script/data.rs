//! `data::`: reading datasets.

use std::path::Path;

use rhai::plugin::*;

use super::convert::Outcome;
use super::dataset::Dataset;
use crate::io;

#[export_module(manifest)]
pub(super) mod functions {
    /// Reads a dataset: an `.h5ad` file, a 10x `.h5` file, or a Visium folder. What it is, is seen
    /// from the content.
    ///
    /// ```rhai
    /// ds.write("tissue.h5ad")
    /// let same = data::read("tissue.h5ad")
    /// same.n_vars                     // => 40
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read(path: &str) -> Outcome<Dataset> {
        Ok(Dataset::new(io::read(Path::new(path))?))
    }
}
