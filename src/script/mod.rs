//! The Rhai layer, one file an object. The only importer of `rhai`.
//!
//! Imports all layers below; no loops and no arithmetic here.

mod bind;
mod cluster;
mod column;
mod console;
mod convert;
mod data;
mod dataset;
pub mod definitions;
mod describe;
pub mod docs;
mod error;
mod exchange;
mod failure;
mod foreign;
mod graph;
mod hints;
mod image;
mod interpreter;
mod known;
mod limits;
mod model;
mod numbers;
pub mod output;
mod params;
mod plot;
mod prep;
mod printed;
mod resolver;
mod run;
mod score;
mod session;
mod shown;
mod sim;
mod slide;
mod slots;
pub mod source;
pub mod syntax;
mod table;
mod tensor;
mod types;
mod uns;
mod values;

use std::collections::BTreeMap;

use rhai::Engine;
use rhai::plugin::exported_manifest;

use bind::{Part, object};
pub use error::{Failure, Place};
pub use exchange::{Element, Exported, Precision};
pub use interpreter::{Holding, Interpreter};
pub use known::{Known, Module, Variable};
pub use output::{Bundle, Console, Output};
pub use params::{Param, Signature};
use resolver::STDLIB;
pub use shown::{Curves, escape};

/// The language, part by part, in the order of the reference.
const PARTS: &[Part] = &[
    part("data", "Reading datasets.", exported_manifest!(data::functions)),
    part("prep", "What is computed from X before any model.", exported_manifest!(prep::functions)),
    part("graph", "Which spots are neighbours.", exported_manifest!(graph::functions)),
    part("image", "Slides, and what they say of each spot.", exported_manifest!(image::functions)),
    part("models", "Networks, fresh or from a checkpoint.", exported_manifest!(model::functions)),
    part(
        "train",
        "Training, its configuration and its record.",
        exported_manifest!(run::functions),
    ),
    part("cluster", "Groups of spots.", exported_manifest!(cluster::functions)),
    part(
        "score",
        "How well a result agrees with what is known.",
        exported_manifest!(score::functions),
    ),
    part("plot", "Maps of tissue, and curves.", exported_manifest!(plot::functions)),
    part("sim", "Tissue whose truth is known.", exported_manifest!(sim::functions)),
    part("", "Functions that stand alone.", exported_manifest!(tensor::functions)),
    part("", "What a script says and asks.", exported_manifest!(console::functions)),
    part(
        "Dataset",
        "Spots by genes, with all that is known of both.",
        exported_manifest!(dataset::methods),
    ),
    part(
        "Rows",
        "`ds.obs` and `ds.var`: columns of spots and of genes.",
        exported_manifest!(slots::rows),
    ),
    part(
        "Matrices",
        "`ds.obsm` and `ds.varm`: matrices beside X.",
        exported_manifest!(slots::matrices),
    ),
    part(
        "Layers",
        "`ds.layers`: other values of the shape of X.",
        exported_manifest!(slots::layers),
    ),
    part("Pairs", "`ds.obsp`: graphs that the dataset holds.", exported_manifest!(graph::pairs)),
    part("Tree", "`ds.uns`: a tree of other values.", exported_manifest!(slots::tree)),
    part(
        "Matrix",
        "Values of spots by genes, sparse or dense.",
        exported_manifest!(values::methods),
    ),
    part("Column", "One value a spot or a gene.", exported_manifest!(column::methods)),
    part("Table", "Columns of equal length.", exported_manifest!(table::methods)),
    part("Tensor", "Numbers with a shape, on the CPU.", exported_manifest!(tensor::methods)),
    part("Graph", "Spots and which of them are neighbours.", exported_manifest!(graph::methods)),
    part(
        "Model",
        "A network and what it needs to meet data again.",
        exported_manifest!(model::methods),
    ),
    part("Run", "What training leaves beside the trained model.", exported_manifest!(run::methods)),
    part("Slide", "An image that stays in its file.", exported_manifest!(slide::methods)),
    part("Picture", "Pixels of a slide, in memory.", exported_manifest!(slide::pictures)),
    part("Figure", "A picture, made when it is shown or saved.", exported_manifest!(plot::methods)),
    part("Display", "Something shown that can be replaced.", exported_manifest!(console::methods)),
    part("Out", "The values of the session's cells.", exported_manifest!(session::outputs)),
    part("In", "The texts of the session's cells.", exported_manifest!(session::inputs)),
    part("Error", "What `catch` gets of a call that failed.", exported_manifest!(failure::methods)),
    part("Any", "What every value can do.", exported_manifest!(shown::methods)),
];

const fn part(
    name: &'static str,
    doc: &'static str,
    manifest: &'static rhai::plugin::ModuleManifest,
) -> Part {
    Part { name, doc, manifest }
}

fn install(engine: &mut Engine) {
    for part in PARTS {
        part.install(engine);
    }
    object::<dataset::Dataset>(engine, "Dataset");
    object::<slots::Rows>(engine, "Rows");
    object::<slots::Matrices>(engine, "Matrices");
    object::<slots::Layers>(engine, "Layers");
    object::<graph::Pairs>(engine, "Pairs");
    object::<slots::Tree>(engine, "Tree");
    object::<values::Matrix>(engine, "Matrix");
    object::<column::Column>(engine, "Column");
    object::<table::Table>(engine, "Table");
    object::<tensor::Tensor>(engine, "Tensor");
    object::<graph::Graph>(engine, "Graph");
    object::<model::Model>(engine, "Model");
    object::<run::Run>(engine, "Run");
    object::<slide::Slide>(engine, "Slide");
    object::<slide::Picture>(engine, "Picture");
    object::<plot::Figure>(engine, "Figure");
    object::<console::Display>(engine, "Display");
    object::<session::Out>(engine, "Out");
    object::<session::In>(engine, "In");
    object::<error::Raised>(engine, "Error");
    failure::texts(engine);
    numbers::install(engine);
    shown::install(engine);
    printed::install(engine);
}

/// Versions of what computes: Spatia, its revision, libtorch.
pub fn versions() -> BTreeMap<&'static str, String> {
    crate::train::record::versions()
}
