//! How datasets and their parts are shown in Rust notebooks.

use super::{Csr, Dataset, Matrix, Table};
use crate::base::evcxr;

impl Dataset {
    /// Shows the summary in a Rust notebook.
    pub fn evcxr_display(&self) {
        evcxr::display(&[("text/plain", &self.to_string())]);
    }
}

impl Table {
    /// Shows the first and last rows in a Rust notebook.
    pub fn evcxr_display(&self) {
        let text = self.with_index().map_or_else(|e| e.to_string(), |frame| frame.to_string());
        evcxr::display(&[("text/plain", &text)]);
    }
}

impl Csr {
    /// Shows the size in a Rust notebook.
    pub fn evcxr_display(&self) {
        let text = format!("Csr [{}, {}], {} stored", self.nrows(), self.ncols(), self.nnz());
        evcxr::display(&[("text/plain", &text)]);
    }
}

impl Matrix {
    /// Shows the size in a Rust notebook.
    pub fn evcxr_display(&self) {
        let ((n, g), some) = (self.shape(), self.nonzero());
        evcxr::display(&[("text/plain", &format!("Matrix [{n}, {g}], {some} not zero"))]);
    }
}
