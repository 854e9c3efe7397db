//! k nearest neighbours.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::places::Places;
use super::{Graph, report};
use crate::base::{Error, Result, interrupt};
use crate::data::Coordinates;

/// Options of the k-nearest-neighbour graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KnnConfig {
    /// Neighbours of each spot, at least 1 and fewer than there are spots.
    pub k: usize,
    /// Whether an edge also runs back. Without it every spot has exactly k neighbours.
    pub symmetric: bool,
    /// The column of `obs` that says which sample a spot is of: no edge joins two samples. Without
    /// it the one that `data::concat` has recorded.
    pub sample_key: Option<String>,
}

impl Default for KnnConfig {
    fn default() -> Self {
        Self { k: 6, symmetric: true, sample_key: None }
    }
}

/// Joins each spot with its `k` nearest others (kd-tree of the `kiddo` crate).
///
/// Of spots that are equally far the first ones in the order of the data are taken. A spot is
/// never its own neighbour, also where several share a position.
///
/// # Errors
/// `k` outside 1..N, fewer than two spots, coordinates that are not finite.
pub fn knn(coordinates: &Coordinates, config: &KnnConfig) -> Result<Graph> {
    let doing = "building the kNN graph";
    let KnnConfig { k, symmetric, .. } = *config;
    let places = Places::new(coordinates, doing)?;
    let n = places.len();
    if k == 0 || k >= n {
        return Err(Error::new(doing)
            .expected(format!("k of at least 1 and below the {n} spots"))
            .found(format!("k = {k}")));
    }
    report::refuse_dense(doing, k as f64, coordinates, || places.spacing())?;
    // Pairs come in any order; the graph sorts them.
    let join = |&i: &u32| {
        interrupt::check(doing)?;
        let near = places.nearest(i as usize, k).into_iter();
        Ok(near.flat_map(|(_, j)| [Some((i, j)), symmetric.then_some((j, i))]).flatten().collect())
    };
    let pairs: Vec<Vec<(u32, u32)>> = places.walk().par_iter().map(join).collect::<Result<_>>()?;
    let pairs = pairs.concat();
    let kind = if symmetric { "symmetric" } else { "directed" };
    report::finish(
        doing,
        Graph::new(n, pairs, format!("kNN, k = {k}, {kind}")),
        coordinates,
        places.spacing(),
    )
}
