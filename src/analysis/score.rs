//! Agreement of two labellings, and of a score with a mark. Definitions are scikit-learn's.

use std::collections::BTreeMap;

use crate::base::{Error, Result};

/// Two labellings coded as numbers, without the pairs in which one is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    pub a: Vec<usize>,
    pub b: Vec<usize>,
    /// The names behind the codes of `a`, in alphabetical order.
    pub a_names: Vec<String>,
    pub b_names: Vec<String>,
    /// Pairs dropped.
    pub dropped: usize,
}

/// Codes two text labellings. A label is missing when it is `None`, empty, `NA`, `NaN` or `nan`.
///
/// # Errors
/// Lengths that differ; no pair that is whole.
pub fn pairs(a: &[Option<String>], b: &[Option<String>]) -> Result<Pairs> {
    let doing = "pairing two labellings";
    same_length(doing, a.len(), b.len())?;
    let known = |v: &Option<String>| v.as_deref().filter(|t| is_label(t)).map(str::to_owned);
    let (left, right): (Vec<String>, Vec<String>) =
        a.iter().zip(b).filter_map(|(x, y)| Some((known(x)?, known(y)?))).unzip();
    if left.is_empty() {
        return Err(Error::new(doing)
            .expected("a spot with both labels")
            .found(format!("none of {}", a.len())));
    }
    let dropped = a.len() - left.len();
    let ((a, a_names), (b, b_names)) = (code(left), code(right));
    Ok(Pairs { a, b, a_names, b_names, dropped })
}

/// Whether a text names a group rather than saying that there is none.
pub fn is_label(text: &str) -> bool {
    !matches!(text, "" | "NA" | "NaN" | "nan")
}

fn code(labels: Vec<String>) -> (Vec<usize>, Vec<String>) {
    let mut names = labels.clone();
    names.sort();
    names.dedup();
    let codes = labels.iter().map(|l| names.binary_search(l).unwrap_or_default()).collect();
    (codes, names)
}

/// Adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, 0 on average by chance.
///
/// # Errors
/// Lengths that differ, or no labels.
pub fn ari(a: &[usize], b: &[usize]) -> Result<f64> {
    let table = Table::new("computing the adjusted Rand index", a, b)?;
    let squares = |counts: &mut dyn Iterator<Item = f64>| counts.map(|c| c * c).sum::<f64>();
    let both = squares(&mut table.cells.values().copied());
    let (rows, cols) =
        (squares(&mut table.rows.values().copied()), squares(&mut table.cols.values().copied()));
    // Ordered pairs: together in both, in one only, in neither.
    let (tp, fp, fn_) = (both - table.n, cols - both, rows - both);
    let tn = table.n * table.n - fp - fn_ - both;
    if fp == 0.0 && fn_ == 0.0 {
        return Ok(1.0);
    }
    Ok(2.0 * (tp * tn - fn_ * fp) / ((tp + fn_) * (fn_ + tn) + (tp + fp) * (fp + tn)))
}

/// Normalised mutual information, by the arithmetic mean of both entropies.
///
/// # Errors
/// Lengths that differ, or no labels.
pub fn nmi(a: &[usize], b: &[usize]) -> Result<f64> {
    let table = Table::new("computing the mutual information", a, b)?;
    let mean = (table.entropy(&table.rows) + table.entropy(&table.cols)) / 2.0;
    Ok(if mean == 0.0 { 1.0 } else { table.information() / mean })
}

/// Homogeneity (Rosenberg and Hirschberg 2007): 1 when each cluster holds one class only.
///
/// # Errors
/// Lengths that differ, or no labels.
pub fn homogeneity(classes: &[usize], clusters: &[usize]) -> Result<f64> {
    let table = Table::new("computing the homogeneity", classes, clusters)?;
    let entropy = table.entropy(&table.rows);
    Ok(if entropy == 0.0 { 1.0 } else { table.information() / entropy })
}

/// Completeness: 1 when all points of a class lie in one cluster.
///
/// # Errors
/// Lengths that differ, or no labels.
pub fn completeness(classes: &[usize], clusters: &[usize]) -> Result<f64> {
    homogeneity(clusters, classes).map_err(|e| e.within("computing the completeness"))
}

/// Area under the ROC curve: the chance that a marked point scores above an unmarked one, ties
/// counting half (Mann and Whitney, by midranks).
///
/// # Errors
/// Lengths that differ, scores that are not numbers, marks all alike.
pub fn auroc(scores: &[f64], marks: &[bool]) -> Result<f64> {
    let doing = "computing the area under the ROC curve";
    same_length(doing, scores.len(), marks.len())?;
    if let Some(i) = scores.iter().position(|s| s.is_nan()) {
        return Err(Error::new(doing).expected("numbers as scores").found(format!("NaN at {i}")));
    }
    let positive = marks.iter().filter(|&&m| m).count();
    let negative = marks.len() - positive;
    if positive == 0 || negative == 0 {
        return Err(Error::new(doing)
            .expected("marked and unmarked points")
            .found(format!("{positive} marked, {negative} not")));
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut ranks, mut before) = (0.0, 0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let midrank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        ranks += midrank * tied.iter().filter(|&&i| marks[i]).count() as f64;
        before += tied.len();
    }
    let (p, q) = (positive as f64, negative as f64);
    Ok((ranks - p * (p + 1.0) / 2.0) / (p * q))
}

/// Marks as truth values.
///
/// # Errors
/// Others than 0 and 1; NaN.
pub fn marks(values: &[f64]) -> Result<Vec<bool>> {
    let mark = |(i, &v): (usize, &f64)| match v {
        0.0 => Ok(false),
        1.0 => Ok(true),
        other => Err(Error::new("reading marks")
            .expected("true or false, or 1 or 0")
            .found(format!("{other} at {i}"))),
    };
    values.iter().enumerate().map(mark).collect()
}

/// How often each pair of labels occurs, and each label.
struct Table {
    n: f64,
    cells: BTreeMap<(usize, usize), f64>,
    rows: BTreeMap<usize, f64>,
    cols: BTreeMap<usize, f64>,
}

impl Table {
    fn new(doing: &str, a: &[usize], b: &[usize]) -> Result<Self> {
        same_length(doing, a.len(), b.len())?;
        if a.is_empty() {
            return Err(Error::new(doing).expected("labels").found("none"));
        }
        let mut table = Self {
            n: a.len() as f64,
            cells: BTreeMap::new(),
            rows: BTreeMap::new(),
            cols: BTreeMap::new(),
        };
        for (&x, &y) in a.iter().zip(b) {
            *table.cells.entry((x, y)).or_default() += 1.0;
            *table.rows.entry(x).or_default() += 1.0;
            *table.cols.entry(y).or_default() += 1.0;
        }
        Ok(table)
    }

    fn entropy(&self, counts: &BTreeMap<usize, f64>) -> f64 {
        if counts.len() == 1 {
            0.0
        } else {
            -counts.values().map(|c| c / self.n * (c / self.n).ln()).sum::<f64>()
        }
    }

    /// Mutual information, nats.
    fn information(&self) -> f64 {
        let cell = |(&(r, c), &k): (&(usize, usize), &f64)| {
            k / self.n * (k * self.n / (self.rows[&r] * self.cols[&c])).ln()
        };
        let information = self.cells.iter().map(cell).sum::<f64>();
        if information <= f64::EPSILON { 0.0 } else { information }
    }
}

fn same_length(doing: &str, a: usize, b: usize) -> Result<()> {
    if a == b {
        return Ok(());
    }
    Err(Error::new(doing).expected("as many values on both sides").found(format!("{a} and {b}")))
}
