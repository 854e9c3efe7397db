//! A mixture of Gaussians that share one covariance.
//!
//! Own EM: `linfa-clustering` fits full covariances only, and no other crate at hand fits tied ones.

use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, ArrayView2};
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kmeans::best_start as best_kmeans;
use super::{KmeansConfig, points};
use crate::base::{Error, Kind, Result, interrupt, progress, seed};

/// The least share of a column's variance that the columns before it must leave.
const LEAST_PIVOT: f64 = 1e-12;

/// Options of the mixture; the defaults but for `n_init` are scikit-learn's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GmmConfig {
    /// Components.
    pub k: usize,
    /// Starts, each from a k-means of its own seed; the one with the highest likelihood is kept.
    pub n_init: usize,
    /// Most iterations of a start.
    pub max_iter: usize,
    /// A start ends when the mean log-likelihood changes less than this.
    pub tol: f64,
    /// Added to the diagonal of the covariance.
    pub reg_covar: f64,
    /// Seed of the starts.
    pub seed: u64,
}

impl Default for GmmConfig {
    fn default() -> Self {
        Self { k: 7, n_init: 10, max_iter: 100, tol: 1e-3, reg_covar: 1e-6, seed: 0 }
    }
}

/// A fitted mixture.
#[derive(Clone, Debug)]
pub struct Gmm {
    /// The likeliest component of each point, [N], from 0.
    pub labels: Vec<usize>,
    /// Means, [K,D].
    pub means: Array2<f64>,
    /// The shared covariance, [D,D].
    pub covariance: Array2<f64>,
    /// Weights, [K], that sum to 1.
    pub weights: Vec<f64>,
    /// Mean over points of the logarithm of their density.
    pub mean_log_likelihood: f64,
    /// Bayesian information criterion: the lower the better.
    pub bic: f64,
    /// Whether the kept start ended by `tol` rather than by `max_iter`.
    pub converged: bool,
}

/// Fits by expectation and maximisation as scikit-learn's `GaussianMixture(covariance_type="tied")`
/// does. Starts run side by side, each on one thread, so the result depends on the seed alone.
///
/// # Shapes
/// `x` [N,D].
///
/// # Errors
/// More components than distinct points, values that are not finite, a column that is constant, a
/// covariance that cannot be inverted, options out of range.
pub fn gmm(x: ArrayView2<'_, f64>, config: &GmmConfig) -> Result<Gmm> {
    let doing = "fitting a Gaussian mixture";
    points::check(doing, x, config.k)?;
    let positive = |v: f64| v.is_finite() && v >= 0.0;
    if config.n_init == 0
        || config.max_iter == 0
        || !positive(config.tol)
        || !positive(config.reg_covar)
    {
        return Err(Error::new(doing)
            .expected("n_init and max_iter above 0, tol and reg_covar not below")
            .found(format!("{config:?}")));
    }
    if let Some(j) = x.columns().into_iter().position(|c| c.iter().all(|v| *v == c[0])) {
        return Err(Error::new(doing)
            .expected("columns that vary")
            .found(format!("column {j}, which is {} everywhere", x[[0, j]]))
            .advice("Drop constant columns first"));
    }
    let (owned, options) = (x.to_owned(), config.clone());
    let best = interrupt::abandonable(doing, move || {
        interrupt::with_own_threads(doing, || best_start(doing, owned.view(), &options))
    })?;
    if !best.converged {
        progress::note(format!(
            "{doing}: no convergence in {} iterations; raise max_iter or tol",
            config.max_iter
        ));
    }
    Ok(best)
}

/// The likeliest of all starts.
fn best_start(doing: &str, x: ArrayView2<'_, f64>, config: &GmmConfig) -> Result<Gmm> {
    // Centred, so that a covariance far from the origin keeps its digits.
    let centre: Vec<f64> = x.columns().into_iter().map(|c| c.sum() / c.len() as f64).collect();
    let points = DMatrix::from_fn(x.ncols(), x.nrows(), |j, i| x[[i, j]] - centre[j]); // [D,N]
    let squares = &points * points.transpose(); // [D,D]
    let fits: Vec<Result<Gmm>> = (0..config.n_init)
        .into_par_iter()
        .map(|s| start(x, &points, &squares, config, s as u64))
        .collect();
    let mut best: Option<Gmm> = None;
    for fit in fits {
        let fit = fit.map_err(|e| e.within(doing))?;
        if best.as_ref().is_none_or(|b| fit.mean_log_likelihood > b.mean_log_likelihood) {
            best = Some(fit);
        }
    }
    let mut best = best.ok_or_else(|| Error::new(doing).found("no start that ended"))?;
    best.means += &ndarray::ArrayView1::from(&centre);
    Ok(best)
}

/// Where one start stands.
struct Fit {
    weights: Vec<f64>,
    means: DMatrix<f64>,      // [D,K]
    covariance: DMatrix<f64>, // [D,D]
    /// Responsibilities and the mean log-likelihood of the last expectation step.
    shares: DMatrix<f64>, // [K,N]
    bound: f64,
    converged: bool,
}

