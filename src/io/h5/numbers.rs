//! Arrays of numbers, converted to the type that is wanted on the way in, whole or in part.
//!
//! What is packed as h5py's `gzip` packs is unpacked by all threads ([`super::chunks`]); anything
//! else goes through the HDF5 library a block at a time.

use std::ops::Range;

use hdf5::types::{FloatSize, H5Type, IntSize, TypeDescriptor as Type};
use hdf5::{Container, Hyperslab, Selection, SliceOrIndex};

use super::{chunks, doing, failed, plausible, unknown};
use crate::base::{Error, Result, interrupt, progress};

/// Elements that the library converts at a time.
const BLOCK: usize = 1 << 20;

/// What numbers a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Kind {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

/// Runs `$body` with `$S` as the type that stands in the file.
macro_rules! with_kind {
    ($kind:expr, $S:ident => $body:expr) => {
        match $kind {
            Kind::I8 => {
                type $S = i8;
                $body
            }
            Kind::I16 => {
                type $S = i16;
                $body
            }
            Kind::I32 => {
                type $S = i32;
                $body
            }
            Kind::I64 => {
                type $S = i64;
                $body
            }
            Kind::U8 => {
                type $S = u8;
                $body
            }
            Kind::U16 => {
                type $S = u16;
                $body
            }
            Kind::U32 => {
                type $S = u32;
                $body
            }
            Kind::U64 => {
                type $S = u64;
                $body
            }
            Kind::F32 => {
                type $S = f32;
                $body
            }
            Kind::F64 => {
                type $S = f64;
                $body
            }
        }
    };
}
pub(super) use with_kind;

impl Kind {
    /// The kind of an array's elements; `None` when they are no plain numbers.
    pub fn of(from: &Container) -> Option<Self> {
        Some(match from.dtype().and_then(|t| t.to_descriptor()).ok()? {
            Type::Integer(IntSize::U1) => Self::I8,
            Type::Integer(IntSize::U2) => Self::I16,
            Type::Integer(IntSize::U4) => Self::I32,
            Type::Integer(IntSize::U8) => Self::I64,
            Type::Unsigned(IntSize::U1) => Self::U8,
            Type::Unsigned(IntSize::U2) => Self::U16,
            Type::Unsigned(IntSize::U4) => Self::U32,
            Type::Unsigned(IntSize::U8) => Self::U64,
            Type::Float(FloatSize::U4) => Self::F32,
            Type::Float(FloatSize::U8) => Self::F64,
            _ => return None,
        })
    }

    pub fn size(self) -> usize {
        with_kind!(self, S => size_of::<S>())
    }

    /// Whether the bytes in the file are those in memory.
    pub fn is_native(self, from: &Container) -> bool {
        let native = with_kind!(self, S => hdf5::Datatype::from_type::<S>());
        cfg!(target_endian = "little") && native.is_ok_and(|n| from.dtype().is_ok_and(|t| t == n))
    }
}

/// A number in a file.
pub(in crate::io) trait Source: H5Type + Copy {
    const INTEGER: bool;
    /// Whether some of its whole numbers are none of `f32`.
    const WIDE: bool;
    fn int(self) -> i128;
    fn float(self) -> f64;
    fn of_le(bytes: &[u8]) -> Option<Self>;
    /// Its bytes, into a place of their number.
    fn put(self, to: &mut [u8]);
}

macro_rules! source {
    ($($t:ty, $integer:expr, $wide:expr;)*) => {$(
        impl Source for $t {
            const INTEGER: bool = $integer;
            const WIDE: bool = $wide;
            fn int(self) -> i128 { self as i128 }
            fn float(self) -> f64 { self as f64 }
            fn put(self, to: &mut [u8]) { to.copy_from_slice(&self.to_le_bytes()) }
            fn of_le(bytes: &[u8]) -> Option<Self> { Some(Self::from_le_bytes(*bytes.as_array()?)) }
        }
    )*};
}
source! {
    i8, true, false; i16, true, false; i32, true, true; i64, true, true;
    u8, true, false; u16, true, false; u32, true, true; u64, true, true;
    f32, false, false; f64, false, true;
}

