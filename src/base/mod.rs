//! What every layer stands on: errors, options, devices, seeds, interrupts, progress, memory, files.
//!
//! Imports nothing of ours. Nothing here prints: messages go to the sink that the host installs.

#[cfg(feature = "full")]
pub mod device;
pub mod error;
pub mod evcxr;
pub mod files;
pub mod interrupt;
pub mod memory;
pub mod nearest;
pub mod options;
pub mod progress;
pub mod saved;
#[cfg(feature = "full")]
pub mod seed;
pub mod text;

pub use error::{Error, Kind, Result};

/// The sum of some numbers, 0 for none: `Iterator::sum` makes -0 of nothing.
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, v| sum + v)
}
