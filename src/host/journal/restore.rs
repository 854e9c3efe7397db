//! `:restore`: runs the cells of a session again that has crashed, or those of a file. Those that
//! were interrupted are left out, which is said where they stood and at the end.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::history::{Entry, State};
use super::left_out::{LeftOut, left_out};
use super::names::users;
use super::{Crashed, Journal};
use crate::base::{Error, Kind, files};
use crate::host::Session;
use crate::host::cell::Cell;
use crate::host::{commands, notebook, typed};
use crate::script::{Failure, Output};

/// What came of it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// For people: how many cells ran, which did not and why, where training can go on.
    pub text: String,
    /// The cell in which the session died, or the last that was interrupted and not run again
    /// later; not run, to be put before the user for editing.
    pub edit: Option<String>,
}

/// Runs cells again: those of the last session of this folder that crashed (`which` is empty), the
/// same up to the cell of a number (`3`) or from one on (`4..`), or those of a file (a journal, a
/// script or a notebook, as `:save` writes them). Whose they are is said first, and each is announced
/// on the session's console. Only cells that succeeded run, never the one in which the session died,
/// and nothing writes over a file that is there (`%%file`): it may have been changed since. The
/// session keeps what it holds (`:clear` above other lines is passed over).
///
/// # Errors
/// There is no such session or file; a cell fails now, and those behind it have not run.
pub fn restore(session: &mut Session, which: &str) -> Result<Restored, Failure> {
    let which = which.trim();
    let number = |text: &str| text.parse::<usize>().ok();
    let numbers = match which.strip_suffix("..") {
        _ if which.is_empty() => Some(0..=usize::MAX),
        Some(first) => number(first).map(|first| first..=usize::MAX),
        None => number(which).map(|last| 0..=last),
    };
    let path = typed(which);
    let (crashed, numbers) = match numbers {
        Some(numbers) => {
            (session.journal.crashed().ok_or_else(|| none(&session.journal))?, numbers)
        }
        None if path.extension().is_some_and(|e| e == "jsonl") => {
            (Crashed::read(&path)?, 0..=usize::MAX)
        }
        None => {
            let (ran, _) = replay(session, &of_file(&path)?, &(0..=usize::MAX))?;
            let text = format!("{} of {which} ran.", cells_in_words(ran));
            return Ok(Restored { text, edit: None });
        }
    };
    session.console.output(Output::Stdout(format!("Cells of the {}:\n", crashed.name())));
    let (ran, out) = replay(session, crashed.entries(), &numbers)?;
    if ran > 0 {
        crashed.was_restored();
    }
    let again = |e: &Entry| crashed.entries().iter().any(|c| c.is_kept() && c.text == e.text);
    let interrupted = |l: &&LeftOut| l.entry.state == State::Interrupted && !again(&l.entry);
    let stopped = out.iter().rev().find(interrupted).map(|l| &l.entry);
    let edit = crashed.running().or(stopped).map(|e| e.text.clone());
    let mut text = summary(&crashed, ran, &out);
    if let Some(users) = users(crashed.entries(), &["Out", "In"]) {
        text += &format!("\n{users}, and cells have other numbers in this session.");
    }
    if edit.is_some() {
        text += "\nIt stands in the next cell: run it, change it or clear it.";
    }
    Ok(Restored { text, edit })
}

/// There is no session to restore, or only those of other folders, whose cells may be about
/// something else.
fn none(journal: &Journal) -> Error {
    const MOST: usize = 5;
    let elsewhere = journal.all_crashed();
    let e = Error::new("looking for a session to restore").kind(Kind::Missing);
    if elsewhere.is_empty() {
        return e
            .expected("the journal of a session that has crashed")
            .found("none")
            .advice("Name a file that :save has written, as in :restore analysis.rhai");
    }
    let row = |c: &Crashed| {
        format!("\n{} of the {}:\n  :restore {}", c.cells(), c.name(), c.path.display())
    };
    let rows: String = elsewhere.iter().take(MOST).map(row).collect();
    e.expected("one that began in this folder and has crashed")
        .found("sessions of other folders only")
        .advice(format!("To run one, name its journal:{rows}"))
}

/// How many cells a restore would run here and now.
pub(super) fn runs(entries: &[Entry]) -> usize {
    let mut folder = std::env::current_dir().unwrap_or_default();
    let mut runs = 0;
    for Entry { text, .. } in entries.iter().filter(|e| e.is_kept()) {
        runs += usize::from(!commands::written(text, &folder).is_some_and(|f| f.exists()));
        folder = commands::gone_to(text, folder);
    }
    runs
}

