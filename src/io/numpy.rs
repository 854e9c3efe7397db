//! NumPy's .npy and .npz as datasets.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NumpyConfig {}

/// Reads a NumPy array.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &NumpyConfig::default())
}

/// Reads a NumPy array, with options.
pub fn read_with(path: &Path, _config: &NumpyConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a NumPy array"))
}
