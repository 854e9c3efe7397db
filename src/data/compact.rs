//! Dropping rows and columns of sparse matrices, where they lie when nobody else holds them.

use std::sync::Arc;

use rayon::prelude::*;

use super::Csr;
use super::csr::Pattern;
use crate::base::{Result, interrupt};

const DOING: &str = "selecting rows and columns";

/// Keeps the rows and columns named, in the order named, of matrices of one shape. Those that
/// share a pattern share the new one. Where what is kept stands in the old order, arrays that no
/// other matrix holds are shortened in place, so that no second copy is ever made.
///
/// # Errors
/// An interrupt; the matrices are then as they were.
pub(super) fn select(
    all: &mut [&mut Csr],
    rows: Option<&[usize]>,
    cols: Option<&[usize]>,
) -> Result<()> {
    let ascends = |kept: Option<&[usize]>| kept.is_none_or(|k| k.is_sorted_by(|a, b| a < b));
    let in_order = ascends(rows) && ascends(cols);
    let groups = Group::all(all);
    // Copies are made before anything changes; what is done in place is not to be stopped.
    let mut copies = Vec::with_capacity(groups.len());
    for group in &groups {
        copies.push(if in_order && group.is_alone(all) {
            None
        } else {
            let first = &all[group.members[0]].pattern;
            let values: Vec<&[f32]> = group.arrays().map(|j| &all[j].values[..]).collect();
            Some(copied(first, &values, rows, &Columns::new(first.ncols, cols))?)
        });
    }
    interrupt::check(DOING)?;
    for (group, copy) in groups.iter().zip(copies) {
        let (pattern, values) = copy.unwrap_or_else(|| {
            let values = group.arrays().map(|j| Arc::clone(&all[j].values)).collect();
            let mut first = Arc::default();
            for &j in &group.members {
                first = std::mem::take(&mut all[j].pattern);
                all[j].values = Arc::default();
            }
            let columns = Columns::new(first.ncols, cols);
            in_place(first, values, rows, &columns)
        });
        let pattern = Arc::new(pattern);
        let values: Vec<Arc<Vec<f32>>> = values.into_iter().map(Arc::new).collect();
        for (&j, &v) in group.members.iter().zip(&group.holds) {
            all[j].pattern = Arc::clone(&pattern);
            all[j].values = Arc::clone(&values[v]);
        }
    }
    Ok(())
}

/// Matrices that share a pattern.
struct Group {
    members: Vec<usize>,
    /// Which array of values each member holds; arrays are numbered as they come.
    holds: Vec<usize>,
}

impl Group {
    fn all(all: &[&mut Csr]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (j, m) in all.iter().enumerate() {
            let shares = |g: &&mut Self| m.shares_pattern(all[g.members[0]]);
            let Some(group) = groups.iter_mut().find(shares) else {
                groups.push(Self { members: vec![j], holds: vec![0] });
                continue;
            };
            let holds = |&i: &usize| Arc::ptr_eq(&all[i].values, &m.values);
            let known = group.arrays().position(|i| holds(&i));
            group.holds.push(known.unwrap_or_else(|| group.arrays().count()));
            group.members.push(j);
        }
        groups
    }

    /// The first member that holds each array of values.
    fn arrays(&self) -> impl Iterator<Item = usize> {
        let is_first = |at: &usize| !self.holds[..*at].contains(&self.holds[*at]);
        (0..self.holds.len()).filter(is_first).map(|at| self.members[at])
    }

    /// Whether nothing else holds the arrays of its members.
    fn is_alone(&self, all: &[&mut Csr]) -> bool {
        let held = |v: usize| self.holds.iter().filter(|&&h| h == v).count();
        let own = |(v, j): (usize, usize)| Arc::strong_count(&all[j].values) == held(v);
        Arc::strong_count(&all[self.members[0]].pattern) == self.members.len()
            && self.arrays().enumerate().all(own)
    }
}

/// Where each old column goes.
struct Columns {
    /// `u32::MAX` for a column that is dropped; `None` where all stay as they are.
    place: Option<Vec<u32>>,
    count: usize,
    ascending: bool,
}

