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

/// Does something without gradients. tch's own leaves them off for the thread where libtorch panics.
pub fn no_grad<T>(f: impl FnOnce() -> T) -> T {
    let _off = tch::no_grad_guard();
    f()
}
