//! Tables of an `.h5ad`: `obs`, `var`, and data frames anywhere else.

use hdf5::{Container, Group, Location};
use polars::prelude::*;

use crate::base::{Error, Result, progress};
use crate::data::Table;
use crate::io::h5::{self, Array, Node};

/// The table at a group (data frame) or a record array (before anndata 0.7).
pub(super) fn read(node: &Node) -> Result<Table> {
    match node {
        Node::Group(g) => frame(g),
        Node::Array(d) => records(d),
    }
}

/// A data frame of specification 0.1 or 0.2.
fn frame(g: &Group) -> Result<Table> {
    let at = g.name();
    let members = h5::names(g)?;
    let guess = || {
        ["_index", "index"].into_iter().find(|n| members.iter().any(|m| m == n)).map(str::to_owned)
    };
    let index = h5::text_attr(g, "_index").or_else(guess).ok_or_else(|| {
        Error::new(format!("reading the table {at}"))
            .expected("an attribute '_index' that names the column of row names")
            .found("none")
    })?;
    let mut table = Table::new(h5::texts(&h5::dataset(g, &index)?)?);
    let order = h5::texts_attr(g, "column-order").filter(|o| !o.is_empty()).unwrap_or(members);
    for name in order.iter().filter(|n| **n != index && *n != "__categories") {
        let within = |e: Error| e.within(format!("reading column '{name}' of {at}"));
        if !column(g, name, &mut table).map_err(within)? {
            progress::note(format!(
                "{at}: column '{name}' is of a kind that is not read; left out"
            ));
        }
    }
    table.index_name = index;
    Ok(table)
}

/// Sets one column; `false` when it is of a kind that is not read.
fn column(g: &Group, name: &str, table: &mut Table) -> Result<bool> {
    match h5::node(g, name)? {
        None => Err(h5::dataset(g, name).err().unwrap_or_else(|| Error::new("opening it"))),
        Some(Node::Array(d)) => {
            let Some(array) = h5::array(&d)? else { return Ok(false) };
            // Before anndata 0.8 the categories lay in a group of their own.
            match g
                .link_exists("__categories")
                .then(|| g.group("__categories"))
                .and_then(Result::ok)
            {
                Some(c) if c.link_exists(name) => {
                    let categories = h5::dataset(&c, name)?;
                    categorical(name, &category_names(&categories, name)?, &array, table)?;
                    ordered(&categories, name);
                }
                _ if array.shape.len() != 1 => return Ok(false),
                _ => table.set(array.values.with_name(name.into()).into())?,
            }
            Ok(true)
        }
        Some(Node::Group(c)) => match h5::text_attr(&c, "encoding-type").as_deref() {
            Some("categorical") => {
                let codes = h5::array(&h5::dataset(&c, "codes")?)?;
                let Some(codes) = codes else { return Ok(false) };
                let categories = h5::dataset(&c, "categories")?;
                categorical(name, &category_names(&categories, name)?, &codes, table)?;
                ordered(&c, name);
                Ok(true)
            }
            Some("nullable-integer" | "nullable-boolean" | "nullable-string-array") => {
                let Some(values) = masked(&c)? else { return Ok(false) };
                table.set(values.with_name(name.into()).into())?;
                Ok(true)
            }
            _ => Ok(false),
        },
    }
}

/// Values under a mask that says which are missing.
pub(super) fn masked(g: &Group) -> Result<Option<Series>> {
    let (values, mask) =
        (h5::array(&h5::dataset(g, "values")?)?, h5::array(&h5::dataset(g, "mask")?)?);
    let (Some(values), Some(mask)) = (values, mask) else { return Ok(None) };
    let failed = |e| Error::io(format!("reading {}", g.name()), e);
    let (values, mask) = (values.values, mask.values);
    let missing = mask.bool().map_err(failed)?;
    if missing.len() != values.len() {
        return Err(Error::new(format!("reading {}", g.name()))
            .expected(format!("a mask of {} values", values.len()))
            .found(missing.len().to_string()));
    }
    let merged: Vec<AnyValue<'_>> = missing
        .iter()
        .zip(values.iter())
        .map(|(m, v)| if m == Some(true) { AnyValue::Null } else { v })
        .collect();
    Series::from_any_values_and_dtype(PlSmallStr::EMPTY, &merged, values.dtype(), true)
        .map(Some)
        .map_err(failed)
}

/// Categories are texts here, whatever they were.
fn category_names(categories: &Container, name: &str) -> Result<Vec<String>> {
    if h5::array(categories)?.is_some_and(|a| !a.values.dtype().is_string()) {
        progress::note(format!("the categories of '{name}' are no texts; they are read as texts"));
    }
    h5::texts(categories)
}

/// Categories with a code for each row; a code below zero is a missing value.
pub(super) fn categorical(
    name: &str,
    categories: &[String],
    codes: &Array,
    table: &mut Table,
) -> Result<()> {
    let codes: Vec<Option<u32>> = h5::i64s(codes)?
        .into_iter()
        // A code too large for u32 is beyond the categories as well, which `set_codes` refuses.
        .map(|c| (c >= 0).then(|| u32::try_from(c).unwrap_or(u32::MAX)))
        .collect();
    table.set_codes(name, categories, &codes)
}

fn ordered(at: &Location, name: &str) {
    let flag = at.attr("ordered").ok().and_then(|a| h5::array(&a).ok().flatten());
    if flag.is_some_and(|f| h5::f64s(&f).is_ok_and(|v| v.first() == Some(&1.0))) {
        progress::note(format!(
            "column '{name}' is flagged as ordered: its order is kept, the flag is not"
        ));
    }
}

/// A record array. Its row names are the field `index`, or its first field of text; without one
/// the rows are numbered.
fn records(d: &hdf5::Dataset) -> Result<Table> {
    let at = d.name();
    let mut fields = h5::fields(d)?.ok_or_else(|| {
        Error::new(format!("reading the table {at}"))
            .expected("a record array")
            .found("a plain array")
    })?;
    let place = fields.iter().position(|(n, _)| n == "index" || n == "_index");
    let mut table = match place.map(|i| fields.remove(i)) {
        Some((_, index)) => Table::new(h5::as_texts(&index)?),
        None => Table::new((0..d.size()).map(|i| i.to_string()).collect()),
    };
    for (name, array) in fields {
        if array.shape.len() == 1 {
            table.set(array.values.with_name(name.as_str().into()).into())?;
        } else {
            progress::note(format!("{at}: field '{name}' has several values a row; left out"));
        }
    }
    Ok(table)
}
