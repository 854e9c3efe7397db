//! Cells that use `_`, `Out` or `In`: names that only sessions have, and numbers that are one's own.

use super::history::{Entry, State};
use super::left_out::{is_member, is_named, listed};
use crate::host::cell::Cell;
use crate::script::source::{self, Kind, Token};

/// "[4] and [6] use '_' and 'Out'"; none where no cell uses any of the names.
pub(super) fn users(entries: &[Entry], names: &[&str]) -> Option<String> {
    let kept = || entries.iter().filter(|e| e.state == State::Succeeded);
    let any = |e: &&Entry| names.iter().any(|name| uses(&e.text, name));
    let cells: Vec<String> = kept().filter(any).map(|e| format!("[{}]", e.number)).collect();
    let used = names.iter().filter(|name| kept().any(|e| uses(&e.text, name)));
    let used: Vec<String> = used.map(|name| format!("'{name}'")).collect();
    let verb = if cells.len() == 1 { "uses" } else { "use" };
    (!cells.is_empty()).then(|| format!("{} {verb} {}", listed(&cells), listed(&used)))
}

fn uses(text: &str, name: &str) -> bool {
    if matches!(Cell::parse(text), Cell::Magic { name: "rust" | "file" | "writefile", .. }) {
        return false;
    }
    let tokens = source::scan(text).tokens;
    let mut places = tokens.iter().enumerate().filter(|(_, t)| t.text == name).map(|(i, _)| i);
    places.any(|i| {
        tokens[i].kind == Kind::Word
            && !is_member(&tokens, i)
            && !is_named(&tokens, i)
            && !is_pattern(&tokens, i)
    })
}

/// `|name|`, `for name in`, `for (a, name) in`, `name =>`.
fn is_pattern(tokens: &[Token<'_>], i: usize) -> bool {
    let before = |n: usize| i.checked_sub(n).map_or("", |k| tokens[k].text);
    let behind = |n: usize| tokens.get(i + n).map_or("", |t| t.text);
    matches!(before(1), "|" | "for")
        || matches!(behind(1), "|" | "=>")
        || before(2) == "for"
        || behind(2) == "in"
}
