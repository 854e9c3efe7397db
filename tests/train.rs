//! Tests of `train`: bits, resuming, stopping, checkpoints, and the PyTorch peer.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use serde_json::json;
use spatia::base::{Kind, options, saved, seed};
use spatia::batch::gvae::{DataConfig, prepare};
use spatia::data::Dataset;
use spatia::graph::Graph;
use spatia::io::npy;

use spatia::models::GvaeConfig;
use spatia::sim::{self, TissueConfig};
use spatia::train::record::Record;
use spatia::train::{
    Checkpoint, Config, Epoch, Extracted, Fit, Model, ModelOptions, Run, TrainConfig, fit,
};

use crate::common;

/// A small simulated tissue, prepared, with its graph.
fn tissue() -> (Dataset, Graph) {
    let config = TissueConfig {
        spots: 150,
        genes: 80,
        domains: 3,
        image_features: 12,
        seed: 7,
        ..TissueConfig::default()
    };
    let mut ds = sim::tissue(&config).unwrap();
    let graph = prepare(&mut ds, &DataConfig::default(), None).unwrap();
    (ds, graph)
}

fn model(ds: &Dataset, seed: u64) -> Model {
    let config = GvaeConfig { hidden_dim: 16, latent_dim: 4, num_heads: 2, dropout: 0.1 };
    let device = common::device_name();
    Model::new(ds, config, ModelOptions { seed, device, data: DataConfig::default() }).unwrap()
}

fn options(epochs: u64) -> Fit {
    let training =
        TrainConfig { epochs, kl_annealing_end: 5, save_interval: 4, ..TrainConfig::default() };
    Fit { training, ..Fit::default() }
}

/// Latents and KL as the bytes they would be saved as.
fn bytes(e: &Extracted) -> Vec<u32> {
    let flat = |t: &tch::Tensor| Vec::<f32>::try_from(t.reshape([-1])).unwrap();
    [&e.latent, &e.prior, &e.kl].into_iter().flat_map(flat).map(f32::to_bits).collect()
}

fn train(seed: u64, options: &Fit) -> (Vec<u32>, Run) {
    let (ds, graph) = tissue();
    let mut m = model(&ds, seed);
    let run = fit(&mut m, &ds, &graph, options).unwrap();
    (bytes(&m.extract(&ds, &graph).unwrap()), run)
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_gives_others() {
    let (a, run) = train(1, &options(8));
    let (b, _) = train(1, &options(8));
    let (c, _) = train(2, &options(8));
    assert!(a == b);
    assert!(a != c);
    assert_eq!(run.history.len(), 8);
    assert!(run.history[7].loss < run.history[0].loss, "training must reduce the loss");
}

/// Running means and variances are those that passes over the model itself would have left.
#[test]
fn what_a_pass_renews_is_the_models() {
    let (ds, graph) = tissue();
    let direct = model(&ds, 5);
    let batch = direct.batch(&ds, &graph).unwrap();
    {
        let _rng = seed::torch(5, 1).unwrap();
        direct.net.loss(&batch).unwrap();
    }
    let of = |m: &Model| -> Vec<Vec<f64>> {
        let flat = |t: &tch::Tensor| t.to_kind(tch::Kind::Double).reshape([-1]);
        let buffers = m.net.vars().copies_of_buffers();
        buffers.iter().map(|t| Vec::try_from(flat(t)).unwrap()).collect()
    };
    let trained = |epochs: u64| {
        let mut m = model(&ds, 5);
        fit(&mut m, &ds, &graph, &options(epochs)).unwrap();
        m
    };
    assert!(of(&direct).iter().any(|b| b.iter().any(|&v| v != 0.0 && v != 1.0)));
    assert_eq!(of(&trained(1)), of(&direct));
    let m = trained(4);
    let counts: Vec<i64> = m
        .net
        .vars()
        .named()
        .filter(|(name, _)| name.ends_with("num_batches_tracked"))
        .map(|(_, t)| t.int64_value(&[]))
        .collect();
    assert_eq!(counts, [4; 6]);
}

#[test]
fn a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut straight = options(12);
    straight.checkpoints = Some(dir.path().join("straight"));
    let (uninterrupted, whole) = train(3, &straight);
    // The checkpoint of epoch 4 was written on the way; going on from it is what a killed run does.
    let mut resumed = options(12);
    resumed.resume = Some(dir.path().join("straight/checkpoint_epoch_0004.safetensors"));
    let (again, run) = train(3, &resumed);
    assert!(uninterrupted == again);
    let numbers = |r: &Run| {
        r.history
            .iter()
            .map(|e| (e.epoch, e.loss.to_bits(), e.gradient_norm.to_bits()))
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(&whole), numbers(&run), "the history must be whole as well");
}

