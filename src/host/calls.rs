//! A call around the cursor: what is called, with what, and which options it takes.

use super::cursor::{Cursor, Typed};
use crate::script::docs::outline::Function;
use crate::script::docs::{Choice, Entry};
use crate::script::source::{self, Kind};

/// A call that is being written.
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    pub name: &'a str,
    /// What it may be of what the language documents, all ways to write it.
    pub entries: Vec<&'a Entry>,
    /// What it is where a cell or a module defines it.
    pub function: Option<Function>,
    /// The object, for a method.
    pub receiver: Option<Typed<'a>>,
    /// What is known of the arguments, up to the one at the cursor.
    pub arguments: Vec<Typed<'a>>,
}

/// An option map around the cursor.
pub struct Options<'a> {
    pub call: Call<'a>,
    /// The keys on the way from the call to this map: empty for the call's own options.
    pub path: Vec<&'a str>,
    /// The key whose value the cursor stands in.
    pub key: Option<&'a str>,
    /// The bracket of the map among the tokens.
    open: usize,
}

impl<'a> Call<'a> {
    pub fn options(&self) -> &'a [Choice] {
        let with = self.entries.iter().find(|e| !e.options.is_empty());
        with.map_or(&[], |e| e.options.as_slice())
    }

    /// The name of the parameter at the cursor.
    pub fn parameter(&self) -> Option<&str> {
        let at = self.arguments.len().checked_sub(1)?;
        if let Some(f) = &self.function {
            return f.params.get(at).map(String::as_str);
        }
        self.entries.iter().find_map(|e| e.params.get(at)).map(|(name, _)| name.as_str())
    }

    /// What the call gives, by its documentation.
    pub fn result(&self) -> Typed<'a> {
        let Some(entry) = self.entries.first().filter(|_| self.function.is_none()) else {
            return Typed::default();
        };
        let kind = if entry.result == "any" { "" } else { entry.result.as_str() };
        let owner = self.receiver.unwrap_or_default();
        // What a method gives of its own type has the same names: ds.filter(..), table.sort(..).
        let same =
            !kind.is_empty() && (owner.kind == kind || (owner.kind, kind) == ("Rows", "Table"));
        if same { Typed { kind, ..owner } } else { Typed { kind, ..Typed::default() } }
    }

    /// What its names of columns and genes are names in: its object, else its first argument that
    /// has any.
    pub fn subject(&self) -> Option<Typed<'a>> {
        let has = |t: &Typed<'_>| matches!(t.kind, "Dataset" | "Table" | "Rows");
        self.receiver.into_iter().chain(self.arguments.iter().copied()).find(has)
    }
}

impl<'a> Cursor<'a> {
    /// The innermost call that the cursor is in.
    pub fn enclosing_call(&self) -> Option<Call<'a>> {
        self.open().take_while(|&i| self.tokens[i].text != "{").find_map(|i| self.call(i))
    }

    /// The option map that the cursor is in, where it is a call's.
    pub fn options(&self) -> Option<Options<'a>> {
        let mut open = self.open().peekable();
        while open.peek().is_some_and(|&i| self.tokens[i].text == "[" && !self.is_index(i)) {
            open.next();
        }
        let map = open.next().filter(|&i| self.tokens[i].text == "#{")?;
        let mut path = Vec::new();
        let mut inner = map;
        loop {
            let outer = open.next()?;
            match self.tokens[outer].text {
                "#{" => {
                    path.insert(0, self.key_before(inner)?);
                    inner = outer;
                }
                "(" => {
                    let call = self.call(outer)?;
                    return Some(Options { call, path, key: self.key_of_value(map), open: map });
                }
                _ => return None,
            }
        }
    }

    /// The key in front of the value that begins at token `i`.
    fn key_before(&self, i: usize) -> Option<&'a str> {
        let colon = i.checked_sub(1).filter(|&k| self.tokens[k].text == ":")?;
        Some(self.tokens[colon.checked_sub(1)?].text.trim_matches('"'))
    }

    /// The key whose value the cursor stands in, in the map that opens at token `open`.
    fn key_of_value(&self, open: usize) -> Option<&'a str> {
        let mut key = None;
        let mut depth = 0;
        for i in open + 1..self.tokens.len() {
            match (self.tokens[i].kind, self.tokens[i].text) {
                (Kind::Open(_), _) => depth += 1,
                (Kind::Close, _) => depth -= 1,
                (_, ":") if depth == 0 => key = Some(self.tokens[i - 1].text.trim_matches('"')),
                (_, ",") if depth == 0 => key = None,
                _ => {}
            }
        }
        key
    }

    /// The keys that a map has, in front of the cursor and behind it.
    pub fn keys_given(&self, options: &Options<'_>, behind: &'a str) -> Vec<&'a str> {
        let front = keys(self.tokens[options.open + 1..].iter().map(|t| (t.kind, t.text)));
        let scan = source::scan(behind);
        front.into_iter().chain(keys(scan.tokens.iter().map(|t| (t.kind, t.text)))).collect()
    }
}

/// The keys of a map's tokens, to its end.
fn keys<'a>(tokens: impl Iterator<Item = (Kind, &'a str)>) -> Vec<&'a str> {
    let mut found = Vec::new();
    let (mut depth, mut last) = (0, "");
    for (kind, text) in tokens {
        match kind {
            Kind::Open(_) => depth += 1,
            Kind::Close if depth == 0 => break,
            Kind::Close => depth -= 1,
            _ if text == ":" && depth == 0 => found.push(last.trim_matches('"')),
            _ => {}
        }
        last = text;
    }
    found
}
