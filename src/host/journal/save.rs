//! `:save FILE`: the cells of a session as a script or a notebook.

use std::path::Path;

use super::history::{Entry, State};
use super::left_out::left_out;
use super::names::users;
use crate::base::{Error, Result, files};
use crate::host::Session;
use crate::host::cell::Cell;
use crate::host::notebook;

/// Writes the session's cells to a `.rhai` script or an `.ipynb` notebook and says what was
/// written. Cells that failed or were interrupted are in it as comments, and the answer says what
/// is missing without them; so are, in a script, those that are no code of the language (`%%rust`,
/// `:dep`). Cells that use names of sessions are named. Questions and commands are left out. Missing
/// folders are made.
///
/// # Errors
/// Another extension; a file that cannot be written.
pub fn save(session: &Session, path: impl AsRef<Path>) -> Result<String> {
    let entries = session.journal.entries().into_iter();
    let entries: Vec<Entry> =
        entries.filter(|e| e.state != State::Running && e.builds_state()).collect();
    let place = path.as_ref();
    let extension = place.extension().map(|e| e.to_string_lossy().to_lowercase());
    let (text, outside) = match extension.as_deref() {
        Some("rhai") => script(&entries),
        Some("ipynb") => (cells(&entries)?, 0),
        other => {
            return Err(Error::new("saving the session")
                .expected("a file ending in .rhai (a script) or .ipynb (a notebook)")
                .found(match other {
                    _ if place.as_os_str().is_empty() => "no file".into(),
                    Some(other) => format!(".{other}"),
                    None => format!("{}, without an ending", place.display()),
                })
                .advice("As in :save analysis.rhai"));
        }
    };
    let folder = place.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists());
    files::write(place, text)?;
    let of = |state| entries.iter().filter(|e| e.state == state).count();
    let (kept, failed, interrupted) =
        (of(State::Succeeded) - outside, of(State::Failed), of(State::Interrupted));
    let cells = if kept == 1 { "1 cell is".into() } else { format!("{kept} cells are") };
    let mut said = format!("{cells} in {}", place.display());
    let comments =
        [(failed, "failed"), (interrupted, "interrupted"), (outside, "for sessions only")];
    for (n, what) in comments {
        if n > 0 {
            said += &format!(", {n} {what} in comments");
        }
    }
    if let Some(folder) = folder {
        said += &format!("; the folder {} was made", folder.display());
    }
    let missing = left_out(&entries).into_iter().map(|l| format!("\nMissing there: {}.", l.said()));
    let missing: String = missing.collect();
    Ok(format!("{said}.{missing}{}", names(&entries, extension.as_deref() == Some("rhai"))))
}

/// What is said of cells that speak of others by `_`, `Out` or `In`: a script has none of these, and
/// a notebook counts its own cells.
fn names(entries: &[Entry], script: bool) -> String {
    let moved = entries.iter().zip(1..).any(|(e, place)| e.number != place);
    let said = if script {
        let what = "which only sessions have: a script needs names for these values, a notebook (.ipynb) has them too";
        users(entries, &["_", "Out", "In"]).map(|users| format!("\n{users}, {what}."))
    } else {
        let users = users(entries, &["Out", "In"]).filter(|_| moved);
        users.map(|users| format!("\n{users}, and cells have other numbers in the notebook."))
    };
    said.unwrap_or_default()
}

/// The text, and how many of the cells that succeeded are comments in it.
fn script(entries: &[Entry]) -> (String, usize) {
    let mut outside = 0;
    let mut text = format!("//! A session, saved by Spatia {}.\n", env!("CARGO_PKG_VERSION"));
    for entry in entries {
        let (code, why) = match entry.state {
            State::Failed => (commented(&entry.text), " failed"),
            State::Interrupted => (commented(&entry.text), " interrupted"),
            _ => {
                let (code, why) = of_script(&entry.text);
                outside += usize::from(!why.is_empty());
                (code, why)
            }
        };
        text += &format!("\n// [{}]{why}\n{}\n", entry.number, code.trim_end());
    }
    (text, outside)
}

/// A cell's text in a script, and why nothing but a comment stands there.
fn of_script(text: &str) -> (String, &'static str) {
    match Cell::parse(text) {
        Cell::Code(code) => (code.to_owned(), ""),
        Cell::Line { name: "time", rest } => (rest.to_owned(), ""),
        Cell::Magic { name: "time", rest, body } => {
            (format!("{rest}\n{body}").trim().to_owned(), "")
        }
        Cell::Lead { first, rest, .. } => {
            let ((above, why), (below, why_not)) = (of_script(first), of_script(rest));
            let why = if why.is_empty() { why } else { why_not };
            (format!("{}\n{below}", above.trim_end()), why)
        }
        _ => (commented(text), " is for sessions, not for scripts"),
    }
}

fn cells(entries: &[Entry]) -> Result<String> {
    let text = |e: &Entry| match e.state {
        State::Failed => format!("// failed\n{}", commented(&e.text)),
        State::Interrupted => format!("// interrupted\n{}", commented(&e.text)),
        _ => e.text.clone(),
    };
    notebook::of_cells(&entries.iter().map(text).collect::<Vec<_>>())
}

fn commented(text: &str) -> String {
    text.lines().map(|l| format!("// {l}\n")).collect()
}
