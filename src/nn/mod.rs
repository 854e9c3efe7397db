//! Blocks of networks over tensors: variables by name, linear blocks, graph attention,
//! likelihoods, divergences.
//!
//! Imports `base` only; never a dataset. Shapes stand as trailing comments.

pub mod block;
pub mod gat;
pub mod kl;
mod vars;
pub mod zinb;

pub use vars::{Scope, Vars};
