//! Writing an `.h5ad`, encoded as anndata 0.8 and later encode.

use std::path::Path;

use hdf5::types::{H5Type, VarLenUnicode};
use hdf5::{FileBuilder, Group, Location};
use ndarray::{ArrayView, ArrayViewD, Dimension};
use polars::prelude::*;

use super::read::note_names;
use crate::base::{Error, Result, files, interrupt, progress};
use crate::data::table::holds;
use crate::data::{Csr, Dataset, Matrix, Table, Uns};
use crate::io::h5::{self, LEVEL, Source, failed};

/// Ends of names that promise another format.
const OTHERS: [&str; 19] = [
    ".csv", ".tsv", ".txt", ".gz", ".parquet", ".arrow", ".feather", ".xlsx", ".json", ".zarr",
    ".zip", ".loom", ".mtx", ".npy", ".npz", ".rds", ".rdata", ".pkl", ".png",
];

/// Writes a dataset, compressed with gzip, through a temporary file.
///
/// # Errors
/// A name whose end is that of another format; names that HDF5 cannot hold (empty, with `/` outside of columns, or a zero byte), columns of a type that AnnData
/// has no encoding for, a place that cannot be written. What stood at `path` before still does.
pub fn write(ds: &Dataset, path: &Path) -> Result<()> {
    let within = |e: Error| e.within(format!("writing {}", path.display()));
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if let Some(end) = OTHERS.iter().find(|e| name.ends_with(*e)) {
        return Err(Error::new(format!("writing {}", path.display()))
            .expected("a name that ends in .h5ad, which is what is written")
            .found(format!("the end {end} of another format"))
            .advice("ds.obs.save and ds.var.save write tables of spots and genes"));
    }
    files::atomic(path, |tmp| {
        // Nobody else sees the temporary file, so there is nothing to lock; and a lock would outlive
        // the writing in any process that was started meanwhile and inherited the open file.
        let unlocked = FileBuilder::new().with_fapl(|p| p.file_locking(false)).create(tmp);
        let file = unlocked.map_err(failed("creating the file")).map_err(within)?;
        dataset(&file, ds).map_err(within)?;
        file.close().map_err(failed("closing the file")).map_err(within)
    })
}

fn dataset(f: &Group, ds: &Dataset) -> Result<()> {
    for (what, table) in [("spots", ds.obs()), ("genes", ds.var())] {
        note_names(what, table);
    }
    encode(f, "anndata", "0.1.0")?;
    matrix(f, "X", ds.x())?;
    let layers = dict(f, "layers")?;
    for (name, m) in ds.layers() {
        matrix(&layers, key(name)?, m)?;
    }
    frame(f, "obs", ds.obs())?;
    frame(f, "var", ds.var())?;
    for (slot, all) in [("obsm", ds.obsm()), ("varm", ds.varm())] {
        let g = dict(f, slot)?;
        for (name, m) in all {
            array(&g, key(name)?, m.view())?;
        }
    }
    for (slot, all) in [("obsp", ds.obsp()), ("varp", ds.varp())] {
        let g = dict(f, slot)?;
        for (name, m) in all {
            sparse(&g, key(name)?, m)?;
        }
    }
    if let Some(raw) = ds.raw() {
        let g = group(f, "raw", "raw", "0.1.0")?;
        matrix(&g, "X", raw.x())?;
        frame(&g, "var", raw.var())?;
        let varm = dict(&g, "varm")?;
        for (name, m) in &raw.varm {
            array(&varm, key(name)?, m.view())?;
        }
    }
    match ds.uns() {
        map @ Uns::Map(_) => uns(f, "uns", map),
        other => Err(Error::new("writing uns").expected("a map").found(other.to_string())),
    }
}

/// A name as a link of HDF5, where `/` would open a level.
fn key(name: &str) -> Result<&str> {
    if name.is_empty() || name == "." || name.contains(['/', '\0']) {
        return Err(Error::new(format!("naming '{}' in an h5ad file", name.escape_default()))
            .expected("a name of at least one character, without '/' or a zero byte, and not '.'")
            .found(format!("'{}'", name.escape_default()))
            .advice("Rename it first"));
    }
    Ok(name)
}

