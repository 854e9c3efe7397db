//! The documentation of the language, from the doc comments of what is exported.

use std::fmt::Write;
use std::rc::Rc;

use rhai::{Engine, FuncMetadata, Module};
use schemars::JsonSchema;
use serde_json::Value;

use super::bind::Part;
use super::model::GvaeOptions;
use super::{PARTS, STDLIB};
use crate::analysis::{GmmConfig, KmeansConfig, MoranConfig};
use crate::base::nearest;
use crate::batch::gvae::DataConfig;
use crate::batch::image::EncodeConfig;
use crate::batch::slide::{AlignConfig, AttachConfig};
use crate::data::ConcatConfig;
use crate::graph::{KnnConfig, RadiusConfig, SampleConfig};
use crate::image::{RegionConfig, ThumbnailConfig};
use crate::io::export::XeniumGroupsConfig;
use crate::io::h5ad::H5adConfig;
use crate::io::legacy_st::LegacyStConfig;
use crate::io::loom::LoomConfig;
use crate::io::mex::MexConfig;
use crate::io::numpy::NumpyConfig;
use crate::io::table::TableConfig;
use crate::io::tenx::TenxConfig;
use crate::io::text_counts::TextCountsConfig;
use crate::io::transcripts::BinConfig;
use crate::io::visium::VisiumConfig;
use crate::io::visium_hd::VisiumHdConfig;
use crate::io::xenium::XeniumConfig;
use crate::plot::{CurvesConfig, OverlayConfig, SpatialConfig};
use crate::prep::{
    FilterConfig, HvgConfig, NormalizeConfig, PcaConfig, QcConfig, ScaleConfig, ScoreGenesConfig,
};
use crate::sim::TissueConfig;
use crate::train::Fit;

