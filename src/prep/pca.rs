//! Principal components of a sparse matrix that is never filled up.

use ndarray::Array2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lanczos;
use super::moments::moments;
use crate::base::{Error, Result};
use crate::data::Csr;

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
    /// Seed of the start vector. It changes the result in the last digits only.
    pub seed: u64,
}

impl Default for PcaConfig {
    fn default() -> Self {
        Self { n_components: 50, scale: false, max_value: 10.0, seed: 0 }
    }
}

/// Principal components; signs are such that the largest loading of each is positive.
#[derive(Clone, Debug)]
pub struct Pca {
    /// Spots on the components, [N,C].
    pub scores: Array2<f64>,
    /// The share of all variance on each component, [C].
    pub variance_ratio: Vec<f64>,
    /// Loadings, [C,G], rows of length 1.
    pub components: Array2<f64>,
}

/// A gene's values as PCA sees them: stored values become `(v - mean) * inverse` clipped at `cap`,
/// less what a zero becomes. The rest, one constant a gene, is taken away by centring anyway.
#[derive(Clone, Copy)]
struct Gene {
    mean: f64,
    inverse: f64,
    cap: f64,
    zero: f64,
}

impl Gene {
    fn new(mean: f64, variance: f64, config: &PcaConfig) -> Self {
        if !config.scale {
            return Self { mean: 0.0, inverse: 1.0, cap: f64::INFINITY, zero: 0.0 };
        }
        let inverse = if variance > 0.0 { 1.0 / variance.sqrt() } else { 1.0 };
        let zero = (-mean * inverse).max(-config.max_value);
        Self { mean, inverse, cap: config.max_value, zero }
    }

    fn value(&self, v: f32) -> f64 {
        ((f64::from(v) - self.mean) * self.inverse).clamp(-self.cap, self.cap) - self.zero
    }
}

/// Exact principal components (to 1e-10 of the largest variance) by Lanczos' method on the
/// covariance of the centred values; neither the values nor the covariance are ever stored.
/// With `scale` this is scanpy's `scale(max_value)` then `pca`.
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
    if let Some(v) = x.parts().2.iter().find(|v| !v.is_finite()) {
        return Err(Error::new(doing).expected("finite values").found(v.to_string()));
    }
    let (mean, variance) = moments(x, |v| v);
    let genes: Vec<Gene> =
        mean.iter().zip(&variance).map(|(&m, &v)| Gene::new(m, v, config)).collect();
    let by_gene = x.transpose();
    let column = |j: usize| {
        let (gene, (spots, values)) = (genes[j], by_gene.row(j));
        spots.iter().zip(values).map(move |(&i, &v)| (i as usize, gene.value(v)))
    };
    // Mean and variance of the values as they are now.
    let (centre, spread): (Vec<f64>, Vec<f64>) = (0..g)
        .into_par_iter()
        .map(|j| {
            let centre = column(j).map(|(_, v)| v).sum::<f64>() / n as f64;
            let squares: f64 = column(j).map(|(_, v)| (v - centre).powi(2)).sum();
            let zeros = (n - by_gene.row(j).0.len()) as f64;
            (centre, (squares + zeros * centre * centre) / (n - 1) as f64)
        })
        .unzip();
    let total: f64 = spread.iter().sum();
    if total <= 0.0 {
        return Err(Error::new(doing).expected("values that vary").found("none"));
    }

    // Spots on a direction: [G] to [N].
    let project = |direction: &[f64]| -> Vec<f64> {
        let offset: f64 = centre.iter().zip(direction).map(|(c, d)| c * d).sum();
        let spot = |i: usize| {
            let (cols, values) = x.row(i);
            cols.iter()
                .zip(values)
                .map(|(&j, &v)| genes[j as usize].value(v) * direction[j as usize])
                .sum::<f64>()
                - offset
        };
        (0..n).into_par_iter().map(spot).collect()
    };
    let covariance = |direction: &[f64]| -> Vec<f64> {
        let along = project(direction);
        let sum: f64 = along.iter().sum();
        let gene = |j: usize| {
            let product: f64 = column(j).map(|(i, v)| v * along[i]).sum();
            (product - centre[j] * sum) / (n - 1) as f64
        };
        (0..g).into_par_iter().map(gene).collect()
    };
    let pairs = lanczos::largest(doing, g, n - 1, k, config.seed, covariance)?;

    let (mut scores, mut components) = (Array2::zeros((n, k)), Array2::zeros((k, g)));
    for (c, (_, direction)) in pairs.iter().enumerate() {
        let strongest =
            direction.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        let direction: Vec<f64> = direction.iter().map(|d| d * strongest.signum()).collect();
        scores.column_mut(c).assign(&ndarray::Array1::from(project(&direction)));
        components.row_mut(c).assign(&ndarray::Array1::from(direction));
    }
    Ok(Pca {
        scores,
        variance_ratio: pairs.iter().map(|(value, _)| value / total).collect(),
        components,
    })
}
