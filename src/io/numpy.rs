//! NumPy's `.npy` and `.npz`, and SciPy's sparse `.npz`, as datasets.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::npy::{self, Header};
use super::npz::{self, Npz, values};
use super::text_counts::CoordinateUnit;
use crate::base::{Error, Result, files, progress};
use crate::data::table::unique_names;
use crate::data::{Csr, Dataset, Matrix, Table, Uns, keys};

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NumpyConfig {
    /// The array of an `.npz` that is X, [N,G]. Else `X`, a sparse matrix of SciPy, or the only
    /// array of two axes.
    pub key: Option<String>,
    /// The names of the rows. Else the array `obs_names`, `barcodes` or `cells`, else 0, 1, 2.
    pub obs_names: Option<Vec<String>>,
    /// The names of the columns. Else the array `var_names`, `genes` or `gene_names`, else 0, 1, 2.
    pub var_names: Option<Vec<String>>,
    /// The unit of the array `spatial`, [N,2].
    pub unit: Option<CoordinateUnit>,
}

/// Reads a matrix.
///
/// # Errors
/// As [`read_with`].
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &NumpyConfig::default())
}

/// Reads a matrix [N,G] of numbers from `.npy`; or from an `.npz` of `numpy.savez`, compressed or
/// not, or of `scipy.sparse.save_npz` (csr, csc or coo). It is sparse unless most of it is filled.
/// Other arrays [N,*] of an `.npz` go into `obsm` by their names, unless they are as wide as X.
///
/// # Errors
/// Pickled objects, complex and big-endian values, block-sparse matrices, each by name; several
/// arrays that may be X; names that do not fit; a file that is cut short or holds less than it says.
pub fn read_with(path: &Path, config: &NumpyConfig) -> Result<Dataset> {
    files::exists(path)?;
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    let start = std::io::BufRead::fill_buf(&mut file).map_err(failed)?;
    let mut ds = if start.starts_with(b"PK") {
        npz(path, config)?
    } else {
        let doing = format!("reading {}", path.display());
        let size = std::fs::metadata(path).map_err(failed)?.len();
        let header = Header::read(&mut file).map_err(|e| e.within(&doing))?;
        if header.bytes().is_none_or(|b| b as u64 > size) {
            return Err(npz::cut(&doing, &header));
        }
        let x = dense(&header, &mut file).map_err(|e| e.within(&doing))?;
        build(&doing, x, config, (None, None))?
    };
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

/// Writes a matrix: `.npz` as `scipy.sparse.save_npz` does, or `.npy` where it is dense.
///
/// # Errors
/// A sparse matrix as `.npy`, another end, a place that cannot be written.
pub fn write(path: &Path, m: &Matrix) -> Result<()> {
    let end = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match (end.as_str(), m) {
        ("npz", Matrix::Sparse(m)) => npz::write_sparse(path, m),
        ("npz", m) => npz::write_sparse(path, &m.to_csr()),
        ("npy", Matrix::Dense(m)) => npy::write(path, m.view()),
        (end, _) => Err(Error::new(format!("writing {}", path.display()))
            .expected("the end .npz, or .npy for a dense matrix")
            .found(format!("a sparse matrix as .{end}"))
            .advice("scipy.sparse.load_npz opens an .npz")),
    }
}

fn npz(path: &Path, config: &NumpyConfig) -> Result<Dataset> {
    let doing = format!("reading {}", path.display());
    let mut npz = Npz::open(path)?;
    let sparse = ["data", "shape"].iter().all(|n| npz.has(n)) && config.key.is_none();
    let (x, mut used) = if sparse {
        let parts = ["format", "shape", "data", "indices", "indptr", "row", "col", "_is_array"];
        let m = scipy(&mut npz, &doing).map_err(|e| e.within(&doing))?;
        (Matrix::Sparse(m), parts.map(str::to_owned).to_vec())
    } else {
        let key = key(&mut npz, &doing, config)?;
        (npz.array(&key, |h, from| dense(h, from))?, vec![key])
    };
    let (n, g) = x.shape();
    let mut names = |known: &[&str], length: usize| -> Result<Option<Vec<String>>> {
        for name in known {
            if npz.has(name) && npz.header(name)?.shape == [length] {
                used.push((*name).to_owned());
                return npz.texts(name).map(Some);
            }
        }
        Ok(None)
    };
    let obs = names(&["obs_names", "barcodes", "cells"], n)?;
    let var = names(&["var_names", "genes", "gene_names"], g)?;
    let mut ds = build(&doing, x, config, (obs, var))?;
    for name in npz.names().into_iter().filter(|n| !used.contains(n)).collect::<Vec<_>>() {
        let Some(values) = of_spots(&mut npz, &name, (n, g))? else { continue };
        if name == keys::SPATIAL
            && let Some(unit) = config.unit
        {
            ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text(unit.name().into()));
        }
        ds.set_obsm(&name, values)?;
        used.push(name);
    }
    let rest: Vec<String> = npz.names().into_iter().filter(|n| !used.contains(n)).collect();
    if !rest.is_empty() {
        progress::note(format!("{doing}: left aside: {}", rest.join(", ")));
    }
    Ok(ds)
}