fn start(
    x: ArrayView2<'_, f64>,
    points: &DMatrix<f64>,
    squares: &DMatrix<f64>,
    config: &GmmConfig,
    stream: u64,
) -> Result<Gmm> {
    let seed = seed::rng(config.seed, stream).random();
    let first =
        best_kmeans(x, &KmeansConfig { k: config.k, n_init: 1, seed, ..KmeansConfig::default() })?;
    let mut shares = DMatrix::zeros(config.k, x.nrows());
    first.labels.iter().enumerate().for_each(|(i, &c)| shares[(c, i)] = 1.0);
    let mut fit = maximise(points, squares, shares, config.reg_covar);
    for _ in 0..config.max_iter {
        interrupt::check("fitting a Gaussian mixture")?;
        let (shares, bound) = expect(points, &fit)?;
        let change = bound - fit.bound;
        fit = Fit { bound, ..maximise(points, squares, shares, config.reg_covar) };
        if change.abs() < config.tol {
            fit.converged = true;
            break;
        }
    }
    // A last expectation, so that shares and likelihood belong to the parameters.
    let (shares, bound) = expect(points, &fit)?;
    Ok(Fit { shares, bound, ..fit }.into_gmm())
}

/// Parameters that the responsibilities imply.
fn maximise(
    points: &DMatrix<f64>,
    squares: &DMatrix<f64>,
    shares: DMatrix<f64>,
    reg_covar: f64,
) -> Fit {
    let n = points.ncols() as f64;
    // scikit-learn's guard against an empty component.
    let sizes: Vec<f64> = shares.row_iter().map(|r| r.sum() + 10.0 * f64::EPSILON).collect();
    let mut means = points * shares.transpose();
    means.column_iter_mut().zip(&sizes).for_each(|(mut m, size)| m /= *size);
    let mut weighted = means.clone();
    weighted.column_iter_mut().zip(&sizes).for_each(|(mut m, size)| m *= *size);
    let mut covariance = (squares - weighted * means.transpose()) / sizes.iter().sum::<f64>();
    (0..covariance.nrows()).for_each(|j| covariance[(j, j)] += reg_covar);
    let weights = sizes.iter().map(|s| s / n).collect();
    Fit { weights, means, covariance, shares, bound: f64::NEG_INFINITY, converged: false }
}

/// Responsibilities, [K,N], and the mean log-likelihood.
fn expect(points: &DMatrix<f64>, fit: &Fit) -> Result<(DMatrix<f64>, f64)> {
    let (d, n) = points.shape();
    let factor = fit.covariance.clone().cholesky().map(|c| c.unpack());
    // Rounding lets a singular matrix through with pivots of nearly nothing.
    let sound =
        |l: &DMatrix<f64>| (0..d).all(|j| l[(j, j)].powi(2) > LEAST_PIVOT * fit.covariance[(j, j)]);
    let factor = factor.filter(sound).ok_or_else(|| {
        Error::new("inverting the shared covariance")
            .kind(Kind::Numeric)
            .expected("a positive definite matrix")
            .found("columns that depend on each other")
            .advice("Use fewer columns, or raise reg_covar")
    })?;
    // Both sides of the distance are whitened: |L^-1 x - L^-1 m|.
    let unsolved = || Error::new("inverting the shared covariance").kind(Kind::Numeric);
    let white = factor.solve_lower_triangular(points).ok_or_else(unsolved)?; // [D,N]
    let means = factor.solve_lower_triangular(&fit.means).ok_or_else(unsolved)?; // [D,K]
    let half_log_det: f64 = factor.diagonal().iter().map(|v| v.ln()).sum();
    let constant = -0.5 * d as f64 * std::f64::consts::TAU.ln() - half_log_det;
    let offsets: Vec<f64> = fit.weights.iter().map(|w| w.ln() + constant).collect();

    let mut shares = DMatrix::zeros(offsets.len(), n);
    let mut total = 0.0;
    for i in 0..n {
        let point = white.column(i);
        let mut column = shares.column_mut(i);
        for (c, offset) in offsets.iter().enumerate() {
            let squared: f64 =
                point.iter().zip(means.column(c).iter()).map(|(a, b)| (a - b).powi(2)).sum();
            column[c] = offset - 0.5 * squared;
        }
        let top = column.max();
        let log_density = top + column.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
        column.apply(|v| *v = (*v - log_density).exp());
        total += log_density;
    }
    if !total.is_finite() {
        return Err(Error::new("computing the likelihood")
            .kind(Kind::Numeric)
            .expected("a finite value")
            .found(total.to_string()));
    }
    Ok((shares, total / n as f64))
}

impl Fit {
    fn into_gmm(self) -> Gmm {
        let (k, n) = self.shares.shape();
        let d = self.means.nrows();
        let labels = self.shares.column_iter().map(|c| DVector::from(c).argmax().0).collect();
        let parameters = (d * (d + 1) / 2 + k * d + k - 1) as f64;
        Gmm {
            labels,
            means: Array2::from_shape_fn((k, d), |(c, j)| self.means[(j, c)]),
            covariance: Array2::from_shape_fn((d, d), |(a, b)| self.covariance[(a, b)]),
            weights: self.weights,
            mean_log_likelihood: self.bound,
            bic: parameters * (n as f64).ln() - 2.0 * self.bound * n as f64,
            converged: self.converged,
        }
    }
}
