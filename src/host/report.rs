//! A failure for people: what, where, the line with a caret, and the calls it happened in.

use std::fmt::Write;

use super::Session;
use crate::script::{Failure, Place};

/// The text of a failure, its source lines taken from the session.
pub fn render(failure: &Failure, session: &Session) -> String {
    let mut out = format!("error: {}", failure.message);
    locate(&mut out, &failure.place, session);
    for (call, place) in &failure.calls {
        write!(out, "\nin {call}").ok();
        locate(&mut out, place, session);
    }
    out
}

fn locate(out: &mut String, place: &Place, session: &Session) {
    if place.line == 0 {
        return;
    }
    write!(out, "\n --> {}:{}:{}", place.source, place.line, place.column.max(1)).ok();
    let Some(text) = session.source(&place.source) else { return };
    let Some(line) = text.lines().nth(place.line - 1) else { return };
    // A tab before the caret stays a tab, so that the caret stands under its column.
    let indent: String = line
        .chars()
        .take(place.column.saturating_sub(1))
        .map(|c| if c == '\t' { c } else { ' ' })
        .collect();
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    write!(out, "\n{margin} |\n{number} | {line}\n{margin} | {indent}^").ok();
}
