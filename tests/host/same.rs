//! One script as a file, through the REPL, as a notebook and in the kernel: the same words in the
//! same order; and cells with values, displays and errors: the same outputs, form by form.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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

/// Cells whose values are shown in several forms, one statement each, so that all carriers number
/// them alike.
const SHOWN: [&str; 9] = [
    "let ds = sim::tissue(#{ spots: 60, genes: 20, domains: 3, seed: 7 })",
    "ds",
    "ds.obs.table()",
    "[1.5, \"a\\nb\", (), #{ k: ds.obs[\"purity\"] }]",
    "plot::spatial(ds, \"domain_true\")",
    "display(ds.obs)",
    "{ print(\"10 %\\r20 %\"); eprint(\"aside\"); print(\"on\"); ds.n_obs }",
    "%whos",
    "fn fails(x) {\n  let y = x\n  ds_of(y).genes\n}",
];

/// Cells that fail, in a call, in the syntax, in native code and by themselves.
const FAILING: [&str; 4] =
    ["fails(1)", "let = 3", "data::read(\"/nowhere/at/all.h5ad\")", "throw \"no µm\""];

fn spatia(arguments: &[&str], folder: &Path, input: &str) -> String {
    let out = run(arguments, folder, input);
    assert!(out.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn run(arguments: &[&str], folder: &Path, input: &str) -> Output {
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
    child.wait_with_output().unwrap()
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
        "display_data" | "execute_result" => format!("{}\n", lines(&o["data"]["text/plain"])),
        other => panic!("{other}: {o}"),
    };
    cells.iter().flat_map(|c| c["outputs"].as_array().unwrap()).map(output).collect()
}

/// A notebook, not yet executed; it goes on behind cells that fail.
fn notebook(cells: &[&str]) -> Value {
    let cell = |(i, source): (usize, &&str)| {
        let tags: &[&str] = if FAILING.contains(source) { &["raises-exception"] } else { &[] };
        json!({
            "cell_type": "code", "execution_count": null, "id": format!("c{i}"),
            "metadata": { "tags": tags }, "outputs": [], "source": source,
        })
    };
    let cells: Vec<Value> = cells.iter().enumerate().map(cell).collect();
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

    assert_eq!(words(&as_a_notebook(folder, &CELLS)), file);
}

#[test]
fn the_kernel_says_the_same_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cells) = in_the_kernel(folder.path(), &CELLS) else { return };
    assert_eq!(words(&cells), as_a_file(folder.path()));
}

#[test]
fn a_notebook_keeps_every_form_that_the_kernel_sends() {
    let folder = tempfile::tempdir().unwrap();
    let all = [&SHOWN[..], &FAILING].concat();
    let Some(sent) = in_the_kernel(folder.path(), &all) else { return };
    let kept = as_a_notebook(folder.path(), &all);
    for ((source, sent), kept) in all.iter().zip(&sent).zip(&kept) {
        assert_eq!(in_one_piece(&sent["outputs"]), kept["outputs"], "{source}");
        assert_eq!(sent["execution_count"], kept["execution_count"], "{source}");
    }
    let forms = |cell: usize| &kept[cell]["outputs"][0]["data"];
    assert!(forms(1)["text/html"].is_array() && forms(4)["image/png"].is_string());
    assert_eq!(kept[6]["outputs"].as_array().unwrap().len(), 4, "{}", kept[6]["outputs"]);
}

#[test]
fn the_repl_shows_the_values_and_errors_that_a_notebook_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for failing in FAILING {
        let all = [&SHOWN[..], &[failing]].concat();
        let kept = as_a_notebook(folder, &all);
        let input: String = all.iter().map(|c| format!("{c}\n")).collect();
        let out = run(&["repl"], folder, &input);
        let (shown, said) =
            (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
        // A terminal does with a `\r` what a notebook has done.
        assert_eq!(shown.replace("10 %\r", ""), words(&kept[..SHOWN.len()]));
        let traceback = kept[SHOWN.len()]["outputs"][0]["traceback"].as_array().unwrap();
        let lines: Vec<String> = traceback.iter().map(|l| plain(l.as_str().unwrap())).collect();
        assert!(lines.len() > 2, "{lines:?}");
        assert_eq!(said.trim_end(), format!("aside\n{}", lines.join("\n")));
    }
}

/// Outputs with neighbouring pieces of a stream as one, without the lines that a `\r` takes back.
fn in_one_piece(outputs: &Value) -> Value {
    let taken_back = |line: &Value| line.as_str().unwrap().ends_with('\r');
    let mut all: Vec<Value> = Vec::new();
    for output in outputs.as_array().unwrap() {
        let mut output = output.clone();
        if output["name"].is_string() {
            output["text"].as_array_mut().unwrap().retain(|line| !taken_back(line));
        }
        match all.last_mut() {
            Some(last) if last["name"].is_string() && last["name"] == output["name"] => {
                let more = output["text"].as_array().unwrap().iter().cloned();
                last["text"].as_array_mut().unwrap().extend(more);
            }
            _ => all.push(output),
        }
    }
    all.into()
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').unwrap().1)
}

/// The cells as `spatia notebook run` leaves them.
fn as_a_notebook(folder: &Path, cells: &[&str]) -> Vec<Value> {
    std::fs::write(folder.join("same.ipynb"), notebook(cells).to_string()).unwrap();
    spatia(&["notebook", "run", "same.ipynb"], folder, "");
    cells_of(&folder.join("same.ipynb"))
}

/// The cells as nbclient leaves them; `None` where there is no Python.
fn in_the_kernel(folder: &Path, cells: &[&str]) -> Option<Vec<Value>> {
    let python = common::python()?;
    let (given, executed) = (folder.join("in.ipynb"), folder.join("out.ipynb"));
    std::fs::write(&given, notebook(cells).to_string()).unwrap();
    let out = Command::new(python)
        .arg(common::root().join("tests/python/kernel_notebook.py"))
        .arg(env!("CARGO_BIN_EXE_spatia"))
        .args([&given, &executed])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(cells_of(&executed))
}

fn cells_of(notebook: &Path) -> Vec<Value> {
    let executed: Value = serde_json::from_slice(&std::fs::read(notebook).unwrap()).unwrap();
    executed["cells"].as_array().unwrap().clone()
}
