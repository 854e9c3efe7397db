//! Quality of spots and genes, in figures named as scanpy names them.

use std::collections::BTreeMap;

use polars::prelude::Column;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, interrupt, progress, sum};
use crate::data::{Csr, Dataset, Table, keys};

const DOING: &str = "computing the quality of spots and genes";

/// Options of the quality figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QcConfig {
    /// For each number, the share of a spot's counts in that many of its strongest genes
    /// (`pct_counts_in_top_50_genes`); numbers beyond the number of genes are left out.
    pub percent_top: Vec<usize>,
    /// Groups of genes by the first letters of their names; each group becomes a column of `var`,
    /// and its share of a spot's counts one of `obs` (`pct_counts_mt`).
    pub prefixes: BTreeMap<String, Vec<String>>,
    /// More groups of genes: columns of `var` that are true or false.
    pub qc_vars: Vec<String>,
    /// Whether `log1p_` columns are added.
    pub log1p: bool,
}

impl Default for QcConfig {
    fn default() -> Self {
        Self {
            percent_top: vec![50, 100, 200, 500],
            prefixes: BTreeMap::from([("mt".into(), vec!["MT-".into(), "mt-".into()])]),
            qc_vars: Vec::new(),
            log1p: true,
        }
    }
}

/// Writes figures of each spot into `obs` and of each gene into `var`, as scanpy's
/// `calculate_qc_metrics` does with the counts, or with X, said in a note, where these are none.
/// Shares of a spot without counts are NaN.
///
/// # Errors
/// Values that are not finite, or logarithms; a group that is no column of truth values.
pub fn qc(ds: &mut Dataset, config: &QcConfig) -> Result<()> {
    let doing = DOING;
    let (values, are_counts) = ds.counts_or_x().map_err(|e| e.within(doing))?;
    if !are_counts {
        progress::note(format!("{doing}: X holds no counts; its values are taken as they are"));
    }
    let counts = values.csr().into_owned();
    let groups = groups(ds, config).map_err(|e| e.within(doing))?;
    let (mut obs, mut var) = (ds.obs().clone(), ds.var().clone());
    for (name, mask) in &groups {
        var.set_bool(name, mask)?;
    }
    of_spots(&counts, &groups, config, &mut obs)?;
    of_genes(&counts, config, &mut var)?;
    (*ds.obs_mut(), *ds.var_mut()) = (obs, var);
    Ok(())
}

/// Which genes are in each group, [G].
fn groups(ds: &Dataset, config: &QcConfig) -> Result<Vec<(String, Vec<bool>)>> {
    let mut groups = Vec::new();
    for (name, prefixes) in &config.prefixes {
        let starts = |gene: &String| prefixes.iter().any(|p| gene.starts_with(p.as_str()));
        let mask: Vec<bool> = ds.var().index().iter().map(starts).collect();
        if !mask.contains(&true) {
            progress::note(format!(
                "no gene starts with {}: group '{name}' is empty",
                prefixes.join(" or ")
            ));
        }
        groups.push((name.clone(), mask));
    }
    for name in &config.qc_vars {
        let values = ds.var().f64(name)?;
        if let Some(v) = values.iter().find(|v| **v != 0.0 && **v != 1.0) {
            return Err(Error::new(format!("reading var[\"{name}\"] as a group of genes"))
                .expected("true or false for each gene")
                .found(v.to_string()));
        }
        groups.push((name.clone(), values.iter().map(|v| *v == 1.0).collect()));
    }
    Ok(groups)
}

