//! From dataset, graph and image to tensors.
//!
//! Imports `base`, `data`, `image`, `graph`, `prep`.

pub mod image;
