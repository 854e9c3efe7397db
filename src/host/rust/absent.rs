//! Stands for the cells of Rust where Spatia was built without them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::Error;
use crate::host::commands::Call;
use crate::script::{Bundle, Console, Failure, Interpreter};

/// Nothing to do: this program is no helper.
pub fn hook() {}

/// Nothing to do.
pub fn use_program(_program: PathBuf) {}

/// The Rust side of a session, which there is not.
#[derive(Default)]
pub struct Cells {}

impl Cells {
    /// # Errors
    /// Always.
    pub fn run(
        &mut self,
        _interpreter: &mut Interpreter,
        _console: &dyn Console,
        _name: &str,
        _call: &Call<'_>,
    ) -> Result<Option<Bundle>, Failure> {
        Err(absent("running a cell of Rust"))
    }

    /// Nothing to do.
    pub fn restart(&mut self) {}

    /// Never.
    pub fn runs(&mut self) -> bool {
        false
    }

    /// None.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        &NONE
    }

    /// # Errors
    /// Always.
    pub fn command(
        &mut self,
        _console: &dyn Console,
        name: &str,
        _rest: &str,
    ) -> Result<Option<Bundle>, Failure> {
        Err(absent(&format!("running :{name}")))
    }
}

fn absent(doing: &str) -> Failure {
    Error::new(doing)
        .expected("a Spatia built with cells of Rust")
        .found("one built without")
        .advice("Build it with `cargo build --release --features rust-cells`")
        .into()
}
