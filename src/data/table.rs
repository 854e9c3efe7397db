//! A table with named rows: `obs` has a row a spot, `var` a row a gene.

use std::sync::Arc;

use polars::prelude::*;

use crate::base::{Error, Kind, Result, nearest};

/// The categories of a column in their order, and the code of each row, `None` where it is missing.
pub type Codes = (Vec<String>, Vec<Option<u32>>);

/// What the row names are called where a file has no name for them.
pub const ROW_NAMES: &str = "_index";

/// Columns of a polars frame with a name for each row.
#[derive(Clone, Debug)]
pub struct Table {
    /// What the row names are called in files ("barcode", "_index").
    pub index_name: String,
    /// Shared with copies of the table, and with whoever completes names.
    index: Arc<Vec<String>>,
    frame: DataFrame,
}

impl Table {
    /// A table of rows without columns.
    pub fn new(index: Vec<String>) -> Self {
        let frame = DataFrame::empty_with_height(index.len());
        Self { index_name: ROW_NAMES.into(), index: Arc::new(index), frame }
    }

    /// Row names in order, [rows].
    pub fn index(&self) -> &[String] {
        &self.index
    }

    /// The row names without a copy of them.
    pub fn shared_index(&self) -> Arc<Vec<String>> {
        self.index.clone()
    }

    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub fn names(&self) -> Vec<&str> {
        self.frame.columns().iter().map(|c| c.name().as_str()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.frame.get_column_index(name).is_some()
    }

    /// Renames the rows.
    ///
    /// # Errors
    /// Another number of names than rows.
    pub fn set_index(&mut self, index: Vec<String>) -> Result<()> {
        self.fits("the row names", index.len())?;
        self.index = Arc::new(index);
        Ok(())
    }

    /// Adds or replaces a column; its own name says which.
    ///
    /// # Errors
    /// Another number of values than rows.
    pub fn set(&mut self, column: Column) -> Result<()> {
        let name = column.name().to_string();
        self.fits(&format!("column '{name}'"), column.len())?;
        self.frame
            .with_column(column)
            .map_err(|e| Error::io(format!("setting column '{name}'"), e))?;
        Ok(())
    }

    pub fn set_f64(&mut self, name: &str, values: &[f64]) -> Result<()> {
        self.set(Column::new(name.into(), values))
    }

    pub fn set_bool(&mut self, name: &str, values: &[bool]) -> Result<()> {
        self.set(Column::new(name.into(), values))
    }

    pub fn set_text(&mut self, name: &str, values: &[String]) -> Result<()> {
        self.set(Column::new(name.into(), values))
    }

    /// Sets a categorical column, its categories in alphabetical order; `None` is a missing value.
    pub fn set_categories(&mut self, name: &str, values: &[Option<String>]) -> Result<()> {
        let known: std::collections::BTreeSet<&str> =
            values.iter().flatten().map(String::as_str).collect();
        let categories: Vec<&str> = known.into_iter().collect();
        self.set(categorical(name, &categories, values.iter().map(Option::as_deref))?)
    }

    /// Sets a categorical column from codes into `categories`, whose order is kept.
    ///
    /// # Errors
    /// A category that stands twice, a code beyond the categories.
    pub fn set_codes(
        &mut self,
        name: &str,
        categories: &[String],
        codes: &[Option<u32>],
    ) -> Result<()> {
        if let Some(c) = codes.iter().flatten().find(|&&c| c as usize >= categories.len()) {
            return Err(Error::new(format!("making categories of column '{name}'"))
                .expected(format!("codes below {}", categories.len()))
                .found(c.to_string()));
        }
        let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
        let values = codes.iter().map(|c| c.map(|c| categories[c as usize]));
        self.set(categorical(name, &categories, values)?)
    }

    /// The categories of a categorical column in their order, and the code of each row; `None`
    /// for a column of another type.
    pub fn codes(&self, name: &str) -> Result<Option<Codes>> {
        let values = match self.column(name)?.dtype() {
            DataType::Enum(..) | DataType::Categorical(..) => self.text(name)?,
            _ => return Ok(None),
        };
        let categories: Vec<String> = match self.column(name)?.dtype() {
            DataType::Enum(known, _) => {
                known.categories().values_iter().map(str::to_owned).collect()
            }
            _ => values
                .iter()
                .flatten()
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .cloned()
                .collect(),
        };
        let place: std::collections::HashMap<&str, u32> =
            categories.iter().zip(0..).map(|(c, i)| (c.as_str(), i)).collect();
        let codes =
            values.iter().map(|v| v.as_deref().and_then(|v| place.get(v).copied())).collect();
        Ok(Some((categories, codes)))
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`Kind::Missing`] with the nearest name.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.frame.column(name).map_err(|_| {
            Error::new(format!("looking up column '{name}'"))
                .kind(Kind::Missing)
                .expected("a column of that name")
                .found("none")
                .advice(nearest::advice(name, self.names()))
        })
    }

