//! Colours of the REPL: few, of the sixteen that a terminal's theme defines, so that they can be
//! read on dark and on light. `NO_COLOR` turns them off.

use std::io::IsTerminal;

use crate::host::cell::{self, Cell};
use crate::host::report;
use crate::script::docs::builtin;
use crate::script::source::{self, Kind, Token};

const KEYWORD: &str = "\x1b[35m";
const TEXT: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const QUIET: &str = "\x1b[2m";
const COMMAND: &str = "\x1b[1m";
const END: &str = "\x1b[0m";

/// Whether colours are wanted. The line editor asks this itself before it paints.
fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// The prompt of a cell, without colour and as it is shown.
pub fn prompt(cell: usize) -> (String, String) {
    let plain = format!("[{cell}] > ");
    let shown =
        if wanted() { format!("{QUIET}[{cell}]{END} {COMMAND}> {END}") } else { plain.clone() };
    (plain, shown)
}

/// A hint behind what is typed.
pub fn hint(text: &str) -> String {
    format!("{QUIET}{text}{END}")
}

/// A failure's text, in colours where standard error is a terminal.
pub fn error(text: &str) -> String {
    if !wanted() || !std::io::stderr().is_terminal() {
        return text.to_owned();
    }
    report::coloured(text)
}

/// A cell with its keywords, texts, numbers and comments in colour.
pub fn highlight(text: &str) -> String {
    match Cell::parse(text) {
        Cell::Code(_) => code(text),
        // Bodies of magics are no code of the language.
        Cell::Magic { .. } => command(text, str::to_owned),
        _ => command(text, code),
    }
}

/// The first word below comments stands out.
fn command(text: &str, rest: impl Fn(&str) -> String) -> String {
    let start = text.len() - cell::below_comments(text).len();
    let end = text[start..].find(char::is_whitespace).map_or(text.len(), |n| start + n);
    format!("{}{COMMAND}{}{END}{}", code(&text[..start]), &text[start..end], rest(&text[end..]))
}

fn code(text: &str) -> String {
    let scanned = source::scan(text);
    let tokens = scanned.tokens.iter().filter_map(|t| Some((t.start()..t.end, colour_of(t)?)));
    let comments = scanned.comments.iter().map(|range| (range.clone(), QUIET));
    let mut pieces: Vec<_> = tokens.chain(comments).collect();
    pieces.sort_by_key(|(range, _)| range.start);
    let (mut out, mut at) = (String::with_capacity(text.len() * 2), 0);
    for (range, colour) in pieces {
        if range.start < at {
            continue;
        }
        out += &text[at..range.start];
        out += colour;
        out += &text[range.clone()];
        out += END;
        at = range.end;
    }
    out + &text[at..]
}

fn colour_of(token: &Token<'_>) -> Option<&'static str> {
    match token.kind {
        Kind::Word if builtin::KEYWORDS.iter().any(|(w, _)| *w == token.text) => Some(KEYWORD),
        // The last piece of an interpolated text may begin with a digit too.
        Kind::Literal if token.text.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(if token.text.ends_with('`') { TEXT } else { NUMBER })
        }
        Kind::Literal | Kind::TextStart => Some(TEXT),
        _ => None,
    }
}
