//! HDF5 beneath the readers: opening, names, attributes, and arrays of whatever type a file holds.
//!
//! Every array is sized against its storage before memory is taken for it.

use std::cell::RefCell;
use std::io::Read;
use std::path::Path;

use hdf5::types::{CompoundField, CompoundType};
use hdf5::types::{FloatSize, H5Type, IntSize, TypeDescriptor as Type, VarLenUnicode};
use hdf5::{Container, File, Group, Location, LocationType};
use polars::prelude::*;

use crate::base::{Error, Result, files, memory, nearest, progress};

/// Bytes that open an HDF5 file, at 0 or at a power of two from 512.
const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Deflate packs 1032 bytes into one at best; other filters a little more.
const MOST_PACKED: u64 = 4096;
/// Arrays below this many bytes are allocated without asking what they take in the file.
const SMALL: u64 = 64 << 20;

/// A member of a group.
pub(super) enum Node {
    Group(Group),
    Array(hdf5::Dataset),
}

/// An array as the file types it: row by row, with the width and sign that stand in the file.
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Series,
}

/// Whether a file starts as HDF5 does.
pub(super) fn is_hdf5(path: &Path) -> bool {
    let mut first = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut first));
    read.is_ok() && &first == SIGNATURE
}

/// Opens a file for reading.
///
/// # Errors
/// No such file, another kind of file, a file that is cut short or damaged.
pub(super) fn open(path: &Path) -> Result<File> {
    files::exists(path)?;
    let doing = format!("opening {} as HDF5", path.display());
    let bytes = std::fs::metadata(path).map_err(|e| Error::io(&doing, e))?.len();
    if bytes == 0 {
        return Err(Error::new(doing).expected("an HDF5 file").found("an empty file"));
    }
    File::open(path).map_err(|e| {
        let whole = is_hdf5(path);
        Error::io(doing, e).advice(if whole {
            format!(
                "The file has {} and starts as HDF5 does: it is cut short or damaged. Fetch it again and compare its size",
                memory::human(bytes)
            )
        } else {
            "The file does not start as HDF5 files do: it is of another kind, or compressed".into()
        })
    })
}

/// What the HDF5 library said while `doing` this.
pub(super) fn failed(doing: impl Into<String>) -> impl FnOnce(hdf5::Error) -> Error {
    move |e| Error::io(doing, e)
}

/// Names of the members, in alphabetical order.
pub(super) fn names(group: &Group) -> Result<Vec<String>> {
    group.member_names().map_err(failed(format!("listing {}", group.name())))
}

/// The member of that name, if there is one.
pub(super) fn node(group: &Group, name: &str) -> Result<Option<Node>> {
    if !group.link_exists(name) {
        return Ok(None);
    }
    let doing = || format!("opening {}/{name}", group.name().trim_end_matches('/'));
    match group.loc_type_by_name(name).map_err(failed(doing()))? {
        LocationType::Group => Ok(Some(Node::Group(group.group(name).map_err(failed(doing()))?))),
        LocationType::Dataset => {
            Ok(Some(Node::Array(group.dataset(name).map_err(failed(doing()))?)))
        }
        other => {
            Err(Error::new(doing()).expected("a group or an array").found(format!("{other:?}")))
        }
    }
}

/// The array of that name.
///
/// # Errors
/// It is missing, with the nearest name, or a group.
pub(super) fn dataset(group: &Group, name: &str) -> Result<Container> {
    let doing = || format!("opening {}/{name}", group.name().trim_end_matches('/'));
    match node(group, name)? {
        Some(Node::Array(d)) => Ok((*d).clone()),
        Some(Node::Group(_)) => Err(Error::new(doing()).expected("an array").found("a group")),
        None => {
            let known = names(group)?;
            Err(Error::new(doing())
                .kind(crate::base::Kind::Missing)
                .expected("an array of that name")
                .found("none")
                .advice(nearest::advice(name, known.iter().map(String::as_str))))
        }
    }
}