    /// A numeric (or boolean) column as `f64`; missing values become NaN.
    pub fn f64(&self, name: &str) -> Result<Vec<f64>> {
        numbers(self.column(name)?)
    }

    /// Any column as text; missing values become `None`.
    pub fn text(&self, name: &str) -> Result<Vec<Option<String>>> {
        texts(self.column(name)?)
    }

    /// Whether the column holds groups rather than quantities: text, categories or booleans.
    pub fn is_groups(&self, name: &str) -> bool {
        self.column(name).is_ok_and(|c| !c.dtype().is_primitive_numeric())
    }

    /// The columns behind a first one that holds the row names, called as the table calls them;
    /// a column that has that name already comes last, as "name_column".
    ///
    /// # Errors
    /// What polars says.
    pub fn with_index(&self) -> Result<DataFrame> {
        let name = self.index_name.as_str();
        let failed = |e| Error::io("putting row names before a table", e);
        let mut frame = self.frame.clone();
        if self.has(name) {
            frame.rename(name, format!("{name}_column").into()).map_err(failed)?;
        }
        let column = Column::new(name.into(), self.index.as_slice());
        frame.insert_column(0, column).map_err(failed)?;
        Ok(frame)
    }

    /// The rows named, in the order named.
    pub fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        let at: Vec<IdxSize> = rows.iter().map(|&r| r as IdxSize).collect();
        let frame = if self.frame.width() == 0 {
            DataFrame::empty_with_height(rows.len())
        } else {
            self.frame
                .take(&IdxCa::new("rows".into(), at))
                .map_err(|e| Error::io("selecting rows of a table", e))?
        };
        let index = Arc::new(rows.iter().map(|&r| self.index[r].clone()).collect());
        Ok(Self { index_name: self.index_name.clone(), index, frame })
    }

    fn fits(&self, what: &str, found: usize) -> Result<()> {
        if found == self.len() {
            return Ok(());
        }
        Err(Error::new(format!("setting {what} of a table"))
            .expected(format!("{} values, one a row", self.len()))
            .found(found.to_string()))
    }
}

/// A categorical column. Its type carries the categories, so that their order is the same in
/// every process.
fn categorical<'a>(
    name: &str,
    categories: &[&str],
    values: impl Iterator<Item = Option<&'a str>>,
) -> Result<Column> {
    let failed = |e| Error::io(format!("making categories of column '{name}'"), e);
    let known = FrozenCategories::new(categories.iter().copied()).map_err(failed)?;
    Column::new(name.into(), values.collect::<Vec<_>>())
        .strict_cast(&DataType::from_frozen_categories(known))
        .map_err(failed)
}

/// Names made unique as `anndata.utils.make_index_unique` does: the first stays, the next get
/// `-1`, `-2`, leaving out what is a name already.
pub fn unique_names(names: &[String]) -> Vec<String> {
    use std::collections::{HashMap, HashSet};
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let mut new = name.clone();
        let n = count.entry(name).or_default();
        while *n > 0 && !taken.insert(new.clone()) {
            new = format!("{name}-{n}");
            *n += 1;
        }
        *n = (*n).max(1);
        unique.push(new);
    }
    unique
}

/// A column of the narrowest type that holds all texts: integers, floats, booleans, categories
/// where they repeat, else text. `None` is a missing value.
///
/// # Errors
/// What polars says.
pub fn typed(name: &str, values: Vec<Option<String>>) -> Result<Column> {
    let text = Column::new(name.into(), values);
    let fits = |t: &DataType| text.strict_cast(t).ok();
    if text.null_count() < text.len()
        && let Some(numbers) = fits(&DataType::Int64).or_else(|| fits(&DataType::Float64))
    {
        return Ok(numbers);
    }
    let values = texts(&text)?;
    let known: std::collections::BTreeSet<&str> =
        values.iter().flatten().map(String::as_str).collect();
    let flag = |v: &str| match v {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    };
    if !known.is_empty() && known.iter().all(|v| flag(v).is_some()) {
        let flags: Vec<Option<bool>> = values.iter().map(|v| v.as_deref().and_then(flag)).collect();
        return Ok(Column::new(name.into(), flags));
    }
    if 2 * known.len() > values.len() {
        return Ok(text);
    }
    let categories: Vec<&str> = known.into_iter().collect();
    categorical(name, &categories, values.iter().map(Option::as_deref))
}

