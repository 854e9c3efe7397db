//! Spatia: a scripting host for spatial transcriptomics and histology.
//!
//! One package of layered modules; a module imports only from layers below it, which
//! `tests/layers.rs` checks. `docs/architecture.md` says what lives where.
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
pub mod data;
pub mod image;
pub mod nn;

pub mod graph;
pub mod io;
pub mod models;
pub mod plot;
pub mod prep;

pub mod analysis;
pub mod batch;
pub mod sim;

pub mod train;

pub mod script;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the host is where output is written"
)]
pub mod host;

#[expect(clippy::print_stdout, reason = "the command line answers on stdout")]
pub mod cli;
