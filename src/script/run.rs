//! `Run` and `train::`: training, and the record of it.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use polars::prelude::{Column as Values, DataFrame};
use rhai::plugin::*;
use rhai::{Dynamic, Map};

use super::convert::{Outcome, json, map, parse};
use super::dataset::Dataset;
use super::graph::Graph;
use super::model::Model;
use super::table::Table;
use crate::base::{Error, Result};
use crate::train::record::Record;
use crate::train::{self, Config, Epoch, Fit};

/// A handle; runs never change.
#[derive(Clone)]
pub(super) struct Run(Rc<train::Run>);

impl Run {
    pub fn core(&self) -> &train::Run {
        &self.0
    }

    pub fn history(&self) -> Result<DataFrame> {
        let column = |(i, name): (usize, &&str)| {
            let values: Vec<f64> = self.0.history.iter().map(|e| e.values()[i]).collect();
            Values::new((*name).into(), values)
        };
        let columns = Epoch::NAMES.iter().enumerate().map(column).collect();
        DataFrame::new(self.0.history.len(), columns)
            .map_err(|e| Error::io("making the table of a run", e))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = &self.0;
        write!(f, "Run of {} epochs, {:.1} s ({:?})", run.history.len(), run.seconds, run.stop)?;
        if let Some(last) = run.history.last() {
            write!(f, "\n  last        {last}")?;
        }
        if let Some(path) = &run.checkpoint {
            write!(f, "\n  checkpoint  {}", path.display())?;
        }
        Ok(())
    }
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Trains a model on a dataset and its graph, and returns the run.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1, device: "cpu" })
    /// let run = train::fit(model, ds, g, #{ epochs: 2 })
    /// run.history.len()               // => 2
    /// ```
    ///
    /// Ctrl-C gives up the epoch under way; the last whole one is saved where there is a folder for
    /// `checkpoints`. A loss that is no number is an error that names the epoch and the tensor.
    #[rhai_fn(return_raw)]
    pub fn fit(model: Model, ds: Dataset, graph: Graph, options: Map) -> Outcome<Run> {
        let options = parse::<Fit>(options, "fit")?;
        let run = train::fit(&mut model.edit(), &ds.get(), graph.core(), &options)?;
        Ok(Run(Rc::new(run)))
    }

    /// Reads a JSON configuration with the sections `model`, `training` and `data`; what it leaves
    /// out has its default.
    ///
    /// ```rhai
    /// train::defaults().training.epochs   // => 200
    /// ```
    ///
    /// Unknown keys are refused by name.
    #[rhai_fn(return_raw)]
    pub fn config(path: &str) -> Outcome<Map> {
        map(Config::read(Path::new(path))?)
    }

    /// The configuration with every default.
    ///
    /// ```rhai
    /// train::defaults().model.latent_dim  // => 32
    /// ```
    #[rhai_fn(return_raw)]
    pub fn defaults() -> Outcome<Map> {
        map(Config::default())
    }

    /// Writes what was run as JSON: versions, the configuration and results given, checksums of
    /// the dataset's files, threads and peak memory.
    ///
    /// ```rhai
    /// train::record("run.json", #{ seed: 42 }, #{ ari: 0.5 }, ds)
    /// ```
    #[rhai_fn(return_raw)]
    pub fn record(path: &str, config: Map, results: Map, ds: Dataset) -> Outcome<()> {
        let (config, results) = (json(config.into(), "record")?, json(results.into(), "record")?);
        Ok(Record::new(config, results, &ds.get().sources)?.write(Path::new(path))?)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// A row an epoch: losses, the weight of the KL divergence, the gradient's norm, seconds.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, device: "cpu" })
    /// train::fit(model, ds, g, #{ epochs: 1 }).history.columns[0]   // => "epoch"
    /// ```
    #[rhai_fn(get = "history", return_raw)]
    pub fn history(run: &mut Run) -> Outcome<Table> {
        Ok(Table::new(Run::history(run)?))
    }

    /// How long the call of `train::fit` took.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, device: "cpu" })
    /// train::fit(model, ds, g, #{ epochs: 1 }).seconds > 0   // => true
    /// ```
    #[rhai_fn(get = "seconds")]
    pub fn seconds(run: &mut Run) -> f64 {
        run.0.seconds
    }

    /// The path of the last checkpoint, `()` where none was written.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, device: "cpu" })
    /// train::fit(model, ds, g, #{ epochs: 1 }).checkpoint == ()   // => true
    /// ```
    #[rhai_fn(get = "checkpoint")]
    pub fn checkpoint(run: &mut Run) -> Dynamic {
        run.0.checkpoint.as_ref().map_or(Dynamic::UNIT, |p| p.display().to_string().into())
    }
}
