//! Compressed sparse rows, [N,G], with `u32` columns and `f32` values.
//!
//! Where the entries stand and what they are, are shared parts: a clone costs nothing, X and
//! `layers["counts"]` hold one pattern between them, and what is changed is copied first only
//! where another matrix still needs it.

use std::sync::Arc;

use rayon::prelude::*;

use super::compact;
use crate::base::{Error, Result, interrupt, sum};

/// Blocks of rows that passes over columns add up apart. A fixed number, and their sums are added
/// in order, so that a result does not depend on the number of threads.
const BLOCKS: usize = 16;
/// Entries below which one block is quicker.
const ONE_BLOCK: usize = 1 << 16;
/// Values that a thread takes at a time.
const CHUNK: usize = 1 << 14;
/// Rows that a thread takes at a time.
const ROWS: usize = 128;

/// Where the entries stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    pub ncols: usize,
    pub indptr: Vec<usize>,
    pub indices: Vec<u32>,
}

impl Default for Pattern {
    fn default() -> Self {
        Self { ncols: 0, indptr: vec![0], indices: Vec::new() }
    }
}

/// A sparse matrix by rows; columns ascend within a row and no entry is repeated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Csr {
    pub(super) pattern: Arc<Pattern>,
    pub(super) values: Arc<Vec<f32>>,
}

impl Csr {
    /// Checks and takes the three arrays; rows whose columns are out of order are sorted, and
    /// entries that stand twice are added up.
    ///
    /// # Shapes
    /// `indptr` [nrows + 1], `indices` and `values` [nnz].
    ///
    /// # Errors
    /// Lengths that disagree, an `indptr` that falls, a column outside the matrix.
    pub fn new(
        (nrows, ncols): (usize, usize),
        indptr: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
    ) -> Result<Self> {
        let refuse = |expected: String, found: String| {
            Err(Error::new("building a sparse matrix").expected(expected).found(found))
        };
        if indptr.len() != nrows + 1 || indptr.first() != Some(&0) {
            return refuse(
                format!("indptr of {} entries from 0", nrows + 1),
                format!("{} entries", indptr.len()),
            );
        }
        if indices.len() != values.len() || indptr[nrows] != indices.len() {
            return refuse(
                format!("indptr to end at the number of values, {}", values.len()),
                format!("{} and {} indices", indptr[nrows], indices.len()),
            );
        }
        if let Some(r) = (0..nrows).find(|&r| indptr[r] > indptr[r + 1]) {
            return refuse("indptr to ascend".into(), format!("a fall after row {r}"));
        }
        // The largest of a run is found many at a time; the first beyond the matrix is not.
        let beyond = |run: &[u32]| run.iter().fold(0, |most, &c| most.max(c)) as usize >= ncols;
        if indices.par_chunks(1 << 16).any(beyond)
            && let Some(c) = indices.iter().find(|&&c| c as usize >= ncols)
        {
            return refuse(format!("columns below {ncols}"), format!("column {c}"));
        }
        let m = Self::raw(ncols, indptr, indices, values);
        let falls = |r| m.row(r).0.array_windows().fold(false, |falls, [a, b]| falls | (a >= b));
        let any = (0..nrows).into_par_iter().with_min_len(256).any(falls);
        Ok(if any { m.canonical() } else { m })
    }

    /// Takes arrays that are known to fit.
    pub(super) fn raw(
        ncols: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
    ) -> Self {
        Self { pattern: Arc::new(Pattern { ncols, indptr, indices }), values: Arc::new(values) }
    }

    /// From rows of `(column, value)` pairs in ascending order of column.
    pub fn from_rows(ncols: usize, rows: Vec<Vec<(u32, f32)>>) -> Self {
        let mut indptr = Vec::with_capacity(rows.len() + 1);
        indptr.push(0);
        let nnz = rows.iter().map(Vec::len).sum();
        let (mut indices, mut values) = (Vec::with_capacity(nnz), Vec::with_capacity(nnz));
        for row in rows {
            for (c, v) in row {
                debug_assert!((c as usize) < ncols);
                indices.push(c);
                values.push(v);
            }
            indptr.push(indices.len());
        }
        Self::raw(ncols, indptr, indices, values)
    }

    fn canonical(&self) -> Self {
        let sort = |r| {
            let (c, v) = self.row(r);
            let mut row: Vec<(u32, f32)> = c.iter().copied().zip(v.iter().copied()).collect();
            row.sort_by_key(|&(c, _)| c);
            row.dedup_by(|later, kept| {
                later.0 == kept.0 && {
                    kept.1 += later.1;
                    true
                }
            });
            row
        };
        Self::from_rows(self.ncols(), (0..self.nrows()).into_par_iter().map(sort).collect())
    }

    pub fn nrows(&self) -> usize {
        self.pattern.indptr.len() - 1
    }

    pub fn ncols(&self) -> usize {
        self.pattern.ncols
    }

    /// Stored entries, zeros among them included.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// The three arrays: `indptr` [nrows + 1], `indices` [nnz], `values` [nnz].
    pub fn parts(&self) -> (&[usize], &[u32], &[f32]) {
        (&self.pattern.indptr, &self.pattern.indices, &self.values)
    }

