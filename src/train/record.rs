//! `run.json`: what was run, on what, with what, and what it took.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::base::{Error, Result, device, files, memory, progress};

/// The record of one run of an analysis.
#[derive(Debug, Serialize)]
pub struct Record {
    /// Versions of Spatia, its source revision, and libtorch.
    pub versions: BTreeMap<&'static str, String>,
    /// The parameters and options it ran with.
    pub config: Value,
    /// What came out, as the script states it.
    pub results: Value,
    /// Files it read, with their SHA-256.
    pub data: Vec<Source>,
    pub threads: i32,
    /// Largest memory held so far, bytes.
    pub peak_memory: u64,
}

/// A file and what was in it; nothing where it is gone by now.
#[derive(Debug, Serialize)]
pub struct Source {
    pub path: PathBuf,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
}

impl Record {
    /// Reads the versions, the memory and the checksums of `sources`. One that cannot be read any more
    /// is noted: what took hours is not lost for it.
    ///
    /// # Errors
    /// An interrupt.
    pub fn new(config: Value, results: Value, sources: &[PathBuf]) -> Result<Self> {
        let source = |path: &PathBuf| {
            let sha256 = match files::sha256(path) {
                Err(e) if e.is_interrupt() => return Err(e),
                Err(e) => {
                    progress::note(format!("The record holds no checksum: {e}"));
                    None
                }
                Ok(sum) => Some(sum),
            };
            let bytes = path.metadata().ok().map(|m| m.len());
            Ok(Source { path: path.clone(), bytes, sha256 })
        };
        let data = sources.iter().map(source).collect::<Result<_>>()?;
        Ok(Self {
            versions: versions(),
            config,
            results,
            data,
            threads: tch::get_num_threads(),
            peak_memory: memory::now().peak,
        })
    }

    /// Writes the record as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::io(format!("writing the record {}", path.display()), e))?;
        files::write(path, text + "\n")
    }
}

/// Versions of what computes: Spatia, its revision, libtorch.
pub fn versions() -> BTreeMap<&'static str, String> {
    let torch = device::libtorch_folder()
        .and_then(|lib| {
            let root = lib.parent()?.to_owned();
            std::fs::read_to_string(root.join("build-version")).ok().or_else(|| {
                let text = std::fs::read_to_string(root.join("version.py")).ok()?;
                let line = text.lines().find(|l| l.starts_with("__version__"))?;
                Some(line.split('\'').nth(1)?.to_owned())
            })
        })
        .map_or_else(|| "unknown".into(), |v| v.trim().to_owned());
    BTreeMap::from([
        ("spatia", env!("CARGO_PKG_VERSION").to_owned()),
        ("revision", option_env!("SPATIA_GIT_REV").unwrap_or("unknown").to_owned()),
        ("libtorch", torch),
    ])
}
