//! Sessions, and what carries them: scripts, the REPL, notebooks, the Jupyter kernel.
//!
//! Imports `base` and `script`.

mod calls;
mod capture;
pub mod cell;
mod commands;
pub mod complete;
pub mod console;
mod cursor;
pub mod definitions;
pub mod flow;
pub mod info;
pub mod inspect;
pub mod journal;
pub mod kernel;
pub mod live;
pub mod notebook;
mod picture;
pub mod repl;
pub mod report;
pub mod run;
pub mod rust;
pub mod session;
pub mod signals;
mod streams;
pub mod terminal;
mod tty;

use std::path::PathBuf;

pub use session::{Outcome, Session};

/// The reference of the language, as `docs/reference.md` holds it.
pub fn reference() -> String {
    let rows = commands::spelled().map(|(name, c)| {
        let call = format!("{name} {}", c.arguments);
        format!("| `{}` | {} |\n", call.trim().replace('|', "\\|"), c.summary)
    });
    let commands: String = rows.collect();
    format!(
        "{}\n## Commands and magics\n\nOf the REPL, of notebooks and of the kernel. `?name` and `name?` say \
         what something is, `??name` all of it.\n\n| | |\n|---|---|\n{commands}",
        crate::script::docs::reference()
    )
}

/// `$XDG_STATE_HOME/spatia`, by default under `~/.local/state`: histories and journals. None where
/// it cannot be made.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = path("XDG_STATE_HOME").or_else(|| Some(path("HOME")?.join(".local/state")))?;
    let folder = state.join("spatia");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder)
}

/// A path as people type it behind a command: quotes around it, `~` at its front.
pub(crate) fn typed(path: &str) -> PathBuf {
    let path = path.trim();
    let quoted = ['"', '\''].iter().find_map(|q| path.strip_prefix(*q)?.strip_suffix(*q));
    expanded(quoted.unwrap_or(path))
}

/// A path with the home folder for `~` at its front.
pub(crate) fn expanded(path: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let expanded = match path.strip_prefix('~') {
        Some("") => home(),
        Some(rest) => rest.strip_prefix('/').and_then(|rest| Some(home()?.join(rest))),
        None => None,
    };
    expanded.unwrap_or_else(|| PathBuf::from(path))
}

/// What a process says with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The work failed.
    Failure,
    /// The command line is wrong; nothing ran.
    Usage,
    /// The user stopped it, or a signal did: 128 and the signal's number.
    Interrupted,
    /// The script chose it.
    Asked(u8),
}

impl Exit {
    pub fn code(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Interrupted => signals::code(),
            Self::Asked(code) => code.into(),
        }
    }
}
