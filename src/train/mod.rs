//! The training loop, its schedules and checkpoints.
//!
//! Imports `base`, `batch`, `models`, `nn`.
