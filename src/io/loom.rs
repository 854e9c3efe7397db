//! Loom files (<https://linnarssonlab.org/loompy/format/>): an HDF5 file of genes x cells.
//!
//! The matrix is dense in the file and often larger than memory. It is read a block at a time,
//! along its chunks, and turned into cells x genes in sparse form; it never stands whole.

use std::path::Path;

use hdf5::Group;
use hdf5::types::TypeDescriptor as Type;
use indexmap::IndexMap;
use ndarray::{Array2, ArrayD, IxDyn, s};
use polars::prelude::{Column, NamedFrom, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::h5::{self, Array, Node};
use crate::base::{Error, Kind, Result, interrupt, memory, nearest, progress};
use crate::data::{Csr, Dataset, Table, Uns, keys};

const MATRIX: &str = "matrix";
/// Bytes of a block of the matrix.
const BLOCK: usize = 64 << 20;
/// Matrices up to this many bytes are read without asking what they take in the file.
const SMALL: u64 = 64 << 20;
/// Beyond that a byte of the file holds at most this many: deflate packs 1032 into one.
const MOST_PACKED: u64 = 4096;
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

/// The attributes of an axis of length `n`, each with `n` rows; `shape` is for the message.
fn attributes(
    f: &Group,
    group: &str,
    n: usize,
    shape: (usize, usize),
) -> Result<IndexMap<String, Array>> {
    let mut all = IndexMap::new();
    let Some(Node::Group(g)) = h5::node(f, group)? else { return Ok(all) };
    for (name, node) in members(&g)? {
        let Node::Array(d) = node else { continue };
        let Some(array) = h5::array(&d)? else {
            progress::note(format!("{group}/{name} is of a type that is not read; left out"));
            continue;
        };
        let found = array.shape.first().copied();
        if found != Some(n) || array.shape.len() > 2 {
            let turned = found == Some(if n == shape.0 { shape.1 } else { shape.0 });
            let e = Error::new(format!("reading {group}/{name}"))
                .expected(format!("{n} values, as the matrix [{}, {}] has", shape.0, shape.1))
                .found(format!("shape {:?}", array.shape));
            return Err(if turned {
                e.advice("A loom file is genes x cells: this one may have been written the other way round")
            } else {
                e.advice(
                    "The file is damaged, or its attributes were changed apart from the matrix",
                )
            });
        }
        all.insert(name, array);
    }
    Ok(all)
}

type Beside = Vec<(String, Array2<f64>)>;

/// Attributes as a table of `n` rows with its names, and the matrices among them.
fn table(
    mut attributes: IndexMap<String, Array>,
    n: usize,
    names: Option<&str>,
    usual: &[&str],
    what: &str,
) -> Result<(Table, Beside)> {
    let flat = |name: &&str| attributes.get(*name).is_some_and(|a| a.shape.len() == 1);
    if let Some(wanted) = names.filter(|n| !flat(n)) {
        let known = attributes.keys().map(String::as_str);
        return Err(Error::new(format!("looking for the names of the {what}"))
            .kind(Kind::Missing)
            .expected(format!("an attribute '{wanted}', one value each"))
            .found("none")
            .advice(nearest::advice(wanted, known)));
    }
    let chosen = names.or_else(|| usual.iter().copied().find(flat));
    let chosen = chosen.and_then(|name| Some((name, attributes.shift_remove(name)?)));
    let mut table = match chosen {
        Some((name, array)) => {
            if names.is_none() && Some(&name) != usual.first() {
                progress::note(format!("the {what} are named by '{name}'"));
            }
            let mut table = Table::new(texts(&array)?);
            table.index_name = name.to_owned();
            table
        }
        None => {
            progress::note(format!(
                "no attribute names the {what} ({}): they are numbered; name one as {}",
                usual.join(", "),
                if what == "cells" { "obs_names" } else { "var_names" }
            ));
            Table::new((0..n).map(|i| i.to_string()).collect())
        }
    };
    let mut beside = Vec::new();
    for (name, array) in attributes {
        if array.shape.len() == 1 {
            column(&mut table, &name, &array)?;
        } else if array.values.dtype().is_string() {
            progress::note(format!("{name}: text of two axes; left out"));
        } else {
            let shape = (array.shape[0], array.shape[1]);
            let m = Array2::from_shape_vec(shape, h5::f64s(&array)?)
                .map_err(|e| Error::io(format!("reading {name}"), e))?;
            beside.push((name, m));
        }
    }
    Ok((table, beside))
}

/// Adds an attribute as a column: text that repeats as categories, as anndata does on writing.
fn column(table: &mut Table, name: &str, array: &Array) -> Result<()> {
    if !array.values.dtype().is_string() {
        return table.set(Column::from(array.values.clone().with_name(name.into())));
    }
    let texts = texts(array)?;
    let distinct: std::collections::HashSet<&str> = texts.iter().map(String::as_str).collect();
    if distinct.len() < texts.len() {
        let texts: Vec<Option<String>> = texts.into_iter().map(Some).collect();
        return table.set_categories(name, &texts);
    }
    table.set(Column::from(Series::new(name.into(), texts)))
}

/// Text as it was before loompy 2 wrote what is not ASCII as XML entities.
fn texts(array: &Array) -> Result<Vec<String>> {
    let texts = h5::as_texts(array)?;
    Ok(texts.into_iter().map(|t| if t.contains("&") { unescaped(&t) } else { t }).collect())
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
        match entity {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// The matrix [genes, cells] as cells x genes.
///
/// Blocks follow the chunks of the file, so that each is unpacked once: columns of chunks where
/// such a column is small, else rows of them, which are put in order at the end.
fn sparse(d: &hdf5::Dataset, shape: (usize, usize)) -> Result<Csr> {
    let doing = format!("reading {}", d.name());
    if d.shape() != [shape.0, shape.1] {
        return Err(Error::new(doing)
            .expected(format!("shape [{}, {}]", shape.0, shape.1))
            .found(format!("{:?}", d.shape())));
    }
    let (genes, cells) = shape;
    if u32::try_from(genes).is_err() || u32::try_from(cells).is_err() {
        return Err(Error::new(doing).expected("axes below 2^32").found(format!("{shape:?}")));
    }
    match d.dtype().and_then(|t| t.to_descriptor()) {
        Ok(Type::Integer(_) | Type::Unsigned(_) | Type::Float(_) | Type::Boolean) => {}
        other => {
            let found = other.map_or_else(|e| e.to_string(), |t| t.to_string());
            return Err(Error::new(doing).expected("a matrix of numbers").found(found));
        }
    }
    let bytes = (genes as u64).saturating_mul(cells as u64).saturating_mul(8);
    if bytes > SMALL && bytes / MOST_PACKED > d.storage_size() {
        return Err(Error::new(doing)
            .expected(format!("a matrix that {} can unfold to", memory::human(d.storage_size())))
            .found(format!("{genes} x {cells} values"))
            .advice("The file is damaged"));
    }
    let chunk = d.chunk().unwrap_or_default();
    let (high, wide) = match chunk[..] {
        [h, w] => (h.clamp(1, genes.max(1)), w.clamp(1, cells.max(1))),
        _ => (1, cells.max(1)),
    };
    let room = |across: usize, step: usize| (BLOCK / 8 / across.max(1) / step).max(1) * step;
    let by_cells = genes.saturating_mul(wide) <= BLOCK / 8;
    let (n, step) = if by_cells { (cells, room(genes, wide)) } else { (genes, room(cells, high)) };
    let mut out = Building::default();
    let job = progress::Job::new(&doing, 0, n as u64);
    let mut at = 0;
    while at < n {
        interrupt::check(&doing)?;
        let end = (at + step).min(n);
        let failed = h5::failed(doing.clone());
        let block: Array2<f64> = if by_cells {
            d.read_slice_2d(s![.., at..end]).map_err(failed)?.reversed_axes()
        } else {
            d.read_slice_2d(s![at..end, ..]).map_err(failed)?
        };
        for row in block.rows() {
            out.push(row.iter().copied()).map_err(|e| e.within(&doing))?;
        }
        job.step(end as u64, "", false);
        at = end;
    }
    if out.rounded > 0 {
        progress::note(format!(
            "{}: {} whole numbers beyond 2^24 are rounded",
            d.name(),
            out.rounded
        ));
    }
    let rows = if by_cells { (cells, genes) } else { (genes, cells) };
    let csr = Csr::new(rows, out.indptr, out.indices, out.values)?;
    Ok(if by_cells { csr } else { csr.transpose() })
}

/// Rows of a sparse matrix so far.
struct Building {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    rounded: usize,
}

impl Default for Building {
    fn default() -> Self {
        Self { indptr: vec![0], indices: Vec::new(), values: Vec::new(), rounded: 0 }
    }
}

impl Building {
    fn push(&mut self, row: impl Iterator<Item = f64>) -> Result<()> {
        for (i, v) in (0u32..).zip(row) {
            if v == 0.0 {
                continue;
            }
            let single = v as f32;
            if single.is_infinite() && v.is_finite() {
                return Err(Error::new("narrowing values")
                    .expected("values within single precision, below 3.4e38")
                    .found(format!("{v:e}")));
            }
            self.rounded += usize::from(v.fract() == 0.0 && f64::from(single) != v);
            self.indices.push(i);
            self.values.push(single);
        }
        self.indptr.push(self.indices.len());
        Ok(())
    }
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
                found.push((name, h5::array(&d)));
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
