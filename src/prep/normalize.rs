//! Library size and logarithm.

use indexmap::IndexMap;

use crate::base::{Error, Result, progress};
use crate::data::{Csr, Dataset, Matrix, Uns, keys};

/// `uns`: scanpy's mark that X holds logarithms.
const LOG1P: &str = "log1p";

/// Scales each spot's counts to the sum `target` and makes that X (scanpy's `normalize_total`).
///
/// X is always made from the counts: from `layers["counts"]` where it is, else from X, which is
/// then kept as that layer. Doing it twice is doing it once. `obs["total_counts"]` gets what
/// [`library_totals`] says. Spots without counts stay zero and are reported.
///
/// # Errors
/// No counts (the error names the layers that hold some); a target that is not above zero.
pub fn normalize_total(ds: &mut Dataset, target: f64) -> Result<()> {
    let totals = sums(ds.counts().map_err(|e| e.within("normalising the counts"))?);
    normalize_by(ds, &totals, target)
}

/// The library size of each spot, [N]: `obs["total_counts"]` where these are sums over at least
/// the genes there are now, as they stay when genes are selected; else the sums of the counts.
pub fn library_totals(ds: &Dataset) -> Result<Vec<f64>> {
    let totals = sums(ds.counts()?);
    // A sum of rounded values may fall short by as much as rounding.
    let covers = |had: &[f64]| had.iter().zip(&totals).all(|(h, t)| *h >= t * (1.0 - 1e-6));
    Ok(ds.obs().f64(keys::TOTAL_COUNTS).ok().filter(|had| covers(had)).unwrap_or(totals))
}

/// As [`normalize_total`], with the library sizes given, [N].
pub fn normalize_by(ds: &mut Dataset, totals: &[f64], target: f64) -> Result<()> {
    let doing = "normalising the counts";
    if !(target.is_finite() && target > 0.0) {
        return Err(Error::new(doing).expected("a target sum above 0").found(target.to_string()));
    }
    let library = library_totals(ds).map_err(|e| e.within(doing))?;
    let scaled = scale_rows(ds.counts()?, totals, target);
    if !ds.layers().contains_key(keys::COUNTS) {
        let counts = ds.x().clone();
        ds.set_layer(keys::COUNTS, counts)?;
    }
    ds.set_x(scaled)?;
    if let Uns::Map(m) = ds.uns_mut() {
        m.shift_remove(LOG1P);
    }
    ds.obs_mut().set_f64(keys::TOTAL_COUNTS, &library)?;
    let empty: Vec<usize> = (0..totals.len()).filter(|&i| totals[i] == 0.0).collect();
    if let Some(&first) = empty.first() {
        progress::note(format!(
            "{doing}: {} spots have no counts and stay zero, the first {}; ds.filter(#{{ min_counts: 1 }}) drops them",
            empty.len(),
            ds.obs().index()[first]
        ));
    }
    Ok(())
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
    let found = match ds.x() {
        Matrix::Sparse(m) => m.parts().2.iter().copied().find(|&v| bad(v)),
        Matrix::Dense(m) => m.iter().copied().find(|&v| bad(v)),
    };
    if let Some(v) = found {
        return Err(Error::new(doing)
            .expected("finite values, none below zero")
            .found(v.to_string()));
    }
    let ln = |v: f32| f64::from(v).ln_1p() as f32;
    let x: Matrix = match ds.x() {
        Matrix::Sparse(m) => m.map(|_, _, v| ln(v)).into(),
        Matrix::Dense(m) => m.mapv(ln).into(),
    };
    ds.set_x(x)?;
    ds.uns_mut().set(&[LOG1P], Uns::Map(IndexMap::from([("base".to_owned(), Uns::Null)])));
    Ok(())
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
            m.rows().into_iter().map(|r| r.iter().map(|&v| f64::from(v)).sum()).collect()
        }
    }
}

fn scale_rows(m: &Matrix, totals: &[f64], target: f64) -> Matrix {
    let scale = |r: usize, v: f32| {
        if totals[r] > 0.0 { (f64::from(v) / totals[r] * target) as f32 } else { v }
    };
    match m {
        Matrix::Sparse(m) => Csr::map(m, |r, _, v| scale(r, v)).into(),
        Matrix::Dense(m) => {
            let mut out = m.clone();
            out.indexed_iter_mut().for_each(|((r, _), v)| *v = scale(r, *v));
            out.into()
        }
    }
}
