//! Variance of counts against its trend over the mean: Seurat v3's.

use super::super::loess::loess;
use super::super::moments::moments;
use super::{Ranking, descending};
use crate::base::{Result, interrupt};
use crate::data::Csr;

/// The share of the genes that a fit of the trend looks at.
const SPAN: f64 = 0.3;

/// # Shapes
/// `x` [N,G], counts.
pub(super) fn rank(doing: &str, x: &Csr, batches: &[Vec<usize>], n_top: usize) -> Result<Ranking> {
    let (means, variances) = moments(x);
    interrupt::check(doing)?;
    if batches.is_empty() {
        let normalised = standardised(x, &means, &variances);
        let order = descending(&normalised, |j| variances[j] != 0.0);
        let columns =
            vec![("means", means), ("variances", variances), ("variances_norm", normalised)];
        return Ok(Ranking { columns, order, in_batches: None, rank: None });
    }
    let g = x.ncols();
    let (mut sums, mut ranks) = (vec![0.0; g], vec![Vec::new(); g]);
    for spots in batches {
        let part = x.select_rows(spots)?;
        let (mean, variance) = moments(&part);
        interrupt::check(doing)?;
        let normalised = standardised(&part, &mean, &variance);
        sums.iter_mut().zip(&normalised).for_each(|(s, v)| *s += v);
        let order = descending(&normalised, |_| true);
        order.iter().take(n_top).enumerate().for_each(|(r, &j)| ranks[j].push(r as f64));
    }
    sums.iter_mut().for_each(|s| *s /= batches.len() as f64);
    let in_batches: Vec<usize> = ranks.iter().map(Vec::len).collect();
    // Ranks were pushed a batch at a time.
    let median = |ranks: &mut Vec<f64>| {
        ranks.sort_by(f64::total_cmp);
        match ranks.len() {
            0 => f64::NAN,
            n => (ranks[(n - 1) / 2] + ranks[n / 2]) / 2.0,
        }
    };
    let rank: Vec<f64> = ranks.iter_mut().map(median).collect();
    let mut order: Vec<usize> = (0..g).filter(|&j| variances[j] != 0.0).collect();
    order.sort_by(|&a, &b| {
        rank[a].total_cmp(&rank[b]).then(in_batches[b].cmp(&in_batches[a])).then(a.cmp(&b))
    });
    let columns = vec![("means", means), ("variances", variances), ("variances_norm", sums)];
    Ok(Ranking { columns, order, in_batches: Some(in_batches), rank: Some(rank) })
}

/// The variance of each gene's values, standardised by what the trend expects and clipped at the
/// square root of N.
fn standardised(x: &Csr, mean: &[f64], variance: &[f64]) -> Vec<f64> {
    let n = x.nrows() as f64;
    let varying: Vec<usize> = (0..x.ncols()).filter(|&j| variance[j] > 0.0).collect();
    let log = |v: &[f64]| varying.iter().map(|&j| v[j].log10()).collect::<Vec<f64>>();
    let trend = loess(&log(mean), &log(variance), SPAN);
    let mut spread = vec![1.0; x.ncols()];
    varying.iter().zip(trend).for_each(|(&j, t)| spread[j] = 10f64.powf(t / 2.0));
    let most: Vec<f64> = spread.iter().zip(mean).map(|(s, m)| s * n.sqrt() + m).collect();
    let add = |(sum, squares): &mut (f64, f64), j: usize, v: f32| {
        let clipped = f64::from(v).min(most[j]);
        *sum += clipped;
        *squares += clipped * clipped;
    };
    let sums = x.fold_columns((0.0, 0.0), add, |a, b| {
        a.0 += b.0;
        a.1 += b.1;
    });
    let gene = |(j, (sum, squares)): (usize, (f64, f64))| {
        (n * mean[j] * mean[j] + squares - 2.0 * sum * mean[j])
            / ((n - 1.0) * spread[j] * spread[j])
    };
    sums.into_iter().enumerate().map(gene).collect()
}
