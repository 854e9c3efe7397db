//! `cluster::`: groups of spots.

use rhai::Map;
use rhai::plugin::*;

use super::bind::with;
use super::column::Column;
use super::convert::{Outcome, parse};
use super::tensor::Tensor;
use crate::analysis::{self, GmmConfig, KmeansConfig};

#[export_module(manifest)]
pub(super) mod functions {
    /// Groups points by a Gaussian mixture whose components share one covariance.
    ///
    /// ```rhai
    /// ds.obs["domain"] = cluster::gmm(ds.obsm["image_features"], 3, #{ n_init: 2 })
    /// ```
    #[rhai_fn(return_raw)]
    pub fn gmm(points: Tensor, k: i64, options: Map) -> Outcome<Column> {
        let config = parse::<GmmConfig>(with(options, "k", k.into())?, "gmm")?;
        Ok(Column::of_labels("gmm", &analysis::gmm(points.matrix()?.view(), &config)?.labels)?)
    }

    /// Groups points around k centres.
    ///
    /// ```rhai
    /// ds.obs["domain"] = cluster::kmeans(ds.obsm["spatial"], 3)
    /// ```
    #[rhai_fn(return_raw)]
    pub fn kmeans(points: Tensor, k: i64, options: Map) -> Outcome<Column> {
        let config = parse::<KmeansConfig>(with(options, "k", k.into())?, "kmeans")?;
        Ok(Column::of_labels(
            "kmeans",
            &analysis::kmeans(points.matrix()?.view(), &config)?.labels,
        )?)
    }
}
