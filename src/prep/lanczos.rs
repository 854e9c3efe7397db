//! Leading eigenpairs of a symmetric operator that is only known by what it does to a vector.
//!
//! Lanczos' method with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 10.3),
//! grown until the wanted pairs have converged; at full dimension it is a complete decomposition.
//! Where it stops early it can miss the second copy of an eigenvalue that is exactly double, which
//! measured data do not have.
//!
//! The crates at hand decompose dense matrices, or take a sparse one that cannot be centred and
//! scaled without filling up.

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::tridiagonal;
use crate::base::{Error, Kind, Result, interrupt, seed};

/// Residual of an eigenpair, relative to the largest eigenvalue.
const TOLERANCE: f64 = 1e-10;
/// Steps between looks at whether the pairs have converged.
const STEPS: usize = 16;

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
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = draw();
    normalise(&mut next);
    let mut check_at = 2 * k + STEPS;
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
        subtract(&mut next, alpha, &basis[m - 1]);
        if let (Some(&beta), true) = (beside.last(), m > 1) {
            subtract(&mut next, beta, &basis[m - 2]);
        }
        orthogonalise(&mut next, &basis);
        let mut beta = normalise(&mut next);
        let largest = diagonal.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        // The dimension for which all that can be found has been found.
        let full = m == dim || m > rank;
        if m >= check_at || full {
            let (values, last) = tridiagonal::eigen(&diagonal, &beside, &[m - 1])
                .ok_or_else(|| Error::new(doing).kind(Kind::Numeric).found("no convergence"))?;
            let residual = |i: usize| beta * last[i][0].abs();
            if full || (0..k).all(|i| residual(i) <= TOLERANCE * values[0]) {
                return pairs(doing, &basis, &diagonal, &beside, k);
            }
            check_at += STEPS;
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

fn pairs(
    doing: &str,
    basis: &[Vec<f64>],
    diagonal: &[f64],
    beside: &[f64],
    k: usize,
) -> Result<Vec<(f64, Vec<f64>)>> {
    let all: Vec<usize> = (0..diagonal.len()).collect();
    let (values, vectors) = tridiagonal::eigen(diagonal, beside, &all)
        .ok_or_else(|| Error::new(doing).kind(Kind::Numeric).found("no convergence"))?;
    Ok(values
        .into_par_iter()
        .zip(vectors)
        .take(k)
        .map(|(value, y)| (value.max(0.0), combine(basis, &y)))
        .collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums side by side: one would wait for itself at every step.
    let (a4, a1) = a.as_chunks::<4>();
    let (b4, b1) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (x, y) in a4.iter().zip(b4) {
        for l in 0..4 {
            sums[l] += x[l] * y[l];
        }
    }
    sums.iter().sum::<f64>() + a1.iter().zip(b1).map(|(x, y)| x * y).sum::<f64>()
}

fn subtract(v: &mut [f64], part: f64, q: &[f64]) {
    v.iter_mut().zip(q).for_each(|(x, y)| *x -= part * y);
}

/// Scales to length 1 and returns the length before.
fn normalise(v: &mut [f64]) -> f64 {
    let length = dot(v, v).sqrt();
    if length > 0.0 {
        v.iter_mut().for_each(|x| *x /= length);
    }
    length
}

/// Takes out of `v` what the basis spans; a second time where the first took so much that its own
/// rounding shows (Kahan: twice is enough).
fn orthogonalise(v: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        let before = dot(v, v);
        let parts: Vec<f64> = basis.par_iter().with_min_len(16).map(|q| dot(q, v)).collect();
        v.par_chunks_mut(512).enumerate().for_each(|(c, chunk)| {
            for (q, part) in basis.iter().zip(&parts) {
                let q = &q[c * 512..c * 512 + chunk.len()];
                chunk.iter_mut().zip(q).for_each(|(x, y)| *x -= part * y);
            }
        });
        if dot(v, v) > 0.5 * before {
            return;
        }
    }
}

fn combine(basis: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; basis[0].len()];
    for (q, w) in basis.iter().zip(weights) {
        out.iter_mut().zip(q).for_each(|(x, y)| *x += w * y);
    }
    normalise(&mut out);
    out
}
