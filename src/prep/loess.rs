//! Local quadratic regression of one variable on another.

use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

/// Values fitted at each `x` by weighted least squares of degree 2 over the nearest `span` of all
/// points, with tricube weights (Cleveland and Devlin, JASA 1988), without robustness steps.
///
/// The reference, `loess` of netlib by way of scikit-misc, fits at the corners of a k-d tree and
/// blends between them; here every `x` is fitted, so values differ a little (1997 of 2000 genes
/// selected by it are the same on the slide of the tests). No crate at hand has it.
pub(super) fn loess(x: &[f64], y: &[f64], span: f64) -> Vec<f64> {
    let n = x.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]).then(a.cmp(&b)));
    let (xs, ys): (Vec<f64>, Vec<f64>) = order.iter().map(|&i| (x[i], y[i])).unzip();
    let width = ((n as f64 * span + 1e-5) as usize).clamp(3.min(n), n);

    // The window of the `width` nearest points only moves right as x grows.
    let mut starts = Vec::with_capacity(n);
    let mut start = 0;
    for &at in &xs {
        while start + width < n && xs[start + width] - at < at - xs[start] {
            start += 1;
        }
        starts.push(start);
    }
    let fitted: Vec<f64> = (0..n)
        .into_par_iter()
        .map(|i| {
            let window = starts[i]..starts[i] + width;
            fit(&xs[window.clone()], &ys[window], xs[i])
        })
        .collect();
    let mut out = vec![0.0; n];
    order.iter().zip(fitted).for_each(|(&i, v)| out[i] = v);
    out
}

fn fit(xs: &[f64], ys: &[f64], at: f64) -> f64 {
    let reach = (at - xs[0]).max(xs[xs.len() - 1] - at);
    if reach == 0.0 {
        return ys.iter().sum::<f64>() / ys.len() as f64;
    }
    let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for (&x, &y) in xs.iter().zip(ys) {
        let t = (x - at) / reach;
        let weight = (1.0 - t.abs().powi(3)).powi(3);
        let row = Vector3::new(1.0, t, t * t);
        normal += weight * row * row.transpose();
        right += weight * y * row;
    }
    // Few distinct x make the system singular; the pseudo-inverse then lowers the degree.
    let tolerance = 1e-12 * normal.trace();
    normal.svd(true, true).solve(&right, tolerance).map_or(f64::NAN, |beta| beta[0])
}
