//! Questions to tables: which rows, which columns, what of groups. Expressions are SQL, checked
//! against the table before anything runs.
//!
//! In expressions categories are texts, and NaN is a missing value, which fits no condition and
//! enters no mean.

mod join;
mod sql;

use indexmap::IndexMap;
use polars::prelude::*;
use rand::seq::index;
use serde_json::{Value, json};

pub use join::{Join, attach, join};
use sql::{collect, evaluate, mask, parse, readable, refused};

use super::Table;
use super::table::{numbers, texts};
use crate::base::{Error, Kind, Result, interrupt, nearest, seed};

/// A table of columns.
///
/// # Errors
/// Columns of unequal length.
pub fn of(columns: Vec<Column>) -> Result<DataFrame> {
    let length = columns.first().map_or(0, Column::len);
    if let Some(other) = columns.iter().find(|c| c.len() != length) {
        return Err(Error::new("making a table")
            .expected(format!("{length} values in each column, as in the first"))
            .found(format!("{} in '{}'", other.len(), other.name())));
    }
    DataFrame::new(length, columns).map_err(|e| Error::io("making a table", e))
}

/// The columns of those names, in that order.
///
/// # Errors
/// [`Kind::Missing`] with the nearest name; a name given twice.
pub fn select(frame: &DataFrame, names: &[String]) -> Result<DataFrame> {
    known(frame, names)?;
    frame.select(names).map_err(|e| Error::io("selecting columns", e))
}

/// All columns but those of these names.
///
/// # Errors
/// [`Kind::Missing`] with the nearest name.
pub fn drop(frame: &DataFrame, names: &[String]) -> Result<DataFrame> {
    known(frame, names)?;
    Ok(frame.drop_many(names.iter().map(String::as_str)))
}

/// The same with another name for a column.
///
/// # Errors
/// No such column, a name that another column has.
pub fn rename(frame: &DataFrame, from: &str, to: &str) -> Result<DataFrame> {
    column(frame, from)?;
    let mut frame = frame.clone();
    frame
        .rename(from, to.into())
        .map_err(|e| Error::io(format!("renaming column '{from}' to '{to}'"), e))?;
    Ok(frame)
}

/// The column of a name.
///
/// # Errors
/// [`Kind::Missing`] with the nearest name.
pub fn column<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Column> {
    frame.column(name).map_err(|_| {
        Error::new(format!("looking up column '{name}'"))
            .kind(Kind::Missing)
            .expected("a column of that name")
            .found("none")
            .advice(nearest::advice(name, names(frame)))
    })
}

/// The rows for which a condition holds, as in `kl > 0.5 AND layer = 'L1'`.
///
/// # Errors
/// An expression that is no condition, or names a column or function that is not there.
pub fn filter(frame: &DataFrame, condition: &str) -> Result<DataFrame> {
    let mask = mask(frame, condition)?;
    frame.filter(&mask).map_err(|e| Error::io(format!("filtering by \"{condition}\""), e))
}

/// The places of the rows of a table for which a condition holds; row names are a column of it,
/// under the name that the table gives them.
///
/// # Errors
/// As [`filter`].
pub fn rows(table: &Table, condition: &str) -> Result<Vec<usize>> {
    let mask = mask(&table.with_index()?, condition)?;
    let holds = mask.iter().enumerate().filter(|(_, holds)| *holds == Some(true));
    Ok(holds.map(|(i, _)| i).collect())
}

/// Refuses a condition that holds for nothing.
///
/// # Errors
/// No row.
pub fn some(rows: &[usize], condition: &str) -> Result<()> {
    match rows.is_empty() {
        false => Ok(()),
        true => Err(Error::new(format!("selecting by \"{condition}\""))
            .expected("some rows to remain")
            .found("none for which it holds")
            .advice(match condition.contains('\'') {
                true => "Texts compare by every letter: column.unique() shows what there is",
                false => "table.describe() shows the range of each column",
            })),
    }
}

/// The table with a column of what an expression gives, added or replaced.
///
/// # Errors
/// An expression that names a column or function that is not there.
pub fn with(frame: &DataFrame, name: &str, expression: &str) -> Result<DataFrame> {
    let doing = format!("computing \"{expression}\"");
    let found = evaluate(frame, &doing, &[expression])?;
    let Some(values) = found.columns().first() else { return Ok(frame.clone()) };
    let values = match (values.len(), frame.height()) {
        (n, m) if n == m => values.clone(),
        (1, m) => values.new_from_index(0, m),
        (n, m) => {
            return Err(Error::new(doing)
                .expected(format!("{m} values, one a row, or one for all"))
                .found(n.to_string()));
        }
    };
    set(frame, values.with_name(name.into()))
}

