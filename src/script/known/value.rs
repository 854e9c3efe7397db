//! A value as completion and inspection need it: names and sizes, and no number is read.

use std::ops::Deref;

use indexmap::IndexMap;
use ndarray::Array2;
use polars::prelude::{Column as Values, DataFrame, DataType};
use rhai::{Array, Dynamic, Engine, FnPtr, Map};

use super::Variable;
use crate::base::text::clip;
use crate::data::{self, Matrix as Numbers, Uns};
use crate::script::column::Column;
use crate::script::dataset::Dataset;
use crate::script::error::Raised;
use crate::script::graph::{Graph, Pairs};
use crate::script::model::Model;
use crate::script::plot::Figure;
use crate::script::run::Run;
use crate::script::slide::{Picture, Slide};
use crate::script::slots::{Axis, Layers, Matrices, Rows, Tree};
use crate::script::table::Table;
use crate::script::tensor::Tensor;
use crate::script::types::type_word;
use crate::script::uns;
use crate::script::values::Matrix;

/// How deep maps and trees are looked into.
const DEPTH: usize = 4;
/// How many columns, keys or groups of one thing are taken.
const WIDTH: usize = 2000;
/// Letters of a summary.
const LINE: usize = 100;

/// A variable of that name.
pub(super) fn describe(engine: &Engine, name: &str, value: &Dynamic) -> Variable {
    Variable { name: name.to_owned(), ..within(engine, value, DEPTH) }
}

/// A text of that name.
pub(super) fn text(name: &str, text: &str) -> Variable {
    let line = text.trim().lines().next().unwrap_or_default();
    Variable { name: name.to_owned(), ..said("text", clip(line, LINE), Vec::new()) }
}

/// `In` or `Out`, whose type is called as it is, with parts by their numbers.
pub(super) fn listed(name: &str, parts: Vec<Variable>) -> Variable {
    holding(name, name, parts)
}

fn within(engine: &Engine, value: &Dynamic, depth: usize) -> Variable {
    let known = object(value).unwrap_or_else(|| plain(engine, value, depth));
    let summary = clip(known.summary.lines().next().unwrap_or_default(), LINE);
    Variable { summary, ..known }
}

/// An object of ours.
fn object(value: &Dynamic) -> Option<Variable> {
    fn get<T: rhai::Variant + Clone>(value: &Dynamic) -> Option<impl Deref<Target = T>> {
        value.read_lock::<T>()
    }
    if let Some(ds) = get::<Dataset>(value) {
        return Some(dataset(&ds.get()));
    }
    if let Some(rows) = get::<Rows>(value) {
        let ds = rows.ds.get();
        return Some(table_of(if rows.axis == Axis::Obs { ds.obs() } else { ds.var() }));
    }
    if let Some(m) = get::<Matrices>(value) {
        let ds = m.ds.get();
        return Some(matrices(if m.axis == Axis::Obs { ds.obsm() } else { ds.varm() }));
    }
    if let Some(l) = get::<Layers>(value) {
        return Some(layers(&l.ds.get()));
    }
    if let Some(p) = get::<Pairs>(value) {
        return Some(pairs(&p.ds.get()));
    }
    if let Some(t) = get::<Tree>(value) {
        let path: Vec<&str> = t.path.iter().map(String::as_str).collect();
        return t.ds.get().uns().get(&path).map(|node| tree("", node, DEPTH));
    }
    if let Some(m) = get::<Matrix>(value) {
        return Some(matrix("", m.core()));
    }
    if let Some(c) = get::<Column>(value) {
        return Some(column(&c.values));
    }
    if let Some(t) = get::<Table>(value) {
        return Some(frame("Table", t.frame()));
    }
    if let Some(t) = get::<Tensor>(value) {
        return Some(sized("", "Tensor", t.size(), "numbers"));
    }
    if let Some(g) = get::<Graph>(value) {
        let (n, e) = (g.core().n_nodes(), g.core().n_edges());
        return Some(said("Graph", format!("{n} spots, {e} edges"), vec![n]));
    }
    if let Some(p) = get::<Picture>(value) {
        return Some(said("Picture", p.to_string(), Vec::new()));
    }
    let shown = |kind: &str, text: String| Some(said(kind, text, Vec::new()));
    if let Some(m) = get::<Model>(value) {
        return shown("Model", m.to_string());
    }
    if let Some(r) = get::<Run>(value) {
        return shown("Run", r.to_string());
    }
    if let Some(s) = get::<Slide>(value) {
        return shown("Slide", s.to_string());
    }
    if let Some(f) = get::<Figure>(value) {
        return shown("Figure", f.to_string());
    }
    get::<Raised>(value).and_then(|e| shown("Error", e.message()))
}

/// A value of Rhai's own.
fn plain(engine: &Engine, value: &Dynamic, depth: usize) -> Variable {
    let named = |kind: &str, summary: String| said(kind, summary, Vec::new());
    if value.is_unit() {
        return named("()", "nothing".into());
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return named("text", format!("{:?}", clip(&text, LINE)));
    }
    if let Some(array) = value.read_lock::<Array>() {
        return Variable {
            parts: Vec::new(),
            ..said("array", many(array.len(), "value"), vec![array.len()])
        };
    }
    if let Some(map) = value.read_lock::<Map>() {
        let deeper = map.iter().take(if depth > 0 { WIDTH } else { 0 });
        let part = |(key, v): (&_, &Dynamic)| {
            let key: &rhai::Identifier = key;
            Variable { name: key.to_string(), ..within(engine, v, depth - 1) }
        };
        let parts: Vec<Variable> = deeper.map(part).collect();
        let keys = map.keys().take(20).map(|k| k.as_str()).collect::<Vec<_>>().join(", ");
        return Variable { parts, ..said("map", keys, vec![map.len()]) };
    }
    if let Some(f) = value.read_lock::<FnPtr>() {
        return named("function", format!("the function {}", f.fn_name()));
    }
    let rust = value.type_name();
    let kind = type_word(engine.map_type_name(rust));
    let small = matches!(kind.as_str(), "int" | "float" | "bool" | "char");
    let summary = if small { value.to_string() } else { kind.clone() };
    named(&kind, summary)
}

