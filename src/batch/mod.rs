//! From dataset, graph and image to tensors.
//!
//! Imports `base`, `data`, `image`, `nn`, `graph`, `prep`, `models`.

pub mod gvae;
pub mod image;
pub mod slide;
