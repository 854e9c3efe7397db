//! Transcripts of an imaging platform, a row a molecule: counted by squares or by cells.
//!
//! The table is streamed ([`super::columns`]): what stands in memory is a page of each column that is
//! needed and the counts so far.

mod places;
mod scan;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::places::{Places, dataset};
use self::scan::scan;
use super::columns::Columns;
use super::tenx::GENES;
use crate::base::{Error, Kind, Result, files, memory, progress};
use crate::data::{Dataset, Uns, keys};

/// The name of the table in a Xenium bundle.
pub(super) const FILE: &str = "transcripts.parquet";
/// Bytes that an entry of the counts takes while they grow: key and number, as full as a hash
/// table is at worst just after it has doubled.
const ENTRY_BYTES: u64 = 17 * 16 / 7;

/// What is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    Bin,
    Cell,
}

/// Options of [`bin`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BinConfig {
    /// What is counted together: the squares of a grid, or the cells that the table names.
    pub by: By,
    /// Side of a square in micrometres.
    pub bin_um: f64,
    /// The least quality (Phred scale) of a transcript that counts; Xenium's own matrix takes 20.
    pub min_qv: f64,
    /// The features that are counted: "Gene Expression", another type (as "Negative Control
    /// Probe"), or "all".
    pub features: String,
    /// Column of the feature's name.
    pub gene: String,
    /// Column of the position across, in micrometres.
    pub x: String,
    /// Column of the position down, in micrometres.
    pub y: String,
    /// Column of the quality; a table without it is not filtered.
    pub qv: String,
    /// Column of the cell's name.
    pub cell: String,
}

impl Default for BinConfig {
    fn default() -> Self {
        Self {
            by: By::Bin,
            bin_um: 8.0,
            min_qv: 20.0,
            features: GENES.into(),
            gene: "feature_name".into(),
            x: "x_location".into(),
            y: "y_location".into(),
            qv: "qv".into(),
            cell: "cell_id".into(),
        }
    }
}

/// Counts transcripts by square or by cell: a dataset whose X holds their numbers.
///
/// `obsm["spatial"]` is in micrometres: centres of squares, or the mean place of a cell's
/// transcripts. Squares lie on a grid from 0, whatever the data; `obs` has their `array_row` and
/// `array_col`, and those without a transcript are left out. Squares go by row and column, cells
/// and genes by name. A Xenium bundle is taken for the table in it.
///
/// # Errors
/// No parquet table, a column that is missing, a side that is not above zero, nothing of the
/// quality and type asked for, counts larger than the memory there is.
pub fn bin(path: &Path, config: &BinConfig) -> Result<Dataset> {
    let path = locate(path)?;
    count(&path, config)
        .map_err(|e| e.within(format!("counting the transcripts of {}", path.display())))
}

fn count(path: &Path, config: &BinConfig) -> Result<Dataset> {
    if !(config.bin_um.is_finite() && config.bin_um > 0.0) {
        return Err(Error::new("reading the option bin_um")
            .expected("a side above 0 um")
            .found(config.bin_um.to_string()));
    }
    let columns = Columns::open(path)?;
    announce(&columns, config);
    let mut places = match config.by {
        By::Bin => Places::Bins { side: config.bin_um, ids: HashMap::new(), all: Vec::new() },
        By::Cell => Places::Cells { ids: HashMap::new(), all: Vec::new() },
    };
    let mut counts: HashMap<u64, u32> = HashMap::new();
    let mut room = 0;
    let tally = scan(&columns, config, config.by == By::Cell, |t| {
        let Some(place) = places.of(&t)? else { return Ok(false) };
        if counts.len() == counts.capacity() {
            room = grow(room, counts.capacity())?;
        }
        let n = counts.entry(u64::from(place) << 32 | u64::from(t.feature)).or_default();
        *n = n.saturating_add(1);
        Ok(true)
    })?;
    progress::note(tally.to_string());
    if tally.counted == 0 {
        return Err(Error::new("counting")
            .expected(format!(
                "transcripts of {} with {} of at least {}",
                config.features, config.qv, config.min_qv
            ))
            .found(format!("none: {tally}"))
            .advice(format!("Types there are: {}", tally.features.kinds().join(", "))));
    }
    let mut ds = dataset(counts, &places, &tally.features)?;
    let uns = ds.uns_mut();
    uns.set(&[keys::SPATIAL_UNIT], Uns::Text("um".into()));
    if config.by == By::Bin {
        uns.set(&["transcripts", "bin_um"], Uns::Float(config.bin_um));
    }
    uns.set(&["transcripts", "min_qv"], Uns::Float(config.min_qv));
    uns.set(&["transcripts", "counted"], Uns::Int(tally.counted as i64));
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

/// What a table of transcripts holds.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub transcripts: u64,
    /// Those of genes, of the quality asked for.
    pub counted: u64,
    pub below_qv: u64,
    pub controls: u64,
    pub genes: usize,
    pub mean_qv: f64,
    pub x_um: [f64; 2],
    pub y_um: [f64; 2],
    /// Numbers by feature type.
    pub types: Vec<(String, u64)>,
}