/// The table with a column added or replaced.
///
/// # Errors
/// Another number of values than rows.
pub fn set(frame: &DataFrame, values: Column) -> Result<DataFrame> {
    if frame.width() > 0 && values.len() != frame.height() {
        return Err(Error::new(format!("setting column '{}' of a table", values.name()))
            .expected(format!("{} values, one a row", frame.height()))
            .found(values.len().to_string()));
    }
    let mut frame = frame.clone();
    frame.with_column(values).map_err(|e| Error::io("setting a column of a table", e))?;
    Ok(frame)
}

/// One row for each group of equal `keys`, sorted by them, missing ones last, with what the
/// expressions give of the group's rows, as in `mean(kl) AS kl`. Without expressions `n` counts;
/// without keys all rows are one group.
///
/// # Errors
/// As [`filter`]; an expression that gives more than one value a group.
pub fn group(frame: &DataFrame, keys: &[String], expressions: &[String]) -> Result<DataFrame> {
    let doing = format!("grouping by {}", keys.join(", "));
    known(frame, keys)?;
    let counted = ["count(*) AS n".to_owned()];
    let expressions = if expressions.is_empty() { &counted } else { expressions };
    if keys.is_empty() {
        let texts: Vec<&str> = expressions.iter().map(String::as_str).collect();
        let all = evaluate(frame, "summing up a table", &texts)?;
        return match all.height() {
            1 => Ok(all),
            n => Err(Error::new("summing up a table")
                .expected("one value of all rows")
                .found(n.to_string())
                .advice("Say which, as in mean(a), max(a), first(a) or count(*)")),
        };
    }
    let exprs = expressions.iter().map(|e| parse(frame, &doing, e)).collect::<Result<Vec<_>>>()?;
    // Keys keep their categories, whose order the groups then have.
    let plain = readable(frame, keys)?.lazy();
    let by: Vec<Expr> = keys.iter().map(|k| col(k.as_str())).collect();
    let mut lazy = plain.group_by_stable(&by).agg(&exprs);
    let schema = lazy.collect_schema().map_err(|e| refused(&doing, frame, e))?;
    if let Some((name, _)) = schema.iter().find(|(_, t)| matches!(t, DataType::List(_))) {
        return Err(Error::new(doing)
            .expected("one value a group")
            .found(format!("many for '{name}'"))
            .advice("Say which, as in mean(a), max(a), first(a) or count(*)"));
    }
    let order = SortMultipleOptions::default().with_nulls_last(true).with_maintain_order(true);
    let names: Vec<PlSmallStr> = keys.iter().map(|k| k.as_str().into()).collect();
    collect(&doing, lazy.sort(names, order), |e| refused(&doing, frame, e))
}

/// Sorted by columns, the first before the next, missing values last; equal rows keep their order.
///
/// # Errors
/// No such column.
pub fn sort(frame: &DataFrame, by: &[String], descending: bool) -> Result<DataFrame> {
    known(frame, by)?;
    let order = SortMultipleOptions::default()
        .with_order_descending(descending)
        .with_nulls_last(true)
        .with_maintain_order(true);
    let doing = format!("sorting by {}", by.join(", "));
    let (frame, by) = (frame.clone(), by.to_vec());
    let sorted = interrupt::abandonable(&doing, move || Ok(frame.sort(by, order)))?;
    sorted.map_err(|e| Error::io(doing, e))
}

/// The first of the rows that agree in some columns, or in all where none is named.
///
/// # Errors
/// No such column.
pub fn unique(frame: &DataFrame, by: &[String]) -> Result<DataFrame> {
    known(frame, by)?;
    let doing = "dropping repeated rows";
    let (frame, by) = (frame.clone(), by.to_vec());
    let job = move || {
        let by = (!by.is_empty()).then_some(&by[..]);
        Ok(frame.unique_stable(by, UniqueKeepStrategy::First, None))
    };
    interrupt::abandonable(doing, job)?.map_err(|e| Error::io(doing, e))
}

/// `n` rows drawn without replacement, in the order of the table.
///
/// # Errors
/// More than there are.
pub fn sample(frame: &DataFrame, n: usize, with_seed: u64) -> Result<DataFrame> {
    if n > frame.height() {
        return Err(Error::new("drawing rows of a table")
            .expected(format!("at most {}", frame.height()))
            .found(n.to_string()));
    }
    let mut rng = seed::rng(with_seed, 0);
    let mut rows = index::sample(&mut rng, frame.height(), n).into_vec();
    rows.sort_unstable();
    let rows: Vec<IdxSize> = rows.into_iter().map(|r| r as IdxSize).collect();
    frame.take(&IdxCa::new("rows".into(), rows)).map_err(|e| Error::io("drawing rows", e))
}

