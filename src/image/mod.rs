//! Histology images: stain separation, descriptors of tissue, places in pixels and um.
//!
//! Imports `base` only.

pub mod descriptor;
pub mod stain;
