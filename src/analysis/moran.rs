//! Moran's I: how much neighbours are alike in a gene.

use polars::prelude::{Column, DataFrame, SortMultipleOptions};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, interrupt};
use crate::data::{Csr, Dataset};
use crate::graph::Graph;

/// Options of Moran's I.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoranConfig {
    /// Names of genes; all of them where it is left out.
    pub genes: Option<Vec<String>>,
    /// "X" or the name of a layer.
    pub layer: String,
    /// Whether the neighbours of a spot weigh 1 together, as squidpy has it, rather than 1 each,
    /// as scanpy takes the graph.
    pub row_normalized: bool,
}

impl Default for MoranConfig {
    fn default() -> Self {
        Self { genes: None, layer: "X".into(), row_normalized: false }
    }
}

/// A value below this share of the sum of squares is what rounding left of none.
const NOISE: f64 = 1e-14;

/// A table of `gene` and `I`, the greatest first (and genes that do not vary, whose I is NaN, last).
///
/// # Errors
/// A graph of other spots; genes or a layer that are not there.
pub fn moran(ds: &Dataset, graph: &Graph, config: &MoranConfig) -> Result<DataFrame> {
    let doing = "computing Moran's I";
    let values = ds.layer(&config.layer).map_err(|e| e.within(doing))?.csr();
    let weights = graph.weights(config.row_normalized);
    let (values, names) = match &config.genes {
        Some(genes) => {
            let places = ds.gene_positions(genes).map_err(|e| e.within(doing))?;
            let mut once = places.clone();
            once.sort_unstable();
            once.dedup();
            let names = once.iter().map(|&j| ds.var().index()[j].clone()).collect();
            (std::borrow::Cow::Owned(values.select_cols(&once)?), names)
        }
        None => (values, ds.var().index().to_vec()),
    };
    let found = morans_i(&values, &weights)?;
    let failed = |e| Error::io(doing, e);
    let columns = vec![Column::new("gene".into(), names), Column::new("I".into(), found)];
    let table = DataFrame::new_infer_height(columns).map_err(failed)?;
    // NaN is the greatest number to polars.
    let is = table.column("I").and_then(|c| c.f64().cloned()).map_err(failed)?;
    let missing: Vec<bool> = is.iter().map(|v| v.is_none_or(f64::is_nan)).collect();
    let order = SortMultipleOptions::default()
        .with_order_descending_multi([false, true])
        .with_maintain_order(true);
    let mut with = table.clone();
    with.with_column(Column::new("missing".into(), missing)).map_err(failed)?;
    with.sort(["missing", "I"], order).and_then(|t| t.drop("missing")).map_err(failed)
}

/// Moran's I of each column of `x` (Moran, Biometrika 1950), NaN for one that does not vary.
///
/// With z the centred values, I is N / W times the sum of `w[i,j] z[i] z[j]` over that of `z[i]^2`.
/// The mean is multiplied out of both, so that only values that are not zero are looked at.
///
/// # Shapes
/// `x` [N,G], `weights` [N,N].
///
/// # Errors
/// Weights of another number of spots; values that are not finite.
pub fn morans_i(x: &Csr, weights: &Csr) -> Result<Vec<f64>> {
    let doing = "computing Moran's I";
    let n = x.nrows();
    if (weights.nrows(), weights.ncols()) != (n, n) {
        return Err(Error::new(doing)
            .expected(format!("a graph of {n} spots"))
            .found(weights.nrows().to_string()));
    }
    if let Some((r, _, v)) = x.find(|v| !v.is_finite()) {
        return Err(Error::new(doing).expected("finite values").found(format!("{v} in spot {r}")));
    }
    let total: f64 = weights.row_sums().iter().sum();
    // What runs out of a spot and into it.
    let mut ends = weights.row_sums();
    ends.iter_mut().zip(weights.col_sums()).for_each(|(out, into)| *out += into);
    let by_gene = x.transpose()?;
    let gene = |dense: &mut Vec<f64>, j: usize| {
        interrupt::check(doing)?;
        let (spots, values) = by_gene.row(j);
        let (mut sum, mut squares, mut at_ends) = (0.0, 0.0, 0.0);
        for (&i, &v) in spots.iter().zip(values) {
            let v = f64::from(v);
            dense[i as usize] = v;
            sum += v;
            squares += v * v;
            at_ends += v * ends[i as usize];
        }
        let mean = sum / n as f64;
        let mut pairs = 0.0;
        for (&i, &v) in spots.iter().zip(values) {
            let (near, weight) = weights.row(i as usize);
            let around: f64 =
                near.iter().zip(weight).map(|(&k, &w)| f64::from(w) * dense[k as usize]).sum();
            pairs += f64::from(v) * around;
        }
        spots.iter().for_each(|&i| dense[i as usize] = 0.0);
        let product = pairs - mean * at_ends + mean * mean * total;
        let spread = squares - mean * sum;
        let varies = spread > NOISE * squares;
        Ok(if varies { n as f64 / total * product / spread } else { f64::NAN })
    };
    (0..x.ncols()).into_par_iter().map_init(|| vec![0.0; n], gene).collect()
}
