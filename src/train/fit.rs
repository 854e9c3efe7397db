//! The training loop. Full batch: every epoch is one pass over all spots of the graph.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::adam::{self, Adam};
use super::checkpoint::Checkpoint;
use super::config::TrainConfig;
use super::folder::latest;
use super::kept::Kept;
use super::lock::Lock;
use super::model::Model;
use super::pass::{Pass, Passes};
use super::split::Split;
use crate::base::{Error, Kind, Result, device, files, interrupt, memory, progress};
use crate::batch::gvae::{self, memory_needed};
use crate::data::Dataset;
use crate::graph::Graph;
use crate::nn::Vars;

/// The weights of the best epoch so far.
#[derive(Debug)]
pub struct Best {
    pub epoch: u64,
    pub weights: Vec<(String, Tensor)>,
}

/// Options of [`fit`]: those of training, and where checkpoints go and come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Fit {
    #[serde(flatten)]
    pub training: TrainConfig,
    /// Folder for checkpoints, of one run at a time; without one nothing is written. What another run
    /// left there, checkpoints and `results`, moves to a folder `earlier` in it with the first
    /// checkpoint of this one. There it stays until a run has ended that was not stopped.
    pub checkpoints: Option<PathBuf>,
    /// Checkpoint to go on from; of a folder the latest one in it, or in the one folder below it that
    /// holds some.
    pub resume: Option<PathBuf>,
    /// Names of the files that are written beside the checkpoints when the run has ended, as
    /// "run.json".
    pub results: Vec<String>,
}

/// One epoch's numbers; losses in nats a spot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Counted from 1: the number of passes done.
    pub epoch: u64,
    /// `nll + beta * kl`.
    pub loss: f64,
    /// Reconstruction: negative log-likelihood of the counts.
    pub nll: f64,
    /// KL divergence of posterior from prior.
    pub kl: f64,
    /// Weight of the KL divergence.
    pub beta: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Reconstruction of the spots kept out of the loss; NaN where there are none.
    pub validation_nll: f64,
    /// Their KL divergence; NaN where there are none.
    pub validation_kl: f64,
    pub seconds: f64,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All epochs were done.
    Finished,
    /// `patience` ran out.
    Early,
}

/// What training leaves beside the trained model.
#[derive(Clone, Debug)]
pub struct Run {
    pub history: Vec<Epoch>,
    pub stop: Stop,
    /// The epoch whose weights the model has now: the best of the spots kept out, else the last.
    pub epoch: u64,
    /// The last checkpoint, where there is a folder for them.
    pub checkpoint: Option<PathBuf>,
    /// Wall-clock time of this call.
    pub seconds: f64,
}

