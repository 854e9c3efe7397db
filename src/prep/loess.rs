//! Local regression of one variable on another.
//!
//! As `loess` of netlib computes it (Cleveland and Grosse, Statistics and Computing 1991), which
//! scanpy uses by way of scikit-misc: a quadratic is fitted at the corners of the cells of a k-d
//! tree only, and between them a cubic takes both their values and their slopes. No crate at hand
//! has it.

use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

/// A cell is split until it holds this share of the span or less.
const CELL: f64 = 0.2;
/// How far the outer corners lie beyond the points, relative to their range.
const MARGIN: f64 = 0.005;

/// Values of `y` fitted at each `x`, by weighted least squares of degree 2 over the nearest `span`
/// of all points, with tricube weights, without robustness steps.
pub(super) fn loess(x: &[f64], y: &[f64], span: f64) -> Vec<f64> {
    let n = x.len();
    if n == 0 {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]).then(a.cmp(&b)));
    let (xs, ys): (Vec<f64>, Vec<f64>) = order.iter().map(|&i| (x[i], y[i])).unzip();
    let corners = corners(&xs, (n as f64 * span * CELL) as usize);
    let width = ((n as f64 * span + 1e-5) as usize).clamp(3.min(n), n);
    let fits: Vec<(f64, f64)> = corners
        .par_iter()
        .map(|&at| {
            let window = nearest(&xs, at, width);
            fit(&xs[window.clone()], &ys[window], at)
        })
        .collect();
    x.iter()
        .map(|&at| {
            let right = corners.partition_point(|&c| c < at).clamp(1, corners.len() - 1);
            hermite(at, (corners[right - 1], corners[right]), (fits[right - 1], fits[right]))
        })
        .collect()
}

/// The corners of the cells, ascending: two outside the points, and where cells of more than
/// `most` points are split in the middle.
fn corners(xs: &[f64], most: usize) -> Vec<f64> {
    let (low, high) = (xs[0], xs[xs.len() - 1]);
    let size = (high - low).max(1e-10 * low.abs().max(high.abs()) + 1e-30);
    let mut corners = vec![low - MARGIN * size, high + MARGIN * size];
    let mut cells = vec![(0, xs.len() - 1, corners[0], corners[1])];
    while let Some((first, last, from, to)) = cells.pop() {
        if last - first < most.max(1) {
            continue;
        }
        let cut = middle(xs, first, last);
        if xs[cut] == from || xs[cut] == to {
            continue;
        }
        corners.push(xs[cut]);
        cells.push((first, cut, from, xs[cut]));
        cells.push((cut + 1, last, xs[cut], to));
    }
    corners.sort_by(f64::total_cmp);
    corners
}

/// The middle point of a cell, or the nearest to it that the next point does not equal.
fn middle(xs: &[f64], first: usize, last: usize) -> usize {
    let middle = (first + last) / 2;
    let steps = (0..=last - first).flat_map(|d| [middle.checked_add(d), middle.checked_sub(d)]);
    let inside = steps.flatten().filter(|&m| m >= first && m < last);
    inside.into_iter().find(|&m| xs[m] != xs[m + 1]).unwrap_or(middle)
}

/// The `width` points nearest to `at`.
fn nearest(xs: &[f64], at: f64, width: usize) -> std::ops::Range<usize> {
    // As the window moves right, its right neighbour comes nearer than its left end until it fits.
    let (mut low, mut high) = (0, xs.len() - width);
    while low < high {
        let start = (low + high) / 2;
        if xs[start + width] - at < at - xs[start] { low = start + 1 } else { high = start }
    }
    low..low + width
}

/// Value and slope at `at` of the quadratic through a window of points.
fn fit(xs: &[f64], ys: &[f64], at: f64) -> (f64, f64) {
    let reach = (at - xs[0]).max(xs[xs.len() - 1] - at);
    if reach == 0.0 {
        return (ys.iter().sum::<f64>() / ys.len() as f64, 0.0);
    }
    let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for (&x, &y) in xs.iter().zip(ys) {
        let t = (x - at) / reach;
        let weight = (1.0 - t.abs().powi(3)).max(0.0).powi(3);
        let row = Vector3::new(1.0, t, t * t);
        normal += weight * row * row.transpose();
        right += weight * y * row;
    }
    // Few distinct x make the system singular; the pseudo-inverse then lowers the degree.
    let tolerance = 1e-12 * normal.trace();
    let solved = normal.svd(true, true).solve(&right, tolerance);
    solved.map_or((f64::NAN, f64::NAN), |beta| (beta[0], beta[1] / reach))
}

/// The cubic that has the values and slopes of both ends.
fn hermite(at: f64, ends: (f64, f64), fits: ((f64, f64), (f64, f64))) -> f64 {
    let width = ends.1 - ends.0;
    let h = (at - ends.0) / width;
    let ((v0, s0), (v1, s1)) = fits;
    (1.0 - h).powi(2) * (1.0 + 2.0 * h) * v0
        + h * h * (3.0 - 2.0 * h) * v1
        + (h * (1.0 - h).powi(2) * s0 + h * h * (h - 1.0) * s1) * width
}
