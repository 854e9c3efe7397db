//! `spatia notebook run`: what it writes, what it refuses, and the project's own notebooks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;

fn run(arguments: &[&str]) -> Output {
    let mut spatia = Command::new(env!("CARGO_BIN_EXE_spatia"));
    spatia.args(["notebook", "run"]).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// A notebook of code cells, each a source with its tags, as a file in a folder of its own.
fn notebook(cells: &[(&str, &[&str])]) -> (TempDir, PathBuf) {
    let cell = |(i, (source, tags)): (usize, &(&str, &[&str]))| {
        json!({
            "cell_type": "code", "execution_count": 99, "id": format!("c{i}"),
            "metadata": { "tags": tags },
            "outputs": [{ "output_type": "stream", "name": "stdout", "text": "from before" }],
            "source": source,
        })
    };
    let cells: Vec<Value> = cells.iter().enumerate().map(cell).collect();
    file(&json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 }))
}

fn file(root: &Value) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.ipynb");
    std::fs::write(&path, serde_json::to_string_pretty(root).unwrap()).unwrap();
    (folder, path)
}

pub fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs a notebook that has to succeed, and returns it.
#[track_caller]
fn executed(path: &Path, arguments: &[&str]) -> Value {
    let out = run(&[&[path.to_str().unwrap()], arguments].concat());
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    read(path)
}

/// A list of lines as one text.
pub fn joined(lines: &Value) -> String {
    lines.as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect()
}

#[test]
fn outputs_are_those_that_jupyter_would_keep() {
    let (_keep, path) = notebook(&[
        ("print(\"a\"); print(\"b\")\nprint(\"10 %\\r100 %\")\n6 * 7", &[]),
        ("let silent = 1", &[]),
        ("nothing", &["raises-exception"]),
        ("never_run", &["skip-execution"]),
        ("   \n", &[]),
        ("silent + 1", &[]),
    ]);
    let book = executed(&path, &[]);
    let cells = book["cells"].as_array().unwrap();
    let first = json!([
        { "name": "stdout", "output_type": "stream", "text": ["a\n", "b\n", "100 %\n"] },
        { "data": { "text/plain": ["42"] }, "execution_count": 1, "metadata": {}, "output_type": "execute_result" },
    ]);
    assert_eq!(cells[0]["outputs"], first);
    assert_eq!((&cells[1]["outputs"], &cells[1]["execution_count"]), (&json!([]), &json!(2)));
    let error = &cells[2]["outputs"][0];
    assert_eq!(error["output_type"], "error");
    assert!(error["evalue"].as_str().unwrap().contains("no variable 'nothing'"), "{error}");
    assert!(error["traceback"].as_array().unwrap().len() > 2, "{error}");
    assert_eq!(cells[3]["execution_count"], 99);
    assert_eq!(cells[3]["outputs"][0]["text"], "from before");
    assert_eq!(cells[4]["execution_count"], 99);
    assert_eq!(cells[5]["outputs"][0]["data"]["text/plain"], json!(["2"]));
    assert_eq!(book["metadata"]["kernelspec"]["language"], "rhai");
    assert_eq!(book["metadata"]["language_info"]["name"], "rhai");
}

#[test]
fn displays_are_renewed_and_outputs_cleared_across_cells() {
    let (_keep, path) = notebook(&[
        ("let shown = display_id(1)\nprint(\"x\")", &[]),
        ("shown.update(2)\nprint(\"gone\")\nclear_output()\nprint(\"left\")", &[]),
        ("print(\"until the next\")\nclear_output(true)\nprint(\"next\")", &[]),
        ("print(\"stays\")\nclear_output(true)", &[]),
    ]);
    let out = run(&[path.to_str().unwrap(), "--allow-errors"]);
    let book = read(&path);
    let outputs = |i: usize| book["cells"][i]["outputs"].clone();
    assert_eq!(outputs(0)[0]["data"]["text/plain"], json!(["2"]), "{}", said(&out));
    assert_eq!(outputs(0)[0]["output_type"], "display_data");
    assert_eq!(outputs(1)[0]["text"], json!(["left\n"]));
    assert_eq!(outputs(2)[0]["text"], json!(["next\n"]));
    assert_eq!(outputs(3)[0]["text"], json!(["stays\n"]));
}