fn said(kind: &str, summary: String, shape: Vec<usize>) -> Variable {
    Variable { kind: kind.to_owned(), summary, shape, ..Variable::default() }
}

fn sized(name: &str, kind: &str, shape: Vec<usize>, of: &str) -> Variable {
    Variable { name: name.to_owned(), ..said(kind, format!("{shape:?} {of}"), shape) }
}

fn holding(name: &str, kind: &str, parts: Vec<Variable>) -> Variable {
    let names: Vec<&str> = parts.iter().take(20).map(|p| p.name.as_str()).collect();
    let summary = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Variable { parts, name: name.to_owned(), ..said(kind, clip(&summary, LINE), Vec::new()) }
}

fn dataset(ds: &data::Dataset) -> Variable {
    let (n, g) = (ds.n_obs(), ds.n_vars());
    let parts = vec![
        Variable { name: "obs".into(), ..table_of(ds.obs()) },
        Variable { name: "var".into(), ..table_of(ds.var()) },
        Variable { name: "obsm".into(), ..matrices(ds.obsm()) },
        Variable { name: "varm".into(), ..matrices(ds.varm()) },
        Variable { name: "layers".into(), ..layers(ds) },
        Variable { name: "obsp".into(), ..pairs(ds) },
        tree("uns", ds.uns(), DEPTH),
        matrix("x", ds.x()),
    ];
    let genes = Some(ds.var().shared_index());
    Variable { parts, genes, ..said("Dataset", format!("{n} spots x {g} genes"), vec![n, g]) }
}

fn table_of(table: &data::Table) -> Variable {
    frame("Rows", table.frame())
}

fn frame(kind: &str, frame: &DataFrame) -> Variable {
    let parts: Vec<Variable> = frame.columns().iter().take(WIDTH).map(column).collect();
    let (rows, columns) = (frame.height(), frame.width());
    let size = format!("{}, {}", many(rows, "row"), many(columns, "column"));
    Variable { parts, ..said(kind, size, vec![rows, columns]) }
}

fn column(c: &Values) -> Variable {
    let groups: Vec<Variable> = match c.dtype() {
        DataType::Enum(known, _) => {
            let names = known.categories().values_iter().take(WIDTH);
            names
                .map(|n| Variable { name: n.to_owned(), ..said("text", String::new(), vec![]) })
                .collect()
        }
        _ => Vec::new(),
    };
    let kind = match c.dtype() {
        DataType::Enum(..) => {
            let names: Vec<&str> = groups.iter().take(8).map(|g| g.name.as_str()).collect();
            let more = if groups.len() > names.len() { ", ..." } else { "" };
            format!("{}: {}{more}", many(groups.len(), "group"), names.join(", "))
        }
        DataType::Categorical(..) => "groups".into(),
        DataType::String => "texts".into(),
        DataType::Boolean => "true or false".into(),
        t if t.is_integer() => "integers".into(),
        t if t.is_float() => "numbers".into(),
        t => t.to_string(),
    };
    let name = c.name().to_string();
    Variable { name, parts: groups, ..said("Column", clip(&kind, LINE), vec![c.len()]) }
}

fn matrices(slot: &IndexMap<String, Array2<f64>>) -> Variable {
    let part = |(k, m): (&String, &Array2<f64>)| sized(k, "Tensor", m.shape().to_vec(), "numbers");
    holding("", "Matrices", slot.iter().map(part).collect())
}

fn layers(ds: &data::Dataset) -> Variable {
    holding("", "Layers", ds.layers().iter().map(|(k, m)| matrix(k, m)).collect())
}

fn pairs(ds: &data::Dataset) -> Variable {
    let part =
        |(k, m): (&String, &data::Csr)| sized(k, "Graph", vec![m.nrows(), m.ncols()], "weights");
    holding("", "Pairs", ds.obsp().iter().map(part).collect())
}

fn matrix(name: &str, m: &Numbers) -> Variable {
    let (n, g) = m.shape();
    let kind = if matches!(m, Numbers::Sparse(_)) { "sparse" } else { "dense" };
    sized(name, "Matrix", vec![n, g], kind)
}

fn tree(name: &str, node: &Uns, depth: usize) -> Variable {
    let kind = match node {
        Uns::Map(m) => {
            let deeper = m.iter().take(if depth > 0 { WIDTH } else { 0 });
            let parts = deeper.map(|(k, v)| tree(k, v, depth - 1)).collect();
            return holding(name, "Tree", parts);
        }
        Uns::Table(t) => return Variable { name: name.into(), ..frame("Table", t.frame()) },
        other => uns::kind(other),
    };
    let summary = clip(node.to_string().lines().next().unwrap_or_default(), LINE);
    Variable { name: name.to_owned(), ..said(kind, summary, Vec::new()) }
}

fn many(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
