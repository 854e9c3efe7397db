//! One script as a file, through the REPL, as a notebook and in the kernel: the same words in the
//! same order.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common;

/// Cells of a script that prints, computes, fails and catches, trains and displays. Every
/// statement ends in `;` or prints, so that there is no result to show where cells have one.
pub const CELLS: [&str; 7] = [
    "let ds = sim::tissue(#{ spots: 80, genes: 40, domains: 3, seed: 7 })\nprint(ds)",
    "for (n, i) in [3, 1, 2] { print(`${i}: ${n} ${n / 2.0}`) }\nprint(\"µm, 𝛽, 細胞\")",
    "print(ds.obs.table().group(\"domain_true\", [\"mean(purity) AS purity\", \"count(*) AS n\"]))",
    "try { graph::knn(ds, #{ k: 600 }) } catch (e) { print(`${e.kind}: ${e.message}`) }",
    "fn scale(x) { x * factor }\nlet factor = 3\nprint([1, 2, 3].map(|x| scale(x)))\nprint(#{ a: 1, b: [true, ()] })",
    "let g = models::prepare(ds)
let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1, seed: 5, device: \"cpu\" })
let run = train::fit(model, ds, g, #{ epochs: 4 })
print(run.history.select([\"epoch\", \"nll\", \"kl\", \"validation_nll\"]))
print(model.extract(ds, g).kl.to_array())",
    "display(g)\ndisplay(ds.obs[\"purity\"])\nprint(\"end\")",
];

fn spatia(arguments: &[&str], folder: &Path, input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_spatia"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// What a notebook's cells printed and displayed, as a terminal shows it; displays of progress,
/// which have no place on a terminal's standard output, are left out. Takes the `cells` of any
/// nbformat 4 notebook, whoever executed it.
pub fn words(cells: &[Value]) -> String {
    let lines = |v: &Value| match v {
        Value::Array(lines) => lines.iter().map(|l| l.as_str().unwrap()).collect(),
        text => text.as_str().unwrap().to_owned(),
    };
    let is_progress = |o: &Value| lines(&o["data"]["text/plain"]).starts_with("training");
    let output = |o: &Value| match o["output_type"].as_str().unwrap() {
        "stream" if o["name"] == "stdout" => lines(&o["text"]),
        "stream" => String::new(),
        "display_data" if is_progress(o) => String::new(),
        "display_data" => format!("{}\n", lines(&o["data"]["text/plain"])),
        other => panic!("{other}: {o}"),
    };
    cells.iter().flat_map(|c| c["outputs"].as_array().unwrap()).map(output).collect()
}

/// A notebook of [`CELLS`], not yet executed.
pub fn notebook() -> Value {
    let cell = |(i, source): (usize, &&str)| {
        json!({
            "cell_type": "code", "execution_count": null, "id": format!("c{i}"), "metadata": {},
            "outputs": [], "source": source,
        })
    };
    let cells: Vec<Value> = CELLS.iter().enumerate().map(cell).collect();
    json!({
        "cells": cells,
        "metadata": { "kernelspec": { "display_name": "Spatia", "language": "rhai", "name": "spatia" } },
        "nbformat": 4, "nbformat_minor": 5,
    })
}

/// What the script prints as a file: what all others are compared with.
pub fn as_a_file(folder: &Path) -> String {
    std::fs::write(folder.join("same.rhai"), CELLS.join("\n")).unwrap();
    spatia(&["run", "same.rhai"], folder, "")
}

#[test]
fn a_script_says_the_same_as_a_file_in_the_repl_and_in_a_notebook() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = as_a_file(folder);
    assert!(
        file.ends_with("end\n") && file.contains("細胞") && file.contains("invalid: "),
        "{file}"
    );

    let input: String = CELLS.iter().map(|c| format!("{c}\n")).collect();
    assert_eq!(spatia(&["repl"], folder, &input), file);

    std::fs::write(folder.join("same.ipynb"), notebook().to_string()).unwrap();
    spatia(&["notebook", "run", "same.ipynb"], folder, "");
    assert_eq!(said_in(&folder.join("same.ipynb")), file);
}

#[test]
fn the_kernel_says_the_same_as_a_file() {
    let Some(python) = common::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (given, executed) = (folder.path().join("in.ipynb"), folder.path().join("out.ipynb"));
    std::fs::write(&given, notebook().to_string()).unwrap();
    let out = Command::new(python)
        .arg(common::root().join("tests/python/kernel_notebook.py"))
        .arg(env!("CARGO_BIN_EXE_spatia"))
        .args([&given, &executed])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(said_in(&executed), as_a_file(folder.path()));
}

fn said_in(notebook: &Path) -> String {
    let executed: Value = serde_json::from_slice(&std::fs::read(notebook).unwrap()).unwrap();
    words(executed["cells"].as_array().unwrap())
}
