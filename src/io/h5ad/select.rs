//! Which part of an `.h5ad` is read.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Kind, Result, nearest};
use crate::data::{Table, frame};

/// The part of an `.h5ad` that is read. What is not asked for is not loaded: of X, the layers, raw,
/// obsm and obsp only the pieces of the file are read in which the chosen spots lie (or, where a
/// matrix is stored by columns, the chosen genes).
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct H5adConfig {
    /// The spots: a condition on the columns of obs, as SQL writes it (`"layer = 'L1' AND n > 10"`;
    /// the names of the spots are the column that the file calls its index), or a list of names, in
    /// the order wanted. All unless given.
    pub obs: Option<Spots>,
    /// The genes by name, in the order wanted. All unless given; raw keeps its own.
    pub genes: Option<Vec<String>>,
    /// The layers. All unless given; `[]` for none.
    pub layers: Option<Vec<String>>,
    /// The matrices of spots. All unless given.
    pub obsm: Option<Vec<String>>,
    /// The matrices of pairs of spots. All unless given.
    pub obsp: Option<Vec<String>>,
    /// The entries of uns. All unless given.
    pub uns: Option<Vec<String>>,
    /// Whether raw is read.
    pub raw: bool,
}

impl Default for H5adConfig {
    fn default() -> Self {
        Self { obs: None, genes: None, layers: None, obsm: None, obsp: None, uns: None, raw: true }
    }
}

/// Spots by a condition or by name.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(inline)]
#[serde(untagged)]
pub enum Spots {
    Where(String),
    Names(Vec<String>),
}

/// Chosen rows of a table.
pub(super) struct Chosen {
    /// Their places, ascending, as they are read.
    pub places: Vec<usize>,
    /// The order in which they were asked for, where it is another.
    pub order: Option<Vec<usize>>,
}

impl Chosen {
    fn new(wanted: Vec<usize>) -> Self {
        if wanted.is_sorted() {
            return Self { places: wanted, order: None };
        }
        let mut places = wanted.clone();
        places.sort_unstable();
        let at: HashMap<usize, usize> = places.iter().enumerate().map(|(i, &p)| (p, i)).collect();
        let order = wanted.iter().filter_map(|p| at.get(p).copied()).collect();
        Self { places, order: Some(order) }
    }
}

/// The rows that meet a condition or bear the names.
pub(super) fn spots(obs: &Table, wanted: &Spots) -> Result<Chosen> {
    match wanted {
        Spots::Where(condition) => {
            let rows = frame::rows(obs, condition)?;
            frame::some(&rows, condition)?;
            Ok(Chosen::new(rows))
        }
        Spots::Names(names) => by_name(obs, names, "spots"),
    }
}

/// The rows of these names.
///
/// # Errors
/// No name at all; one that is not there, stands twice in the list, or belongs to several rows.
pub(super) fn by_name(table: &Table, names: &[String], what: &str) -> Result<Chosen> {
    let doing = || format!("choosing {what} by name");
    if names.is_empty() {
        return Err(Error::new(doing())
            .expected("at least one name")
            .found("none")
            .advice(format!("Leave the option out to read all {what}")));
    }
    let asked: HashSet<&str> = names.iter().map(String::as_str).collect();
    if asked.len() < names.len() {
        return Err(Error::new(doing()).expected("each name once").found("one that stands twice"));
    }
    let mut place = HashMap::new();
    for (i, name) in table.index().iter().enumerate().filter(|(_, n)| asked.contains(n.as_str())) {
        if place.insert(name.as_str(), i).is_some() {
            return Err(Error::new(doing())
                .expected("names that belong to one row each")
                .found(format!("'{name}' for several")));
        }
    }
    let missing: Vec<&str> =
        names.iter().map(String::as_str).filter(|n| !place.contains_key(n)).collect();
    if let Some(first) = missing.first() {
        return Err(Error::new(doing())
            .kind(Kind::Missing)
            .expected(format!("{} {what} in the file", names.len()))
            .found(format!("{} missing, the first '{first}'", missing.len()))
            .advice(nearest::advice(first, table.index().iter().map(String::as_str))));
    }
    Ok(Chosen::new(names.iter().filter_map(|n| place.get(n.as_str()).copied()).collect()))
}

/// Rows and columns that are read, each ascending; `None` for all.
#[derive(Clone, Copy, Default)]
pub(super) struct Picked<'a> {
    pub rows: Option<&'a [usize]>,
    pub cols: Option<&'a [usize]>,
}

impl Picked<'_> {
    pub fn shape(&self, (rows, cols): (usize, usize)) -> (usize, usize) {
        (self.rows.map_or(rows, <[usize]>::len), self.cols.map_or(cols, <[usize]>::len))
    }
}

/// Ascending places as spans of neighbours, out of `n`.
pub(super) fn spans(places: Option<&[usize]>, n: usize) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let Some(places) = places else { return std::iter::once(0..n).collect() };
    for &p in places {
        match spans.last_mut() {
            Some(last) if last.end == p => last.end = p + 1,
            _ => spans.push(p..p + 1),
        }
    }
    spans
}