/// Returns how many cells ran, and those that were left out.
fn replay(
    session: &mut Session,
    entries: &[Entry],
    numbers: &RangeInclusive<usize>,
) -> Result<(usize, Vec<LeftOut>), Failure> {
    let mut out = left_out(entries);
    out.retain(|l| numbers.contains(&l.entry.number));
    let is_out = |e: &Entry| out.iter().any(|l| l.entry == *e);
    let within = |e: &&Entry| numbers.contains(&e.number) && (e.is_kept() || is_out(e));
    let chosen = entries.iter().filter(within);
    let mut left = chosen.clone().filter(|e| e.is_kept()).count();
    let (mut ran, mut wrote) = (0, Vec::<PathBuf>::new());
    for entry in chosen {
        let Entry { number, text, .. } = entry;
        let here = std::env::current_dir().unwrap_or_default();
        let file = commands::written(text, &here).filter(|_| entry.is_kept());
        let there = file.as_ref().is_some_and(|f| f.exists() && !wrote.contains(f));
        let what = match (is_out(entry), there) {
            (true, _) => "  (left out)",
            (_, true) => "  (left out: the file is there)",
            _ => "",
        };
        let said = format!("[{number}] {}{what}\n", entry.glimpse());
        session.console.output(Output::Stdout(said));
        if is_out(entry) {
            session.leave_out(entry);
            continue;
        }
        left -= 1;
        if there {
            continue;
        }
        wrote.extend(file);
        if let Err(failure) = session.cell(behind_restart(text)).outcome {
            // What it was to forget was made by a cell that is left out.
            if matches!(Cell::parse(text), Cell::Command { name: "free", .. }) {
                ran += 1;
                continue;
            }
            let left = cells_in_words(left + 1);
            let said = format!(
                "Stopped: {left} did not run. Those before it have; :restore {}.. runs those behind it.\n",
                number + 1
            );
            session.console.output(Output::Stderr(said));
            return Err(failure);
        }
        ran += 1;
    }
    Ok((ran, out))
}

/// What a cell did after it had forgotten what others made.
fn behind_restart(text: &str) -> &str {
    match Cell::parse(text) {
        Cell::Lead { first, rest, .. } => match Cell::parse(first) {
            Cell::Command { name: "clear", .. } | Cell::Command { name: "restart", rest: "" } => {
                behind_restart(rest)
            }
            _ => text,
        },
        _ => text,
    }
}

/// What was left out, a sentence each, and how to go on from its checkpoint.
fn without(out: &[LeftOut]) -> String {
    let said = |l: &LeftOut| {
        let checkpoint = l.entry.checkpoint().map(resume).unwrap_or_default();
        format!("\nLeft out: {}. What it had done by then is missing.{checkpoint}", l.said())
    };
    out.iter().map(said).collect()
}

fn resume(checkpoint: &str) -> String {
    format!(
        "\nIts training had saved a checkpoint. To go on from it, give train::fit the option\n\n    resume: {checkpoint:?}\n"
    )
}

fn summary(crashed: &Crashed, ran: usize, out: &[LeftOut]) -> String {
    let mut text = format!("{} ran again.{}", cells_in_words(ran), without(out));
    if let Some(cell) = crashed.running() {
        let body: String = cell.text.lines().map(|l| format!("\n    {l}")).collect();
        let gap = if out.is_empty() { ' ' } else { '\n' };
        text +=
            &format!("{gap}The session died in cell [{}], which did not:\n{body}\n", cell.number);
    }
    text += &crashed.checkpoint().map(resume).unwrap_or_default();
    text
}

fn cells_in_words(n: usize) -> String {
    if n == 1 { "1 cell".into() } else { format!("{n} cells") }
}

/// The cells of a notebook or a script (which is one cell).
fn of_file(path: &Path) -> Result<Vec<Entry>, Failure> {
    let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    let texts = match extension.as_str() {
        "ipynb" => notebook::code(path, &files::read_text(path)?)?,
        _ => vec![files::read_text(path)?],
    };
    let entry =
        |(i, text)| Entry { number: i + 1, text, state: State::Succeeded, checkpoints: Vec::new() };
    Ok(texts.into_iter().enumerate().map(entry).collect())
}
