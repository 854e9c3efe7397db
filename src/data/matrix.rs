//! A matrix that is sparse or, where the file had it so, dense.

use std::borrow::Cow;

use ndarray::{Array2, Axis};

use super::Csr;

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
                let row = |r: ndarray::ArrayView1<'_, f32>| {
                    r.iter()
                        .enumerate()
                        .filter(|&(_, &v)| v != 0.0)
                        .map(|(c, &v)| (c as u32, v))
                        .collect()
                };
                Csr::from_rows(m.ncols(), m.axis_iter(Axis(0)).map(row).collect())
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

    pub fn select_rows(&self, rows: &[usize]) -> Self {
        match self {
            Self::Sparse(m) => Self::Sparse(m.select_rows(rows)),
            Self::Dense(m) => Self::Dense(m.select(Axis(0), rows)),
        }
    }

    pub fn select_cols(&self, cols: &[usize]) -> Self {
        match self {
            Self::Sparse(m) => Self::Sparse(m.select_cols(cols)),
            Self::Dense(m) => Self::Dense(m.select(Axis(1), cols)),
        }
    }

    /// One column, [N].
    pub fn column(&self, c: usize) -> Vec<f32> {
        (0..self.shape().0).map(|r| self.get(r, c)).collect()
    }

    /// Whether an entry is so.
    pub fn any(&self, f: impl Fn(f32) -> bool + Sync) -> bool {
        match self {
            Self::Sparse(m) => m.find(f).is_some(),
            Self::Dense(m) => m.iter().any(|&v| f(v)),
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
        match self {
            Self::Sparse(m) => m.find(bad),
            Self::Dense(m) => {
                m.indexed_iter().find(|&(_, &v)| bad(v)).map(|((r, c), &v)| (r, c, v))
            }
        }
    }
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
