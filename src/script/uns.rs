//! Values of `ds.uns`, between the language and the core.

use std::collections::BTreeSet;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use rhai::{Array, Dynamic};

use super::convert;
use super::table::Table;
use super::tensor::Tensor;
use super::types::type_word;
use crate::base::{Error, Result};
use crate::data::Uns;
use crate::io::exchange::Array as Exact;

/// Axes of an array of rows. Numbers with more are a picture, of which each pixel would be an array.
const ROWS: usize = 2;

/// A value that is no map, as the language has it.
pub(super) fn read(node: &Uns) -> Dynamic {
    match node {
        Uns::Text(v) => v.clone().into(),
        Uns::Int(v) => (*v).into(),
        Uns::Float(v) => (*v).into(),
        Uns::Bool(v) => (*v).into(),
        Uns::Texts(a) => nested(a.view(), |v| v.clone().into()),
        Uns::Bools(a) => nested(a.view(), |&v| v.into()),
        Uns::Ints(a) if a.ndim() <= ROWS => nested(a.view(), |&v| v.into()),
        Uns::Floats(a) if a.ndim() <= ROWS => nested(a.view(), |&v| v.into()),
        Uns::Singles(a) if a.ndim() <= ROWS => nested(a.view(), |&v| f64::from(v).into()),
        Uns::Bytes(a) if a.ndim() <= ROWS => nested(a.view(), |&v| i64::from(v).into()),
        Uns::Ints(a) => tensor(a),
        Uns::Floats(a) => tensor(a),
        Uns::Singles(a) => tensor(a),
        Uns::Bytes(a) => tensor(a),
        Uns::Table(table) => Dynamic::from(Table::new(table.frame().clone())),
        Uns::Null => Dynamic::UNIT,
        Uns::Map(_) | Uns::Sparse(_) => node.to_string().into(),
    }
}

/// What [`read`] makes of a value: the name of its type.
pub(super) fn kind(node: &Uns) -> &'static str {
    let of = |axes: usize| if axes <= ROWS { "array" } else { "Tensor" };
    match node {
        Uns::Map(_) => "Tree",
        Uns::Table(_) => "Table",
        Uns::Int(_) => "int",
        Uns::Float(_) => "float",
        Uns::Bool(_) => "bool",
        Uns::Texts(_) | Uns::Bools(_) => "array",
        Uns::Ints(a) => of(a.ndim()),
        Uns::Floats(a) => of(a.ndim()),
        Uns::Singles(a) => of(a.ndim()),
        Uns::Bytes(a) => of(a.ndim()),
        Uns::Null => "()",
        Uns::Text(_) | Uns::Sparse(_) => "text",
    }
}

/// Values in arrays of arrays, one level an axis.
pub(super) fn nested<T>(a: ArrayViewD<'_, T>, value: impl Fn(&T) -> Dynamic + Copy) -> Dynamic {
    match a.ndim() {
        0 => a.first().map_or(Dynamic::UNIT, value),
        1 => a.iter().map(value).collect::<Array>().into(),
        _ => a.axis_iter(Axis(0)).map(|row| nested(row, value)).collect::<Array>().into(),
    }
}

fn tensor<T: Copy + tch::kind::Element>(a: &ArrayD<T>) -> Dynamic {
    let shape: Vec<i64> = a.shape().iter().map(|&n| n as i64).collect();
    let values: Vec<T> = a.iter().copied().collect();
    Dynamic::from(Tensor::new(tch::Tensor::from_slice(&values).view(&shape[..])))
}

/// A value of the language to keep under `key`.
///
/// # Errors
/// Maps and objects; rows of unequal length; values of several types in one array.
pub(super) fn write(value: &Dynamic, key: &str) -> Result<Uns> {
    let refuse = |found: String| {
        Error::new(format!("setting uns[\"{key}\"]"))
            .expected("a text, a number, true or false, a tensor, or an array of one of the first three or of equal rows of them")
            .found(found)
    };
    if let Some(t) = value.clone().try_cast::<Tensor>() {
        return Ok(match t.exact()? {
            Exact::F32(a) => Uns::Singles(a),
            Exact::F64(a) => Uns::Floats(a),
            Exact::I64(a) => Uns::Ints(a),
        });
    }
    if let Some(array) = value.clone().try_cast::<Array>() {
        let (shape, flat) = rows(array).map_err(refuse)?;
        return if let Some(texts) = all(&flat, text) {
            shaped(&shape, texts).map(Uns::Texts)
        } else if let Some(flags) = all(&flat, |v| v.as_bool().ok()) {
            shaped(&shape, flags).map(Uns::Bools)
        } else if let Some(ints) = all(&flat, |v| v.as_int().ok()) {
            shaped(&shape, ints).map(Uns::Ints)
        } else if let Some(floats) = all(&flat, convert::number) {
            shaped(&shape, floats).map(Uns::Floats)
        } else {
            let kinds: BTreeSet<String> = flat.iter().map(kinds).collect();
            Err(refuse(format!("an array of {}", Vec::from_iter(kinds).join(" and "))))
        };
    }
    Ok(match value {
        v if v.is_unit() => Uns::Null,
        v if convert::is_text(v) => Uns::Text(v.to_string()),
        v if v.is_bool() => Uns::Bool(v.as_bool().unwrap_or_default()),
        v if v.is_int() => Uns::Int(v.as_int().unwrap_or_default()),
        v => Uns::Float(v.as_float().map_err(|_| refuse(convert::said(v)))?),
    })
}

/// The length of each axis of arrays in arrays, and their values.
fn rows(array: Array) -> std::result::Result<(Vec<usize>, Array), String> {
    let (mut shape, mut flat) = (vec![array.len()], array);
    while flat.iter().any(Dynamic::is_array) {
        let rows: Option<Vec<Array>> = flat.into_iter().map(Dynamic::try_cast).collect();
        let rows = rows.ok_or("rows beside single values")?;
        let width = rows.first().map_or(0, Vec::len);
        if let Some(other) = rows.iter().find(|r| r.len() != width) {
            return Err(format!("rows of {width} and of {}", other.len()));
        }
        shape.push(width);
        flat = rows.concat();
    }
    Ok((shape, flat))
}

fn text(value: &Dynamic) -> Option<String> {
    convert::is_text(value).then(|| value.to_string())
}

/// What values of the type of this one are called.
fn kinds(value: &Dynamic) -> String {
    match type_word(value.type_name()).as_str() {
        "int" => "whole numbers".into(),
        "float" => "numbers".into(),
        "bool" => "true and false".into(),
        "()" => "() (nothing)".into(),
        of => format!("{of}s"),
    }
}

fn all<T>(values: &[Dynamic], read: impl Fn(&Dynamic) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(read).collect()
}

fn shaped<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| Error::io("shaping an array", e))
}
