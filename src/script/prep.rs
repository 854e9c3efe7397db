//! `prep::`: what is computed from X before any model.

use polars::prelude::Column as Values;
use rhai::plugin::*;
use rhai::{Array, Map};

use super::column::Column;
use super::convert::{Outcome, parse, texts};
use super::dataset::Dataset;
use super::tensor::Tensor;
use crate::prep::{self, PcaConfig, ScoreGenesConfig};

#[export_module(manifest)]
pub(super) mod functions {
    /// Principal components of X, over the highly variable genes where they are marked: the scores
    /// of the spots, [N,C].
    ///
    /// ```rhai
    /// ds.normalize()
    /// ds.log1p()
    /// prep::pca(ds, #{ n_components: 5 }).shape   // => [60, 5]
    /// ```
    /// `ds.pca()` keeps scores, loadings and variances in the dataset.
    #[rhai_fn(return_raw)]
    pub fn pca(ds: Dataset, options: Map) -> Outcome<Tensor> {
        let pca = prep::pca_of(&ds.get(), &parse::<PcaConfig>(options, "pca")?)?;
        Ok(Tensor::of_matrix(pca.scores.view()))
    }

    /// How far each spot's mean over a set of genes is above that of genes expressed alike, [N].
    ///
    /// ```rhai
    /// ds.normalize().log1p()
    /// let genes = ds.var.index()
    /// ds.obs["program"] = prep::gene_scores(ds, [genes[0], genes[1]], #{ ctrl_size: 5 })
    /// ```
    ///
    /// Genes that are not there are left out with a note; none at all is an error.
    #[rhai_fn(return_raw)]
    pub fn gene_scores(ds: Dataset, genes: Array, options: Map) -> Outcome<Column> {
        let config = parse::<ScoreGenesConfig>(options, "gene_scores")?;
        let score =
            prep::gene_scores(&ds.get(), &texts(&genes, "reading the names of genes")?, &config)?;
        Ok(Column { values: Values::new(config.score_name.into(), score) })
    }
}
