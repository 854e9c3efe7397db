//! Spatial graphs: k nearest neighbours, radius, Delaunay.
//!
//! Imports `base` and `data`.
