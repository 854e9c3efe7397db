//! `prep::`: what is computed from X before any model.

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use super::tensor::Tensor;
use crate::prep::{self, PcaConfig};

#[export_module(manifest)]
pub(super) mod functions {
    /// Principal components of X: the scores of the spots, [N,C].
    ///
    /// ```rhai
    /// ds.normalize()
    /// ds.log1p()
    /// prep::pca(ds, #{ n_components: 5 }).shape   // => [60, 5]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pca(ds: Dataset, options: Map) -> Outcome<Tensor> {
        let pca = prep::pca(&ds.get().x().to_csr(), &parse::<PcaConfig>(options, "pca")?)?;
        Ok(Tensor::of_matrix(pca.scores.view()))
    }
}
