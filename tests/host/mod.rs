//! What carries sessions: completion, the REPL, the kernel, notebooks, cells of Rust.

mod clients;
mod commands;
mod complete;
mod display;
mod errors;
mod inspect;
mod journal;
mod kernel;
mod language;
mod live;
mod notebook;
mod repl;
mod rust;
mod rust_notebooks;
mod same;
