//! One file a network: `Config`, `new`, `forward`, `loss`.
//!
//! Imports `base` and `nn`; never a dataset.