/// The name of a column. A `/` in it opens a level, as it does when anndata writes it: a table is
/// read by the names in `column-order`, so the column keeps its name.
fn column_key(name: &str) -> Result<&str> {
    name.split('/').try_for_each(|part| key(part).map(|_| ()))?;
    Ok(name)
}

fn text(value: &str) -> Result<VarLenUnicode> {
    value.parse().map_err(|_| {
        Error::new("writing a text")
            .expected("no zero byte in it")
            .found(format!("'{}'", value.escape_default()))
    })
}

fn attr(at: &Location, name: &str, value: &str) -> Result<()> {
    at.new_attr::<VarLenUnicode>()
        .create(name)
        .and_then(|a| a.write_scalar(&text(value).map_err(|e| hdf5::Error::from(e.to_string()))?))
        .map_err(failed(format!("writing the attribute {name}")))
}

fn encode(at: &Location, kind: &str, version: &str) -> Result<()> {
    attr(at, "encoding-type", kind)?;
    attr(at, "encoding-version", version)
}

fn group(parent: &Group, name: &str, kind: &str, version: &str) -> Result<Group> {
    interrupt::check("writing an h5ad file")?;
    let builder = parent.create_group_builder().create_intermediate_group(true);
    let g = builder.create(name).map_err(failed(format!("creating the group {name}")))?;
    encode(&g, kind, version)?;
    Ok(g)
}

fn dict(parent: &Group, name: &str) -> Result<Group> {
    group(parent, name, "dict", "0.1.0")
}

/// An array without encoding: compressed unless it is empty.
fn plain<T: H5Type, D: Dimension>(
    g: &Group,
    name: &str,
    values: ArrayView<'_, T, D>,
) -> Result<hdf5::Dataset> {
    interrupt::check("writing an h5ad file")?;
    let builder = g.new_dataset_builder().obj_track_times(false);
    let builder = if values.is_empty() { builder } else { builder.deflate(LEVEL) };
    builder
        .create_intermediate_group(true)
        .with_data(values)
        .create(name)
        .map_err(failed(format!("writing {}/{name}", g.name())))
}

fn array<T: Source + Send + Sync, D: Dimension>(
    g: &Group,
    name: &str,
    values: ArrayView<'_, T, D>,
) -> Result<()> {
    let values = values.as_standard_layout();
    let flat = values.as_slice().unwrap_or_default();
    let d = h5::write(g, name, values.shape(), |i| flat[i])?;
    encode(&d, "array", "0.2.0")
}

fn bools<D: Dimension>(g: &Group, name: &str, values: ArrayView<'_, bool, D>) -> Result<()> {
    let d = plain(g, name, values.as_standard_layout().view())?;
    encode(&d, "array", "0.2.0")
}

fn strings<'a>(
    g: &Group,
    name: &str,
    shape: &[usize],
    values: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let values = values.map(text).collect::<Result<Vec<_>>>()?;
    let values = ArrayViewD::from_shape(shape, &values)
        .map_err(|e| Error::io(format!("writing {name}"), e))?;
    let d = plain(g, name, values)?;
    encode(&d, "string-array", "0.2.0")
}

fn scalar<T: H5Type>(g: &Group, name: &str, value: &T, kind: &str) -> Result<()> {
    let d = g
        .new_dataset_builder()
        .obj_track_times(false)
        .empty::<T>()
        .create(name)
        .and_then(|d| d.write_scalar(value).map(|()| d))
        .map_err(failed(format!("writing {}/{name}", g.name())))?;
    encode(&d, kind, "0.2.0")
}

fn matrix(g: &Group, name: &str, m: &Matrix) -> Result<()> {
    match m {
        Matrix::Sparse(m) => sparse(g, name, m),
        Matrix::Dense(m) => array(g, name, m.view()),
    }
}