/// Trains a model on a dataset and its graph.
///
/// The same model, data, options and number of threads give the same bits, and so does a run that
/// was stopped and resumed.
///
/// # Errors
/// What [`Model::batch`] refuses; too little memory; a loss that is no number
/// ([`Kind::Numeric`]), which names the epoch, the tensor and the last good checkpoint; an
/// interrupt ([`Kind::Interrupted`]), which gives up the running epoch, with how to resume from the
/// last whole one.
pub fn fit(model: &mut Model, ds: &Dataset, graph: &Graph, options: &Fit) -> Result<Run> {
    let Fit { training, checkpoints, resume, results } = options;
    training.check()?;
    results.iter().try_for_each(|name| check_name(name))?;
    let needed = memory_needed(ds.n_obs(), ds.n_vars(), graph.n_edges(), model.net.config());
    device::require(
        model.device(),
        "training the graph VAE",
        needed,
        "Keep fewer genes (highly_variable_genes) or spots",
    )?;

    checkpoints.as_deref().map_or(Ok(()), files::writable)?;
    let _lock = checkpoints.as_deref().map(Lock::take).transpose()?;

    let begun = Instant::now();
    let batch = model.batch(ds, graph)?;
    let split = Split::new(ds.n_obs(), training.validation, model.options.seed, model.device());
    interrupt::check("training the graph VAE")?;
    let fingerprint = gvae::fingerprint(ds, graph)?;
    interrupt::check("training the graph VAE")?;
    let mut adam = Adam::new(model.net.vars(), training.learning_rate, training.weight_decay);
    let resumed = resume.as_deref().map(latest).transpose()?;
    let (mut history, mut best) = match &resumed {
        Some(path) => Checkpoint::read(path)?.restore(model, &mut adam, training, &fingerprint)?,
        None => Default::default(),
    };
    interrupt::check("training the graph VAE")?;
    if resumed.is_none() && model.epoch > 0 {
        progress::note(format!(
            "The model was trained before, for {} epochs: this training goes on from its weights and counts \
             its epochs from 1. `resume` goes on from a checkpoint; a new model begins anew",
            model.epoch
        ));
    }
    let first = history.len() as u64;
    let mut stop = if out_of_patience(&history, training) { Stop::Early } else { Stop::Finished };
    let epochs = if stop == Stop::Early { 0 } else { training.epochs };
    if let Some(path) = &resumed {
        progress::note(going_on(path, first, training, stop));
    }
    let mut kept = Kept::new(options, resumed, first, &fingerprint, &ds.sources)?;
    if first < epochs {
        kept.note();
    }

    let job = progress::Job::new("training", first, training.epochs.max(first)).counting("epoch");
    for row in &history {
        job.measured(row.epoch, "", false, &row.losses());
    }
    let mut passes = Passes::new(&model.net, batch, split)?;
    for epoch in first..epochs {
        let started = Instant::now();
        let beta = training.beta(epoch);
        let pass = match passes.pass(model.net.vars(), beta, model.options.seed, epoch + 1) {
            Err(e) if e.is_interrupt() => {
                kept.save(model, &adam, &history, best.as_ref(), false)?;
                return Err(kept.stopped(best.as_ref()));
            }
            pass => pass?,
        };
        passes = pass.0;
        let Pass { nll, kl, held_out, gradient, buffers } = pass.1;
        let (validation_nll, validation_kl) = held_out.unwrap_or((f64::NAN, f64::NAN));
        let mut row = Epoch {
            epoch: epoch + 1,
            loss: nll + beta * kl,
            nll,
            kl,
            beta,
            gradient_norm: adam::norm(&gradient),
            validation_nll,
            validation_kl,
            seconds: 0.0,
        };
        let judged = held_out.is_none_or(|(nll, kl)| !(nll.is_nan() || kl.is_nan()));
        if !(row.loss.is_finite() && row.gradient_norm.is_finite() && judged) {
            let tensor = passes.first_not_finite(model.net.vars());
            let of_gradient = || Some(format!("the gradient of {}", adam.first_bad(&gradient)?));
            let tensor = tensor.or_else(of_gradient).unwrap_or_else(|| "the loss".into());
            return Err(not_a_number(&tensor, &row, kept.saved.as_deref()));
        }
        model.net.vars().load_buffers(&buffers);
        if held_out.is_some()
            && epoch >= training.kl_annealing_end
            && is_best(&history, &row, training)
        {
            best = Some(Best::of(model.net.vars(), epoch));
        }
        adam.step(&gradient, clip(row.gradient_norm, training.gradient_clip));
        row.seconds = started.elapsed().as_secs_f64();
        model.epoch = row.epoch;
        history.push(row);

        let milestone = row.epoch.is_multiple_of(training.log_interval) || row.epoch == 1;
        job.measured(row.epoch, &row.to_string(), milestone, &row.losses());
        if out_of_patience(&history, training) {
            stop = Stop::Early;
        }
        let last = row.epoch == training.epochs || stop == Stop::Early;
        let due = training.save_interval > 0 && row.epoch.is_multiple_of(training.save_interval);
        // A wish to stop that finds the run at its end has nothing to stop.
        let interrupted = !last && interrupt::requested();
        if due || last || interrupted {
            kept.save(model, &adam, &history, best.as_ref(), last)?;
        }
        if interrupted {
            return Err(kept.stopped(best.as_ref()));
        }
        if last {
            break;
        }
    }
    if let Some(best) = &best {
        best.restore(model)?;
    }
    let epoch = model.epoch;
    Ok(Run { history, stop, epoch, checkpoint: kept.saved, seconds: begun.elapsed().as_secs_f64() })
}

/// Refuses what is no plain name: files elsewhere are nobody's results.
fn check_name(name: &str) -> Result<()> {
    if Path::new(name).file_name() == Some(OsStr::new(name)) {
        return Ok(());
    }
    Err(Error::new("reading the options of training")
        .expected("results as names of files in the folder for checkpoints")
        .found(format!("{name:?}")))
}

