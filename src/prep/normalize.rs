//! Library size, logarithm, unit variance.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moments::{Memo, moments};
use crate::base::{Error, Result, interrupt, progress, sum};
use crate::data::{Csr, Dataset, Matrix, Uns, keys, map_dense};

/// `uns`: scanpy's mark that X holds logarithms.
const LOG1P: &str = "log1p";
const DOING: &str = "normalising the counts";

/// Scales each spot's counts to the sum `target` and makes that X (scanpy's `normalize_total`).
///
/// X is always made from the counts: from `layers["counts"]` where it is, else from X, which is
/// then kept as that layer. Doing it twice is doing it once. `obs["total_counts"]` gets what
/// [`library_totals`] says. Spots without counts stay zero and are reported.
///
/// Where there are no counts, but X holds other amounts (finite, none negative), these are scaled,
/// with a note.
///
/// # Errors
/// Neither of them (the error names the layers that hold counts); a target that is not above zero.
pub fn normalize_total(ds: &mut Dataset, target: f64) -> Result<()> {
    let counts = amounts(ds)?;
    interrupt::check(DOING)?;
    let totals = sums(counts);
    interrupt::check(DOING)?;
    let library = covering(ds, &totals);
    normalize_checked(ds, &totals, &library, target)
}

/// The counts, or X where it holds none but amounts that can be scaled as well.
fn amounts(ds: &Dataset) -> Result<&Matrix> {
    let (values, are_counts) = ds.counts_or_x().map_err(|e| e.within(DOING))?;
    if !are_counts {
        if values.any(|v| v < 0.0) {
            return ds.counts().map_err(|e| e.within(DOING));
        }
        progress::note(format!(
            "{DOING}: X holds no counts; its values are scaled as they are, and are not kept as layers[\"counts\"]"
        ));
    }
    Ok(values)
}

/// The library size of each spot, [N]: `obs["total_counts"]` where these are sums over at least
/// the genes there are now, as they stay when genes are selected; else the sums of the counts.
pub fn library_totals(ds: &Dataset) -> Result<Vec<f64>> {
    Ok(covering(ds, &sums(ds.counts()?)))
}

fn covering(ds: &Dataset, totals: &[f64]) -> Vec<f64> {
    // A sum of rounded values may fall short by as much as rounding.
    let covers = |had: &[f64]| had.iter().zip(totals).all(|(h, t)| *h >= t * (1.0 - 1e-6));
    let had = ds.obs().f64(keys::TOTAL_COUNTS).ok().filter(|had| covers(had));
    had.unwrap_or_else(|| totals.to_vec())
}

/// As [`normalize_total`], with the library sizes given, [N].
pub fn normalize_by(ds: &mut Dataset, totals: &[f64], target: f64) -> Result<()> {
    let library = library_totals(ds).map_err(|e| e.within(DOING))?;
    normalize_checked(ds, totals, &library, target)
}

/// Scales counts that were seen to be counts.
fn normalize_checked(ds: &mut Dataset, totals: &[f64], library: &[f64], target: f64) -> Result<()> {
    if !(target.is_finite() && target > 0.0) {
        return Err(Error::new(DOING).expected("a target sum above 0").found(target.to_string()));
    }
    let counts = ds.layers().get(keys::COUNTS).unwrap_or(ds.x());
    let scaled = scale_rows(counts, totals, target)?;
    let keep = !ds.layers().contains_key(keys::COUNTS) && counts.first_non_count().is_none();
    interrupt::check(DOING)?;
    if keep {
        // A clone shares what is sparse.
        let counts = ds.x().clone();
        ds.set_layer(keys::COUNTS, counts)?;
    }
    ds.set_x(scaled)?;
    if let Uns::Map(m) = ds.uns_mut() {
        m.shift_remove(LOG1P);
    }
    ds.obs_mut().set_f64(keys::TOTAL_COUNTS, library)?;
    let empty: Vec<usize> = (0..totals.len()).filter(|&i| totals[i] == 0.0).collect();
    if let Some(&first) = empty.first() {
        progress::note(format!(
            "{DOING}: {} spots have no counts and stay zero, the first {}; ds.filter(#{{ min_counts: 1 }}) drops them",
            empty.len(),
            ds.obs().index()[first]
        ));
    }
    Ok(())
}

