//! Two tables side by side: joined on columns, or by the names of rows.

use std::collections::HashMap;

use polars::prelude::*;

use super::sql::collect;
use super::{as_text, column, known, set};
use crate::base::{Error, Result, nearest, progress};
use crate::data::Table;
use crate::data::table::{holds, texts};

/// How tables are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// All rows of the first; what the second lacks is missing.
    Left,
    /// The rows that both have.
    Inner,
    /// All rows of both.
    Full,
    /// The rows of the first that the second has.
    Semi,
    /// The rows of the first that the second lacks.
    Anti,
}

impl std::str::FromStr for Join {
    type Err = Error;

    fn from_str(how: &str) -> Result<Self> {
        Ok(match how {
            "left" => Self::Left,
            "inner" => Self::Inner,
            "full" | "outer" => Self::Full,
            "semi" => Self::Semi,
            "anti" => Self::Anti,
            other => {
                let known = ["left", "inner", "full", "semi", "anti"];
                return Err(Error::new("joining tables")
                    .expected(known.join(", "))
                    .found(format!("\"{other}\""))
                    .advice(nearest::advice(other, known)));
            }
        })
    }
}

/// Joins two tables on columns that both have, in the order of the first. Columns of the second
/// that the first has too get `_right`.
///
/// # Errors
/// A column that one of them lacks, numbers against texts.
pub fn join(left: &DataFrame, right: &DataFrame, on: &[String], how: Join) -> Result<DataFrame> {
    let doing = format!("joining tables on {}", on.join(", "));
    if on.is_empty() {
        return Err(Error::new(doing).expected("a column at least").found("none"));
    }
    known(left, on).map_err(|e| e.within(format!("{doing}, the first")))?;
    known(right, on).map_err(|e| e.within(format!("{doing}, the second")))?;
    let (mut a, mut b) = (left.clone(), right.clone());
    for name in on {
        let (x, y) = (column(left, name)?, column(right, name)?);
        if x.dtype().is_primitive_numeric() != y.dtype().is_primitive_numeric() {
            return Err(Error::new(doing)
                .expected(format!("'{name}' to hold the same sort of values in both"))
                .found(format!("{} and {}", holds(x.dtype()), holds(y.dtype())))
                .advice(format!(
                    "Make one as the other: t.with_column(\"{name}\", \"CAST({name} AS VARCHAR)\")"
                )));
        }
        // Categories of two tables agree as texts only.
        if x.dtype() != y.dtype() && !x.dtype().is_primitive_numeric() {
            a = set(&a, as_text(x)?)?;
            b = set(&b, as_text(y)?)?;
        }
    }
    let (kind, order) = match how {
        Join::Left => (JoinType::Left, MaintainOrderJoin::LeftRight),
        Join::Inner => (JoinType::Inner, MaintainOrderJoin::LeftRight),
        Join::Full => (JoinType::Full, MaintainOrderJoin::LeftRight),
        Join::Semi => (JoinType::Semi, MaintainOrderJoin::Left),
        Join::Anti => (JoinType::Anti, MaintainOrderJoin::Left),
    };
    let mut args = JoinArgs::new(kind);
    args.maintain_order = order;
    args.coalesce = JoinCoalesce::CoalesceColumns;
    let by: Vec<Expr> = on.iter().map(|n| col(n.as_str())).collect();
    let failed = |e| Error::io(doing.clone(), e);
    let mut joined = collect(&doing, a.lazy().join(b.lazy(), &by, &by, args), failed)?;
    for name in on {
        let before = column(left, name)?.dtype();
        if matches!(before, DataType::Enum(..)) && how != Join::Full {
            let back = column(&joined, name)?.strict_cast(before).map_err(failed)?;
            joined = set(&joined, back)?;
        }
    }
    Ok(joined)
}

/// Adds the columns of a frame to a table, joined by the table's row names; `on` names the
/// frame's column that holds them. Returns how many rows it has something for.
///
/// # Errors
/// No such column, a name in it that stands twice, no row name in it, a column that the table has.
pub fn attach(table: &mut Table, frame: &DataFrame, on: &str) -> Result<usize> {
    let doing = format!("joining a table by '{on}'");
    let keys = texts(column(frame, on)?)?;
    let mut place: HashMap<&str, IdxSize> = HashMap::new();
    for (key, i) in keys.iter().zip(0..) {
        let Some(key) = key else { continue };
        if place.insert(key, i).is_some() {
            return Err(Error::new(doing)
                .expected(format!("each '{on}' once"))
                .found(format!("'{key}' twice"))
                .advice(format!(
                    "t.group(\"{on}\", ...) or t.unique(\"{on}\") makes one row of them"
                )));
        }
    }
    let others = frame.columns().iter().filter(|c| c.name() != on);
    if let Some(c) = others.clone().find(|c| table.has(c.name())) {
        return Err(Error::new(doing)
            .expected("columns of other names")
            .found(format!("'{0}' in both", c.name()))
            .advice(format!("t.drop(\"{0}\") or t.rename(\"{0}\", ...) before", c.name())));
    }
    let at: IdxCa = table.index().iter().map(|n| place.get(n.as_str()).copied()).collect();
    let matched = at.len() - at.null_count();
    if matched == 0 {
        let ours = table.index().first().map_or("none", String::as_str);
        let theirs = keys.iter().flatten().next().map_or("none", String::as_str);
        return Err(Error::new(doing)
            .expected("names that the rows have")
            .found(format!("no match: rows as '{ours}', the table as '{theirs}'")));
    }
    for c in others {
        table.set(c.take(&at).map_err(|e| Error::io(doing.clone(), e))?)?;
    }
    progress::note(format!("{doing}: {matched} of {} rows have a match", at.len()));
    Ok(matched)
}
