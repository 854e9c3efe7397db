//! Means and variances of genes.

use crate::data::Csr;

/// Mean and variance (over N - 1) of `f` of each column, zeros included; `f(0)` must be 0.
pub(super) fn moments(x: &Csr, f: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
    let (n, g) = (x.nrows() as f64, x.ncols());
    let (_, genes, values) = x.parts();
    let mut mean = vec![0.0; g];
    for (&j, &v) in genes.iter().zip(values) {
        mean[j as usize] += f(f64::from(v));
    }
    mean.iter_mut().for_each(|m| *m /= n);
    // Around the mean, in a second pass: sums of squares would lose the small variances.
    let (mut squares, mut stored) = (vec![0.0; g], vec![0.0; g]);
    for (&j, &v) in genes.iter().zip(values) {
        let j = j as usize;
        squares[j] += (f(f64::from(v)) - mean[j]).powi(2);
        stored[j] += 1.0;
    }
    let rest = |j: usize| (n - stored[j]) * mean[j] * mean[j];
    let variance = (0..g).map(|j| (squares[j] + rest(j)) / (n - 1.0).max(1.0)).collect();
    (mean, variance)
}