/// Options of the normalisation of library sizes; they and the defaults are scanpy's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeConfig {
    /// The sum of each spot afterwards; without it the median of the sums before.
    pub target_sum: Option<f64>,
    /// Whether genes that make up more than `max_fraction` of some spot are left out of the sums.
    pub exclude_highly_expressed: bool,
    /// The fraction of a spot's counts above which a gene is left out of the sums.
    pub max_fraction: f64,
}

impl Default for NormalizeConfig {
    fn default() -> Self {
        Self { target_sum: None, exclude_highly_expressed: false, max_fraction: 0.05 }
    }
}

/// As [`normalize_total`], with scanpy's options.
///
/// # Errors
/// As there; a fraction outside 0 to 1; spots whose median is no count at all.
pub fn normalize(ds: &mut Dataset, config: &NormalizeConfig) -> Result<()> {
    if !(0.0..=1.0).contains(&config.max_fraction) {
        return Err(Error::new(DOING)
            .expected("max_fraction from 0 to 1")
            .found(config.max_fraction.to_string()));
    }
    let counts = amounts(ds)?;
    interrupt::check(DOING)?;
    let all = sums(counts);
    let totals = match config.exclude_highly_expressed {
        true => sums_of_modest(&counts.csr(), &all, config.max_fraction)?,
        false => all.clone(),
    };
    let mut sorted = totals.clone();
    sorted.sort_by(f64::total_cmp);
    let median = match sorted.len() {
        0 => 1.0,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    };
    if config.target_sum.is_none() && median == 0.0 {
        return Err(Error::new(DOING)
            .expected("a median sum above 0")
            .found("more than half of the spots without counts")
            .advice("Drop them with ds.filter(#{ min_counts: 1 }), or give target_sum"));
    }
    let library = covering(ds, &all);
    normalize_checked(ds, &totals, &library, config.target_sum.unwrap_or(median))
}

/// Sums of rows over the columns that make up no more than `fraction` of any row.
fn sums_of_modest(counts: &Csr, totals: &[f64], fraction: f64) -> Result<Vec<f64>> {
    let mut modest = vec![true; counts.ncols()];
    for (i, total) in totals.iter().enumerate() {
        interrupt::check(DOING)?;
        let (genes, values) = counts.row(i);
        for (&j, &v) in genes.iter().zip(values) {
            modest[j as usize] &= f64::from(v) <= fraction * total;
        }
    }
    Ok(counts.rows(|genes, values| {
        let kept = genes.iter().zip(values).filter(|(j, _)| modest[**j as usize]);
        sum(kept.map(|(_, &v)| f64::from(v)))
    }))
}

/// Replaces X by ln(1 + X) and marks it in `uns["log1p"]` as scanpy does.
///
/// # Errors
/// X is marked already; a value below zero or not finite.
pub fn log1p(ds: &mut Dataset) -> Result<()> {
    let doing = "taking logarithms of X";
    if ds.uns().get(&[LOG1P]).is_some() {
        return Err(Error::new(doing)
            .expected("X without logarithms taken")
            .found("uns[\"log1p\"], which says that they were")
            .advice("Start from the counts with normalize_total"));
    }
    let bad = |v: f32| !v.is_finite() || v < 0.0;
    if let Some((_, _, v)) = ds.x().find(bad) {
        return Err(Error::new(doing)
            .expected("finite values, none below zero")
            .found(v.to_string()));
    }
    let ln = |v: f32| f64::from(v).ln_1p() as f32;
    interrupt::check(doing)?;
    match ds.x_mut() {
        Matrix::Sparse(m) => m.edit_values(|| {
            let mut memo = Memo::new(ln);
            move |v| memo.get(v)
        }),
        Matrix::Dense(m) => *m = map_dense(m, doing, |_, _, v| ln(v))?,
    }
    ds.uns_mut().set(&[LOG1P], Uns::Map(IndexMap::new()));
    Ok(())
}

