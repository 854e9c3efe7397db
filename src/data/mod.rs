//! The dataset: sparse X, layers, tables of spots and genes, matrices beside them.
//!
//! Imports `base` only: no files, no tensors, no images beyond plain arrays.

mod compact;
mod concat;
mod csr;
mod dataset;
mod display;
pub mod frame;
pub mod keys;
mod matrix;
mod raw;
mod samples;
mod spatial;
mod summary;
pub mod table;
mod uns;

pub use concat::{ConcatConfig, Join, concat};
pub use csr::Csr;
pub use dataset::Dataset;
pub use matrix::Matrix;
pub(crate) use matrix::map_dense;
pub use raw::Raw;
pub use spatial::{Coordinates, TissueImage, Unit};
pub use table::Table;
pub use uns::Uns;
