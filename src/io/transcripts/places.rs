//! Where transcripts are counted, and the dataset of the counts.

use std::collections::HashMap;

use ndarray::Array2;
use polars::prelude::Column;

use super::scan::{Features, Transcript};
use crate::base::{Error, Result};
use crate::data::{Csr, Dataset, Table, keys};

/// Squares or cells in the order in which they were met.
pub(super) enum Places {
    Bins { side: f64, ids: HashMap<[i32; 2], u32>, all: Vec<[i32; 2]> },
    Cells { ids: HashMap<String, u32>, all: Vec<Cell> },
}

#[derive(Default)]
pub(super) struct Cell {
    name: String,
    sum: [f64; 2],
    n: f64,
}

impl Places {
    /// The place of a transcript; `None` outside any cell.
    pub fn of(&mut self, t: &Transcript<'_>) -> Result<Option<u32>> {
        match self {
            Self::Bins { side, ids, all } => {
                let at = |v: f64| {
                    let n = (v / *side).floor();
                    let fits = f64::from(i32::MIN) < n && n < f64::from(i32::MAX);
                    fits.then_some(n as i32).ok_or_else(|| {
                        Error::new("placing a transcript")
                            .expected(format!("a position within 2^31 squares of {side} um"))
                            .found(v.to_string())
                    })
                };
                let key = [at(t.y)?, at(t.x)?];
                let new = all.len() as u32;
                Ok(Some(*ids.entry(key).or_insert_with(|| {
                    all.push(key);
                    new
                })))
            }
            Self::Cells { ids, all } => {
                let Some(name) = t.cell else { return Ok(None) };
                let id = match ids.get(name) {
                    Some(&id) => id,
                    None => {
                        let id = all.len() as u32;
                        ids.insert(name.to_owned(), id);
                        all.push(Cell { name: name.to_owned(), ..Cell::default() });
                        id
                    }
                };
                if let Some(cell) = all.get_mut(id as usize) {
                    cell.sum = [cell.sum[0] + t.x, cell.sum[1] + t.y];
                    cell.n += 1.0;
                }
                Ok(Some(id))
            }
        }
    }
}
/// Orders places and genes and builds the dataset.
pub(super) fn dataset(
    counts: HashMap<u64, u32>,
    places: &Places,
    features: &Features,
) -> Result<Dataset> {
    let counted: Vec<u32> =
        (0u32..).zip(&features.all).filter(|(_, f)| f.counted).map(|(i, _)| i).collect();
    let name = |i: u32| features.all.get(i as usize).map_or("", |f| f.name.as_str());
    let genes = ordered(counted, |a, b| name(a).cmp(name(b)));
    let (n, order) = match places {
        Places::Bins { all, .. } => {
            let key = |i: u32| all.get(i as usize);
            (all.len(), ordered((0..all.len() as u32).collect(), |a, b| key(a).cmp(&key(b))))
        }
        Places::Cells { all, .. } => {
            let key = |i: u32| all.get(i as usize).map(|c| &c.name);
            (all.len(), ordered((0..all.len() as u32).collect(), |a, b| key(a).cmp(&key(b))))
        }
    };
    let (row_of, col_of) = (ranks(&order, n), ranks(&genes, features.all.len()));
    // In no order here; sorted at once.
    let mut entries: Vec<(u32, u32, u32)> = counts
        .into_iter()
        .filter_map(|(key, n)| {
            Some((*row_of.get((key >> 32) as usize)?, *col_of.get(key as u32 as usize)?, n))
        })
        .collect();
    rayon::slice::ParallelSliceMut::par_sort_unstable(entries.as_mut_slice());
    let mut indptr = vec![0; n + 1];
    for &(row, _, _) in &entries {
        if let Some(end) = indptr.get_mut(row as usize + 1) {
            *end += 1;
        }
    }
    for i in 0..n {
        indptr[i + 1] += indptr[i];
    }
    let indices = entries.iter().map(|e| e.1).collect();
    let values = entries.iter().map(|e| e.2 as f32).collect();
    drop(entries);
    let x = Csr::new((n, genes.len()), indptr, indices, values)?;

    let mut var = Table::new(genes.iter().map(|&g| name(g).to_owned()).collect());
    let kinds: Vec<Option<String>> =
        genes.iter().map(|&g| features.all.get(g as usize).map(|f| f.kind.to_owned())).collect();
    var.set_categories("feature_types", &kinds)?;
    let (obs, xy) = match places {
        Places::Bins { side, all, .. } => {
            let bins: Vec<[i32; 2]> =
                order.iter().filter_map(|&i| all.get(i as usize).copied()).collect();
            let mut obs = Table::new(bins.iter().map(|[r, c]| format!("r{r}_c{c}")).collect());
            for (k, name) in ["array_row", "array_col"].into_iter().enumerate() {
                let at: Vec<i64> = bins.iter().map(|b| i64::from(b[k])).collect();
                obs.set(Column::new(name.into(), at))?;
            }
            let centre = |v: i32| (f64::from(v) + 0.5) * side;
            (obs, bins.iter().map(|&[r, c]| [centre(c), centre(r)]).collect::<Vec<_>>())
        }
        Places::Cells { all, .. } => {
            let cells: Vec<&Cell> = order.iter().filter_map(|&i| all.get(i as usize)).collect();
            let obs = Table::new(cells.iter().map(|c| c.name.clone()).collect());
            (obs, cells.iter().map(|c| c.sum.map(|s| s / c.n)).collect())
        }
    };
    let mut ds = Dataset::new(x, obs, var)?;
    ds.set_obsm(keys::SPATIAL, Array2::from(xy))?;
    Ok(ds)
}

fn ordered(mut ids: Vec<u32>, by: impl Fn(u32, u32) -> std::cmp::Ordering) -> Vec<u32> {
    ids.sort_by(|&a, &b| by(a, b));
    ids
}

/// The rank of each of `n` ids in an order.
fn ranks(order: &[u32], n: usize) -> Vec<u32> {
    let mut rank = vec![u32::MAX; n];
    for (r, &id) in (0..).zip(order) {
        if let Some(slot) = rank.get_mut(id as usize) {
            *slot = r;
        }
    }
    rank
}