/// Options of the scaling to unit variance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleConfig {
    /// Values above this become this.
    pub max_value: Option<f64>,
    /// Whether means are taken away too. That would fill X up and is refused: `ds.pca(#{ scale:
    /// true })` takes them into account without.
    pub zero_center: bool,
}

/// Divides each gene of X by its standard deviation, as scanpy's `scale(zero_center=False)`; what
/// is zero stays zero. `var` gets `mean` and `std`.
///
/// # Errors
/// `zero_center`; values that are not finite; a `max_value` that is not above zero.
pub fn scale(ds: &mut Dataset, config: &ScaleConfig) -> Result<()> {
    let doing = "scaling genes to unit variance";
    if config.zero_center {
        return Err(Error::new(doing)
            .expected("zero_center: false")
            .found("true, which would make a dense matrix of X")
            .advice("Principal components of centred, scaled values come from ds.pca(#{ scale: true, max_value: 10 })"));
    }
    if let Some(most) = config.max_value.filter(|m| m.is_nan() || *m <= 0.0) {
        return Err(Error::new(doing).expected("max_value above 0").found(most.to_string()));
    }
    let x = ds.x().csr();
    if let Some((r, c, v)) = x.find(|v| !v.is_finite()) {
        let (spot, gene) = (&ds.obs().index()[r], &ds.var().index()[c]);
        return Err(Error::new(doing)
            .expected("finite values")
            .found(format!("{v} for gene {gene} in spot {spot}")));
    }
    let (mean, variance) = moments(&x);
    drop(x);
    let std: Vec<f64> = variance.iter().map(|v| if *v > 0.0 { v.sqrt() } else { 1.0 }).collect();
    let most = config.max_value.unwrap_or(f64::INFINITY) as f32;
    let scaled = |j: usize, v: f32| ((f64::from(v) / std[j]) as f32).min(most);
    interrupt::check(doing)?;
    match ds.x_mut() {
        Matrix::Sparse(m) => m.edit_rows(|_, cols, row| {
            row.iter_mut().zip(cols).for_each(|(v, &j)| *v = scaled(j as usize, *v));
        }),
        Matrix::Dense(m) => *m = map_dense(m, doing, |_, j, v| scaled(j, v))?,
    }
    ds.var_mut().set_f64("mean", &mean)?;
    ds.var_mut().set_f64("std", &std)
}

/// Library size factors: each total over the mean total, [N].
///
/// # Errors
/// A total that is zero, negative or not finite, with its place.
pub fn size_factors(totals: &[f64]) -> Result<Vec<f64>> {
    let doing = "computing size factors";
    if let Some(i) = totals.iter().position(|t| !(t.is_finite() && *t > 0.0)) {
        return Err(Error::new(doing)
            .expected("a total above 0 for every spot")
            .found(format!("{} at spot {i}", totals[i]))
            .advice("Drop empty spots with ds.filter(#{ min_counts: 1 }), or --min_counts 1 in train_real"));
    }
    let mean = totals.iter().sum::<f64>() / totals.len() as f64;
    Ok(totals.iter().map(|t| t / mean).collect())
}

fn sums(m: &Matrix) -> Vec<f64> {
    match m {
        Matrix::Sparse(m) => m.row_sums(),
        Matrix::Dense(m) => {
            m.rows().into_iter().map(|r| sum(r.iter().map(|&v| f64::from(v)))).collect()
        }
    }
}

fn scale_rows(m: &Matrix, totals: &[f64], target: f64) -> Result<Matrix> {
    let factor = |r: usize| if totals[r] > 0.0 { target / totals[r] } else { 1.0 };
    let scale = |factor: f64, v: f32| (f64::from(v) * factor) as f32;
    Ok(match m {
        Matrix::Sparse(m) => m
            .map_rows(|r, _, old, new| {
                let factor = factor(r);
                new.iter_mut().zip(old).for_each(|(new, &old)| *new = scale(factor, old));
            })
            .into(),
        Matrix::Dense(m) => map_dense(m, DOING, |r, _, v| scale(factor(r), v))?.into(),
    })
}