/// A text attribute; `None` when it is absent or no text. Of several texts the first.
pub(super) fn text_attr(at: &Location, name: &str) -> Option<String> {
    texts_attr(at, name)?.into_iter().next()
}

/// An attribute of texts; `None` when it is absent or holds no text.
pub(super) fn texts_attr(at: &Location, name: &str) -> Option<Vec<String>> {
    let attribute = at.attr(name).ok()?;
    let found = array(&attribute).ok()??;
    Some(found.values.str().ok()?.iter().map(|t| t.unwrap_or_default().to_owned()).collect())
}

/// An attribute of whole numbers; `None` when it is absent or holds none.
pub(super) fn ints_attr(at: &Location, name: &str) -> Option<Vec<i64>> {
    let attribute = at.attr(name).ok()?;
    i64s(&array(&attribute).ok()??).ok()
}

/// Any array of numbers, truth values or texts; `None` when it is of another type.
///
/// # Errors
/// Data that cannot be read, or that the file is too small to hold.
pub(super) fn array(from: &Container) -> Result<Option<Array>> {
    let dtype = from.dtype().map_err(failed(doing(from)))?;
    // Half floats have no description in the crate, but HDF5 widens them.
    let half = || {
        let values = from.read_raw::<f32>().map_err(failed(doing(from)))?;
        Ok(Some(Array { shape: from.shape(), values: Series::new("".into(), values) }))
    };
    match dtype.to_descriptor() {
        Ok(ty) => described(from, &ty, from.shape()),
        Err(_) if dtype.size() == 2 && plausible(from, 4).is_ok() => half(),
        Err(_) => Ok(None),
    }
}

