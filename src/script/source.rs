//! Statements without `;`: a pass over the text before Rhai sees it.
//!
//! A `;` goes right behind the last token of a line that ends a statement, so lines and columns
//! of what the user wrote stay as they are. A line ends a statement when it stops on something
//! that can end one (a name, a literal, a closing bracket), stands directly in a block, and the
//! next line does not carry it on (with `.`, an operator, `else`, a closing bracket). A `-` or `+`
//! that touches what follows it starts a new statement, as `(` and `[` do; with a space behind, it
//! carries on. Where such a line could have been meant to carry on, that is a [`Doubt`].

mod scan;

use std::collections::BTreeSet;

pub use scan::{Context, Kind, Scan, Token, scan};

/// How much of a program a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// It can be run.
    Complete,
    /// A bracket, a string or a comment is open, or the last line asks for more.
    Incomplete,
}

/// A line that begins a statement but looks as if it went on with the one before.
pub(super) struct Doubt {
    /// From 1, as the column.
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// The text with a `;` behind every statement that a line's end closes.
pub fn complete(text: &str) -> String {
    pass(text).0
}

/// The first line that Rhai would read as a part of the statement before it, that begins one here,
/// and that either is indented as if it went on or has no effect as a statement: without an error,
/// what was written for Rhai would lose a part of its value and nobody would be told.
pub(super) fn doubt(text: &str) -> Option<Doubt> {
    pass(text).1
}

fn pass(text: &str) -> (String, Option<Doubt>) {
    let Scan { tokens, comments, open } = scan(text);
    let mut out = String::with_capacity(text.len() + 64);
    let mut copied = 0;
    let mut doubt = None;
    let mut stack = vec![Frame::new(Context::Block)];
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map(|k| &tokens[k]).filter(|b| token.line > b.last_line);
        let ended = before.filter(|b| stack.last().is_some_and(|f| f.ends_here(b, token)));
        if let Some(last) = ended {
            out.push_str(&text[copied..last.end]);
            out.push(';');
            copied = last.end;
        }
        if let Some(frame) = stack.last_mut() {
            let begins = ended.is_some() || before.is_some_and(|b| b.text == ";");
            let found = frame.doubt(token, begins, ended.is_some());
            doubt = doubt.or(found);
        }
        follow(&mut stack, token);
    }
    out.push_str(&text[copied..]);
    // Rhai takes the rest of the text for a comment; a text without an end it refuses itself.
    let unclosed = || {
        let start = comments.last().filter(|_| open)?.start;
        let (line, before) = (text[..start].lines().count().max(1), &text[..start]);
        let line = line + usize::from(before.ends_with('\n'));
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        let message = "a comment that begins with /* ends with */, and this one has no end".into();
        Some(Doubt { line, column, message })
    };
    (out, doubt.or_else(unclosed))
}

/// Whether a text can be run or waits for more, as a console asks after each line.
pub fn completeness(text: &str) -> Completeness {
    let scanned = scan(text);
    let mut stack = vec![Frame::new(Context::Block)];
    for token in &scanned.tokens {
        follow(&mut stack, token);
    }
    let last = scanned.tokens.last();
    // `if x == 1:` is Python's; nothing could follow that makes it ours, and the error says so.
    let foreign = stack.len() == 1 && last.is_some_and(|t| t.text == ":");
    let waits = scanned.open
        || stack.len() > 1
        || stack.first().is_some_and(|f| f.header)
        || last.is_some_and(|t| !t.can_end());
    if waits && !foreign { Completeness::Incomplete } else { Completeness::Complete }
}

/// Where `_` stands as a name, by line and column from 1. Before `=>` it is the last arm of a
/// `switch`.
pub(super) fn underscores(text: &str) -> BTreeSet<(usize, usize)> {
    let tokens = scan(text).tokens;
    let arm = |i: usize| tokens.get(i + 1).is_some_and(|next| next.text == "=>");
    let named = tokens.iter().enumerate().filter(|(i, t)| t.text == "_" && !arm(*i));
    named.map(|(_, t)| (t.line, t.column)).collect()
}

/// Whether the text ends in `;`, which says that its value is not wanted.
pub(super) fn is_quiet(text: &str) -> bool {
    scan(text).tokens.last().is_some_and(|t| t.text == ";")
}

