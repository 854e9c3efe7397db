//! Arrays of whatever type a file holds.

use std::cell::RefCell;

use hdf5::Container;
use hdf5::plist::dataset_create::Layout;
use hdf5::types::{CompoundField, CompoundType};
use hdf5::types::{FloatSize, H5Type, IntSize, TypeDescriptor as Type, VarLenUnicode};
use polars::prelude::*;

use super::numbers::{self, Kind, with_kind};
use super::{doing, failed, plausible, unknown};
use crate::base::{Error, Result};

/// An array as the file types it: row by row, with the width and sign that stand in the file.
pub(in crate::io) struct Array {
    pub shape: Vec<usize>,
    pub values: Series,
}

/// Any array of numbers, truth values or texts; `None` when it is of another type.
///
/// # Errors
/// Data that cannot be read, or that the file is too small to hold.
pub(in crate::io) fn array(from: &Container) -> Result<Option<Array>> {
    let dtype = from.dtype().map_err(failed(doing(from)))?;
    // Half floats have no description in the crate, but HDF5 widens them.
    let half = || {
        let values = from.read_raw::<f32>().map_err(failed(doing(from)))?;
        Ok(Some(Array { shape: from.shape(), values: Series::new("".into(), values) }))
    };
    if let Some(kind) = Kind::of(from) {
        let values = with_kind!(kind, S => Series::new("".into(), numbers::all::<S>(from)?));
        return Ok(Some(Array { shape: from.shape(), values }));
    }
    match dtype.to_descriptor() {
        Ok(ty) => described(from, &ty, from.shape()),
        Err(_) if dtype.size() == 2 && plausible(from, from.size(), 4).is_ok() => half(),
        Err(_) => Ok(None),
    }
}

/// The fields of a compound array (a NumPy record array), those of an unknown type left out.
/// `None` when the array is no compound.
pub(in crate::io) fn fields(from: &Container) -> Result<Option<Vec<(String, Array)>>> {
    let dtype = from.dtype().map_err(failed(doing(from)))?;
    let Ok(Type::Compound(all)) = dtype.to_descriptor() else { return Ok(None) };
    let mut found = Vec::new();
    for CompoundField { name, ty, .. } in all.fields {
        let mut shape = from.shape();
        if let Type::FixedArray(_, n) = ty {
            shape.push(n);
        }
        let size = ty.size();
        let alone =
            CompoundType { fields: vec![CompoundField::new(&name, ty.clone(), 0, 0)], size };
        if decodable(&ty) {
            let raw = bytes(from, &Type::Compound(alone))?;
            found.push((name, Array { shape, values: decode(&ty, &raw) }));
        }
    }
    Ok(Some(found))
}

fn described(from: &Container, ty: &Type, shape: Vec<usize>) -> Result<Option<Array>> {
    if !decodable(ty) {
        return Ok(None);
    }
    Ok(Some(Array { shape, values: decode(ty, &bytes(from, ty)?) }))
}

/// Texts.
pub(in crate::io) fn texts(from: &Container) -> Result<Vec<String>> {
    let found = array(from)?.ok_or_else(|| unknown(from))?;
    as_texts(&found)
}

/// An array as text, numbers written out.
pub(in crate::io) fn as_texts(array: &Array) -> Result<Vec<String>> {
    let cast =
        array.values.cast(&DataType::String).map_err(|e| Error::io("reading values as text", e))?;
    let text = cast.str().map_err(|e| Error::io("reading values as text", e))?;
    Ok(text.iter().map(|t| t.unwrap_or_default().to_owned()).collect())
}

