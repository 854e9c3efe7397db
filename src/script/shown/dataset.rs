//! The dataset and its named parts.

use indexmap::IndexMap;
use ndarray::{ArrayD, ArrayViewD, Axis as Along};
use serde_json::{Map, Value, json};

use super::html::{self, Cell};
use super::values::number;
use super::work::lines;
use super::{Shown, grid};
use crate::base::{Error, Result, memory};
use crate::data::{self, Csr, Matrix, Table, Uns, frame, table};
use crate::script::dataset::Dataset;
use crate::script::graph::Pairs;
use crate::script::slots::{Axis, Layers, Matrices, Rows, Tree};

/// Columns and names of groups that are listed.
const MOST_GROUPS: usize = 8;
/// A part with more entries is shown closed.
const OPEN: usize = 12;
/// Values of an array of `uns` that JSON holds.
const MOST_VALUES: usize = 10_000;
/// Characters of what is said of a column.
const MOST_TEXT: usize = 80;

impl Shown for Dataset {
    fn json(&self) -> Result<Value> {
        let ds = self.get();
        let unit = ds.coordinates().ok();
        Ok(json!({
            "n_obs": ds.n_obs(),
            "n_vars": ds.n_vars(),
            "x": matrix(ds.x()),
            "layers": each(ds.layers(), matrix),
            "obs": kinds(ds.obs()),
            "var": kinds(ds.var()),
            "obsm": each(ds.obsm(), |m| json!(m.shape())),
            "varm": each(ds.varm(), |m| json!(m.shape())),
            "obsp": each(ds.obsp(), pairs),
            "varp": each(ds.varp(), pairs),
            "uns": tree(ds.uns()),
            "unit": unit.as_ref().map(|c| c.unit.name()),
            "um_per_unit": unit.and_then(|c| c.um_per_unit),
            "warnings": ds.warnings(),
        }))
    }

    fn html(&self) -> Option<String> {
        let ds = self.get();
        let text = ds.to_string();
        let heading = text.lines().next().unwrap_or_default();
        let mut body = String::new();
        let mut part = |name: &str, n: usize, content: String| {
            if n > 0 {
                body += &html::details(&format!("{name} ({n})"), &content, n <= OPEN);
            }
        };
        let listed = |items: Vec<(String, String)>| (items.len(), html::list(&items));
        for (name, table) in [("obs", ds.obs()), ("var", ds.var())] {
            part(name, table.names().len(), columns(table));
        }
        let shape = |m: &ndarray::Array2<f64>| format!("[{}, {}] float", m.nrows(), m.ncols());
        for (name, (n, content)) in [
            ("layers", listed(described(ds.layers(), sort))),
            ("obsm", listed(described(ds.obsm(), shape))),
            ("varm", listed(described(ds.varm(), shape))),
            ("obsp", listed(described(ds.obsp(), edges))),
            ("varp", listed(described(ds.varp(), edges))),
        ] {
            part(name, n, content);
        }
        if let Some(raw) = ds.raw() {
            let counts = if raw.is_counts() { "counts" } else { "no counts" };
            part("raw", raw.var().len(), html::note(counts));
        }
        let uns = ds.uns().as_map();
        part("uns", uns.map_or(0, IndexMap::len), branches(ds.uns(), 0));
        // What the text says of image, unit and what may hurt later.
        for line in text.lines().map(str::trim) {
            match line.split_once(' ') {
                Some(("warning", _)) => {}
                Some((name @ ("image" | "unit"), what)) => {
                    body += &html::note(&format!("{name}: {}", what.trim()));
                }
                _ => {}
            }
        }
        body.extend(ds.warnings().iter().map(|w| html::warning(w)));
        Some(html::block(heading, &body))
    }
}

fn each<T>(parts: &IndexMap<String, T>, f: impl Fn(&T) -> Value) -> Value {
    parts.iter().map(|(name, part)| (name.clone(), f(part))).collect::<Map<_, _>>().into()
}

fn described<T>(parts: &IndexMap<String, T>, f: impl Fn(&T) -> String) -> Vec<(String, String)> {
    parts.iter().map(|(name, part)| (name.clone(), f(part))).collect()
}

