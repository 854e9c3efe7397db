//! Highly variable genes, by the two rules of Seurat as scanpy 1.11 computes them.

use polars::prelude::Column;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loess::loess;
use super::moments::moments;
use crate::base::{Error, Result, progress};
use crate::data::{Csr, Dataset, keys};

const BINS: usize = 20;
const SPAN: f64 = 0.3;

/// The rule by which genes are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HvgFlavor {
    /// Dispersion of normalised values, standardised within bins of the mean (Satija et al.,
    /// Nature Biotechnology 2015). Reads X, which holds logarithms.
    Seurat,
    /// Variance of counts, standardised by a loess trend and clipped (Stuart et al., Cell 2019).
    /// Reads the counts.
    #[default]
    SeuratV3,
}

/// Options of the selection of highly variable genes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HvgConfig {
    /// Genes to select; all there are when there are fewer.
    pub n_top: usize,
    /// `seurat` (on log-normalised values) or `seurat_v3` (on counts).
    pub flavor: HvgFlavor,
    /// Whether the other genes are dropped. Without it they are only marked in `var`.
    pub subset: bool,
}

impl Default for HvgConfig {
    fn default() -> Self {
        Self { n_top: 2000, flavor: HvgFlavor::default(), subset: true }
    }
}

/// What the selection found; the columns are named as scanpy names them.
#[derive(Clone, Debug)]
pub struct Hvg {
    /// Places of the selected genes, ascending.
    pub positions: Vec<usize>,
    /// Columns for `var`, each [G]: means, and dispersions or variances, raw and normalised;
    /// `highly_variable_rank` is 0 for the first and NaN for genes that are not selected.
    pub columns: Vec<(&'static str, Vec<f64>)>,
}

impl Hvg {
    /// Whether each gene is selected, [G].
    pub fn mask(&self, n_genes: usize) -> Vec<bool> {
        let mut mask = vec![false; n_genes];
        self.positions.iter().for_each(|&j| mask[j] = true);
        mask
    }
}

/// Ranks the genes and selects the first `n_top`. Equal scores are ranked by place.
///
/// # Errors
/// `seurat` on counts, `seurat_v3` without counts; no gene that varies; `n_top` of zero.
pub fn hvg(ds: &Dataset, config: &HvgConfig) -> Result<Hvg> {
    let doing = "selecting highly variable genes";
    if config.n_top == 0 {
        return Err(Error::new(doing).expected("n_top of at least 1").found("0"));
    }
    if ds.n_obs() < 2 {
        return Err(Error::new(doing).expected("at least 2 spots").found(ds.n_obs().to_string()));
    }
    let mut columns = match config.flavor {
        HvgFlavor::Seurat => {
            if ds.x().first_non_count().is_none() {
                return Err(Error::new(doing)
                    .expected("X with logarithms of normalised values")
                    .found("whole numbers, which look like counts")
                    .advice("Run ds.normalize() and ds.log1p() first, or use flavor seurat_v3"));
            }
            let x = ds.x().to_csr();
            if let Some(v) = x.parts().2.iter().find(|v| !v.is_finite()) {
                return Err(Error::new(doing).expected("finite values in X").found(v.to_string()));
            }
            seurat(&x)
        }
        HvgFlavor::SeuratV3 => seurat_v3(&ds.counts().map_err(|e| e.within(doing))?.to_csr()),
    };
    let score = &columns[columns.len() - 1].1;
    // A gene that does not vary has no dispersion, or a variance of zero.
    let varies = |j: usize| score[j].is_finite() && columns[1].1[j] != 0.0;
    let mut order: Vec<usize> = (0..score.len()).filter(|&j| varies(j)).collect();
    order.sort_by(|&a, &b| score[b].total_cmp(&score[a]).then(a.cmp(&b)));
    order.truncate(config.n_top);
    if order.is_empty() {
        return Err(Error::new(doing).expected("genes that vary").found("none"));
    }
    if order.len() < config.n_top {
        progress::note(format!(
            "{doing}: {} of {} asked for; there are no more",
            order.len(),
            config.n_top
        ));
    }
    let mut rank = vec![f64::NAN; score.len()];
    order.iter().enumerate().for_each(|(r, &j)| rank[j] = r as f64);
    columns.push(("highly_variable_rank", rank));
    order.sort_unstable();
    Ok(Hvg { positions: order, columns })
}

/// Selects as [`hvg`] does, writes the columns into `var`, and drops the other genes when
/// `subset` says so. Returns how many were selected.
pub fn select_hvg(ds: &mut Dataset, config: &HvgConfig) -> Result<usize> {
    let found = hvg(ds, config)?;
    let mask = found.mask(ds.n_vars());
    ds.var_mut().set_bool(keys::HIGHLY_VARIABLE, &mask)?;
    for (name, values) in &found.columns {
        ds.var_mut().set(Column::new((*name).into(), values))?;
    }
    if config.subset {
        ds.select_var(&found.positions)?;
    }
    Ok(found.positions.len())
}

/// # Shapes
/// `x` [N,G], natural logarithms of normalised values plus one.
fn seurat(x: &Csr) -> Vec<(&'static str, Vec<f64>)> {
    let (mean, variance) = moments(x, f64::exp_m1);
    let dispersion: Vec<f64> = mean
        .iter()
        .zip(&variance)
        .map(
            |(&m, &v)| if v > 0.0 { (v / if m == 0.0 { 1e-12 } else { m }).ln() } else { f64::NAN },
        )
        .collect();
    let means: Vec<f64> = mean.iter().map(|m| m.ln_1p()).collect();
    let bin = equal_width(&means);
    let mut normalised = vec![f64::NAN; means.len()];
    for b in 0..BINS {
        let genes: Vec<usize> =
            (0..means.len()).filter(|&j| bin[j] == b && dispersion[j].is_finite()).collect();
        let n = genes.len() as f64;
        let average = genes.iter().map(|&j| dispersion[j]).sum::<f64>() / n;
        let squares: f64 = genes.iter().map(|&j| (dispersion[j] - average).powi(2)).sum();
        // A gene alone in its bin gets 1, as in scanpy.
        let (centre, deviation) =
            if genes.len() == 1 { (0.0, average) } else { (average, (squares / (n - 1.0)).sqrt()) };
        genes.iter().for_each(|&j| normalised[j] = (dispersion[j] - centre) / deviation);
    }
    vec![("means", means), ("dispersions", dispersion), ("dispersions_norm", normalised)]
}

/// The bin of each value among `BINS` of equal width, open below and closed above (`pandas.cut`).
fn equal_width(values: &[f64]) -> Vec<usize> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (high - low) / BINS as f64;
    let edges: Vec<f64> = (1..BINS).map(|i| low + step * i as f64).collect();
    values.iter().map(|&v| edges.partition_point(|&e| e < v)).collect()
}