#[test]
fn a_checkpoint_gives_the_model_back() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let mut m = model(&ds, 5);
    let saved = Fit { checkpoints: Some(dir.path().into()), ..options(3) };
    fit(&mut m, &ds, &graph, &saved).unwrap();
    let checkpoint = Checkpoint::read(dir.path()).unwrap();
    assert_eq!(checkpoint.record.epoch, 3);
    assert_eq!(checkpoint.record.genes, ds.var().index());
    let back = checkpoint.model(&common::device_name()).unwrap();
    assert!(bytes(&m.extract(&ds, &graph).unwrap()) == bytes(&back.extract(&ds, &graph).unwrap()));

    let mut shuffled = ds.clone();
    let mut order: Vec<usize> = (0..ds.n_vars()).collect();
    order.swap(3, 9);
    shuffled.select_var(&order).unwrap();
    let e = back.extract(&shuffled, &graph).unwrap_err().to_string();
    assert!(e.contains("in their order") && e.contains(&ds.var().index()[3]), "{e}");
}

#[test]
fn a_checkpoint_that_is_cut_short_or_another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let mut m = model(&ds, 5);
    fit(&mut m, &ds, &graph, &Fit { checkpoints: Some(dir.path().into()), ..options(1) }).unwrap();
    let path = dir.path().join("checkpoint_epoch_0001.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let e = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(e.contains("does not parse"), "{length} bytes: {e}");
    }
    let e = Checkpoint::read(&dir.path().join("checkpoint_epoch_0002.safetensors"))
        .unwrap_err()
        .to_string();
    assert!(e.contains("Did you mean 'checkpoint_epoch_0001.safetensors'"), "{e}");
}

#[test]
fn resuming_on_other_data_or_other_judges_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ds, graph) = tissue();
    fit(
        &mut model(&ds, 5),
        &ds,
        &graph,
        &Fit { checkpoints: Some(dir.path().into()), ..options(2) },
    )
    .unwrap();
    let mut resume = Fit { resume: Some(dir.path().into()), ..options(4) };
    resume.training.validation = 0.0;
    let e = fit(&mut model(&ds, 5), &ds, &graph, &resume).unwrap_err().to_string();
    assert!(e.contains("validation"), "{e}");
    resume.training.validation = TrainConfig::default().validation;
    let mut features = ds.obsm()["image_features"].clone();
    features[[0, 0]] += 1.0;
    ds.set_obsm("image_features", features).unwrap();
    let e = fit(&mut model(&ds, 5), &ds, &graph, &resume).unwrap_err().to_string();
    assert!(e.contains("the same counts, image features and graph"), "{e}");
}

#[test]
fn resuming_on_another_x_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let first = Fit { checkpoints: Some(dir.path().into()), ..options(2) };
    fit(&mut model(&ds, 5), &ds, &graph, &first).unwrap();
    let resume = Fit { resume: Some(dir.path().into()), ..options(3) };
    let mut unlogged = ds.clone();
    let config = DataConfig { log_transform: false, ..DataConfig::default() };
    let same = prepare(&mut unlogged, &config, None).unwrap();
    let e = fit(&mut model(&ds, 5), &unlogged, &same, &resume).unwrap_err().to_string();
    assert!(e.contains("the same X and totals") && e.contains("prepared in another way"), "{e}");

    // A checkpoint of a version that did not record X: there is nothing to compare.
    let path = dir.path().join("checkpoint_epoch_0002.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let name = b"input_digest";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(b"nobody_knows");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(fit(&mut model(&ds, 5), &ds, &graph, &resume).unwrap().history.len(), 3);
    assert!(Checkpoint::read(&path).unwrap().model(&common::device_name()).is_ok());
}

