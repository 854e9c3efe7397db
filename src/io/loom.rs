//! Loom files (<https://linnarssonlab.org/loompy/format/>).

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoomConfig {}

/// Reads a loom file.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &LoomConfig::default())
}

/// Reads a loom file, with options.
pub fn read_with(path: &Path, _config: &LoomConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a loom file"))
}