/// A matrix as data says of itself.
pub fn matrix(m: &Matrix) -> Value {
    let (n, g) = m.shape();
    json!({ "shape": [n, g], "sparse": matches!(m, Matrix::Sparse(_)), "nonzero": m.nonzero() })
}

fn pairs(m: &Csr) -> Value {
    json!({ "shape": [m.nrows(), m.ncols()], "nonzero": m.nnz() })
}

fn sort(m: &Matrix) -> String {
    let kind = if matches!(m, Matrix::Sparse(_)) { "sparse" } else { "dense" };
    format!("{kind}, {} not zero, {}", m.nonzero(), memory::human(m.bytes()))
}

fn edges(m: &Csr) -> String {
    format!("[{}, {}] sparse, {} not zero", m.nrows(), m.ncols(), m.nnz())
}

fn kinds(table: &Table) -> Value {
    let kind = |c: &polars::prelude::Column| (c.name().to_string(), json!(frame::kind(c.dtype())));
    table.frame().columns().iter().map(kind).collect::<Map<_, _>>().into()
}

/// Name, type and content of every column.
fn columns(t: &Table) -> String {
    let row = |c: &polars::prelude::Column| {
        vec![
            Cell::left(grid::cut(c.name(), MOST_TEXT)),
            Cell::soft(frame::kind(c.dtype())),
            Cell::left(content(c)),
        ]
    };
    html::table(&[], &t.frame().columns().iter().map(row).collect::<Vec<_>>())
}

/// What a column holds: its range, its groups, or its first value.
pub fn content(column: &polars::prelude::Column) -> String {
    let dtype = column.dtype();
    if dtype.is_primitive_numeric() {
        let values = table::numbers(column).unwrap_or_default();
        let known = || values.iter().copied().filter(|v| v.is_finite());
        let missing = values.iter().filter(|v| v.is_nan()).count();
        let (low, high) =
            known().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let range = match low <= high {
            true if dtype.is_integer() => format!("{low} to {high}"),
            true => grid::numbers(&[low, high]).join(" to "),
            false => "no values".into(),
        };
        return if missing > 0 { format!("{range}, {missing} missing") } else { range };
    }
    let values = table::texts(column).unwrap_or_default();
    let missing = values.iter().filter(|v| v.is_none()).count();
    let mut groups: IndexMap<&str, usize> = IndexMap::new();
    values.iter().flatten().for_each(|v| *groups.entry(v).or_default() += 1);
    let n = groups.len();
    let said = if n > 1 && 2 * n > values.len() {
        format!("{n} different, the first \"{}\"", groups.keys().next().unwrap_or(&""))
    } else {
        groups.sort_unstable_keys();
        let shown = groups.iter().take(MOST_GROUPS).map(|(name, n)| format!("{name} {n}"));
        let more = (n > MOST_GROUPS).then(|| format!("… {} more", n - MOST_GROUPS));
        shown.chain(more).collect::<Vec<_>>().join(", ")
    };
    let said = grid::cut(&said, MOST_TEXT);
    if missing > 0 { format!("{said}, {missing} missing") } else { said }
}

/// A tree as parts that open.
fn branches(node: &Uns, depth: usize) -> String {
    let Some(map) = node.as_map() else { return String::new() };
    let is_map = |v: &Uns| v.as_map().is_some_and(|m| !m.is_empty()) && depth < 4;
    let leaves: Vec<(String, String)> = map
        .iter()
        .filter(|(_, v)| !is_map(v))
        .map(|(k, v)| (k.clone(), grid::cut(&v.to_string(), MOST_TEXT)))
        .collect();
    let parts = map.iter().filter(|(_, v)| is_map(v));
    let parts = parts.map(|(k, v)| html::details(k, &branches(v, depth + 1), false));
    std::iter::once(html::list(&leaves)).chain(parts).collect()
}

