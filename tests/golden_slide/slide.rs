//! The DLPFC slice 151673 and the golden numbers computed on it.

use std::sync::OnceLock;

use serde_json::Value;
use spatia::data::{Coordinates, Dataset};

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
            let counts = spatia::io::read(&folder).unwrap();
            let layers = counts.obs().text("layer").unwrap();
            Some(Slide { golden: serde_json::from_str(&text).unwrap(), counts, layers })
        })
        .as_ref()
}
