//! The folder that Space Ranger writes for a Visium HD slide: `binned_outputs/` with a folder for
//! each size of bin, `square_002um`, `square_008um`, `square_016um`.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tenx::GENES;
use super::visium::{self, Matrix, VisiumConfig, list, named};
use crate::base::{Error, Kind, Result, files, progress};
use crate::data::Dataset;

const BINNED: &str = "binned_outputs";
const SEGMENTED: &str = "segmented_outputs";
const POSITIONS: &str = "spatial/tissue_positions.parquet";
/// The size of bin that Space Ranger's own analysis uses.
const USUAL_UM: u32 = 8;

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VisiumHdConfig {
    /// The size of the bins in micrometres; without it 8, or that of the folder that is named.
    pub bin_um: Option<u32>,
    /// Which counts: of the bins under tissue ("filtered"; the raw ones where there are no others)
    /// or of all bins ("raw").
    pub counts: Matrix,
    /// Whether only the bins under tissue are kept.
    pub in_tissue: bool,
    /// Whether the images are read.
    pub images: bool,
    /// The features that become genes: "Gene Expression", another type that the counts name (as
    /// "Antibody Capture"), or "all". Of each type left out, the total of a bin is kept in obs.
    pub features: String,
    /// The name under which uns["spatial"] holds the images; without it the one in the counts.
    pub library: Option<String>,
}

impl Default for VisiumHdConfig {
    fn default() -> Self {
        let VisiumConfig { counts, in_tissue, images, library, .. } = VisiumConfig::default();
        Self { bin_um: None, counts, in_tissue, images, features: GENES.into(), library }
    }
}

/// Reads a Visium HD folder as [`read_with`] does with its defaults.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &VisiumHdConfig::default())
}

/// Reads the bins of one size, joined to their positions by barcode.
///
/// `path` is `outs/`, the folder above it, `binned_outputs/` or the folder of one size of bin. The
/// dataset is as [`visium::read_with`] makes it; images are those of the bins' `spatial/`, else of
/// the central one, and micrometres are by `microns_per_pixel` of the scale factors.
///
/// # Errors
/// No Visium HD folder, a size of bin that is not there, and what [`visium::read_with`] refuses.
pub fn read_with(path: &Path, config: &VisiumHdConfig) -> Result<Dataset> {
    files::exists(path)?;
    let square = locate(path, config.bin_um)?;
    let VisiumHdConfig { counts, in_tissue, images, .. } = *config;
    let (features, library) = (config.features.clone(), config.library.clone());
    let options = VisiumConfig { counts, in_tissue, images, features, library };
    let slide = || {
        let positions = square.join(POSITIONS);
        if !positions.is_file() {
            return Err(Error::new("looking for the positions")
                .kind(Kind::Missing)
                .expected(POSITIONS)
                .found(named(&list(&square.join("spatial"))))
                .advice("Copy the whole folder of the bins, with its spatial/"));
        }
        let counts = visium::counts(&square, config.counts)?;
        let mut beside = vec![square.join("spatial")];
        beside.extend(central(&square));
        visium::assemble(&square, &counts, &positions, &beside, &options)
    };
    slide().map_err(|e| e.within(format!("reading the Visium HD folder {}", square.display())))
}

/// Whether a folder is one of Visium HD, or the folder above.
pub(super) fn looks_like(path: &Path) -> bool {
    !squares(path).is_empty()
        || one_size(path).is_some()
        || [path, &path.join("outs")]
            .iter()
            .any(|p| p.join(BINNED).is_dir() || p.join(SEGMENTED).is_dir() || is_packed(p))
}

/// Whether the bins lie there as they are downloaded.
fn is_packed(folder: &Path) -> bool {
    let ends = |f: &PathBuf| f.to_string_lossy().ends_with(&format!("{BINNED}.tar.gz"));
    list(folder).iter().any(ends)
}

/// The central `spatial/`, beside `binned_outputs/`.
fn central(square: &Path) -> Option<PathBuf> {
    let full = square.canonicalize().ok()?;
    Some(full.parent()?.parent()?.join("spatial"))
}

/// The folder of one size of bin that `path` is, or that it is the `spatial/` of.
fn one_size(path: &Path) -> Option<PathBuf> {
    let full = path.canonicalize().ok()?;
    let above = full.parent().filter(|_| full.ends_with("spatial")).map(Path::to_owned);
    [Some(path.to_owned()), above].into_iter().flatten().find(|f| f.join(POSITIONS).is_file())
}

/// The size in the name of a folder `square_008um`.
fn size(folder: &Path) -> Option<u32> {
    let full = folder.canonicalize().ok()?;
    full.file_name()?.to_str()?.strip_prefix("square_")?.strip_suffix("um")?.parse().ok()
}

/// The sizes of bin in a folder, ascending.
fn squares(folder: &Path) -> Vec<(u32, PathBuf)> {
    let all = list(folder).into_iter().filter(|f| f.is_dir());
    let mut found: Vec<(u32, PathBuf)> = all.filter_map(|f| Some((size(&f)?, f))).collect();
    found.sort();
    found
}

/// The folder of one size of bin.
fn locate(path: &Path, wanted: Option<u32>) -> Result<PathBuf> {
    let doing = format!("looking for the bins in {}", path.display());
    if let Some(folder) = one_size(path) {
        return match (size(&folder), wanted) {
            (Some(is), Some(um)) if is != um => Err(Error::new(doing)
                .expected(format!("bins of {um} um"))
                .found(format!("the folder of those of {is} um"))
                .advice("Name outs/ instead, or leave out bin_um")),
            _ => Ok(folder),
        };
    }
    let outs = path.join("outs");
    let places = [path.join(BINNED), path.to_owned(), outs.join(BINNED)];
    let found = places.iter().map(|p| squares(p)).find(|s| !s.is_empty()).unwrap_or_default();
    let um = wanted.unwrap_or(USUAL_UM);
    match found.iter().find(|(is, _)| *is == um) {
        Some((_, folder)) => {
            if wanted.is_none() {
                progress::note(format!("bins of {um} um; bin_um chooses another size"));
            }
            Ok(folder.clone())
        }
        None if !found.is_empty() => {
            let sizes: Vec<String> = found.iter().map(|(um, _)| um.to_string()).collect();
            Err(Error::new(doing)
                .kind(Kind::Missing)
                .expected(format!("bins of {um} um"))
                .found(format!("bins of {} um", sizes.join(", ")))
                .advice(format!("Choose with bin_um: {}", sizes.join(" or "))))
        }
        None => Err(absent(doing, path, &[path.to_owned(), outs])),
    }
}

/// No bins at all: what there is instead.
fn absent(doing: String, path: &Path, places: &[PathBuf]) -> Error {
    let has = |name: &str| places.iter().any(|p| p.join(name).exists());
    let advice = if places.iter().any(|p| is_packed(p)) {
        "Unpack binned_outputs.tar.gz first"
    } else if path.file_name().is_some_and(|n| n == SEGMENTED) || has(SEGMENTED) {
        "The cells of segmented_outputs/ are not read: add binned_outputs/ of the same run"
    } else {
        "Name Space Ranger's outs/, its binned_outputs/ or the folder of one size of bin"
    };
    Error::new(doing)
        .kind(Kind::Missing)
        .expected("binned_outputs/square_008um/ or another size of bin")
        .found(named(&list(path)))
        .advice(advice)
}