#[test]
fn a_new_run_replaces_the_checkpoints_of_an_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let here = |epochs| Fit { checkpoints: Some(dir.path().into()), ..options(epochs) };
    fit(&mut model(&ds, 5), &ds, &graph, &here(9)).unwrap();
    fit(&mut model(&ds, 5), &ds, &graph, &here(5)).unwrap();
    assert_eq!(Checkpoint::read(dir.path()).unwrap().record.epoch, 5);
    assert_eq!(
        names(dir.path()),
        ["checkpoint_epoch_0004.safetensors", "checkpoint_epoch_0005.safetensors"]
    );
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The latest checkpoint of a folder is what loading and resuming go by.
#[test]
fn a_resumed_run_leaves_no_later_checkpoints_of_another_course() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ds, graph) = tissue();
    let into = |folder: &Path, epochs| Fit { checkpoints: Some(folder.into()), ..options(epochs) };
    for folder in [here.path(), there.path()] {
        fit(&mut model(&ds, 5), &ds, &graph, &into(folder, 12)).unwrap();
    }
    let resume = Some(here.path().join("checkpoint_epoch_0004.safetensors"));
    let mut wild = Fit { resume, ..into(here.path(), 12) };
    wild.training.learning_rate = 1e25;
    // Until a run has ended, nothing is lost.
    fit(&mut model(&ds, 5), &ds, &graph, &wild).unwrap_err();
    wild.training.save_interval = 1;
    fit(&mut model(&ds, 5), &ds, &graph, &wild).unwrap_err();
    let name = |epoch: u64| format!("checkpoint_epoch_{epoch:04}.safetensors");
    assert_eq!(names(here.path()), [name(4), name(5), "earlier".into()]);
    assert_eq!(names(&here.path().join("earlier")), [name(8), name(12)]);
    wild.training = options(7).training;
    fit(&mut model(&ds, 5), &ds, &graph, &wild).unwrap();
    assert_eq!(names(here.path()), [name(4), name(7)]);
    // What it goes on from lies elsewhere, so nothing in the folder is its own.
    wild.checkpoints = Some(there.path().into());
    fit(&mut model(&ds, 5), &ds, &graph, &wild).unwrap();
    assert_eq!(names(there.path()), [name(7)]);
}

#[test]
fn results_of_an_earlier_run_leave_with_its_checkpoints_and_go_when_a_run_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ds, graph) = tissue();
    ds.sources = vec![dir.path().join("data.h5ad")];
    let names_of = |folder: &str| names(&dir.path().join(folder));
    let here = |epochs| Fit {
        checkpoints: Some(dir.path().into()),
        results: ["run.json", "kl_map.png", "data.h5ad"].map(String::from).into(),
        ..options(epochs)
    };
    let train = |options: &Fit| fit(&mut model(&ds, 5), &ds, &graph, options);
    let name = |epoch: u64| format!("checkpoint_epoch_{epoch:04}.safetensors");
    train(&here(3)).unwrap();
    for other in ["data.h5ad", "notes.txt", "run.json"] {
        std::fs::write(dir.path().join(other), "of the first").unwrap();
    }
    // What is no result, and what the data was read from, stays.
    let stay = ["data.h5ad", "notes.txt"];
    let here_is = |own: &[&str]| {
        let mut expected: Vec<&str> = [own, &stay].concat();
        expected.sort_unstable();
        assert_eq!(names_of(""), expected);
    };
    // Runs that end at a loss that is no number: before their first checkpoint, and behind it.
    let mut wild = here(9);
    wild.training.learning_rate = 1e25;
    train(&wild).unwrap_err();
    here_is(&[&name(3), "run.json"]);
    wild.training.save_interval = 1;
    train(&wild).unwrap_err();
    here_is(&[&name(1), "earlier"]);
    assert_eq!(names_of("earlier"), [&name(3), "run.json"]);
    train(&wild).unwrap_err();
    here_is(&[&name(1), "earlier", "earlier_2"]);
    std::fs::write(dir.path().join("earlier/mine.txt"), "of the user").unwrap();
    train(&here(2)).unwrap();
    here_is(&[&name(2), "earlier"]);
    assert_eq!(names_of("earlier"), ["mine.txt"]);
    // Results are of one epoch: a run that goes on leaves them behind too.
    std::fs::write(dir.path().join("kl_map.png"), "of epoch 2").unwrap();
    train(&Fit { resume: Some(dir.path().into()), ..here(3) }).unwrap();
    here_is(&[&name(2), &name(3), "earlier"]);

    let elsewhere = Fit { results: vec!["../run.json".into()], ..here(3) };
    let e = train(&elsewhere).unwrap_err().to_string();
    assert!(e.contains("names of files in the folder") && e.contains("../run.json"), "{e}");
}

