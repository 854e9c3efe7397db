//! Which folder is the bundle, and where its files are.

use std::path::{Path, PathBuf};

use super::{Clusterings, named, note_other, visium};
use crate::base::{Error, Kind, Result};

const MANIFEST: &str = "experiment.xenium";
const CELLS: [&str; 2] = ["cells.parquet", "cells.csv.gz"];
const MATRIX: [&str; 2] = ["cell_feature_matrix.h5", "cell_feature_matrix"];

/// Whether a folder is a Xenium bundle or a part of one, or holds one; or a file is its manifest.
pub(in crate::io) fn looks_like(path: &Path) -> bool {
    if path.is_file() {
        return path.extension().is_some_and(|e| e == "xenium");
    }
    is_part(path) || below(path).iter().any(|f| is_part(f))
}

fn is_part(folder: &Path) -> bool {
    manifest(folder).is_some() || found(folder, &CELLS).is_some()
}

fn found(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|n| folder.join(n)).find(|p| p.exists())
}

fn below(folder: &Path) -> Vec<PathBuf> {
    visium::list(folder).into_iter().filter(|f| f.is_dir()).collect()
}

pub(super) fn manifest(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(MANIFEST)).filter(|p| p.is_file())
}

/// The bundle at a path: the folder itself, that of the manifest, or one level up or down.
pub(super) fn locate(path: &Path) -> Result<PathBuf> {
    if is_part(path) {
        return Ok(path.to_owned());
    }
    if let (true, Some(folder)) = (path.is_file(), path.parent()) {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if is_part(here) {
            return Ok(here.to_owned());
        }
    }
    let above = path.canonicalize().ok().and_then(|p| Some(p.parent()?.to_owned()));
    if let Some(folder) = above.filter(|f| is_part(f)) {
        note_other(path, &folder);
        return Ok(folder);
    }
    let refuse = |found: String, advice: &str| {
        Err(Error::new(format!("looking for the Xenium bundle at {}", path.display()))
            .kind(Kind::Missing)
            .expected(format!("a folder with {MANIFEST}, {} and {}", CELLS[0], MATRIX[0]))
            .found(found)
            .advice(advice))
    };
    let inside: Vec<PathBuf> = below(path).into_iter().filter(|f| is_part(f)).collect();
    match &inside[..] {
        [one] => {
            note_other(path, one);
            Ok(one.clone())
        }
        [] => refuse(
            visium::named(&visium::list(path)),
            "Name the folder of one region (output-<serial>__<slide>__<region>__...)",
        ),
        several => refuse(
            format!("several bundles inside it: {}", visium::named(several)),
            "Name the one you mean; data::concat joins several",
        ),
    }
}

/// The table of cells.
pub(super) fn cells(folder: &Path) -> Result<PathBuf> {
    found(folder, &CELLS).ok_or_else(|| missing(folder, &CELLS, "cells.zarr.zip"))
}

/// The counts: the `.h5`, else the MEX folder.
pub(super) fn matrix(folder: &Path) -> Result<PathBuf> {
    found(folder, &MATRIX).ok_or_else(|| missing(folder, &MATRIX, "cell_feature_matrix.zarr.zip"))
}

fn missing(folder: &Path, names: &[&str], zarr: &str) -> Error {
    let error = Error::new(format!("looking into {}", folder.display()))
        .kind(Kind::Missing)
        .expected(names.join(" or "));
    if folder.join(zarr).is_file() {
        return error.found(format!("only {zarr}, which Xenium Explorer reads")).advice(format!(
            "Copy {} of the instrument's output too; a zarr archive is not read",
            names.join(" or ")
        ));
    }
    error
        .found(visium::named(&visium::list(folder)))
        .advice("Copy the whole output folder of the region, not parts of it")
}

/// The tables of clusters that are asked for, in order of name.
pub(super) fn clusterings(folder: &Path, which: Clusterings) -> Vec<PathBuf> {
    let all = named(&folder.join("analysis").join("clustering"));
    let wanted = |name: &str| match which {
        Clusterings::None => false,
        Clusterings::Graph => name.ends_with("graphclust"),
        Clusterings::All => true,
    };
    let wanted = all.into_iter().filter(|(name, _)| wanted(name));
    wanted.map(|(_, p)| p.join("clusters.csv")).filter(|p| p.is_file()).collect()
}