/// An array of numbers with a row for each spot, unless it is as wide as X and rather another X; of
/// places, one with two columns.
fn of_spots(npz: &mut Npz, name: &str, x: (usize, usize)) -> Result<Option<Array2<f64>>> {
    let Ok(Header { shape, fortran, element }) = npz.header(name) else { return Ok(None) };
    let &[rows, columns] = &shape[..] else { return Ok(None) };
    let fits = if name == keys::SPATIAL { columns == 2 } else { columns != x.1 };
    if rows != x.0 || !element.is_number() || !fits {
        return Ok(None);
    }
    let values = npz.numbers(name)?;
    let at = |r: usize, c: usize| if fortran { c * rows + r } else { columns * r + c };
    let value = |(r, c)| values.get(at(r, c)).copied().unwrap_or(f64::NAN);
    Ok(Some(Array2::from_shape_fn((rows, columns), value)))
}

/// The array that is X.
fn key(npz: &mut Npz, doing: &str, config: &NumpyConfig) -> Result<String> {
    if let Some(key) = &config.key {
        return Ok(key.clone());
    }
    if npz.has("X") {
        return Ok("X".into());
    }
    let (mut matrices, mut refused) = (Vec::new(), None);
    for name in npz.names() {
        match npz.header(&name) {
            Ok(h) if h.shape.len() == 2 && h.element.is_number() => matrices.push(name),
            Ok(_) => {}
            Err(e) => refused = Some(e),
        }
    }
    if matrices.len() > 1 {
        matrices.retain(|n| n != keys::SPATIAL);
    }
    match (&matrices[..], refused) {
        ([one], _) => Ok(one.clone()),
        ([], Some(e)) => Err(e),
        (several, _) => Err(Error::new(doing)
            .expected("one array of two axes, or one named X")
            .found(match several {
                [] => format!("none among {}", npz.names().join(", ")),
                _ => several.join(", "),
            })
            .advice("Name the one with the option key")),
    }
}

/// A sparse matrix as SciPy saves it.
fn scipy(npz: &mut Npz, doing: &str) -> Result<Csr> {
    let format = if npz.has("format") { npz.texts("format")?.concat() } else { "csr".into() };
    let shape = npz.places("shape")?;
    let &[n, g] = &shape[..] else {
        return Err(Error::new(doing)
            .expected("a shape of two numbers")
            .found(format!("{shape:?}")));
    };
    if n as u64 > npz.most() || g as u64 > npz.most().min(u64::from(u32::MAX)) {
        return Err(Error::new(doing)
            .expected("a shape that the file can hold")
            .found(format!("[{n}, {g}]")));
    }
    let mut columns = |name: &str| -> Result<Vec<u32>> {
        let places = npz.places(name)?;
        places.into_iter().map(|i| u32::try_from(i).map_err(|e| Error::io(doing, e))).collect()
    };
    let sorted =
        |(rows, cols): (usize, usize), at: Vec<usize>, indices: Vec<u32>, data: Vec<f32>| {
            // Pairs in any order, by counting how many each row has.
            let mut indptr = vec![0usize; rows + 1];
            for &r in &at {
                *indptr.get_mut(r + 1).ok_or_else(|| {
                    Error::new(doing).expected(format!("rows below {rows}")).found(r.to_string())
                })? += 1;
            }
            (0..rows).for_each(|r| indptr[r + 1] += indptr[r]);
            let mut next = indptr.clone();
            let (mut to, mut values) = (vec![0; at.len()], vec![0.0; at.len()]);
            for ((&r, &c), &v) in at.iter().zip(&indices).zip(&data) {
                to[next[r]] = c;
                values[next[r]] = v;
                next[r] += 1;
            }
            Csr::new((rows, cols), indptr, to, values)
        };
    match format.as_str() {
        "csr" | "csc" => {
            let indices = columns("indices")?;
            let (indptr, data) = (npz.places("indptr")?, singles(npz.numbers("data")?)?);
            match format.as_str() {
                "csr" => Csr::new((n, g), indptr, indices, data),
                _ => Csr::new((g, n), indptr, indices, data)?.transpose(),
            }
        }
        "coo" => {
            let col = columns("col")?;
            let (row, data) = (npz.places("row")?, singles(npz.numbers("data")?)?);
            if row.len() != col.len() || row.len() != data.len() {
                return Err(Error::new(doing)
                    .expected("as many rows as columns and values")
                    .found(format!("{}, {} and {}", row.len(), col.len(), data.len())));
            }
            sorted((n, g), row, col, data)
        }
        other => Err(Error::new(doing)
            .expected("a sparse matrix of format csr, csc or coo")
            .found(format!("format {other}"))
            .advice("Save it again: scipy.sparse.save_npz(path, m.tocsr())")),
    }
}

