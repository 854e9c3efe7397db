//! The DLPFC slice 151673 and the golden numbers computed on it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use spatia::data::{Coordinates, Csr, Dataset, Table, Uns, keys};

use crate::common;

pub struct Slide {
    pub counts: Dataset,
    pub golden: Value,
    /// Layers by spot, `None` where the spot has none.
    pub layers: Vec<Option<String>>,
}

impl Slide {
    pub fn coordinates(&self) -> Coordinates {
        self.counts.coordinates().unwrap()
    }

    /// A number of the golden file by JSON pointer.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> f64 {
        self.golden.pointer(pointer).and_then(Value::as_f64).unwrap()
    }

    pub fn numbers(&self, pointer: &str) -> Vec<f64> {
        self.golden
            .pointer(pointer)
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect()
    }

    /// X normalised to 1e4 and logged.
    pub fn logged(&self) -> Dataset {
        let mut ds = self.counts.clone();
        spatia::prep::normalize_total(&mut ds, 1e4).unwrap();
        spatia::prep::log1p(&mut ds).unwrap();
        ds
    }
}

/// The slide, read once; `None` where the data is absent.
pub fn slide() -> Option<&'static Slide> {
    static SLIDE: OnceLock<Option<Slide>> = OnceLock::new();
    SLIDE
        .get_or_init(|| {
            let folder = common::data("dlpfc/151673")?;
            let golden = common::golden("slide_151673.json")?;
            // Python writes NaN, JSON has none; it only stands where these tests do not look.
            let text = std::fs::read_to_string(golden).unwrap().replace("NaN", "null");
            let counts = read(&folder);
            let layers = layers(&folder, counts.obs().index());
            Some(Slide { golden: serde_json::from_str(&text).unwrap(), counts, layers })
        })
        .as_ref()
}

/// Reads the Visium folder.
fn read(folder: &Path) -> Dataset {
    let file = hdf5::File::open(folder.join("filtered_feature_bc_matrix.h5")).unwrap();
    let matrix = file.group("matrix").unwrap();
    let numbers = |name: &str| matrix.dataset(name).unwrap().read_raw::<i64>().unwrap();
    let texts = |name: &str| -> Vec<String> {
        let dataset = matrix.dataset(name).unwrap();
        match dataset.read_raw::<hdf5::types::FixedAscii<64>>() {
            Ok(v) => v.iter().map(|t| t.as_str().to_owned()).collect(),
            Err(_) => dataset
                .read_raw::<hdf5::types::VarLenUnicode>()
                .unwrap()
                .iter()
                .map(|t| t.as_str().to_owned())
                .collect(),
        }
    };
    let shape = numbers("shape");
    let x = Csr::new(
        (shape[1] as usize, shape[0] as usize),
        numbers("indptr").iter().map(|&v| v as usize).collect(),
        numbers("indices").iter().map(|&v| v as u32).collect(),
        numbers("data").iter().map(|&v| v as f32).collect(),
    )
    .unwrap();
    let barcodes = texts("barcodes");

    let positions =
        std::fs::read_to_string(folder.join("spatial/tissue_positions_list.csv")).unwrap();
    let at: HashMap<&str, (f64, f64)> = positions
        .lines()
        .map(|l| l.split(',').collect::<Vec<_>>())
        .map(|f| (f[0], (f[5].parse().unwrap(), f[4].parse().unwrap())))
        .collect();
    let xy = ndarray::Array2::from_shape_fn((barcodes.len(), 2), |(i, j)| {
        let (x, y) = at[barcodes[i].as_str()];
        if j == 0 { x } else { y }
    });
    let mut ds = Dataset::new(x, Table::new(barcodes), Table::new(texts("features/name"))).unwrap();
    ds.set_obsm(keys::SPATIAL, xy).unwrap();
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text("px".into()));
    ds
}

fn layers(folder: &Path, barcodes: &[String]) -> Vec<Option<String>> {
    let text = std::fs::read_to_string(folder.join("layers.tsv")).unwrap();
    let layer: HashMap<&str, &str> =
        text.lines().skip(1).filter_map(|l| l.split_once('\t')).collect();
    barcodes
        .iter()
        .map(|b| layer.get(b.as_str()).filter(|l| **l != "NA").map(|l| (*l).to_owned()))
        .collect()
}
