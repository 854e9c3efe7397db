//! Loom files (<https://linnarssonlab.org/loompy/format/>): an HDF5 file of genes x cells.
//!
//! The matrix is dense in the file and often larger than memory. It is read a block at a time,
//! along its chunks, and turned into cells x genes in sparse form; it never stands whole.

mod attributes;
mod matrix;

use std::path::Path;

use hdf5::Group;
use ndarray::{Array2, ArrayD, IxDyn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::attributes::{attributes, table, texts};
use self::matrix::sparse;
use super::h5::{self, Array, Node};
use crate::base::{Error, Kind, Result, nearest, progress};
use crate::data::{Csr, Dataset, Uns, keys};

const MATRIX: &str = "matrix";
/// Where files keep the names of cells and genes, the usual place first.
const OBS_NAMES: [&str; 6] = ["CellID", "obs_names", "cell_id", "cell_names", "Barcode", "barcode"];
const VAR_NAMES: [&str; 6] = ["Gene", "var_names", "gene_names", "GeneName", "Accession", "gene"];

/// The unit of coordinates, where the user knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoomUnit {
    #[default]
    Unknown,
    Px,
    Um,
}

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoomConfig {
    /// The column attribute that names the cells; without it "CellID", or what stands for it.
    pub obs_names: Option<String>,
    /// The row attribute that names the genes; without it "Gene", or what stands for it.
    pub var_names: Option<String>,
    /// The layer that becomes X; without it the file's main matrix.
    pub layer: Option<String>,
    /// The column attributes that hold the coordinates; none where the file has no such pair.
    pub coordinates: [String; 2],
    /// The unit of the coordinates, which a loom file does not say.
    pub unit: LoomUnit,
    /// Micrometres that a unit of the coordinates is: they are multiplied by it, and in um then.
    pub um_per_unit: Option<f64>,
}

impl Default for LoomConfig {
    fn default() -> Self {
        Self {
            obs_names: None,
            var_names: None,
            layer: None,
            coordinates: ["X".into(), "Y".into()],
            unit: LoomUnit::default(),
            um_per_unit: None,
        }
    }
}

/// Reads a loom file as [`read_with`] does with its defaults.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &LoomConfig::default())
}

