//! Elements of an `.h5ad` other than tables: matrices, and the tree of `uns`.

use hdf5::Group;
use indexmap::IndexMap;
use ndarray::{Array2, ArrayD, IxDyn};
use polars::prelude::*;

use super::frame;
use crate::base::{Error, Result, progress};
use crate::data::{Csr, Matrix, Table, Uns};
use crate::io::h5::{self, Array, Node};

/// Nesting of `uns` beyond this is taken for a loop of links.
const DEEPEST: usize = 64;
/// Sparse matrices of `obsm` and dense ones of `obsp` are converted up to this many elements.
const CONVERTIBLE: usize = 1 << 24;

/// X, a layer, or any other matrix of that shape, sparse or dense as it stands in the file.
///
/// # Shapes
/// `shape` is what the matrix must have, [rows, columns].
pub(super) fn matrix(node: &Node, shape: (usize, usize)) -> Result<Matrix> {
    let d = match node {
        Node::Group(g) => return Ok(Matrix::Sparse(sparse(g, Some(shape))?)),
        Node::Array(d) => d,
    };
    let found = d.shape();
    // Old files drop the axis of a single gene.
    let fits = found == [shape.0, shape.1] || (found.len() == 1 && found[0] == shape.0 * shape.1);
    if !fits {
        return Err(Error::new(format!("reading {}", d.name()))
            .expected(format!("shape [{}, {}]", shape.0, shape.1))
            .found(format!("{found:?}")));
    }
    let values = h5::f32s(d)?;
    let m = Array2::from_shape_vec(shape, values)
        .map_err(|e| Error::io(format!("reading {}", d.name()), e))?;
    Ok(Matrix::Dense(m))
}

/// The format of a sparse group, "csr" or "csc"; `None` for other groups.
fn sparse_format(g: &Group) -> Option<String> {
    let modern = h5::text_attr(g, "encoding-type")
        .and_then(|t| t.strip_suffix("_matrix").map(str::to_owned));
    modern.or_else(|| h5::text_attr(g, "h5sparse_format")).filter(|f| f == "csr" || f == "csc")
}

/// A compressed sparse matrix, by rows or by columns in the file; refused when it has not the
/// shape that is `expected`.
pub(super) fn sparse(g: &Group, expected: Option<(usize, usize)>) -> Result<Csr> {
    let doing = || format!("reading the sparse matrix {}", g.name());
    let within = |e: Error| e.within(doing());
    let format = sparse_format(g).ok_or_else(|| {
        let found = h5::text_attr(g, "encoding-type").unwrap_or_else(|| "no encoding".into());
        Error::new(doing()).expected("csr_matrix or csc_matrix").found(found)
    })?;
    let shape = h5::ints_attr(g, "shape")
        .or_else(|| h5::ints_attr(g, "h5sparse_shape"))
        .unwrap_or_default();
    let &[rows, cols] = &shape[..] else {
        return Err(Error::new(doing())
            .expected("a shape of two numbers")
            .found(format!("{shape:?}")));
    };
    let of = |v: i64| {
        let refuse = || {
            Error::new(doing()).expected("a shape from 0, below 2^32").found(format!("{shape:?}"))
        };
        u32::try_from(v).map(|v| v as usize).map_err(|_| refuse())
    };
    let shape = (of(rows)?, of(cols)?);
    if let Some(e) = expected.filter(|e| *e != shape) {
        return Err(Error::new(doing())
            .expected(format!("shape [{}, {}]", e.0, e.1))
            .found(format!("[{}, {}]", shape.0, shape.1)));
    }
    let indptr = h5::usizes(&h5::dataset(g, "indptr")?).map_err(within)?;
    let indices = h5::u32s(&h5::dataset(g, "indices")?).map_err(within)?;
    let values = h5::f32s(&h5::dataset(g, "data")?).map_err(within)?;
    if format == "csr" {
        return Csr::new(shape, indptr, indices, values).map_err(within);
    }
    // Turning columns into rows takes memory for each row: a damaged shape must not ask for it.
    if expected.is_none() && shape.0 > CONVERTIBLE {
        return Err(Error::new(doing())
            .expected(format!("at most {CONVERTIBLE} rows"))
            .found(shape.0.to_string()));
    }
    Ok(Csr::new((shape.1, shape.0), indptr, indices, values).map_err(within)?.transpose())
}

/// A matrix with the names of its columns, where they have names.
type Named = (Array2<f64>, Option<Vec<String>>);

