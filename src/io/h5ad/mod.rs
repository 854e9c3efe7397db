//! AnnData's `.h5ad`, by its on-disk specification
//! (<https://anndata.readthedocs.io/en/latest/fileformat-prose.html>).
//!
//! Read: the encodings of anndata 0.7 and later, and the layouts before them (tables as record
//! arrays, `h5sparse_format`, categories in `uns`). Written: what anndata 0.8 and later write, which anndata 0.11 and 0.12 were
//! seen to read; a null in `uns`, where there is one, only 0.12 reads.
//!
//! What a [`Dataset`](crate::data::Dataset) does not tell apart changes on the way through: X and
//! layers are `f32`, `obsp` is sparse `f32`, matrices of `obsm` and `varm` are dense `f64` (sparse
//! ones pass through `f32`), integers of `uns` are 64 bits wide except bytes, categories are text.
//! `varp`, and the flag that categories are ordered, are not kept. Whatever is left out is named
//! in a note.
//!
//! A file damaged in the heap of its texts can hold HDF5 itself in a loop (h5py hangs on it too).

mod elem;
mod frame;
mod read;
mod write;

pub use read::read;
pub use write::write;