/// A number in memory.
pub(in crate::io) trait Number: Copy + Default + Send + Sync {
    /// What a value must be to become one.
    const WANTED: &'static str;
    fn of<S: Source>(s: S) -> Option<Self>;
    /// Whether a whole number had to be rounded.
    fn rounded<S: Source>(self, _: S) -> bool {
        false
    }
}

macro_rules! integer {
    ($($t:ty, $wanted:expr;)*) => {$(
        impl Number for $t {
            const WANTED: &'static str = $wanted;
            fn of<S: Source>(s: S) -> Option<Self> {
                if S::INTEGER { Self::try_from(s.int()).ok() } else { None }
            }
        }
    )*};
}
integer! {
    i8, "whole numbers of 8 bits"; i16, "whole numbers of 16 bits"; i32, "whole numbers of 32 bits";
    i64, "whole numbers of 64 bits"; u8, "whole numbers of 8 bits, from 0";
    u16, "whole numbers of 16 bits, from 0"; u32, "whole numbers from 0, below 2^32";
    u64, "whole numbers from 0"; usize, "whole numbers from 0";
}

impl Number for f32 {
    const WANTED: &'static str = "values within single precision, below 3.4e38";
    fn of<S: Source>(s: S) -> Option<Self> {
        let v = s.float();
        let single = v as f32;
        if single.is_infinite() && v.is_finite() { None } else { Some(single) }
    }
    fn rounded<S: Source>(self, s: S) -> bool {
        S::WIDE && s.float().fract() == 0.0 && f64::from(self) != s.float()
    }
}

impl Number for f64 {
    const WANTED: &'static str = "numbers";
    fn of<S: Source>(s: S) -> Option<Self> {
        Some(s.float())
    }
}

/// Converts numbers one by one; the count of those that were rounded, or the one that cannot be.
pub(super) fn convert<S: Source, T: Number>(
    from: impl Iterator<Item = S>,
    to: &mut [T],
) -> Result<usize, f64> {
    let mut rounded = 0;
    for (t, s) in to.iter_mut().zip(from) {
        *t = T::of(s).ok_or_else(|| s.float())?;
        rounded += usize::from(t.rounded(s));
    }
    Ok(rounded)
}

/// Which part of an array is read: spans of rows that ascend, and of each row the columns named,
/// in the order named. The axes after the first are taken as one.
#[derive(Clone, Copy)]
pub(in crate::io) struct Part<'a> {
    pub rows: &'a [Range<usize>],
    pub cols: Option<&'a [usize]>,
}

impl Part<'_> {
    pub fn n_rows(&self) -> usize {
        self.rows.iter().map(ExactSizeIterator::len).sum()
    }
}

/// Rows and columns of an array whose axes after the first are taken as one.
pub(super) fn shape(of: &[usize]) -> (usize, usize) {
    match of {
        [] => (1, 1),
        [rows, rest @ ..] => (*rows, rest.iter().product()),
    }
}

/// Numbers of any type as `f32`; whole numbers that had to be rounded are counted in a note.
///
/// # Errors
/// No numbers; a finite value beyond the range of `f32`.
pub(in crate::io) fn f32s(from: &Container) -> Result<Vec<f32>> {
    if Kind::of(from).is_none() {
        let found = super::array(from)?.ok_or_else(|| unknown(from))?;
        return Ok(super::f64s(&found)?.into_iter().map(|v| v as f32).collect());
    }
    all(from)
}

/// Whole numbers of any width as `u32`.
///
/// # Errors
/// Numbers below zero or beyond 2^32.
pub(in crate::io) fn u32s(from: &Container) -> Result<Vec<u32>> {
    all(from)
}

/// Whole numbers of any width as `usize`.
pub(in crate::io) fn usizes(from: &Container) -> Result<Vec<usize>> {
    all(from)
}

/// All elements.
pub(in crate::io) fn all<T: Number>(from: &Container) -> Result<Vec<T>> {
    let rows = 0..shape(&from.shape()).0;
    some(from, Part { rows: std::slice::from_ref(&rows), cols: None })
}

