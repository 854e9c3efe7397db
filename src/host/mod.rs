//! Sessions: running scripts, the REPL, what is shown in a terminal.
//!
//! Imports `base` and `script`.

pub mod info;
pub mod repl;
pub mod report;
pub mod run;
pub mod session;
pub mod signals;
pub mod terminal;

pub use session::{Outcome, Session};

/// The reference of the language, as `docs/reference.md` holds it.
pub fn reference() -> String {
    crate::script::docs::reference()
}

/// What a process says with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The work failed.
    Failure,
    /// The command line is wrong; nothing ran.
    Usage,
    /// The user stopped it.
    Interrupted,
}

impl Exit {
    pub fn code(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
        }
    }
}
