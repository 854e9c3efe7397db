//! Histology images: stain separation, descriptors of tissue, places in pixels and um.
//!
//! Imports `base` only.
