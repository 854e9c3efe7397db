//! Attributes of an axis as a table.

use hdf5::Group;
use indexmap::IndexMap;
use ndarray::Array2;
use polars::prelude::{Column, NamedFrom, Series};

use super::members;
use crate::base::{Error, Kind, Result, nearest, progress};
use crate::data::Table;
use crate::io::h5::{self, Array, Node};

/// The attributes of an axis of length `n`, each with `n` rows; `shape` is for the message.
pub(super) fn attributes(
    f: &Group,
    group: &str,
    n: usize,
    shape: (usize, usize),
) -> Result<IndexMap<String, Array>> {
    let mut all = IndexMap::new();
    let Some(Node::Group(g)) = h5::node(f, group)? else { return Ok(all) };
    for (name, node) in members(&g)? {
        let Node::Array(d) = node else { continue };
        let Some(array) = h5::array(&d)? else {
            progress::note(format!("{group}/{name} is of a type that is not read; left out"));
            continue;
        };
        let found = array.shape.first().copied();
        if found != Some(n) || array.shape.len() > 2 {
            let turned = found == Some(if n == shape.0 { shape.1 } else { shape.0 });
            let e = Error::new(format!("reading {group}/{name}"))
                .expected(format!("{n} values, as the matrix [{}, {}] has", shape.0, shape.1))
                .found(format!("shape {:?}", array.shape));
            return Err(if turned {
                e.advice("A loom file is genes x cells: this one may have been written the other way round")
            } else {
                e.advice(
                    "The file is damaged, or its attributes were changed apart from the matrix",
                )
            });
        }
        all.insert(name, array);
    }
    Ok(all)
}

/// Matrices by name.
pub(super) type Beside = Vec<(String, Array2<f64>)>;

/// Attributes as a table of `n` rows with its names, and the matrices among them.
pub(super) fn table(
    mut attributes: IndexMap<String, Array>,
    n: usize,
    names: Option<&str>,
    usual: &[&str],
    what: &str,
) -> Result<(Table, Beside)> {
    let flat = |name: &&str| attributes.get(*name).is_some_and(|a| a.shape.len() == 1);
    if let Some(wanted) = names.filter(|n| !flat(n)) {
        let known = attributes.keys().map(String::as_str);
        return Err(Error::new(format!("looking for the names of the {what}"))
            .kind(Kind::Missing)
            .expected(format!("an attribute '{wanted}', one value each"))
            .found("none")
            .advice(nearest::advice(wanted, known)));
    }
    let chosen = names.or_else(|| usual.iter().copied().find(flat));
    let chosen = chosen.and_then(|name| Some((name, attributes.shift_remove(name)?)));
    let mut table = match chosen {
        Some((name, array)) => {
            if names.is_none() && Some(&name) != usual.first() {
                progress::note(format!("the {what} are named by '{name}'"));
            }
            let mut table = Table::new(texts(&array)?);
            table.index_name = name.to_owned();
            table
        }
        None => {
            progress::note(format!(
                "no attribute names the {what} ({}): they are numbered; name one as {}",
                usual.join(", "),
                if what == "cells" { "obs_names" } else { "var_names" }
            ));
            Table::new((0..n).map(|i| i.to_string()).collect())
        }
    };
    let mut beside = Vec::new();
    for (name, array) in attributes {
        if array.shape.len() == 1 {
            column(&mut table, &name, &array)?;
        } else if array.values.dtype().is_string() {
            progress::note(format!("{name}: text of two axes; left out"));
        } else {
            let shape = (array.shape[0], array.shape[1]);
            let m = Array2::from_shape_vec(shape, h5::f64s(&array)?)
                .map_err(|e| Error::io(format!("reading {name}"), e))?;
            beside.push((name, m));
        }
    }
    Ok((table, beside))
}

/// Adds an attribute as a column: text that repeats as categories, as anndata does on writing.
fn column(table: &mut Table, name: &str, array: &Array) -> Result<()> {
    if !array.values.dtype().is_string() {
        return table.set(Column::from(array.values.clone().with_name(name.into())));
    }
    let texts = texts(array)?;
    let distinct: std::collections::HashSet<&str> = texts.iter().map(String::as_str).collect();
    if distinct.len() < texts.len() {
        let texts: Vec<Option<String>> = texts.into_iter().map(Some).collect();
        return table.set_categories(name, &texts);
    }
    table.set(Column::from(Series::new(name.into(), texts)))
}

/// Text as it was before loompy 2 wrote what is not ASCII as XML entities.
pub(super) fn texts(array: &Array) -> Result<Vec<String>> {
    let texts = h5::as_texts(array)?;
    Ok(texts.into_iter().map(|t| if t.contains("&") { unescaped(&t) } else { t }).collect())
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
        match entity {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}
