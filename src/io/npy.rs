//! NumPy's `.npy`: one array of `f32`, little-endian, row by row.
//!
//! The header is fixed by shape and type, so equal values give equal bytes.

use std::path::Path;

use ndarray::{Array2, ArrayView1, ArrayView2};
use ndarray_npy::{ViewNpyExt, WriteNpyExt};

use crate::base::{Error, Result, files};

/// Writes a matrix, through a temporary file.
///
/// # Shapes
/// Any [N,M].
///
/// # Errors
/// A place that cannot be written.
pub fn write2(path: &Path, values: ArrayView2<'_, f32>) -> Result<()> {
    save(path, &values.as_standard_layout())
}

/// Writes a vector, through a temporary file.
///
/// # Errors
/// A place that cannot be written.
pub fn write1(path: &Path, values: &[f32]) -> Result<()> {
    save(path, &ArrayView1::from(values))
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
