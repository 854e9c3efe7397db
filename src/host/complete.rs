//! Completion: what can stand at the cursor. A function of plain data, so that it answers while a
//! cell runs.

mod paths;
mod rank;
mod texts;

use super::cell::{self, Cell};
use super::commands;
use super::cursor::{At, Cursor, members as of_type, of_module, standing_alone};
use crate::script::docs::{self, Entry, Form, builtin};
use crate::script::{Known, Variable};
pub use rank::{byte_at, point_at};

/// What may replace `text[start..end]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// In bytes of the text.
    pub start: usize,
    pub end: usize,
    pub matches: Vec<Match>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// What is put in.
    pub text: String,
    /// "function", "variable", "option", "column", "gene", "module", "path", "command", "property",
    /// "method", "keyword", "value", "key".
    pub kind: &'static str,
    /// The signature, or a line on what it is.
    pub note: String,
}

impl Match {
    fn new(text: impl Into<String>, kind: &'static str, note: impl Into<String>) -> Self {
        Self { text: text.into(), kind, note: note.into() }
    }

    fn entry(e: &Entry) -> Self {
        let kind = match e.form {
            Form::Property => "property",
            Form::Method => "method",
            _ => "function",
        };
        Self::new(&e.bare, kind, format!("{}  {}", e.signature, line(e.summary())))
    }

    fn part(v: &Variable, kind: &'static str) -> Self {
        Self::new(&v.name, kind, noted(v))
    }
}