/// Reads a loom file as cells x genes: attributes of columns as `obs` and `obsm`, those of rows as
/// `var` and `varm`, graphs of columns as `obsp`, attributes of the file as `uns["loom"]`.
///
/// Text that repeats becomes categories. Coordinates stand in `obs` as in the file and in
/// `obsm["spatial"]`; their unit is unknown unless the options say it.
///
/// # Errors
/// Another kind of HDF5 file, with what it is; attributes whose length is not that of the matrix;
/// names, layers or coordinates asked for that are not there.
pub fn read_with(path: &Path, config: &LoomConfig) -> Result<Dataset> {
    let file = h5::open(path)?;
    let mut ds = cells(&file, config)
        .map_err(|e| e.within(format!("reading the loom file {}", path.display())))?;
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

fn cells(f: &Group, config: &LoomConfig) -> Result<Dataset> {
    let matrix = match h5::node(f, MATRIX)? {
        Some(Node::Array(m)) if f.link_exists("row_attrs") && f.link_exists("col_attrs") => m,
        _ => return Err(another(f)?),
    };
    let &[genes, n] = &matrix.shape()[..] else {
        return Err(Error::new("reading the matrix")
            .expected("two axes, genes x cells")
            .found(format!("shape {:?}", matrix.shape())));
    };
    let shape = (genes, n);
    let rows = attributes(f, "row_attrs", genes, shape)?;
    let cols = attributes(f, "col_attrs", n, shape)?;
    let (var, varm) = table(rows, genes, config.var_names.as_deref(), &VAR_NAMES, "genes")?;
    let (obs, obsm) = table(cols, n, config.obs_names.as_deref(), &OBS_NAMES, "cells")?;
    let layers = match h5::node(f, "layers")? {
        Some(Node::Group(g)) => members(&g)?,
        _ => Vec::new(),
    };
    let chosen = config.layer.as_deref();
    let mut x = None;
    let mut others = Vec::new();
    for (name, node) in layers {
        let Node::Array(layer) = node else { continue };
        let csr = sparse(&layer, shape)?;
        if chosen == Some(name.as_str()) { x = Some(csr) } else { others.push((name, csr)) }
    }
    let main = sparse(&matrix, shape)?;
    let x = match (chosen, x) {
        (None, _) => main,
        (Some(_), Some(layer)) => {
            others.push((MATRIX.into(), main));
            layer
        }
        (Some(name), None) => {
            let known = others.iter().map(|(n, _)| n.as_str());
            return Err(Error::new(format!("looking for the layer '{name}'"))
                .kind(Kind::Missing)
                .expected("a layer of that name")
                .found("none")
                .advice(nearest::advice(name, known)));
        }
    };
    let mut ds = Dataset::new(x, obs, var)?;
    for (name, layer) in others {
        ds.set_layer(&name, layer)?;
    }
    for (name, m) in obsm {
        ds.set_obsm(&name, m)?;
    }
    for (name, m) in varm {
        ds.set_varm(&name, m)?;
    }
    graphs(f, &mut ds)?;
    about(f, &mut ds)?;
    place(&mut ds, config)?;
    Ok(ds)
}

/// What a file that is no loom file is, as far as its groups tell.
fn another(f: &Group) -> Result<Error> {
    let has = |names: &[&str]| names.iter().all(|n| f.link_exists(n));
    let what = if has(&["obs", "var"]) {
        Some(("an AnnData file", "data::read reads it whatever its name"))
    } else if has(&["matrix/barcodes"]) {
        Some(("a 10x file", "data::read reads it whatever its name"))
    } else {
        None
    };
    let e = Error::new("looking at its groups").expected("matrix, row_attrs and col_attrs");
    Ok(match what {
        Some((found, advice)) => e.found(found).advice(advice),
        None => e
            .found(h5::names(f)?.join(", "))
            .advice("The file may have been written in part only, or is of another program"),
    })
}

fn members(g: &Group) -> Result<Vec<(String, Node)>> {
    let mut all = Vec::new();
    for name in h5::names(g)? {
        if let Some(node) = h5::node(g, &name)? {
            all.push((name, node));
        }
    }
    Ok(all)
}
/// Graphs of cells (`a`, `b`, `w`) as `obsp`; version 1 of the format calls them edges.
fn graphs(f: &Group, ds: &mut Dataset) -> Result<()> {
    let n = ds.n_obs();
    for group in ["col_graphs", "col_edges"] {
        let Some(Node::Group(g)) = h5::node(f, group)? else { continue };
        for (name, node) in members(&g)? {
            let Node::Group(graph) = node else { continue };
            let doing = || format!("reading {group}/{name}");
            let from = h5::u32s(&h5::dataset(&graph, "a")?)?;
            let to = h5::u32s(&h5::dataset(&graph, "b")?)?;
            let weight = h5::f32s(&h5::dataset(&graph, "w")?)?;
            let outside = from.iter().chain(&to).find(|&&i| i as usize >= n);
            if from.len() != to.len() || from.len() != weight.len() || outside.is_some() {
                return Err(Error::new(doing())
                    .expected(format!("a, b and w of one length, of cells below {n}"))
                    .found(outside.map_or_else(
                        || format!("{}, {} and {}", from.len(), to.len(), weight.len()),
                        |i| format!("cell {i}"),
                    )));
            }
            let mut edges: Vec<(u32, u32, f32)> =
                from.into_iter().zip(to).zip(weight).map(|((a, b), w)| (a, b, w)).collect();
            edges.sort_by_key(|&(a, b, _)| (a, b));
            let mut indptr = vec![0; n + 1];
            for &(a, _, _) in &edges {
                indptr[a as usize + 1] += 1;
            }
            for i in 0..n {
                indptr[i + 1] += indptr[i];
            }
            let indices = edges.iter().map(|e| e.1).collect();
            let values = edges.iter().map(|e| e.2).collect();
            ds.set_obsp(&name, Csr::new((n, n), indptr, indices, values)?)?;
        }
    }
    for group in ["row_graphs", "row_edges"] {
        if let Some(Node::Group(g)) = h5::node(f, group)?
            && !h5::names(&g)?.is_empty()
        {
            progress::note(format!("{group}: graphs of genes are left out"));
        }
    }
    Ok(())
}

/// What the file says of itself: attributes of its root (version 2), or the group `attrs` (3).
fn about(f: &Group, ds: &mut Dataset) -> Result<()> {
    let mut found = Vec::new();
    for name in f.attr_names().map_err(h5::failed("listing the attributes of the file"))? {
        let attribute = f.attr(&name).map_err(h5::failed(format!("reading {name}")))?;
        found.push((name, h5::array(&attribute)));
    }
    if let Some(Node::Group(g)) = h5::node(f, "attrs")? {
        for (name, node) in members(&g)? {
            if let Node::Array(d) = node {
                match h5::array(&d) {
                    Err(e) if e.is_interrupt() => return Err(e),
                    array => found.push((name, array)),
                }
            }
        }
    }
    let uns = ds.uns_mut();
    for (name, array) in found {
        let Ok(Some(array)) = array else {
            progress::note(format!("attribute {name} is of a type that is not read; left out"));
            continue;
        };
        if let Some(value) = value(&array)? {
            // A slash would make a group of it in an .h5ad.
            uns.set(&["loom", &name.replace('/', "_")], value);
        }
    }
    Ok(())
}

/// An attribute of the file; `None` for more than one axis.
fn value(array: &Array) -> Result<Option<Uns>> {
    let dtype = array.values.dtype();
    let shape = IxDyn(&array.shape);
    let failed = |e| Error::io("reading an attribute of the file", e);
    Ok(match array.shape.len() {
        0 if dtype.is_string() => texts(array)?.pop().map(Uns::Text),
        0 if dtype.is_integer() => h5::i64s(array)?.pop().map(Uns::Int),
        0 => h5::f64s(array)?.pop().map(Uns::Float),
        1 if dtype.is_string() => {
            Some(Uns::Texts(ArrayD::from_shape_vec(shape, texts(array)?).map_err(failed)?))
        }
        1 => Some(Uns::Floats(ArrayD::from_shape_vec(shape, h5::f64s(array)?).map_err(failed)?)),
        _ => None,
    })
}

/// Coordinates from the pair of columns that holds them.
fn place(ds: &mut Dataset, config: &LoomConfig) -> Result<()> {
    let [x, y] = &config.coordinates;
    let asked = config.coordinates != LoomConfig::default().coordinates
        || config.unit != LoomUnit::Unknown
        || config.um_per_unit.is_some();
    let (x, y) = match (ds.obs().f64(x), ds.obs().f64(y)) {
        (Ok(x), Ok(y)) => (x, y),
        (Err(_), _) | (_, Err(_)) if !asked => return Ok(()),
        (Err(e), _) | (_, Err(e)) => return Err(e.within("looking for the coordinates")),
    };
    let scale = config.um_per_unit.unwrap_or(1.0);
    if !(scale.is_finite() && scale > 0.0) {
        return Err(Error::new("reading the option um_per_unit")
            .expected("a number above 0")
            .found(scale.to_string()));
    }
    let xy: Vec<[f64; 2]> = x.into_iter().zip(y).map(|(x, y)| [x * scale, y * scale]).collect();
    ds.set_obsm(keys::SPATIAL, Array2::from(xy))?;
    let unit = match (config.um_per_unit, config.unit) {
        (Some(_), _) | (None, LoomUnit::Um) => "um",
        (None, LoomUnit::Px) => "px",
        (None, LoomUnit::Unknown) => {
            progress::note(format!(
                "obsm[\"spatial\"] is from {} and {}; the file does not say their unit: name it by unit, or by um_per_unit",
                config.coordinates[0], config.coordinates[1]
            ));
            return Ok(());
        }
    };
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text(unit.into()));
    Ok(())
}