/// A matrix beside the rows (`obsm`, `varm`), with the names of its columns where it is a data
/// frame; `None`, with a note, for kinds that are not read.
///
/// # Shapes
/// [rows, *]; one value a row is a single column.
pub(super) fn beside(node: &Node, rows: usize) -> Result<Option<Named>> {
    match node {
        Node::Array(d) => {
            let Some(array) = h5::array(d)? else {
                return Ok(left_out(&d.name(), "is no array of numbers"));
            };
            if array.values.dtype().is_string() || array.shape.is_empty() || array.shape.len() > 2 {
                return Ok(left_out(&d.name(), "is no matrix of numbers"));
            }
            Ok(Some((columns(&array, rows, &d.name())?, None)))
        }
        Node::Group(g) if sparse_format(g).is_some() => {
            let m = sparse(g, None)?;
            if m.nrows() * m.ncols() > CONVERTIBLE {
                return Ok(left_out(&g.name(), "is sparse and too large to hold densely"));
            }
            progress::note(format!("{}: sparse in the file, held densely", g.name()));
            let values = m.dense_rows(0..m.nrows()).into_iter().map(f64::from).collect();
            Array2::from_shape_vec((m.nrows(), m.ncols()), values)
                .map(|m| Some((m, None)))
                .map_err(|e| Error::io(format!("reading {}", g.name()), e))
        }
        Node::Group(g) if h5::text_attr(g, "encoding-type").as_deref() == Some("dataframe") => {
            let table = frame::read(node)?;
            let names: Vec<String> = table
                .names()
                .into_iter()
                .filter(|n| !table.is_groups(n))
                .map(str::to_owned)
                .collect();
            if names.len() < table.names().len() {
                progress::note(format!(
                    "{}: a table; only its columns of numbers are kept",
                    g.name()
                ));
            }
            let mut m = Array2::zeros((table.len(), names.len()));
            for (mut column, name) in m.columns_mut().into_iter().zip(&names) {
                column.assign(&ndarray::Array1::from(table.f64(name)?));
            }
            Ok(Some((m, Some(names))))
        }
        Node::Group(g) => {
            let kind = h5::text_attr(g, "encoding-type").unwrap_or_else(|| "a group".into());
            Ok(left_out(&g.name(), &format!("is of a kind that is not read ({kind})")))
        }
    }
}

pub(super) fn columns(array: &Array, rows: usize, name: &str) -> Result<Array2<f64>> {
    let width = array.shape.get(1).copied().unwrap_or(1);
    if array.shape[0] != rows {
        return Err(Error::new(format!("reading {name}"))
            .expected(format!("{rows} rows"))
            .found(array.shape[0].to_string()));
    }
    Array2::from_shape_vec((rows, width), h5::f64s(array)?)
        .map_err(|e| Error::io(format!("reading {name}"), e))
}

/// A matrix of pairs; dense ones are made sparse while they are small.
pub(super) fn pairs(node: &Node, n: usize) -> Result<Option<Csr>> {
    match node {
        Node::Group(g) if sparse_format(g).is_none() => {
            Ok(left_out(&g.name(), "is no sparse matrix"))
        }
        Node::Array(d) if n * n > CONVERTIBLE => {
            Ok(left_out(&d.name(), "is dense, all spots by all spots"))
        }
        _ => Ok(Some(matrix(node, (n, n))?.to_csr())),
    }
}

fn left_out<T>(name: &str, why: &str) -> Option<T> {
    progress::note(format!("{name} {why}; left out"));
    None
}

/// A node of `uns`; `None`, with a note, for kinds that are not read.
pub(super) fn uns(node: &Node, depth: usize) -> Result<Option<Uns>> {
    match node {
        Node::Group(g) => branch(g, depth),
        Node::Array(d) => leaf(d),
    }
}

