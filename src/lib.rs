//! Spatia: a scripting host for spatial transcriptomics and histology.
//!
//! One package of layered modules; a module imports only from layers below it, which
//! `tests/layers.rs` checks. `docs/architecture.md` says what lives where.
//!
//! Without the feature `full` there are [`base`], [`plot`] of what needs no dataset, and `io::npy`:
//! what a Rust notebook takes to draw saved results, without libtorch.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::iter_over_hash_type
    )
)]

pub mod base;
#[cfg(feature = "full")]
pub mod data;
#[cfg(feature = "full")]
pub mod image;
#[cfg(feature = "full")]
pub mod nn;

#[cfg(feature = "full")]
pub mod graph;
#[cfg(feature = "full")]
pub mod io;
/// Readers and writers that need no dataset.
#[cfg(not(feature = "full"))]
#[expect(dead_code, reason = "the rest of it serves readers of datasets")]
pub mod io {
    pub mod npy;
}
#[cfg(feature = "full")]
pub mod models;
pub mod plot;
#[cfg(feature = "full")]
pub mod prep;

#[cfg(feature = "full")]
pub mod analysis;
#[cfg(feature = "full")]
pub mod batch;
#[cfg(feature = "full")]
pub mod sim;

#[cfg(feature = "full")]
pub mod train;

#[cfg(feature = "full")]
pub mod script;

#[cfg(feature = "full")]
pub mod host;

#[cfg(feature = "full")]
pub mod cli;
