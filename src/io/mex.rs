//! Matrices in Matrix Market's exchange format, as Cell Ranger writes them (MEX).

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MexConfig {
    /// The features that become genes: "Gene Expression", another type that the file names (as
    /// "Antibody Capture"), or "all".
    pub features: String,
}

impl Default for MexConfig {
    fn default() -> Self {
        Self { features: "Gene Expression".into() }
    }
}

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