#[test]
fn a_folder_takes_one_run_at_a_time_and_no_lock_is_left_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let here = Fit { checkpoints: Some(dir.path().into()), ..options(2) };
    // As a process leaves it that was killed.
    std::fs::write(dir.path().join(".training.lock"), "process 1 on a machine").unwrap();
    let second = here.clone();
    let said = Rc::new(RefCell::new(String::new()));
    let heard = Rc::clone(&said);
    // Called amid the run.
    saved::listen(move |_| {
        if heard.borrow().is_empty() {
            heard.replace("nothing".into());
            let (ds, graph) = tissue();
            let e = fit(&mut model(&ds, 5), &ds, &graph, &second).unwrap_err();
            heard.replace(e.to_string());
        }
    });
    fit(&mut model(&ds, 5), &ds, &graph, &here).unwrap();
    let said = said.take();
    let holder = format!("process {}", std::process::id());
    assert!(said.contains(&holder) && said.contains("give another folder"), "{said}");
    assert_eq!(names(dir.path()), ["checkpoint_epoch_0002.safetensors"]);
    fit(&mut model(&ds, 5), &ds, &graph, &here).unwrap();
}

#[test]
fn a_checkpoint_is_found_in_the_folder_above_its_run_where_there_is_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let read = |path: &Path| Checkpoint::read(path).map_err(|e| e.to_string());
    let (ds, graph) = tissue();
    let into = |folder| Fit { checkpoints: Some(folder), ..options(2) };
    fit(&mut model(&ds, 5), &ds, &graph, &into(at("out/gvae"))).unwrap();
    assert_eq!(read(&at("out")).unwrap().record.epoch, 2);
    let e = read(dir.path()).unwrap_err();
    assert!(e.contains("in one folder below it") && e.contains("found none"), "{e}");

    // Its folder is known as its own: what it goes on from stays.
    let on = Fit { resume: Some(at("out")), ..into(at("out/gvae")) };
    let mut more = on.clone();
    more.training.epochs = 3;
    fit(&mut model(&ds, 5), &ds, &graph, &more).unwrap();
    assert_eq!(names(&at("out/gvae")).len(), 2);

    std::fs::create_dir(at("out/other")).unwrap();
    let name = "checkpoint_epoch_0002.safetensors";
    std::fs::copy(at("out/gvae").join(name), at("out/other").join(name)).unwrap();
    let e = read(&at("out")).unwrap_err();
    assert!(
        e.contains("those of 2 runs") && e.contains("out/gvae, ") && e.contains("/other"),
        "{e}"
    );
    // What was moved aside is of another run.
    std::fs::remove_dir_all(at("out/gvae")).unwrap();
    std::fs::rename(at("out/other"), at("out/earlier")).unwrap();
    let e = read(&at("out")).unwrap_err();
    assert!(e.contains("Those of a run before are in") && e.contains("out/earlier"), "{e}");
}

#[test]
fn resuming_that_is_refused_leaves_the_model_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let mut first = Fit { checkpoints: Some(dir.path().into()), ..options(12) };
    first.training.learning_rate = 0.05;
    fit(&mut model(&ds, 5), &ds, &graph, &first).unwrap();
    // A part that is not there: the best weights, the optimiser's.
    let path = dir.path().join("checkpoint_epoch_0012.safetensors");
    let whole = std::fs::read(&path).unwrap();
    assert!(Checkpoint::read(&path).unwrap().record.best_epoch.is_some());
    for (name, other) in [("\"gene_encoder", "\"gone_encoder"), ("exp_avg_sq.", "exp_avg_qs.")] {
        let at = whole.windows(name.len()).position(|w| w == name.as_bytes()).unwrap();
        let mut bytes = whole.clone();
        bytes[at..at + name.len()].copy_from_slice(other.as_bytes());
        std::fs::write(&path, bytes).unwrap();
        let mut m = model(&ds, 5);
        let before = bytes_of(&m, &ds, &graph);
        let resume = Fit { resume: Some(path.clone()), ..options(14) };
        let e = fit(&mut m, &ds, &graph, &resume).unwrap_err().to_string();
        assert!(e.contains("a part missing"), "{name}: {e}");
        assert!(m.epoch == 0 && before == bytes_of(&m, &ds, &graph), "{name}");
    }
}

