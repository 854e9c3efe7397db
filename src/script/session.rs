//! What a session keeps of its cells: `_`, `Out[n]` and `In[n]`.
//!
//! A cell's value is kept when it is shown; a cell that ends in `;` shows and keeps nothing. Values
//! of objects are handles, so keeping one costs no copy, but what it points at stays in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::rc::{Rc, Weak};

use rhai::plugin::*;
use rhai::{Dynamic, INT};

use super::convert::Outcome;
use super::types::type_word;
use crate::base::{Error, Kind};

/// The session's variables that are no variables: the last value, all values, all texts.
pub(super) const LAST: &str = "_";
pub(super) const OUT: &str = "Out";
pub(super) const IN: &str = "In";

/// Texts and values of the cells by their number.
#[derive(Default)]
pub(super) struct Cells {
    texts: BTreeMap<usize, String>,
    values: BTreeMap<usize, Dynamic>,
    last: Option<Dynamic>,
}

impl Cells {
    pub fn begin(&mut self, number: usize, text: &str) {
        self.texts.insert(number, text.to_owned());
    }

    /// Keeps what a cell has shown.
    pub fn keep(&mut self, number: usize, value: Dynamic) {
        self.last = Some(value.clone());
        self.values.insert(number, value);
    }

    /// Lets go of all values; the texts stay.
    pub fn forget(&mut self) {
        self.values.clear();
        self.last = None;
    }

    /// The last texts, at most so many, and their numbers.
    pub fn texts(&self, most: usize) -> impl Iterator<Item = (usize, &str)> {
        self.texts.iter().rev().take(most).map(|(n, text)| (*n, text.as_str()))
    }

    /// The last values, at most so many, and their numbers.
    pub fn values(&self, most: usize) -> impl Iterator<Item = (usize, &Dynamic)> {
        self.values.iter().rev().take(most).map(|(n, value)| (*n, value))
    }

    /// `_`.
    ///
    /// # Errors
    /// No cell has shown a value.
    pub fn last(&self) -> Result<Dynamic, Error> {
        self.last.clone().ok_or_else(|| {
            Error::new("reading _")
                .kind(Kind::Missing)
                .expected("a value that a cell before this one has shown")
                .found("no value")
        })
    }
}

/// The numbers that there are, for messages: "1 to 3, 7".
fn listed(numbers: impl Iterator<Item = usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == n => *end = n,
            _ => runs.push((n, n)),
        }
    }
    let spelled = |&(a, b): &(usize, usize)| match b - a {
        0 => a.to_string(),
        1 => format!("{a}, {b}"),
        _ => format!("{a} to {b}"),
    };
    runs.iter().map(spelled).collect::<Vec<_>>().join(", ")
}

fn entry<T: Clone>(
    of: &BTreeMap<usize, T>,
    name: &str,
    number: INT,
    what: &str,
) -> Result<T, Error> {
    let found = usize::try_from(number).ok().and_then(|n| of.get(&n)).cloned();
    found.ok_or_else(|| {
        let there = listed(of.keys().copied());
        let there = if there.is_empty() { "there is none yet".into() } else { there };
        Error::new(format!("reading {name}[{number}]"))
            .kind(Kind::Missing)
            .expected(format!("the number of {what} ({there})"))
            .found(number.to_string())
    })
}

/// `Out`. It does not keep the session alive, for the session may keep it.
#[derive(Clone)]
pub(super) struct Out(Weak<RefCell<Cells>>);

/// `In`.
#[derive(Clone)]
pub(super) struct In(Weak<RefCell<Cells>>);

impl Out {
    pub fn of(cells: &Rc<RefCell<Cells>>) -> Self {
        Self(Rc::downgrade(cells))
    }

    fn with<T: Default>(&self, look: impl FnOnce(&Cells) -> T) -> T {
        self.0.upgrade().map(|c| look(&c.borrow())).unwrap_or_default()
    }
}

impl In {
    pub fn of(cells: &Rc<RefCell<Cells>>) -> Self {
        Self(Rc::downgrade(cells))
    }

    fn with<T: Default>(&self, look: impl FnOnce(&Cells) -> T) -> T {
        self.0.upgrade().map(|c| look(&c.borrow())).unwrap_or_default()
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.with(|cells| {
            cells.values.iter().map(|(n, v)| (*n, type_word(v.type_name()))).collect::<Vec<_>>()
        });
        write!(f, "Out:{}", if kinds.is_empty() { " no values yet" } else { "" })?;
        for (number, kind) in kinds {
            write!(f, "\n  Out[{number}]  {kind}")?;
        }
        Ok(())
    }
}

impl fmt::Display for In {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::from("In:");
        for (number, text) in self.with(|cells| cells.texts.clone()) {
            let mut lines = text.trim().lines();
            write!(out, "\n  In[{number}]  {}", lines.next().unwrap_or_default())?;
            if lines.next().is_some() {
                out += " ...";
            }
        }
        f.write_str(&out)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod outputs {
    /// The value that cell `number` has shown. The last one is also called `_`. A cell that ends in
    /// `;` shows nothing, and then nothing of it is kept.
    ///
    /// ```rhai
    /// fn again(n) { Out[n] }
    /// Out.len()                       // => 0
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn get(out: &mut Out, number: INT) -> Outcome<Dynamic> {
        Ok(match out.0.upgrade() {
            Some(cells) => {
                entry(&cells.borrow().values, OUT, number, "a cell that has shown a value")?
            }
            None => Dynamic::UNIT,
        })
    }

    /// How many values are kept; `:free Out` lets go of them.
    ///
    /// ```rhai
    /// Out.len()                       // => 0
    /// ```
    pub fn len(out: &mut Out) -> INT {
        out.with(|cells| cells.values.len() as INT)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod inputs {
    /// The text of cell `number`.
    ///
    /// ```rhai
    /// fn said(n) { In[n] }
    /// In.len()                        // => 0
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn get(texts: &mut In, number: INT) -> Outcome<String> {
        Ok(match texts.0.upgrade() {
            Some(cells) => entry(&cells.borrow().texts, IN, number, "a cell")?,
            None => String::new(),
        })
    }

    /// How many cells there were.
    ///
    /// ```rhai
    /// In.len()                        // => 0
    /// ```
    pub fn len(texts: &mut In) -> INT {
        texts.with(|cells| cells.texts.len() as INT)
    }
}
