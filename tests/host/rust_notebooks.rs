//! The notebooks with Rust in them: the one of Rust cells, and the one for a stock evcxr kernel,
//! whose cells run here through the same evcxr, as Rust cells of Spatia.
#![cfg(feature = "rust-cells")]

use std::path::Path;
use std::process::{Command, Stdio};

use ndarray::Axis;
use serde_json::{Value, json};
use spatia::io::npy;

use super::notebook::{gives_what_it_keeps, joined, read};
use super::rust::one_at_a_time;
use crate::common;

#[test]
fn the_notebook_of_rust_cells_gives_what_it_keeps() {
    let _turn = one_at_a_time();
    gives_what_it_keeps("03_rust_cells.ipynb", &[]);
}

fn spatia(folder: &Path, arguments: &[&str], results: &Path) {
    let mut spatia = Command::new(env!("CARGO_BIN_EXE_spatia"));
    spatia.args(arguments).current_dir(folder).env("SPATIA_RESULTS", results);
    let out = spatia.stdin(Stdio::null()).output().unwrap();
    assert!(out.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&out.stderr));
}

/// The notebook's cells as cells of Rust in a notebook of Spatia, which lies elsewhere.
fn as_rust_cells(mut book: Value) -> Value {
    let beside = format!("path = {:?}", common::root().canonicalize().unwrap());
    book["metadata"] = json!({});
    for cell in book["cells"].as_array_mut().unwrap() {
        if cell["cell_type"] == "code" {
            let source = joined(&cell["source"]).replace("path = \"..\"", &beside);
            cell["source"] = format!("%%rust\n{source}").into();
        }
    }
    book
}

/// All that its cells printed.
fn printed(book: &Value) -> String {
    let cells = book["cells"].as_array().unwrap();
    let outputs = cells.iter().flat_map(|c| c["outputs"].as_array().into_iter().flatten());
    outputs.filter(|o| o["name"] == "stdout").map(|o| joined(&o["text"])).collect()
}

#[test]
fn the_notebook_for_a_stock_evcxr_kernel_runs_on_what_the_script_saves() {
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let script = common::root().join("scripts/train_synthetic.rhai");
    let arguments = ["--epochs", "1", "--device", "cpu", "--output", "results"];
    let run = [&["run", script.to_str().unwrap()], &arguments[..]].concat();
    spatia(folder.path(), &run, Path::new(""));
    let results = folder.path().join("results/image_guided_gvae");

    let copy = folder.path().join("evcxr.ipynb");
    let kept = read(&common::root().join("notebooks/rust_evcxr.ipynb"));
    std::fs::write(&copy, as_rust_cells(kept.clone()).to_string()).unwrap();
    spatia(folder.path(), &["notebook", "run", copy.to_str().unwrap()], &results);
    let ran = read(&copy);

    // What the cells say of these files is so.
    let kl = npy::read1(&results.join("kl_divergence.npy")).unwrap();
    let latent = npy::read2(&results.join("latent_representations.npy")).unwrap().mapv(f64::from);
    let mean = latent.mean_axis(Axis(0)).unwrap();
    let away = |i: &usize| (&latent.row(*i) - &mean).mapv(|v| v * v).sum().sqrt();
    let average = |rows: &[usize]| rows.iter().map(away).sum::<f64>() / rows.len() as f64;
    let mut order: Vec<usize> = (0..kl.len()).collect();
    order.sort_by(|&a, &b| kl[b].total_cmp(&kl[a]));
    let (high, rest) = order.split_at(kl.len() / 10);
    let said = format!(
        "1000 spots, {} latent dimensions\nKL from {:.2} to {:.2} nats\n\
         the tenth with the highest KL: {:.2}; the others: {:.2}\n",
        latent.ncols(),
        kl[order[order.len() - 1]],
        kl[order[0]],
        average(high),
        average(rest),
    );
    assert_eq!(printed(&ran), said);
    let lines = |book: &Value| printed(book).lines().count();
    assert_eq!(lines(&kept), lines(&ran), "what is kept has the same lines");

    // The figure is shown as one.
    let figures = |book: &Value| {
        let cells = book["cells"].as_array().unwrap();
        let outputs = cells.iter().flat_map(|c| c["outputs"].as_array().into_iter().flatten());
        outputs.filter(|o| o["data"]["image/png"].is_string()).count()
    };
    assert_eq!((figures(&kept), figures(&ran)), (1, 1));
}
