//! Leading directions by random projections.

use nalgebra::DMatrix;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::{Operator, PcaConfig};
use crate::base::{Error, Kind, Result, interrupt, seed};

/// Directions beyond those wanted, which keep the last of these accurate.
const MORE: usize = 20;

/// The `k` largest variances, descending, and their directions [G]: a random block of directions
/// is multiplied by the covariance and made orthonormal again and again, and the covariance is
/// then decomposed within what it spans.
pub(super) fn largest(
    doing: &str,
    operator: &Operator<'_>,
    k: usize,
    config: &PcaConfig,
) -> Result<Vec<(f64, Vec<f64>)>> {
    let (n, g) = operator.shape();
    let width = (k + MORE).min(g).min(n);
    let mut random = seed::rng(config.seed, 0);
    let draw = || StandardNormal.sample(&mut random);
    let covariance = operator.covariance_block(width * (config.n_iter + 1))?;
    let mut block = orthonormal(Array2::from_shape_simple_fn((g, width), draw));
    for _ in 0..config.n_iter {
        interrupt::check(doing)?;
        block = orthonormal(covariance(block.view())?);
    }
    let inside = block.t().dot(&covariance(block.view())?);
    if inside.iter().any(|v| !v.is_finite()) {
        return Err(Error::new(doing).kind(Kind::Numeric).expected("finite values").found("none"));
    }
    let inside = DMatrix::from_fn(width, width, |i, j| (inside[[i, j]] + inside[[j, i]]) / 2.0);
    let eigen = inside.symmetric_eigen();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let pair = |i: usize| {
        let within = ndarray::Array1::from_iter(eigen.eigenvectors.column(i).iter().copied());
        (eigen.eigenvalues[i].max(0.0), block.dot(&within).to_vec())
    };
    Ok(order.into_iter().take(k).map(pair).collect())
}

/// Columns made orthonormal one after the other, each twice (Gram and Schmidt, Kahan); columns
/// that lie in the span of those before become zero.
fn orthonormal(block: Array2<f64>) -> Array2<f64> {
    let mut rows = block.reversed_axes().as_standard_layout().into_owned();
    for i in 0..rows.nrows() {
        let (before, mut rest) = rows.view_mut().split_at(ndarray::Axis(0), i);
        let mut row = rest.row_mut(0);
        let length = row.dot(&row).sqrt();
        for _ in 0..2 {
            let parts = before.dot(&row);
            row -= &before.t().dot(&parts);
        }
        let left = row.dot(&row).sqrt();
        let keep = left > 1e-12 * length;
        row.mapv_inplace(|v| if keep { v / left } else { 0.0 });
    }
    rows.reversed_axes().as_standard_layout().into_owned()
}