fn branch(g: &Group, depth: usize) -> Result<Option<Uns>> {
    if depth > DEEPEST {
        return Err(Error::new(format!("reading {}", g.name()))
            .expected(format!("at most {DEEPEST} levels"))
            .found("more")
            .advice("The links of the file may lead in a circle"));
    }
    if sparse_format(g).is_some() {
        return Ok(Some(Uns::Sparse(sparse(g, None)?)));
    }
    match h5::text_attr(g, "encoding-type").as_deref() {
        None | Some("dict" | "") => {
            let mut map = IndexMap::new();
            for name in h5::names(g)? {
                if let Some(value) =
                    h5::node(g, &name)?.map(|n| uns(&n, depth + 1)).transpose()?.flatten()
                {
                    map.insert(name, value);
                }
            }
            Ok(Some(Uns::Map(map)))
        }
        Some("dataframe") => Ok(Some(Uns::Table(frame::read(&Node::Group(g.clone()))?))),
        Some("categorical") => {
            let Some(codes) = h5::array(&h5::dataset(g, "codes")?)? else {
                return Ok(left_out(&g.name(), "has codes that are no numbers"));
            };
            let mut table = Table::new(vec![String::new(); codes.values.len()]);
            frame::categorical(
                "v",
                &h5::texts(&h5::dataset(g, "categories")?)?,
                &codes,
                &mut table,
            )?;
            progress::note(format!("{}: a categorical array, kept as text", g.name()));
            let texts = table.text("v")?.into_iter().map(Option::unwrap_or_default).collect();
            Ok(Some(Uns::Texts(shaped(&g.name(), &codes.shape, texts)?)))
        }
        Some("nullable-integer" | "nullable-boolean" | "nullable-string-array") => {
            let Some(values) = frame::masked(g)? else {
                return Ok(left_out(&g.name(), "is no plain array"));
            };
            progress::note(format!(
                "{}: an array with missing values, kept as floats or text",
                g.name()
            ));
            let array = Array { shape: vec![values.len()], values };
            if array.values.dtype().is_string() {
                Ok(Some(Uns::Texts(shaped(&g.name(), &array.shape, h5::as_texts(&array)?)?)))
            } else {
                Ok(Some(Uns::Floats(shaped(&g.name(), &array.shape, h5::f64s(&array)?)?)))
            }
        }
        Some(kind) => Ok(left_out(&g.name(), &format!("is of a kind that is not read ({kind})"))),
    }
}

fn leaf(d: &hdf5::Dataset) -> Result<Option<Uns>> {
    let name = d.name();
    let encoding = h5::text_attr(d, "encoding-type");
    if encoding.as_deref() == Some("null") || d.space().is_ok_and(|s| s.is_null()) {
        return Ok(Some(Uns::Null));
    }
    let Some(array) = h5::array(d)? else {
        if h5::fields(d)?.is_none() {
            return Ok(left_out(&name, "is an array of a type that is not read"));
        }
        progress::note(format!("{name}: a record array, kept as a table"));
        return Ok(Some(Uns::Table(frame::read(&Node::Array(d.clone()))?)));
    };
    let shape = &array.shape;
    // Before anndata 0.7 a text was an array of one.
    let scalar = shape.is_empty()
        || (encoding.is_none() && array.values.dtype().is_string() && *shape == [1]);
    let ints = || h5::i64s(&array).map_err(|e| e.within(format!("reading {name}")));
    let floats = || h5::f64s(&array);
    let failed = |e| Error::io(format!("reading {name}"), e);
    let value = match array.values.dtype() {
        DataType::String if scalar => Uns::Text(h5::as_texts(&array)?.pop().unwrap_or_default()),
        DataType::String => Uns::Texts(shaped(&name, shape, h5::as_texts(&array)?)?),
        DataType::Boolean => {
            let values: Vec<bool> = array
                .values
                .bool()
                .map_err(failed)?
                .iter()
                .map(Option::unwrap_or_default)
                .collect();
            if scalar {
                Uns::Bool(values.first() == Some(&true))
            } else {
                Uns::Bools(shaped(&name, shape, values)?)
            }
        }
        DataType::Float32 if !scalar => {
            let values =
                array.values.f32().map_err(failed)?.iter().map(|v| v.unwrap_or(f32::NAN)).collect();
            Uns::Singles(shaped(&name, shape, values)?)
        }
        DataType::Float32 | DataType::Float64 => {
            if scalar {
                Uns::Float(floats()?.pop().unwrap_or(f64::NAN))
            } else {
                Uns::Floats(shaped(&name, shape, floats()?)?)
            }
        }
        DataType::UInt8 if !scalar => {
            let values =
                array.values.u8().map_err(failed)?.iter().map(Option::unwrap_or_default).collect();
            Uns::Bytes(shaped(&name, shape, values)?)
        }
        _ => {
            if scalar {
                Uns::Int(ints()?.pop().unwrap_or_default())
            } else {
                Uns::Ints(shaped(&name, shape, ints()?)?)
            }
        }
    };
    Ok(Some(value))
}

fn shaped<T>(name: &str, shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|e| Error::io(format!("reading {name}"), e))
}
