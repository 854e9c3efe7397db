//! Variance over mean, standardised among genes of a similar mean: Seurat's and Cell Ranger's.

use super::super::moments::{Memo, moments, moments_of};
use super::{HvgFlavor, Ranking, descending};
use crate::base::{Result, interrupt};
use crate::data::Csr;

/// Bins of the mean in Seurat's rule.
const BINS: usize = 20;
/// Stands for a mean of zero, so that nothing is divided by it.
const SMALL: f64 = 1e-12;
/// The median deviation of a normal distribution is this part of its standard deviation.
const MAD: f64 = 0.674_489_750_196_081_7;

pub(super) struct Rule {
    pub flavor: HvgFlavor,
    /// See [`super::log_base`].
    pub log_base: Option<f32>,
}

/// What the rule says of each gene; NaN where it says nothing.
struct Scores {
    means: Vec<f64>,
    dispersions: Vec<f64>,
    normalised: Vec<f64>,
}

/// # Shapes
/// `x` [N,G], logarithms of normalised values plus one.
pub(super) fn rank(
    doing: &str,
    x: &Csr,
    batches: &[Vec<usize>],
    n_top: usize,
    rule: &Rule,
    names: &[String],
) -> Result<Ranking> {
    let (scores, order, in_batches) = if batches.is_empty() {
        let all: Vec<usize> = (0..x.ncols()).collect();
        let scores = score(x, rule, &all);
        // A gene that does not vary has no dispersion, or one of zero.
        let order = descending(&scores.normalised, |j| scores.dispersions[j] != 0.0);
        (scores, order, None)
    } else {
        let (scores, n) = by_batch(doing, x, batches, n_top, rule)?;
        let last = |v: f64| if v.is_nan() { f64::NEG_INFINITY } else { v };
        let mut order: Vec<usize> = (0..x.ncols()).collect();
        order.sort_by(|&a, &b| {
            let (p, q) = (last(scores.normalised[a]), last(scores.normalised[b]));
            n[b].cmp(&n[a]).then(q.total_cmp(&p)).then(names[a].cmp(&names[b]))
        });
        (scores, order, Some(n))
    };
    let columns = vec![
        ("means", scores.means),
        ("dispersions", scores.dispersions),
        ("dispersions_norm", scores.normalised),
    ];
    Ok(Ranking { columns, order, in_batches, rank: None })
}

/// Means over the batches, and in how many of them each gene is among the first `n_top`. A gene
/// that a batch does not show counts as zero there.
fn by_batch(
    doing: &str,
    x: &Csr,
    batches: &[Vec<usize>],
    n_top: usize,
    rule: &Rule,
) -> Result<(Scores, Vec<usize>)> {
    let g = x.ncols();
    let mut n = vec![0; g];
    let mut sums = [vec![(0.0, 0); g], vec![(0.0, 0); g], vec![(0.0, 0); g]];
    for spots in batches {
        let part = x.select_rows(spots)?;
        interrupt::check(doing)?;
        let shown: Vec<usize> =
            part.col_positive().iter().enumerate().filter(|p| *p.1 > 0).map(|p| p.0).collect();
        let mut of = score(&part, rule, &shown);
        let first = descending(&of.normalised, |_| true);
        // All that reach the last of the first, as scanpy cuts.
        if let Some(&last) = first.get(n_top.min(first.len()).wrapping_sub(1)) {
            let least = of.normalised[last];
            first.iter().filter(|&&j| of.normalised[j] >= least).for_each(|&j| n[j] += 1);
        }
        let mut hidden = vec![true; g];
        shown.iter().for_each(|&j| hidden[j] = false);
        for (values, sums) in
            [&mut of.means, &mut of.dispersions, &mut of.normalised].into_iter().zip(&mut sums)
        {
            for ((v, hidden), (sum, count)) in values.iter().zip(&hidden).zip(sums) {
                let v = if *hidden { 0.0 } else { *v };
                if !v.is_nan() {
                    *sum += v;
                    *count += 1;
                }
            }
        }
    }
    let [means, dispersions, normalised] =
        sums.map(|s| s.into_iter().map(|(sum, count)| sum / f64::from(count)).collect());
    Ok((Scores { means, dispersions, normalised }, n))
}

/// Scores the genes named; all others get NaN.
fn score(x: &Csr, rule: &Rule, genes: &[usize]) -> Scores {
    let seurat = rule.flavor == HvgFlavor::Seurat;
    let (mut mean, variance) = if seurat {
        let scale = rule.log_base.unwrap_or(1.0);
        moments_of(x, || {
            // Rounded as scanpy rounds, which works in single precision here.
            let mut memo = Memo::new(move |v: f32| f64::from(v * scale).exp_m1() as f32);
            move |v| f64::from(memo.get(v))
        })
    } else {
        moments(x)
    };
    mean.iter_mut().filter(|m| **m == 0.0).for_each(|m| *m = SMALL);
    let ratio = |j: usize| variance[j] / mean[j];
    let nothing = vec![f64::NAN; x.ncols()];
    let mut scores =
        Scores { means: nothing.clone(), dispersions: nothing.clone(), normalised: nothing };
    for &j in genes {
        let d = ratio(j);
        scores.means[j] = if seurat { mean[j].ln_1p() } else { mean[j] };
        scores.dispersions[j] = match seurat {
            true if d == 0.0 => f64::NAN,
            true => d.ln(),
            false => d,
        };
    }
    let means: Vec<f64> = genes.iter().map(|&j| scores.means[j]).collect();
    let edges = if seurat { equal_widths(&means) } else { percentiles(&means) };
    let mut bins = vec![Vec::new(); edges.len() + 1];
    for &j in genes {
        if !scores.dispersions[j].is_nan() {
            // Bins are open below and closed above (`pandas.cut`).
            bins[edges.partition_point(|&e| e < scores.means[j])].push(j);
        }
    }
    for bin in bins.iter().filter(|b| !b.is_empty()) {
        let values: Vec<f64> = bin.iter().map(|&j| scores.dispersions[j]).collect();
        let (centre, deviation) = if seurat { spread(&values) } else { median_spread(values) };
        bin.iter()
            .for_each(|&j| scores.normalised[j] = (scores.dispersions[j] - centre) / deviation);
    }
    scores
}

/// Mean and standard deviation; a gene alone in its bin gets a score of 1, as in scanpy.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return (0.0, mean);
    }
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// Median, and the median deviation from it as an estimate of the standard deviation.
fn median_spread(values: Vec<f64>) -> (f64, f64) {
    let away = |centre: f64| values.iter().map(|v| (v - centre).abs()).collect();
    let centre = median(values.clone());
    (centre, median(away(centre)) / MAD)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// Edges between `BINS` bins of equal width.
fn equal_widths(values: &[f64]) -> Vec<f64> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (high - low) / BINS as f64;
    (1..BINS).map(|i| low + step * i as f64).collect()
}

/// Edges at the 10th, 15th, ... 100th percentile, each once.
fn percentiles(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let at = |percent: usize| {
        let place = percent as f64 / 100.0 * last as f64;
        let low = place.floor() as usize;
        let (a, b, t) = (sorted[low], sorted[(low + 1).min(last)], place.fract());
        // From the nearer end, as NumPy does.
        if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
    };
    let mut edges: Vec<f64> = (10..=100).step_by(5).map(at).collect();
    edges.dedup();
    edges
}