/// What every example may use.
pub const PRELUDE: &str = "let ds = sim::tissue(#{ spots: 60, genes: 40, domains: 3, seed: 1 })
let g = graph::knn(ds, #{ k: 6 })
";

type Schema = fn() -> Value;

/// The configuration behind each function that takes an option map.
const OPTIONS: &[(&str, Schema)] = &[
    ("data::read_h5ad", schema::<H5adConfig>),
    ("data::read_10x_h5", schema::<TenxConfig>),
    ("data::read_mex", schema::<MexConfig>),
    ("data::read_visium", schema::<VisiumConfig>),
    ("data::read_visium_hd", schema::<VisiumHdConfig>),
    ("data::read_xenium", schema::<XeniumConfig>),
    ("data::read_loom", schema::<LoomConfig>),
    ("data::bin_transcripts", schema::<BinConfig>),
    ("data::describe_transcripts", schema::<BinConfig>),
    ("data::read_counts", schema::<TextCountsConfig>),
    ("data::read_st", schema::<LegacyStConfig>),
    ("data::read_numpy", schema::<NumpyConfig>),
    ("data::read_table", schema::<TableConfig>),
    ("Rows.to_xenium_explorer", schema::<XeniumGroupsConfig>),
    ("Dataset.filter", schema::<FilterConfig>),
    ("Dataset.select_hvg", schema::<HvgConfig>),
    ("data::concat", schema::<ConcatConfig>),
    ("Dataset.normalize_total", schema::<NormalizeConfig>),
    ("Dataset.scale", schema::<ScaleConfig>),
    ("Dataset.qc", schema::<QcConfig>),
    ("Dataset.score_genes", schema::<ScoreGenesConfig>),
    ("Dataset.pca", schema::<PcaConfig>),
    ("prep::pca", schema::<PcaConfig>),
    ("prep::gene_scores", schema::<ScoreGenesConfig>),
    ("graph::knn", schema::<KnnConfig>),
    ("graph::radius", schema::<RadiusConfig>),
    ("graph::delaunay", schema::<SampleConfig>),
    ("Graph.moran", schema::<MoranConfig>),
    ("image::encode", schema::<EncodeConfig>),
    ("image::attach", schema::<AttachConfig>),
    ("data::align", schema::<AlignConfig>),
    ("Slide.region", schema::<RegionConfig>),
    ("Slide.thumbnail", schema::<ThumbnailConfig>),
    ("plot::overlay", schema::<OverlayConfig>),
    ("sim::tissue", schema::<TissueConfig>),
    ("models::prepare", schema::<DataConfig>),
    ("models::gvae", schema::<GvaeOptions>),
    ("train::fit", schema::<Fit>),
    ("plot::spatial", schema::<SpatialConfig>),
    ("plot::curves", schema::<CurvesConfig>),
    ("cluster::gmm", schema::<GmmConfig>),
    ("cluster::kmeans", schema::<KmeansConfig>),
];

fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// One function, method or property.
#[derive(Clone, Debug)]
pub struct Entry {
    /// "graph::knn", "Dataset.filter".
    pub name: String,
    /// "graph::knn(ds: Dataset, options: map) -> Graph".
    pub signature: String,
    /// The doc comment; the first paragraph is the summary.
    pub doc: String,
    pub options: Vec<Choice>,
}

/// One key of an option map.
#[derive(Clone, Debug)]
pub struct Choice {
    pub key: String,
    pub kind: String,
    pub default: String,
    pub doc: String,
}

impl Entry {
    pub fn summary(&self) -> &str {
        self.doc.split("\n\n").next().unwrap_or("")
    }

    /// The code between the first pair of fences.
    pub fn example(&self) -> Option<&str> {
        let (_, rest) = self.doc.split_once("```rhai\n")?;
        rest.split_once("```").map(|(code, _)| code)
    }
}

/// Everything the language offers, in the order of the reference.
pub fn entries() -> Vec<Entry> {
    PARTS.iter().flat_map(of_part).collect()
}

fn of_part(part: &Part) -> Vec<Entry> {
    let mut entries = Vec::new();
    part.manifest.for_each_fn(false, &mut |f| {
        // Rhai hands out the metadata of functions only through an engine that has them.
        let mut module = Module::new();
        f.register_into(&mut module);
        let mut engine = Engine::new_raw();
        engine.register_static_module("m", Rc::new(module));
        entries.extend(engine.collect_fn_metadata(None, |f| Some(entry(part, f.metadata)), true));
    });
    entries
}

fn entry(part: &Part, f: &FuncMetadata) -> Entry {
    let params: Vec<(&str, String)> = f
        .params_info
        .iter()
        .filter_map(|p| p.split_once(':'))
        .map(|(n, t)| (n.trim(), plain(t)))
        .collect();
    let (name, call) = spelled(part, &f.name, &params);
    let result = plain(&f.return_type);
    let arrow =
        if result == "()" || result.is_empty() { String::new() } else { format!(" -> {result}") };
    let lines = f.comments.iter().flat_map(|c| c.lines());
    let lines = lines
        .map(|l| l.trim_start().trim_start_matches("///"))
        .map(|l| l.strip_prefix(' ').unwrap_or(l));
    let options =
        OPTIONS.iter().find(|(of, _)| *of == name).map(|(_, s)| choices(&s())).unwrap_or_default();
    let doc = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
    Entry { name, signature: format!("{call}{arrow}"), doc, options }
}

/// The name, and how a call of it is written.
fn spelled(part: &Part, name: &str, params: &[(&str, String)]) -> (String, String) {
    let list = |p: &[(&str, String)]| {
        p.iter().map(|(n, t)| format!("{n}: {t}")).collect::<Vec<_>>().join(", ")
    };
    if !part.is_object() {
        let bare = format!("{}::{name}", part.name);
        return (bare.clone(), format!("{bare}({})", list(params)));
    }
    if part.name.is_empty() {
        return (name.to_owned(), format!("{name}({})", list(params)));
    }
    let rest = params.get(1..).unwrap_or_default();
    let owner = part.name;
    match name {
        "index$get$" => (format!("{owner}[]"), format!("{owner}[{}]", list(rest))),
        "index$set$" => {
            (format!("{owner}[]="), format!("{owner}[{}] = {}", list(&rest[..1]), list(&rest[1..])))
        }
        _ => match name.strip_prefix("get$") {
            Some(property) => (format!("{owner}.{property}"), format!("{owner}.{property}")),
            None => (format!("{owner}.{name}"), format!("{owner}.{name}({})", list(rest))),
        },
    }
}

/// A Rust type as the language calls it.
fn plain(rust: &str) -> String {
    let t = rust.trim().trim_start_matches("&mut ").trim();
    let t = t.strip_prefix("Outcome<").and_then(|t| t.strip_suffix('>')).unwrap_or(t).trim();
    match t {
        "&str" | "String" | "ImmutableString" => "text",
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "bool" => "bool",
        "Map" => "map",
        "Array" => "array",
        "Dynamic" => "any",
        other => other,
    }
    .to_owned()
}

fn choices(schema: &Value) -> Vec<Choice> {
    let text = |v: &Value| v.as_str().unwrap_or_default().replace('\n', " ");
    let properties = schema["properties"].as_object().into_iter().flatten();
    let choice = |(key, p): (&String, &Value)| Choice {
        key: key.clone(),
        kind: kind(p, schema),
        default: if p["default"].is_null() { String::new() } else { p["default"].to_string() },
        doc: text(&p["description"]),
    };
    properties.map(choice).collect()
}

/// The type of an option in a word.
fn kind(property: &Value, root: &Value) -> String {
    if let Some(name) = property["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        return root.pointer(name).map(|p| kind(p, root)).unwrap_or_default();
    }
    let named = |t: &str| {
        match t {
            "integer" => "int",
            "number" => "float",
            "string" => "text",
            "boolean" => "bool",
            "object" => "map",
            other => other,
        }
        .to_owned()
    };
    let several = |key: &str| {
        property[key].as_array().map(|all| {
            all.iter()
                .map(|p| kind(p, root))
                .filter(|k| k != "null")
                .collect::<Vec<_>>()
                .join(" or ")
        })
    };
    match (&property["type"], property["const"].as_str()) {
        (_, Some(value)) => format!("\"{value}\""),
        (Value::String(t), _) if property["enum"].is_array() => {
            let values = property["enum"].as_array().into_iter().flatten();
            let _ = t;
            values.map(Value::to_string).collect::<Vec<_>>().join(" or ")
        }
        (Value::String(t), _) => named(t),
        (Value::Array(ts), _) => ts
            .iter()
            .filter_map(Value::as_str)
            .filter(|t| *t != "null")
            .map(named)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => several("oneOf")
            .or_else(|| several("anyOf"))
            .or_else(|| several("allOf"))
            .unwrap_or_default(),
    }
}

/// How a call that was not found may have been meant: the ways to write what has its name, or the
/// nearest name.
pub(super) fn meant(name: &str) -> String {
    let entries = entries();
    let bare = |e: &Entry| e.name.rsplit(['.', ':']).next().unwrap_or_default().to_owned();
    let written = bare_name(name);
    let same = entries.iter().filter(|e| bare(e) == written).map(|e| e.signature.as_str());
    let same: Vec<&str> = same.collect();
    if !same.is_empty() {
        return format!("There is: {}", same.join("; "));
    }
    let names: Vec<String> = entries.iter().map(bare).collect();
    let near = nearest::nearest(written, names.iter().map(String::as_str)).unwrap_or_default();
    let near: Vec<&str> =
        entries.iter().filter(|e| bare(e) == near).map(|e| e.signature.as_str()).collect();
    if near.is_empty() { String::new() } else { format!("Did you mean {}?", near.join("; ")) }
}

fn bare_name(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name).trim()
}

