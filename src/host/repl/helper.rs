//! What the line editor asks while one types: colours, hints, completion, whether a text is whole.

use std::borrow::Cow;

use rustyline::Changeset;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter, HistoryHinter};
use rustyline::line_buffer::LineBuffer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::colour;
use crate::base::text::clip;
use crate::host::complete::{self, Completions};
use crate::host::session::Names;
use crate::host::{Session, tty};

/// As many completions as anyone looks through; the editor pages them.
const MOST: usize = 2_000;
/// With so few, each says what it is.
const FEW: usize = 24;
/// Tab where nothing stands before it on the line.
const INDENT: &str = "    ";

/// The helper of the line editor.
pub struct Lines {
    names: Names,
    history: HistoryHinter,
}

impl Lines {
    pub fn new(names: Names) -> Self {
        Self { names, history: HistoryHinter::new() }
    }
}

impl Helper for Lines {}

impl Completer for Lines {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..pos];
        if before.rsplit('\n').next().is_some_and(|l| l.trim().is_empty()) {
            return Ok((pos, vec![Pair { display: INDENT.into(), replacement: INDENT.into() }]));
        }
        let found = complete::complete(&self.names.get(), line, pos);
        Ok((found.start, candidates(&found)))
    }

    /// The rest of the word behind the cursor goes too: it is part of what was completed.
    fn update(&self, line: &mut LineBuffer, start: usize, elected: &str, changes: &mut Changeset) {
        let (text, at) = (line.as_str(), line.pos());
        let rest = &text[at..];
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let inside = text[..at].ends_with(in_word);
        let tail = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        line.replace(start..at + if inside { tail } else { 0 }, elected, changes);
    }
}

fn candidates(found: &Completions) -> Vec<Pair> {
    let width = found.matches.iter().map(|m| m.text.chars().count()).max().unwrap_or(0);
    let columns = tty::size().columns.saturating_sub(1);
    let described = found.matches.len() <= FEW;
    let pair = |m: &complete::Match| {
        let note = if m.note.is_empty() { m.kind } else { &m.note };
        let display = if described {
            let note: Vec<&str> = note.split_whitespace().collect();
            clip(&format!("{:width$}  {}", m.text, note.join(" ")), columns)
        } else {
            m.text.clone()
        };
        Pair { display, replacement: m.text.clone() }
    };
    found.matches.iter().take(MOST).map(pair).collect()
}

/// The rest of an earlier cell; of a long one, its first line is shown.
pub struct Suggestion(String);

impl Hint for Suggestion {
    fn display(&self) -> &str {
        self.0.split('\n').next().unwrap_or_default()
    }

    fn completion(&self) -> Option<&str> {
        Some(&self.0)
    }
}

impl Hinter for Lines {
    type Hint = Suggestion;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Suggestion> {
        self.history.hint(line, pos, context).map(Suggestion)
    }
}

impl Highlighter for Lines {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        colour::highlight(line).into()
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        colour::hint(hint).into()
    }

    fn highlight_char(&self, _line: &str, _pos: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

impl Validator for Lines {
    /// Enter runs what is whole and begins a new line otherwise; after two empty lines it runs
    /// anyway, and the error says what is missing.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let mut last = text.rsplit('\n').take(3).map(|l| l.trim().is_empty());
        let given_up = text.matches('\n').count() > 1 && last.by_ref().take(2).all(|blank| blank);
        let run = given_up || Session::is_complete(text);
        Ok(if run { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
