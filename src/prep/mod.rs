//! Preparation of counts: filter, normalise, select genes, principal components.
//!
//! Imports `base` and `data`.

mod filter;
mod gene_score;
mod hvg;
mod lanczos;
mod loess;
mod moments;
mod normalize;
mod pca;
mod qc;
mod tridiagonal;

pub use filter::{Bounds, FilterConfig, filter};
pub use gene_score::{ScoreGenesConfig, gene_scores, score_genes};
pub use hvg::{Hvg, HvgConfig, HvgFlavor, hvg, select_hvg};
pub use normalize::{
    NormalizeConfig, ScaleConfig, library_totals, log1p, normalize, normalize_by, normalize_total,
    scale, size_factors,
};
pub use pca::{Pca, PcaConfig, PcaSolver, pca, pca_of, run_pca};
pub use qc::{QcConfig, qc};
