//! Tables between Spatia and its Rust cells, as Arrow IPC.

pub use arrow_array;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};
use std::fs::File;
use std::sync::Arc;

/// Columns of equal length, by name.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<(String, ArrayRef)>,
}

/// What was wrong, in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Values that make a column.
pub trait Values {
    fn array(self) -> ArrayRef;
}

impl Values for Vec<f64> {
    fn array(self) -> ArrayRef {
        Arc::new(Float64Array::from(self))
    }
}

impl Values for Vec<f32> {
    fn array(self) -> ArrayRef {
        Arc::new(Float32Array::from(self))
    }
}

impl Values for Vec<i64> {
    fn array(self) -> ArrayRef {
        Arc::new(Int64Array::from(self))
    }
}

impl Values for Vec<usize> {
    fn array(self) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(self.into_iter().map(|v| v as i64)))
    }
}

impl Values for Vec<bool> {
    fn array(self) -> ArrayRef {
        Arc::new(BooleanArray::from(self))
    }
}

impl Values for Vec<String> {
    fn array(self) -> ArrayRef {
        Arc::new(StringArray::from(self))
    }
}

impl Values for Vec<&str> {
    fn array(self) -> ArrayRef {
        Arc::new(StringArray::from(self))
    }
}

impl Values for Vec<Option<String>> {
    fn array(self) -> ArrayRef {
        Arc::new(StringArray::from(self))
    }
}

impl Values for Vec<Option<f64>> {
    fn array(self) -> ArrayRef {
        Arc::new(Float64Array::from(self))
    }
}

impl Values for Vec<Option<i64>> {
    fn array(self) -> ArrayRef {
        Arc::new(Int64Array::from(self))
    }
}

impl Values for Vec<Option<bool>> {
    fn array(self) -> ArrayRef {
        Arc::new(BooleanArray::from(self))
    }
}

