//! What carries sessions: completion, the REPL, the kernel, notebooks, cells of Rust.

mod clients;
mod complete;
mod display;
mod journal;
mod kernel;
mod language;
mod notebook;
mod repl;
mod rust;
mod rust_notebooks;
mod same;