fn bytes_of(model: &Model, ds: &Dataset, graph: &Graph) -> Vec<u32> {
    bytes(&model.extract(ds, graph).unwrap())
}

#[test]
fn a_source_that_is_gone_does_not_lose_the_record_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let [here, gone] = ["here", "gone"].map(|name| dir.path().join(name));
    std::fs::write(&here, "data").unwrap();
    let record = Record::new(json!({}), json!({"ari": 1}), &[here, gone]).unwrap();
    let record = serde_json::to_value(record).unwrap();
    assert_eq!(record["results"]["ari"], 1);
    assert_eq!(record["data"][0]["sha256"].as_str().unwrap().len(), 64);
    assert!(record["data"][1]["sha256"].is_null() && record["data"][1]["path"].is_string());
}

#[test]
fn preparing_a_prepared_dataset_changes_nothing() {
    let config = TissueConfig {
        spots: 60,
        genes: 80,
        domains: 3,
        image_features: 4,
        seed: 7,
        ..TissueConfig::default()
    };
    let mut ds = sim::tissue(&config).unwrap();
    let few = DataConfig { highly_variable_genes: 30, ..DataConfig::default() };
    prepare(&mut ds, &few, None).unwrap();
    let once = ds.clone();
    let genes = ds.var().index().to_vec();
    prepare(&mut ds, &few, Some(&genes)).unwrap();
    assert_eq!(ds.x(), once.x());
    assert_eq!(ds.obs().f64("total_counts").unwrap(), once.obs().f64("total_counts").unwrap());
}

#[test]
fn genes_of_the_same_name_are_refused() {
    let (mut ds, _) = tissue();
    let mut names = ds.var().index().to_vec();
    names[3] = names[5].clone();
    ds.var_mut().set_index(names.clone()).unwrap();
    let e = prepare(&mut ds, &DataConfig::default(), None).unwrap_err().to_string();
    assert!(e.contains(&names[5]) && e.contains("each name once"), "{e}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_training() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (ds, graph) = tissue();
    let mut m = model(&ds, 5);
    let options = Fit { checkpoints: Some(file.path().join("below")), ..options(1) };
    let e = fit(&mut m, &ds, &graph, &options).unwrap_err().to_string();
    assert!(e.contains("preparing the folder") && m.epoch == 0, "{e}");
}

#[test]
fn resuming_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    fit(
        &mut model(&ds, 5),
        &ds,
        &graph,
        &Fit { checkpoints: Some(dir.path().into()), ..options(2) },
    )
    .unwrap();
    let resume = Fit { resume: Some(dir.path().into()), ..options(4) };
    let e = fit(&mut model(&ds, 6), &ds, &graph, &resume).unwrap_err().to_string();
    assert!(e.contains("expected seed 5, found 6"), "{e}");
}

#[test]
fn a_loss_that_is_no_number_stops_with_the_epoch_and_the_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let mut wild = Fit { checkpoints: Some(dir.path().into()), ..options(50) };
    wild.training = TrainConfig { learning_rate: 1e25, save_interval: 1, ..wild.training };
    let e = fit(&mut model(&ds, 5), &ds, &graph, &wild).unwrap_err();
    assert_eq!(e.what(), Kind::Numeric);
    let text = e.to_string();
    assert!(text.contains("epoch 2") && text.contains("first seen in"), "{text}");
    assert!(
        text.contains("Last good checkpoint") && text.contains("checkpoint_epoch_0001"),
        "{text}"
    );
}

#[test]
fn training_stops_early_when_asked_to() {
    let mut patient = options(400);
    patient.training = TrainConfig { patience: 3, learning_rate: 0.05, ..patient.training };
    let (_, run) = train(4, &patient);
    assert_eq!(run.stop, spatia::train::Stop::Early);
    let best = best_epoch(&run);
    assert_eq!(run.history.len() as u64, best + 1 + 3, "three epochs after the best");
    assert_eq!(run.epoch, best);
}