/// Keeps track of brackets and of keywords that wait for their block.
fn follow(stack: &mut Vec<Frame>, token: &Token<'_>) {
    let nested = stack.len() > 1;
    let Some(frame) = stack.last_mut() else { return };
    match token.kind {
        Kind::Open(context) => {
            let (context, by_do) = match (context, frame.header.then_some(frame.keyword)) {
                (Context::Block, Some(Keyword::Switch)) => (Context::Switch, false),
                (Context::Block, Some(Keyword::Do)) => (Context::Block, true),
                (other, _) => (other, false),
            };
            if matches!(context, Context::Block | Context::Switch) {
                frame.header = false;
                frame.after_do = by_do;
            }
            stack.push(Frame::new(context));
        }
        Kind::Close if nested => {
            stack.pop();
        }
        Kind::Word => {
            let keyword = match token.text {
                "switch" => Keyword::Switch,
                "do" => Keyword::Do,
                "while" | "until" if frame.after_do => {
                    frame.after_do = false;
                    return;
                }
                "if" | "else" | "while" | "for" | "loop" | "fn" | "try" | "catch" => Keyword::Other,
                _ => {
                    frame.after_do = false;
                    return;
                }
            };
            (frame.header, frame.keyword, frame.after_do) = (true, keyword, false);
        }
        Kind::Symbol if token.text == ";" => frame.after_do = false,
        _ => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keyword {
    Switch,
    Do,
    Other,
}

struct Frame {
    context: Context,
    /// A keyword was seen whose block has not opened yet, and which.
    header: bool,
    keyword: Keyword,
    /// The block of a `do` has just closed: `while` belongs to it.
    after_do: bool,
    /// The column where the statements of this line, or the one that goes on over it, begin.
    column: Option<usize>,
    /// Line and column of the `-` or `+` that it began with, on a line that had no `;` before it.
    sign: Option<(usize, usize)>,
}

impl Frame {
    fn new(context: Context) -> Self {
        let keyword = Keyword::Other;
        Self { context, header: false, keyword, after_do: false, column: None, sign: None }
    }

    /// Follows the statements of a block: whether `next` begins one on a line of its own, and
    /// whether it does so because a line's end has closed the one before.
    fn doubt(&mut self, next: &Token<'_>, begins: bool, ended: bool) -> Option<Doubt> {
        if self.context != Context::Block || next.kind == Kind::Close {
            return None;
        }
        let is_over = ended || next.text == ";";
        let without_effect = self.sign.take_if(|_| is_over).map(|(line, column)| Doubt {
            line,
            column,
            message: "this line is a statement of its own, and as that it has no effect. To go on with the \
                      line before, write a space behind the sign, or the sign at that line's end"
                .into(),
        });
        let began = self.column.take_if(|_| begins);
        self.column.get_or_insert(next.column);
        let is_sign = matches!(next.text, "-" | "+");
        if !ended || !is_sign && !matches!(next.text, "(" | "[") {
            return without_effect;
        }
        self.sign = is_sign.then_some((next.line, next.column));
        let indented = || Doubt {
            line: next.line,
            column: next.column,
            message: format!(
                "a line that begins with {0} is a statement of its own, but this one is indented as if it \
                 went on with the line before. To go on, write the {0} at that line's end; for a \
                 statement, begin where that line begins",
                next.text
            ),
        };
        without_effect.or_else(|| began.filter(|&b| next.column > b).map(|_| indented()))
    }

    fn ends_here(&self, last: &Token<'_>, next: &Token<'_>) -> bool {
        self.context == Context::Block
            && !self.header
            && last.can_end()
            && last.text != ";"
            && !self.carries_on(next)
    }

    fn carries_on(&self, next: &Token<'_>) -> bool {
        match next.kind {
            Kind::Close => true,
            Kind::Word => {
                matches!(next.text, "else" | "catch" | "in" | "as")
                    || self.after_do && matches!(next.text, "while" | "until")
            }
            Kind::Symbol => match next.text {
                "!" => false,
                "-" | "+" => !next.touches_next,
                _ => true,
            },
            Kind::Open(_) | Kind::Literal | Kind::TextStart => false,
        }
    }
}
