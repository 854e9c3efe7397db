//! Readers and writers, one file a format.
//!
//! Imports `base` and `data`; no tensors.

mod columns;
pub mod exchange;
pub mod export;
mod h5;
pub mod h5ad;
pub mod legacy_st;
mod lines;
pub mod loom;
pub mod mex;
pub mod npy;
pub mod npz;
pub mod numpy;
mod roles;
pub mod table;
pub mod tenx;
pub mod text_counts;
pub mod transcripts;
pub mod visium;
pub mod visium_hd;
pub mod xenium;
pub mod zarr;

use std::path::Path;

use crate::base::{Error, Result, files, interrupt};
use crate::data::Dataset;

/// What is known of a format.
struct Format {
    name: &'static str,
    /// How a file or folder of it is told by its content.
    is: fn(&Path) -> bool,
    /// `None`: known, so that the message can name it, but not read yet.
    read: Option<fn(&Path) -> Result<Dataset>>,
}

/// The formats, in the order in which they are tried. A format that is read later gets its
/// function here.
const FORMATS: &[Format] = &[
    Format { name: "AnnData .h5ad", is: is_h5ad, read: Some(h5ad::read) },
    Format { name: "10x .h5", is: is_tenx, read: Some(tenx::read) },
    Format {
        name: "loom file",
        is: |p| has_groups(p, &["row_attrs", "col_attrs"]),
        read: Some(loom::read),
    },
    Format { name: "Xenium bundle", is: xenium::looks_like, read: Some(xenium::read) },
    Format { name: "Visium HD folder", is: visium_hd::looks_like, read: Some(visium_hd::read) },
    Format {
        name: "Visium folder",
        is: |p| p.is_dir() && visium::looks_like(p),
        read: Some(visium::read),
    },
    Format { name: "MEX folder", is: mex::looks_like, read: Some(mex::read) },
    Format {
        name: "zarr archive",
        is: |p| zarr::is(p) || ends(p, &[".zarr", ".zarr.zip"]),
        read: Some(zarr::read),
    },
    Format {
        name: "legacy ST table",
        is: |p| {
            ends(p, &[".tsv", ".tsv.gz", ".csv", ".csv.gz", ".txt", ".txt.gz"])
                && legacy_st::looks_like(p)
        },
        read: Some(legacy_st::read),
    },
    Format {
        name: "table of transcripts",
        is: |p| ends(p, &["transcripts.parquet"]),
        read: Some(|p| transcripts::bin(p, &transcripts::BinConfig::default())),
    },
    Format {
        name: "table of counts as text or parquet",
        is: |p| ends(p, &[".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet"]),
        read: Some(text_counts::read),
    },
    Format { name: "NumPy array", is: |p| ends(p, &[".npy", ".npz"]), read: Some(numpy::read) },
];

/// Entries of a folder that are looked at for something that can be read.
const MOST_LOOKED_AT: usize = 300;
/// How many of them a message names.
const MOST_SHOWN: usize = 5;

/// Reads a dataset of any format that is understood, told by its content, not by its name.
///
/// # Errors
/// Nothing at `path`; a format that is not known, or known and not read yet, with the formats
/// that are; what the format's own reader says.
pub fn read(path: &Path) -> Result<Dataset> {
    files::exists(path)?;
    let known: Vec<&str> = FORMATS.iter().filter(|f| f.read.is_some()).map(|f| f.name).collect();
    let advice = format!("These are read: {}", known.join(", "));
    let doing = format!("reading {}", path.display());
    match FORMATS.iter().find(|f| (f.is)(path)) {
        Some(Format { read: Some(read), .. }) => read(path),
        Some(Format { name, .. }) => Err(Error::new(doing)
            .expected("a format that is read")
            .found(format!("a {name}, which is not read yet"))
            .advice(advice)),
        None if path.is_dir() => {
            let found = visium::named(&visium::list(path));
            let inside = inside(path)?;
            Err(Error::new(doing)
                .expected("a folder of a format that is understood")
                .found(format!("a folder with {found}"))
                .advice(if inside.is_empty() {
                    format!("Name the folder of the data itself. {advice}")
                } else {
                    format!("Name what is to be read in it: {}", inside.join(", "))
                }))
        }
        // A damaged file is not told by its content; its opening says what is wrong with it.
        None => match h5::open(path) {
            Err(e) if h5::is_hdf5(path) || ends(path, &[".h5ad", ".h5", ".hdf5", ".loom"]) => {
                Err(e)
            }
            Err(_) => Err(Error::new(doing)
                .expected("a format that is understood")
                .found("another")
                .advice(advice)),
            Ok(f) => {
                let lacking = ["obs", "var"].into_iter().find(|n| !f.link_exists(n));
                let anndata = ["obs", "var"].into_iter().any(|n| f.link_exists(n));
                let found = h5::names(&f)?.join(", ");
                Err(Error::new(doing)
                    .expected("AnnData (obs, var) or 10x (matrix) in the HDF5 file")
                    .found(match lacking.filter(|_| anndata) {
                        Some(name) => format!("AnnData with no {name}: {found}"),
                        None => found,
                    })
                    .advice(advice))
            }
        },
    }
}

/// What can be read in a folder, as far as two levels down: its paths, with their formats.
fn inside(folder: &Path) -> Result<Vec<String>> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut level = vec![folder.to_owned()];
    let mut left = MOST_LOOKED_AT;
    for _ in 0..2 {
        let mut next = Vec::new();
        for entry in level.iter().flat_map(|f| visium::list(f)) {
            interrupt::check("looking into a folder")?;
            // A pipe would wait for someone to write.
            if left == 0 || !(entry.is_file() || entry.is_dir()) {
                continue;
            }
            left -= 1;
            match FORMATS.iter().enumerate().find(|(_, f)| (f.is)(&entry)) {
                Some((i, f)) => found.push((i, format!("{} ({})", entry.display(), f.name))),
                None if entry.is_dir() => next.push(entry),
                None => {}
            }
        }
        level = next;
    }
    // Formats that only a file's name tells come last, as the list of them has it.
    found.sort_by_key(|f| f.0);
    let more = found.len().saturating_sub(MOST_SHOWN);
    let mut shown: Vec<String> = found.into_iter().take(MOST_SHOWN).map(|f| f.1).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    Ok(shown)
}

fn is_h5ad(path: &Path) -> bool {
    has_groups(path, &["obs", "var"])
}

fn is_tenx(path: &Path) -> bool {
    let v3 = |f: &hdf5::File| f.link_exists("matrix") && f.link_exists("matrix/barcodes");
    let v2 = |f: &hdf5::File| tenx::genomes(f).is_ok_and(|g| !g.is_empty());
    path.is_file() && h5::is_hdf5(path) && h5::glance(path).is_ok_and(|f| v3(&f) || v2(&f))
}

fn has_groups(path: &Path, names: &[&str]) -> bool {
    path.is_file()
        && h5::is_hdf5(path)
        && h5::glance(path).is_ok_and(|f| names.iter().all(|n| f.link_exists(n)))
}

fn ends(path: &Path, ends: &[&str]) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    ends.iter().any(|e| name.ends_with(e))
}
