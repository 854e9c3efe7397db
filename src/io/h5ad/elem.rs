//! Elements of an `.h5ad` other than tables: matrices, and the tree of `uns`.

use hdf5::Group;
use indexmap::IndexMap;
use ndarray::{Array2, ArrayD, Axis, IxDyn};
use polars::prelude::*;

use super::select::{Picked, spans};
use super::{frame, sparse};
use crate::base::{Error, Result, progress};
use crate::data::{Csr, Matrix, Table, Uns};
use crate::io::h5::{self, Array, Kind, Node, Part};

/// Nesting of `uns` beyond this is taken for a loop of links.
const DEEPEST: usize = 64;
/// Sparse matrices of `obsm` and dense ones of `obsp` are converted up to this many elements.
const CONVERTIBLE: usize = 1 << 24;

/// What is picked of X, a layer, or any other matrix of that shape, sparse or dense as it stands in
/// the file.
///
/// # Shapes
/// `shape` is what the matrix must have in the file, [rows, columns].
pub(super) fn matrix(node: &Node, shape: (usize, usize), picked: Picked<'_>) -> Result<Matrix> {
    let d = match node {
        Node::Group(g) => return Ok(Matrix::Sparse(sparse::read(g, Some(shape), picked)?)),
        Node::Array(d) => d,
    };
    let found = d.shape();
    // Old files drop the axis of a single gene.
    let flat = found.len() == 1 && found[0] == shape.0 * shape.1;
    if found != [shape.0, shape.1] && !flat {
        return Err(Error::new(format!("reading {}", d.name()))
            .expected(format!("shape [{}, {}]", shape.0, shape.1))
            .found(format!("{found:?}")));
    }
    let failed = |e| Error::io(format!("reading {}", d.name()), e);
    if flat || Kind::of(d).is_none() {
        let whole = Array2::from_shape_vec(shape, h5::f32s(d)?).map_err(failed)?;
        let rows = picked.rows.map(|r| whole.select(Axis(0), r)).unwrap_or(whole);
        return Ok(Matrix::Dense(picked.cols.map(|c| rows.select(Axis(1), c)).unwrap_or(rows)));
    }
    let rows = spans(picked.rows, shape.0);
    let values = h5::some(d, Part { rows: &rows, cols: picked.cols })?;
    Ok(Matrix::Dense(Array2::from_shape_vec(picked.shape(shape), values).map_err(failed)?))
}

/// A matrix with the names of its columns, where they have names.
type Named = (Array2<f64>, Option<Vec<String>>);

/// What is picked of a matrix beside the rows (`obsm`, `varm`), with the names of its columns where
/// it is a data frame; `None`, with a note, for kinds that are not read.
///
/// # Shapes
/// [rows, *] in the file; one value a row is a single column.
pub(super) fn beside(node: &Node, rows: usize, picked: Option<&[usize]>) -> Result<Option<Named>> {
    if let Node::Array(d) = node
        && let (Some(_), [n] | [n, _]) = (Kind::of(d), &d.shape()[..])
        && *n == rows
    {
        let width = d.shape().get(1).copied().unwrap_or(1);
        let values = h5::some(d, Part { rows: &spans(picked, rows), cols: None })?;
        let shape = (picked.map_or(rows, <[usize]>::len), width);
        let m = Array2::from_shape_vec(shape, values)
            .map_err(|e| Error::io(format!("reading {}", d.name()), e))?;
        return Ok(Some((m, None)));
    }
    let whole = beside_whole(node, rows)?;
    Ok(match picked {
        Some(places) => whole.map(|(m, names)| (m.select(Axis(0), places), names)),
        None => whole,
    })
}

fn beside_whole(node: &Node, rows: usize) -> Result<Option<Named>> {
    let (m, names) = match node {
        Node::Array(d) => {
            let Some(array) = h5::array(d)? else {
                return Ok(left_out(&d.name(), "is no array of numbers"));
            };
            if array.values.dtype().is_string() || array.shape.is_empty() || array.shape.len() > 2 {
                return Ok(left_out(&d.name(), "is no matrix of numbers"));
            }
            (columns(&array, rows, &d.name())?, None)
        }
        Node::Group(g) if sparse::format(g).is_some() => {
            let m = sparse::read(g, None, Picked::default())?;
            if m.nrows() * m.ncols() > CONVERTIBLE {
                return Ok(left_out(&g.name(), "is sparse and too large to hold densely"));
            }
            progress::note(format!("{}: sparse in the file, held densely", g.name()));
            let values = m.dense_rows(0..m.nrows()).into_iter().map(f64::from).collect();
            let m = Array2::from_shape_vec((m.nrows(), m.ncols()), values)
                .map_err(|e| Error::io(format!("reading {}", g.name()), e))?;
            (m, None)
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
            (m, Some(names))
        }
        Node::Group(g) => return Ok(left_out(&g.name(), &unread(g))),
    };
    if m.nrows() != rows {
        return Err(Error::new(format!("reading a matrix beside {rows} rows"))
            .expected(format!("{rows} rows"))
            .found(m.nrows().to_string()));
    }
    Ok(Some((m, names)))
}

/// Why a group is left out, and what to do about it.
fn unread(g: &Group) -> String {
    match h5::text_attr(g, "encoding-type") {
        Some(kind) if kind == "awkward-array" => {
            "is an awkward array, whose rows differ in length: \
             there is no matrix for it. In Python, ak.to_numpy or ak.num makes one of it"
                .into()
        }
        Some(kind) => format!("is of a kind that is not read ({kind})"),
        None => "is of a kind that is not read (a group)".into(),
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

/// What is picked of a matrix of pairs, on both axes; dense ones are made sparse while they are
/// small.
pub(super) fn pairs(node: &Node, n: usize, picked: Option<&[usize]>) -> Result<Option<Csr>> {
    let both = Picked { rows: picked, cols: picked };
    let (kept, _) = both.shape((n, n));
    match node {
        Node::Group(g) if sparse::format(g).is_none() => Ok(left_out(&g.name(), &unread(g))),
        Node::Array(d) if kept.saturating_mul(kept) > CONVERTIBLE => {
            Ok(left_out(&d.name(), "is dense, all pairs"))
        }
        _ => Ok(Some(matrix(node, (n, n), both)?.to_csr())),
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
    if sparse::format(g).is_some() {
        return Ok(Some(Uns::Sparse(sparse::read(g, None, Picked::default())?)));
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
        Some(_) => Ok(left_out(&g.name(), &unread(g))),
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
