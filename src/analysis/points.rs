//! What every clustering asks of its input.

use ndarray::ArrayView2;

use crate::base::{Error, Result};

/// Refuses empty input, values that are not finite, and more clusters than distinct points.
pub(super) fn check(doing: &str, x: ArrayView2<'_, f64>, k: usize) -> Result<()> {
    let (n, d) = x.dim();
    if n == 0 || d == 0 {
        return Err(Error::new(doing)
            .expected("points with coordinates")
            .found(format!("shape [{n}, {d}]")));
    }
    if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::new(doing)
            .expected("finite values")
            .found(format!("{v} in row {i}, column {j}")));
    }
    if k == 0 || k > n {
        return Err(Error::new(doing)
            .expected(format!("1 to {n} clusters of {n} points"))
            .found(k.to_string()));
    }
    let row = |i: usize| x.row(i).into_iter();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| row(a).partial_cmp(row(b)).unwrap_or(std::cmp::Ordering::Equal));
    let distinct = 1 + order.windows(2).filter(|w| row(w[0]).ne(row(w[1]))).count();
    if k > distinct {
        return Err(Error::new(doing)
            .expected(format!("at most {distinct} clusters, as many as there are distinct points"))
            .found(k.to_string()));
    }
    Ok(())
}
