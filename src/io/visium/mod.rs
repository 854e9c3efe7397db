//! The folder that Space Ranger writes for a Visium slide.
//!
//! Counts, `spatial/tissue_positions_list.csv` (Space Ranger 1) or `tissue_positions.csv` (2 and
//! later), scale factors and images, laid out as scanpy and squidpy lay them out. The parts serve
//! [`super::visium_hd`] too.

mod attach;
mod folder;
mod picture;
mod positions;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::folder::{Counts, counts, list, looks_like, named};
use self::positions::Positions;
use super::tenx::GENES;
use crate::base::{Error, Kind, Result, files, progress};
use crate::data::{Dataset, Uns, keys};

const POSITIONS: [&str; 2] = ["tissue_positions.csv", "tissue_positions_list.csv"];

/// Which of the two matrices that Space Ranger writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matrix {
    /// The spots under tissue.
    #[default]
    Filtered,
    /// All spots.
    Raw,
}

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VisiumConfig {
    /// Which counts: of the spots under tissue ("filtered"; the raw ones where there are no
    /// others) or of all spots ("raw").
    pub counts: Matrix,
    /// Whether only the spots under tissue are kept.
    pub in_tissue: bool,
    /// Whether the images are read.
    pub images: bool,
    /// The features that become genes: "Gene Expression", another type that the counts name (as
    /// "Antibody Capture"), or "all". Of each type left out, the total of a spot is kept in obs.
    pub features: String,
    /// The name under which uns["spatial"] holds the images; without it the one in the counts.
    pub library: Option<String>,
}

impl Default for VisiumConfig {
    fn default() -> Self {
        Self {
            counts: Matrix::Filtered,
            in_tissue: true,
            images: true,
            features: GENES.into(),
            library: None,
        }
    }
}

/// Reads a Visium folder as [`read_with`] does with its defaults.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &VisiumConfig::default())
}

/// Reads a Visium folder: the spots under tissue, joined to their positions by barcode.
///
/// The folder above (`outs/`'s parent) and the `spatial/` inside are taken for the folder itself,
/// with a note; the counts may be `.h5` or MEX. `obs` gets `in_tissue`, `array_row`, `array_col`;
/// `obsm["spatial"]` (x, y) in pixels of the full-resolution image, `obsm["spatial_um"]` the same in
/// micrometres by [`Dataset::coordinates`]; `uns["spatial"][library]` images, scale factors and
/// metadata. Tables at the top of the folder (`.csv`, `.tsv`) with a column `barcode`, as Loupe
/// exports them, become columns of `obs`: text as categories.
///
/// # Errors
/// No Visium folder, with what is missing; positions that do not parse; barcodes of the counts
/// without a position; an image that cannot be decoded.
pub fn read_with(path: &Path, config: &VisiumConfig) -> Result<Dataset> {
    files::exists(path)?;
    let folder = folder::locate(path)?;
    let slide = || {
        let counts = counts(&folder, config.counts)?;
        let spatial = folder.join("spatial");
        let positions = positions_file(&spatial)?;
        let mut ds = assemble(&folder, &counts, &positions, &[spatial], config)?;
        for file in list(&folder) {
            let table = file.extension().is_some_and(|e| e == "csv" || e == "tsv");
            if table && file.is_file() && attach::attach(&mut ds, &file)? {
                ds.sources.push(file);
            }
        }
        Ok(ds)
    };
    slide().map_err(|e: Error| e.within(format!("reading the Visium folder {}", folder.display())))
}

fn positions_file(spatial: &Path) -> Result<PathBuf> {
    let found: Vec<PathBuf> =
        POSITIONS.iter().map(|p| spatial.join(p)).filter(|p| p.is_file()).collect();
    if found.len() > 1 {
        progress::note(format!("{}: both {}; reading the first", spatial.display(), named(&found)));
    }
    if let Some(first) = found.into_iter().next() {
        return Ok(first);
    }
    let files = list(spatial);
    let parquet = files.iter().any(|f| f.extension().is_some_and(|e| e == "parquet"));
    Err(Error::new(format!("looking for the positions in {}", spatial.display()))
        .kind(Kind::Missing)
        .expected(format!("{} (the latter of Space Ranger 1)", POSITIONS.join(" or ")))
        .found(named(&files))
        .advice(if parquet {
            "Positions in parquet are those of Visium HD: data::read_visium_hd reads them"
        } else {
            "Copy the whole spatial/ folder of Space Ranger"
        }))
}

/// A dataset of counts, positions, scale factors and images; the latter two are looked for in
/// `beside`, in order.
pub(super) fn assemble(
    folder: &Path,
    counts: &Counts,
    positions: &Path,
    beside: &[PathBuf],
    config: &VisiumConfig,
) -> Result<Dataset> {
    let mut ds = counts.read(&config.features)?;
    let places = Positions::open(positions)?;
    let (library, metadata) = counts.library(folder, config.library.as_deref())?;
    if let Some(version) = metadata.get(&["software_version"]).and_then(Uns::as_str) {
        places.check_version(version);
    }
    places.join(&mut ds, counts.raw, config.in_tissue)?;
    ds.sources.push(positions.to_owned());
    let factors = picture::scale_factors(beside, &mut ds.sources)?;
    let images =
        if config.images { picture::images(beside, &mut ds.sources)? } else { Uns::default() };
    let uns = ds.uns_mut();
    uns.set(&[keys::SPATIAL, &library, "images"], images);
    uns.set(&[keys::SPATIAL, &library, "metadata"], metadata);
    uns.set(&[keys::SPATIAL, &library, "scalefactors"], factors);
    uns.set(&[keys::SPATIAL_UNIT], Uns::Text("px".into()));
    let places = ds.coordinates()?;
    match places.um_per_unit {
        Some(um) => ds.set_obsm(keys::SPATIAL_UM, places.xy * um)?,
        None => {
            progress::note("what a pixel is in micrometres is unknown: no obsm[\"spatial_um\"]")
        }
    }
    Ok(ds)
}
