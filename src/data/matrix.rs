//! A matrix that is sparse or, where the file had it so, dense.

use std::borrow::Cow;

use ndarray::Array2;
use rayon::prelude::*;

use super::Csr;
use crate::base::{Error, Result, interrupt};

/// Expression values, [N,G].
#[derive(Clone, Debug, PartialEq)]
pub enum Matrix {
    Sparse(Csr),
    Dense(Array2<f32>),
}

impl Matrix {
    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Sparse(m) => (m.nrows(), m.ncols()),
            Self::Dense(m) => m.dim(),
        }
    }

    /// Entries that are not zero.
    pub fn nonzero(&self) -> usize {
        match self {
            Self::Sparse(m) => m.count(|v| v != 0.0),
            Self::Dense(m) => m.iter().filter(|&&v| v != 0.0).count(),
        }
    }

    pub fn bytes(&self) -> u64 {
        match self {
            Self::Sparse(m) => m.bytes(),
            Self::Dense(m) => (m.len() * 4) as u64,
        }
    }

    pub fn get(&self, r: usize, c: usize) -> f32 {
        match self {
            Self::Sparse(m) => m.get(r, c),
            Self::Dense(m) => m[[r, c]],
        }
    }

    /// The same values as a sparse matrix, which shares them where they are sparse already.
    pub fn to_csr(&self) -> Csr {
        match self {
            Self::Sparse(m) => m.clone(),
            Self::Dense(m) => {
                let row = |r: usize| {
                    m.row(r)
                        .iter()
                        .enumerate()
                        .filter(|&(_, &v)| v != 0.0)
                        .map(|(c, &v)| (c as u32, v))
                        .collect()
                };
                Csr::from_rows(m.ncols(), (0..m.nrows()).into_par_iter().map(row).collect())
            }
        }
    }

    /// The values as a sparse matrix: itself, or made of a dense one.
    pub fn csr(&self) -> Cow<'_, Csr> {
        match self {
            Self::Sparse(m) => Cow::Borrowed(m),
            Self::Dense(_) => Cow::Owned(self.to_csr()),
        }
    }

    /// The rows named, in the order named.
    ///
    /// # Errors
    /// An interrupt.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        Ok(match self {
            Self::Sparse(m) => Self::Sparse(m.select_rows(rows)?),
            Self::Dense(m) => Self::Dense(select(m, Some(rows), None)?),
        })
    }

    /// The columns named, in the order named.
    ///
    /// # Errors
    /// An interrupt.
    pub fn select_cols(&self, cols: &[usize]) -> Result<Self> {
        Ok(match self {
            Self::Sparse(m) => Self::Sparse(m.select_cols(cols)?),
            Self::Dense(m) => Self::Dense(select(m, None, Some(cols))?),
        })
    }

    pub(super) fn as_sparse_mut(&mut self) -> Option<&mut Csr> {
        match self {
            Self::Sparse(m) => Some(m),
            Self::Dense(_) => None,
        }
    }

    /// One column, [N].
    pub fn column(&self, c: usize) -> Vec<f32> {
        (0..self.shape().0).map(|r| self.get(r, c)).collect()
    }

    /// Whether an entry is so.
    pub fn any(&self, f: impl Fn(f32) -> bool + Sync) -> bool {
        self.find(f).is_some()
    }

    /// The first entry, of those that are stored, that is so: row, column, value.
    pub fn find(&self, f: impl Fn(f32) -> bool + Sync) -> Option<(usize, usize, f32)> {
        match self {
            Self::Sparse(m) => m.find(f),
            Self::Dense(m) => find(m, f),
        }
    }

    /// The first entry that is no count (negative, fractional, not finite): row, column, value.
    pub fn first_non_count(&self) -> Option<(usize, usize, f32)> {
        // From 2^23 on every number is whole; below, adding that much rounds the fraction away.
        const WHOLE: f32 = 8_388_608.0;
        let bad = |v: f32| {
            let whole = ((v + WHOLE) - WHOLE == v) | (v >= WHOLE);
            !((0.0..f32::INFINITY).contains(&v) & whole)
        };
        self.find(bad)
    }
}

/// Rows and columns of a dense matrix, in the order named.
///
/// # Errors
/// An interrupt.
pub(super) fn select(
    m: &Array2<f32>,
    rows: Option<&[usize]>,
    cols: Option<&[usize]>,
) -> Result<Array2<f32>> {
    let shape = (rows.map_or(m.nrows(), <[usize]>::len), cols.map_or(m.ncols(), <[usize]>::len));
    let mut out = Array2::zeros(shape);
    for (i, mut to) in out.rows_mut().into_iter().enumerate() {
        interrupt::check("selecting rows and columns")?;
        let from = m.row(rows.map_or(i, |rows| rows[i]));
        match cols {
            Some(cols) => to.iter_mut().zip(cols).for_each(|(to, &c)| *to = from[c]),
            None => to.assign(&from),
        }
    }
    Ok(out)
}

/// A dense matrix of what `f` makes of row, column and value.
///
/// # Errors
/// An interrupt.
pub fn map_dense(
    m: &Array2<f32>,
    doing: &str,
    f: impl Fn(usize, usize, f32) -> f32 + Sync,
) -> Result<Array2<f32>> {
    let mut out = vec![0.0; m.len()];
    out.par_chunks_mut(m.ncols().max(1)).enumerate().try_for_each(|(r, to)| {
        interrupt::check(doing)?;
        to.iter_mut().zip(m.row(r)).enumerate().for_each(|(c, (to, &v))| *to = f(r, c, v));
        Ok(())
    })?;
    Array2::from_shape_vec(m.dim(), out).map_err(|e| Error::io(doing, e))
}

/// The first value, in the order of the rows, that is so.
fn find(m: &Array2<f32>, f: impl Fn(f32) -> bool + Sync) -> Option<(usize, usize, f32)> {
    let any = |r: usize| m.row(r).iter().fold(false, |any, &v| any | f(v));
    let r = (0..m.nrows()).into_par_iter().position_first(any)?;
    let c = m.row(r).iter().position(|&v| f(v))?;
    Some((r, c, m[[r, c]]))
}

impl From<Csr> for Matrix {
    fn from(m: Csr) -> Self {
        Self::Sparse(m)
    }
}

impl From<Array2<f32>> for Matrix {
    fn from(m: Array2<f32>) -> Self {
        Self::Dense(m)
    }
}
