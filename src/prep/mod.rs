//! Preparation of counts: filter, normalise, select genes, principal components.
//!
//! Imports `base` and `data`.
