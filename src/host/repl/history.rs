//! The history of cells, one file a user, `$XDG_STATE_HOME/spatia/history`, by default under
//! `~/.local/state`. The editor locks the file while it adds to it, so that several REPLs at once
//! keep all their cells. A cell that begins with a space is not kept.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::host::state_folder;
use crate::host::streams::say;
use rustyline::history::FileHistory;
use rustyline::{Editor, Helper};

/// How many cells are kept.
pub const ENTRIES: usize = 10_000;

/// Where the history is kept; nowhere once that has failed.
pub struct File(Option<PathBuf>);

impl File {
    /// Reads the history into the editor.
    pub fn load<H: Helper>(editor: &mut Editor<H, FileHistory>) -> Self {
        let Some(path) = path() else { return Self(None) };
        match begin(&path).map_err(Into::into).and_then(|()| editor.load_history(&path)) {
            Ok(()) => Self(Some(path)),
            Err(e) => {
                say(&format!("The history is not kept: {}: {e}", path.display()));
                Self(None)
            }
        }
    }

    /// Adds a cell, and writes it down at once.
    pub fn keep<H: Helper>(&mut self, editor: &mut Editor<H, FileHistory>, text: &str) {
        editor.add_history_entry(text).ok();
        if let Some(path) = &self.0
            && let Err(e) = editor.append_history(path)
        {
            say(&format!("The history is kept no longer: {}: {e}", path.display()));
            self.0 = None;
        }
    }
}

/// Makes the file where there is none: two editors that both found none would each begin it anew.
fn begin(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => file.write_all(b"#V2\n"),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

fn path() -> Option<PathBuf> {
    Some(state_folder()?.join("history"))
}
