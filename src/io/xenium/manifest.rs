//! `experiment.xenium`, and what else of the bundle is noted in `uns`.

use std::path::Path;

use indexmap::IndexMap;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::{bundle, named};
use crate::base::{Error, Result, files, memory, progress};
use crate::data::Uns;
use crate::io::transcripts;

/// A manifest is a few kB.
const LARGEST: u64 = 16 << 20;
/// Keys of the manifest that are kept under their names; older versions lack some.
const TEXTS: [&str; 8] = [
    "run_name",
    "region_name",
    "panel_name",
    "panel_organism",
    "panel_tissue_type",
    "slide_id",
    "instrument_sn",
    "analysis_sw_version",
];
const NUMBERS: [&str; 4] = ["major_version", "minor_version", "num_cells", "z_step_size"];
const ALIGNMENT: &str = "alignment.csv";

/// What the manifest says.
#[derive(Default)]
pub(super) struct Manifest(IndexMap<String, Value>);

/// Reads the manifest; an empty one, with a note, where the bundle has none.
pub(super) fn read(folder: &Path) -> Result<Manifest> {
    let Some(path) = bundle::manifest(folder) else {
        progress::note(format!(
            "{}: no experiment.xenium, so the size of a pixel is unknown",
            folder.display()
        ));
        return Ok(Manifest::default());
    };
    let doing = || format!("reading {}", path.display());
    let bytes = std::fs::metadata(&path).map_err(|e| Error::io(doing(), e))?.len();
    if bytes > LARGEST {
        return Err(Error::new(doing())
            .expected(format!("JSON of at most {}", memory::human(LARGEST)))
            .found(memory::human(bytes)));
    }
    let map = serde_json::from_str(&files::read_text(&path)?).map_err(|e| {
        Error::io(doing(), e)
            .expected("the JSON that the instrument writes")
            .advice("Fetch the file again; a page of a web site may have been saved in its place")
    })?;
    let manifest = Manifest(map);
    if manifest.0.contains_key("pixel_size") && manifest.pixel_size().is_none() {
        return Err(Error::new(doing())
            .expected("a pixel_size above 0 um")
            .found(manifest.0.get("pixel_size").map_or(String::new(), Value::to_string)));
    }
    Ok(manifest)
}

impl Manifest {
    fn pixel_size(&self) -> Option<f64> {
        self.0.get("pixel_size")?.as_f64().filter(|v| v.is_finite() && *v > 0.0)
    }

    /// What is kept of it, and where the large files of the bundle are, as paths within it.
    pub fn into_uns(self, folder: &Path) -> Uns {
        let mut uns = Uns::default();
        if let Some(um) = self.pixel_size() {
            uns.set(&["pixel_size_um"], Uns::Float(um));
        }
        for name in TEXTS {
            if let Some(text) = self.0.get(name).and_then(Value::as_str) {
                uns.set(&[name], Uns::Text(text.into()));
            }
        }
        for name in NUMBERS {
            match self.0.get(name) {
                Some(Value::Number(n)) if n.is_i64() => {
                    uns.set(&[name], Uns::Int(n.as_i64().unwrap_or_default()));
                }
                Some(Value::Number(n)) => {
                    uns.set(&[name], Uns::Float(n.as_f64().unwrap_or(f64::NAN)));
                }
                _ => {}
            }
        }
        if folder.join(transcripts::FILE).is_file() {
            uns.set(&["transcripts"], Uns::Text(transcripts::FILE.into()));
        }
        for (name, path) in images(folder) {
            uns.set(&["images", &name], Uns::Text(path));
        }
        for (name, matrix) in alignments(folder) {
            uns.set(&["alignments", &name], Uns::Floats(matrix));
        }
        uns
    }
}

/// The images by what they show: "he" and "if" for stains that were aligned afterwards,
/// "morphology", "morphology_mip", "morphology_focus" for the instrument's own, and "dapi" for the
/// plane of nuclei.
fn images(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, path) in named(folder) {
        if let Some(stem) = stem(&name) {
            if let Some(kind) = stained(stem) {
                found.push((kind.into(), name));
            } else if stem.starts_with("morphology") {
                found.push((stem.to_owned(), name));
            } else if stem.contains("dapi") {
                found.push(("dapi".into(), name));
            }
        } else if name == "morphology_focus" && path.is_dir() {
            // Version 2 on: a file a stain, of which the nuclei are the first.
            let planes = super::named(&path);
            if let Some((first, _)) = planes.iter().find(|(n, _)| self::stem(n).is_some()) {
                found.push((name.clone(), format!("{name}/{first}")));
                found.push(("dapi".into(), format!("{name}/{first}")));
            }
        }
    }
    // In version 1 every image of the instrument shows nuclei.
    if !found.iter().any(|(kind, _)| kind == "dapi") {
        let by = |kind: &str| found.iter().find(|(k, _)| k == kind).map(|(_, p)| p.clone());
        let nuclei = ["morphology_focus", "morphology_mip", "morphology"].into_iter().find_map(by);
        found.extend(nuclei.map(|path| ("dapi".to_owned(), path)));
    }
    found
}

/// The name of an image without its extensions.
fn stem(name: &str) -> Option<&str> {
    [".ome.tif", ".ome.tiff", ".tif", ".tiff", ".jpg", ".png"]
        .iter()
        .find_map(|e| name.strip_suffix(e))
}

/// What an image that was aligned afterwards shows, from its name: `..._he_image`.
fn stained(stem: &str) -> Option<&str> {
    let before = stem.strip_suffix("_image").or_else(|| stem.strip_suffix("_image_aligned"))?;
    Some(before.rsplit('_').next().unwrap_or(before)).filter(|k| !k.is_empty())
}

/// The affine matrices that lay images over the morphology image, by what these show.
fn alignments(folder: &Path) -> Vec<(String, ArrayD<f64>)> {
    let mut found = Vec::new();
    for (name, path) in named(folder) {
        let Some(stem) = name.strip_suffix(ALIGNMENT) else { continue };
        let stem = stem.trim_end_matches('_');
        match (stained(stem), affine(&path)) {
            (Some(kind), Ok(matrix)) => found.push((kind.into(), matrix)),
            (None, Ok(matrix)) => found.push(("image".into(), matrix)),
            (_, Err(e)) => progress::note(format!("alignment left aside: {e}")),
        }
    }
    found
}

/// A 3 x 3 matrix as text, by commas.
fn affine(path: &Path) -> Result<ArrayD<f64>> {
    let refuse = |found: String| {
        Error::new(format!("reading {}", path.display()))
            .expected("three lines of three numbers, the last 0,0,1")
            .found(found)
    };
    let text = files::read_text(path)?;
    let fields: Option<Vec<f64>> = text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(|t| t.parse().ok())
        .collect();
    let values = fields.filter(|v| v.iter().all(|v| v.is_finite()));
    let values = values.ok_or_else(|| refuse("something else".into()))?;
    let n = values.len();
    let matrix = ArrayD::from_shape_vec(IxDyn(&[3, 3]), values)
        .map_err(|_| refuse(format!("{n} numbers")))?;
    let last: Vec<f64> = matrix.iter().skip(6).copied().collect();
    if last == [0.0, 0.0, 1.0] { Ok(matrix) } else { Err(refuse(format!("a last line {last:?}"))) }
}
