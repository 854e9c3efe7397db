//! The folder that Space Ranger writes for a Visium slide.
//!
//! Counts, `spatial/tissue_positions_list.csv` (Space Ranger 1) or `tissue_positions.csv` (2 and
//! later), scale factors and images, laid out as scanpy and squidpy lay them out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use ndarray::{Array2, ArrayD, IxDyn};
use polars::prelude::{Column, DataFrame};

use super::{h5, table, tenx};
use crate::base::{Error, Kind, Result, files, interrupt, progress};
use crate::data::{Dataset, Uns, keys};

const FILTERED: &str = "filtered_feature_bc_matrix.h5";
const RAW: &str = "raw_feature_bc_matrix.h5";
const POSITIONS: [&str; 2] = ["tissue_positions.csv", "tissue_positions_list.csv"];
const FACTORS: &str = "scalefactors_json.json";

/// Reads a Visium folder: the spots under tissue, joined to their positions by barcode.
///
/// The folder above (`outs/`'s parent) and the `spatial/` inside are taken for the folder itself,
/// with a note. `obs` gets `in_tissue`, `array_row`, `array_col`; `obsm["spatial"]` (x, y) in
/// pixels of the full-resolution image; `uns["spatial"][library]` images, scale factors and
/// metadata. Tables at the top of the folder (`.csv`, `.tsv`) with a column `barcode`, as Loupe
/// exports them, become columns of `obs`: text as categories.
///
/// # Errors
/// No Visium folder, with what is missing; positions that do not parse; barcodes of the counts
/// of which none has a position; an image that cannot be decoded.
pub fn read(path: &Path) -> Result<Dataset> {
    files::exists(path)?;
    slide(&locate(path)?)
        .map_err(|e| e.within(format!("reading the Visium folder {}", path.display())))
}

/// Whether a folder is a Visium folder, or the folder above or inside one.
pub(super) fn looks_like(folder: &Path) -> bool {
    has_part(folder) || list(folder).iter().any(|f| is_whole(f)) || above(folder).is_some()
}

fn is_whole(folder: &Path) -> bool {
    folder.join("spatial").is_dir() && matrix(folder).is_some()
}

fn has_part(folder: &Path) -> bool {
    folder.join("spatial").is_dir() || matrix(folder).is_some()
}

/// The Visium folder that a folder `spatial/` lies in.
fn above(path: &Path) -> Option<PathBuf> {
    let full = path.canonicalize().ok()?;
    let folder = full
        .parent()
        .filter(|f| full.file_name().is_some_and(|n| n == "spatial") && is_whole(f))?;
    Some(folder.to_owned())
}

/// The folder with the counts and `spatial/`: the one given, or one level up or down.
fn locate(path: &Path) -> Result<PathBuf> {
    if is_whole(path) {
        return Ok(path.to_owned());
    }
    let other = |found: PathBuf| {
        progress::note(format!(
            "{} is no Visium folder; reading {}",
            path.display(),
            found.display()
        ));
        Ok(found)
    };
    if let Some(folder) = above(path) {
        return other(folder);
    }
    let below: Vec<PathBuf> = list(path).into_iter().filter(|f| is_whole(f)).collect();
    let refuse = |found: String, advice: &str| {
        Err(Error::new(format!("looking for the Visium folder at {}", path.display()))
            .kind(Kind::Missing)
            .expected(format!("a folder with {FILTERED} and spatial/ (Space Ranger's outs/)"))
            .found(found)
            .advice(advice))
    };
    match &below[..] {
        [one] => return other(one.clone()),
        [] => {}
        several => {
            return refuse(
                format!("several inside it: {}", named(several)),
                "Name the one you mean",
            );
        }
    }
    if path.join("spatial").is_dir() {
        let mex = [FILTERED, RAW].iter().any(|m| path.join(m.trim_end_matches(".h5")).is_dir());
        return refuse(
            if mex { "spatial/ and the counts as MEX" } else { "spatial/, but no counts" }.into(),
            if mex {
                "Counts in MEX are not read yet: add the .h5 of the same name"
            } else {
                "Put the .h5 of the counts beside spatial/"
            },
        );
    }
    if let Some(m) = matrix(path) {
        return refuse(
            format!("{}, but no spatial/", m.display()),
            "Put spatial/ beside the counts, or read the .h5 alone",
        );
    }
    refuse(named(&list(path)), "Name the folder one level up or down")
}

