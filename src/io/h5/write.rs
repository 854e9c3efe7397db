//! Arrays of numbers packed by all threads, as h5py's `gzip` is.

use std::io::Write;
use std::ops::Range;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hdf5::Group;
use hdf5_sys::h5d::H5Dwrite_chunk;
use hdf5_sys::h5p::H5P_DEFAULT;
use rayon::prelude::*;

use super::chunks::shuffle;
use super::failed;
use super::numbers::{Source, shape};
use crate::base::{Error, Result, interrupt};

/// Deflate's level: what anndata users get from `compression="gzip"`.
pub(in crate::io) const LEVEL: u8 = 4;
/// Bytes of a chunk before packing: small enough for readers of single rows, large enough that
/// their number does not matter. It is also what HDF5 keeps of an array while reading it.
const CHUNK: usize = 1 << 20;
/// Arrays below this many bytes are one chunk, packed by the library.
const SMALL: usize = 1 << 16;
/// A row of an array beyond this is left to the library.
const WIDEST: usize = 64 << 20;

/// Writes an array whose element at a place, counted row by row, is `value` of it.
///
/// Whole numbers are shuffled before they are packed: indices then take half of the room and of
/// the time; counts kept as floats would gain nothing.
///
/// # Errors
/// What the library says.
pub(in crate::io) fn write<S: Source + Send>(
    g: &Group,
    name: &str,
    dims: &[usize],
    value: impl Fn(usize) -> S + Sync,
) -> Result<hdf5::Dataset> {
    let doing = format!("writing {}/{name}", g.name().trim_end_matches('/'));
    let (rows, cols) = shape(dims);
    let size = size_of::<S>();
    let (bytes, row) = (rows * cols * size, cols * size);
    let mut builder = g.new_dataset_builder().obj_track_times(false);
    if bytes == 0 || dims.is_empty() {
        return builder.empty::<S>().shape(dims).create(name).map_err(failed(doing));
    }
    let shuffled = S::INTEGER && size > 1 && bytes > SMALL;
    if shuffled {
        builder = builder.shuffle();
    }
    builder = builder.deflate(LEVEL);
    if bytes <= SMALL || row > WIDEST {
        let values: Vec<S> = (0..rows * cols).map(value).collect();
        let values =
            ndarray::ArrayViewD::from_shape(dims, &values).map_err(|e| Error::io(&doing, e))?;
        return builder.with_data(values).create(name).map_err(failed(doing));
    }
    let height = (CHUNK / row).clamp(1, rows);
    let chunk: Vec<usize> = std::iter::once(height).chain(dims.iter().skip(1).copied()).collect();
    let d = builder.chunk(chunk).empty::<S>().shape(dims).create(name).map_err(failed(&doing))?;
    let pack = |band: usize| {
        let last = rows.min((band + 1) * height);
        pack(band * height * cols..last * cols, height * row, shuffled, &value)
            .map_err(|e| Error::io(&doing, e))
    };
    let bands = rows.div_ceil(height);
    let at_once = 4 * rayon::current_num_threads();
    for first in (0..bands).step_by(at_once) {
        interrupt::check(&doing)?;
        let here = first..bands.min(first + at_once);
        let packed = here.into_par_iter().map(pack).collect::<Result<Vec<_>>>()?;
        for (band, bytes) in (first..).zip(packed) {
            put(&d, band * height, dims.len(), &bytes).map_err(failed(&doing))?;
        }
    }
    Ok(d)
}

/// The elements of a chunk, packed; what the array does not fill of it is zero.
fn pack<S: Source>(
    elements: Range<usize>,
    bytes: usize,
    shuffled: bool,
    value: impl Fn(usize) -> S,
) -> std::io::Result<Vec<u8>> {
    let size = size_of::<S>();
    let mut raw = vec![0; bytes];
    for (to, i) in raw.chunks_exact_mut(size).zip(elements) {
        value(i).put(to);
    }
    if shuffled {
        raw = match size {
            2 => shuffle::<2>(&raw),
            4 => shuffle::<4>(&raw),
            _ => shuffle::<8>(&raw),
        };
    }
    let mut encoder =
        ZlibEncoder::new(Vec::with_capacity(bytes / 2), Compression::new(u32::from(LEVEL)));
    encoder.write_all(&raw)?;
    encoder.finish()
}

/// Puts a packed chunk into its place.
fn put(d: &hdf5::Dataset, row: usize, rank: usize, bytes: &[u8]) -> hdf5::Result<()> {
    let mut offset = vec![0u64; rank];
    if let Some(first) = offset.first_mut() {
        *first = row as u64;
    }
    hdf5::sync::sync(|| {
        // SAFETY: an open array of `rank` axes and the bytes of a chunk that went through all of
        // its filters; the lock of the library is held.
        hdf5::h5check(unsafe {
            H5Dwrite_chunk(
                d.id(),
                H5P_DEFAULT,
                0,
                offset.as_ptr(),
                bytes.len(),
                bytes.as_ptr().cast(),
            )
        })
    })
    .map(|_| ())
}