fn sparse(parent: &Group, name: &str, m: &Csr) -> Result<()> {
    let g = group(parent, name, "csr_matrix", "0.1.0")?;
    g.new_attr_builder()
        .with_data(&[m.nrows() as i64, m.ncols() as i64])
        .create("shape")
        .map_err(failed(format!("writing the shape of {name}")))?;
    let (indptr, indices, values) = m.parts();
    let (n, rows) = ([values.len()], [indptr.len()]);
    h5::write(&g, "data", &n, |i| values[i])?;
    // SciPy wants both index arrays of one width.
    let narrow = m.nnz().max(m.nrows()).max(m.ncols()) <= i32::MAX as usize;
    if narrow {
        h5::write(&g, "indices", &n, |i| indices[i] as i32)?;
        h5::write(&g, "indptr", &rows, |i| indptr[i] as i32)?;
    } else {
        h5::write(&g, "indices", &n, |i| i64::from(indices[i]))?;
        h5::write(&g, "indptr", &rows, |i| indptr[i] as i64)?;
    }
    Ok(())
}

fn frame(parent: &Group, name: &str, table: &Table) -> Result<()> {
    let g = group(parent, name, "dataframe", "0.2.0")?;
    let columns = table.names();
    // A column may bear the name of the index; AnnData then wants the index under its own.
    let taken = table.index_name.is_empty() || columns.contains(&table.index_name.as_str());
    let index = if taken { "_index" } else { &table.index_name };
    if columns.contains(&index) {
        return Err(Error::new(format!("writing {name}"))
            .expected(format!(
                "no column of the name '{index}', which AnnData keeps for the row names"
            ))
            .found("one")
            .advice("Rename the column"));
    }
    attr(&g, "_index", index)?;
    let order = columns.iter().map(|c| text(c)).collect::<Result<Vec<_>>>()?;
    g.new_attr_builder()
        .with_data(ArrayView::from(&order))
        .create("column-order")
        .map_err(failed(format!("writing the order of the columns of {name}")))?;
    strings(&g, key(index)?, &[table.len()], table.index().iter().map(String::as_str))?;
    for c in columns {
        column_key(c)
            .and_then(|c| column(&g, c, table))
            .map_err(|e| e.within(format!("writing column '{c}' of {name}")))?;
    }
    Ok(())
}

fn column(g: &Group, name: &str, table: &Table) -> Result<()> {
    if let Some((categories, codes)) = table.codes(name)? {
        return categorical(g, name, &categories, &codes);
    }
    let series = table.column(name)?.as_materialized_series();
    let failed = |e| Error::io("reading its values", e);
    let missing: Vec<bool> = match series.null_count() {
        0 => Vec::new(),
        _ => series.is_null().iter().map(|m| m == Some(true)).collect(),
    };
    // Values under a mask lie in a group; the others directly under the name.
    let masked = |kind: &str| -> Result<Option<Group>> {
        if missing.is_empty() {
            return Ok(None);
        }
        let inner = group(g, name, kind, "0.1.0")?;
        bools(&inner, "mask", ArrayView::from(&missing))?;
        Ok(Some(inner))
    };
    match series.dtype() {
        DataType::String => {
            let values = series.str().map_err(failed)?;
            let inner = masked("nullable-string-array")?;
            let (g, name) = inner.as_ref().map_or((g, name), |i| (i, "values"));
            strings(g, name, &[series.len()], values.iter().map(Option::unwrap_or_default))
        }
        DataType::Boolean => {
            let values: Vec<bool> =
                series.bool().map_err(failed)?.iter().map(Option::unwrap_or_default).collect();
            let inner = masked("nullable-boolean")?;
            let (g, name) = inner.as_ref().map_or((g, name), |i| (i, "values"));
            bools(g, name, ArrayView::from(&values))
        }
        DataType::Float32 => numbers(g, name, series.f32().map_err(failed)?, f32::NAN),
        DataType::Float64 => numbers(g, name, series.f64().map_err(failed)?, f64::NAN),
        ty if ty.is_integer() => {
            let inner = masked("nullable-integer")?;
            let (g, name) = inner.as_ref().map_or((g, name), |i| (i, "values"));
            match ty {
                DataType::Int8 => numbers(g, name, series.i8().map_err(failed)?, 0),
                DataType::Int16 => numbers(g, name, series.i16().map_err(failed)?, 0),
                DataType::Int32 => numbers(g, name, series.i32().map_err(failed)?, 0),
                DataType::UInt8 => numbers(g, name, series.u8().map_err(failed)?, 0),
                DataType::UInt16 => numbers(g, name, series.u16().map_err(failed)?, 0),
                DataType::UInt32 => numbers(g, name, series.u32().map_err(failed)?, 0),
                DataType::UInt64 => numbers(g, name, series.u64().map_err(failed)?, 0),
                _ => {
                    let wide = series.strict_cast(&DataType::Int64).map_err(failed)?;
                    numbers(g, name, wide.i64().map_err(failed)?, 0)
                }
            }
        }
        ty => Err(Error::new("encoding it")
            .expected("numbers, true and false, texts or categories")
            .found(holds(ty))
            .advice(format!(
                "Make texts of it: table.with_column(\"{name}\", \"CAST({name} AS VARCHAR)\")"
            ))),
    }
}

