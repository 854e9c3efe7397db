//! Files that variables go through between a session and its Rust cells: Arrow IPC for tables,
//! safetensors for numbers with a shape.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use ndarray::ArrayD;
use polars::prelude::{
    CompatLevel, DataFrame, DataType, IpcReader, IpcWriter, SerReader, SerWriter,
};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::base::{Error, Result, interrupt};
use crate::data::Csr;

/// The name of the only array in a file that holds one.
const DATA: &str = "data";

/// Bytes or values between two looks at the user's wish to stop.
const PART: usize = 4 << 20;

const CONVERTING: &str = "converting numbers for a Rust cell";

/// Numbers with a shape, of the kinds that go over.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
    I64(ArrayD<i64>),
}

/// Writes a table; categories go as dictionaries, texts in Arrow's oldest layout.
///
/// # Errors
/// A place that cannot be written; columns that Arrow has no type for.
pub fn write_table(path: &Path, frame: &DataFrame) -> Result<()> {
    let failed =
        |e: &dyn std::fmt::Display| Error::io(format!("writing {}", path.display()), e.to_string());
    let mut file = BufWriter::new(File::create(path).map_err(|e| failed(&e))?);
    let mut writer = IpcWriter::new(&mut file).with_compat_level(CompatLevel::oldest());
    writer.finish(&mut frame.clone()).map_err(|e| failed(&e))
}

/// Reads a table that a Rust cell wrote.
///
/// # Errors
/// No such file, or one that is no Arrow IPC.
pub fn read_table(path: &Path) -> Result<DataFrame> {
    let doing = || format!("reading {}", path.display());
    let file = File::open(path).map_err(|e| Error::io(doing(), e))?;
    let frame = IpcReader::new(file).finish().map_err(|e| Error::io(doing(), e))?;
    let odd = frame.columns().iter().find(|c| {
        let t = c.dtype();
        !(t.is_primitive_numeric()
            || t.is_bool()
            || t.is_string()
            || matches!(t, DataType::Categorical(..)))
    });
    match odd {
        None => Ok(frame),
        Some(c) => Err(Error::new(doing())
            .expected("columns of numbers, texts or booleans")
            .found(format!("'{}' of {}", c.name(), c.dtype()))),
    }
}

/// Writes numbers in their own precision.
///
/// # Errors
/// A place that cannot be written.
pub fn write_array(path: &Path, array: &Array) -> Result<()> {
    let (kind, shape, bytes) = match array {
        Array::F32(a) => (Dtype::F32, a.shape(), bytes(a.iter().map(|v| v.to_le_bytes()))?),
        Array::F64(a) => (Dtype::F64, a.shape(), bytes(a.iter().map(|v| v.to_le_bytes()))?),
        Array::I64(a) => (Dtype::I64, a.shape(), bytes(a.iter().map(|v| v.to_le_bytes()))?),
    };
    write(path, vec![(DATA, kind, shape.to_vec(), bytes)])
}

/// Reads numbers that a Rust cell wrote.
///
/// # Errors
/// No such file, or one that holds something else.
pub fn read_array(path: &Path) -> Result<Array> {
    let failed =
        |e: &dyn std::fmt::Display| Error::io(format!("reading {}", path.display()), e.to_string());
    let held = read(path)?;
    let file = SafeTensors::deserialize(&held).map_err(|e| failed(&e))?;
    let view = file.tensor(DATA).map_err(|e| failed(&e))?;
    let shape = view.shape().to_vec();
    let bytes = view.data();
    let array = match view.dtype() {
        Dtype::F32 => {
            ArrayD::from_shape_vec(shape, values(bytes, f32::from_le_bytes)?).map(Array::F32)
        }
        Dtype::F64 => {
            ArrayD::from_shape_vec(shape, values(bytes, f64::from_le_bytes)?).map(Array::F64)
        }
        Dtype::I64 => {
            ArrayD::from_shape_vec(shape, values(bytes, i64::from_le_bytes)?).map(Array::I64)
        }
        other => return Err(failed(&format!("numbers of {other}"))),
    };
    array.map_err(|e| failed(&e))
}

