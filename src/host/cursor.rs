//! What stands around a cursor: the word or the text being written, the call and the map it is
//! in, and the types of expressions as far as code, documentation and the session's names tell.
//!
//! Completion and inspection both read code through this. Nothing is run.

mod expression;

use std::cell::{Cell, OnceCell};

use super::calls::Call;
use crate::script::docs;
use crate::script::docs::outline::{self, Function};
use crate::script::source::{self, Kind, Token};
use crate::script::{Known, Variable};
pub use expression::{documented, members, of_module, standing_alone};

/// A place in code, and the code in front of it.
pub struct Cursor<'a> {
    pub known: &'a Known,
    pub text: &'a str,
    /// What is finished in front of the cursor.
    pub tokens: Vec<Token<'a>>,
    pub at: At<'a>,
    /// For each token that is a bracket, its partner.
    partners: Vec<Option<usize>>,
    /// What the text sets, in its order.
    assigned: Vec<Assigned<'a>>,
    /// The functions of the text, once they are asked for.
    functions: OnceCell<Vec<Function>>,
    /// How deep in an expression it is being read.
    depth: Cell<usize>,
}

/// `name = value`, and the place of both among the tokens.
struct Assigned<'a> {
    name: &'a str,
    at: usize,
    end: usize,
    value: Typed<'a>,
}

/// What is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// The letters of a name so far; often none.
    Word(&'a str),
    /// What stands in a string so far.
    Text(&'a str),
    /// A comment or a number: nothing to add.
    Nothing,
}

/// What is known of an expression's value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed<'a> {
    /// The type as the language calls it; empty where it is not known.
    pub kind: &'a str,
    /// What the session holds there.
    pub value: Option<&'a Variable>,
    /// The dataset that it is a part of.
    pub dataset: Option<&'a Variable>,
    /// The token that the expression begins with.
    pub start: usize,
}

impl<'a> Typed<'a> {
    pub fn of(value: &'a Variable) -> Self {
        let dataset = (value.kind == "Dataset").then_some(value);
        Self { kind: &value.kind, value: Some(value), dataset, start: 0 }
    }

    fn of_kind(kind: &'a str) -> Self {
        Self { kind: if kind == "any" { "" } else { kind }, ..Self::default() }
    }

    /// What is inside by name.
    pub fn parts(&self) -> &'a [Variable] {
        self.value.map_or(&[], |v| v.parts.as_slice())
    }

    fn part(self, name: &str) -> Option<Self> {
        let part = self.value?.part(name)?;
        Some(Self { dataset: self.dataset, ..Self::of(part) })
    }
}

impl<'a> Cursor<'a> {
    /// The place behind `text`, which is what stands in front of the cursor.
    pub fn new(known: &'a Known, text: &'a str) -> Self {
        let scan = source::scan(text);
        let mut tokens = scan.tokens;
        let here = |end: usize| end == text.len();
        let in_comment = scan
            .comments
            .last()
            .is_some_and(|c| here(c.end) && (scan.open || text[c.start..].starts_with("//")));
        let at = match tokens.last().copied() {
            _ if in_comment => At::Nothing,
            Some(t) if here(t.end) && scan.open => {
                tokens.pop();
                At::Text(
                    t.text.trim_start_matches('#').strip_prefix(['"', '`', '\'']).unwrap_or(t.text),
                )
            }
            Some(t) if here(t.end) && t.kind == Kind::Word => {
                tokens.pop();
                At::Word(t.text)
            }
            Some(t) if here(t.end) && t.kind == Kind::Literal => {
                match t.text.ends_with(['"', '`', '\'']) {
                    true => At::Word(""),
                    false => At::Nothing,
                }
            }
            _ => At::Word(""),
        };
        let partners = partners(&tokens);
        let (assigned, functions, depth) = (Vec::new(), OnceCell::new(), Cell::new(0));
        let mut cursor = Self { known, text, tokens, at, partners, assigned, functions, depth };
        // In order, so that each value is found with those in front of it already known.
        for i in 0..cursor.tokens.len() {
            let assigned = cursor.assignment(i);
            cursor.assigned.extend(assigned);
        }
        cursor
    }