/// A tree as JSON; large arrays by their shape.
fn tree(node: &Uns) -> Value {
    match node {
        Uns::Map(m) => m.iter().map(|(k, v)| (k.clone(), tree(v))).collect::<Map<_, _>>().into(),
        Uns::Text(v) => json!(v),
        Uns::Int(v) => json!(v),
        Uns::Float(v) => number(*v),
        Uns::Bool(v) => json!(v),
        Uns::Texts(a) => array(a, |v| json!(v)),
        Uns::Ints(a) => array(a, |v| json!(v)),
        Uns::Floats(a) => array(a, |v| number(*v)),
        Uns::Singles(a) => array(a, |v| number(f64::from(*v))),
        Uns::Bools(a) => array(a, |v| json!(v)),
        Uns::Bytes(a) => array(a, |v| json!(v)),
        Uns::Sparse(m) => pairs(m),
        Uns::Table(t) => records(t.frame()).unwrap_or_default(),
        Uns::Null => Value::Null,
    }
}

fn array<T>(a: &ArrayD<T>, value: impl Fn(&T) -> Value + Copy) -> Value {
    fn nested<T>(a: ArrayViewD<'_, T>, value: impl Fn(&T) -> Value + Copy) -> Value {
        match a.ndim() {
            0 => a.first().map_or(Value::Null, value),
            _ => a.axis_iter(Along(0)).map(|part| nested(part, value)).collect(),
        }
    }
    if a.len() > MOST_VALUES { json!({ "shape": a.shape() }) } else { nested(a.view(), value) }
}

/// The rows of a frame, a map each.
pub fn records(frame: &polars::prelude::DataFrame) -> Result<Value> {
    serde_json::to_value(frame::records(frame)?)
        .map_err(|e| Error::io("writing a table as JSON", e))
}

impl Shown for Rows {
    fn json(&self) -> Result<Value> {
        records(&self.read(data::Table::with_index)?)
    }

    fn html(&self) -> Option<String> {
        let frame = self.read(data::Table::with_index).ok()?;
        Some(html::block(&self.heading(), &grid::html(&frame)))
    }
}

impl Shown for Matrices {
    fn json(&self) -> Result<Value> {
        Ok(self
            .shapes()
            .into_iter()
            .map(|(k, [n, d])| (k, json!([n, d])))
            .collect::<Map<_, _>>()
            .into())
    }

    fn html(&self) -> Option<String> {
        Some(lines(&self.to_string(), ""))
    }
}

impl Shown for Layers {
    fn json(&self) -> Result<Value> {
        Ok(each(self.ds.get().layers(), matrix))
    }

    fn html(&self) -> Option<String> {
        Some(lines(&self.to_string(), ""))
    }
}

impl Shown for Pairs {
    fn json(&self) -> Result<Value> {
        Ok(each(self.ds.get().obsp(), pairs))
    }

    fn html(&self) -> Option<String> {
        Some(lines(&self.to_string(), ""))
    }
}

impl Shown for Tree {
    fn json(&self) -> Result<Value> {
        Ok(tree(&self.node()))
    }

    fn html(&self) -> Option<String> {
        let text = self.to_string();
        let heading = text.lines().next().unwrap_or_default();
        Some(html::block(heading, &branches(&self.node(), 0)))
    }
}

/// Named parts as text: a heading, and a line each, aligned.
pub fn named(heading: &str, parts: &[(String, String)]) -> String {
    let width = parts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, what): &(String, String)| {
        let line = format!("  {name:<width$}  {what}");
        format!("\n{}", line.trim_end())
    };
    let lines: String = parts.iter().map(line).collect();
    format!("{heading}{lines}")
}

/// What `Display` lists of a dataset's parts.
pub fn layers_of(ds: &data::Dataset) -> Vec<(String, String)> {
    described(ds.layers(), sort)
}

/// What `Display` lists of a dataset's pairs.
pub fn pairs_of(ds: &data::Dataset) -> Vec<(String, String)> {
    described(ds.obsp(), edges)
}

/// What `Display` lists of a tree.
pub fn entries_of(node: &Uns) -> Vec<(String, String)> {
    let entry = |(k, v): (&String, &Uns)| (k.clone(), grid::cut(&v.to_string(), MOST_TEXT));
    node.as_map().map(|m| m.iter().map(entry).collect()).unwrap_or_default()
}

/// The heading of rows.
pub fn rows_heading(axis: Axis, rows: usize, columns: usize) -> String {
    match axis {
        Axis::Obs => format!("obs, {rows} spots x {columns} columns"),
        Axis::Var => format!("var, {rows} genes x {columns} columns"),
    }
}
