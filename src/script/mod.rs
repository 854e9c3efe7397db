//! The Rhai layer, one file an object. The only importer of `rhai`.
//!
//! Imports all layers below; no loops and no arithmetic here.
