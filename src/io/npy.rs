//! NumPy's `.npy`: what we write and read back is one array of `f32`, little-endian, row by row;
//! [`Header`] and [`Element`] are for the arrays of others.
//!
//! The header is fixed by shape and type, so equal values give equal bytes.

use std::io::Read;
use std::path::Path;

use ndarray::{Array2, ArrayView, ArrayView1, ArrayView2, Dimension};
use ndarray_npy::{ViewNpyExt, WriteNpyExt};

use crate::base::{Error, Result, files};

/// Writes an array of any shape, through a temporary file.
///
/// # Errors
/// A place that cannot be written.
pub fn write<D: Dimension>(path: &Path, values: ArrayView<'_, f32, D>) -> Result<()> {
    save(path, &values.as_standard_layout())
}

/// Writes whole numbers as little-endian i64, through a temporary file.
///
/// # Errors
/// A place that cannot be written.
pub fn write_integers(path: &Path, values: &[i64]) -> Result<()> {
    save(path, &ArrayView1::from(values))
}

/// Reads a matrix.
///
/// # Errors
/// No such file, another type or number of axes, a file that is cut short.
pub fn read2(path: &Path) -> Result<Array2<f32>> {
    let bytes = load(path)?;
    ArrayView2::view_npy(&bytes).map(|v| v.to_owned()).map_err(|e| refuse(path, "two axes", e))
}

/// Reads a vector.
///
/// # Errors
/// No such file, another type or number of axes, a file that is cut short.
pub fn read1(path: &Path) -> Result<Vec<f32>> {
    let bytes = load(path)?;
    ArrayView1::view_npy(&bytes).map(|v| v.to_vec()).map_err(|e| refuse(path, "one axis", e))
}

fn save(path: &Path, values: &impl WriteNpyExt) -> Result<()> {
    let mut bytes = Vec::new();
    values
        .write_npy(&mut bytes)
        .map_err(|e| Error::io(format!("writing {}", path.display()), e))?;
    files::write(path, bytes)
}

fn load(path: &Path) -> Result<Vec<u8>> {
    files::exists(path)?;
    std::fs::read(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))
}

fn refuse(path: &Path, axes: &str, e: ndarray_npy::ViewNpyError) -> Error {
    let found = e.to_string();
    Error::io(format!("reading {}", path.display()), e)
        .expected(format!("an npy array of little-endian f32 with {axes}"))
        .found(found)
}

/// A type of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    Int(usize),
    Uint(usize),
    Float(usize),
    /// Text of one byte or of four a letter, and how many bytes there are.
    Text {
        wide: bool,
        bytes: usize,
    },
}

/// What stands before the values of an array.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub element: Element,
    /// Whether columns, not rows, lie together.
    pub fortran: bool,
    pub shape: Vec<usize>,
}

/// The longest header: NumPy's own are below 200 bytes for these types.
const LONGEST: usize = 1 << 16;