#[test]
fn what_is_not_known_of_a_notebook_stays_as_it_is() {
    let (_keep, path) = file(&json!({
        "cells": [
            { "cell_type": "markdown", "id": "m", "metadata": { "z": 1, "a": 2 }, "source": ["# A\n", "b"], "attachments": { "x.png": {} } },
            { "cell_type": "raw", "id": "r", "metadata": {}, "source": "raw", "later": true },
            { "cell_type": "code", "execution_count": null, "id": "c", "metadata": { "jupyter": { "source_hidden": true } }, "outputs": [], "source": "1 + 1", "later": [1] },
        ],
        "metadata": { "zeta": { "b": 1, "a": [2.5] }, "kernelspec": { "name": "other-name", "language": "rhai", "display_name": "Mine" } },
        "nbformat": 4, "nbformat_minor": 5, "from_the_future": { "k": null },
    }));
    let before = read(&path);
    let mut after = executed(&path, &[]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.find("\"zeta\"").unwrap() < text.find("\"kernelspec\"").unwrap(), "order is kept");
    after["cells"][2]["outputs"] = json!([]);
    after["cells"][2]["execution_count"] = json!(null);
    after["metadata"].as_object_mut().unwrap().remove("language_info");
    assert_eq!(after, before);
}

#[test]
fn parameters_follow_the_tagged_cell_and_are_replaced() {
    let parameters = "let n = 3        // How many\nlet who = \"you\"\nlet half = 0.5\nlet on = false\nlet genes = [\"A\"]";
    let (_keep, path) = notebook(&[
        (parameters, &["parameters"]),
        (
            "print(`${n} ${who} ${half} ${on} ${genes}`)\nprint(param(\"seed\", 42, \"A seed\"))",
            &[],
        ),
    ]);
    let text = |book: &Value, cell: usize| joined(&book["cells"][cell]["outputs"][0]["text"]);
    let book = executed(&path, &[]);
    assert_eq!(text(&book, 1), "3 you 0.5 false [\"A\"]\n42\n");

    let given = [
        "--n",
        "-5",
        "--who",
        "a \"b\" \\c",
        "--on",
        "--genes=[\"B\", \"C\"]",
        "--half",
        "2",
        "--seed",
        "7",
    ];
    let book = executed(&path, &given);
    assert_eq!(text(&book, 2), "-5 a \"b\" \\c 2.0 true [\"B\", \"C\"]\n7\n");
    assert_eq!(book["cells"][1]["metadata"]["tags"], json!(["injected-parameters"]));
    assert_eq!(book["cells"][1]["id"], "injected-parameters");

    let book = executed(&path, &["--n=9"]);
    assert_eq!(book["cells"].as_array().unwrap().len(), 3, "the injected cell is replaced");
    assert_eq!(text(&book, 2), "9 you 0.5 false [\"A\"]\n42\n");
}

#[test]
fn what_a_notebook_was_given_it_keeps_until_it_is_given_other_values() {
    let (_keep, path) = notebook(&[
        ("let n = 3", &["parameters"]),
        ("print(`${n} ${param(\"seed\", 42, \"A seed\")} ${param(\"name\", (), \"Whose\")}`)", &[]),
    ]);
    let text = |book: &Value, cell: usize| joined(&book["cells"][cell]["outputs"][0]["text"]);
    let whose = |out: &Output| said(out).contains("expected a value: Whose");
    assert!(whose(&run(&[path.to_str().unwrap()])));
    let book = executed(&path, &["--n", "5", "--seed", "7", "--name", "Ada"]);
    assert_eq!(text(&book, 2), "5 7 Ada\n");
    assert_eq!(text(&executed(&path, &[]), 2), "5 7 Ada\n");
    assert_eq!(text(&executed(&path, &["--name", "Bob"]), 2), "3 42 Bob\n");
    assert!(whose(&run(&[path.to_str().unwrap(), "--n", "6"])));
}