fn of_spots(
    counts: &Csr,
    groups: &[(String, Vec<bool>)],
    config: &QcConfig,
    obs: &mut Table,
) -> Result<()> {
    let seen: Vec<i64> = counts
        .rows(|_, v| v.iter().filter(|v| **v != 0.0).count())
        .iter()
        .map(|&n| n as i64)
        .collect();
    let logged = |v: &[f64]| v.iter().map(|v| v.ln_1p()).collect::<Vec<f64>>();
    let totals = counts.row_sums();
    let log_seen: Vec<f64> = seen.iter().map(|&n| (n as f64).ln_1p()).collect();
    obs.set(Column::new("n_genes_by_counts".into(), seen))?;
    if config.log1p {
        obs.set_f64("log1p_n_genes_by_counts", &log_seen)?;
    }
    obs.set_f64(keys::TOTAL_COUNTS, &totals)?;
    if config.log1p {
        obs.set_f64("log1p_total_counts", &logged(&totals))?;
    }
    let mut tops: Vec<usize> =
        config.percent_top.iter().copied().filter(|&n| n > 0 && n <= counts.ncols()).collect();
    tops.sort_unstable();
    tops.dedup();
    let share = |_: &[u32], values: &[f32]| {
        interrupt::check(DOING)?;
        Ok(top_shares(values, &tops))
    };
    let shares = counts.rows(share).into_iter().collect::<Result<Vec<_>>>()?;
    for (t, n) in tops.iter().enumerate() {
        let column: Vec<f64> = shares.iter().map(|s| 100.0 * s[t]).collect();
        obs.set_f64(&format!("pct_counts_in_top_{n}_genes"), &column)?;
    }
    for (name, mask) in groups {
        interrupt::check(DOING)?;
        let sums: Vec<f64> = counts.rows(|genes, values| {
            let inside = genes.iter().zip(values).filter(|(j, _)| mask[**j as usize]);
            sum(inside.map(|(_, &v)| f64::from(v)))
        });
        let shares: Vec<f64> = sums.iter().zip(&totals).map(|(s, t)| s / t * 100.0).collect();
        obs.set_f64(&format!("total_counts_{name}"), &sums)?;
        if config.log1p {
            obs.set_f64(&format!("log1p_total_counts_{name}"), &logged(&sums))?;
        }
        obs.set_f64(&format!("pct_counts_{name}"), &shares)?;
    }
    Ok(())
}

/// The share of all that the `tops` greatest values (ascending numbers of them) make up.
fn top_shares(values: &[f32], tops: &[usize]) -> Vec<f64> {
    let mut values = values.to_vec();
    let most = tops.last().copied().unwrap_or(0).min(values.len());
    let total: f64 = values.iter().map(|&v| f64::from(v)).sum();
    if most > 0 && most < values.len() {
        values.select_nth_unstable_by(most - 1, |a, b| b.total_cmp(a));
    }
    let first = &mut values[..most];
    first.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut sums = Vec::with_capacity(tops.len());
    let (mut sum, mut taken) = (0.0, 0);
    for &n in tops {
        let to = n.min(most);
        sum += first[taken..to].iter().map(|&v| f64::from(v)).sum::<f64>();
        taken = to;
        sums.push(sum / total);
    }
    sums
}

fn of_genes(counts: &Csr, config: &QcConfig, var: &mut Table) -> Result<()> {
    let n = counts.nrows() as f64;
    let found = counts.fold_columns(
        (0_i64, 0.0),
        |to, _, v| {
            to.0 += i64::from(v != 0.0);
            to.1 += f64::from(v);
        },
        |a, b| {
            a.0 += b.0;
            a.1 += b.1;
        },
    );
    let seen: Vec<i64> = found.iter().map(|f| f.0).collect();
    let column = |f: &dyn Fn(i64, f64) -> f64| -> Vec<f64> {
        found.iter().map(|&(cells, sum)| f(cells, sum)).collect()
    };
    var.set(Column::new("n_cells_by_counts".into(), seen))?;
    var.set_f64("mean_counts", &column(&|_, sum| sum / n))?;
    if config.log1p {
        var.set_f64("log1p_mean_counts", &column(&|_, sum| (sum / n).ln_1p()))?;
    }
    var.set_f64("pct_dropout_by_counts", &column(&|cells, _| (1.0 - cells as f64 / n) * 100.0))?;
    var.set_f64(keys::TOTAL_COUNTS, &column(&|_, sum| sum))?;
    if config.log1p {
        var.set_f64("log1p_total_counts", &column(&|_, sum| sum.ln_1p()))?;
    }
    Ok(())
}
