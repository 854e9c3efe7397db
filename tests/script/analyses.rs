//! The scripts of `scripts/` through the binary, on small input: what they write, and that what
//! cannot work is refused with the right exit code and nothing half-written.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::session;

const RESULTS: [&str; 8] = [
    "latent_representations.npy",
    "kl_divergence.npy",
    "true_labels.npy",
    "result.h5ad",
    "kl_map.png",
    "domains.png",
    "run.json",
    "history.csv",
];

fn run(script: &str, args: &[&str], folder: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.arg("run").arg(script).args(args).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

fn said(out: &Output) -> String {
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
}

#[test]
fn what_cannot_work_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    section(folder);
    std::fs::write(
        folder.join("cut.h5ad"),
        &std::fs::read(folder.join("section.h5ad")).unwrap()[..3000],
    )
    .unwrap();
    std::fs::write(folder.join("typo.json"), r#"{"training": {"epoch": 4}}"#).unwrap();
    std::fs::write(folder.join("broken.json"), "{").unwrap();
    std::fs::write(folder.join("many.json"), r#"{"data": {"k_neighbors": 500}}"#).unwrap();
    std::fs::write(folder.join("occupied"), "a file where a folder should be").unwrap();
    let before = files(folder);
    let data = ["--data_path", "section.h5ad", "--device", "cpu"];
    for (args, code, expected) in [
        (&[][..], 2, "--data_path"),
        (&["--data_path", "section.h5ad", "--epochs", "3"], 2, "--epochs"),
        (&["--data_path", "sektion.h5ad"], 1, "Did you mean 'section.h5ad'"),
        (&["--data_path", "cut.h5ad"], 1, "cut.h5ad"),
        (&["--data_path", "config.json"], 1, "config.json"),
        (&[&data[..], &["--config", "typo.json"]].concat(), 1, "Did you mean 'epochs'"),
        (&[&data[..], &["--config", "broken.json"]].concat(), 1, "JSON"),
        (&[&data[..], &["--config", "many.json"]].concat(), 1, "k = 500"),
        (&[&data[..], &["--labels", "domain_tru"]].concat(), 1, "Did you mean 'domain_true'"),
        (
            &[&data[..], &["--config", "config.json", "--output", "occupied"]].concat(),
            1,
            "occupied",
        ),
        (&["--data_path", "section.h5ad", "--device", "tpu"], 1, "auto, cpu, cuda"),
    ] {
        let out = run("train_real.rhai", args, folder);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {}", said(&out));
        assert!(said(&out).contains(expected), "{args:?}: {}", said(&out));
        assert!(
            out.status.code() == Some(2) || said(&out).contains("train_real.rhai:"),
            "{}",
            said(&out)
        );
        assert_eq!(files(folder), before, "{args:?}");
    }
}
