//! One file a network: `Config`, `new`, `forward`, `loss`.
//!
//! Imports `base` and `nn`; never a dataset.

pub mod gvae;

pub use gvae::{Gvae, GvaeConfig};
