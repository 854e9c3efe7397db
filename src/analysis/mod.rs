//! What is read off results: clustering and its scores.
//!
//! Imports `base`, `data`, `graph`, `prep`.