#[test]
fn a_script_that_a_cell_runs_leaves_the_notebook_its_parameters() {
    let (keep, path) = notebook(&[
        ("%run part.rhai --seed 5", &[]),
        (":load part.rhai", &[]),
        (":clear", &[]),
        ("param(\"seed\", 42, \"A seed\")", &[]),
        ("%run part.rhai --seed 3", &[]),
    ]);
    let part = "let s = param(\"seed\", 1, \"Its own\")\nprint(s)\nif s == 3 { exit(s) }";
    std::fs::write(keep.path().join("part.rhai"), part).unwrap();
    let out = run(&[path.to_str().unwrap(), "--seed", "7"]);
    assert_eq!(out.status.code(), Some(3), "{}", said(&out));
    let book = read(&path);
    let printed = |i: usize| joined(&book["cells"][i]["outputs"][0]["text"]);
    assert_eq!([printed(0), printed(1), printed(4)], ["5\n", "1\n", "3\n"]);
    assert_eq!(book["cells"][3]["outputs"][0]["data"]["text/plain"], json!(["7"]));
}

#[cfg(unix)]
#[test]
fn a_notebook_that_runs_in_place_keeps_its_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (_keep, path) = notebook(&[("1", &[])]);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    executed(&path, &[]);
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_command_line_is_checked_before_anything_runs() {
    let (_keep, path) = notebook(&[("let epochs = 3", &["parameters"]), ("print(\"ran\")", &[])]);
    let before = std::fs::read(&path).unwrap();
    let path = path.to_str().unwrap();
    for (arguments, expected) in [
        (&["--epoch", "4"][..], "Did you mean 'epochs'"),
        (&["--epochs", "four"], "integer"),
        (&["--epochs"], "a value"),
        (&["--epochs", "4", "--epochs", "5"], "twice"),
        (&["--timeout", "soon"], "seconds"),
        (&["-o"], "path of a file"),
        (&["--timeout", "0"], "seconds"),
        (&["--allow-errors=false"], "no value behind it"),
    ] {
        let out = run(&[&[path], arguments].concat());
        assert_eq!(out.status.code(), Some(2), "{arguments:?} {}", said(&out));
        assert!(said(&out).contains(expected), "{arguments:?} {}", said(&out));
    }
    let out = run(&["--timeout", "0", path]);
    assert_eq!(out.status.code(), Some(2), "{}", said(&out));
    assert!(said(&out).contains("expected seconds, as in 600"), "{}", said(&out));
    assert_eq!(std::fs::read(path).unwrap(), before);
    let help = String::from_utf8(run(&[path, "--help"]).stdout).unwrap();
    assert!(help.contains("--epochs integer") && help.contains("default 3"), "{help}");
}