/// What is said of a run that goes on from a checkpoint.
fn going_on(path: &Path, done: u64, training: &TrainConfig, stop: Stop) -> String {
    let (path, epochs) = (path.display(), training.epochs);
    match stop {
        Stop::Early => format!(
            "{path} has {done} epochs, and none was better for `patience` = {}: nothing is left to train. Another patience goes on",
            training.patience
        ),
        Stop::Finished if done >= epochs => format!(
            "{path} has {done} epochs, and `epochs` = {epochs} asks for no more: nothing is left to train. More epochs go on"
        ),
        Stop::Finished => format!("going on from {path}, after epoch {done} of {epochs}"),
    }
}

/// What epochs are compared by: the loss at the full weight of the KL divergence, of the spots
/// kept out where there are any.
fn merit(row: &Epoch, training: &TrainConfig) -> f64 {
    let (nll, kl) = match row.validation_nll.is_nan() {
        true => (row.nll, row.kl),
        false => (row.validation_nll, row.validation_kl),
    };
    nll + training.kl_weight_max * kl
}

/// The rows from the end of annealing on; before it, losses cannot be compared.
fn settled<'a>(history: &'a [Epoch], training: &TrainConfig) -> &'a [Epoch] {
    history.get(training.kl_annealing_end as usize..).unwrap_or_default()
}

fn is_best(history: &[Epoch], row: &Epoch, training: &TrainConfig) -> bool {
    settled(history, training).iter().all(|e| merit(row, training) < merit(e, training))
}

/// What the gradient is multiplied by so that its norm is at most `limit` (none at 0).
fn clip(norm: f64, limit: f64) -> f64 {
    if limit > 0.0 { (limit / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// Whether no epoch was better for `patience` epochs.
fn out_of_patience(history: &[Epoch], training: &TrainConfig) -> bool {
    let settled = settled(history, training);
    let best = settled.iter().min_by(|a, b| merit(a, training).total_cmp(&merit(b, training)));
    let (Some(best), Some(last)) = (best, settled.last()) else { return false };
    training.patience > 0 && last.epoch - best.epoch >= training.patience
}

/// What is said of a loss that is no number; `tensor` is where the trouble shows first.
fn not_a_number(tensor: &str, row: &Epoch, saved: Option<&Path>) -> Error {
    let good = saved.map_or("No checkpoint was written before it".into(), |p| {
        format!("Last good checkpoint: {}", p.display())
    });
    Error::new(format!("training, epoch {}", row.epoch))
        .kind(Kind::Numeric)
        .expected("a loss and a gradient that are finite")
        .found(format!(
            "nll {}, kl {}, gradient norm {}; first seen in {tensor}",
            row.nll, row.kl, row.gradient_norm
        ))
        .advice(format!("{good}. A smaller learning_rate or gradient_clip usually helps"))
}

impl Best {
    fn of(vars: &Vars, epoch: u64) -> Self {
        Self { epoch, weights: vars.copies() }
    }

    fn restore(&self, model: &mut Model) -> Result<()> {
        model.net.vars().load_copies(&self.weights)?;
        model.epoch = self.epoch;
        Ok(())
    }
}

impl Epoch {
    /// Columns of the history, in the order of [`values`](Self::values).
    pub const NAMES: [&'static str; 9] = [
        "epoch",
        "loss",
        "nll",
        "kl",
        "beta",
        "gradient_norm",
        "validation_nll",
        "validation_kl",
        "seconds",
    ];

    pub fn values(&self) -> [f64; 9] {
        [
            self.epoch as f64,
            self.loss,
            self.nll,
            self.kl,
            self.beta,
            self.gradient_norm,
            self.validation_nll,
            self.validation_kl,
            self.seconds,
        ]
    }

    /// What is worth a curve while training runs.
    pub fn losses(&self) -> [(&'static str, f64); 4] {
        [
            ("nll", self.nll),
            ("validation_nll", self.validation_nll),
            ("kl", self.kl),
            ("validation_kl", self.validation_kl),
        ]
    }

    /// The inverse of [`values`](Self::values); missing ones are NaN.
    pub fn from_values(values: &[f64]) -> Self {
        let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        Self {
            epoch: at(0) as u64,
            loss: at(1),
            nll: at(2),
            kl: at(3),
            beta: at(4),
            gradient_norm: at(5),
            validation_nll: at(6),
            validation_kl: at(7),
            seconds: at(8),
        }
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held = memory::human(memory::now().resident);
        write!(f, "nll {:.2}  kl {:.3}  beta {:.2}  memory {held}", self.nll, self.kl, self.beta)
    }
}
