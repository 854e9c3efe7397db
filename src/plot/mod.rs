//! A figure is a specification; a backend turns it into svg or png.
//!
//! Imports `base` and `data`; no tensors.
