//! The one test binary: every further executable would link libtorch again.

mod common;
mod concat;
mod corpus;
mod data;
mod edges;
mod fixtures;
mod formats;
mod golden_models;
mod golden_slide;
mod h5ad;
mod image;
mod io;
mod layers;
mod loom;
mod plot;
mod prep;
mod script;
mod sim;
mod slide;
mod tables;
mod tenx;
mod text_counts;
mod train;
mod visium;
mod xenium;
mod zarr;
