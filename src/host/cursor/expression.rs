//! The types of expressions, as far as code, documentation and the session's names tell.

use super::{Cursor, Typed};
use crate::script::docs::{self, Entry, Form, builtin};
use crate::script::source::Kind;

/// How many calls, members and parentheses are followed into each other.
const DEEPEST: usize = 100;

impl<'a> Cursor<'a> {
    /// What is known of the expression that ends in front of token `end`: names, calls, members
    /// and indices; not what operators make.
    pub fn expression(&self, end: usize) -> Option<Typed<'a>> {
        let depth = self.depth.get();
        if depth == DEEPEST {
            return None;
        }
        self.depth.set(depth + 1);
        let found = self.followed(end);
        self.depth.set(depth);
        found
    }

    fn followed(&self, end: usize) -> Option<Typed<'a>> {
        let i = end.checked_sub(1)?;
        let token = self.tokens.get(i)?;
        match (token.kind, token.text) {
            (Kind::Word, "true" | "false") => Some(Typed { start: i, ..Typed::of_kind("bool") }),
            (Kind::Word, name) if token.can_end() => match self.behind(end, 2) {
                "." | "?." => {
                    let owner = self.expression(end - 2)?;
                    Some(Typed { start: owner.start, ..self.property(owner, name) })
                }
                "::" => None,
                _ => Some(Typed { start: i, ..self.variable(name, i) }),
            },
            (Kind::Literal, text) => {
                let kind = match text.as_bytes().first()? {
                    b'0'..=b'9' if text.contains(['.', 'e']) && !text.starts_with("0x") => "float",
                    b'0'..=b'9' => "int",
                    b'\'' => "char",
                    _ => "text",
                };
                Some(Typed { start: i, ..Typed::of_kind(kind) })
            }
            (Kind::Close, ")") => self.parenthesis(self.partners[i]?, end),
            (Kind::Close, "]") => self.bracket(self.partners[i]?, end),
            (Kind::Close, "}") => {
                let open = self.partners[i]?;
                (self.token(open) == "#{").then(|| Typed { start: open, ..Typed::of_kind("map") })
            }
            _ => None,
        }
    }

    fn parenthesis(&self, open: usize, end: usize) -> Option<Typed<'a>> {
        let Some(call) = self.called(open) else {
            let inner = self.expression(end - 1)?;
            return (inner.start == open + 1).then_some(Typed { start: open, ..inner });
        };
        let start = match (call.receiver, self.behind(open, 2)) {
            (Some(owner), _) => owner.start,
            (None, "::") => open - 3,
            _ => open - 1,
        };
        Some(Typed { start, ..call.result() })
    }

    fn bracket(&self, open: usize, end: usize) -> Option<Typed<'a>> {
        if !self.is_index(open) {
            return Some(Typed { start: open, ..Typed::of_kind("array") });
        }
        let owner = self.expression(open)?;
        let key = (open + 3 == end).then(|| self.token(open + 1).trim_matches(['"', '`']));
        let documented = || {
            let index =
                docs::entries().iter().find(|e| e.owner == owner.kind && e.form == Form::Index);
            index.map_or_else(Typed::default, |e| Typed {
                dataset: owner.dataset,
                ..Typed::of_kind(&e.result)
            })
        };
        let found = key.and_then(|k| owner.part(k)).unwrap_or_else(documented);
        Some(Typed { start: owner.start, ..found })
    }

    /// A member that is no call.
    pub fn property(&self, owner: Typed<'a>, name: &str) -> Typed<'a> {
        let inside = if matches!(owner.kind, "Dataset" | "map") { owner.part(name) } else { None };
        let documented = || {
            let is =
                |e: &&Entry| e.owner == owner.kind && e.form == Form::Property && e.bare == name;
            documented(owner.kind)
                .find(is)
                .map(|e| Typed { dataset: owner.dataset, ..Typed::of_kind(&e.result) })
        };
        inside.or_else(documented).unwrap_or_default()
    }

    /// The methods of a name; of all types where the type is not known.
    pub fn methods(&self, kind: &str, name: &str) -> Vec<&'a Entry> {
        members(kind).filter(|e| e.form == Form::Method && e.bare == name).collect()
    }
}

/// What the language documents of a type; of all types where it is not known.
pub fn documented(kind: &str) -> impl Iterator<Item = &'static Entry> {
    let all = docs::entries().iter().chain(builtin::entries());
    all.filter(move |e| e.form != Form::Function && (kind.is_empty() || e.owner == kind))
}

/// The members of a type, and what every value can do.
pub fn members(kind: &str) -> impl Iterator<Item = &'static Entry> {
    let any = documented("Any").filter(move |_| !kind.is_empty());
    documented(kind).chain(any)
}

/// What needs no module and no object.
pub fn standing_alone() -> impl Iterator<Item = &'static Entry> {
    let all = docs::entries().iter().chain(builtin::entries());
    all.filter(|e| e.form == Form::Function && e.owner.is_empty())
}

/// The functions of a module that needs no import.
pub fn of_module(name: &str) -> impl Iterator<Item = &'static Entry> {
    let known = docs::modules().any(|(n, _)| n == name);
    docs::entries().iter().filter(move |e| known && e.form == Form::Function && e.owner == name)
}
