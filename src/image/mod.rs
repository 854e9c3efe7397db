//! Histology images: slides by region and level, stain separation, descriptors of tissue, places in
//! pixels and um.
//!
//! Imports `base` only.

mod affine;
pub mod descriptor;
mod raster;
pub mod slide;
pub mod stain;

pub use affine::{Affine, Landmark};
pub use raster::{Raster, Samples};
pub use slide::{RegionConfig, Slide, ThumbnailConfig};
