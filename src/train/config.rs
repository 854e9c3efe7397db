//! Options of training, and the three sections of a configuration file.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, files, options};
use crate::batch::gvae::DataConfig;
use crate::models::GvaeConfig;

/// How the graph VAE is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Step size of Adam.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// L2 penalty on the weights, added to the gradient as Adam does in PyTorch.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Passes over the data.
    #[schemars(range(min = 1))]
    pub epochs: u64,
    /// Epoch until which the KL divergence has no weight.
    pub kl_annealing_start: u64,
    /// Epoch from which it has its full weight; in between the weight grows linearly.
    pub kl_annealing_end: u64,
    /// Its full weight.
    #[schemars(range(min = 0.0))]
    pub kl_weight_max: f64,
    /// Largest norm of the gradient; longer ones are shortened to it. 0 leaves them.
    #[schemars(range(min = 0.0))]
    pub gradient_clip: f64,
    /// Epochs between two lines of progress where there is no terminal to draw a bar in.
    #[schemars(range(min = 1))]
    pub log_interval: u64,
    /// Epochs between two checkpoints; 0 keeps only the last.
    pub save_interval: u64,
    /// Share of spots that are kept out of the loss and judge the epochs: the model that training
    /// returns is that of the epoch, from the end of annealing on, in which their loss was
    /// lowest (judged as they are in training, with dropout and a sample of the latent). Without
    /// them (0), or where annealing does not end before the last epoch, it is that of the last epoch, and the prior may have learnt single
    /// spots by heart, which hides discordance.
    #[schemars(range(min = 0.0))]
    pub validation: f64,
    /// Stop after this many epochs without a lower loss (of the spots kept out, where there are
    /// any), counted from the end of annealing; 0 never stops early.
    pub patience: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            weight_decay: 1e-5,
            epochs: 200,
            kl_annealing_start: 0,
            kl_annealing_end: 50,
            kl_weight_max: 1.0,
            gradient_clip: 5.0,
            log_interval: 10,
            save_interval: 50,
            validation: 0.1,
            patience: 0,
        }
    }
}

impl TrainConfig {
    /// The weight of the KL divergence in an epoch counted from 0.
    pub fn beta(&self, epoch: u64) -> f64 {
        let (start, end) = (self.kl_annealing_start, self.kl_annealing_end);
        let grown = match epoch {
            e if e >= end => 1.0,
            e if e <= start => 0.0,
            e => (e - start) as f64 / (end - start) as f64,
        };
        self.kl_weight_max * grown
    }

    /// # Errors
    /// An annealing that ends before it starts, a step size of zero or not finite, more than half
    /// of the spots kept out.
    pub fn check(&self) -> Result<()> {
        let refuse = |expected: &str, found: String| {
            Err(Error::new("reading the options of training").expected(expected).found(found))
        };
        if self.kl_annealing_end < self.kl_annealing_start {
            return refuse(
                "kl_annealing_end at or after kl_annealing_start",
                format!("{} and {}", self.kl_annealing_end, self.kl_annealing_start),
            );
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return refuse("a learning_rate above zero", self.learning_rate.to_string());
        }
        if self.validation > 0.5 {
            return refuse("validation from 0 to 0.5", self.validation.to_string());
        }
        Ok(())
    }
}

/// A configuration file: three sections, each key optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub model: GvaeConfig,
    pub training: TrainConfig,
    pub data: DataConfig,
}

impl Config {
    /// Reads a JSON file.
    ///
    /// # Errors
    /// No such file, text that is no JSON (with line and column), unknown keys by name.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = format!("reading the configuration {}", path.display());
        let value = serde_json::from_str(&files::read_text(path)?)
            .map_err(|e| Error::new(&doing).expected("JSON").found(e.to_string()))?;
        let config: Self = options::parse(value, "config").map_err(|e| e.within(doing))?;
        config.training.check()?;
        Ok(config)
    }
}