/// The epoch after annealing whose held-out spots had the lowest loss, counted from 0: its weights
/// are those before its own step.
fn best_epoch(run: &Run) -> u64 {
    let loss = |e: &Epoch| e.validation_nll + e.validation_kl;
    let best = run.history[5..].iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
    best.epoch - 1
}

#[test]
fn the_spots_kept_out_choose_the_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let mut chosen = options(120);
    chosen.training = TrainConfig { learning_rate: 0.01, save_interval: 20, ..chosen.training };
    chosen.checkpoints = Some(dir.path().into());
    let (ds, graph) = tissue();
    // Wide enough to learn 135 spots by heart.
    let wide = || {
        let config = GvaeConfig { hidden_dim: 96, latent_dim: 8, num_heads: 2, dropout: 0.0 };
        let options =
            ModelOptions { seed: 4, device: common::device_name(), data: DataConfig::default() };
        Model::new(&ds, config, options).unwrap()
    };
    let mut m = wide();
    let run = fit(&mut m, &ds, &graph, &chosen).unwrap();
    assert_eq!(run.epoch, best_epoch(&run));
    assert!(run.epoch < 100, "it should overfit before the end: {}", run.epoch);
    let returned = bytes(&m.extract(&ds, &graph).unwrap());
    let checkpoint = Checkpoint::read(dir.path()).unwrap();
    assert_eq!((checkpoint.record.epoch, checkpoint.record.best_epoch), (120, Some(run.epoch)));
    let loaded = checkpoint.model(&common::device_name()).unwrap();
    assert!(
        returned == bytes(&loaded.extract(&ds, &graph).unwrap()),
        "the checkpoint's model is the one returned"
    );

    // Resumed after the best epoch, the run still knows it.
    let late = dir.path().join("checkpoint_epoch_0100.safetensors");
    let mut resumed = wide();
    let again = fit(
        &mut resumed,
        &ds,
        &graph,
        &Fit { checkpoints: None, resume: Some(late), ..chosen.clone() },
    )
    .unwrap();
    assert_eq!(again.epoch, run.epoch);
    assert!(returned == bytes(&resumed.extract(&ds, &graph).unwrap()));

    // Without such spots the model is that of the last epoch.
    let mut all = Fit { checkpoints: None, ..chosen };
    all.training.validation = 0.0;
    let last = fit(&mut wide(), &ds, &graph, &all).unwrap();
    assert_eq!(last.epoch, 120);
    assert!(last.history.iter().all(|e| e.validation_nll.is_nan()));
}

#[test]
fn the_weight_of_the_kl_divergence_grows_linearly() {
    let t = TrainConfig {
        kl_annealing_start: 10,
        kl_annealing_end: 50,
        kl_weight_max: 2.0,
        ..TrainConfig::default()
    };
    assert_eq!([0, 10, 20, 30, 50, 199].map(|e| t.beta(e)), [0.0, 0.0, 0.5, 1.0, 2.0, 2.0]);
    let at_once =
        TrainConfig { kl_annealing_start: 0, kl_annealing_end: 0, ..TrainConfig::default() };
    assert_eq!(at_once.beta(0), 1.0);
}

