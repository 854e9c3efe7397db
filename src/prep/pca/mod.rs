//! Principal components of a sparse matrix that is never filled up.

mod operator;
mod randomized;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lanczos;
use crate::base::{Error, Result};
use crate::data::{Csr, Dataset, Uns, keys};
use operator::Operator;

/// How the components are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PcaSolver {
    /// Lanczos' method, to 1e-10 of the largest variance.
    #[default]
    Exact,
    /// Random projections refined by power iterations (Halko, Martinsson and Tropp, SIAM Review
    /// 2011). Quicker for many spots; the last components are approximate.
    Randomized,
}

/// Options of the principal components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PcaConfig {
    /// Components to compute; fewer than spots, and no more than genes.
    pub n_components: usize,
    /// Whether genes are scaled to unit variance first.
    pub scale: bool,
    /// Scaled values are clipped at plus and minus this; only used with `scale`.
    pub max_value: f64,
    /// Seed of the start. With the exact solver it changes the result in the last digits only.
    pub seed: u64,
    /// `exact` or `randomized`.
    pub solver: PcaSolver,
    /// Power iterations of the randomized solver.
    pub n_iter: usize,
    /// The column of `var` that says which genes take part; without it `highly_variable` where
    /// there is one, else all genes.
    pub mask_var: Option<String>,
}

impl Default for PcaConfig {
    fn default() -> Self {
        Self {
            n_components: 50,
            scale: false,
            max_value: 10.0,
            seed: 0,
            solver: PcaSolver::default(),
            n_iter: 7,
            mask_var: None,
        }
    }
}

/// Principal components; signs are such that the largest loading of each is positive.
#[derive(Clone, Debug)]
pub struct Pca {
    /// Spots on the components, [N,C].
    pub scores: Array2<f64>,
    /// The variance along each component, [C].
    pub variance: Vec<f64>,
    /// The share of all variance on each component, [C].
    pub variance_ratio: Vec<f64>,
    /// Loadings, [C,G], rows of length 1.
    pub components: Array2<f64>,
}

/// Principal components of the centred values; neither these nor, beyond a few thousand genes,
/// their covariance are ever stored. With `scale` this is scanpy's `scale(max_value)` then `pca`.
///
/// # Shapes
/// `x` [N,G].
///
/// # Errors
/// More components than the matrix can have; values that are not finite, or all the same.
pub fn pca(x: &Csr, config: &PcaConfig) -> Result<Pca> {
    let doing = "computing principal components";
    let (n, g, k) = (x.nrows(), x.ncols(), config.n_components);
    let most = n.saturating_sub(1).min(g);
    if k == 0 || k > most {
        return Err(Error::new(doing)
            .expected(format!("1 to {most} components of {n} spots and {g} genes"))
            .found(k.to_string()));
    }
    if config.scale && config.max_value.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
        return Err(Error::new(doing)
            .expected("max_value above 0")
            .found(config.max_value.to_string()));
    }
    if let Some((_, _, v)) = x.find(|v| !v.is_finite()) {
        return Err(Error::new(doing).expected("finite values").found(v.to_string()));
    }
    let operator = Operator::new(x, config)?;
    let total = operator.total_variance();
    if total <= 0.0 {
        return Err(Error::new(doing).expected("values that vary").found("none"));
    }
    let mut pairs = match config.solver {
        PcaSolver::Exact => {
            let covariance = operator.covariance()?;
            lanczos::largest(doing, g, n - 1, k, config.seed, covariance)?
        }
        PcaSolver::Randomized => randomized::largest(doing, &operator, k, config)?,
    };
    for (_, direction) in &mut pairs {
        let strongest =
            direction.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        direction.iter_mut().for_each(|d| *d *= strongest.signum());
    }
    let mut components = Array2::zeros((k, g));
    for (mut row, (_, direction)) in components.rows_mut().into_iter().zip(&pairs) {
        row.iter_mut().zip(direction).for_each(|(to, &from)| *to = from);
    }
    let variance: Vec<f64> = pairs.iter().map(|p| p.0).collect();
    Ok(Pca {
        scores: operator.project(components.t())?,
        variance_ratio: variance.iter().map(|v| v / total).collect(),
        variance,
        components,
    })
}

/// Principal components of the chosen genes of X; loadings of all other genes are zero.
///
/// # Errors
/// As [`pca`]; no such mask, or one without genes.
pub fn pca_of(ds: &Dataset, config: &PcaConfig) -> Result<Pca> {
    let Some(genes) = masked(ds, config)? else { return pca(&ds.x().csr(), config) };
    let mut found = pca(&ds.x().csr().select_cols(&genes)?, config)?;
    let mut components = Array2::zeros((config.n_components, ds.n_vars()));
    for (c, &j) in genes.iter().enumerate() {
        components.column_mut(j).assign(&found.components.column(c));
    }
    found.components = components;
    Ok(found)
}

/// Computes the principal components and keeps them where scanpy does: `obsm["X_pca"]`,
/// `varm["PCs"]`, `uns["pca"]`.
///
/// # Errors
/// As [`pca_of`].
pub fn run_pca(ds: &mut Dataset, config: &PcaConfig) -> Result<()> {
    let Pca { scores, variance, variance_ratio, components } = pca_of(ds, config)?;
    ds.set_obsm(keys::X_PCA, scores)?;
    ds.set_varm(keys::PCS, components.reversed_axes().as_standard_layout().into_owned())?;
    let floats = |v: Vec<f64>| Uns::Floats(ndarray::Array1::from(v).into_dyn());
    ds.uns_mut().set(&["pca", "variance"], floats(variance));
    ds.uns_mut().set(&["pca", "variance_ratio"], floats(variance_ratio));
    ds.uns_mut().set(&["pca", "params", "zero_center"], Uns::Bool(true));
    let mask = config.mask_var.as_deref().unwrap_or(keys::HIGHLY_VARIABLE);
    if ds.var().has(mask) {
        ds.uns_mut().set(&["pca", "params", "mask_var"], Uns::Text(mask.to_owned()));
    }
    Ok(())
}

/// The genes that take part; `None` for all of them.
fn masked(ds: &Dataset, config: &PcaConfig) -> Result<Option<Vec<usize>>> {
    let doing = "choosing the genes of the principal components";
    let name = match &config.mask_var {
        Some(name) => name.as_str(),
        None if ds.var().has(keys::HIGHLY_VARIABLE) => keys::HIGHLY_VARIABLE,
        None => return Ok(None),
    };
    let mask = ds.var().f64(name).map_err(|e| e.within(doing))?;
    let genes: Vec<usize> = (0..mask.len()).filter(|&j| mask[j] == 1.0).collect();
    if genes.is_empty() {
        return Err(Error::new(doing)
            .expected(format!("genes for which var[\"{name}\"] is true"))
            .found("none"));
    }
    Ok(Some(genes).filter(|g| g.len() < ds.n_vars()))
}
