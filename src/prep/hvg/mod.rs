//! Highly variable genes, by the rules of Seurat and Cell Ranger as scanpy 1.11 computes them.

mod dispersion;
mod variance;

use polars::prelude::Column;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, interrupt, progress};
use crate::data::{Csr, Dataset, Uns, keys};

/// The rule by which genes are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HvgFlavor {
    /// Dispersion of normalised values, standardised within bins of the mean (Satija et al.,
    /// Nature Biotechnology 2015). Reads X, which holds logarithms.
    Seurat,
    /// Dispersion of X, which holds logarithms, less the median of its bin of the mean, over the
    /// median deviation there (Zheng et al., Nature Communications 2017).
    CellRanger,
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
    /// `seurat` or `cell_ranger` (on log-normalised values), or `seurat_v3` (on counts).
    pub flavor: HvgFlavor,
    /// Whether the other genes are dropped. Without it they are only marked in `var`.
    pub subset: bool,
    /// The column of `obs` that names each spot's batch or sample: genes are ranked in each of
    /// them, and those are selected that vary in most.
    pub batch_key: Option<String>,
}

impl Default for HvgConfig {
    fn default() -> Self {
        Self { n_top: 2000, flavor: HvgFlavor::default(), subset: true, batch_key: None }
    }
}

/// What the selection found; the columns are named as scanpy names them.
#[derive(Clone, Debug)]
pub struct Hvg {
    /// Places of the selected genes, ascending.
    pub positions: Vec<usize>,
    /// Columns for `var`, each [G]: means, and dispersions or variances, raw and normalised;
    /// `highly_variable_rank` is 0 for the first and NaN for genes that are not selected. With
    /// batches also `highly_variable_nbatches` and `highly_variable_intersection`.
    pub columns: Vec<Column>,
}

impl Hvg {
    /// Whether each gene is selected, [G].
    pub fn mask(&self, n_genes: usize) -> Vec<bool> {
        let mut mask = vec![false; n_genes];
        self.positions.iter().for_each(|&j| mask[j] = true);
        mask
    }
}

/// What a rule says of the genes, each [G].
struct Ranking {
    columns: Vec<(&'static str, Vec<f64>)>,
    /// Genes that vary, the best first.
    order: Vec<usize>,
    /// With batches: in how many of them each gene is among the first.
    in_batches: Option<Vec<usize>>,
    /// Rank to write where it is not the place in `order`.
    rank: Option<Vec<f64>>,
}

/// Ranks the genes and selects the first `n_top`. Equal scores are ranked by place.
///
/// # Errors
/// `seurat` or `cell_ranger` on counts, `seurat_v3` without counts; no gene that varies; `n_top`
/// of zero; batches of a single spot.
pub fn hvg(ds: &Dataset, config: &HvgConfig) -> Result<Hvg> {
    let doing = "selecting highly variable genes";
    if config.n_top == 0 {
        return Err(Error::new(doing).expected("n_top of at least 1").found("0"));
    }
    if ds.n_obs() < 2 {
        return Err(Error::new(doing).expected("at least 2 spots").found(ds.n_obs().to_string()));
    }
    let batches = batches(ds, config).map_err(|e| e.within(doing))?;
    interrupt::check(doing)?;
    let Ranking { columns, mut order, in_batches, rank } = match config.flavor {
        HvgFlavor::SeuratV3 => {
            let counts = ds.counts().map_err(|e| e.within(doing))?.csr();
            variance::rank(doing, &counts, &batches, config.n_top)?
        }
        flavor => {
            let x = logged(ds, doing)?;
            interrupt::check(doing)?;
            let rule = dispersion::Rule { flavor, log_base: log_base(ds) };
            dispersion::rank(doing, &x, &batches, config.n_top, &rule, ds.var().index())?
        }
    };
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
    let rank = rank.unwrap_or_else(|| {
        let mut rank = vec![f64::NAN; ds.n_vars()];
        order.iter().enumerate().for_each(|(r, &j)| rank[j] = r as f64);
        rank
    });
    let column = |(name, values): (&str, Vec<f64>)| Column::new(name.into(), values);
    let mut columns: Vec<Column> =
        columns.into_iter().chain([("highly_variable_rank", rank)]).map(column).collect();
    if let Some(n) = in_batches {
        let counted: Vec<i64> = n.iter().map(|&n| n as i64).collect();
        let everywhere: Vec<bool> = n.iter().map(|&n| n == batches.len()).collect();
        columns.push(Column::new("highly_variable_nbatches".into(), counted));
        columns.push(Column::new("highly_variable_intersection".into(), everywhere));
    }
    order.sort_unstable();
    Ok(Hvg { positions: order, columns })
}

/// Selects as [`hvg`] does, writes the columns into `var`, and drops the other genes when
/// `subset` says so. Returns how many were selected.
pub fn select_hvg(ds: &mut Dataset, config: &HvgConfig) -> Result<usize> {
    let found = hvg(ds, config)?;
    let mut var = ds.var().clone();
    var.set_bool(keys::HIGHLY_VARIABLE, &found.mask(ds.n_vars()))?;
    for column in found.columns {
        var.set(column)?;
    }
    let before = std::mem::replace(ds.var_mut(), var);
    if config.subset {
        ds.select_var(&found.positions).inspect_err(|_| *ds.var_mut() = before)?;
    }
    Ok(found.positions.len())
}

/// X, which must hold logarithms.
fn logged<'a>(ds: &'a Dataset, doing: &str) -> Result<std::borrow::Cow<'a, Csr>> {
    if ds.x().first_non_count().is_none() {
        return Err(Error::new(doing)
            .expected("X with logarithms of normalised values")
            .found("whole numbers, which look like counts")
            .advice("Run ds.normalize() and ds.log1p() first, or use flavor seurat_v3"));
    }
    interrupt::check(doing)?;
    let x = ds.x().csr();
    match x.find(|v| !v.is_finite()) {
        Some((_, _, v)) => {
            Err(Error::new(doing).expected("finite values in X").found(v.to_string()))
        }
        None => Ok(x),
    }
}

/// The logarithm of the base of X's logarithms, where it is not the natural one.
fn log_base(ds: &Dataset) -> Option<f32> {
    let base = ds.uns().get(&["log1p", "base"]).and_then(Uns::as_f64)?;
    Some(base.ln() as f32)
}

/// The spots of each batch, batches in the order of their categories; empty without a batch key.
fn batches(ds: &Dataset, config: &HvgConfig) -> Result<Vec<Vec<usize>>> {
    let Some(key) = &config.batch_key else { return Ok(Vec::new()) };
    let groups = ds.groups(key)?;
    if let Some((name, spots)) = groups.iter().find(|(_, spots)| spots.len() < 2) {
        return Err(Error::new(format!("ranking the genes of each {key}"))
            .expected("at least 2 spots in each")
            .found(format!("{} in '{name}'", spots.len())));
    }
    Ok(groups.into_iter().map(|(_, spots)| spots).collect())
}

/// Places of the genes by score, descending; NaN is left out, equal scores stay in order.
fn descending(score: &[f64], keep: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..score.len()).filter(|&j| !score[j].is_nan() && keep(j)).collect();
    order.sort_by(|&a, &b| score[b].total_cmp(&score[a]).then(a.cmp(&b)));
    order
}
