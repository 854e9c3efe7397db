//! Transcripts of an imaging platform, a row a molecule: counted by squares or by cells.
//!
//! The table is streamed ([`columns`]): what stands in memory is a page of each column that is
//! needed and the counts so far.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use polars::prelude::Column;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::Columns;
use super::tenx::GENES;
use crate::base::{Error, Kind, Result, files, memory, progress};
use crate::data::{Csr, Dataset, Table, Uns, keys, table};

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

/// One transcript.
struct Transcript<'a> {
    x: f64,
    y: f64,
    feature: u32,
    cell: Option<&'a str>,
}

/// Squares or cells in the order in which they were met.
enum Places {
    Bins { side: f64, ids: HashMap<[i32; 2], u32>, all: Vec<[i32; 2]> },
    Cells { ids: HashMap<String, u32>, all: Vec<Cell> },
}

#[derive(Default)]
struct Cell {
    name: String,
    sum: [f64; 2],
    n: f64,
}

impl Places {
    /// The place of a transcript; `None` outside any cell.
    fn of(&mut self, t: &Transcript<'_>) -> Result<Option<u32>> {
        match self {
            Self::Bins { side, ids, all } => {
                let at = |v: f64| {
                    let n = (v / *side).floor();
                    let fits = f64::from(i32::MIN) < n && n < f64::from(i32::MAX);
                    fits.then_some(n as i32).ok_or_else(|| {
                        Error::new("placing a transcript")
                            .expected(format!("a position within 2^31 squares of {side} um"))
                            .found(v.to_string())
                    })
                };
                let key = [at(t.y)?, at(t.x)?];
                let new = all.len() as u32;
                Ok(Some(*ids.entry(key).or_insert_with(|| {
                    all.push(key);
                    new
                })))
            }
            Self::Cells { ids, all } => {
                let Some(name) = t.cell else { return Ok(None) };
                let id = match ids.get(name) {
                    Some(&id) => id,
                    None => {
                        let id = all.len() as u32;
                        ids.insert(name.to_owned(), id);
                        all.push(Cell { name: name.to_owned(), ..Cell::default() });
                        id
                    }
                };
                if let Some(cell) = all.get_mut(id as usize) {
                    cell.sum = [cell.sum[0] + t.x, cell.sum[1] + t.y];
                    cell.n += 1.0;
                }
                Ok(Some(id))
            }
        }
    }
}

/// A feature in the order in which it was met.
struct Feature {
    name: String,
    kind: &'static str,
    /// Transcripts of it, of whatever quality.
    total: u64,
    counted: bool,
}

#[derive(Default)]
struct Features {
    ids: HashMap<String, u32>,
    all: Vec<Feature>,
}

impl Features {
    /// Types in alphabetical order.
    fn kinds(&self) -> Vec<String> {
        let kinds: std::collections::BTreeSet<&str> = self.all.iter().map(|f| f.kind).collect();
        kinds.into_iter().map(str::to_owned).collect()
    }
}

/// What became of the transcripts.
#[derive(Default)]
struct Tally {
    rows: u64,
    counted: u64,
    below: u64,
    other: u64,
    outside: u64,
    unplaced: u64,
    qv_sum: f64,
    qv_rows: u64,
    features: Features,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} transcripts are counted", self.counted, self.rows)?;
        for (n, why) in [
            (self.below, "below the quality asked for"),
            (self.other, "of other types of feature"),
            (self.outside, "in no cell"),
            (self.unplaced, "without a position or a name"),
        ] {
            if n > 0 {
                write!(f, "; {n} {why}")?;
            }
        }
        Ok(())
    }
}