/// Writes a sparse matrix as `indptr`, `indices`, `values` and `shape`.
///
/// # Errors
/// A place that cannot be written.
pub fn write_csr(path: &Path, m: &Csr) -> Result<()> {
    let numbers = |n: &[usize]| bytes(n.iter().map(|&v| (v as i64).to_le_bytes()));
    let (indptr, indices, held) = m.parts();
    let indices = bytes(indices.iter().map(|v| v.to_le_bytes()))?;
    let held = bytes(held.iter().map(|v| v.to_le_bytes()))?;
    write(
        path,
        vec![
            ("shape", Dtype::I64, vec![2], numbers(&[m.nrows(), m.ncols()])?),
            ("indptr", Dtype::I64, vec![indptr.len()], numbers(indptr)?),
            ("indices", Dtype::U32, vec![m.nnz()], indices),
            ("values", Dtype::F32, vec![m.nnz()], held),
        ],
    )
}

/// Reads a sparse matrix that a Rust cell wrote.
///
/// # Errors
/// No such file, or arrays that are no sparse matrix.
pub fn read_csr(path: &Path) -> Result<Csr> {
    let failed =
        |e: &dyn std::fmt::Display| Error::io(format!("reading {}", path.display()), e.to_string());
    let held = read(path)?;
    let file = SafeTensors::deserialize(&held).map_err(|e| failed(&e))?;
    let part = |name, kind| {
        let view = file.tensor(name).map_err(|e| failed(&e))?;
        let same = view.dtype() == kind;
        if same { Ok(view) } else { Err(failed(&format!("{name} of {}", view.dtype()))) }
    };
    let numbers = |name| {
        let read = values(part(name, Dtype::I64)?.data(), i64::from_le_bytes)?;
        read.into_iter()
            .map(|v| usize::try_from(v).map_err(|e| failed(&e)))
            .collect::<Result<Vec<_>>>()
    };
    let &[nrows, ncols] = &numbers("shape")?[..] else {
        return Err(failed(&"a shape that is no pair"));
    };
    let indices = values(part("indices", Dtype::U32)?.data(), u32::from_le_bytes)?;
    let entries = values(part("values", Dtype::F32)?.data(), f32::from_le_bytes)?;
    Csr::new((nrows, ncols), numbers("indptr")?, indices, entries)
}

/// Arrays by name: the kind, the shape, the values' bytes.
fn write(path: &Path, arrays: Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>) -> Result<()> {
    let doing = format!("writing {}", path.display());
    let packed = interrupt::abandonable(&doing, move || {
        let views = arrays.iter().map(|(name, kind, shape, bytes)| {
            Ok((name.to_string(), TensorView::new(*kind, shape.clone(), bytes)?))
        });
        let views = views.collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>();
        Ok(views.and_then(|views| serialize(views, None)))
    })?;
    let packed = packed.map_err(|e| Error::io(doing.as_str(), e))?;
    // Nobody reads it before it is whole, and it need not outlive the session: no second name, no
    // waiting for the disk.
    let mut file = File::create(path).map_err(|e| Error::io(doing.as_str(), e))?;
    for part in packed.chunks(PART) {
        interrupt::check(&doing)?;
        file.write_all(part).map_err(|e| Error::io(doing.as_str(), e))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let doing = format!("reading {}", path.display());
    let failed = |e| Error::io(doing.as_str(), e);
    let mut file = File::open(path).map_err(failed)?;
    let mut held = Vec::new();
    while Read::take(&mut file, PART as u64).read_to_end(&mut held).map_err(failed)? > 0 {
        interrupt::check(&doing)?;
    }
    Ok(held)
}

fn bytes<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(N * values.size_hint().0);
    for (i, value) in values.enumerate() {
        if i % PART == 0 {
            interrupt::check(CONVERTING)?;
        }
        bytes.extend_from_slice(&value);
    }
    Ok(bytes)
}

fn values<T, const N: usize>(bytes: &[u8], read: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let mut values = Vec::with_capacity(bytes.len() / N);
    for part in bytes.as_chunks::<N>().0.chunks(PART) {
        interrupt::check(CONVERTING)?;
        values.extend(part.iter().map(|b| read(*b)));
    }
    Ok(values)
}
