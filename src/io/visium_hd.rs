//! The folder that Space Ranger writes for a Visium HD slide.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VisiumHdConfig {}

/// Reads a Visium HD folder.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &VisiumHdConfig::default())
}

/// Reads a Visium HD folder, with options.
pub fn read_with(path: &Path, _config: &VisiumHdConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a Visium HD folder"))
}
