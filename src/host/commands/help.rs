//! `:help` and `:doc`.

use super::table::plain;
use super::{Call, Command, Said, Session, Sort, spelled};
use crate::host::info;
use crate::script::Failure;

const FIRST_STEPS: &str = "\
let ds = data::read(\"sample/\")   a Visium folder, .h5ad, 10x .h5, Xenium, ...
ds                               a value at the end of a cell is shown
?data::read   ??data::read       what it is; all that is written about it
Tab completes, Ctrl-R searches the history, Ctrl-C interrupts a cell and keeps its variables";

pub fn help(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let name = call.rest.trim_matches(['?', ' ']);
    if name.is_empty() {
        return Ok(Said::text(overview()));
    }
    match of(name).or_else(|| of(&format!(":{name}"))).or_else(|| of(&format!("%{name}"))) {
        Some(text) => Ok(Said::text(text)),
        None => Ok(session.question(name, true)),
    }
}

pub fn doc(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    if call.rest.is_empty() {
        return Ok(Said::text(overview()));
    }
    Ok(session.question(call.rest, true))
}

/// What a command or magic is, by its name with the `:` or `%` in front.
pub fn of(name: &str) -> Option<String> {
    let (written, command) = spelled().find(|(written, _)| written == name)?;
    let call = format!("{written} {}", command.arguments);
    Some(format!("{}\n{}", call.trim_end(), command.summary))
}

/// All there is.
pub fn overview() -> String {
    let row = |sort: Sort, c: &Command| {
        [format!("  {}{} {}", sort.sigil(), c.name, c.arguments), c.summary.to_owned()]
    };
    let part = |sort: Sort, head: &str| {
        let rows: Vec<_> = sort.table().iter().map(|c| row(sort, c)).collect();
        plain([head, ""], &[], &rows)
    };
    [
        format!("Spatia {}", info::version()),
        FIRST_STEPS.to_owned(),
        part(Sort::Command, "Commands"),
        part(Sort::Line, "Magics, one line"),
        part(Sort::Cell, "Magics, a whole cell; an empty line ends it"),
    ]
    .join("\n\n")
}