impl Header {
    /// Reads it off the front.
    ///
    /// # Errors
    /// No array of NumPy; elements that are no numbers or texts, by name.
    pub fn read(from: &mut impl Read) -> Result<Self> {
        let damaged = |e: std::io::Error| Error::io("reading the header of a NumPy array", e);
        let refuse = |found: &str| {
            Err(Error::new("reading the header of a NumPy array")
                .expected("a header as numpy.save writes it")
                .found(found))
        };
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(damaged)?;
        let Some([major, _]) = start.strip_prefix(b"\x93NUMPY") else {
            return refuse("other bytes");
        };
        let mut size = [0; 4];
        let wide = if *major == 1 { 2 } else { 4 };
        from.read_exact(&mut size[..wide]).map_err(damaged)?;
        let size = u32::from_le_bytes(size) as usize;
        if size > LONGEST {
            return refuse("a header that is too long");
        }
        let mut text = vec![0; size];
        from.read_exact(&mut text).map_err(damaged)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let behind = |key: &str| {
            let rest = text.split_once(&format!("'{key}'"))?.1;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let (Some(descr), Some(order), Some(shape)) =
            (behind("descr"), behind("fortran_order"), behind("shape"))
        else {
            return refuse("no descr, fortran_order or shape");
        };
        let Some(descr) = descr.strip_prefix('\'').and_then(|d| d.split_once('\'')) else {
            return Err(Error::new("reading a NumPy array")
                .expected("numbers")
                .found("records with fields")
                .advice("Save one field, as in numpy.save(path, a[\"field\"])"));
        };
        let Some(shape) = shape.strip_prefix('(').and_then(|s| s.split_once(')')) else {
            return refuse("no shape");
        };
        let axes = shape.0.split(',').map(str::trim).filter(|a| !a.is_empty());
        let Ok(shape) = axes.map(str::parse).collect::<std::result::Result<Vec<usize>, _>>() else {
            return refuse("a shape that is none");
        };
        let header =
            Self { element: Element::parse(descr.0)?, fortran: order.starts_with("True"), shape };
        match header.bytes() {
            Some(_) if header.shape.len() <= 32 => Ok(header),
            _ => refuse("a shape beyond all memory"),
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis))
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> Option<usize> {
        self.len()?.checked_mul(self.element.size())
    }
}

impl Element {
    fn parse(descr: &str) -> Result<Self> {
        let refuse = |found: &str, advice: &str| {
            Err(Error::new("reading a NumPy array")
                .expected("numbers or texts, little-endian")
                .found(format!("{found} ('{descr}')"))
                .advice(advice))
        };
        let number = "Save it as numbers, as in numpy.save(path, a.astype(\"float32\"))";
        let (order, rest) = descr.split_at_checked(1).unwrap_or_default();
        let (kind, size) = rest.split_at_checked(1).unwrap_or_default();
        let bytes = size.parse::<usize>().unwrap_or(0);
        if kind == "O" || descr == "O" {
            return refuse(
                "pickled objects of Python",
                "They may run code and are not read. Save numbers with numpy.save, texts as \
                 a.astype(str), a sparse matrix with scipy.sparse.save_npz",
            );
        }
        if order == ">" && bytes > 1 {
            return refuse(
                "big-endian values",
                "Turn them around: numpy.save(path, a.astype(a.dtype.newbyteorder(\"<\")))",
            );
        }
        match (kind, bytes) {
            ("b", 1) => Ok(Self::Bool),
            ("i", 1 | 2 | 4 | 8) => Ok(Self::Int(bytes)),
            ("u", 1 | 2 | 4 | 8) => Ok(Self::Uint(bytes)),
            ("f", 2 | 4 | 8) => Ok(Self::Float(bytes)),
            ("S" | "a", n) if n <= LONGEST => Ok(Self::Text { wide: false, bytes: n }),
            ("U", n) if n <= LONGEST => Ok(Self::Text { wide: true, bytes: 4 * n }),
            ("c", _) => refuse("complex numbers", number),
            ("M" | "m", _) => refuse("dates", number),
            ("V", _) => refuse("records or raw bytes", number),
            _ => refuse("another type", number),
        }
    }

    pub fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Int(n) | Self::Uint(n) | Self::Float(n) => n,
            Self::Text { bytes, .. } => bytes,
        }
    }

    pub fn is_number(self) -> bool {
        !matches!(self, Self::Text { .. })
    }

    /// The number in these bytes; integers beyond 2^53 are rounded, as `f64` rounds them.
    pub fn number(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        wide.iter_mut().zip(bytes).for_each(|(to, &from)| *to = from);
        let raw = u64::from_le_bytes(wide);
        match self {
            Self::Bool => f64::from(u8::from(raw != 0)),
            Self::Uint(_) => raw as f64,
            Self::Int(n) => {
                let empty = 64 - 8 * n as u32;
                (((raw << empty) as i64) >> empty) as f64
            }
            Self::Float(2) => half(raw as u16),
            Self::Float(4) => f64::from(f32::from_bits(raw as u32)),
            Self::Float(_) => f64::from_bits(raw),
            Self::Text { .. } => f64::NAN,
        }
    }

    /// The text in these bytes, without the zeros that fill it up.
    pub fn text(self, bytes: &[u8]) -> String {
        match self {
            Self::Text { wide: true, .. } => {
                let code = |b: &[u8]| b.iter().rev().fold(0u32, |c, &b| c << 8 | u32::from(b));
                let letters =
                    bytes.chunks(4).map(|b| char::from_u32(code(b)).unwrap_or('\u{fffd}'));
                letters.collect::<String>().trim_end_matches('\0').to_owned()
            }
            Self::Text { .. } => String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned(),
            number => number.number(bytes).to_string(),
        }
    }
}

/// A number of IEEE 754 in 16 bits.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1.0 + fraction / 1024.0) * 2f64.powi(e - 15),
    }
}
