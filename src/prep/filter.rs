//! Dropping spots and genes with too little (or too much) in them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, interrupt};
use crate::data::{Csr, Dataset};

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
    /// Most spots, of those that stay, in which a gene that stays is seen.
    pub max_spots: Option<usize>,
    /// Another name of `min_spots`; give one of both.
    pub min_cells: Option<usize>,
    /// Another name of `max_spots`; give one of both.
    pub max_cells: Option<usize>,
    /// Fewest counts, over the spots that stay, of a gene that stays.
    pub min_gene_counts: Option<f64>,
    /// Most counts, over the spots that stay, of a gene that stays.
    pub max_gene_counts: Option<f64>,
    /// Bounds on columns of `obs`, as `#{ pct_counts_mt: #{ max: 20.0 } }`; a spot whose value is
    /// missing goes.
    pub obs: BTreeMap<String, Bounds>,
}

/// From `min` to `max`, both included; one of them may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// The least value that stays.
    pub min: Option<f64>,
    /// The greatest value that stays.
    pub max: Option<f64>,
}

impl Bounds {
    fn new(min: Option<f64>, max: Option<f64>) -> Self {
        Self { min, max }
    }

    fn of_counts(min: Option<usize>, max: Option<usize>) -> Self {
        Self::new(min.map(|v| v as f64), max.map(|v| v as f64))
    }

    fn given(&self) -> bool {
        self.min.is_some() || self.max.is_some()
    }

    fn hold(&self, v: f64) -> bool {
        !self.given() || self.min.is_none_or(|m| v >= m) && self.max.is_none_or(|m| v <= m)
    }

    fn check(&self, doing: &str, of: &str) -> Result<()> {
        let wrong = match (self.min, self.max) {
            (Some(a), Some(b)) => a > b || a.is_nan() || b.is_nan(),
            (a, b) => a.or(b).is_some_and(f64::is_nan),
        };
        if !wrong {
            return Ok(());
        }
        let shown = |v: Option<f64>| v.map_or("none".into(), |v| v.to_string());
        Err(Error::new(doing).expected(format!("min_{of} up to max_{of}")).found(format!(
            "{} and {}",
            shown(self.min),
            shown(self.max)
        )))
    }
}

/// Drops spots, then genes by what the remaining spots hold, as scanpy's `filter_cells` and
/// `filter_genes` do one after the other. Returns how many spots and genes went.
///
/// It looks at the counts where there are any; bounds on genes and spots also work on other values.
///
/// # Errors
/// Bounds that cross, are NaN, are negative for counts, or leave nothing (the dataset is then untouched); bounds on counts where there
/// are no counts; bounds on a column that is not there or holds no numbers.
pub fn filter(ds: &mut Dataset, config: &FilterConfig) -> Result<(usize, usize)> {
    let doing = "filtering spots and genes";
    let one_of = |name: &str, a: Option<usize>, b: Option<usize>| match (a, b) {
        (Some(a), Some(b)) if a != b => Err(Error::new(doing)
            .expected(format!("{name}_spots or {name}_cells, which are the same"))
            .found(format!("{a} and {b}"))),
        (a, b) => Ok(a.or(b)),
    };
    let counts = Bounds::new(config.min_counts, config.max_counts);
    let genes = Bounds::of_counts(config.min_genes, config.max_genes);
    let spots = Bounds::of_counts(
        one_of("min", config.min_spots, config.min_cells)?,
        one_of("max", config.max_spots, config.max_cells)?,
    );
    let gene_counts = Bounds::new(config.min_gene_counts, config.max_gene_counts);
    for (bounds, of) in [(counts, "counts"), (gene_counts, "gene_counts")] {
        bounds.check(doing, of)?;
        if let Some(below) = [bounds.min, bounds.max].into_iter().flatten().find(|v| *v < 0.0) {
            return Err(Error::new(doing)
                .expected(format!("min_{of} and max_{of} from 0"))
                .found(below.to_string()));
        }
    }
    genes.check(doing, "genes")?;
    spots.check(doing, "spots")?;
    let (n, g) = (ds.n_obs(), ds.n_vars());
    let mut stay = vec![true; n];
    for (column, bounds) in &config.obs {
        bounds.check(doing, column)?;
        let values = ds.obs().f64(column).map_err(|e| e.within(doing))?;
        stay.iter_mut().zip(values).for_each(|(s, v)| *s &= bounds.hold(v));
    }
    let values = match ds.counts() {
        Ok(counts) => counts,
        Err(e) if counts.given() || gene_counts.given() => return Err(e.within(doing)),
        Err(_) => ds.x(),
    };
    let values = values.csr();
    let (mut most_counts, mut most_genes) = (0.0, 0.0);
    if counts.given() || genes.given() {
        interrupt::check(doing)?;
        let totals = values.row_sums();
        let seen = values.row_positive();
        for (i, stay) in stay.iter_mut().enumerate() {
            *stay &= counts.hold(totals[i]) && genes.hold(seen[i] as f64);
            most_counts = totals[i].max(most_counts);
            most_genes = (seen[i] as f64).max(most_genes);
        }
    }
    let kept_spots: Vec<usize> = (0..n).filter(|&i| stay[i]).collect();
    if kept_spots.is_empty() {
        return Err(Error::new(doing)
            .expected("some spots to remain")
            .found(format!(
                "none of {n}: a spot has {most_counts} counts and {most_genes} genes at most"
            ))
            .advice("Loosen min_counts, max_counts, min_genes, max_genes or the bounds in obs"));
    }
    let mut kept_genes = None;
    if spots.given() || gene_counts.given() {
        let found = by_gene(&values, &stay)?;
        let kept: Vec<usize> = (0..g)
            .filter(|&j| spots.hold(found[j].0 as f64) && gene_counts.hold(found[j].1))
            .collect();
        if kept.is_empty() {
            let most = found.iter().map(|f| f.0).max().unwrap_or(0);
            return Err(Error::new(doing)
                .expected("some genes to remain")
                .found(format!(
                    "none of {g}: a gene is seen in {most} of {} spots at most",
                    kept_spots.len()
                ))
                .advice("Lower min_spots or min_gene_counts"));
        }
        kept_genes = Some(kept).filter(|k| k.len() < g);
    }
    // What looks at the values must be gone before they are changed where they lie.
    drop(values);
    let dropped = (n - kept_spots.len(), kept_genes.as_ref().map_or(0, |k| g - k.len()));
    if dropped != (0, 0) {
        let spots = Some(&kept_spots[..]).filter(|_| dropped.0 > 0);
        ds.select(spots, kept_genes.as_deref())?;
    }
    Ok(dropped)
}

/// In how many of the spots that stay each gene is above zero, and its sum over them.
fn by_gene(values: &Csr, stay: &[bool]) -> Result<Vec<(usize, f64)>> {
    let add = |to: &mut (usize, f64), v: f32| {
        to.0 += usize::from(v > 0.0);
        to.1 += f64::from(v);
    };
    if stay.iter().all(|&s| s) {
        return Ok(values.fold_columns(
            (0, 0.0),
            |to, _, v| add(to, v),
            |a, b| {
                a.0 += b.0;
                a.1 += b.1;
            },
        ));
    }
    let mut found = vec![(0, 0.0); values.ncols()];
    for i in (0..values.nrows()).filter(|&i| stay[i]) {
        interrupt::check("counting the spots of each gene")?;
        let (genes, row) = values.row(i);
        genes.iter().zip(row).for_each(|(&j, &v)| add(&mut found[j as usize], v));
    }
    Ok(found)
}
