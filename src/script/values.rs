//! `Matrix`: values of spots by genes, sparse or dense.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::convert::Outcome;
use crate::base::memory;
use crate::{data, io};

/// A handle; matrices never change.
#[derive(Clone)]
pub(super) struct Matrix(Rc<data::Matrix>);

impl Matrix {
    pub fn new(m: data::Matrix) -> Self {
        Self(Rc::new(m))
    }

    pub fn core(&self) -> &data::Matrix {
        &self.0
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, g) = self.0.shape();
        let kind = if matches!(*self.0, data::Matrix::Sparse(_)) { "sparse" } else { "dense" };
        write!(
            f,
            "Matrix [{n}, {g}] {kind}, {} not zero, {}",
            self.0.nonzero(),
            memory::human(self.0.bytes())
        )
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// Spots and genes.
    ///
    /// ```rhai
    /// ds.x.shape                      // => [60, 40]
    /// ```
    #[rhai_fn(get = "shape")]
    pub fn shape(m: &mut Matrix) -> Array {
        let (n, g) = m.0.shape();
        vec![Dynamic::from(n as i64), Dynamic::from(g as i64)]
    }

    /// How many values are not zero.
    ///
    /// ```rhai
    /// ds.x.nonzero > 0                // => true
    /// ```
    #[rhai_fn(get = "nonzero")]
    pub fn nonzero(m: &mut Matrix) -> i64 {
        m.0.nonzero() as i64
    }

    /// Writes `.npz`, which `scipy.sparse.load_npz` opens, or, where the matrix is dense, `.npy`.
    ///
    /// ```rhai
    /// ds.x.save("x.npz")
    /// data::read_numpy("x.npz").n_vars   // => 40
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(m: &mut Matrix, path: &str) -> Outcome<()> {
        Ok(io::numpy::write(Path::new(path), m.core())?)
    }
}