#[test]
fn a_configuration_refuses_unknown_keys_and_wrong_types_by_name() {
    let read = |v| options::parse::<Config>(v, "config").map_err(|e| e.to_string());
    let config = read(json!({"training": {"epochs": 3}, "data": {"normalize_total": 5000, "graph_type": "delaunay"}})).unwrap();
    assert_eq!(config.training.epochs, 3);
    assert_eq!(config.model, GvaeConfig::default());
    let e = read(json!({"training": {"learning_rte": 0.1}})).unwrap_err();
    assert!(e.contains("config.training") && e.contains("Did you mean 'learning_rate'"), "{e}");
    let e = read(json!({"modle": {}})).unwrap_err();
    assert!(e.contains("Did you mean 'model'"), "{e}");
    let e = read(json!({"model": {"hidden_dim": "wide"}})).unwrap_err();
    assert!(e.contains("config.model.hidden_dim") && e.contains("a whole number"), "{e}");
    let e = read(json!({"model": {"latent_dim": 0}})).unwrap_err();
    assert!(e.contains("at least 1"), "{e}");
    let e = read(json!({"data": {"graph_type": "kn"}})).unwrap_err();
    assert!(e.contains("config.data.graph_type") && e.contains(r#"Did you mean "knn"?"#), "{e}");
    let e = read(json!({"data": {"normalize_total": "yes"}})).unwrap_err();
    assert!(
        e.contains("config.data.normalize_total") && e.contains("true or false or a number"),
        "{e}"
    );
    // The options of one call: those of training and two paths, in one map.
    let fit =
        options::parse::<Fit>(json!({"epochs": 7, "checkpoints": "here"}), "train::fit").unwrap();
    assert_eq!((fit.training.epochs, fit.checkpoints), (7, Some("here".into())));
    let e = options::parse::<Fit>(json!({"epoch": 7}), "train::fit").unwrap_err().to_string();
    assert!(e.contains("Did you mean 'epochs'"), "{e}");
}

const PEER: &str = r#"
import sys, importlib.util, numpy as np, torch
from safetensors.torch import load_file
spec = importlib.util.spec_from_file_location("peer", sys.argv[1])
peer = importlib.util.module_from_spec(spec); spec.loader.exec_module(peer)
folder = sys.argv[2]
arrays = {n: torch.from_numpy(np.load(f"{folder}/{n}.npy")) for n in ("x", "image", "source", "target", "latent", "kl")}
model = peer.GVAE(arrays["x"].shape[1], arrays["image"].shape[1], hidden=16, latent=4, heads=2)
weights = {k: v for k, v in load_file(sys.argv[3]).items() if not k.startswith(("optimizer.", "resume.")) and k != "history"}
model.load_state_dict(weights, strict=True)
model.eval()
edges = torch.stack([arrays["source"].reshape(-1), arrays["target"].reshape(-1)]).long()
with torch.no_grad():
    mu_q, lq, mu_p, lp = model.encode(arrays["x"], arrays["image"], edges)
    kl = peer.kl_per_spot(mu_q, lq, mu_p, lp)
print(float((mu_q - arrays["latent"]).abs().max()), float(((kl - arrays["kl"]).abs() / kl.abs().clamp(min=1)).max()))
"#;

#[test]
fn the_weights_of_a_checkpoint_work_in_pytorch_by_name() {
    let (Some(python), Some(peer)) = (common::python(), common::peer("gvae_pyg.py")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (ds, graph) = tissue();
    let mut m = model(&ds, 11);
    fit(&mut m, &ds, &graph, &Fit { checkpoints: Some(dir.path().into()), ..options(6) }).unwrap();
    let e = m.extract(&ds, &graph).unwrap();
    let batch = m.batch(&ds, &graph).unwrap();
    let save = |name: &str, values: &[f32], columns: usize| {
        let a = ndarray::ArrayView2::from_shape((values.len() / columns, columns), values).unwrap();
        npy::write(&dir.path().join(name), a).unwrap();
    };
    let flat = |t: &tch::Tensor| Vec::<f32>::try_from(t.reshape([-1])).unwrap();
    save("x.npy", &flat(&batch.x), ds.n_vars());
    save("image.npy", &flat(&batch.image), 12);
    save("latent.npy", &flat(&e.latent), 4);
    npy::write(&dir.path().join("kl.npy"), ndarray::aview1(&flat(&e.kl))).unwrap();
    let floats = |v: &[u32]| v.iter().map(|&n| n as f32).collect::<Vec<_>>();
    save("source.npy", &floats(graph.sources()), 1);
    save("target.npy", &floats(graph.targets()), 1);
    let checkpoint = dir.path().join("checkpoint_epoch_0006.safetensors");
    let out = common::run_python(&python, PEER, &[&peer, dir.path(), Path::new(&checkpoint)]);
    let differences: Vec<f64> = out.split_whitespace().map(|v| v.parse().unwrap()).collect();
    println!("largest difference of mu_q {:e}, of KL {:e}", differences[0], differences[1]);
    assert!(differences.len() == 2 && differences.iter().all(|&d| d <= 1e-4), "{out}");
}
