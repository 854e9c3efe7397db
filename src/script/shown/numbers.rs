//! What holds values: matrices, columns, tables, tensors.

use serde_json::{Value, json};

use super::dataset::{content, matrix, records};
use super::html::{self, Cell};
use super::values::number;
use super::{Shown, grid};
use crate::base::{Error, Result, device};
use crate::data::{frame, table};
use crate::script::column::Column;
use crate::script::table::Table;
use crate::script::tensor::Tensor;
use crate::script::values::Matrix;

/// Rows and columns of a tensor that are shown.
const CORNER: (i64, i64) = (5, 6);
/// Values that JSON holds; more are for a file.
const MOST_VALUES: usize = 5_000_000;

impl Shown for Matrix {
    fn json(&self) -> Result<Value> {
        Ok(matrix(self.core()))
    }
}

impl Shown for Table {
    fn json(&self) -> Result<Value> {
        let (rows, columns) = self.frame().shape();
        small("table", rows * columns)?;
        records(self.frame())
    }

    fn html(&self) -> Option<String> {
        Some(html::block(&heading(self.frame()), &grid::html(self.frame())))
    }
}

/// "Table, 60 rows x 5 columns".
pub fn heading(frame: &polars::prelude::DataFrame) -> String {
    format!("Table, {} rows x {} columns", frame.height(), frame.width())
}

/// A table as text.
pub fn table_text(frame: &polars::prelude::DataFrame) -> String {
    grid::text(&heading(frame), frame)
}

impl Shown for Column {
    fn json(&self) -> Result<Value> {
        small("column", self.values.len())?;
        if self.values.dtype().is_float() {
            return Ok(table::numbers(&self.values)?.into_iter().map(number).collect());
        }
        let rows = frame::records(&frame::of(vec![self.values.clone()])?)?;
        Ok(rows.into_iter().filter_map(|mut row| row.pop().map(|(_, v)| v)).collect())
    }

    fn html(&self) -> Option<String> {
        let frame = frame::of(vec![self.values.clone()]).ok()?;
        Some(html::block(&column_heading(self), &grid::html(&frame)))
    }
}

fn column_heading(c: &Column) -> String {
    let kind = frame::kind(c.values.dtype());
    let name = grid::cut(c.values.name(), 60);
    format!("Column \"{name}\", {} values, {kind}: {}", c.values.len(), content(&c.values))
}

/// A column as text.
pub fn column_text(c: &Column) -> String {
    match frame::of(vec![c.values.clone()]) {
        Ok(frame) => grid::text(&column_heading(c), &frame),
        Err(e) => e.to_string(),
    }
}

impl Shown for Tensor {
    fn json(&self) -> Result<Value> {
        let t = self.core();
        small("tensor", t.numel())?;
        let values: Vec<Value> = match self.whole()? {
            Some(whole) => whole.into_iter().map(Value::from).collect(),
            None => self.vector()?.into_iter().map(number).collect(),
        };
        // From the last axis on, values are put into arrays of its length.
        let nested = t.size().iter().skip(1).rev().fold(values, |values, &n| {
            values.chunks(n.max(1) as usize).map(|part| json!(part)).collect()
        });
        Ok(match t.dim() {
            0 => nested.into_iter().next().unwrap_or_default(),
            _ => Value::Array(nested),
        })
    }

    fn html(&self) -> Option<String> {
        let rows = corner(self.core()).into_iter().map(|row| {
            row.into_iter().map(|text| Cell { right: true, ..Cell::left(text) }).collect()
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        Some(html::block(&tensor_heading(self.core()), &html::table(&[], &rows)))
    }
}

/// Shape, type, device and range.
fn tensor_heading(t: &tch::Tensor) -> String {
    let kind = format!("{:?}", t.kind()).to_lowercase();
    let mut said = format!("Tensor {:?} {kind} on {}", t.size(), device::name(t.device()));
    if t.numel() > 0 {
        let t = t.to_kind(tch::Kind::Double);
        let of = |t: tch::Tensor| t.double_value(&[]);
        let range = [of(t.min()), of(t.max()), of(t.mean(None))];
        said += &format!(", {:.4} to {:.4}, mean {:.4}", range[0], range[1], range[2]);
    }
    said
}

/// The first values of the last two axes, with "…" where there are more.
fn corner(t: &tch::Tensor) -> Vec<Vec<String>> {
    if t.numel() == 0 || t.dim() == 0 {
        return Vec::new();
    }
    let mut t = t.shallow_clone();
    while t.dim() > 2 {
        t = t.get(0);
    }
    let t = if t.dim() == 1 { t.unsqueeze(0) } else { t }.to_kind(tch::Kind::Double);
    let (n, m) = (t.size()[0], t.size()[1]);
    let part = t.narrow(0, 0, n.min(CORNER.0)).narrow(1, 0, m.min(CORNER.1)).contiguous();
    let Ok(values) = Vec::<f64>::try_from(part.reshape([-1])) else { return Vec::new() };
    let texts = grid::numbers(&values);
    let mut rows: Vec<Vec<String>> =
        texts.chunks(m.min(CORNER.1) as usize).map(<[String]>::to_vec).collect();
    if m > CORNER.1 {
        rows.iter_mut().for_each(|row| row.push("…".into()));
    }
    if n > CORNER.0 {
        rows.push(vec![format!("… {} more rows", n - CORNER.0)]);
    }
    rows
}

/// A tensor as text: what it is, and a corner of it.
pub fn tensor_text(t: &tch::Tensor) -> String {
    let rows = corner(t);
    let width = rows.iter().filter(|r| r.len() > 1).flatten().map(|c| c.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().map(|c| format!("{c:>0$}", width.unwrap_or(0)));
        format!("\n  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    std::iter::once(tensor_heading(t)).chain(rows.iter().map(line)).collect()
}

fn small(what: &str, values: usize) -> Result<()> {
    if values <= MOST_VALUES {
        return Ok(());
    }
    Err(Error::new(format!("writing a {what} as JSON"))
        .expected(format!("at most {MOST_VALUES} values"))
        .found(values.to_string())
        .advice("Its save(path) writes a file that other programs read"))
}
