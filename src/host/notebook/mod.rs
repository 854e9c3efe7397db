//! `spatia notebook run FILE.ipynb [--name value]`: a notebook executed in place, without Jupyter.
//!
//! It runs in the notebook's folder, as under Jupyter, and keeps what nbclient would keep: tags
//! `raises-exception` and `skip-execution`, displays that are renewed, cleared outputs. Unlike
//! nbclient it makes neighbouring pieces of a stream one output, with its `\r` and backspaces done: a
//! progress bar is one line of the file, not a thousand. (nbclient's `coalesce_streams` does that, too,
//! but takes what stands between two pieces out of its order.)

mod file;
mod options;
mod output;
mod page;
mod parameters;
mod progress;
mod runner;

use std::path::Path;
use std::sync::Arc;

pub use options::Options;

use super::run::{self, parameter_lines};
use super::streams::say;
use super::{Exit, Session, signals};
use crate::base::{Error, Result, files};
use file::Notebook;
use page::Page;
use parameters::Parameters;
use runner::Runner;

/// The code cells of a notebook, for sessions that run them.
///
/// # Errors
/// What is no notebook of ours.
pub fn code(path: &Path, text: &str) -> Result<Vec<String>> {
    let notebook = Notebook::parse(path, text)?;
    Ok((0..notebook.len()).filter_map(|i| notebook.code(i)).collect())
}

/// The text of a notebook of code cells.
///
/// # Errors
/// None that a text could cause.
pub fn of_cells(texts: &[String]) -> Result<String> {
    Notebook::of_cells(texts).text()
}

/// Runs the cells and writes the notebook with what they gave.
pub fn run(mut options: Options) -> Exit {
    let file = options.file();
    let mut notebook = match Notebook::read(&file) {
        Ok(notebook) => notebook,
        Err(e) => return refuse(&e, Exit::Failure),
    };
    let page = Arc::new(Page::new(notebook.len() + 1));
    let mut session = Session::new(page.clone());
    let parameters = Parameters::of(&notebook, &session);
    if options.call.iter().skip(1).any(|a| a == "--help" || a == "-h") {
        signals::end_with_closed_pipes();
        return run::print(&help(&file, &parameters));
    }
    let asked = options.take(&parameters);
    let applied = asked.and_then(|rest| {
        note_paths(&file, &rest);
        let values = parameters.apply(&mut notebook, &rest)?;
        Ok((parameters.given(&values, &rest), values))
    });
    let given = match applied {
        Ok((given, values)) => {
            session.give(values);
            given
        }
        Err(e) => {
            let exit = refuse(&e, Exit::Usage);
            parameters.unread.iter().for_each(|text| say(&format!("note: not looked at: {text}")));
            say(&format!("See: spatia notebook run {} --help", file.display()));
            return exit;
        }
    };
    notebook.sign();
    let out = place(&file, options.output.as_deref());
    match out.and_then(|out| Runner::new(notebook, session, page, out, given, &options)) {
        // From the first cell to the last: between them the notebook is written.
        Ok(runner) => signals::while_running(|| runner.run()),
        Err(e) => refuse(&e, Exit::Failure),
    }
}

/// The file that is to be written, found to be writable now and not after hours; then goes where
/// the notebook lies.
fn place(file: &Path, output: Option<&Path>) -> Result<std::path::PathBuf> {
    let doing = |what: &str| format!("{what} {}", file.display());
    let full = std::path::absolute(output.unwrap_or(file));
    let full = full.map_err(|e| Error::io(doing("finding"), e))?;
    files::write(&full, files::read_text(file)?)?;
    let folder = std::path::absolute(file).map_err(|e| Error::io(doing("finding"), e))?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    std::env::set_current_dir(folder).map_err(|e| Error::io(doing("going to the folder of"), e))?;
    Ok(full)
}

/// Paths are read in the notebook's folder; a shell completes them in its own.
fn note_paths(file: &Path, arguments: &[String]) {
    let folder = file.parent().unwrap_or(Path::new(""));
    for argument in arguments {
        let path = argument.split_once('=').map_or(argument.as_str(), |(_, value)| value);
        if path.contains('/') && Path::new(path).exists() && !folder.join(path).exists() {
            say(&format!(
                "note: {path} is there from here, but not from {}, where the notebook runs",
                folder.display()
            ));
        }
    }
}

fn refuse(e: &Error, exit: Exit) -> Exit {
    say(&format!("error: {e}"));
    exit
}

fn help(file: &Path, parameters: &Parameters) -> String {
    let mut out = format!(
        "Usage: spatia notebook run {} [--name value ...] [options]

The notebook runs in its own folder: relative paths start there. Without parameters it has those
of its last run.

Options:
  -o, --output OUT.ipynb  write the executed notebook there, not in place
  --allow-errors          go on behind cells that fail
  --pictures              keep figures as pictures, without their interactive form
  --timeout SECONDS       stop a cell that takes longer
",
        file.display()
    );
    out += &parameter_lines(&parameters.signature);
    out
}