fn singles(values: Vec<f64>) -> Result<Vec<f32>> {
    values.into_iter().map(single).collect()
}

/// # Errors
/// A finite value beyond the range of `f32`.
fn single(v: f64) -> Result<f32> {
    let single = v as f32;
    if single.is_finite() || !v.is_finite() {
        return Ok(single);
    }
    Err(Error::new("reading X")
        .expected("values within single precision, below 3.4e38")
        .found(format!("{v:e}")))
}

/// An array of two axes, value by value into the sparse form; dense again where most is filled.
fn dense(header: &Header, from: &mut dyn Read) -> Result<Matrix> {
    let &[n, g] = &header.shape[..] else {
        return Err(Error::new("reading X")
            .expected("an array of two axes, cells by genes")
            .found(format!("shape {:?}", header.shape))
            .advice("numpy.atleast_2d makes one row of a vector"));
    };
    if u32::try_from(n.max(g)).is_err() || (n.max(g) > 1 << 20 && n.min(g) == 0) {
        return Err(Error::new("reading X")
            .expected("a shape that the file can hold")
            .found(format!("[{n}, {g}]")));
    }
    let (rows, cols) = if header.fortran { (g, n) } else { (n, g) };
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    let mut at = 0;
    values(header, from, &mut |v| {
        if v != 0.0 {
            indices.push(at as u32);
            data.push(single(v)?);
        }
        at += 1;
        if at == cols {
            at = 0;
            indptr.push(indices.len());
        }
        Ok(())
    })?;
    indptr.resize(rows + 1, indices.len());
    let csr = Csr::new((rows, cols), indptr, indices, data)?;
    let csr = if header.fortran { csr.transpose()? } else { csr };
    if 2 * csr.nnz() < n.saturating_mul(g) {
        return Ok(Matrix::Sparse(csr));
    }
    Array2::from_shape_vec((n, g), csr.dense_rows(0..n))
        .map(Matrix::Dense)
        .map_err(|e| Error::io("reading X", e))
}

type Names = Option<Vec<String>>;

fn build(doing: &str, x: Matrix, config: &NumpyConfig, found: (Names, Names)) -> Result<Dataset> {
    let (n, g) = x.shape();
    let table = |given: &Names, found: Names, length: usize, what: &str| {
        if let Some(names) = given.as_ref().filter(|names| names.len() != length) {
            return Err(Error::new(doing)
                .expected(format!("{length} names in the option {what}"))
                .found(names.len().to_string()));
        }
        let names = given.clone().or(found);
        if names.is_none() {
            progress::note(format!(
                "{doing}: no {what} in it, so they are 0, 1, 2 (option {what})"
            ));
        }
        Ok(names.unwrap_or_else(|| (0..length).map(|i| i.to_string()).collect()))
    };
    let obs = table(&config.obs_names, found.0, n, "obs_names")?;
    let var = table(&config.var_names, found.1, g, "var_names")?;
    Dataset::new(x, Table::new(obs), Table::new(unique_names(&var)))
}
