//! Synthetic tissue with planted truth.
//!
//! Imports `base`, `data`, `image`.

mod expression;
mod field;
mod layout;
mod morphology;
mod tissue;

pub use tissue::{TissueConfig, tissue};
