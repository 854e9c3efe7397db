//! What is read off results: clustering and its scores.
//!
//! Imports `base`, `data`, `graph`, `prep`.

mod gmm;
mod kmeans;
mod moran;
mod points;
pub mod score;
mod smooth;

pub use gmm::{Gmm, GmmConfig, gmm};
pub use kmeans::{Kmeans, KmeansConfig, kmeans};
pub use moran::{MoranConfig, moran, morans_i};
pub use smooth::neighbour_mean;
