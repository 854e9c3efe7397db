//! Dropping spots and genes with too little (or too much) in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::{Dataset, Matrix};

/// Options of the filter; what is not given is not asked of a spot or gene. All bounds include
/// the value they name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Fewest counts of a spot that stays.
    pub min_counts: Option<f64>,
    /// Most counts of a spot that stays.
    pub max_counts: Option<f64>,
    /// Fewest genes seen in a spot that stays.
    pub min_genes: Option<usize>,
    /// Most genes seen in a spot that stays.
    pub max_genes: Option<usize>,
    /// Fewest spots, of those that stay, in which a gene that stays is seen.
    pub min_spots: Option<usize>,
}

/// Drops spots, then genes by what the remaining spots hold, as scanpy's `filter_cells` and
/// `filter_genes` do one after the other. Returns how many spots and genes went.
///
/// It looks at the counts where there are any; bounds on genes and spots also work on other values.
///
/// # Errors
/// Bounds that cross or leave nothing (the dataset is then untouched); bounds on counts where there
/// are no counts.
pub fn filter(ds: &mut Dataset, config: &FilterConfig) -> Result<(usize, usize)> {
    let doing = "filtering spots and genes";
    let FilterConfig { min_counts, max_counts, min_genes, max_genes, min_spots } = *config;
    let crossed = |what: &str, min: f64, max: f64| {
        Err(Error::new(doing)
            .expected(format!("min_{what} up to max_{what}"))
            .found(format!("{min} and {max}")))
    };
    if let (Some(a), Some(b)) = (min_counts, max_counts)
        && (a > b || a.is_nan() || b.is_nan())
    {
        return crossed("counts", a, b);
    }
    if let (Some(a), Some(b)) = (min_genes, max_genes)
        && a > b
    {
        return crossed("genes", a as f64, b as f64);
    }
    let values = match ds.counts() {
        Ok(counts) => counts,
        Err(e) if min_counts.is_some() || max_counts.is_some() => return Err(e.within(doing)),
        Err(_) => ds.x(),
    };
    let (n, g) = (ds.n_obs(), ds.n_vars());
    let (totals, genes) = by_spot(values);
    let spots: Vec<usize> = (0..n)
        .filter(|&i| {
            min_counts.is_none_or(|m| totals[i] >= m)
                && max_counts.is_none_or(|m| totals[i] <= m)
                && min_genes.is_none_or(|m| genes[i] >= m)
                && max_genes.is_none_or(|m| genes[i] <= m)
        })
        .collect();
    if spots.is_empty() {
        return Err(Error::new(doing)
            .expected("some spots to remain")
            .found(format!(
                "none of {n}: a spot has {} counts and {} genes at most",
                most(&totals),
                most_of(&genes)
            ))
            .advice("Loosen min_counts, max_counts, min_genes or max_genes"));
    }
    let seen = seen_in(values, &spots);
    let kept: Vec<usize> = (0..g).filter(|&j| min_spots.is_none_or(|m| seen[j] >= m)).collect();
    if kept.is_empty() {
        return Err(Error::new(doing)
            .expected("some genes to remain")
            .found(format!(
                "none of {g}: a gene is seen in {} of {} spots at most",
                most_of(&seen),
                spots.len()
            ))
            .advice("Lower min_spots"));
    }
    if spots.len() < n {
        ds.select_obs(&spots)?;
    }
    if kept.len() < g {
        ds.select_var(&kept)?;
    }
    Ok((n - spots.len(), g - kept.len()))
}

/// Sum and number of positive values of each spot.
fn by_spot(values: &Matrix) -> (Vec<f64>, Vec<usize>) {
    match values {
        Matrix::Sparse(m) => (m.row_sums(), m.row_positive()),
        Matrix::Dense(m) => m
            .rows()
            .into_iter()
            .map(|r| {
                (
                    r.iter().map(|&v| f64::from(v)).sum::<f64>(),
                    r.iter().filter(|&&v| v > 0.0).count(),
                )
            })
            .unzip(),
    }
}

/// The number of `spots` in which each gene is above zero.
fn seen_in(values: &Matrix, spots: &[usize]) -> Vec<usize> {
    let mut seen = vec![0; values.shape().1];
    match values {
        Matrix::Sparse(m) => {
            for &i in spots {
                let (genes, values) = m.row(i);
                genes
                    .iter()
                    .zip(values)
                    .for_each(|(&j, &v)| seen[j as usize] += usize::from(v > 0.0));
            }
        }
        Matrix::Dense(m) => {
            for &i in spots {
                m.row(i).iter().zip(&mut seen).for_each(|(&v, s)| *s += usize::from(v > 0.0));
            }
        }
    }
    seen
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn most_of(values: &[usize]) -> usize {
    values.iter().copied().max().unwrap_or(0)
}