/// Names of files for a message, the first 12.
pub(super) fn named(files: &[PathBuf]) -> String {
    let names = files.iter().filter_map(|f| Some(f.file_name()?.to_string_lossy().into_owned()));
    let more =
        if files.len() > 12 { format!(", ... ({} in all)", files.len()) } else { String::new() };
    let text = names.take(12).collect::<Vec<_>>().join(", ") + more.as_str();
    if text.is_empty() { "nothing in it".into() } else { text }
}

/// Entries of a folder in order of name.
pub(super) fn list(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|d| d.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    found.sort();
    found
}

/// The counts of a folder: the filtered ones, else the raw ones; a prefix before the name is usual
/// in public archives.
fn matrix(folder: &Path) -> Option<PathBuf> {
    let named = |end: &str| {
        let exact = folder.join(end);
        if exact.is_file() {
            return Some(exact);
        }
        list(folder).into_iter().find(|f| f.is_file() && f.to_string_lossy().ends_with(end))
    };
    named(FILTERED).or_else(|| named(RAW))
}

fn slide(folder: &Path) -> Result<Dataset> {
    let counts = matrix(folder).unwrap_or_else(|| folder.join(FILTERED));
    if counts.to_string_lossy().ends_with(RAW) {
        progress::note(format!(
            "{}: no filtered counts; taking the raw ones under tissue",
            folder.display()
        ));
    }
    let mut ds = tenx::read(&counts)?;
    let spatial = folder.join("spatial");
    let positions = positions_file(&spatial)?;
    let places = positions_of(&positions)?;
    place(&mut ds, &places, &positions)?;
    let mut sources = vec![counts.clone(), positions];
    let (library, metadata) = library(&counts, folder)?;
    let mut images = IndexMap::new();
    for resolution in ["hires", "lowres"] {
        let file = spatial.join(format!("tissue_{resolution}_image.png"));
        if file.exists() {
            images.insert(resolution.to_owned(), Uns::Bytes(image(&file)?));
            sources.push(file);
        }
    }
    if images.is_empty() {
        progress::note(format!("{}: no tissue image", spatial.display()));
    }
    let factors = spatial.join(FACTORS);
    let scale = if factors.exists() {
        let scale = scale_factors(&factors)?;
        sources.push(factors);
        scale
    } else {
        progress::note(format!(
            "{}: no {FACTORS}, so sizes of spots and images are unknown",
            spatial.display()
        ));
        Uns::default()
    };
    let uns = ds.uns_mut();
    uns.set(&[keys::SPATIAL, &library, "images"], Uns::Map(images));
    uns.set(&[keys::SPATIAL, &library, "metadata"], metadata);
    uns.set(&[keys::SPATIAL, &library, "scalefactors"], scale);
    uns.set(&[keys::SPATIAL_UNIT], Uns::Text("px".into()));
    for file in list(folder) {
        let table = file.extension().is_some_and(|e| e == "csv" || e == "tsv");
        if table && file.is_file() && attach(&mut ds, &file)? {
            sources.push(file);
        }
    }
    ds.sources = sources;
    Ok(ds)
}

fn positions_file(spatial: &Path) -> Result<PathBuf> {
    if let Some(found) = POSITIONS.iter().map(|p| spatial.join(p)).find(|p| p.is_file()) {
        return Ok(found);
    }
    let files = list(spatial);
    let parquet = files.iter().any(|f| f.extension().is_some_and(|e| e == "parquet"));
    Err(Error::new(format!("looking for the positions in {}", spatial.display()))
        .kind(Kind::Missing)
        .expected(POSITIONS.join(" or "))
        .found(named(&files))
        .advice(if parquet {
            "Positions in parquet (Visium HD) are not read yet"
        } else {
            "Copy the whole spatial/ folder of Space Ranger"
        }))
}