/// A categorical column; `None` is a missing value.
pub fn categories(name: &str, values: &[Option<String>]) -> Result<Column> {
    Column::new(name.into(), values)
        .cast(&DataType::from_categories(Categories::global()))
        .map_err(|e| Error::io(format!("making categories of column '{name}'"), e))
}

/// What a column of a type holds, in messages.
pub fn holds(dtype: &DataType) -> String {
    match dtype {
        DataType::String => "texts".into(),
        DataType::Enum(..) | DataType::Categorical(..) => "categories".into(),
        DataType::Boolean => "true and false".into(),
        t if t.is_integer() => "whole numbers".into(),
        t if t.is_float() => "numbers".into(),
        other => format!("values of the type {other}"),
    }
}

/// A numeric (or boolean) column as `f64`; missing values become NaN.
///
/// # Errors
/// A column of text or categories.
pub fn numbers(column: &Column) -> Result<Vec<f64>> {
    let doing = format!("reading column '{}' as numbers", column.name());
    if !(column.dtype().is_primitive_numeric() || column.dtype().is_bool()) {
        return Err(Error::new(doing).expected("numbers").found(holds(column.dtype())));
    }
    let failed = |e| Error::io(doing.clone(), e);
    let cast = column.cast(&DataType::Float64).map_err(failed)?;
    Ok(cast.f64().map_err(failed)?.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// The mean of a numeric (or boolean) column without missing values and NaN; NaN where none is left.
///
/// # Errors
/// A column of another type.
pub fn mean(column: &Column) -> Result<f64> {
    let values = numbers(column)?;
    let (sum, n) = values
        .iter()
        .filter(|v| !v.is_nan())
        .fold((0.0, 0.0), |(sum, n): (f64, f64), v| (sum + v, n + 1.0));
    Ok(sum / n)
}

/// A column of whole numbers, to the last digit; missing values become `None`.
///
/// # Errors
/// A column of another type, or a number beyond 64 bits with a sign.
pub fn integers(column: &Column) -> Result<Vec<Option<i64>>> {
    let failed = |found: String| {
        Error::new(format!("reading column '{}' as whole numbers", column.name()))
            .expected(format!("whole numbers of at most {}", i64::MAX))
            .found(found)
    };
    if !column.dtype().is_integer() {
        return Err(failed(holds(column.dtype())));
    }
    let cast = column.strict_cast(&DataType::Int64).map_err(|e| failed(e.to_string()))?;
    Ok(cast.i64().map_err(|e| failed(e.to_string()))?.iter().collect())
}

/// A column of truth values; missing ones become `None`.
///
/// # Errors
/// A column of another type.
pub fn booleans(column: &Column) -> Result<Vec<Option<bool>>> {
    let values = column.bool().map_err(|_| {
        Error::new(format!("reading column '{}' as truth values", column.name()))
            .expected("true and false")
            .found(holds(column.dtype()))
    })?;
    Ok(values.iter().collect())
}

/// Any column as text; missing values become `None`.
pub fn texts(column: &Column) -> Result<Vec<Option<String>>> {
    let failed = |e| Error::io(format!("reading column '{}' as text", column.name()), e);
    let cast = column.cast(&DataType::String).map_err(failed)?;
    Ok(cast.str().map_err(failed)?.iter().map(|v| v.map(str::to_owned)).collect())
}

/// The groups of a column as texts: texts, categories, booleans and whole numbers. Missing values
/// and NaN become `None`.
///
/// # Errors
/// Numbers that are not whole measure something; each would be a group of its own.
pub fn labels(column: &Column) -> Result<Vec<Option<String>>> {
    if !column.dtype().is_float() {
        return texts(column);
    }
    let values = numbers(column)?;
    if let Some(v) = values.iter().find(|v| !v.is_nan() && v.fract() != 0.0) {
        return Err(Error::new(format!("reading column '{}' as groups", column.name()))
            .expected("texts, categories, true and false, or whole numbers")
            .found(format!("{v}"))
            .advice(
                "Make groups of it first: table.with_column(\"high\", \"x > 0.5\")[\"high\"]",
            ));
    }
    Ok(values.into_iter().map(|v| (!v.is_nan()).then(|| format!("{v}"))).collect())
}
