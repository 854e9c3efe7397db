//! What rustc says of a cell, as text: each message with its lines, and what is wrong underlined.

use std::fmt::Write;

use super::protocol::{Fault, Label};

/// The messages, one below the other. `code` is what was compiled; its first line is line
/// `first` of the cell called `name`.
pub fn render(faults: &[Fault], name: &str, code: &str, first: usize) -> String {
    let mut out = String::new();
    for (i, fault) in faults.iter().enumerate() {
        let kind = fault.code.as_ref().map(|c| format!(" [{c}]")).unwrap_or_default();
        write!(out, "{}{}{kind}", if i > 0 { "\n\nerror: " } else { "" }, fault.message).ok();
        locate(&mut out, &fault.labels, name, code, first);
        for help in &fault.help {
            write!(out, "\nhelp: {}", help.trim()).ok();
        }
    }
    out
}

fn primary(labels: &[Label]) -> Option<&Label> {
    labels.iter().find(|l| l.primary).or_else(|| labels.first())
}

fn locate(out: &mut String, labels: &[Label], name: &str, code: &str, first: usize) {
    let Some(main) = primary(labels) else { return };
    write!(out, "\n --> {name}:{}:{}", main.line + first - 1, main.column).ok();
    let mut lines: Vec<usize> = labels.iter().map(|l| l.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let width = lines.last().map_or(1, |l| (l + first - 1).to_string().len());
    let margin = " ".repeat(width);
    write!(out, "\n{margin} |").ok();
    for number in lines {
        let Some(line) = code.lines().nth(number - 1) else { continue };
        write!(out, "\n{:width$} | {line}", number + first - 1).ok();
        let mut here: Vec<&Label> = labels.iter().filter(|l| l.line == number).collect();
        here.sort_by_key(|l| !l.primary);
        for label in here {
            // A tab before the mark stays one, so that it stands under its place.
            let before = line.chars().take(label.column.saturating_sub(1));
            let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
            let end = if label.end_line == label.line {
                label.end_column
            } else {
                line.chars().count() + 1
            };
            let mark = if label.primary { "^" } else { "-" };
            let under = mark.repeat(end.saturating_sub(label.column).max(1));
            write!(out, "\n{margin} | {indent}{under} {}", label.text).ok();
            out.truncate(out.trim_end().len());
        }
    }
}
