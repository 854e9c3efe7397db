//! Sessions: running scripts, the REPL, what is shown in a terminal.
//!
//! Imports `base` and `script`.