fn numbers<T>(g: &Group, name: &str, values: &ChunkedArray<T>, missing: T::Native) -> Result<()>
where
    T: PolarsNumericType,
    T::Native: Source + Send + Sync,
{
    let values: Vec<T::Native> = values.iter().map(|v| v.unwrap_or(missing)).collect();
    array(g, name, ArrayView::from(&values))
}

fn categorical(
    parent: &Group,
    name: &str,
    categories: &[String],
    codes: &[Option<u32>],
) -> Result<()> {
    let g = group(parent, name, "categorical", "0.2.0")?;
    g.new_attr::<bool>()
        .create("ordered")
        .and_then(|a| a.write_scalar(&false))
        .map_err(failed(format!("writing the attributes of {name}")))?;
    strings(&g, "categories", &[categories.len()], categories.iter().map(String::as_str))?;
    let codes = codes.iter().map(|c| c.map_or(-1, i64::from));
    // pandas takes the narrowest width that holds the codes.
    match categories.len() {
        0..=128 => array(&g, "codes", ArrayView::from(&codes.map(|c| c as i8).collect::<Vec<_>>())),
        129..=32768 => {
            array(&g, "codes", ArrayView::from(&codes.map(|c| c as i16).collect::<Vec<_>>()))
        }
        _ => array(&g, "codes", ArrayView::from(&codes.map(|c| c as i32).collect::<Vec<_>>())),
    }
}

fn uns(g: &Group, name: &str, value: &Uns) -> Result<()> {
    let name = key(name)?;
    match value {
        Uns::Map(map) => {
            let inner = dict(g, name)?;
            map.iter().try_for_each(|(k, v)| uns(&inner, k, v))
        }
        Uns::Text(t) => scalar(g, name, &text(t)?, "string"),
        Uns::Int(v) => scalar(g, name, v, "numeric-scalar"),
        Uns::Float(v) => scalar(g, name, v, "numeric-scalar"),
        Uns::Bool(v) => scalar(g, name, v, "numeric-scalar"),
        Uns::Texts(a) => strings(g, name, a.shape(), a.iter().map(String::as_str)),
        Uns::Ints(a) => array(g, name, a.view()),
        Uns::Floats(a) => array(g, name, a.view()),
        Uns::Singles(a) => array(g, name, a.view()),
        Uns::Bools(a) => bools(g, name, a.view()),
        Uns::Bytes(a) => array(g, name, a.view()),
        Uns::Sparse(m) => sparse(g, name, m),
        Uns::Table(t) => frame(g, name, t),
        // anndata before 0.12 refuses a whole file that holds one, and takes a name that is not
        // there for what it is.
        Uns::Null => {
            progress::note(format!("{}/{name}: nothing is there (null); left out", g.name()));
            Ok(())
        }
    }
}
