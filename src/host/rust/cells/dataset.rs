//! Datasets in Rust cells: a copy of what the session's dataset held.

pub use spatia_tables::Table;
pub use spatia_tensors::{ndarray, Csr};

use ndarray::Array2;
use std::collections::BTreeMap;

/// Spots by genes. The first column of `obs` and `var` holds the names of the rows.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub x: Csr,
    pub layers: BTreeMap<String, Csr>,
    pub obs: Table,
    pub var: Table,
    pub obsm: BTreeMap<String, Array2<f64>>,
}

impl Dataset {
    pub fn evcxr_display(&self) {
        let (spots, genes) = self.x.shape;
        println!(
            "EVCXR_BEGIN_CONTENT text/plain\nDataset of {spots} spots and {genes} genes\n  obs: {}\n  var: {}\n  obsm: {}\n  layers: {}\nEVCXR_END_CONTENT",
            self.obs.names().join(", "),
            self.var.names().join(", "),
            self.obsm.keys().cloned().collect::<Vec<_>>().join(", "),
            self.layers.keys().cloned().collect::<Vec<_>>().join(", "),
        );
    }
}

/// The numbered files of a part by the names that stand beside them.
fn each<T>(folder: &str, part: &str, read: impl Fn(&str) -> T) -> BTreeMap<String, T> {
    let names = spatia_values::texts(&format!("{folder}/{part}.json"));
    let file = |n: usize| format!("{folder}/{part}/{n}.safetensors");
    names.into_iter().enumerate().map(|(n, name)| (name, read(&file(n)))).collect()
}

pub fn read(folder: &str) -> Dataset {
    Dataset {
        x: spatia_tensors::read_csr(&format!("{folder}/x.safetensors")),
        layers: each(folder, "layers", spatia_tensors::read_csr),
        obs: spatia_tables::read(&format!("{folder}/obs.arrow")),
        var: spatia_tables::read(&format!("{folder}/var.arrow")),
        obsm: each(folder, "obsm", spatia_tensors::read),
    }
}
