//! AnnData's `.h5ad`, by its on-disk specification
//! (<https://anndata.readthedocs.io/en/latest/fileformat-prose.html>).
//!
//! Read: the encodings of anndata 0.7 and later, and the layouts before them (tables as record
//! arrays, `h5sparse_format`, categories in `uns`). Written: what anndata 0.8 and later write, which anndata 0.11 and 0.12 were
//! seen to read; so a null of `uns`, which 0.11 does not know, is left out.
//!
//! What a [`Dataset`](crate::data::Dataset) does not tell apart changes on the way through: X, raw
//! and layers are `f32`, `obsp` and `varp` are sparse `f32`, matrices of `obsm` and `varm` are dense `f64` (sparse
//! ones pass through `f32`), integers of `uns` are 64 bits wide except bytes, categories are text.
//! The flag that categories are ordered is not kept. Whatever is left out is named in a note: an
//! awkward array in `obsm` does not keep the rest of the file from being read.

mod elem;
mod frame;
mod peek;
mod read;
mod select;
mod sparse;
mod write;

pub use peek::{Peek, peek};
pub use read::{read, read_with};
pub use select::{H5adConfig, Spots};
pub use write::write;
