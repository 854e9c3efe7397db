//! k-means by the `linfa-clustering` crate.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array2, ArrayView2, Axis};
use rand::RngExt;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::points;
use crate::base::{Error, Result, interrupt, seed};

/// Options of k-means; the defaults are scikit-learn's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KmeansConfig {
    /// Clusters.
    pub k: usize,
    /// Starts from different centres; the best is kept.
    pub n_init: usize,
    /// Most iterations of a start.
    pub max_iter: usize,
    /// A start ends when the centres move less than this, squared and relative to the mean
    /// variance of the columns.
    pub tol: f64,
    /// Seed of the starts.
    pub seed: u64,
}

impl Default for KmeansConfig {
    fn default() -> Self {
        Self { k: 8, n_init: 10, max_iter: 300, tol: 1e-4, seed: 0 }
    }
}

/// Clusters of points.
#[derive(Clone, Debug)]
pub struct Kmeans {
    /// The cluster of each point, [N], from 0.
    pub labels: Vec<usize>,
    /// Centres, [K,D].
    pub centers: Array2<f64>,
    /// Sum of squared distances of points from their centres.
    pub inertia: f64,
}

/// Lloyd's k-means from k-means++ starts (Arthur and Vassilvitskii, SODA 2007).
///
/// # Shapes
/// `x` [N,D].
///
/// # Errors
/// More clusters than distinct points, values that are not finite, options out of range.
pub fn kmeans(x: ArrayView2<'_, f64>, config: &KmeansConfig) -> Result<Kmeans> {
    let doing = "clustering by k-means";
    points::check(doing, x, config.k)?;
    if config.n_init == 0 || config.max_iter == 0 || !(config.tol.is_finite() && config.tol > 0.0) {
        return Err(Error::new(doing).expected("n_init, max_iter and tol above 0").found(format!(
            "n_init {}, max_iter {}, tol {}",
            config.n_init, config.max_iter, config.tol
        )));
    }
    let (owned, options) = (x.to_owned(), config.clone());
    interrupt::abandonable(doing, move || {
        interrupt::with_own_threads(doing, || best_start(owned.view(), &options))
    })
}

/// The best of all starts. linfa cannot be stopped amid one.
pub(super) fn best_start(x: ArrayView2<'_, f64>, config: &KmeansConfig) -> Result<Kmeans> {
    let doing = "clustering by k-means";
    // linfa is built on the ndarray before ours; the values cross over in a Vec.
    let values: Vec<f64> = x.iter().copied().collect();
    let records =
        ndarray_linfa::Array2::from_shape_vec(x.dim(), values).map_err(|e| Error::io(doing, e))?;
    let data = DatasetBase::from(records);
    let variance = x.var_axis(Axis(0), 0.0).mean().unwrap_or(0.0);
    let tolerance = (config.tol * variance).sqrt().max(f64::MIN_POSITIVE);

    let mut best: Option<Kmeans> = None;
    for start in 0..config.n_init {
        interrupt::check(doing)?;
        let rng = Xoshiro256Plus::seed_from_u64(seed::rng(config.seed, start as u64).random());
        let model = KMeans::params_with_rng(config.k, rng)
            .init_method(KMeansInit::KMeansPlusPlus)
            .n_runs(1)
            .max_n_iterations(config.max_iter as u64)
            .tolerance(tolerance)
            .fit(&data)
            .map_err(|e| Error::io(doing, e))?;
        let labels = model.predict(&data).to_vec();
        let found = finish(x, labels, model.centroids().iter().copied().collect(), config.k);
        if best.as_ref().is_none_or(|b| found.inertia < b.inertia) {
            best = Some(found);
        }
    }
    best.ok_or_else(|| Error::new(doing).found("no start that ended"))
}

/// Moves the centres to the means of their points (linfa counts the centre itself among them) and
/// measures what remains.
fn finish(x: ArrayView2<'_, f64>, labels: Vec<usize>, centers: Vec<f64>, k: usize) -> Kmeans {
    let d = x.ncols();
    let (mut sums, mut sizes) = (Array2::<f64>::zeros((k, d)), vec![0usize; k]);
    for (row, &c) in x.rows().into_iter().zip(&labels) {
        let mut sum = sums.row_mut(c);
        sum += &row;
        sizes[c] += 1;
    }
    for (c, mut centre) in sums.rows_mut().into_iter().enumerate() {
        if sizes[c] > 0 {
            centre /= sizes[c] as f64;
        } else {
            centre.iter_mut().zip(&centers[c * d..]).for_each(|(to, &from)| *to = from);
        }
    }
    let squared = |(row, &c): (ndarray::ArrayView1<'_, f64>, &usize)| {
        row.iter().zip(sums.row(c)).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let inertia = x.rows().into_iter().zip(&labels).map(squared).sum();
    Kmeans { labels, centers: sums, inertia }
}
