//! `prep`, `graph` and `analysis` against scanpy, squidpy and scikit-learn on a real slide, and on
//! input made to break them.

mod analysis;
mod graph;
mod prep;
pub mod slide;
