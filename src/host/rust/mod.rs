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

/// The commands that are evcxr's and not the session's own.
pub const COMMANDS: [&str; 22] = [
    "allow_static_linking",
    "build_env",
    "cache",
    "clear_cache",
    "codegen_backend",
    "dep",
    "efmt",
    "env",
    "explain",
    "fmt",
    "internal_debug",
    "last_compile_dir",
    "last_error_json",
    "linker",
    "load_config",
    "offline",
    "opt",
    "preserve_vars_on_panic",
    "sccache",
    "show_deps",
    "time_passes",
    "toolchain",
];
