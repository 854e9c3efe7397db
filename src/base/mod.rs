//! What every layer stands on: errors, options, devices, seeds, interrupts, progress, memory, files.
//!
//! Imports nothing of ours. Nothing here prints: messages go to the sink that the host installs.

pub mod device;
pub mod error;
pub mod files;
pub mod interrupt;
pub mod memory;
pub mod nearest;
pub mod options;
pub mod progress;
pub mod seed;

pub use error::{Error, Kind, Result};