/// The reference of the language, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    write!(out, "\n```rhai\n{PRELUDE}```\n").ok();
    for part in PARTS {
        let title = if part.name.is_empty() { "Functions" } else { part.name };
        write!(out, "\n## {title}\n\n{}\n", part.doc).ok();
        for e in of_part(part) {
            write!(out, "\n### `{}`\n\n{}\n", e.signature, e.doc).ok();
            if !e.options.is_empty() {
                out += "\n| option | type | default | |\n|---|---|---|---|\n";
            }
            for Choice { key, kind, default, doc } in &e.options {
                let default =
                    if default.is_empty() { String::new() } else { format!("`{default}`") };
                writeln!(out, "| `{key}` | {kind} | {default} | {doc} |").ok();
            }
        }
    }
    for (name, text) in STDLIB {
        let doc = super::params::summary(text);
        write!(out, "\n## import \"{name}\"\n\n{doc}\n\n```rhai\n{}```\n", functions(text)).ok();
    }
    out
}

/// The signatures and doc comments of a module written in the language.
fn functions(text: &str) -> String {
    let shown = text.lines().filter(|l| l.starts_with("///") || l.starts_with("fn "));
    shown.map(|l| format!("{}\n", l.trim_end_matches(" {"))).collect()
}

const INTRODUCTION: &str = "# Reference

Made by `spatia docs reference` from the sources; do not edit. Scripts are [Rhai](https://rhai.rs/book)
with a few comforts: a line's end ends a statement, integers are taken where floats are meant, and
functions see the variables of the script. An option map may be left out; an unknown key is an
error that names the nearest one.

A script declares its parameters where it wants them, `let seed = param(\"seed\", 42, \"Seed of every
random draw\")`: the default says the type, and `()` asks for a text that must be given. `spatia run
SCRIPT --help` lists them. `import \"name\" as n` finds a module of the standard library, or a file
beside the script.

Objects are handles: `let b = a` shares, `a.copy()` does not. Every example runs in the tests, after
these lines:
";
