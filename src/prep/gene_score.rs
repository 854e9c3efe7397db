//! Scores of sets of genes.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::index;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Kind, Result, interrupt, progress, seed, sum};
use crate::data::Dataset;

/// Options of the score of a set of genes; they and the defaults are scanpy's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScoreGenesConfig {
    /// The column of `obs` that gets the score.
    pub score_name: String,
    /// Genes drawn from each bin of mean expression that a gene of the set lies in.
    pub ctrl_size: usize,
    /// Bins of the mean expression.
    pub n_bins: usize,
    /// Genes from which controls are drawn; all of them where it is left out.
    pub gene_pool: Option<Vec<String>>,
    /// Whether the genes of the set take part in the draw before they are taken out of what was
    /// drawn.
    pub ctrl_as_ref: bool,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for ScoreGenesConfig {
    fn default() -> Self {
        Self {
            score_name: "score".into(),
            ctrl_size: 50,
            n_bins: 25,
            gene_pool: None,
            ctrl_as_ref: true,
            seed: 0,
        }
    }
}

/// The mean of a set of genes in X less that of control genes of similar mean expression, a spot
/// (Satija et al. 2015, as scanpy 1.11 computes it); `obs[score_name]` gets it. Genes that are not
/// there are left out, with a note.
///
/// # Errors
/// No gene of the set is there; no controls; fewer genes than bins; options out of range.
pub fn score_genes(ds: &mut Dataset, genes: &[String], config: &ScoreGenesConfig) -> Result<()> {
    let score = gene_scores(ds, genes, config)?;
    ds.obs_mut().set_f64(&config.score_name, &score)
}

/// What [`score_genes`] writes, [N].
pub fn gene_scores(ds: &Dataset, genes: &[String], config: &ScoreGenesConfig) -> Result<Vec<f64>> {
    let doing = "scoring a set of genes";
    if config.n_bins < 2 || config.ctrl_size == 0 {
        return Err(Error::new(doing)
            .expected("n_bins of at least 2 and ctrl_size of at least 1")
            .found(format!("{} and {}", config.n_bins, config.ctrl_size)));
    }
    ds.check_genes_are_unique().map_err(|e| e.within(doing))?;
    let set = present(ds, genes, doing, "genes")?;
    let pool = match &config.gene_pool {
        Some(names) => present(ds, names, doing, "gene_pool")?,
        None => (0..ds.n_vars()).collect(),
    };
    let x = ds.x().csr();
    let n = ds.n_obs() as f64;
    interrupt::check(doing)?;
    let means: Vec<f64> = x.col_sums().iter().map(|s| s / n).collect();
    let controls = controls(&means, &set, &pool, config).map_err(|e| e.within(doing))?;
    interrupt::check(doing)?;
    let mut weight = vec![0.0; ds.n_vars()];
    set.iter().for_each(|&j| weight[j] += 1.0 / set.len() as f64);
    controls.iter().for_each(|&j| weight[j] -= 1.0 / controls.len() as f64);
    Ok(x.rows(|cols, values| {
        sum(cols.iter().zip(values).map(|(&j, &v)| weight[j as usize] * f64::from(v)))
    }))
}

/// Places of the names that are there, each once.
fn present(ds: &Dataset, names: &[String], doing: &str, what: &str) -> Result<Vec<usize>> {
    let place: BTreeMap<&str, usize> =
        ds.var().index().iter().enumerate().map(|(j, g)| (g.as_str(), j)).collect();
    let missing: Vec<&str> =
        names.iter().map(String::as_str).filter(|n| !place.contains_key(n)).collect();
    let found: BTreeSet<usize> =
        names.iter().filter_map(|n| place.get(n.as_str()).copied()).collect();
    if found.is_empty() {
        return Err(Error::new(format!("{doing}: looking up its {what}"))
            .kind(Kind::Missing)
            .expected("names of genes that are there")
            .found(format!("none of {}", names.len()))
            .advice(ds.gene_advice(&missing)));
    }
    if !missing.is_empty() {
        progress::note(format!(
            "{doing}: {} of {} {what} are not there and left out: {}. {}",
            missing.len(),
            names.len(),
            missing.iter().take(5).copied().collect::<Vec<_>>().join(", "),
            ds.gene_advice(&missing)
        ));
    }
    Ok(found.into_iter().collect())
}

/// Genes of the pool whose mean expression is like that of the set, without the set.
fn controls(
    means: &[f64],
    set: &[usize],
    pool: &[usize],
    config: &ScoreGenesConfig,
) -> Result<BTreeSet<usize>> {
    let pool: Vec<usize> = pool.iter().copied().filter(|&j| means[j].is_finite()).collect();
    let per_bin = (pool.len() as f64 / (config.n_bins - 1) as f64).round_ties_even() as usize;
    if per_bin == 0 {
        return Err(Error::new("binning genes by their mean expression")
            .expected(format!("at least {} genes", config.n_bins))
            .found(pool.len().to_string())
            .advice("Lower n_bins"));
    }
    // Equal means share the rank of the first of them, counted from 1.
    let mut sorted: Vec<f64> = pool.iter().map(|&j| means[j]).collect();
    sorted.sort_by(f64::total_cmp);
    let bin = |j: usize| (sorted.partition_point(|&m| m < means[j]) + 1) / per_bin;
    let in_set: BTreeSet<usize> = set.iter().copied().collect();
    let cuts: BTreeSet<usize> = set.iter().filter(|j| pool.contains(j)).map(|&j| bin(j)).collect();
    let mut random = seed::rng(config.seed, 0);
    let mut found = BTreeSet::new();
    for cut in cuts {
        let allowed = |j: usize| config.ctrl_as_ref || !in_set.contains(&j);
        let near: Vec<usize> =
            pool.iter().copied().filter(|&j| bin(j) == cut && allowed(j)).collect();
        if near.len() > config.ctrl_size {
            let drawn = index::sample(&mut random, near.len(), config.ctrl_size);
            found.extend(drawn.iter().map(|i| near[i]));
        } else {
            found.extend(near);
        }
    }
    found.retain(|j| !in_set.contains(j));
    if found.is_empty() {
        return Err(Error::new("choosing control genes")
            .expected("genes of similar expression outside the set")
            .found("none")
            .advice(if config.ctrl_as_ref {
                "Try ctrl_as_ref: false, or fewer n_bins"
            } else {
                "Widen gene_pool, or lower n_bins"
            }));
    }
    Ok(found)
}
