//! The table of cells, and its join to the counts by the cell's name.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ndarray::Array2;
use polars::prelude::{
    Column, CsvParseOptions, CsvReadOptions, DataFrame, IdxCa, IdxSize, NullValues, SerReader,
};

use crate::base::{Error, Kind, Result, files, memory, nearest, progress};
use crate::data::{Dataset, keys, table};
use crate::io::columns;
use crate::io::table::MISSING;

const ID: &str = "cell_id";
/// Bytes that a byte of a packed table unfolds to at most: tables of numbers pack to a third.
const MOST_PACKED: u64 = 200;
/// What is believed of a packed table of any size.
const SMALL: u64 = 16 << 20;
const CENTROID: [&str; 2] = ["x_centroid", "y_centroid"];

/// The table as it stands, by whichever format.
pub(super) fn read(path: &Path) -> Result<DataFrame> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if name.ends_with(".parquet") { columns::read_table(path) } else { csv(path) }
}

/// A table as text, compressed or not; empty fields and [`MISSING`] are missing.
fn csv(path: &Path) -> Result<DataFrame> {
    files::exists(path)?;
    let doing = || format!("reading {}", path.display());
    let parse = CsvParseOptions::default().with_null_values(Some(NullValues::AllColumns(
        std::iter::once("").chain(MISSING).map(Into::into).collect(),
    )));
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(None)
        .with_parse_options(parse)
        .into_reader_with_file_handle(std::io::Cursor::new(bytes(path)?))
        .finish()
        .map_err(|e| Error::io(doing(), e))
}

/// The bytes of a file, unfolded where it is gzip.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    let doing = || format!("reading {}", path.display());
    let failed = |e| Error::io(doing(), e).advice("The file may be cut short: fetch it again");
    let stored = std::fs::read(path).map_err(failed)?;
    if stored.first_chunk() != Some(&[0x1f, 0x8b]) {
        return Ok(stored);
    }
    let most = (stored.len() as u64).saturating_mul(MOST_PACKED).max(SMALL);
    let mut all = Vec::new();
    MultiGzDecoder::new(stored.as_slice()).take(most + 1).read_to_end(&mut all).map_err(failed)?;
    if all.len() as u64 > most {
        return Err(Error::new(doing())
            .expected(format!("a table that unfolds to at most {}", memory::human(most)))
            .found("more")
            .advice("The file is damaged, or is no table of cells"));
    }
    Ok(all)
}

/// Joins the table by `cell_id`: `obs` gets its columns, `obsm["spatial"]` the centroids. Cells
/// of the counts that the table lacks are dropped, with a note.
pub(super) fn join(ds: &mut Dataset, cells: &DataFrame, file: &Path) -> Result<()> {
    let within = |e: Error| e.within(format!("reading {}", file.display()));
    let ids = ids(column(cells, ID).map_err(within)?)?;
    let place = places(&ids, file)?;
    let barcodes = ds.obs().index();
    let pairs: Vec<(usize, usize)> = barcodes
        .iter()
        .enumerate()
        .filter_map(|(i, b)| Some((i, *place.get(b.as_str())?)))
        .collect();
    if pairs.is_empty() {
        return Err(unmatched(barcodes, &ids, file));
    }
    let (kept, rows): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
    let (lost, unused) = (ds.n_obs() - kept.len(), ids.len().saturating_sub(rows.len()));
    if lost > 0 {
        ds.select_obs(&kept)?;
        let file = file.display();
        progress::note(format!("{lost} cells of the counts are not in {file} and are dropped"));
    }
    if unused > 0 {
        progress::note(format!("{unused} cells of {} have no counts", file.display()));
    }
    let at: IdxCa = rows.iter().map(|&r| Some(r as IdxSize)).collect();
    let cells = cells.take(&at).map_err(|e| Error::io("taking rows of the table of cells", e))?;
    let centroid = |name| column(&cells, name).and_then(table::numbers).map_err(within);
    let (x, y) = (centroid(CENTROID[0])?, centroid(CENTROID[1])?);
    for values in cells.columns() {
        let name = values.name().as_str();
        if name != ID && !CENTROID.contains(&name) {
            add(ds, values.clone())?;
        }
    }
    let xy: Vec<[f64; 2]> = x.into_iter().zip(y).map(|(x, y)| [x, y]).collect();
    ds.set_obsm(keys::SPATIAL, Array2::from(xy))
}

fn column<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Column> {
    frame.column(name).map_err(|_| {
        let known = frame.columns().iter().map(|c| c.name().as_str());
        Error::new("looking for a column")
            .kind(Kind::Missing)
            .expected(format!("'{name}'"))
            .found("none of that name")
            .advice(nearest::advice(name, known))
    })
}

