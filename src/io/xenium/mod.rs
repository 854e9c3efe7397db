//! The bundle that a Xenium Analyzer writes.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::Dataset;

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XeniumConfig {}

/// Reads a Xenium bundle.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &XeniumConfig::default())
}

/// Reads a Xenium bundle, with options.
pub fn read_with(path: &Path, _config: &XeniumConfig) -> Result<Dataset> {
    Err(Error::new(format!("reading {}", path.display()))
        .expected("a format that is read")
        .found("a Xenium bundle"))
}
