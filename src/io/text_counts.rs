//! Counts as text or parquet: a row a cell, a column a gene, and columns that say where.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextCountsConfig {}

/// Reads a table of counts.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &TextCountsConfig::default())
}

/// Reads a table of counts, with options.
pub fn read_with(path: &Path, _config: &TextCountsConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a table of counts"))
}