/// Streams the table and calls `f` with the transcripts of the quality and type asked for; `f`
/// says whether it counted it.
fn scan(
    columns: &Columns,
    config: &BinConfig,
    cells: bool,
    mut f: impl FnMut(Transcript<'_>) -> Result<bool>,
) -> Result<Tally> {
    let known = columns.names();
    let has = |name: &str| known.iter().any(|k| k == name);
    let mut names = vec![config.x.as_str(), &config.y, &config.gene];
    let mut also = |name: &'static str, wanted: bool| wanted.then(|| names.push(name)).is_some();
    // What says which features are genes differs by the version of the analysis.
    let by_category = also("codeword_category", has("codeword_category"));
    let by_flag = also("is_gene", has("is_gene"));
    let by_qv = has(&config.qv);
    if by_qv {
        names.push(&config.qv);
    } else if config.min_qv > 0.0 {
        progress::note(format!("no column '{}': transcripts of any quality count", config.qv));
    }
    if cells {
        names.push(&config.cell);
    }
    let mut tally = Tally::default();
    columns.each(&names, |batch| {
        let mut batch = batch.iter();
        let mut next = || batch.next().ok_or_else(|| Error::new("reading a batch of transcripts"));
        let (x, y, gene) = (table::numbers(next()?)?, table::numbers(next()?)?, text(next()?)?);
        let category = by_category.then(|| text(next()?)).transpose()?;
        let flag = by_flag.then(|| table::numbers(next()?)).transpose()?;
        let qv = by_qv.then(|| table::numbers(next()?)).transpose()?;
        let cell = cells.then(|| text(next()?)).transpose()?;
        let gene = gene.str().map_err(|e| Error::io("reading names of features", e))?;
        let cell = cell.as_ref().map(|c| c.str()).transpose();
        let cell = cell.map_err(|e| Error::io("reading names of cells", e))?;
        for (i, name) in gene.iter().enumerate() {
            tally.rows += 1;
            let at = [x.get(i), y.get(i)].map(|v| v.copied().filter(|v| v.is_finite()));
            let ([Some(x), Some(y)], Some(name)) = (at, name) else {
                tally.unplaced += 1;
                continue;
            };
            let feature = match tally.features.ids.get(name) {
                Some(&id) => id,
                None => {
                    let category = category.as_ref().and_then(|c| c.str().ok()?.get(i));
                    let is_gene = flag.as_ref().and_then(|f| f.get(i)).map(|&v| v != 0.0);
                    let kind = kind(name, category, is_gene);
                    let counted = config.features == "all" || config.features == kind;
                    let features = &mut tally.features;
                    let id = features.all.len() as u32;
                    features.ids.insert(name.to_owned(), id);
                    features.all.push(Feature { name: name.to_owned(), kind, total: 0, counted });
                    id
                }
            };
            let Some(known) = tally.features.all.get_mut(feature as usize) else { continue };
            known.total += 1;
            if let Some(&qv) = qv.as_ref().and_then(|q| q.get(i)) {
                if qv.is_finite() {
                    tally.qv_sum += qv;
                    tally.qv_rows += 1;
                }
                if qv.is_nan() || qv < config.min_qv {
                    tally.below += 1;
                    continue;
                }
            }
            if !known.counted {
                tally.other += 1;
                continue;
            }
            let cell = cell.and_then(|c| c.get(i)).filter(|c| !NO_CELL.contains(c));
            if f(Transcript { x, y, feature, cell })? {
                tally.counted += 1;
            } else {
                tally.outside += 1;
            }
        }
        Ok(())
    })?;
    Ok(tally)
}

/// What stands for no cell, by version of the analysis.
const NO_CELL: [&str; 3] = ["UNASSIGNED", "-1", ""];

fn text(column: &Column) -> Result<Column> {
    let failed = |e| Error::io(format!("reading column '{}' as text", column.name()), e);
    column.cast(&polars::prelude::DataType::String).map_err(failed)
}

/// The type of a feature, as the matrix of the bundle names it: from its category (version 2 and
/// later), from the flag, or from its name (version 1).
fn kind(name: &str, category: Option<&str>, is_gene: Option<bool>) -> &'static str {
    const CATEGORIES: [(&str, &str); 5] = [
        ("negative_control_probe", "Negative Control Probe"),
        ("negative_control_codeword", "Negative Control Codeword"),
        ("genomic_control", "Genomic Control"),
        ("unassigned_codeword", "Unassigned Codeword"),
        ("deprecated_codeword", "Deprecated Codeword"),
    ];
    const PREFIXES: [(&str, &str); 7] = [
        ("NegControlProbe_", "Negative Control Probe"),
        ("antisense_", "Negative Control Probe"),
        ("NegControlCodeword_", "Negative Control Codeword"),
        ("Intergenic_Region_", "Genomic Control"),
        ("BLANK_", "Unassigned Codeword"),
        ("UnassignedCodeword_", "Unassigned Codeword"),
        ("DeprecatedCodeword_", "Deprecated Codeword"),
    ];
    if let Some(category) = category {
        if category.ends_with("_gene") {
            return GENES;
        }
        if let Some((_, kind)) = CATEGORIES.iter().find(|(c, _)| category.starts_with(c)) {
            return kind;
        }
    }
    match (PREFIXES.iter().find(|(p, _)| name.starts_with(p)), is_gene) {
        (_, Some(true)) => GENES,
        (Some((_, kind)), _) => kind,
        (None, Some(false)) => "Control",
        (None, None) => GENES,
    }
}

