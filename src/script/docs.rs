//! The documentation of the language, from the doc comments of what is exported.

pub mod builtin;
pub mod outline;
mod reference;
mod schema;

use std::rc::Rc;
use std::sync::OnceLock;

use rhai::{Engine, FuncMetadata, Module};
use schemars::JsonSchema;
use serde_json::Value;

use self::outline::Function;
pub use self::reference::reference;
use super::bind::Part;
use super::model::GvaeOptions;
use super::types::type_word;
use super::{PARTS, STDLIB};
use crate::analysis::{GmmConfig, KmeansConfig, MoranConfig};
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

/// Whether the map at the end of a function holds options.
pub(super) fn takes_options(name: &str) -> bool {
    OPTIONS.iter().any(|(of, _)| *of == name)
}

/// One function, method or property.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// "graph::knn", "Dataset.filter".
    pub name: String,
    /// "graph::knn(ds: Dataset, options: map) -> Graph".
    pub signature: String,
    /// The doc comment; the first paragraph is the summary.
    pub doc: String,
    pub options: Vec<Choice>,
    /// The module or the type it belongs to: "graph", "Dataset"; "" for what stands alone.
    pub owner: String,
    /// "knn", "filter"; empty for an index.
    pub bare: String,
    pub form: Form,
    /// Names and types of what stands between the parentheses or brackets.
    pub params: Vec<(String, String)>,
    /// The type of the result; empty for none.
    pub result: String,
    /// Which section of the reference it stands in.
    section: usize,
}

/// How an entry is written in code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Function,
    Method,
    Property,
    /// `owner[key]`
    Index,
    /// `owner[key] = value`
    SetIndex,
}

/// One key of an option map.
#[derive(Clone, Debug)]
pub struct Choice {
    pub key: String,
    pub kind: String,
    pub default: String,
    pub doc: String,
}

impl Choice {
    /// The texts it can be, where only some are allowed; as they are written, in quotes.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.kind.split(" or ").filter(|v| v.starts_with('"'))
    }
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

    /// What stands behind the summary and the example.
    pub fn remarks(&self) -> String {
        let rest = self.doc.get(self.summary().len()..).unwrap_or_default();
        let rest = match (rest.split_once("```rhai\n"), self.example()) {
            (Some((before, after)), Some(example)) => {
                let after = after.get(example.len()..).unwrap_or_default();
                format!("{before}{}", after.trim_start_matches("```"))
            }
            _ => rest.to_owned(),
        };
        rest.trim().to_owned()
    }

    /// A function written in the language, as a module's.
    fn of_script(module: &str, f: &Function) -> Self {
        let name = format!("{module}::{}", f.name);
        Self {
            signature: format!("{name}({})", f.params.join(", ")),
            doc: f.doc.clone(),
            owner: module.to_owned(),
            bare: f.name.clone(),
            params: f.params.iter().map(|p| (p.clone(), "any".to_owned())).collect(),
            result: "any".to_owned(),
            name,
            ..Self::default()
        }
    }
}

/// Everything the language offers, in the order of the reference.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let modules = STDLIB.iter().map(|(name, text)| {
            let public = outline::functions(text).into_iter().filter(|f| !f.private);
            public.map(|f| Entry::of_script(name, &f)).collect()
        });
        let sections = PARTS.iter().map(of_part).chain(modules).enumerate();
        let numbered = |(section, entries): (usize, Vec<Entry>)| {
            entries.into_iter().map(move |e| Entry { section, ..e })
        };
        sections.flat_map(numbered).collect()
    })
}

/// The entries of one part of the language.
pub(super) fn section(number: usize) -> impl Iterator<Item = &'static Entry> {
    entries().iter().filter(move |e| e.section == number)
}

/// The modules with functions that need no import, and what each is for.
pub fn modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    PARTS.iter().filter(|p| !p.is_object()).map(|p| (p.name, p.doc))
}

/// The types of objects, and what each is.
pub fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
    PARTS.iter().filter(|p| p.is_object() && !p.name.is_empty()).map(|p| (p.name, p.doc))
}

/// The modules of the standard library: name, summary.
pub fn library() -> impl Iterator<Item = (&'static str, String)> {
    STDLIB.iter().map(|(name, text)| (*name, super::params::summary(text)))
}

/// The text of a module of the standard library.
pub fn module_text(name: &str) -> Option<&'static str> {
    STDLIB.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
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
    let all = params(f);
    let method = part.is_object() && !part.name.is_empty();
    let (form, bare) = match &*f.name {
        "index$get$" => (Form::Index, ""),
        "index$set$" => (Form::SetIndex, ""),
        name => match name.strip_prefix("get$") {
            Some(property) => (Form::Property, property),
            None if method => (Form::Method, name),
            None => (Form::Function, name),
        },
    };
    let params = all.get(usize::from(method)..).unwrap_or_default().to_vec();
    let mut entry = Entry {
        doc: comments(f.comments.iter().map(|c| &**c)),
        owner: part.name.to_owned(),
        bare: bare.to_owned(),
        form,
        params,
        result: type_word(&f.return_type).replace("()", ""),
        ..Entry::default()
    };
    (entry.name, entry.signature) = spelled(&entry);
    let schema = OPTIONS.iter().find(|(of, _)| *of == entry.name).map(|(_, schema)| schema());
    entry.options = schema.map(|s| schema::choices(&s)).unwrap_or_default();
    // What has an argument of its own is no option, though the struct has both.
    entry.options.retain(|o| !entry.params.iter().any(|(name, _)| *name == o.key));
    entry
}

/// Names and types of all parameters.
fn params(f: &FuncMetadata) -> Vec<(String, String)> {
    let named = f.params_info.iter().filter_map(|p| p.split_once(':'));
    let named = named.filter(|(_, t)| !t.contains("NativeCallContext"));
    named.map(|(n, t)| (n.trim().to_owned(), type_word(t))).collect()
}

/// The text of doc comments, without what makes them comments.
fn comments<'a>(comments: impl Iterator<Item = &'a str>) -> String {
    let lines = comments.flat_map(str::lines).map(|l| l.trim_start().trim_start_matches("///"));
    let lines = lines.map(|l| l.strip_prefix(' ').unwrap_or(l));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The name, and how a call of it is written.
fn spelled(e: &Entry) -> (String, String) {
    let list = |p: &[(String, String)]| {
        p.iter().map(|(n, t)| format!("{n}: {t}")).collect::<Vec<_>>().join(", ")
    };
    let Entry { owner, bare, params, .. } = e;
    let all = list(params);
    let (name, call) = match e.form {
        Form::Index => (format!("{owner}[]"), format!("{owner}[{all}]")),
        Form::SetIndex => {
            let (key, value) = params.split_at(params.len().min(1));
            (format!("{owner}[]="), format!("{owner}[{}] = {}", list(key), list(value)))
        }
        Form::Property => (format!("{owner}.{bare}"), format!("{owner}.{bare}")),
        Form::Method => (format!("{owner}.{bare}"), format!("{owner}.{bare}({all})")),
        Form::Function if owner.is_empty() => (bare.clone(), format!("{bare}({all})")),
        Form::Function => (format!("{owner}::{bare}"), format!("{owner}::{bare}({all})")),
    };
    let arrow = if e.result.is_empty() { String::new() } else { format!(" -> {}", e.result) };
    (name, format!("{call}{arrow}"))
}
