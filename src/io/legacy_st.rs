//! Counts of legacy spatial transcriptomics: rows named XxY, and a table of the selected spots.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyStConfig {}

/// Reads a table of legacy spatial transcriptomics.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &LegacyStConfig::default())
}

/// Reads a table of legacy spatial transcriptomics, with options.
pub fn read_with(path: &Path, _config: &LegacyStConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a table of legacy spatial transcriptomics"))
}
