//! AnnData in zarr, versions 2 and 3, as a folder (`x.zarr/`) or packed (`x.zarr.zip`).
//!
//! A store holds the groups, arrays and attributes that an `.h5ad` holds. So it is copied, chunk by
//! chunk, into an HDF5 file in the folder for temporary files, and the reader of `.h5ad` reads that:
//! one place knows what AnnData means by them. The temporary file has the size of the decoded arrays.
//!
//! Read are chunks packed by blosc, zstd, gzip and zlib, with crc32c, transposed and sharded, and
//! numbers, truth values, texts of any and of fixed length, and records. Metadata, chunks and the zip
//! file are read here, not by the crate `zarrs`: that one takes the memory that a header asks for,
//! has no records or texts of fixed length, and makes cargo build polars anew.

mod chunks;
mod codec;
mod copy;
mod meta;
mod store;

use std::path::Path;

use hdf5::FileBuilder;
use meta::Node;
use store::{Store, join};

use super::{h5, h5ad};
use crate::base::{Error, Kind, Result};
use crate::data::Dataset;

/// What a SpatialData store holds beside its tables.
const SPATIAL_DATA: [&str; 4] = ["images", "labels", "points", "shapes"];
/// A SpatialData store names the first of so many tables at most.
const MOST_NAMED: usize = 10;

/// Whether a folder or zip file is a zarr store.
pub(super) fn is(path: &Path) -> bool {
    let zipped = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    (path.is_dir() || (path.is_file() && zipped)) && Store::open(path).is_ok_and(|s| s.has_node(""))
}

/// Reads AnnData from a zarr store.
///
/// Chunks that are not in the store hold the fill value, as zarr says, with a note.
///
/// # Errors
/// No store; one that is no AnnData, with what it is; one that is damaged or holds what is not read,
/// named by its place in the store.
pub fn read(path: &Path) -> Result<Dataset> {
    let within = |e: Error| e.within(format!("reading {}", path.display()));
    let store = Store::open(path)?;
    is_anndata(&store, path)?;
    let folder = tempfile::tempdir().map_err(|e| Error::io("making a temporary folder", e))?;
    let copied = folder.path().join("copy.h5ad");
    let file = FileBuilder::new()
        .with_fapl(|p| p.file_locking(false).libver_latest())
        .create(&copied)
        .map_err(h5::failed("making a temporary file"))?;
    copy::tree(&store, &file).map_err(within)?;
    file.close().map_err(h5::failed("closing a temporary file")).map_err(within)?;
    let mut ds = h5ad::read(&copied).map_err(within)?;
    // A record of a run wants files; the first of a folder stands for it.
    ds.sources = match store {
        Store::Folder(f) => {
            store::METADATA.iter().map(|m| f.join(m)).filter(|m| m.is_file()).collect()
        }
        Store::Zip(_) => vec![path.to_owned()],
    };
    Ok(ds)
}

/// Refuses a store that is another thing than AnnData, and says which.
fn is_anndata(store: &Store, path: &Path) -> Result<()> {
    let shown = path.display();
    let wrong = |found: String| {
        Error::new(format!("reading {shown}"))
            .kind(Kind::Missing)
            .expected("the folder of an AnnData store, with obs and var")
            .found(found)
    };
    if store.has_node("obs") && store.has_node("var") {
        return Ok(());
    }
    let folders = store.folders("")?;
    let attributes = match meta::node(store, "") {
        Ok(Some(Node::Group(attributes))) => attributes,
        Ok(Some(Node::Array(..))) => {
            return Err(wrong("a single array of zarr".into()).advice(above(path)));
        }
        Err(e) => return Err(e.within(format!("reading {shown}"))),
        Ok(None) => {
            let store = folders.iter().find(|f| f.ends_with(".zarr") || store.has_node(f));
            let e = wrong("a folder without .zgroup or zarr.json".into());
            return Err(match store {
                Some(f) => e.advice(format!("Name the store in it: {}", path.join(f).display())),
                None => e.advice(
                    "Is it the store, copied whole? Files with names that begin with a dot belong to it",
                ),
            });
        }
    };
    let has = |name: &str| folders.iter().any(|f| f == name);
    if attributes.contains_key("spatialdata_attrs") || SPATIAL_DATA.into_iter().any(has) {
        let slot = if has("tables") { "tables" } else { "table" };
        let tables = store.folders(slot).unwrap_or_default();
        let named: Vec<String> = tables
            .iter()
            .take(MOST_NAMED)
            .map(|t| path.join(slot).join(t).display().to_string())
            .collect();
        let e = wrong(format!("a SpatialData store, with {}", folders.join(", ")));
        return Err(match (named.is_empty(), store) {
            (true, _) => e.advice("It holds no table, so no AnnData"),
            (_, Store::Folder(_)) => {
                e.advice(format!("Its tables are AnnData; name one: {}", named.join(", ")))
            }
            (_, Store::Zip(_)) => e.advice(format!(
                "Its tables are AnnData: unpack the zip file, then read {slot}/{}",
                tables[0]
            )),
        });
    }
    let names = folders.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if attributes.contains_key("encoding-type") && !has("X") {
        let kind = attributes["encoding-type"].as_str().unwrap_or("a part").to_owned();
        return Err(wrong(format!("a part of one ({kind}: {names})")).advice(above(path)));
    }
    if has("cell_summary") || has("cell_features") || has("cell_groups") || has("polygon_sets") {
        return Err(wrong(format!("a store of a Xenium bundle: {names}"))
            .advice("Name the folder of the bundle, with experiment.xenium"));
    }
    let lacking = ["obs", "var"].into_iter().find(|n| !store.has_node(&join("", n)));
    Err(wrong(format!("a store without {}: {names}", lacking.unwrap_or("obs")))
        .advice("Of the stores of zarr those of AnnData are read"))
}

/// The store that a path leads into.
fn above(path: &Path) -> String {
    let whole = path.ancestors().skip(1).find(|a| {
        !a.as_os_str().is_empty()
            && Store::open(a).is_ok_and(|s| s.has_node("obs") && s.has_node("var"))
    });
    match whole {
        Some(store) => format!("Name the folder above: {}", store.display()),
        None => "Name the folder that holds obs and var".into(),
    }
}
