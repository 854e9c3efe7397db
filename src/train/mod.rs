//! The training loop, its optimiser, its schedules and its checkpoints.
//!
//! Imports `base`, `batch`, `data`, `graph`, `models`, `nn`.

mod adam;
pub mod checkpoint;
mod config;
mod fit;
mod folder;
mod kept;
mod lock;
mod model;
mod others;
mod pass;
pub mod record;
mod split;

pub use adam::Adam;
pub use checkpoint::Checkpoint;
pub use config::{Config, TrainConfig};
pub use fit::{Best, Epoch, Fit, Run, Stop, fit};
pub use model::{Extracted, Model, ModelOptions};
