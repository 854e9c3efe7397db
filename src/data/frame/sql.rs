//! Expressions of SQL over the columns of a table, checked before they run.

use polars::prelude::*;
use polars::sql::{keywords, sql_expr};

use super::{as_text, names};
use crate::base::{Error, Kind, Result, interrupt, nearest};
use crate::data::table::{ROW_NAMES, holds};

/// The table as expressions see it: categories as texts and NaN as missing, but for `keep`.
pub(super) fn readable(frame: &DataFrame, keep: &[String]) -> Result<DataFrame> {
    let mut out = frame.clone();
    for column in frame.columns() {
        let failed = |e| Error::io(format!("reading column '{}'", column.name()), e);
        let plain = match column.dtype() {
            _ if keep.iter().any(|k| k == column.name().as_str()) => continue,
            DataType::Enum(..) | DataType::Categorical(..) => as_text(column)?,
            // NaN would be the largest of numbers.
            DataType::Float64 => {
                let values = column.f64().map_err(failed)?.iter();
                values.map(|v| v.filter(|v| !v.is_nan())).collect::<Float64Chunked>().into_column()
            }
            DataType::Float32 => {
                let values = column.f32().map_err(failed)?.iter();
                values.map(|v| v.filter(|v| !v.is_nan())).collect::<Float32Chunked>().into_column()
            }
            _ => continue,
        };
        out.with_column(plain.with_name(column.name().clone())).map_err(failed)?;
    }
    Ok(out)
}

pub(super) fn mask(frame: &DataFrame, condition: &str) -> Result<BooleanChunked> {
    let doing = format!("filtering by \"{condition}\"");
    let found = evaluate(frame, &doing, &[condition])?;
    let Some(values) = found.columns().first() else {
        return Ok(BooleanChunked::full("all".into(), true, frame.height()));
    };
    let values = values.bool().map_err(|_| {
        Error::new(doing.clone())
            .expected("a condition, as in a > 5 AND layer = 'L1'")
            .found(format!("an expression that gives {}", holds(values.dtype())))
    })?;
    Ok(match values.len() == frame.height() {
        true => values.clone(),
        false => BooleanChunked::full("all".into(), values.get(0) == Some(true), frame.height()),
    })
}

pub(super) fn evaluate(frame: &DataFrame, doing: &str, expressions: &[&str]) -> Result<DataFrame> {
    let exprs = expressions.iter().map(|e| parse(frame, doing, e)).collect::<Result<Vec<_>>>()?;
    let mut lazy = readable(frame, &[])?.lazy().select(&exprs);
    lazy.collect_schema().map_err(|e| refused(doing, frame, e))?;
    collect(doing, lazy, |e| refused(doing, frame, e))
}

/// What a query gives; polars cannot be stopped amid one.
pub(super) fn collect(
    doing: &str,
    query: LazyFrame,
    failed: impl Fn(PolarsError) -> Error,
) -> Result<DataFrame> {
    interrupt::abandonable(doing, move || Ok(query.collect()))?.map_err(failed)
}

/// An expression of SQL over the columns of a table.
pub(super) fn parse(frame: &DataFrame, doing: &str, text: &str) -> Result<Expr> {
    let expr = sql_expr(in_sql(text)).map_err(|e| refused(doing, frame, e))?;
    for name in leaves(&expr) {
        if frame.column(&name).is_err() {
            let quoted = text.contains(&format!("\"{name}\""));
            let advice = match nearest::nearest(&name, names(frame)) {
                Some(near @ ROW_NAMES) => format!("The names of the rows are the column {near}"),
                _ => nearest::advice(&name, shown(frame)),
            };
            return Err(Error::new(doing)
                .kind(Kind::Missing)
                .expected(format!("a column '{name}'"))
                .found("none")
                .advice(match quoted || nearest::nearest(&name, names(frame)).is_none() {
                    true => format!("A text stands in single quotes: '{name}'. {advice}"),
                    false => advice,
                }));
        }
    }
    Ok(expr)
}

/// The columns that messages list: without that of the row names where it has no name of its own.
fn shown(frame: &DataFrame) -> impl Iterator<Item = &str> {
    names(frame).filter(|n| *n != ROW_NAMES)
}

/// Functions by the names that analyses know them by, and SQL's.
const ALIASES: [(&str, &str); 2] = [("mean", "AVG"), ("std", "STDDEV")];

/// The expression with SQL's names for functions and with numbers as polars reads them, texts and
/// quoted names left as they are.
fn in_sql(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let end = if quote.is_none() && word > 0 { word } else { c.len_utf8() };
        let (part, after) = rest.split_at(end);
        let alias = ALIASES.iter().find(|(name, _)| {
            quote.is_none()
                && part.eq_ignore_ascii_case(name)
                && after.trim_start().starts_with('(')
        });
        let number = quote.is_none() && !out.ends_with('.');
        match number.then(|| with_point(part)).flatten() {
            Some(number) => out += &number,
            None => out += alias.map_or(part, |(_, sql)| sql),
        }
        match quote {
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        rest = after;
    }
    out
}

/// A whole number with an exponent, or with more digits than 64 bits hold, with the point that
/// polars wants in it.
fn with_point(word: &str) -> Option<String> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (whole, power) = word.split_at(digits);
    let exponent = power
        .strip_prefix(['e', 'E'])
        .is_some_and(|power| power.chars().all(|c| c.is_ascii_digit()));
    let large = power.is_empty() && whole.parse::<i64>().is_err();
    (digits > 0 && (exponent || large)).then(|| format!("{whole}.0{power}"))
}

fn leaves(expr: &Expr) -> Vec<String> {
    let column = |e: &Expr| if let Expr::Column(name) = e { Some(name.to_string()) } else { None };
    expr.into_iter().filter_map(column).collect()
}

/// What polars says of an expression, in our words.
pub(super) fn refused(doing: &str, frame: &DataFrame, e: PolarsError) -> Error {
    let said = e.to_string();
    let error = Error::io(doing, e).kind(Kind::Invalid);
    let between = |start: &str| said.split_once(start)?.1.split_once('\'').map(|(name, _)| name);
    if let Some(name) = between("unsupported function '") {
        let near = nearest::nearest(name, keywords::all_functions());
        return error.found(format!("a function '{name}', which is not known")).advice(
            near.map_or("The functions are those of polars's SQL".into(), |n| {
                format!("Did you mean {n}?")
            }),
        );
    }
    let columns: Vec<&str> = shown(frame).take(12).collect();
    let first = said.lines().next().unwrap_or_default();
    error.expected("an expression of SQL, as in a > 5 AND layer = 'L1'").found(plain(first)).advice(
        format!(
            "Texts stand in single quotes, names with spaces in double ones. Columns: {}",
            columns.join(", ")
        ),
    )
}

/// What polars finds, without the names of its types.
fn plain(said: &str) -> String {
    let token = said.split_once("unexpected token '").map(|(_, t)| t.trim_end_matches("')"));
    match token {
        Some(token) => format!("'{token}' where it might end (numbers are written as 1.5)"),
        None if said.contains("unable to parse") => "one with a part too few or too many".into(),
        None if said.contains("operator PGOverlap") => {
            "&&, which is written AND (and || OR)".into()
        }
        None if said.contains("cannot compare string") => "a text compared with a number".into(),
        None if said.contains("arithmetic on dtypes") => "arithmetic with what is no number".into(),
        None => said.to_owned(),
    }
}
