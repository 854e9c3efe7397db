//! What a cell is: code of the language, a question (`?x`), a command (`:vars`), a magic
//! (`%time`, `%%rust`). The only place that knows one from the other.

use crate::script::source::{self, Completeness};

/// A cell's text, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    Code(&'a str),
    /// `?x`, `??x`, `x?`: the name and whether all of its documentation is wanted.
    Question {
        name: &'a str,
        whole: bool,
    },
    /// `:dep serde`: the word behind the colon and the rest of the line.
    Command {
        name: &'a str,
        rest: &'a str,
    },
    /// `%time f(x)`: to the end of the line, or of the cell while a bracket is open.
    Line {
        name: &'a str,
        rest: &'a str,
    },
    /// `%%rust -o x` and the lines behind it.
    Magic {
        name: &'a str,
        rest: &'a str,
        body: &'a str,
    },
    /// A question, a command or a line magic with more of the cell behind it, as `:dep` stands
    /// above the code that wants it; comments above it are part of `first`. `above` counts the lines
    /// that `rest` does not have.
    Lead {
        first: &'a str,
        above: usize,
        rest: &'a str,
    },
}

impl<'a> Cell<'a> {
    /// Never fails: what is nothing else is code, whose errors name their place.
    pub fn parse(text: &'a str) -> Self {
        let trimmed = below_comments(text).trim();
        let (first, body) = trimmed.split_once('\n').unwrap_or((trimmed, ""));
        if let Some(magic) = first.strip_prefix("%%") {
            let (name, rest) = word(magic);
            return Self::Magic { name, rest, body };
        }
        if let Some(line) = trimmed.strip_prefix('%') {
            let (name, rest) = word(line);
            if !waits(first) || body.is_empty() {
                return Self::alone_or_leading(text, first, body, |line| {
                    let (name, rest) = word(&line[1..]);
                    Self::Line { name, rest }
                });
            }
            return Self::Line { name, rest };
        }
        if trimmed.starts_with(':') {
            return Self::alone_or_leading(text, first, body, |line| {
                let (name, rest) = word(&line[1..]);
                Self::Command { name, rest }
            });
        }
        if trimmed.starts_with('?') {
            return Self::alone_or_leading(text, first, body, |line| {
                let name = line.trim_start_matches('?').trim();
                Self::Question { name, whole: line.starts_with("??") }
            });
        }
        match trimmed.strip_suffix('?') {
            Some(name) if is_name(name.trim_end_matches('?')) => {
                Self::Question { name: name.trim_end_matches('?'), whole: name.ends_with('?') }
            }
            _ => Self::Code(text),
        }
    }

    fn alone_or_leading(
        text: &'a str,
        first: &'a str,
        body: &'a str,
        alone: impl Fn(&'a str) -> Self,
    ) -> Self {
        if body.trim().is_empty() {
            return alone(first.trim_end());
        }
        let above = &text[..text.trim_end().len() - body.len()];
        let first = above.trim();
        Self::Lead { first, above: above.matches('\n').count(), rest: body }
    }
}

/// A text from its first line on that is neither empty nor a comment, as evcxr looks for commands.
pub fn below_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with("//") {
        rest = rest.split_once('\n').map_or("", |(_, below)| below.trim_start());
    }
    rest
}

/// How many lines of a cell stand above what it is, which messages count.
pub fn lines_above(text: &str) -> usize {
    text[..text.len() - below_comments(text).len()].matches('\n').count()
}

/// Whether a text can be run, or waits for more lines: an open bracket or string, a line that asks
/// for more. A `%%` magic ends with an empty line, because its body may be anything.
pub fn is_complete(text: &str) -> bool {
    match Cell::parse(text) {
        Cell::Code(code) => !waits(code),
        Cell::Line { rest, .. } => !waits(rest),
        Cell::Magic { .. } => {
            text.rsplit_once('\n').is_some_and(|(_, last)| last.trim().is_empty())
        }
        Cell::Lead { rest, .. } => is_complete(rest),
        Cell::Question { .. } | Cell::Command { .. } => true,
    }
}

fn waits(code: &str) -> bool {
    source::completeness(code) == Completeness::Incomplete
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (name, rest.trim())
}

/// Whether a `?` behind a text asks for a name: a comment may end in one too.
fn is_name(text: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "_.:%[]\"'".contains(c);
    !text.is_empty() && text.chars().all(part)
}
