//! `:restore`: runs the cells of a session again that has crashed, or those of a file.

use std::path::Path;

use super::history::{Entry, Event, History, State};
use super::{Crashed, file, now};
use crate::base::{Error, Kind, files};
use crate::host::Session;
use crate::host::notebook;
use crate::script::{Failure, Output};

/// What came of it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// For people: how many cells ran, which did not and why, where training can go on.
    pub text: String,
    /// The cell in which the session died; not run, to be put before the user for editing.
    pub edit: Option<String>,
}

/// Runs cells again: those of the last session that crashed (`which` is empty), the same up to the
/// cell of a number, or those of a file (a journal, a script or a notebook, as `:save` writes
/// them). Each is announced on the session's console. Only cells that succeeded run, never the one
/// in which the session died.
///
/// # Errors
/// There is no such session or file; a cell fails now, and those behind it have not run.
pub fn restore(session: &mut Session, which: &str) -> Result<Restored, Failure> {
    let which = which.trim();
    let number = which.parse::<usize>().ok();
    if !which.is_empty() && number.is_none() {
        let entries = of_file(Path::new(which))?;
        let ran = replay(session, &entries, usize::MAX)?;
        return Ok(Restored {
            text: format!("{} of {which} ran.", cells_in_words(ran)),
            edit: None,
        });
    }
    let crashed = session.journal.crashed().ok_or_else(|| {
        Error::new("looking for a session to restore")
            .kind(Kind::Missing)
            .expected("the journal of a session that has crashed")
            .found("none")
            .advice("Name a file that :save has written, as in :restore analysis.rhai")
    })?;
    let ran = replay(session, crashed.entries(), number.unwrap_or(usize::MAX))?;
    file::append(&crashed.path, &Event::Restored { time: now() });
    Ok(Restored { text: summary(&crashed, ran), edit: crashed.running().map(|e| e.text.clone()) })
}

/// The cells that bring a session's state back.
pub(super) fn cells(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|e| e.state == State::Succeeded && e.builds_state())
}

/// Returns how many cells ran.
fn replay(session: &mut Session, entries: &[Entry], last: usize) -> Result<usize, Failure> {
    let chosen: Vec<&Entry> = cells(entries).filter(|e| e.number <= last).collect();
    for (i, entry) in chosen.iter().enumerate() {
        let said = format!("[{}] {}\n", entry.number, entry.glimpse());
        session.console.output(Output::Stdout(said));
        if let Err(failure) = session.cell(&entry.text).outcome {
            let left = chosen.len() - i;
            let said = format!("Stopped: {} did not run.\n", cells_in_words(left));
            session.console.output(Output::Stderr(said));
            return Err(failure);
        }
    }
    Ok(chosen.len())
}

fn summary(crashed: &Crashed, ran: usize) -> String {
    let mut text = format!("{} ran again.", cells_in_words(ran));
    if let Some(cell) = crashed.running() {
        let body: String = cell.text.lines().map(|l| format!("\n    {l}")).collect();
        text += &format!(" The session died in cell [{}], which did not:\n{body}\n", cell.number);
    }
    if let Some(path) = crashed.checkpoint() {
        text += &format!(
            "\nIts training had saved a checkpoint. To go on from it, give train::fit the option\n\n    resume: {path:?}\n"
        );
    }
    text
}

fn cells_in_words(n: usize) -> String {
    if n == 1 { "1 cell".into() } else { format!("{n} cells") }
}

/// The cells of a journal, a notebook or a script (which is one cell).
fn of_file(path: &Path) -> Result<Vec<Entry>, Failure> {
    let text = files::read_text(path)?;
    let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    let texts = match extension.as_str() {
        "jsonl" => return Ok(History::read(&text).entries),
        "ipynb" => notebook::code(path, &text)?,
        _ => vec![text],
    };
    let entry =
        |(i, text)| Entry { number: i + 1, text, state: State::Succeeded, checkpoints: Vec::new() };
    Ok(texts.into_iter().enumerate().map(entry).collect())
}