/// A row for each column: its type, how many values are there and missing, and of numbers the
/// mean, standard deviation (n - 1), least, quartiles and most.
///
/// # Errors
/// What polars says.
pub fn describe(frame: &DataFrame) -> Result<DataFrame> {
    let failed = |e| Error::io("describing a table", e);
    let plain = readable(frame, &[])?;
    let mut numbers: Vec<[Option<f64>; 7]> = Vec::new();
    for column in plain.columns() {
        let number = column.dtype().is_primitive_numeric() || column.dtype().is_bool();
        let mut row = [None; 7];
        if number {
            let values = column.cast(&DataType::Float64).map_err(failed)?;
            let values = values.f64().map_err(failed)?;
            let quantile = |q| values.quantile(q, QuantileMethod::Linear).map_err(failed);
            row = [
                values.mean(),
                values.std(1),
                values.min(),
                quantile(0.25)?,
                quantile(0.5)?,
                quantile(0.75)?,
                values.max(),
            ];
        }
        numbers.push(row);
    }
    let texts = |of: &dyn Fn(&Column) -> String| plain.columns().iter().map(of).collect::<Vec<_>>();
    let types = frame.columns().iter().map(|c| kind(c.dtype())).collect::<Vec<_>>();
    let counts = |of: &dyn Fn(&Column) -> usize| {
        plain.columns().iter().map(|c| of(c) as i64).collect::<Vec<_>>()
    };
    let mut columns = vec![
        Column::new("column".into(), texts(&|c| c.name().to_string())),
        Column::new("type".into(), types),
        Column::new("n".into(), counts(&|c| c.len() - c.null_count())),
        Column::new("missing".into(), counts(&|c| c.null_count())),
        Column::new(
            "distinct".into(),
            counts(&|c| c.n_unique().unwrap_or(0) - usize::from(c.null_count() > 0)),
        ),
    ];
    for (i, name) in ["mean", "std", "min", "25 %", "median", "75 %", "max"].iter().enumerate() {
        let values: Vec<Option<f64>> = numbers.iter().filter_map(|r| r.get(i).copied()).collect();
        columns.push(Column::new((*name).into(), values));
    }
    DataFrame::new(frame.width(), columns).map_err(failed)
}

/// The rows as maps from column to value, for what is small.
///
/// # Errors
/// What polars says.
pub fn records(frame: &DataFrame) -> Result<Vec<IndexMap<String, Value>>> {
    let mut rows = vec![IndexMap::new(); frame.height()];
    for column in readable(frame, &[])?.columns() {
        let name = column.name().as_str();
        let values: Vec<Value> = match column.dtype() {
            DataType::Boolean => {
                let failed = |e| Error::io(format!("reading column '{name}'"), e);
                column.bool().map_err(failed)?.iter().map(|v| json!(v)).collect()
            }
            t if t.is_integer() => {
                let failed = |e| Error::io(format!("reading column '{name}'"), e);
                let wide = column.cast(&DataType::Int64).map_err(failed)?;
                wide.i64().map_err(failed)?.iter().map(|v| json!(v)).collect()
            }
            t if t.is_float() => numbers(column)?.into_iter().map(|v| json!(v)).collect(),
            _ => texts(column)?.into_iter().map(|v| json!(v)).collect(),
        };
        rows.iter_mut().zip(values).for_each(|(row, v)| {
            row.insert(name.to_owned(), v);
        });
    }
    Ok(rows)
}

/// The type of a column in a word of ours.
pub fn kind(dtype: &DataType) -> String {
    match dtype {
        DataType::String => "text".into(),
        DataType::Enum(..) | DataType::Categorical(..) => "categories".into(),
        DataType::Boolean => "bool".into(),
        t if t.is_integer() => "int".into(),
        t if t.is_float() => "float".into(),
        other => other.to_string(),
    }
}

fn names(frame: &DataFrame) -> impl Iterator<Item = &str> {
    frame.columns().iter().map(|c| c.name().as_str())
}

fn known(frame: &DataFrame, wanted: &[String]) -> Result<()> {
    for (i, name) in wanted.iter().enumerate() {
        column(frame, name)?;
        if wanted.iter().take(i).any(|n| n == name) {
            return Err(Error::new("naming columns")
                .expected("each column once")
                .found(format!("'{name}' twice")));
        }
    }
    Ok(())
}

fn as_text(column: &Column) -> Result<Column> {
    column
        .cast(&DataType::String)
        .map_err(|e| Error::io(format!("reading column '{}' as text", column.name()), e))
}