/// The fields of a compound array (a NumPy record array), those of an unknown type left out.
/// `None` when the array is no compound.
pub(super) fn fields(from: &Container) -> Result<Option<Vec<(String, Array)>>> {
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

/// Elements of a plain type, read at once; refuses a count that the file cannot hold.
pub(super) fn raw<T: H5Type>(from: &Container) -> Result<Vec<T>> {
    plausible(from, size_of::<T>())?;
    from.read_raw().map_err(failed(doing(from)))
}

/// Numbers of any type as `f32`; whole numbers that had to be rounded are counted in a note.
///
/// # Errors
/// No numbers; a finite value beyond the range of `f32`.
pub(super) fn f32s(from: &Container) -> Result<Vec<f32>> {
    let ty = from.dtype().and_then(|t| t.to_descriptor());
    match ty {
        Ok(
            Type::Float(FloatSize::U4)
            | Type::Integer(IntSize::U1 | IntSize::U2)
            | Type::Unsigned(IntSize::U1 | IntSize::U2),
        ) => return raw(from),
        Ok(Type::Integer(_) | Type::Unsigned(_) | Type::Float(_)) => {}
        Ok(Type::Boolean) | Err(_) => {
            let found = array(from)?.ok_or_else(|| unknown(from))?;
            return Ok(f64s(&found)?.into_iter().map(|v| v as f32).collect());
        }
        Ok(_) => return Err(unknown(from)),
    }
    let mut rounded = 0;
    let mut narrow = |v: f64| {
        let single = v as f32;
        rounded += usize::from(v.fract() == 0.0 && f64::from(single) != v);
        if single.is_infinite() && v.is_finite() { Err(v) } else { Ok(single) }
    };
    let values: Result<Vec<f32>, f64> = raw::<f64>(from)?.into_iter().map(&mut narrow).collect();
    let values = values.map_err(|v| {
        Error::new(doing(from))
            .expected("values within single precision, below 3.4e38")
            .found(format!("{v:e}"))
    })?;
    if rounded > 0 {
        let name = from.name();
        progress::note(format!("{name}: {rounded} whole numbers beyond 2^24 are rounded"));
    }
    Ok(values)
}

/// Whole numbers of any width as `u32`.
///
/// # Errors
/// Numbers below zero or beyond 2^32.
pub(super) fn u32s(from: &Container) -> Result<Vec<u32>> {
    let refuse = |v: i64| {
        Error::new(doing(from)).expected("whole numbers from 0, below 2^32").found(v.to_string())
    };
    match from.dtype().and_then(|t| t.to_descriptor()) {
        Ok(Type::Integer(IntSize::U4)) => raw::<i32>(from)?
            .into_iter()
            .map(|v| u32::try_from(v).map_err(|_| refuse(v.into())))
            .collect(),
        Ok(Type::Integer(_) | Type::Unsigned(_)) => {
            raw::<i64>(from)?.into_iter().map(|v| u32::try_from(v).map_err(|_| refuse(v))).collect()
        }
        _ => Err(unknown(from)),
    }
}

/// Whole numbers of any width as `usize`.
pub(super) fn usizes(from: &Container) -> Result<Vec<usize>> {
    let Ok(Type::Integer(_) | Type::Unsigned(_)) = from.dtype().and_then(|t| t.to_descriptor())
    else {
        return Err(unknown(from));
    };
    let refuse =
        |v: i64| Error::new(doing(from)).expected("whole numbers from 0").found(v.to_string());
    raw::<i64>(from)?.into_iter().map(|v| usize::try_from(v).map_err(|_| refuse(v))).collect()
}

/// Texts.
pub(super) fn texts(from: &Container) -> Result<Vec<String>> {
    let found = array(from)?.ok_or_else(|| unknown(from))?;
    as_texts(&found)
}

/// An array as text, numbers written out.
pub(super) fn as_texts(array: &Array) -> Result<Vec<String>> {
    let cast =
        array.values.cast(&DataType::String).map_err(|e| Error::io("reading values as text", e))?;
    let text = cast.str().map_err(|e| Error::io("reading values as text", e))?;
    Ok(text.iter().map(|t| t.unwrap_or_default().to_owned()).collect())
}

/// An array of numbers or truth values in double precision.
pub(super) fn f64s(array: &Array) -> Result<Vec<f64>> {
    let failed = |e| Error::io("reading values as numbers", e);
    if array.values.dtype().is_string() {
        return Err(Error::new("reading values as numbers").expected("numbers").found("text"));
    }
    let cast = array.values.cast(&DataType::Float64).map_err(failed)?;
    Ok(cast.f64().map_err(failed)?.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// An array of whole numbers.
pub(super) fn i64s(array: &Array) -> Result<Vec<i64>> {
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

fn doing(from: &Container) -> String {
    format!("reading {}", from.name())
}

fn unknown(from: &Container) -> Error {
    let ty = from
        .dtype()
        .and_then(|t| t.to_descriptor())
        .map_or_else(|e| e.to_string(), |t| t.to_string());
    Error::new(doing(from)).expected("an array of another type").found(ty)
}

/// Refuses an array that is larger than its storage can unfold to, or than the memory there is.
fn plausible(from: &Container, size: usize) -> Result<usize> {
    let n = from.space().map_err(failed(doing(from)))?.size();
    let bytes = (n as u64).saturating_mul(size as u64);
    if bytes <= SMALL {
        return Ok(n);
    }
    let stored = from.storage_size();
    if bytes / MOST_PACKED > stored {
        return Err(Error::new(doing(from))
            .expected(format!("an array that {} in the file can unfold to", memory::human(stored)))
            .found(format!("{n} elements, {}", memory::human(bytes)))
            .advice("The file is damaged"));
    }
    let available = memory::now().available;
    if available > 0 && bytes > available {
        return Err(Error::new(doing(from))
            .kind(crate::base::Kind::Resource)
            .expected(format!("{} of free memory", memory::human(bytes)))
            .found(memory::human(available)));
    }
    Ok(n)
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
    let n = plausible(from, ty.size())?;
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