#[test]
fn the_first_error_stops_the_run_and_keeps_what_there_is() {
    let cells: [(&str, &[&str]); 3] =
        [("1", &[]), ("let a = 1\ndata::read(\"nowhere.h5ad\")", &[]), ("3", &[])];
    let (_keep, path) = notebook(&cells);
    let out = run(&[path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    for part in ["cell [2] (number 2 of 3) failed", "nowhere.h5ad", " --> [2]:2:", "2 | data::read"]
    {
        assert!(said(&out).contains(part), "{part}: {}", said(&out));
    }
    let book = read(&path);
    let counts: Vec<&Value> = (0..3).map(|i| &book["cells"][i]["execution_count"]).collect();
    assert_eq!(counts, [&json!(1), &json!(2), &json!(null)]);
    assert_eq!(book["cells"][1]["outputs"][0]["output_type"], "error");
    assert_eq!(book["cells"][2]["outputs"], json!([]));

    let (keep, path) = notebook(&cells);
    let other = keep.path().join("other.ipynb");
    let before = std::fs::read(&path).unwrap();
    let out = run(&[path.to_str().unwrap(), "--allow-errors", "-o", other.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    assert_eq!(read(&other)["cells"][2]["outputs"][0]["data"]["text/plain"], json!(["3"]));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_cell_that_a_parameter_makes_fail_names_it() {
    let cells: [(&str, &[&str]); 5] = [
        ("let epochs = 3\nlet seed = 1", &["parameters"]),
        ("let ds = sim::tissue(#{ spots: 40, genes: 20, domains: 2, seed: seed })\n\"kept\"", &[]),
        ("let k = param(\"neighbours\", 6, \"of each spot\"); 1", &[]),
        (
            "let m = models::gvae(ds, #{ hidden_dim: 4, latent_dim: 2, num_heads: 1, device: \"cpu\" })\ntrain::fit(m, ds, graph::knn(ds, #{ k: k }), #{ epochs: epochs })",
            &[],
        ),
        ("\"not run\"", &[]),
    ];
    let (_keep, path) = notebook(&cells);
    let out = run(&[path.to_str().unwrap(), "--epochs", "-3", "--seed", "2"]);
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    for part in ["(number 5 of 6) failed; it uses --epochs -3\n", "5 of 6 cells ran"] {
        assert!(said(&out).contains(part), "{part}: {}", said(&out));
    }
    let book = read(&path);
    assert_eq!(book["cells"][2]["outputs"][0]["data"]["text/plain"], json!(["\"kept\""]));
    assert_eq!(book["cells"][4]["outputs"][0]["output_type"], "error");
    assert_eq!(book["cells"][5]["execution_count"], json!(null));
}

#[test]
fn a_cell_that_takes_too_long_is_stopped() {
    let (_keep, path) = notebook(&[("print(\"first\")\nloop { }", &[]), ("2", &[])]);
    let out = run(&["--timeout", "0.3", path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("longer than the 0.3 s"), "{}", said(&out));
    assert_eq!(read(&path)["cells"][0]["outputs"][0]["text"], json!(["first\n"]));
}

/// Runs a notebook and sends it a signal, which it heeds or was started to ignore, behind a line that
/// it writes; its exit code.
#[cfg(unix)]
fn signalled(path: &Path, heeds: bool, signal: &str, behind: &str) -> Option<i32> {
    use std::io::{BufRead, BufReader};
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.args(["notebook", "run"]).arg(path).stderr(Stdio::piped());
    let mut child = common::heeding(&mut command, heeds).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|l| l.contains(behind)));
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    lines.for_each(drop);
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn what_nohup_has_it_ignore_stays_ignored() {
    let (_keep, path) = notebook(&[("for i in 0..300000 { }; 41 + 1", &[])]);
    assert_eq!(signalled(&path, false, "-HUP", "1/1"), Some(0));
    assert_eq!(read(&path)["cells"][0]["outputs"][0]["data"]["text/plain"], json!(["42"]));
}

#[cfg(unix)]
#[test]
fn a_signal_writes_what_there_is_and_ends_with_its_number() {
    for (name, code, called) in [("-INT", 130, "(Ctrl-C)"), ("-TERM", 143, "(SIGTERM)")] {
        let (_keep, path) = notebook(&[("print(\"first\")", &[]), ("loop { }", &[]), ("3", &[])]);
        // The line is written before the cell begins: a signal between two cells counts too.
        assert_eq!(signalled(&path, true, name, "2/3"), Some(code));
        let book = read(&path);
        assert_eq!(joined(&book["cells"][0]["outputs"][0]["text"]), "first\n");
        let error = &book["cells"][1]["outputs"][0];
        assert_eq!(error["ename"], "Interrupted");
        assert!(error["evalue"].as_str().unwrap().contains(called), "{error}");
        assert_eq!(book["cells"][2]["outputs"], json!([]));
    }
}

#[test]
fn what_is_no_notebook_of_ours_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.ipynb");
    let kernel = |language: &str| {
        format!(
            "{{\"nbformat\":4,\"nbformat_minor\":5,\"cells\":[],\"metadata\":{{\"kernelspec\":{{\"name\":\"python3\",\"display_name\":\"Python 3\",\"language\":\"{language}\"}}}}}}"
        )
    };
    for (text, expected) in [
        ("", "an empty file"),
        ("print(1)", "no JSON"),
        ("[1]", "other JSON"),
        ("{\"cells\":[]}", "nbformat"),
        ("{\"nbformat\":3,\"worksheets\":[]}", "jupyter nbconvert"),
        ("{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{}}", "list of cells"),
        (
            "{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{},\"cells\":[{\"cell_type\":\"code\"}]}",
            "cell 1",
        ),
        (&kernel("python"), "Python 3"),
    ] {
        std::fs::write(&path, text).unwrap();
        let out = run(&[path.to_str().unwrap()]);
        assert_eq!(out.status.code(), Some(1), "{text}");
        assert!(said(&out).contains(expected), "{expected}: {}", said(&out));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let out = run(&[folder.path().join("boook.ipynb").to_str().unwrap()]);
    assert!(said(&out).contains("Did you mean 'book.ipynb'"), "{}", said(&out));

    let (_keep, path) = notebook(&[("1", &[])]);
    let mut read_only = std::fs::metadata(&path).unwrap().permissions();
    read_only.set_readonly(true);
    std::fs::set_permissions(&path, read_only).unwrap();
    let out = run(&[path.to_str().unwrap()]);
    assert!(said(&out).contains("without leave to write"), "{}", said(&out));
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn input_in_a_run_is_an_error_that_says_what_to_do() {
    let (_keep, path) = notebook(&[("input(\"name? \")", &[])]);
    let out = run(&[path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("Make it a parameter"), "{}", said(&out));
}

/// What every cell printed and what its value is, by the cell's id; of other forms only the kinds.
/// Displays of progress and notes are left out: they tell of times, paths and this machine.
fn outputs(book: &Value) -> Vec<(String, Vec<String>)> {
    let output = |o: &Value| match o["output_type"].as_str().unwrap() {
        "stream" => (o["name"] == "stdout").then(|| joined(&o["text"])),
        "execute_result" => {
            let data = o["data"].as_object().unwrap();
            let mut kinds: Vec<&str> = data.keys().map(String::as_str).collect();
            kinds.sort_unstable();
            Some(format!("{kinds:?}: {}", joined(&data["text/plain"])))
        }
        _ => None,
    };
    let cell = |c: &Value| {
        let outputs = c["outputs"].as_array().into_iter().flatten().filter_map(output).collect();
        (c["id"].as_str().unwrap().to_owned(), outputs)
    };
    book["cells"].as_array().unwrap().iter().map(cell).collect()
}

/// A text without its numbers, and the numbers.
fn apart(text: &str) -> (String, Vec<f64>) {
    let mut numbers = Vec::new();
    let mut words = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        words += &rest[..at];
        let end = rest[at..].find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let number = &rest[at..end.map_or(rest.len(), |e| at + e)];
        numbers.extend(number.trim_end_matches('.').parse::<f64>().ok());
        rest = &rest[at + number.len()..];
    }
    (words + rest, numbers)
}

/// Executes a notebook of the project beside a copy and compares what it gives with what is kept.
/// Other processors give other last bits, and training amplifies them: numbers may differ by 15 %.
pub fn gives_what_it_keeps(name: &str, arguments: &[&str]) {
    let path = common::root().join("notebooks").join(name);
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 1 << 20, "{name} has {size} bytes");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(name);
    std::fs::copy(&path, &copy).unwrap();
    let kept = outputs(&read(&path));
    let ran = outputs(&executed(&copy, arguments));
    let ran: Vec<_> = ran.into_iter().filter(|(id, _)| id != "injected-parameters").collect();
    assert_eq!(kept.len(), ran.len());
    assert!(kept.iter().any(|(_, outputs)| !outputs.is_empty()), "{name} keeps no outputs");
    for ((id, kept), (_, ran)) in kept.iter().zip(&ran) {
        assert_eq!(kept.len(), ran.len(), "{name} [{id}]");
        for (kept, ran) in kept.iter().zip(ran) {
            let ((words, numbers), (other, others)) = (apart(kept), apart(ran));
            assert_eq!(words, other, "{name} [{id}]");
            assert_eq!(numbers.len(), others.len(), "{name} [{id}]\n{kept}\n{ran}");
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 0.02 + 0.15 * a.abs();
            assert!(numbers.iter().zip(&others).all(near), "{name} [{id}]\n{kept}\n{ran}");
        }
    }
}

#[test]
fn the_quick_start_gives_what_it_keeps() {
    gives_what_it_keeps("01_quickstart.ipynb", &[]);
}

#[test]
fn the_visium_notebook_gives_what_it_keeps() {
    let Some(data) = common::data("dlpfc/151673") else { return };
    let data = data.canonicalize().unwrap();
    gives_what_it_keeps("02_visium.ipynb", &["--pictures", "--data_path", data.to_str().unwrap()]);
}
