//! Leading eigenpairs of a symmetric operator that is only known by what it does to a vector.
//!
//! Lanczos' method with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 10.3),
//! grown until the wanted pairs have converged; at full dimension it is a complete decomposition.
//! Where it stops early it can miss the second copy of an eigenvalue that is exactly double, which
//! measured data do not have.
//!
//! The crates at hand decompose dense matrices, or take a sparse one that cannot be centred and
//! scaled without filling up.

use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::base::{Error, Kind, Result, interrupt, seed};

/// Residual of an eigenpair, relative to the largest eigenvalue.
const TOLERANCE: f64 = 1e-10;

/// The `k` largest eigenvalues, descending, and their unit vectors, each of length `dim`, of the
/// positive semidefinite `apply`, which has rank `rank` at most.
pub(super) fn largest(
    doing: &str,
    dim: usize,
    rank: usize,
    k: usize,
    seed: u64,
    apply: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Vec<(f64, Vec<f64>)>> {
    let mut random = seed::rng(seed, 0);
    let mut draw = || (0..dim).map(|_| StandardNormal.sample(&mut random)).collect::<Vec<f64>>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut next = draw();
    normalise(&mut next);
    let mut check_at = 2 * k + 20;
    loop {
        interrupt::check(doing)?;
        basis.push(next);
        let m = basis.len();
        next = apply(&basis[m - 1]);
        let alpha = dot(&next, &basis[m - 1]);
        if !alpha.is_finite() {
            return Err(Error::new(doing)
                .kind(Kind::Numeric)
                .expected("finite values")
                .found(alpha.to_string()));
        }
        diagonal.push(alpha);
        orthogonalise(&mut next, &basis);
        let mut beta = normalise(&mut next);
        let largest = diagonal.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        // The dimension for which all that can be found has been found.
        let full = m == dim || m > rank;
        if m >= check_at || full {
            let eigen = tridiagonal(&diagonal, &beside);
            let residual = |i: usize| beta * eigen[i].1[m - 1].abs();
            if full || (0..k).all(|i| residual(i) <= TOLERANCE * eigen[0].0) {
                return Ok(eigen
                    .into_iter()
                    .take(k)
                    .map(|(value, y)| (value.max(0.0), combine(&basis, &y)))
                    .collect());
            }
            check_at += check_at / 2;
        }
        if beta <= f64::EPSILON * dim as f64 * largest {
            // An invariant subspace: go on outside it.
            next = draw();
            normalise(&mut next);
            orthogonalise(&mut next, &basis);
            normalise(&mut next);
            beta = 0.0;
        }
        beside.push(beta);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Scales to length 1 and returns the length before.
fn normalise(v: &mut [f64]) -> f64 {
    let length = dot(v, v).sqrt();
    if length > 0.0 {
        v.iter_mut().for_each(|x| *x /= length);
    }
    length
}

/// Takes out of `v` what the basis spans; twice, which is enough (Kahan).
fn orthogonalise(v: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        let parts: Vec<f64> = basis.par_iter().map(|q| dot(q, v)).collect();
        v.par_chunks_mut(512).enumerate().for_each(|(c, chunk)| {
            for (q, part) in basis.iter().zip(&parts) {
                let q = &q[c * 512..c * 512 + chunk.len()];
                chunk.iter_mut().zip(q).for_each(|(x, y)| *x -= part * y);
            }
        });
    }
}

/// Eigenpairs of the symmetric tridiagonal matrix, the largest first.
fn tridiagonal(diagonal: &[f64], beside: &[f64]) -> Vec<(f64, Vec<f64>)> {
    let m = diagonal.len();
    let mut t = DMatrix::from_diagonal(&diagonal.to_vec().into());
    for (i, &b) in beside.iter().take(m - 1).enumerate() {
        t[(i, i + 1)] = b;
        t[(i + 1, i)] = b;
    }
    let eigen = t.symmetric_eigen();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order
        .into_iter()
        .map(|i| (eigen.eigenvalues[i], eigen.eigenvectors.column(i).iter().copied().collect()))
        .collect()
}

fn combine(basis: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; basis[0].len()];
    for (q, w) in basis.iter().zip(weights) {
        out.iter_mut().zip(q).for_each(|(x, y)| *x += w * y);
    }
    normalise(&mut out);
    out
}
