//! `spatia definitions DIR`: files that let editors know the language.

use std::path::Path;

use super::streams::say;
use super::{Exit, run};
use crate::base::{Result, files};
use crate::script::definitions;

/// What stands in the folder beside the definitions.
const README: &str = "# Spatia for editors

The `*.d.rhai` files are definitions for Rhai's language server, and for its extension for VS Code
(\"Rhai\", by rhaiscript). Made by `spatia definitions DIR`; make them again after an update.

- **VS Code**: install the extension, and put this folder into the workspace. Completion, hover and
  signatures then know `graph::knn`, `ds.select_hvg` and the rest.
- **Other editors** (Helix, Neovim, Emacs): start `rhai lsp stdio` as the language server of `.rhai`.
- Without a server: `.rhai` reads well with Rust's highlighting, and `docs/reference.md` of Spatia has
  all that is in these files.

Three things of Spatia that the server does not know: statements may end with the line, without `;`;
an option map at the end of a call may be left out; and objects have indices (`ds.obs[\"a\"]`), which
definition files have no way to write. Types are called as in the reference (`text`, `map`, `?` for
anything), those of Rhai's own functions as Rhai calls them (`String`). Names of columns and genes are
known only to a session: the REPL and the kernel complete those.
";

/// Writes the definitions into `folder`, each file whole or not at all.
pub fn write(folder: &Path) -> Exit {
    match written(folder) {
        Ok(count) => {
            let folder = folder.display();
            let what = "README.md there says what to do";
            run::print(&format!("{count} files for editors in {folder}; {what}\n"))
        }
        Err(e) => {
            say(&format!("error: {e}"));
            Exit::Failure
        }
    }
}

fn written(folder: &Path) -> Result<usize> {
    files::writable(folder)?;
    let definitions = definitions::files();
    for (name, text) in &definitions {
        files::write(&folder.join(name), text)?;
    }
    files::write(&folder.join("README.md"), README)?;
    Ok(definitions.len() + 1)
}