/// Names of cells as text; version 1 of the analysis writes whole numbers.
fn ids(column: &Column) -> Result<Vec<String>> {
    Ok(table::texts(column)?.into_iter().map(Option::unwrap_or_default).collect())
}

/// The row of each cell.
fn places<'a>(ids: &'a [String], file: &Path) -> Result<HashMap<&'a str, usize>> {
    let mut place = HashMap::with_capacity(ids.len());
    for (i, id) in ids.iter().enumerate() {
        if place.insert(id.as_str(), i).is_some() {
            return Err(Error::new(format!("reading {}", file.display()))
                .expected("each cell once")
                .found(format!("'{id}' twice"))
                .advice("Tables of several regions that were put together must be taken apart"));
        }
    }
    Ok(place)
}

fn unmatched(barcodes: &[String], ids: &[String], file: &Path) -> Error {
    let first = |names: &[String]| names.first().map_or("none".into(), |n| format!("'{n}'"));
    Error::new(format!("joining the counts to {} by {ID}", file.display()))
        .expected("cells of the counts among those of the table")
        .found(format!(
            "no match; the counts have {}, the table {}",
            first(barcodes),
            first(ids)
        ))
        .advice("The matrix and the table must be of the same region and the same run of the analysis: resegmenting gives cells new names")
}

/// Adds a column to `obs`, text as categories. The instrument's `total_counts` holds controls too, and
/// would be taken for the counts of the genes.
fn add(ds: &mut Dataset, mut values: Column) -> Result<()> {
    if values.name() == keys::TOTAL_COUNTS {
        values.rename("total_counts_with_controls".into());
    }
    if !values.dtype().is_string() {
        return ds.obs_mut().set(values);
    }
    let name = values.name().to_string();
    let texts = table::texts(&values)?;
    let distinct: HashSet<&str> = texts.iter().flatten().map(String::as_str).collect();
    // As anndata does: names that do not repeat are no groups.
    if distinct.len() == texts.len() {
        return ds.obs_mut().set(values);
    }
    label(ds, &name, &texts)
}

/// Sets a column of groups; those named by whole numbers go by number, and parquet has the texts
/// for missing ones too.
fn label(ds: &mut Dataset, name: &str, values: &[Option<String>]) -> Result<()> {
    let there = |v: &Option<String>| v.clone().filter(|v| !MISSING.contains(&v.as_str()));
    let values: &[Option<String>] = &values.iter().map(there).collect::<Vec<_>>();
    let known: BTreeSet<&str> = values.iter().flatten().map(String::as_str).collect();
    let numbers: Option<Vec<u64>> = known.iter().map(|k| k.parse().ok()).collect();
    let Some(numbers) = numbers else { return ds.obs_mut().set_categories(name, values) };
    let mut categories: Vec<(u64, &str)> = numbers.into_iter().zip(known).collect();
    categories.sort_unstable();
    let code: HashMap<&str, u32> = categories.iter().zip(0..).map(|(&(_, k), i)| (k, i)).collect();
    let codes: Vec<Option<u32>> = values.iter().map(|v| code.get(v.as_deref()?).copied()).collect();
    let categories: Vec<String> = categories.into_iter().map(|(_, k)| k.to_owned()).collect();
    ds.obs_mut().set_codes(name, &categories, &codes)
}

/// Joins a table of clusters (`Barcode`, `Cluster`) under the name of its folder; `false`, with a
/// note, when it is none or fits no cell.
pub(super) fn cluster(ds: &mut Dataset, file: &Path) -> Result<bool> {
    let folder = file.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
    let folder = folder.unwrap_or_default();
    let name = folder.trim_start_matches("gene_expression_").trim_end_matches("_clusters");
    let read = || -> Result<Option<Vec<Option<String>>>> {
        let frame = csv(file)?;
        let ids = ids(column(&frame, "Barcode")?)?;
        let clusters = table::texts(column(&frame, "Cluster")?)?;
        let place = places(&ids, file)?;
        let of = |b: &String| clusters.get(*place.get(b.as_str())?)?.clone();
        let values: Vec<Option<String>> = ds.obs().index().iter().map(of).collect();
        Ok(values.iter().any(Option::is_some).then_some(values))
    };
    match read() {
        Ok(Some(values)) => label(ds, name, &values).map(|()| true),
        Ok(None) => {
            progress::note(format!("{}: no cell matches; left aside", file.display()));
            Ok(false)
        }
        Err(e) if e.is_interrupt() => Err(e),
        Err(e) => {
            progress::note(format!("clusters left aside: {e}"));
            Ok(false)
        }
    }
}
