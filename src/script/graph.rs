//! `Graph` and `graph::`: which spots are neighbours.

use std::fmt;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map};

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use super::shown;
use super::table::Table;
use super::tensor::Tensor;
use crate::analysis::{self, MoranConfig};
use crate::base::{Error, Kind, nearest};
use crate::data::keys;
use crate::graph::{self, KnnConfig, RadiusConfig, SampleConfig};

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

/// `ds.obsp`.
#[derive(Clone)]
pub(super) struct Pairs {
    pub ds: Dataset,
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = shown::dataset::pairs_of(&self.ds.get());
        f.write_str(&shown::dataset::named(&format!("obsp ({})", parts.len()), &parts))
    }
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Joins each spot with its nearest others; spots of different samples are not joined.
    ///
    /// ```rhai
    /// graph::knn(ds, #{ k: 6 }).n_spots   // => 60
    /// ```
    ///
    /// `k` must be below the number of spots.
    #[rhai_fn(return_raw)]
    pub fn knn(ds: Dataset, options: Map) -> Outcome<Graph> {
        let config = parse::<KnnConfig>(options, "knn")?;
        let key = config.sample_key.as_deref();
        Ok(Graph::new(graph::per_sample(&ds.get(), key, |at| graph::knn(at, &config))?))
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
        let key = config.sample_key.as_deref();
        Ok(Graph::new(graph::per_sample(&ds.get(), key, |at| graph::radius(at, &config))?))
    }

    /// Joins the corners of the triangles of Delaunay's triangulation.
    ///
    /// ```rhai
    /// graph::delaunay(ds).n_edges > 60    // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn delaunay(ds: Dataset, options: Map) -> Outcome<Graph> {
        let config = parse::<SampleConfig>(options, "delaunay")?;
        let key = config.sample_key.as_deref();
        Ok(Graph::new(graph::per_sample(&ds.get(), key, graph::delaunay)?))
    }

    /// The graph that a dataset holds, as `obsp["spatial_connectivities"]`.
    ///
    /// ```rhai
    /// ds.obsp["spatial_connectivities"] = g
    /// graph::of(ds).n_edges == g.n_edges   // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn of(ds: Dataset) -> Outcome<Graph> {
        pairs::graph(&mut Pairs { ds }, keys::SPATIAL_CONNECTIVITIES)
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

    /// Moran's I of genes over the graph, the greatest first: a table of `gene` and `I`.
    ///
    /// ```rhai
    /// ds.normalize().log1p()
    /// g.moran(ds, #{ genes: ds.var.index() })["I"].len()   // => 40
    /// ```
    #[rhai_fn(return_raw)]
    pub fn moran(g: &mut Graph, ds: Dataset, options: Map) -> Outcome<Table> {
        let config = parse::<MoranConfig>(options, "moran")?;
        Ok(Table::new(analysis::moran(&ds.get(), &g.0, &config)?))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod pairs {
    /// The names of the matrices of pairs.
    ///
    /// ```rhai
    /// ds.obsp.names()                 // => []
    /// ```
    pub fn names(p: &mut Pairs) -> Array {
        p.ds.get().obsp().keys().map(|k| Dynamic::from(k.clone())).collect()
    }

    /// The graph of a name; weights other than zero are edges.
    ///
    /// ```rhai
    /// ds.obsp["near"] = g
    /// ds.obsp["near"].n_spots         // => 60
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn graph(p: &mut Pairs, name: &str) -> Outcome<Graph> {
        let ds = p.ds.get();
        let found = ds.obsp().get(name).ok_or_else(|| {
            Error::new(format!("looking up obsp[\"{name}\"]"))
                .kind(Kind::Missing)
                .expected("a matrix of that name")
                .found("none")
                .advice(nearest::advice(name, ds.obsp().keys().map(String::as_str)))
        })?;
        Ok(Graph::new(graph::Graph::from_csr(found)?))
    }

    /// Sets a matrix of pairs from a graph, 1 for each edge.
    ///
    /// ```rhai
    /// ds.obsp["spatial_connectivities"] = g
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_graph(p: &mut Pairs, name: &str, graph: Graph) -> Outcome<()> {
        Ok(p.ds.edit().set_obsp(name, graph.core().to_csr())?)
    }
}
