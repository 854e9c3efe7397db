//! Cells that `:restore` and `:save` leave out, and what is missing without them.

use super::history::{Entry, State};
use crate::host::cell::Cell;
use crate::script::source::{self, Kind, Token};

/// A cell that made something which those behind it may need.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    pub entry: Entry,
    /// The names that it sets and cells behind it use before they set them themselves.
    pub wanted: Vec<String>,
    /// The numbers of those cells.
    pub users: Vec<usize>,
}

/// All cells that were interrupted, and those that failed but had made what others use.
pub(super) fn left_out(entries: &[Entry]) -> Vec<LeftOut> {
    let stopped = entries.iter().enumerate().filter(|(_, e)| e.is_left_out() && e.builds_state());
    let all = stopped.map(|(i, e)| LeftOut::of(e, &entries[i + 1..]));
    all.filter(|l| l.entry.state == State::Interrupted || !l.users.is_empty()).collect()
}

/// Why a name is missing: the last cell that was to make it was interrupted, or failed.
pub fn why_missing(entries: &[Entry], name: &str) -> Option<String> {
    let mut ended = entries.iter().rev().filter(|e| e.state != State::Running);
    let cell = ended.find(|e| e.builds_state() && made(&e.text).contains(&name))?;
    let advice = match cell.checkpoint() {
        Some(path) => format!("; its training had saved a checkpoint, resume: {path:?}"),
        None => String::new(),
    };
    let said = format!("Cell [{}] ({}), which makes '{name}'", cell.number, cell.glimpse());
    cell.is_left_out().then(|| format!("{said}, {}{advice}", cell.ending()))
}

impl LeftOut {
    fn of(entry: &Entry, behind: &[Entry]) -> Self {
        let (mut wanted, mut users) = (Vec::new(), Vec::new());
        for name in made(&entry.text) {
            let kept = behind.iter().filter(|e| e.is_kept());
            let mentions = kept.filter_map(|e| Some((e.number, mention(&e.text, name)?)));
            // What is set anew is not missing any more.
            let by: Vec<usize> = mentions.take_while(|(_, uses)| *uses).map(|(n, _)| n).collect();
            if !by.is_empty() {
                wanted.push(name.to_owned());
                users.extend(by);
            }
        }
        users.sort_unstable();
        users.dedup();
        Self { entry: entry.clone(), wanted, users }
    }

    /// "[4] (let run = ..) was interrupted; [5] and [6] use 'run', which it makes".
    pub fn said(&self) -> String {
        let Self { entry, wanted, users } = self;
        let mut text = format!("[{}] ({}) {}", entry.number, entry.glimpse(), entry.ending());
        if !users.is_empty() {
            let users: Vec<String> = users.iter().map(|n| format!("[{n}]")).collect();
            let wanted: Vec<String> = wanted.iter().map(|n| format!("'{n}'")).collect();
            let verb = if users.len() == 1 { "uses" } else { "use" };
            text += &format!("; {} {verb} {}, which it makes", listed(&users), listed(&wanted));
        }
        text
    }
}

impl Entry {
    /// Whether it brings a part of the session's state back.
    pub fn is_kept(&self) -> bool {
        self.state == State::Succeeded && self.builds_state()
    }

    /// Whether it ended before its end.
    pub fn is_left_out(&self) -> bool {
        matches!(self.state, State::Interrupted | State::Failed)
    }

    fn ending(&self) -> &'static str {
        if self.state == State::Interrupted { "was interrupted" } else { "failed" }
    }

    /// The last checkpoint that training saved in it, if it is still there.
    pub fn checkpoint(&self) -> Option<&str> {
        let last = self.checkpoints.last()?;
        std::path::Path::new(last).exists().then_some(last)
    }
}

pub(super) fn listed(words: &[String]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => words.concat(),
    }
}

/// The names that a text sets outside of all brackets, each once; of a Rust cell, those that it gives
/// back.
fn made(text: &str) -> Vec<&str> {
    if let Some(options) = of_rust(text) {
        return listed_behind(options, "-o");
    }
    let tokens = source::scan(text).tokens;
    let at = |i: usize| tokens.get(i).map_or("", |t| t.text);
    let (mut names, mut depth) = (Vec::new(), 0_usize);
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && token.can_end() && !names.contains(&token.text) => {
                let set = at(i + 1) == "=" && !is_member(&tokens, i);
                if set || is_named(&tokens, i) {
                    names.push(token.text);
                }
            }
            _ => {}
        }
    }
    names
}

/// Whether the first mention of a name in a text uses it (or sets it anew); none where there is
/// no mention.
fn mention(text: &str, name: &str) -> Option<bool> {
    if let Some(options) = of_rust(text) {
        let uses = listed_behind(options, "-i").contains(&name);
        return (uses || listed_behind(options, "-o").contains(&name)).then_some(uses);
    }
    let tokens = source::scan(text).tokens;
    let mut words = tokens.iter().enumerate().filter(|(_, t)| t.kind == Kind::Word);
    let is_key = |i: usize| tokens.get(i + 1).is_some_and(|t| t.text == ":");
    let (i, _) = words.find(|(i, t)| t.text == name && !is_member(&tokens, *i) && !is_key(*i))?;
    Some(!is_named(&tokens, i))
}

/// What follows `%%rust`, perhaps below `:dep`.
fn of_rust(text: &str) -> Option<&str> {
    match Cell::parse(text) {
        Cell::Magic { name: "rust", rest, .. } => Some(rest),
        Cell::Lead { rest, .. } => of_rust(rest),
        _ => None,
    }
}

/// Whether a text is a cell of Rust that the session hands variables to.
pub(super) fn is_handed_some(text: &str) -> bool {
    of_rust(text).is_some_and(|options| !listed_behind(options, "-i").is_empty())
}

/// The names behind an option: `-o a,b` or `-oa,b`.
fn listed_behind<'a>(options: &'a str, option: &str) -> Vec<&'a str> {
    let mut words = options.split_whitespace();
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        let Some(list) = word.strip_prefix(option) else { continue };
        let list = if list.is_empty() { words.next().unwrap_or_default() } else { list };
        names.extend(list.split(',').filter(|n| !n.is_empty()));
    }
    names
}

/// `let name`, `const name`, `fn name`, `as name`.
pub(super) fn is_named(tokens: &[Token<'_>], i: usize) -> bool {
    let before = i.checked_sub(1).map_or("", |k| tokens[k].text);
    matches!(before, "let" | "const" | "fn" | "as")
}

pub(super) fn is_member(tokens: &[Token<'_>], i: usize) -> bool {
    i.checked_sub(1).is_some_and(|k| matches!(tokens[k].text, "." | "?." | "::"))
}
