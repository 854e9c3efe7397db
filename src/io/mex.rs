//! Matrices in Matrix Market's exchange format, as Cell Ranger writes them (MEX).

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MexConfig {}

/// Reads a MEX folder.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &MexConfig::default())
}

/// Reads a MEX folder, with options.
pub fn read_with(path: &Path, _config: &MexConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a MEX folder"))
}
