//! The bundle that a Xenium Analyzer writes for a region of a slide.
//!
//! Counts and cells are joined by the cell's name, never by the order of rows. Coordinates are in
//! micrometres throughout; the size of a pixel is that of `experiment.xenium`. Images and
//! transcripts are noted in `uns`, not read.

mod bundle;
mod cells;
mod manifest;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mex::{self, MexConfig};
use super::tenx::{self, TenxConfig};
use super::visium;
use crate::base::{Result, files, progress};
use crate::data::{Dataset, Uns, keys};

pub(super) use bundle::looks_like;

/// Which clusterings of the instrument become columns of `obs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clusterings {
    None,
    /// Those made on a graph.
    #[default]
    Graph,
    All,
}

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XeniumConfig {
    /// The features that become genes: "Gene Expression", another type that the matrix names, or
    /// "all". Controls that are left out stay as totals of a cell in obs.
    pub features: String,
    /// The clusterings under analysis/clustering that become columns of obs.
    pub clusterings: Clusterings,
}

impl Default for XeniumConfig {
    fn default() -> Self {
        Self { features: TenxConfig::default().features, clusterings: Clusterings::default() }
    }
}

/// Reads a Xenium bundle as [`read_with`] does with its defaults.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &XeniumConfig::default())
}

/// Reads a Xenium bundle: the cells of `cell_feature_matrix.h5` (or the MEX folder of that name)
/// joined by `cell_id` to `cells.parquet` (or `cells.csv.gz`).
///
/// `obsm["spatial"]` are the centroids in um; the other columns of the table of cells become those
/// of `obs`, text as categories. `uns["xenium"]` has what `experiment.xenium` says
/// (`pixel_size_um`, names of run and region, versions), where images, their alignments (3 x 3,
/// from pixels of the image to pixels of the morphology image) and transcripts are, as paths
/// within the bundle. A path to `experiment.xenium`, the folder above and a folder inside are
/// taken for the bundle, the last two with a note.
///
/// # Errors
/// No bundle, with what is missing; cells of which none is in the matrix; a table without
/// `cell_id` or centroids, or with a cell twice; a manifest that does not parse.
pub fn read_with(path: &Path, config: &XeniumConfig) -> Result<Dataset> {
    files::exists(path)?;
    let folder = bundle::locate(path)?;
    region(&folder, config)
        .map_err(|e| e.within(format!("reading the Xenium bundle {}", folder.display())))
}

fn region(folder: &Path, config: &XeniumConfig) -> Result<Dataset> {
    // The cheap parts first: what is wrong with them is said before the counts are read.
    let manifest = manifest::read(folder)?;
    let table = bundle::cells(folder)?;
    let cells = cells::read(&table)?;
    let matrix = bundle::matrix(folder)?;
    let features = config.features.clone();
    let mut ds = if matrix.is_dir() {
        mex::read_with(&matrix, &MexConfig { features })?
    } else {
        tenx::read_with(&matrix, &TenxConfig { features, ..TenxConfig::default() })?
    };
    cells::join(&mut ds, &cells, &table)?;
    let mut sources = vec![matrix, table];
    for file in bundle::clusterings(folder, config.clusterings) {
        if cells::cluster(&mut ds, &file)? {
            sources.push(file);
        }
    }
    let uns = ds.uns_mut();
    uns.set(&[keys::SPATIAL_UNIT], Uns::Text("um".into()));
    uns.set(&["xenium"], manifest.into_uns(folder));
    sources.extend(bundle::manifest(folder));
    ds.sources = sources;
    Ok(ds)
}

/// Files of a folder by name, in order.
fn named(folder: &Path) -> Vec<(String, PathBuf)> {
    let name = |p: PathBuf| Some((p.file_name()?.to_str()?.to_owned(), p.clone()));
    visium::list(folder).into_iter().filter_map(name).collect()
}

fn note_other(path: &Path, found: &Path) {
    progress::note(format!("{} is no Xenium bundle; reading {}", path.display(), found.display()));
}
