//! `Column`: one value a spot or a gene.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use ndarray::Array1;
use polars::prelude::Column as Values;
use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::convert::Outcome;
use super::shown;
use super::tensor::Tensor;
use crate::base::{Error, Result};
use crate::data::table;
use crate::io::npy;

/// Values as the language has them, `()` where one is missing; a float that is missing is NaN.
fn values(column: &Values) -> Result<Array> {
    fn array<T: Into<Dynamic>>(values: Vec<Option<T>>) -> Array {
        values.into_iter().map(|v| v.map_or(Dynamic::UNIT, Into::into)).collect()
    }
    Ok(match column.dtype() {
        t if t.is_bool() => array(table::booleans(column)?),
        t if t.is_integer() => array(table::integers(column)?),
        t if t.is_float() => table::numbers(column)?.into_iter().map(Dynamic::from).collect(),
        _ => array(table::texts(column)?),
    })
}

/// A handle; the values are shared and never change.
#[derive(Clone)]
pub(super) struct Column {
    pub values: Values,
}

impl Column {
    /// Groups by number, as clusterings return them.
    pub fn of_labels(name: &str, labels: &[usize]) -> Result<Self> {
        let names: Vec<Option<String>> = labels.iter().map(|k| Some(k.to_string())).collect();
        Ok(Self { values: table::categories(name, &names)? })
    }

    /// The groups in alphabetical order, without missing values.
    fn groups(&self) -> Result<BTreeSet<String>> {
        Ok(table::texts(&self.values)?.into_iter().flatten().collect())
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown::numbers::column_text(self))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// What the column is called.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].name      // => "domain_true"
    /// ```
    #[rhai_fn(get = "name")]
    pub fn name(c: &mut Column) -> String {
        c.values.name().to_string()
    }

    /// How many values there are.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].len()     // => 60
    /// ```
    pub fn len(c: &mut Column) -> i64 {
        c.values.len() as i64
    }

    /// The value at a place, counted from 0: a number, a boolean or a text. A missing one is `()`,
    /// in a column of floats NaN.
    ///
    /// ```rhai
    /// ds.obs["domain_true"][0].len()  // => 2
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn at(c: &mut Column, i: i64) -> Outcome<Dynamic> {
        let outside = || {
            Error::new("indexing a column")
                .expected(format!("a place below {}", c.values.len()))
                .found(i.to_string())
        };
        let i = usize::try_from(i).ok().filter(|&i| i < c.values.len()).ok_or_else(outside)?;
        Ok(values(&c.values.slice(i as i64, 1))?.remove(0))
    }

    /// The different values as texts, in alphabetical order, missing ones left out.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].unique()  // => ["D1", "D2", "D3"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn unique(c: &mut Column) -> Outcome<Array> {
        Ok(c.groups()?.into_iter().map(Dynamic::from).collect())
    }

    /// The values as an array of numbers, booleans or texts. Missing ones are `()`, in a column of
    /// floats NaN.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].to_array().len()   // => 60
    /// ds.obs["discordant"].to_array().filter(|d| d).len() > 0   // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_array(c: &mut Column) -> Outcome<Array> {
        Ok(values(&c.values)?)
    }

    /// A numeric column as a tensor [N].
    ///
    /// ```rhai
    /// ds.obs["purity"].to_tensor().shape       // => [60]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_tensor(c: &mut Column) -> Outcome<Tensor> {
        Ok(Tensor::new(tch::Tensor::from_slice(&table::numbers(&c.values)?)))
    }

    /// The mean of a numeric column, without missing values and NaN.
    ///
    /// ```rhai
    /// ds.obs["purity"].mean() > 0.3            // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mean(c: &mut Column) -> Outcome<f64> {
        Ok(table::mean(&c.values)?)
    }

    /// Writes an `.npy` file: floats in 32 bits, whole numbers in 64, and of groups the place of
    /// their name in `unique()`. Where a whole number or a group is missing, -1 stands.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].save("true_labels.npy")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(c: &mut Column, path: &str) -> Outcome<()> {
        let path = Path::new(path);
        if c.values.dtype().is_float() {
            let values = table::numbers(&c.values)?.into_iter().map(|v| v as f32);
            return Ok(npy::write(path, Array1::from_iter(values).view())?);
        }
        if c.values.dtype().is_integer() {
            let values = table::integers(&c.values)?.into_iter().map(|v| v.unwrap_or(-1));
            return Ok(npy::write_integers(path, &values.collect::<Vec<_>>())?);
        }
        let names: Vec<String> = c.groups()?.into_iter().collect();
        let code = |t: Option<String>| {
            t.and_then(|t| names.binary_search(&t).ok()).map_or(-1, |i| i as i64)
        };
        let codes: Vec<i64> = table::texts(&c.values)?.into_iter().map(code).collect();
        Ok(npy::write_integers(path, &codes)?)
    }
}
