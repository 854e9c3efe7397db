//! `Column`: one value a spot or a gene.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use polars::prelude::Column as Values;
use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::convert::Outcome;
use super::shown;
use super::tensor::Tensor;
use crate::base::{Error, Result};
use crate::data::table;
use crate::io::npy;

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

    fn is_numeric(&self) -> bool {
        self.values.dtype().is_primitive_numeric()
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

    /// The value at a place, counted from 0; a number or a text, `()` where it is missing.
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
        let one = c.values.slice(i as i64, 1);
        if c.is_numeric() {
            return Ok(table::numbers(&one)?[0].into());
        }
        Ok(table::texts(&one)?.remove(0).map_or(Dynamic::UNIT, Dynamic::from))
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

    /// The values as an array of numbers or texts; missing ones are NaN or `()`.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].to_array().len()   // => 60
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_array(c: &mut Column) -> Outcome<Array> {
        if c.is_numeric() {
            return Ok(table::numbers(&c.values)?.into_iter().map(Dynamic::from).collect());
        }
        Ok(table::texts(&c.values)?
            .into_iter()
            .map(|t| t.map_or(Dynamic::UNIT, Dynamic::from))
            .collect())
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

    /// The mean of a numeric column.
    ///
    /// ```rhai
    /// ds.obs["purity"].mean() > 0.3            // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mean(c: &mut Column) -> Outcome<f64> {
        Ok(to_tensor(c)?.average())
    }

    /// Writes an `.npy` file: numbers as 32-bit floats, groups as the place of their name in
    /// `unique()`, and -1 where they are missing.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].save("true_labels.npy")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(c: &mut Column, path: &str) -> Outcome<()> {
        let path = Path::new(path);
        if c.is_numeric() {
            let values: Vec<f32> =
                table::numbers(&c.values)?.into_iter().map(|v| v as f32).collect();
            return Ok(npy::write1(path, &values)?);
        }
        let names: Vec<String> = c.groups()?.into_iter().collect();
        let code = |t: Option<String>| {
            t.and_then(|t| names.binary_search(&t).ok()).map_or(-1, |i| i as i64)
        };
        let codes: Vec<i64> = table::texts(&c.values)?.into_iter().map(code).collect();
        Ok(npy::write_integers(path, &codes)?)
    }
}
