//! Preparation of counts: filter, normalise, select genes, principal components.
//!
//! Imports `base` and `data`.

mod filter;
mod hvg;
mod lanczos;
mod loess;
mod moments;
mod normalize;
mod pca;

pub use filter::{FilterConfig, filter};
pub use hvg::{Hvg, HvgConfig, HvgFlavor, hvg, select_hvg};
pub use normalize::{library_totals, log1p, normalize_by, normalize_total, size_factors};
pub use pca::{Pca, PcaConfig, pca};