    /// Bytes of the three arrays, whether or not others share them.
    pub fn bytes(&self) -> u64 {
        self.pattern_bytes() + self.values.len() as u64 * 4
    }

    /// Bytes of where the entries stand.
    pub fn pattern_bytes(&self) -> u64 {
        (self.pattern.indptr.len() * 8 + self.pattern.indices.len() * 4) as u64
    }

    /// Whether the entries of both stand at the same places in one shared array.
    pub fn shares_pattern(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pattern, &other.pattern)
    }

    /// Whether the values of both are one array.
    pub fn shares_values(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values)
    }

    /// Columns and values of one row.
    pub fn row(&self, r: usize) -> (&[u32], &[f32]) {
        let span = self.pattern.indptr[r]..self.pattern.indptr[r + 1];
        (&self.pattern.indices[span.clone()], &self.values[span])
    }

    pub fn get(&self, r: usize, c: usize) -> f32 {
        let (cols, values) = self.row(r);
        cols.binary_search(&(c as u32)).map_or(0.0, |i| values[i])
    }

    /// What `f` makes of each row's columns and values, in the order of rows.
    pub fn rows<T: Send>(&self, f: impl Fn(&[u32], &[f32]) -> T + Sync) -> Vec<T> {
        let row = |r| {
            let (cols, values) = self.row(r);
            f(cols, values)
        };
        (0..self.nrows()).into_par_iter().with_min_len(ROWS).map(row).collect()
    }

    /// Sums of rows, in double precision.
    pub fn row_sums(&self) -> Vec<f64> {
        self.rows(|_, values| sum(values.iter().map(|&v| f64::from(v))))
    }

    /// Entries above zero per row.
    pub fn row_positive(&self) -> Vec<usize> {
        self.rows(|_, values| values.iter().filter(|&&v| v > 0.0).count())
    }

    /// One pass that gathers something for each column: `add` takes an entry, `merge` what a
    /// later block of rows has gathered.
    pub fn fold_columns<A: Clone + Send + Sync>(
        &self,
        start: A,
        add: impl Fn(&mut A, usize, f32) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> Vec<A> {
        self.fold_columns_with(start, || &add, merge)
    }

    /// As [`Self::fold_columns`], where each block of rows makes itself what adds, and that may
    /// remember things.
    pub fn fold_columns_with<A: Clone + Send + Sync, F: FnMut(&mut A, usize, f32)>(
        &self,
        start: A,
        make: impl Fn() -> F + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> Vec<A> {
        let block = |(from, to): (usize, usize)| {
            let span = self.pattern.indptr[from]..self.pattern.indptr[to];
            let (mut found, mut add) = (vec![start.clone(); self.ncols()], make());
            let columns = &self.pattern.indices[span.clone()];
            for (&c, &v) in columns.iter().zip(&self.values[span]) {
                add(&mut found[c as usize], c as usize, v);
            }
            found
        };
        let mut parts: Vec<Vec<A>> = self.blocks().into_par_iter().map(block).collect();
        let mut whole = parts.remove(0);
        for part in &parts {
            whole.iter_mut().zip(part).for_each(|(a, b)| merge(a, b));
        }
        whole
    }

    /// Ranges of rows with about as many entries each; at least one.
    fn blocks(&self) -> Vec<(usize, usize)> {
        let (n, nnz) = (self.nrows(), self.nnz());
        let parts = if nnz < ONE_BLOCK { 1 } else { BLOCKS };
        let at = |i: usize| match i {
            0 => 0,
            i if i == parts => n,
            i => self.pattern.indptr.partition_point(|&p| p < nnz / parts * i).min(n),
        };
        (0..parts).map(|i| (at(i), at(i + 1))).collect()
    }

    /// Sums of columns, in double precision.
    pub fn col_sums(&self) -> Vec<f64> {
        self.fold_columns(0.0, |sum, _, v| *sum += f64::from(v), |a, b| *a += b)
    }

    /// Entries above zero per column.
    pub fn col_positive(&self) -> Vec<usize> {
        self.fold_columns(0, |n, _, v| *n += usize::from(v > 0.0), |a, b| *a += b)
    }

    /// The first value, in the order of the rows, that is so.
    pub fn find(&self, f: impl Fn(f32) -> bool + Sync) -> Option<(usize, usize, f32)> {
        // All of a chunk at once, without a branch for each value.
        let any = |chunk: &[f32]| chunk.iter().fold(false, |any, &v| any | f(v));
        let chunk = self.values.par_chunks(CHUNK).position_first(any)?;
        let inside = self.values[chunk * CHUNK..].iter().position(|&v| f(v))?;
        let at = chunk * CHUNK + inside;
        let row = self.pattern.indptr.partition_point(|&p| p <= at) - 1;
        Some((row, self.pattern.indices[at] as usize, self.values[at]))
    }

    /// How many stored values are so.
    pub fn count(&self, f: impl Fn(f32) -> bool + Sync) -> usize {
        let some = |chunk: &[f32]| chunk.iter().map(|&v| usize::from(f(v))).sum::<usize>();
        self.values.par_chunks(CHUNK).map(some).sum()
    }

    /// Changes the values without regard to where they stand, in place where nothing else shares
    /// them; `make` gives each chunk of them what changes them.
    pub fn edit_values<F: FnMut(f32) -> f32>(&mut self, make: impl Fn() -> F + Sync) {
        let mut values = Arc::unwrap_or_clone(std::mem::take(&mut self.values));
        values.par_chunks_mut(CHUNK).for_each(|chunk| {
            let mut f = make();
            chunk.iter_mut().for_each(|v| *v = f(*v));
        });
        self.values = Arc::new(values);
    }

    /// The same entries with other values, row by row: `f(row, columns, old, new)` fills `new`.
    /// The pattern is shared.
    pub fn map_rows(&self, f: impl Fn(usize, &[u32], &[f32], &mut [f32]) + Sync) -> Self {
        let mut values = vec![0.0; self.nnz()];
        self.each_row(&mut values, |r, new| {
            let (cols, old) = self.row(r);
            f(r, cols, old, new);
        });
        Self { pattern: self.pattern.clone(), values: Arc::new(values) }
    }

    /// Changes the values row by row, in place where nothing else shares them.
    pub fn edit_rows(&mut self, f: impl Fn(usize, &[u32], &mut [f32]) + Sync) {
        let mut values = Arc::unwrap_or_clone(std::mem::take(&mut self.values));
        self.each_row(&mut values, |r, values| {
            let span = self.pattern.indptr[r]..self.pattern.indptr[r + 1];
            f(r, &self.pattern.indices[span], values);
        });
        self.values = Arc::new(values);
    }

    /// Hands each row's part of `values` out, in parallel.
    fn each_row(&self, values: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
        let indptr = &self.pattern.indptr;
        let mut parts = Vec::with_capacity(self.nrows() / ROWS + 1);
        let mut rest = values;
        for from in (0..self.nrows()).step_by(ROWS) {
            let to = (from + ROWS).min(self.nrows());
            let (part, after) = std::mem::take(&mut rest).split_at_mut(indptr[to] - indptr[from]);
            parts.push((from, to, part));
            rest = after;
        }
        parts.into_par_iter().for_each(|(from, to, part)| {
            for r in from..to {
                f(r, &mut part[indptr[r] - indptr[from]..indptr[r + 1] - indptr[from]]);
            }
        });
    }

    /// The same entries with other values: `f(row, column, value)`; the pattern is shared.
    pub fn map(&self, f: impl Fn(usize, usize, f32) -> f32 + Sync) -> Self {
        self.map_rows(|r, cols, old, new| {
            for ((new, &old), &c) in new.iter_mut().zip(old).zip(cols) {
                *new = f(r, c as usize, old);
            }
        })
    }

    /// The rows and columns named, in the order named; a row may stand twice, a column may not.
    /// `None` keeps all.
    ///
    /// # Errors
    /// An interrupt.
    pub fn select(&self, rows: Option<&[usize]>, cols: Option<&[usize]>) -> Result<Self> {
        let mut m = self.clone();
        compact::select(&mut [&mut m], rows, cols)?;
        Ok(m)
    }

    /// The rows named.
    ///
    /// # Errors
    /// An interrupt.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        self.select(Some(rows), None)
    }

    /// The columns named.
    ///
    /// # Errors
    /// An interrupt.
    pub fn select_cols(&self, cols: &[usize]) -> Result<Self> {
        self.select(None, Some(cols))
    }

    /// Columns become rows.
    ///
    /// # Errors
    /// An interrupt.
    pub fn transpose(&self) -> Result<Self> {
        let (g, nnz) = (self.ncols(), self.nnz());
        let mut indptr = vec![0; g + 1];
        for &c in &self.pattern.indices {
            indptr[c as usize + 1] += 1;
        }
        for c in 0..g {
            indptr[c + 1] += indptr[c];
        }
        let mut next = indptr.clone();
        let (mut indices, mut values) = (vec![0; nnz], vec![0.0; nnz]);
        for r in 0..self.nrows() {
            interrupt::check("turning a matrix")?;
            let (cols, vals) = self.row(r);
            for (&c, &v) in cols.iter().zip(vals) {
                let at = next[c as usize];
                indices[at] = r as u32;
                values[at] = v;
                next[c as usize] += 1;
            }
        }
        Ok(Self::raw(self.nrows(), indptr, indices, values))
    }

    /// Rows `range` as a dense block, [rows, ncols], row by row. The caller chooses blocks that
    /// fit; nothing in Spatia asks for all rows of all genes.
    pub fn dense_rows(&self, range: std::ops::Range<usize>) -> Vec<f32> {
        let mut out = vec![0.0; range.len() * self.ncols()];
        for (i, r) in range.enumerate() {
            let (cols, vals) = self.row(r);
            for (&c, &v) in cols.iter().zip(vals) {
                out[i * self.ncols() + c as usize] = v;
            }
        }
        out
    }
}