/// "Column, 3 groups: D1, D2, D3".
fn noted(v: &Variable) -> String {
    [v.kind.as_str(), v.summary.as_str()]
        .iter()
        .filter(|t| !t.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(", ")
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What can stand at byte `cursor` of `text`.
pub fn complete(known: &Known, text: &str, cursor: usize) -> Completions {
    let cursor = text.floor_char_boundary(cursor);
    let (written, behind) = text.split_at(cursor);
    if let Some(command) = command_named(written) {
        let matches = rank::choose(command, commands());
        return Completions { start: cursor - command.len(), end: cursor, matches };
    }
    if let Some(path) = command_path(written) {
        return paths::complete(path, cursor, behind, &[]);
    }
    if is_foreign(text) {
        return Completions { start: cursor, end: cursor, matches: Vec::new() };
    }
    let front = &written[code_at(text, cursor).min(cursor)..];
    let at = Cursor::new(known, front);
    match at.at {
        At::Nothing => Completions { start: cursor, end: cursor, matches: Vec::new() },
        At::Text(so_far) => texts::complete(&at, so_far, cursor, behind),
        At::Word(word) => {
            let rest = behind.find(|c: char| !is_name(c)).unwrap_or(behind.len());
            let matches = rank::choose(word, names(&at, behind));
            Completions { start: cursor - word.len(), end: cursor + rest, matches }
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where the code begins that the cursor stands in: behind `?`, `%time` or a command's name, where
/// the cell begins with one and the cursor is in that line.
pub(super) fn code_at(text: &str, cursor: usize) -> usize {
    let start = text.len() - cell::below_comments(text).len();
    let end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    let first = &text[start..end];
    let sigil = first.len() - first.trim_start_matches([':', '%', '?']).len();
    if cursor < start || sigil == 0 {
        return 0;
    }
    if cursor > end {
        return end;
    }
    let behind_name = || first.find(char::is_whitespace).map(|n| start + n);
    match Cell::parse(first) {
        Cell::Question { .. } => start + sigil,
        Cell::Code(_) => 0,
        _ => behind_name().filter(|n| *n < cursor).unwrap_or(start),
    }
}

/// `:lo`, `%ti`, `%%`: the command that is being named, if that is all there is.
fn command_named(written: &str) -> Option<&str> {
    let word = cell::below_comments(written);
    let named = word.starts_with([':', '%']) && !word.contains(char::is_whitespace);
    named.then_some(word)
}

/// The path that a command such as `:load` is being given.
fn command_path(written: &str) -> Option<&str> {
    let line = cell::below_comments(written);
    let (name, rest) = line.split_once(' ').filter(|_| !line.contains('\n'))?;
    let (_, command) = commands::spelled().find(|(spelled, _)| spelled == name)?;
    let takes = ["FILE", "PATH", "SCRIPT", "FOLDER"].iter().any(|p| command.arguments.contains(p));
    takes.then(|| rest.rsplit(' ').next().unwrap_or(rest))
}

fn commands() -> Vec<Match> {
    let all = commands::spelled();
    all.map(|(name, c)| {
        Match::new(name, "command", line(&format!("{} {}", c.arguments, c.summary)))
    })
    .collect()
}

/// Whether a cell is of another language, or text for a file.
fn is_foreign(text: &str) -> bool {
    matches!(Cell::parse(text), Cell::Magic { name, .. } if !matches!(name, "time" | "timeit"))
}

/// The names that can stand at the cursor.
fn names<'a>(at: &Cursor<'a>, behind: &'a str) -> Vec<Match> {
    match at.before(1) {
        "." | "?." => return members(at),
        "::" => return module(at, at.before(2)),
        "let" | "const" | "fn" | "as" | "for" => return Vec::new(),
        _ => {}
    }
    if let Some(options) = at.options() {
        let choices = options.call.options();
        if options.key.is_none() && matches!(at.before(1), "#{" | ",") {
            if !options.path.is_empty() {
                return texts::nested_keys(&options);
            }
            let given = at.keys_given(&options, behind);
            let left = choices.iter().filter(|c| !given.contains(&c.key.as_str()));
            return left.map(texts::option).collect();
        }
        let here = options.path.is_empty() && at.before(1) == ":";
        if let Some(choice) = choices.iter().find(|c| here && Some(c.key.as_str()) == options.key) {
            let mut values: Vec<Match> = texts::values(choice);
            values.extend(free_names(at));
            return values;
        }
    }
    // `Out[3]`, `In[3]`: the numbers there are.
    let index = at.open().next().filter(|&o| at.is_index(o) && o + 1 == at.tokens.len());
    let owner = index.and_then(|o| at.expression(o)).filter(|t| matches!(t.kind, "Out" | "In"));
    if let Some(owner) = owner {
        return owner.parts().iter().map(|v| Match::part(v, "key")).collect();
    }
    if at.open().next().is_some_and(|o| o >= 2 && at.tokens[o - 2].text == "fn") {
        return Vec::new();
    }
    free_names(at)
}

/// Properties, methods and keys behind a dot.
fn members(at: &Cursor<'_>) -> Vec<Match> {
    let owner = at.expression(at.tokens.len() - 1).unwrap_or_default();
    let keys = if owner.kind == "map" { owner.parts() } else { &[] };
    let keys = keys.iter().filter(|v| v.name.chars().all(is_name)).map(|v| Match::part(v, "key"));
    let named = of_type(owner.kind).filter(|e| !e.bare.is_empty()).map(Match::entry);
    keys.chain(named).collect()
}

/// What a module has.
fn module(at: &Cursor<'_>, name: &str) -> Vec<Match> {
    let own = of_module(name).map(Match::entry);
    let functions = at.module_functions(name);
    let functions = functions.iter().map(|f| {
        Match::new(&f.name, "function", format!("{}  {}", f.signature(), line(f.summary())))
    });
    let values = at.known.module(name).map_or(&[][..], |m| &m.values);
    own.chain(functions).chain(values.iter().map(|v| Match::part(v, "variable"))).collect()
}

/// What needs nothing in front of it.
fn free_names(at: &Cursor<'_>) -> Vec<Match> {
    let here = at.names().into_iter().map(|name| {
        let typed = at.variable(name, at.tokens.len());
        let note = typed.value.map_or_else(|| typed.kind.to_owned(), noted);
        Match::new(name, "variable", note)
    });
    let variables = at.known.variables.iter().map(|v| Match::part(v, "variable"));
    let written = docs::outline::functions(at.text);
    let functions = written.iter().chain(&at.known.functions).map(|f| {
        Match::new(&f.name, "function", format!("{}  {}", f.signature(), line(f.summary())))
    });
    let imported = at.known.modules.iter();
    let imported = imported.map(|m| {
        Match::new(&m.alias, "module", format!("import \"{}\"", m.name.trim_matches(['<', '>'])))
    });
    let native = standing_alone().map(Match::entry);
    let modules = docs::modules().map(|(name, doc)| Match::new(name, "module", doc));
    let keywords = builtin::KEYWORDS.iter().map(|(word, note)| Match::new(*word, "keyword", *note));
    here.chain(variables)
        .chain(functions)
        .chain(imported)
        .chain(modules)
        .chain(native)
        .chain(keywords)
        .collect()
}
