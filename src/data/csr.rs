//! Compressed sparse rows, [N,G], with `u32` columns and `f32` values.

use rayon::prelude::*;

use crate::base::{Error, Result};

/// A sparse matrix by rows; columns ascend within a row and no entry is repeated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Csr {
    nrows: usize,
    ncols: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
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
        let mut m = Self { nrows, ncols, indptr, indices, values };
        let falls = |r| m.row(r).0.array_windows().fold(false, |falls, [a, b]| falls | (a >= b));
        if (0..nrows).into_par_iter().with_min_len(256).any(falls) {
            m = m.canonical();
        }
        Ok(m)
    }

    /// From rows of `(column, value)` pairs in ascending order of column.
    pub fn from_rows(ncols: usize, rows: Vec<Vec<(u32, f32)>>) -> Self {
        let mut indptr = Vec::with_capacity(rows.len() + 1);
        indptr.push(0);
        let nnz = rows.iter().map(Vec::len).sum();
        let (mut indices, mut values) = (Vec::with_capacity(nnz), Vec::with_capacity(nnz));
        let nrows = rows.len();
        for row in rows {
            for (c, v) in row {
                debug_assert!((c as usize) < ncols);
                indices.push(c);
                values.push(v);
            }
            indptr.push(indices.len());
        }
        Self { nrows, ncols, indptr, indices, values }
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
        Self::from_rows(self.ncols, (0..self.nrows).into_par_iter().map(sort).collect())
    }

    pub fn nrows(&self) -> usize {
        self.nrows
    }

    pub fn ncols(&self) -> usize {
        self.ncols
    }

    /// Stored entries, zeros among them included.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// The three arrays: `indptr` [nrows + 1], `indices` [nnz], `values` [nnz].
    pub fn parts(&self) -> (&[usize], &[u32], &[f32]) {
        (&self.indptr, &self.indices, &self.values)
    }

    pub fn bytes(&self) -> u64 {
        (self.indptr.len() * 8 + self.indices.len() * 4 + self.values.len() * 4) as u64
    }

    /// Columns and values of one row.
    pub fn row(&self, r: usize) -> (&[u32], &[f32]) {
        let span = self.indptr[r]..self.indptr[r + 1];
        (&self.indices[span.clone()], &self.values[span])
    }

    pub fn get(&self, r: usize, c: usize) -> f32 {
        let (cols, values) = self.row(r);
        cols.binary_search(&(c as u32)).map_or(0.0, |i| values[i])
    }

    /// Sums of rows, in double precision.
    pub fn row_sums(&self) -> Vec<f64> {
        (0..self.nrows).map(|r| self.row(r).1.iter().map(|&v| f64::from(v)).sum()).collect()
    }

    /// Sums of columns, in double precision.
    pub fn col_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.ncols];
        for (&c, &v) in self.indices.iter().zip(&self.values) {
            sums[c as usize] += f64::from(v);
        }
        sums
    }

    /// Entries above zero per row.
    pub fn row_positive(&self) -> Vec<usize> {
        (0..self.nrows).map(|r| self.row(r).1.iter().filter(|&&v| v > 0.0).count()).collect()
    }

    /// Entries above zero per column.
    pub fn col_positive(&self) -> Vec<usize> {
        let mut n = vec![0; self.ncols];
        for (&c, &v) in self.indices.iter().zip(&self.values) {
            n[c as usize] += usize::from(v > 0.0);
        }
        n
    }

    /// The same entries with other values: `f(row, column, value)`; the pattern stays.
    pub fn map(&self, f: impl Fn(usize, usize, f32) -> f32) -> Self {
        let mut out = self.clone();
        for r in 0..self.nrows {
            for i in self.indptr[r]..self.indptr[r + 1] {
                out.values[i] = f(r, self.indices[i] as usize, self.values[i]);
            }
        }
        out
    }

    /// The rows named, in the order named; a row may stand twice.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        let mut indptr = Vec::with_capacity(rows.len() + 1);
        indptr.push(0);
        let nnz = rows.iter().map(|&r| self.indptr[r + 1] - self.indptr[r]).sum();
        let (mut indices, mut values) = (Vec::with_capacity(nnz), Vec::with_capacity(nnz));
        for &r in rows {
            let (c, v) = self.row(r);
            indices.extend_from_slice(c);
            values.extend_from_slice(v);
            indptr.push(indices.len());
        }
        Self { nrows: rows.len(), ncols: self.ncols, indptr, indices, values }
    }

    /// The columns named, in the order named; each at most once.
    pub fn select_cols(&self, cols: &[usize]) -> Self {
        let mut place = vec![u32::MAX; self.ncols];
        for (new, &old) in cols.iter().enumerate() {
            place[old] = new as u32;
        }
        let ascending = cols.windows(2).all(|w| w[0] < w[1]);
        let pick = |r| {
            let (c, v) = self.row(r);
            let kept = c.iter().zip(v).filter(|&(&c, _)| place[c as usize] != u32::MAX);
            let mut row: Vec<(u32, f32)> = kept.map(|(&c, &v)| (place[c as usize], v)).collect();
            if !ascending {
                row.sort_by_key(|&(c, _)| c);
            }
            row
        };
        Self::from_rows(cols.len(), (0..self.nrows).into_par_iter().map(pick).collect())
    }

    /// Columns become rows.
    pub fn transpose(&self) -> Self {
        let mut indptr = vec![0; self.ncols + 1];
        for &c in &self.indices {
            indptr[c as usize + 1] += 1;
        }
        for c in 0..self.ncols {
            indptr[c + 1] += indptr[c];
        }
        let mut next = indptr.clone();
        let (mut indices, mut values) = (vec![0; self.nnz()], vec![0.0; self.nnz()]);
        for r in 0..self.nrows {
            let (cols, vals) = self.row(r);
            for (&c, &v) in cols.iter().zip(vals) {
                let at = next[c as usize];
                indices[at] = r as u32;
                values[at] = v;
                next[c as usize] += 1;
            }
        }
        Self { nrows: self.ncols, ncols: self.nrows, indptr, indices, values }
    }

    /// Rows `range` as a dense block, [rows, ncols], row by row. The caller chooses blocks that
    /// fit; nothing in Spatia asks for all rows of all genes.
    pub fn dense_rows(&self, range: std::ops::Range<usize>) -> Vec<f32> {
        let mut out = vec![0.0; range.len() * self.ncols];
        for (i, r) in range.enumerate() {
            let (cols, vals) = self.row(r);
            for (&c, &v) in cols.iter().zip(vals) {
                out[i * self.ncols + c as usize] = v;
            }
        }
        out
    }
}
