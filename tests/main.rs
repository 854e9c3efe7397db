//! The one test binary: every further executable would link libtorch again.

mod common;
mod data;
mod fixtures;
mod golden_models;
mod golden_slide;
mod h5ad;
mod image;
mod io;
mod layers;
mod plot;
mod script;
mod sim;
mod train;