/// Orders places and genes and builds the dataset.
fn dataset(counts: HashMap<u64, u32>, places: &Places, features: &Features) -> Result<Dataset> {
    let counted: Vec<u32> =
        (0u32..).zip(&features.all).filter(|(_, f)| f.counted).map(|(i, _)| i).collect();
    let name = |i: u32| features.all.get(i as usize).map_or("", |f| f.name.as_str());
    let genes = ordered(counted, |a, b| name(a).cmp(name(b)));
    let (n, order) = match places {
        Places::Bins { all, .. } => {
            let key = |i: u32| all.get(i as usize);
            (all.len(), ordered((0..all.len() as u32).collect(), |a, b| key(a).cmp(&key(b))))
        }
        Places::Cells { all, .. } => {
            let key = |i: u32| all.get(i as usize).map(|c| &c.name);
            (all.len(), ordered((0..all.len() as u32).collect(), |a, b| key(a).cmp(&key(b))))
        }
    };
    let (row_of, col_of) = (ranks(&order, n), ranks(&genes, features.all.len()));
    // In no order here; sorted at once.
    let mut entries: Vec<(u32, u32, u32)> = counts
        .into_iter()
        .filter_map(|(key, n)| {
            Some((*row_of.get((key >> 32) as usize)?, *col_of.get(key as u32 as usize)?, n))
        })
        .collect();
    rayon::slice::ParallelSliceMut::par_sort_unstable(entries.as_mut_slice());
    let mut indptr = vec![0; n + 1];
    for &(row, _, _) in &entries {
        if let Some(end) = indptr.get_mut(row as usize + 1) {
            *end += 1;
        }
    }
    for i in 0..n {
        indptr[i + 1] += indptr[i];
    }
    let indices = entries.iter().map(|e| e.1).collect();
    let values = entries.iter().map(|e| e.2 as f32).collect();
    drop(entries);
    let x = Csr::new((n, genes.len()), indptr, indices, values)?;

    let mut var = Table::new(genes.iter().map(|&g| name(g).to_owned()).collect());
    let kinds: Vec<Option<String>> =
        genes.iter().map(|&g| features.all.get(g as usize).map(|f| f.kind.to_owned())).collect();
    var.set_categories("feature_types", &kinds)?;
    let (obs, xy) = match places {
        Places::Bins { side, all, .. } => {
            let bins: Vec<[i32; 2]> =
                order.iter().filter_map(|&i| all.get(i as usize).copied()).collect();
            let mut obs = Table::new(bins.iter().map(|[r, c]| format!("r{r}_c{c}")).collect());
            for (k, name) in ["array_row", "array_col"].into_iter().enumerate() {
                let at: Vec<i64> = bins.iter().map(|b| i64::from(b[k])).collect();
                obs.set(Column::new(name.into(), at))?;
            }
            let centre = |v: i32| (f64::from(v) + 0.5) * side;
            (obs, bins.iter().map(|&[r, c]| [centre(c), centre(r)]).collect::<Vec<_>>())
        }
        Places::Cells { all, .. } => {
            let cells: Vec<&Cell> = order.iter().filter_map(|&i| all.get(i as usize)).collect();
            let obs = Table::new(cells.iter().map(|c| c.name.clone()).collect());
            (obs, cells.iter().map(|c| c.sum.map(|s| s / c.n)).collect())
        }
    };
    let mut ds = Dataset::new(x, obs, var)?;
    ds.set_obsm(keys::SPATIAL, Array2::from(xy))?;
    Ok(ds)
}

fn ordered(mut ids: Vec<u32>, by: impl Fn(u32, u32) -> std::cmp::Ordering) -> Vec<u32> {
    ids.sort_by(|&a, &b| by(a, b));
    ids
}

/// The rank of each of `n` ids in an order.
fn ranks(order: &[u32], n: usize) -> Vec<u32> {
    let mut rank = vec![u32::MAX; n];
    for (r, &id) in (0..).zip(order) {
        if let Some(slot) = rank.get_mut(id as usize) {
            *slot = r;
        }
    }
    rank
}
