//! The one test binary: every further executable would link libtorch again.

mod common;
mod corpus;
mod data;
mod fixtures;
mod formats;
mod golden_models;
mod golden_slide;
mod image;
mod io;
mod layers;
mod plot;
mod script;
mod sim;
mod train;
mod zarr;
