//! The scripts of `scripts/` through the binary, on small input: what they write.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::session;

const RESULTS: [&str; 9] = [
    "latent_representations.npy",
    "kl_divergence.npy",
    "spatial.npy",
    "true_labels.npy",
    "result.h5ad",
    "kl_map.png",
    "domains.png",
    "run.json",
    "history.csv",
];

/// Runs a script of `scripts/`, or any by its absolute path, in a folder.
pub fn run(script: &str, args: &[&str], folder: &Path) -> Output {
    let script = crate::common::root().join("scripts").join(script);
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.arg("run").arg(script).args(args).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

pub fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn files(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder)
        .map(|d| d.map(|e| e.unwrap().file_name().into_string().unwrap()).collect());
    names.unwrap_or_default()
}

/// A small section with labels, as a file.
fn section(folder: &Path) {
    let text = format!(
        "let ds = sim::tissue(#{{ spots: 120, genes: 60, domains: 3, seed: 3 }})\nds.write(`{}`)",
        folder.join("section.h5ad").display()
    );
    session().eval(&text, "section").unwrap();
    let config = r#"{"model": {"hidden_dim": 16, "latent_dim": 4, "num_heads": 2},
        "training": {"epochs": 4, "kl_annealing_end": 2, "save_interval": 2}, "data": {"highly_variable_genes": 40}}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
}

#[test]
fn the_synthetic_analysis_writes_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(
        "train_synthetic.rhai",
        &["--epochs", "2", "--device", "cpu", "--output", "o"],
        folder.path(),
    );
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    assert!(
        said(&out).contains("AUROC of 0.") && said(&out).contains("o/image_guided_gvae"),
        "{}",
        said(&out)
    );
    let found = files(&folder.path().join("o/image_guided_gvae"));
    for name in RESULTS.iter().chain(&["training.png", "checkpoint_epoch_0002.safetensors"]) {
        assert!(found.contains(*name), "{name} is not in {found:?}");
    }
}

#[test]
fn a_section_is_trained_on_resumed_and_extracted_from_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    section(folder);
    let common = [
        "--data_path",
        "section.h5ad",
        "--device",
        "cpu",
        "--labels",
        "domain_true",
        "--n_domains",
        "3",
    ];
    let train = |output: &str, more: &[&str]| {
        let out = run(
            "train_real.rhai",
            &[&common[..], &["--config", "config.json", "--output", output], more].concat(),
            folder,
        );
        assert_eq!(out.status.code(), Some(0), "{}", said(&out));
        folder.join(output).join("image_guided_gvae")
    };
    let whole = train("whole", &[]);
    let found = files(&whole);
    for name in RESULTS.iter().chain(&[
        "training.png",
        "checkpoint_epoch_0002.safetensors",
        "checkpoint_epoch_0004.safetensors",
    ]) {
        assert!(found.contains(*name), "{name} is not in {found:?}");
    }
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(whole.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["config"]["seed"], 42);
    assert_eq!(record["data"][0]["sha256"].as_str().unwrap().len(), 64);
    assert!(
        record["results"]["ari"].is_number() && record["peak_memory"].as_u64() > Some(0),
        "{record}"
    );

    let middle = whole.join("checkpoint_epoch_0002.safetensors");
    let resumed = train("resumed", &["--resume", middle.to_str().unwrap()]);
    let extract =
        [&common[..], &["--checkpoint", "whole/image_guided_gvae", "--output", "extracted"]]
            .concat();
    let out = run("extract.rhai", &extract, folder);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    let extracted = folder.join("extracted/image_guided_gvae");
    for name in ["latent_representations.npy", "kl_divergence.npy", "true_labels.npy"] {
        let expected = std::fs::read(whole.join(name)).unwrap();
        assert!(std::fs::read(resumed.join(name)).unwrap() == expected, "resumed: {name}");
        assert!(std::fs::read(extracted.join(name)).unwrap() == expected, "extracted: {name}");
    }

    // The output of a run is enough to go on from; one that has all its epochs says so.
    let arguments = |config: &'static str, more: &[&'static str]| {
        [&common[..], &["--config", config, "--output", "whole"], more].concat()
    };
    let out = run("train_real.rhai", &arguments("config.json", &["--resume", "whole"]), folder);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    assert!(
        said(&out).contains("has 4 epochs, and `epochs` = 4 asks for no more"),
        "{}",
        said(&out)
    );
    assert_eq!(files(&whole), found);

    // A run that saves a checkpoint and fails: nothing beside it looks as if it were its own.
    let wild = r#"{"model": {"hidden_dim": 16, "latent_dim": 4, "num_heads": 2},
        "training": {"epochs": 4, "save_interval": 1, "learning_rate": 1e25}, "data": {"highly_variable_genes": 40}}"#;
    std::fs::write(folder.join("wild.json"), wild).unwrap();
    let out = run("train_real.rhai", &arguments("wild.json", &[]), folder);
    assert!(said(&out).contains("Last good checkpoint"), "{}", said(&out));
    let left = ["checkpoint_epoch_0001.safetensors", "earlier"];
    assert_eq!(files(&whole), left.map(String::from).into());
    assert_eq!(files(&whole.join("earlier")), found);
    let out = run("train_real.rhai", &arguments("config.json", &[]), folder);
    assert!(said(&out).contains("whole/image_guided_gvae/earlier holds"), "{}", said(&out));
    assert_eq!(files(&whole), found);
}

#[test]
fn labels_that_nothing_can_be_compared_with_are_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "let ds = sim::tissue(#{{ spots: 40, genes: 20, domains: 2 }})\nds.obs[`layer`] = ds.obs[`purity`]\nds.write(`{}`)",
        at("section.h5ad")
    );
    session().eval(&text, "section").unwrap();
    let config = r#"{"model": {"hidden_dim": 8, "latent_dim": 2, "num_heads": 1}, "training": {"epochs": 1}}"#;
    std::fs::write(at("config.json"), config).unwrap();
    let train = |more: &[&str]| {
        let usual = ["--data_path", "section.h5ad", "--config", "config.json", "--device", "cpu"];
        run("train_real.rhai", &[&usual, more].concat(), folder.path())
    };
    let out = train(&["--labels", "layer"]);
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    assert!(
        said(&out).contains("train_real.rhai:") && files(folder.path()).len() == 2,
        "{}",
        said(&out)
    );
    // A column that only has a usual name is no reason to refuse the section.
    let out = train(&["--n_domains", "2"]);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    assert!(said(&out).contains("obs[\"layer\"] holds no labels"), "{}", said(&out));
}