impl Columns {
    fn new(ncols: usize, kept: Option<&[usize]>) -> Self {
        let Some(kept) = kept else {
            return Self { place: None, count: ncols, ascending: true };
        };
        let mut place = vec![u32::MAX; ncols];
        kept.iter().enumerate().for_each(|(new, &old)| place[old] = new as u32);
        let ascending = kept.is_sorted_by(|a, b| a < b);
        Self { place: Some(place), count: kept.len(), ascending }
    }

    fn of(&self, c: u32) -> u32 {
        self.place.as_ref().map_or(c, |p| p[c as usize])
    }
}

fn in_place(
    pattern: Arc<Pattern>,
    values: Vec<Arc<Vec<f32>>>,
    rows: Option<&[usize]>,
    columns: &Columns,
) -> (Pattern, Vec<Vec<f32>>) {
    let Pattern { indptr, mut indices, .. } = Arc::unwrap_or_clone(pattern);
    let mut values: Vec<Vec<f32>> = values.into_iter().map(Arc::unwrap_or_clone).collect();
    let kept = rows.map_or(indptr.len() - 1, <[usize]>::len);
    let mut new = Vec::with_capacity(kept + 1);
    new.push(0);
    let mut end = 0;
    for i in 0..kept {
        let r = rows.map_or(i, |rows| rows[i]);
        let span = indptr[r]..indptr[r + 1];
        if columns.place.is_none() {
            indices.copy_within(span.clone(), end);
            values.iter_mut().for_each(|v| v.copy_within(span.clone(), end));
            end += span.len();
        } else {
            for from in span {
                let place = columns.of(indices[from]);
                if place != u32::MAX {
                    indices[end] = place;
                    values.iter_mut().for_each(|v| v[end] = v[from]);
                    end += 1;
                }
            }
        }
        new.push(end);
    }
    indices.truncate(end);
    indices.shrink_to_fit();
    for v in &mut values {
        v.truncate(end);
        v.shrink_to_fit();
    }
    (Pattern { ncols: columns.count, indptr: new, indices }, values)
}

/// Ends of rows, columns, and each array of values of some rows.
type Part = (Vec<usize>, Vec<u32>, Vec<Vec<f32>>);

/// Rows that a thread copies at a time.
const ROWS: usize = 1024;

fn copied(
    pattern: &Pattern,
    values: &[&[f32]],
    rows: Option<&[usize]>,
    columns: &Columns,
) -> Result<(Pattern, Vec<Vec<f32>>)> {
    let kept = rows.map_or(pattern.indptr.len() - 1, <[usize]>::len);
    let part = |from: usize| {
        interrupt::check(DOING)?;
        let (mut ends, mut indices) = (Vec::with_capacity(ROWS), Vec::new());
        let mut new = vec![Vec::new(); values.len()];
        // Where each kept entry of a row comes from.
        let mut row: Vec<(u32, usize)> = Vec::new();
        for i in from..(from + ROWS).min(kept) {
            let r = rows.map_or(i, |rows| rows[i]);
            let span = pattern.indptr[r]..pattern.indptr[r + 1];
            let moved = span.map(|at| (columns.of(pattern.indices[at]), at));
            row.clear();
            row.extend(moved.filter(|e| e.0 != u32::MAX));
            if !columns.ascending {
                row.sort_unstable();
            }
            indices.extend(row.iter().map(|e| e.0));
            for (new, old) in new.iter_mut().zip(values) {
                new.extend(row.iter().map(|e| old[e.1]));
            }
            ends.push(indices.len());
        }
        Ok((ends, indices, new))
    };
    let starts: Vec<usize> = (0..kept).step_by(ROWS).collect();
    let parts: Vec<Part> = starts.into_par_iter().map(part).collect::<Result<_>>()?;
    let nnz = parts.iter().map(|p| p.1.len()).sum();
    let mut indptr = Vec::with_capacity(kept + 1);
    indptr.push(0);
    let mut indices: Vec<u32> = Vec::with_capacity(nnz);
    let mut new: Vec<Vec<f32>> = values.iter().map(|_| Vec::with_capacity(nnz)).collect();
    for (ends, part, parts) in parts {
        interrupt::check(DOING)?;
        indptr.extend(ends.iter().map(|e| indices.len() + e));
        indices.extend(part);
        new.iter_mut().zip(parts).for_each(|(whole, part)| whole.extend(part));
    }
    Ok((Pattern { ncols: columns.count, indptr, indices }, new))
}