/// # Shapes
/// `x` [N,G], counts.
fn seurat_v3(x: &Csr) -> Vec<(&'static str, Vec<f64>)> {
    let n = x.nrows() as f64;
    let (mean, variance) = moments(x, |v| v);
    let varying: Vec<usize> = (0..x.ncols()).filter(|&j| variance[j] > 0.0).collect();
    let log = |v: &[f64]| varying.iter().map(|&j| v[j].log10()).collect::<Vec<f64>>();
    let trend = loess(&log(&mean), &log(&variance), SPAN);
    let mut spread = vec![1.0; x.ncols()];
    varying.iter().zip(trend).for_each(|(&j, t)| spread[j] = 10f64.powf(t / 2.0));

    let (_, genes, values) = x.parts();
    let (mut sum, mut squares) = (vec![0.0; x.ncols()], vec![0.0; x.ncols()]);
    for (&j, &v) in genes.iter().zip(values) {
        let j = j as usize;
        let clipped = f64::from(v).min(spread[j] * n.sqrt() + mean[j]);
        sum[j] += clipped;
        squares[j] += clipped * clipped;
    }
    let normalised = (0..x.ncols())
        .map(|j| {
            (n * mean[j] * mean[j] + squares[j] - 2.0 * sum[j] * mean[j])
                / ((n - 1.0) * spread[j] * spread[j])
        })
        .collect();
    vec![("means", mean), ("variances", variance), ("variances_norm", normalised)]
}