    /// What is set at token `at`, if anything.
    fn assignment(&self, at: usize) -> Option<Assigned<'a>> {
        let sets = self.tokens[at].kind == Kind::Word
            && self.token(at + 1) == "="
            && !matches!(self.behind(at, 1), "." | "?." | "::");
        let name = self.tokens[at].text;
        let end = sets.then(|| self.statement_end(at + 2))?;
        let value = self.expression(end).filter(|v| v.start == at + 2).unwrap_or_default();
        Some(Assigned { name, at, end, value })
    }

    /// The text of the token `back` places in front of the cursor, 1 being the nearest.
    pub fn before(&self, back: usize) -> &'a str {
        self.tokens.len().checked_sub(back).map_or("", |i| self.tokens[i].text)
    }

    fn token(&self, i: usize) -> &'a str {
        self.tokens.get(i).map_or("", |t| t.text)
    }

    /// The brackets that are open at the cursor, the innermost first.
    pub fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let is_open = |&i: &usize| matches!(self.tokens[i].kind, Kind::Open(_));
        (0..self.tokens.len()).rev().filter(is_open).filter(|&i| self.partners[i].is_none())
    }

    /// Whether the bracket at `open` takes a part of what stands in front of it.
    pub fn is_index(&self, open: usize) -> bool {
        let ends = |i: usize| self.tokens[i].can_end() && self.tokens[i].text != ";";
        self.token(open) == "[" && open > 0 && ends(open - 1)
    }

    /// The call whose parenthesis is at `open`.
    pub fn call(&self, open: usize) -> Option<Call<'a>> {
        let called = self.called(open)?;
        Some(Call { arguments: self.arguments(open), ..called })
    }

    /// The same without its arguments, which its result does not depend on.
    fn called(&self, open: usize) -> Option<Call<'a>> {
        let name = self.tokens.get(open.checked_sub(1)?).filter(|t| t.kind == Kind::Word)?;
        if self.token(open) != "(" || !name.can_end() || self.behind(open, 2) == "fn" {
            return None;
        }
        let name = name.text;
        let mut call = Call { name, ..Call::default() };
        match self.behind(open, 2) {
            "." | "?." => {
                let owner = self.expression(open - 2).unwrap_or_default();
                call.entries = self.methods(owner.kind, name);
                call.receiver = Some(owner);
            }
            "::" => {
                let module = self.behind(open, 3);
                call.entries = of_module(module).filter(|e| e.bare == name).collect();
                let functions = self.module_functions(module);
                call.function = functions.into_iter().find(|f| f.name == name);
            }
            _ => {
                call.function = self.function(name);
                call.entries = standing_alone().filter(|e| e.bare == name).collect();
            }
        }
        Some(call)
    }

    fn behind(&self, i: usize, back: usize) -> &'a str {
        i.checked_sub(back).map_or("", |i| self.tokens[i].text)
    }

    /// What is known of a call's arguments that a comma has closed, and one more for the last.
    fn arguments(&self, open: usize) -> Vec<Typed<'a>> {
        let mut found = Vec::new();
        let end = self.partners[open].unwrap_or(self.tokens.len());
        let mut i = open + 1;
        while i < end {
            match self.partners[i] {
                Some(close) if close > i => i = close,
                // An open bracket: the cursor is in this argument.
                None if matches!(self.tokens[i].kind, Kind::Open(_)) => break,
                _ if self.tokens[i].text == "," => {
                    found.push(self.expression(i).unwrap_or_default());
                }
                _ => {}
            }
            i += 1;
        }
        found.push(Typed::default());
        found
    }

    /// A variable as it is in front of token `before`: set in this text, else in the session.
    pub fn variable(&self, name: &str, before: usize) -> Typed<'a> {
        let session = self.known.variable(name).map(Typed::of);
        // In `ds = ds.copy()` the second is what it was before.
        let set = |a: &&Assigned<'_>| a.name == name && a.at < before && a.end <= before;
        let Some(&Assigned { value, .. }) = self.assigned.iter().rev().find(set) else {
            return session.unwrap_or_default();
        };
        // `ds = ds.filter(..)` leaves most names what they are.
        session.filter(|s| s.kind == value.kind && value.value.is_none()).unwrap_or(value)
    }

    /// Where the statement that token `i` stands in ends, as a place among the tokens.
    fn statement_end(&self, mut i: usize) -> usize {
        let first = i;
        while let Some(t) = self.tokens.get(i) {
            let last = i.checked_sub(1).map(|k| &self.tokens[k]);
            let new_line = i > first
                && last.is_some_and(|l| l.can_end() && l.line < t.line)
                && !t.text.starts_with(['.', '?']);
            if new_line || t.text == ";" || t.kind == Kind::Close {
                break;
            }
            i = self.partners[i].map_or(i, |p| p.max(i)) + 1;
        }
        i.min(self.tokens.len())
    }

    /// A function of this text or of the session's cells.
    pub fn function(&self, name: &str) -> Option<Function> {
        let here = self.functions.get_or_init(|| outline::functions(self.text));
        let session = || self.known.functions.iter().find(|f| f.name == name);
        here.iter().rev().find(|f| f.name == name).or_else(session).cloned()
    }

    /// The functions of a module that this text or the session has imported.
    pub fn module_functions(&self, alias: &str) -> Vec<Function> {
        if let Some(module) = self.known.module(alias) {
            return module.functions.to_vec();
        }
        let named = |i: &usize| self.token(*i) == "as" && self.token(i + 1) == alias;
        let import = (1..self.tokens.len()).rev().find(named);
        let path = import.map(|i| self.token(i - 1).trim_matches(['"', '`']));
        let public =
            |text: &str| outline::functions(text).into_iter().filter(|f| !f.private).collect();
        path.and_then(docs::module_text).map(public).unwrap_or_default()
    }

    /// The names that this text gives, so far: variables, parameters, functions, modules.
    pub fn names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for (i, t) in
            self.tokens.iter().enumerate().filter(|(_, t)| t.kind == Kind::Word && t.can_end())
        {
            let given = matches!(self.behind(i, 1), "let" | "const" | "for" | "as");
            let parameter = matches!(self.behind(i, 1), "(" | "," | "|")
                && matches!(self.token(i + 1), ")" | "," | "|")
                && self.is_parameter(i);
            if (given || parameter) && !names.contains(&t.text) {
                names.push(t.text);
            }
        }
        names
    }

    fn is_parameter(&self, i: usize) -> bool {
        let first =
            (0..i).rev().find(|&k| self.tokens[k].kind != Kind::Word && self.token(k) != ",");
        match first.map(|k| (k, self.token(k))) {
            Some((k, "(")) => self.behind(k, 2) == "fn" || self.behind(k, 1) == "catch",
            Some((k, "|")) => k == 0 || !self.tokens[k - 1].can_end(),
            _ => false,
        }
    }
}

fn partners(tokens: &[Token<'_>]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (i, t) in tokens.iter().enumerate() {
        match t.kind {
            Kind::Open(_) => open.push(i),
            Kind::Close => {
                if let Some(o) = open.pop() {
                    (partners[o], partners[i]) = (Some(i), Some(o));
                }
            }
            _ => {}
        }
    }
    partners
}
