//! Tables for people: the first and the last rows, how many lie between them, and no more columns
//! than there is room for, which is said too.

use std::fmt::Write;

use polars::prelude::{Column, DataFrame};

use super::html::{self, Cell};
use crate::data::{frame, table};

/// Tables of so many rows are shown whole.
const ALL: usize = 20;
/// Rows of longer ones, from the start and from the end.
const HEAD: usize = 10;
const TAIL: usize = 5;
/// Characters across of a table as text.
const WIDTH: usize = 100;
/// Characters of one value.
const MOST_TEXT: usize = 32;
/// Columns of a table as HTML.
const MOST_COLUMNS: usize = 30;
/// Significant digits of a float.
const DIGITS: i32 = 5;

/// What is shown of one column.
struct Shown {
    name: String,
    kind: String,
    right: bool,
    /// The cells of the rows that are shown; `None` is a missing value.
    cells: Vec<Option<String>>,
}

/// Rows that are shown: from the start, from the end, and how many are left out between them.
fn rows(n: usize) -> (usize, usize, usize) {
    if n <= ALL { (n, 0, 0) } else { (HEAD, TAIL, n - HEAD - TAIL) }
}

impl Shown {
    fn of(column: &Column) -> Self {
        let (head, tail, _) = rows(column.len());
        let mut kept = column.head(Some(head));
        if tail > 0 {
            // Both have the column's own type, so they fit; else the head alone is shown.
            kept.append(&column.tail(Some(tail))).ok();
        }
        let dtype = column.dtype();
        let right = dtype.is_primitive_numeric();
        let cells = match table::numbers(&kept) {
            Ok(values) if dtype.is_float() => {
                let texts = numbers(&values);
                let nulls = kept.is_null();
                let cell = |(t, null): (String, Option<bool>)| (null != Some(true)).then_some(t);
                texts.into_iter().zip(nulls.iter()).map(cell).collect()
            }
            _ => table::texts(&kept).unwrap_or_else(|_| {
                (0..kept.len()).map(|i| kept.get(i).ok().map(|v| v.to_string())).collect()
            }),
        };
        let cells = cells.into_iter().map(|c| c.map(|c| cut(&c, MOST_TEXT))).collect();
        Self {
            name: cut(column.name().as_str(), MOST_TEXT),
            kind: frame::kind(dtype),
            right,
            cells,
        }
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|c| c.as_deref().map_or(4, length));
        cells.chain([length(&self.name), length(&self.kind)]).max().unwrap_or(0)
    }
}

/// A table as text, under a heading.
pub fn text(heading: &str, frame: &DataFrame) -> String {
    let (head, _, left_out) = rows(frame.height());
    let mut room = WIDTH;
    let mut columns = Vec::new();
    for column in frame.columns() {
        let shown = Shown::of(column);
        let width = shown.width() + 3;
        if width > room && !columns.is_empty() {
            break;
        }
        room = room.saturating_sub(width);
        columns.push(shown);
    }
    let widths: Vec<usize> = columns.iter().map(Shown::width).collect();
    let line = |cells: Vec<&str>| {
        let padded =
            cells.iter().zip(&columns).zip(&widths).map(|((cell, c), &w)| pad(cell, w, c.right));
        let line = format!(" {}", padded.collect::<Vec<_>>().join(" │ "));
        line.trim_end().to_owned()
    };
    let mut out = heading.to_owned();
    if columns.is_empty() {
        return out;
    }
    writeln!(out, "\n{}", line(columns.iter().map(|c| c.name.as_str()).collect())).ok();
    writeln!(out, "{}", line(columns.iter().map(|c| c.kind.as_str()).collect())).ok();
    let rules = widths.iter().map(|w| "─".repeat(w + 2)).collect::<Vec<_>>();
    write!(out, "{}", rules.join("┼")).ok();
    for i in 0..columns[0].cells.len() {
        if i == head && left_out > 0 {
            write!(out, "\n … {left_out} more rows").ok();
        }
        write!(
            out,
            "\n{}",
            line(columns.iter().map(|c| c.cells[i].as_deref().unwrap_or("null")).collect())
        )
        .ok();
    }
    if let Some(more) = more(frame, columns.len()) {
        write!(out, "\n{more}").ok();
    }
    out
}

/// The columns that there is no room for, by name.
fn more(frame: &DataFrame, shown: usize) -> Option<String> {
    let rest: Vec<&str> = frame.columns().iter().skip(shown).map(|c| c.name().as_str()).collect();
    let said = format!("… {} more columns: {}", rest.len(), rest.join(", "));
    (!rest.is_empty()).then(|| cut(&said, WIDTH))
}

/// A table as HTML, without a heading.
pub fn html(frame: &DataFrame) -> String {
    let (head, _, left_out) = rows(frame.height());
    let columns: Vec<Shown> = frame.columns().iter().take(MOST_COLUMNS).map(Shown::of).collect();
    let heads = [
        columns.iter().map(|c| Cell { right: c.right, ..Cell::left(&c.name) }).collect(),
        columns.iter().map(|c| Cell { right: c.right, ..Cell::soft(&c.kind) }).collect(),
    ];
    let mut body = Vec::new();
    for i in 0..columns.first().map_or(0, |c| c.cells.len()) {
        if i == head && left_out > 0 {
            body.push(vec![Cell::soft(format!("… {left_out} more rows"))]);
        }
        let cell = |c: &Shown| match &c.cells[i] {
            Some(text) => Cell { right: c.right, ..Cell::left(text) },
            None => Cell { right: c.right, ..Cell::soft("null") },
        };
        body.push(columns.iter().map(cell).collect());
    }
    let more = more(frame, columns.len()).map(|m| html::note(&m)).unwrap_or_default();
    format!("{}{more}", html::table(&heads, &body))
}

/// Floats of one column: as many decimals as the largest needs for five digits, less what all can
/// do without; what would vanish at that, by its power of ten.
pub fn numbers(values: &[f64]) -> Vec<String> {
    let finite = || values.iter().copied().filter(|v| v.is_finite() && *v != 0.0);
    let most = finite().map(f64::abs).fold(0.0, f64::max);
    let least = finite().map(f64::abs).fold(f64::INFINITY, f64::min);
    let decimals = (DIGITS - 1 - most.max(1e-12).log10().floor() as i32).clamp(0, 6) as usize;
    let fixed = |v: f64, places: usize| format!("{v:.places$}");
    let spare = |places: usize| {
        finite().all(|v| fixed(v, places).parse::<f64>() == fixed(v, decimals).parse::<f64>())
    };
    let places = (1..=decimals).find(|&p| spare(p)).unwrap_or(decimals.max(1));
    let scientific = most >= 1e9;
    let vanishes = |v: f64| v != 0.0 && v.abs() < 10_f64.powi(-(places as i32)) && least < most;
    values
        .iter()
        .map(|&v| match v {
            v if !v.is_finite() => v.to_string(),
            v if scientific || vanishes(v) => format!("{v:.3e}"),
            v => fixed(v, places),
        })
        .collect()
}

/// Text on one line of at most `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    let plain: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if length(&plain) <= most {
        return plain;
    }
    plain.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, width: usize, right: bool) -> String {
    if right { format!("{text:>width$}") } else { format!("{text:<width$}") }
}