/// Where a spot lies: under tissue, row and column of the array, x and y in pixels.
struct Place {
    in_tissue: i64,
    array: [i64; 2],
    xy: [f64; 2],
}

/// Positions by barcode, with a header (Space Ranger 2 and later) or without (1).
fn positions_of(path: &Path) -> Result<HashMap<String, Place>> {
    let text = files::read_text(path)?;
    let refuse = |line: usize, found: &str| {
        Error::new(format!("reading line {} of {}", line + 1, path.display()))
            .expected("barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres")
            .found(format!("'{}'", found.chars().take(80).collect::<String>()))
    };
    let mut places = HashMap::new();
    for (i, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').map(|f| f.trim().trim_matches('"')).collect();
        if line.trim().is_empty() || (i == 0 && fields[0] == "barcode") {
            continue;
        }
        let [barcode, numbers @ ..] = &fields[..] else { return Err(refuse(i, line)) };
        let numbers: Option<Vec<f64>> =
            numbers.iter().map(|n| n.parse().ok().filter(|v: &f64| v.is_finite())).collect();
        let Some(&[in_tissue, row, col, y, x]) = numbers.as_deref() else {
            return Err(refuse(i, line));
        };
        let place =
            Place { in_tissue: in_tissue as i64, array: [row as i64, col as i64], xy: [x, y] };
        if places.insert((*barcode).to_owned(), place).is_some() {
            return Err(refuse(i, line).expected("each barcode once"));
        }
    }
    Ok(places)
}

/// Joins the positions by barcode and keeps the spots under tissue.
fn place(ds: &mut Dataset, places: &HashMap<String, Place>, file: &Path) -> Result<()> {
    let barcodes = ds.obs().index();
    let found: Vec<usize> =
        (0..ds.n_obs()).filter(|&i| places.contains_key(&barcodes[i])).collect();
    if found.is_empty() {
        let theirs = places.keys().min().map_or("none", String::as_str);
        let ours = barcodes.first().map_or("none", String::as_str);
        return Err(Error::new(format!("joining the counts to {}", file.display()))
            .expected("barcodes of the counts among the positions")
            .found(format!("no match; the counts have '{ours}', the positions '{theirs}'"))
            .advice("Counts and spatial/ must be of the same sample; merged samples change the suffix '-1'"));
    }
    let kept: Vec<usize> =
        found.iter().copied().filter(|&i| places[&barcodes[i]].in_tissue == 1).collect();
    if found.len() < ds.n_obs() {
        progress::note(format!(
            "{} spots have no position and are dropped",
            ds.n_obs() - found.len()
        ));
    }
    if kept.len() < found.len() {
        progress::note(format!(
            "{} spots are not under tissue and are dropped",
            found.len() - kept.len()
        ));
    }
    if kept.is_empty() {
        return Err(Error::new(format!("joining the counts to {}", file.display()))
            .expected("spots under tissue (in_tissue = 1)")
            .found(format!("none of {}", found.len())));
    }
    let all: Vec<&Place> = kept.iter().map(|&i| &places[&barcodes[i]]).collect();
    if kept.len() < ds.n_obs() {
        ds.select_obs(&kept)?;
    }
    let column = |name: &str, f: fn(&Place) -> i64| {
        Column::new(name.into(), all.iter().map(|p| f(p)).collect::<Vec<_>>())
    };
    ds.obs_mut().set(column("in_tissue", |p| p.in_tissue))?;
    ds.obs_mut().set(column("array_row", |p| p.array[0]))?;
    ds.obs_mut().set(column("array_col", |p| p.array[1]))?;
    ds.set_obsm(keys::SPATIAL, Array2::from_shape_fn((all.len(), 2), |(i, k)| all[i].xy[k]))
}

