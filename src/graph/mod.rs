//! Spatial graphs: k nearest neighbours, radius, Delaunay.
//!
//! Imports `base` and `data`. Every graph is checked before it is handed out: see `report`.

mod delaunay;
mod edges;
mod knn;
mod places;
mod radius;
mod report;
mod samples;

pub use delaunay::delaunay;
pub use edges::Graph;
pub use knn::{KnnConfig, knn};
pub use radius::{RadiusConfig, radius};
pub use samples::{SampleConfig, per_sample};
