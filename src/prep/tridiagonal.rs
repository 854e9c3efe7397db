//! Eigenvalues of a symmetric tridiagonal matrix, and chosen rows of its eigenvectors.
//!
//! The QL method with implicit shifts (Golub and Van Loan, Matrix Computations, 8.3). nalgebra
//! has the whole decomposition of a dense matrix only, which costs the cube of the size where
//! Lanczos' method asks for the last row, again and again.

/// Steps that an eigenvalue may take; two or three are usual.
const MOST_STEPS: usize = 80;

/// Eigenvalues, descending, and of each its unit vector at the places `rows`; `None` where they
/// did not converge, as with values that are not finite.
pub(super) fn eigen(
    diagonal: &[f64],
    beside: &[f64],
    rows: &[usize],
) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
    let n = diagonal.len();
    let (mut d, mut e) = (diagonal.to_vec(), vec![0.0; n]);
    e[..n - 1].copy_from_slice(&beside[..n - 1]);
    // vectors[i][r]: the eigenvector i at rows[r]; they start as the unit vectors.
    let unit = |i: usize| rows.iter().map(|&r| f64::from(u8::from(r == i))).collect();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(unit).collect();
    for l in 0..n {
        for step in 0.. {
            let negligible = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
            let end = (l..n - 1).find(|&m| negligible(m)).unwrap_or(n - 1);
            if end == l {
                break;
            }
            if step == MOST_STEPS {
                return None;
            }
            sweep(&mut d, &mut e, &mut vectors, l, end);
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| d[b].total_cmp(&d[a]));
    let values = order.iter().map(|&i| d[i]).collect();
    let vectors = order.iter().map(|&i| std::mem::take(&mut vectors[i])).collect();
    Some((values, vectors))
}

/// One implicit QL step on the block from `l` to `end`: a bulge is chased up by rotations.
fn sweep(d: &mut [f64], e: &mut [f64], vectors: &mut [Vec<f64>], l: usize, end: usize) {
    let half = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let shift = d[l] - e[l] / (half + half.hypot(1.0).copysign(half));
    let mut g = d[end] - shift;
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    for i in (l..end).rev() {
        let f = sine * e[i];
        let b = cosine * e[i];
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            // The block falls apart here.
            d[i + 1] -= moved;
            e[end] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = d[i + 1] - moved;
        let t = (d[i] - g) * sine + 2.0 * cosine * b;
        moved = sine * t;
        d[i + 1] = g + moved;
        g = cosine * t - b;
        let (low, high) = vectors.split_at_mut(i + 1);
        for (a, b) in low[i].iter_mut().zip(&mut high[0]) {
            (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
        }
    }
    d[l] -= moved;
    e[l] = g;
    e[end] = 0.0;
}