/// The name of the library and what the counts say of their making.
fn library(counts: &Path, folder: &Path) -> Result<(String, Uns)> {
    let file = h5::open(counts)?;
    let mut metadata = Uns::default();
    for name in ["chemistry_description", "software_version"] {
        if let Some(text) = h5::text_attr(&file, name) {
            metadata.set(&[name], Uns::Text(text));
        }
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().map_or("library".into(), |n| n.to_string_lossy().into_owned());
    let library = h5::text_attr(&file, "library_ids").filter(|l| !l.is_empty()).unwrap_or(name);
    Ok((library.replace('/', "_"), metadata))
}

/// An image as bytes, [height, width, 3].
fn image(path: &Path) -> Result<ArrayD<u8>> {
    interrupt::check("reading a tissue image")?;
    let failed = |e: image::ImageError| {
        Error::io(format!("reading the image {}", path.display()), e)
            .advice("The file may be cut short: fetch it again")
    };
    let decoded = image::ImageReader::open(path)
        .map_err(|e| Error::io(format!("reading the image {}", path.display()), e))?
        .decode()
        .map_err(failed)?
        .into_rgb8();
    let shape = IxDyn(&[decoded.height() as usize, decoded.width() as usize, 3]);
    ArrayD::from_shape_vec(shape, decoded.into_raw())
        .map_err(|e| Error::io(format!("reading the image {}", path.display()), e))
}

fn scale_factors(path: &Path) -> Result<Uns> {
    let json: IndexMap<String, serde_json::Value> = serde_json::from_str(&files::read_text(path)?)
        .map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
    let number = |(k, v): (String, serde_json::Value)| Some((k, Uns::Float(v.as_f64()?)));
    Ok(Uns::Map(json.into_iter().filter_map(number).collect()))
}

/// Joins a table with a column `barcode` to `obs`; `false` when it has none or fits no spot.
fn attach(ds: &mut Dataset, path: &Path) -> Result<bool> {
    let Ok(frame) = table::read(path) else {
        progress::note(format!("{} is no table; left aside", path.display()));
        return Ok(false);
    };
    let is_barcode =
        |c: &&Column| c.name().eq_ignore_ascii_case("barcode") && c.dtype().is_string();
    let Some(barcodes) = frame.columns().iter().find(is_barcode) else { return Ok(false) };
    let failed = |e| Error::io(format!("joining {}", path.display()), e);
    let mut rows: HashMap<&str, usize> = HashMap::new();
    for (i, b) in barcodes.str().map_err(failed)?.iter().enumerate() {
        if b.is_some_and(|b| rows.insert(b, i).is_some()) {
            progress::note(format!(
                "{}: barcode '{}' stands twice; left aside",
                path.display(),
                b.unwrap_or_default()
            ));
            return Ok(false);
        }
    }
    let row: Vec<Option<usize>> =
        ds.obs().index().iter().map(|b| rows.get(b.as_str()).copied()).collect();
    let matched = row.iter().flatten().count();
    if matched == 0 {
        progress::note(format!("{}: no barcode matches; left aside", path.display()));
        return Ok(false);
    }
    let name = barcodes.name().to_string();
    let added = columns(ds, &frame, &name, &row)
        .map_err(|e| e.within(format!("joining {}", path.display())))?;
    progress::note(format!(
        "{}: obs gets {} for {matched} of {} spots, joined by barcode",
        path.display(),
        added.join(", "),
        row.len()
    ));
    Ok(true)
}

/// Sets the other columns of a table, row by row as `row` says; returns their names.
fn columns(
    ds: &mut Dataset,
    frame: &DataFrame,
    barcode: &str,
    row: &[Option<usize>],
) -> Result<Vec<String>> {
    use polars::prelude::{IdxCa, IdxSize};
    let at: IdxCa = row.iter().map(|r| r.map(|r| r as IdxSize)).collect();
    let mut added = Vec::new();
    for column in frame.columns() {
        let name = column.name().to_string();
        if name == barcode || name.is_empty() {
            continue;
        }
        if ds.obs().has(&name) {
            progress::note(format!("obs has '{name}' already; that of the table is left aside"));
            continue;
        }
        let taken =
            column.take(&at).map_err(|e| Error::io(format!("taking rows of '{name}'"), e))?;
        let text = taken.dtype().is_string();
        ds.obs_mut().set(taken)?;
        if text {
            let values = ds.obs().text(&name)?;
            ds.obs_mut().set_categories(&name, &values)?;
        }
        added.push(name);
    }
    Ok(added)
}
