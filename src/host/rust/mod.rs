//! Cells of Rust (`%%rust`), through the `evcxr` crate in a helper process.
//!
//! ```text
//! session --JSON lines--> helper (evcxr: rustc, cargo) --evcxr's pipe--> runtime (the code)
//! ```
//!
//! All three are this program: [`hook`], which `main` calls first, tells which one it is. The
//! session survives whatever happens to the others.

#[cfg(not(feature = "rust-cells"))]
mod absent;
#[cfg(feature = "rust-cells")]
mod cells;
pub mod content;
#[cfg(feature = "rust-cells")]
mod displays;
#[cfg(feature = "rust-cells")]
mod exchange;
#[cfg(feature = "rust-cells")]
mod faults;
#[cfg(feature = "rust-cells")]
mod helper;
#[cfg(feature = "rust-cells")]
mod process;
#[cfg(feature = "rust-cells")]
mod processes;
#[cfg(feature = "rust-cells")]
mod protocol;
#[cfg(feature = "rust-cells")]
mod runtime;

#[cfg(not(feature = "rust-cells"))]
pub use absent::{Cells, hook, use_program};
#[cfg(feature = "rust-cells")]
pub use cells::{Cells, hook, use_program};

/// The argument that makes this program a helper.
#[cfg(feature = "rust-cells")]
const HELPER: &str = "rust-helper";

/// The variable of the environment that tells a runtime whose child it is: what evcxr tells it, every
/// program that its code starts is told too, and some of them are Spatia.
#[cfg(feature = "rust-cells")]
const RUNTIME_OF: &str = "SPATIA_RUNTIME_OF";