/// The elements of a part, row by row.
///
/// # Errors
/// No numbers, values that do not fit, a part outside of the array, damaged data.
pub(in crate::io) fn some<T: Number>(from: &Container, part: Part<'_>) -> Result<Vec<T>> {
    let kind = Kind::of(from).ok_or_else(|| unknown(from))?;
    let shape = shape(&from.shape());
    let ascend = part.rows.windows(2).all(|w| w[0].end <= w[1].start);
    let inside = part.rows.iter().all(|r| r.start <= r.end && r.end <= shape.0);
    if !ascend || !inside || part.cols.is_some_and(|c| c.iter().any(|&c| c >= shape.1)) {
        return Err(Error::new(doing(from))
            .expected(format!("a part of {} rows and {} columns", shape.0, shape.1))
            .found("one beyond them"));
    }
    let width = part.cols.map_or(shape.1, <[usize]>::len);
    plausible(from, part.n_rows().saturating_mul(width), kind.size().max(size_of::<T>()))?;
    let (values, rounded) = match chunks::layout(from, kind)? {
        Some(layout) => chunks::read(from, &layout, kind, part)?,
        None => by_library(from, kind, shape, part)?,
    };
    if rounded > 0 {
        let name = from.name();
        progress::note(format!("{name}: {rounded} whole numbers beyond 2^24 are rounded"));
    }
    Ok(values)
}

/// A value that does not fit.
pub(super) fn refused<T: Number>(from: &Container, value: f64) -> Error {
    let found = if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value}")
    } else {
        format!("{value:e}")
    };
    Error::new(doing(from)).expected(T::WANTED).found(found)
}

fn by_library<T: Number>(
    from: &Container,
    kind: Kind,
    (rows, cols): (usize, usize),
    part: Part<'_>,
) -> Result<(Vec<T>, usize)> {
    let width = part.cols.map_or(cols, <[usize]>::len);
    let mut values = vec![T::default(); part.n_rows() * width];
    let (mut done, mut rounded) = (0, 0);
    let chunk = from.as_dataset().ok().and_then(|d| d.chunk()).and_then(|c| c.first().copied());
    // Blocks that begin where chunks do, so that none is unpacked twice.
    let band = chunk.unwrap_or(1).clamp(1, rows.max(1));
    let block = (BLOCK / cols.max(1) / band).max(1) * band;
    for span in part.rows {
        let mut at = span.start;
        while at < span.end {
            // Not at the first: what is small, as attributes are, is read or damaged, never given up.
            if done > 0 {
                interrupt::check(&doing(from))?;
            }
            let end = ((at / block + 1) * block).min(span.end);
            let count = (end - at) * width;
            let Some(to) = values.get_mut(done..done + count) else { break };
            rounded += with_kind!(kind, S => {
                let read = slab::<S>(from, at..end)?;
                match part.cols {
                    None => convert(read.into_iter(), to),
                    Some(c) => {
                        let pick = read.chunks_exact(cols.max(1)).flat_map(|r| c.iter().map(|&c| r[c]));
                        convert(pick, to)
                    }
                }
            })
            .map_err(|v| refused::<T>(from, v))?;
            (at, done) = (end, done + count);
        }
    }
    Ok((values, rounded))
}

/// Rows of an array as they stand in the file.
fn slab<S: Source>(from: &Container, rows: Range<usize>) -> Result<Vec<S>> {
    let shape = from.shape();
    let whole = shape.first().is_none_or(|&n| rows == (0..n));
    let read = if whole {
        from.read_raw::<S>()
    } else {
        let rest = shape.iter().skip(1).map(|_| SliceOrIndex::from(..));
        let slices: Vec<SliceOrIndex> = std::iter::once(rows.into()).chain(rest).collect();
        from.as_reader()
            .read_slice::<S, _, ndarray::IxDyn>(Selection::Hyperslab(Hyperslab::new(slices)))
            .map(|a| a.into_raw_vec_and_offset().0)
    };
    read.map_err(failed(doing(from)))
}