impl Table {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, c)| c.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|(n, _)| n.as_str()).collect()
    }

    /// A column as Arrow has it.
    pub fn column(&self, name: &str) -> Result<&ArrayRef, Error> {
        let found = self.columns.iter().find(|(n, _)| n == name).map(|(_, c)| c);
        found.ok_or_else(|| {
            Error(format!("there is no column '{name}'; there are {}", self.names().join(", ")))
        })
    }

    /// Numbers, and NaN where a value is missing.
    pub fn f64(&self, name: &str) -> Result<Vec<f64>, Error> {
        let column = self.column(name)?;
        let kinds = [
            numbers::<Float64Type>,
            numbers::<Float32Type>,
            numbers::<Int64Type>,
            numbers::<Int32Type>,
            numbers::<Int16Type>,
            numbers::<Int8Type>,
            numbers::<UInt64Type>,
            numbers::<UInt32Type>,
            numbers::<UInt16Type>,
            numbers::<UInt8Type>,
        ];
        kinds.iter().find_map(|read| read(column)).ok_or_else(|| wrong(name, column, "numbers"))
    }

    /// Whole numbers, none of them missing.
    pub fn i64(&self, name: &str) -> Result<Vec<i64>, Error> {
        all(name, self.column(name)?, self.maybe_i64(name)?, "whole numbers, none missing")
    }

    /// Whole numbers, to the last digit.
    pub fn maybe_i64(&self, name: &str) -> Result<Vec<Option<i64>>, Error> {
        let column = self.column(name)?;
        let kinds = [
            whole::<Int64Type>,
            whole::<Int32Type>,
            whole::<Int16Type>,
            whole::<Int8Type>,
            whole::<UInt64Type>,
            whole::<UInt32Type>,
            whole::<UInt16Type>,
            whole::<UInt8Type>,
        ];
        let found = kinds.iter().find_map(|read| read(column)).or_else(|| {
            let read = |v: f64| match v {
                v if v.is_nan() => Some(None),
                v => (v.fract() == 0.0).then_some(Some(v as i64)),
            };
            self.f64(name).ok()?.into_iter().map(read).collect()
        });
        found.ok_or_else(|| wrong(name, column, "whole numbers"))
    }

    pub fn bool(&self, name: &str) -> Result<Vec<bool>, Error> {
        all(name, self.column(name)?, self.maybe_bool(name)?, "booleans, none missing")
    }

    pub fn maybe_bool(&self, name: &str) -> Result<Vec<Option<bool>>, Error> {
        let column = self.column(name)?;
        let values = column.as_boolean_opt().map(|all| all.iter().collect());
        values.ok_or_else(|| wrong(name, column, "booleans"))
    }

    /// Texts or categories, and an empty text where a value is missing.
    pub fn text(&self, name: &str) -> Result<Vec<String>, Error> {
        Ok(self.maybe_text(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Texts or categories.
    pub fn maybe_text(&self, name: &str) -> Result<Vec<Option<String>>, Error> {
        let column = self.column(name)?;
        texts(column).ok_or_else(|| wrong(name, column, "texts"))
    }

    /// The table with a column added or replaced.
    pub fn with(mut self, name: &str, values: impl Values) -> Result<Self, Error> {
        let array = values.array();
        if !self.columns.is_empty() && array.len() != self.len() {
            return Err(Error(format!(
                "the column '{name}' has {} values, the table {} rows",
                array.len(),
                self.len()
            )));
        }
        match self.columns.iter_mut().find(|(n, _)| n == name) {
            Some((_, held)) => *held = array,
            None => self.columns.push((name.into(), array)),
        }
        Ok(self)
    }

    /// All as Arrow has it.
    pub fn batch(&self) -> RecordBatch {
        let fields: Vec<Field> =
            self.columns.iter().map(|(n, c)| Field::new(n, c.data_type().clone(), true)).collect();
        let columns = self.columns.iter().map(|(_, c)| c.clone()).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    /// The first rows as a notebook shows them.
    pub fn evcxr_display(&self) {
        const ROWS: usize = 10;
        let cells: Vec<Vec<String>> =
            self.columns.iter().map(|(_, c)| shown(&c.slice(0, c.len().min(ROWS)))).collect();
        let escape = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;");
        let mut html = String::from("<table><tr>");
        let mut plain = format!("Table of {} rows", self.len());
        for name in self.names() {
            html += &format!("<th>{}</th>", escape(name));
        }
        plain += &format!("\n{}", self.names().join("\t"));
        for row in 0..self.len().min(ROWS) {
            html += "</tr><tr>";
            let texts: Vec<&str> = cells.iter().map(|c| c[row].as_str()).collect();
            html += &texts.iter().map(|t| format!("<td>{}</td>", escape(t))).collect::<String>();
            plain += &format!("\n{}", texts.join("\t"));
        }
        html += &format!("</tr></table><p>{} rows</p>", self.len());
        println!("EVCXR_BEGIN_CONTENT text/plain\n{plain}\nEVCXR_END_CONTENT");
        println!("EVCXR_BEGIN_CONTENT text/html\n{html}\nEVCXR_END_CONTENT");
    }
}

fn wrong(name: &str, column: &ArrayRef, expected: &str) -> Error {
    Error(format!("the column '{name}' holds {}, not {expected}", column.data_type()))
}

/// Values of which none may be missing.
fn all<T>(
    name: &str,
    column: &ArrayRef,
    values: Vec<Option<T>>,
    expected: &str,
) -> Result<Vec<T>, Error> {
    values.into_iter().collect::<Option<_>>().ok_or_else(|| wrong(name, column, expected))
}

fn whole<T: ArrowPrimitiveType>(column: &ArrayRef) -> Option<Vec<Option<i64>>>
where
    T::Native: TryInto<i64>,
{
    let read = |v: Option<T::Native>| match v {
        None => Some(None),
        Some(v) => v.try_into().ok().map(Some),
    };
    column.as_primitive_opt::<T>()?.iter().map(read).collect()
}

fn numbers<T: ArrowPrimitiveType>(column: &ArrayRef) -> Option<Vec<f64>>
where
    T::Native: Number,
{
    Some(column.as_primitive_opt::<T>()?.iter().map(|v| v.map_or(f64::NAN, Number::wide)).collect())
}

/// A number as f64; of 64-bit whole numbers the nearest.
trait Number {
    fn wide(self) -> f64;
}

impl Number for f64 {
    fn wide(self) -> f64 {
        self
    }
}
impl Number for f32 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Number for i64 {
    fn wide(self) -> f64 {
        self as f64
    }
}
impl Number for i32 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Number for i16 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Number for i8 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Number for u64 {
    fn wide(self) -> f64 {
        self as f64
    }
}
impl Number for u32 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Number for u16 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Number for u8 {
    fn wide(self) -> f64 {
        self.into()
    }
}

fn texts(column: &ArrayRef) -> Option<Vec<Option<String>>> {
    if let DataType::Dictionary(..) = column.data_type() {
        let held = column.as_any_dictionary_opt()?;
        let categories = texts(held.values())?;
        let keys = held.normalized_keys();
        let at = |(row, key): (usize, usize)| {
            if column.is_null(row) {
                None
            } else {
                categories.get(key).cloned().flatten()
            }
        };
        return Some(keys.into_iter().enumerate().map(at).collect());
    }
    if let Some(all) = column.as_string_opt::<i64>() {
        return Some(all.iter().map(|v| v.map(String::from)).collect());
    }
    if let Some(all) = column.as_string_opt::<i32>() {
        return Some(all.iter().map(|v| v.map(String::from)).collect());
    }
    Some(column.as_string_view_opt()?.iter().map(|v| v.map(String::from)).collect())
}

fn shown(column: &ArrayRef) -> Vec<String> {
    if let Some(all) = texts(column) {
        return all.into_iter().map(Option::unwrap_or_default).collect();
    }
    if let Some(all) = column.as_boolean_opt() {
        return all.iter().map(|v| v.map_or(String::new(), |v| v.to_string())).collect();
    }
    let one = Table { columns: vec![(String::new(), column.clone())] };
    one.f64("").map_or_else(
        |_| vec!["?".into(); column.len()],
        |all| all.iter().map(f64::to_string).collect(),
    )
}

/// Reads a table; its parts are put together.
pub fn read(path: &str) -> Table {
    let fail = |e: &dyn std::fmt::Display| -> ! { panic!("reading {path}: {e}") };
    let file = File::open(path).unwrap_or_else(|e| fail(&e));
    let reader = FileReader::try_new(file, None).unwrap_or_else(|e| fail(&e));
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(|b| b.unwrap_or_else(|e| fail(&e))).collect();
    let batch = arrow_select::concat::concat_batches(&schema, &batches).unwrap_or_else(|e| fail(&e));
    let names = schema.fields().iter().map(|f| f.name().clone());
    Table { columns: names.zip(batch.columns().iter().cloned()).collect() }
}

/// Writes a table.
pub fn write(table: &Table, path: &str) {
    let fail = |e: &dyn std::fmt::Display| -> ! { panic!("writing {path}: {e}") };
    let batch = table.batch();
    let file = File::create(path).unwrap_or_else(|e| fail(&e));
    let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap_or_else(|e| fail(&e));
    writer.write(&batch).and_then(|()| writer.finish()).unwrap_or_else(|e| fail(&e));
}
