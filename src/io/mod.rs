//! Readers and writers, one file a format.
//!
//! Imports `base`, `data`, `image`; no tensors.