/// An array of numbers or truth values in double precision.
pub(in crate::io) fn f64s(array: &Array) -> Result<Vec<f64>> {
    let failed = |e| Error::io("reading values as numbers", e);
    if array.values.dtype().is_string() {
        return Err(Error::new("reading values as numbers").expected("numbers").found("text"));
    }
    let cast = array.values.cast(&DataType::Float64).map_err(failed)?;
    Ok(cast.f64().map_err(failed)?.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// An array of whole numbers.
pub(in crate::io) fn i64s(array: &Array) -> Result<Vec<i64>> {
    let refuse = |found: String| {
        Error::new("reading values as whole numbers").expected("whole numbers").found(found)
    };
    if !array.values.dtype().is_integer() {
        return Err(refuse(array.values.dtype().to_string()));
    }
    let cast = array.values.strict_cast(&DataType::Int64).map_err(|e| refuse(e.to_string()))?;
    Ok(cast
        .i64()
        .map_err(|e| refuse(e.to_string()))?
        .iter()
        .map(Option::unwrap_or_default)
        .collect())
}

thread_local! {
    /// The type that the next [`Byte`] buffer is read as.
    static AS: RefCell<Type> = const { RefCell::new(Type::Boolean) };
}

/// A byte of an element whose type is known only at run time. The crate asks a Rust type for its
/// HDF5 type; this one answers with what [`bytes`] has set, and the buffer is sized to match.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Byte(u8);

// SAFETY: only `bytes` reads with this type, into a buffer of elements times the size of the
// described type; any bit pattern is a valid `Byte`.
unsafe impl H5Type for Byte {
    fn type_descriptor() -> Type {
        AS.with_borrow(Type::clone)
    }
}

/// The elements as the bytes of `ty`, one after the other.
fn bytes(from: &Container, ty: &Type) -> Result<Vec<u8>> {
    let n = from.space().map_err(failed(doing(from)))?.size();
    plausible(from, n, ty.size())?;
    // The texts of a virtual array lie in files that `open` has not looked at.
    if from.as_dataset().is_ok_and(|d| d.layout() == Layout::Virtual) {
        return Err(Error::new(doing(from))
            .expected("an array in the file itself")
            .found("a virtual one, made of others")
            .advice("Write the file anew with the arrays in it"));
    }
    if n == 0 {
        return Ok(Vec::new());
    }
    let mut buffer = vec![Byte(0); n * ty.size()];
    AS.set(ty.clone());
    from.read_into_raw(&mut buffer).map_err(failed(doing(from)))?;
    Ok(buffer.into_iter().map(|b| b.0).collect())
}

fn decodable(ty: &Type) -> bool {
    match ty {
        Type::FixedArray(inner, _) => decodable(inner) && !matches!(**inner, Type::FixedArray(..)),
        Type::Compound(_) | Type::VarLenArray(_) | Type::Reference(_) => false,
        _ => true,
    }
}

/// Elements of a [`decodable`] type from their bytes, which are consumed: texts of variable
/// length are pointers that can be followed once.
fn decode(ty: &Type, raw: &[u8]) -> Series {
    fn of<const N: usize, T>(raw: &[u8], f: fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks().0.iter().map(|&c| f(c)).collect()
    }
    let name = PlSmallStr::EMPTY;
    match ty {
        Type::Integer(IntSize::U1) => Series::new(name, of(raw, i8::from_ne_bytes)),
        Type::Integer(IntSize::U2) => Series::new(name, of(raw, i16::from_ne_bytes)),
        Type::Integer(IntSize::U4) => Series::new(name, of(raw, i32::from_ne_bytes)),
        Type::Integer(IntSize::U8) => Series::new(name, of(raw, i64::from_ne_bytes)),
        Type::Unsigned(IntSize::U1) => Series::new(name, raw),
        Type::Unsigned(IntSize::U2) => Series::new(name, of(raw, u16::from_ne_bytes)),
        Type::Unsigned(IntSize::U4) => Series::new(name, of(raw, u32::from_ne_bytes)),
        Type::Unsigned(IntSize::U8) => Series::new(name, of(raw, u64::from_ne_bytes)),
        Type::Float(FloatSize::U4) => Series::new(name, of(raw, f32::from_ne_bytes)),
        Type::Float(FloatSize::U8) => Series::new(name, of(raw, f64::from_ne_bytes)),
        Type::Boolean => Series::new(name, raw.iter().map(|&b| b != 0).collect::<Vec<_>>()),
        Type::Enum(e) => decode(&e.base_type(), raw),
        Type::FixedArray(inner, _) => decode(inner, raw),
        Type::FixedAscii(n) | Type::FixedUnicode(n) => {
            let text = |c: &[u8]| {
                let end = c.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
                String::from_utf8_lossy(&c[..end]).into_owned()
            };
            Series::new(name, raw.chunks_exact((*n).max(1)).map(text).collect::<Vec<_>>())
        }
        Type::VarLenAscii | Type::VarLenUnicode => {
            // SAFETY: the bytes are pointers that HDF5 allocated for these texts (or null), each
            // taken over once; `VarLenUnicode` is such a pointer and frees it.
            let take = |c| unsafe { std::mem::transmute::<[u8; 8], VarLenUnicode>(c) };
            let text = |s: VarLenUnicode| String::from_utf8_lossy(s.as_bytes()).into_owned();
            Series::new(
                name,
                raw.as_chunks::<8>().0.iter().map(|&c| text(take(c))).collect::<Vec<_>>(),
            )
        }
        Type::Compound(_) | Type::VarLenArray(_) | Type::Reference(_) => {
            Series::new_empty(name, &DataType::Null)
        }
    }
}
