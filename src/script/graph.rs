//! `Graph` and `graph::`: which spots are neighbours.

use std::fmt;
use std::rc::Rc;

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use super::tensor::Tensor;
use crate::analysis;
use crate::graph::{self, KnnConfig, RadiusConfig};

/// A handle; graphs never change.
#[derive(Clone)]
pub(super) struct Graph(Rc<graph::Graph>);

impl Graph {
    pub fn new(g: graph::Graph) -> Self {
        Self(Rc::new(g))
    }

    pub fn core(&self) -> &graph::Graph {
        &self.0
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.to_string().trim_end())
    }
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Joins each spot with its nearest others.
    ///
    /// ```rhai
    /// graph::knn(ds, #{ k: 6 }).n_spots   // => 60
    /// ```
    ///
    /// `k` must be below the number of spots.
    #[rhai_fn(return_raw)]
    pub fn knn(ds: Dataset, options: Map) -> Outcome<Graph> {
        let config = parse::<KnnConfig>(options, "knn")?;
        Ok(Graph::new(graph::knn(&ds.get().coordinates()?, &config)?))
    }

    /// Joins spots that are closer than a radius, in the unit of `obsm["spatial"]` or in micrometres.
    ///
    /// ```rhai
    /// graph::radius(ds, #{ radius: 150.0 })
    /// ```
    ///
    /// A radius that joins nothing, or nearly everything, is an error that names one that works;
    /// one that only makes sense in the other unit is an error with both numbers.
    #[rhai_fn(return_raw)]
    pub fn radius(ds: Dataset, options: Map) -> Outcome<Graph> {
        let config = parse::<RadiusConfig>(options, "radius")?;
        Ok(Graph::new(graph::radius(&ds.get().coordinates()?, &config)?))
    }

    /// Joins the corners of the triangles of Delaunay's triangulation.
    ///
    /// ```rhai
    /// graph::delaunay(ds).n_edges > 60    // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn delaunay(ds: Dataset) -> Outcome<Graph> {
        Ok(Graph::new(graph::delaunay(&ds.get().coordinates()?)?))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// How many spots there are.
    ///
    /// ```rhai
    /// g.n_spots                       // => 60
    /// ```
    #[rhai_fn(get = "n_spots")]
    pub fn n_spots(g: &mut Graph) -> i64 {
        g.0.n_nodes() as i64
    }

    /// How many directed edges there are; a pair of neighbours counts twice.
    ///
    /// ```rhai
    /// g.n_edges > g.n_spots           // => true
    /// ```
    #[rhai_fn(get = "n_edges")]
    pub fn n_edges(g: &mut Graph) -> i64 {
        g.0.n_edges() as i64
    }

    /// The mean number of neighbours.
    ///
    /// ```rhai
    /// g.mean_degree >= 6              // => true
    /// ```
    #[rhai_fn(get = "mean_degree")]
    pub fn mean_degree(g: &mut Graph) -> f64 {
        g.0.mean_degree()
    }

    /// The mean of each spot's values and its neighbours', [N,*].
    ///
    /// ```rhai
    /// g.smooth(ds.obsm["image_features"]).shape == ds.obsm["image_features"].shape   // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn smooth(g: &mut Graph, values: Tensor) -> Outcome<Tensor> {
        let mean = analysis::neighbour_mean(values.matrix()?.view(), &g.0, true)?;
        Ok(Tensor::of_matrix(mean.view()))
    }
}