/// Reads a table of transcripts once and says what is in it.
///
/// # Errors
/// As [`bin`].
pub fn summary(path: &Path, config: &BinConfig) -> Result<Summary> {
    let path = locate(path)?;
    let columns = Columns::open(&path)?;
    let mut extent = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    let tally = scan(&columns, config, false, |t| {
        for (e, v) in extent.iter_mut().zip([t.x, t.y]) {
            *e = [e[0].min(v), e[1].max(v)];
        }
        Ok(true)
    })
    .map_err(|e| e.within(format!("reading the transcripts of {}", path.display())))?;
    let features = &tally.features;
    let of = |kind: &str| features.all.iter().filter(|f| f.kind == kind).map(|f| f.total).sum();
    Ok(Summary {
        transcripts: tally.rows,
        counted: tally.counted,
        below_qv: tally.below,
        controls: features.all.iter().filter(|f| f.kind != GENES).map(|f| f.total).sum(),
        genes: features.all.iter().filter(|f| f.kind == GENES).count(),
        mean_qv: tally.qv_sum / tally.qv_rows as f64,
        x_um: extent[0],
        y_um: extent[1],
        types: features
            .kinds()
            .into_iter()
            .map(|k| {
                let n = of(&k);
                (k, n)
            })
            .collect(),
    })
}

/// The table at a path: itself, or the one in a Xenium bundle.
fn locate(path: &Path) -> Result<PathBuf> {
    files::exists(path)?;
    let refuse = |found: &str, advice: &str| {
        Err(Error::new(format!("looking for the transcripts at {}", path.display()))
            .kind(Kind::Missing)
            .expected("a table of transcripts in parquet")
            .found(found)
            .advice(advice))
    };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if path.is_dir() {
        let inside = path.join(FILE);
        if inside.is_file() {
            return Ok(inside);
        }
        if path.join("transcripts.csv.gz").is_file() {
            return refuse(
                "a folder with transcripts.csv.gz",
                "The Xenium Analyzer writes transcripts.parquet beside it: copy that too",
            );
        }
        return refuse(
            &format!("a folder with {}", super::visium::named(&super::visium::list(path))),
            "Name the file transcripts.parquet of the bundle",
        );
    }
    if name.ends_with(".csv.gz") || name.ends_with(".csv") {
        return refuse("text", "Use the transcripts.parquet of the same bundle");
    }
    if name.ends_with(".zarr.zip") {
        return refuse("a zarr archive", "Use the transcripts.parquet of the same bundle");
    }
    Ok(path.to_owned())
}

/// Says beforehand what the job may take.
fn announce(columns: &Columns, config: &BinConfig) {
    let rows = columns.rows();
    let extent = |name: &str| columns.range(name).map(|(low, high)| high - low);
    let what = match (config.by, extent(&config.x).zip(extent(&config.y))) {
        (By::Cell, _) => "cells".into(),
        (By::Bin, Some((w, h))) => {
            let n = |e: f64| (e / config.bin_um).ceil().max(1.0);
            format!("{:.0} x {:.0} squares of {} um", n(w), n(h), config.bin_um)
        }
        (By::Bin, None) => format!("squares of {} um", config.bin_um),
    };
    progress::note(format!(
        "counting {rows} transcripts ({}) into {what}: the table is streamed; the counts take {} if every transcript made an entry of its own",
        memory::human(columns.bytes()),
        memory::human(rows * ENTRY_BYTES)
    ));
}

/// Refuses to let the counts double where there is no room for that; `seen` is what was asked for
/// before.
fn grow(seen: u64, entries: usize) -> Result<u64> {
    let bytes = (entries as u64).saturating_mul(2).saturating_mul(ENTRY_BYTES);
    if bytes > seen && bytes > 100_000_000 {
        memory::require(
            "holding the counts of the transcripts",
            bytes,
            "Take larger squares, or a higher min_qv",
        )?;
    }
    Ok(bytes.max(seen))
}
