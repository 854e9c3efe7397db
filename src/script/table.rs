//! `Table`: columns of equal length.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use polars::prelude::DataFrame;
use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::column::Column;
use super::convert::{self, Outcome, names, size};
use super::shown;
use crate::data::frame;
use crate::io;

/// A handle; tables never change.
#[derive(Clone)]
pub(super) struct Table(Rc<DataFrame>);

impl Table {
    pub fn new(frame: DataFrame) -> Self {
        Self(Rc::new(frame))
    }

    pub fn frame(&self) -> &DataFrame {
        &self.0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown::numbers::table_text(&self.0))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// The names of the columns.
    ///
    /// ```rhai
    /// ds.obs.table().columns.contains("discordant")   // => true
    /// ```
    #[rhai_fn(get = "columns")]
    pub fn columns(t: &mut Table) -> Array {
        t.0.columns().iter().map(|c| Dynamic::from(c.name().to_string())).collect()
    }

    /// How many rows there are.
    ///
    /// ```rhai
    /// ds.obs.table().len()              // => 60
    /// ```
    pub fn len(t: &mut Table) -> i64 {
        t.0.height() as i64
    }

    /// The column of a name.
    ///
    /// ```rhai
    /// ds.obs.table()["purity"].len()    // => 60
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn column(t: &mut Table, name: &str) -> Outcome<Column> {
        Ok(Column { values: frame::column(&t.0, name)?.clone() })
    }

    /// A table of some columns, in the order named.
    ///
    /// ```rhai
    /// ds.obs.table().select(["purity", "domain_true"]).columns   // => ["purity", "domain_true"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn select(t: &mut Table, columns: Dynamic) -> Outcome<Table> {
        Ok(Table::new(frame::select(&t.0, &names(&columns, "selecting columns")?)?))
    }

    /// A table without some columns.
    ///
    /// ```rhai
    /// ds.obs.table().drop("purity").columns.contains("purity")   // => false
    /// ```
    #[rhai_fn(return_raw)]
    pub fn drop(t: &mut Table, columns: Dynamic) -> Outcome<Table> {
        Ok(Table::new(frame::drop(&t.0, &names(&columns, "dropping columns")?)?))
    }

    /// A table with another name for a column.
    ///
    /// ```rhai
    /// ds.obs.table().rename("purity", "share")["share"].len()   // => 60
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rename(t: &mut Table, from: &str, to: &str) -> Outcome<Table> {
        Ok(Table::new(frame::rename(&t.0, from, to)?))
    }

    /// The rows for which a condition holds.
    ///
    /// ```rhai
    /// ds.obs.table().filter("purity > 0.2 AND domain_true = 'D1'").len() > 0   // => true
    /// ```
    ///
    /// A condition is an expression of SQL: texts stand in single quotes, names of columns with
    /// spaces in double ones; `AND`, `OR`, `NOT`, `IN ('a', 'b')`, `BETWEEN`, `LIKE 'a%'`,
    /// `IS NULL`, arithmetic, and functions such as `mean`, `std`, `median`, `round`, `coalesce`. Categories are texts in it, and NaN is a missing
    /// value, for which no condition holds. It is checked before anything runs: a column that is
    /// not there is an error that names the nearest one.
    #[rhai_fn(return_raw)]
    pub fn filter(t: &mut Table, condition: &str) -> Outcome<Table> {
        Ok(Table::new(frame::filter(&t.0, condition)?))
    }

    /// A table with a column added or replaced: what an expression of SQL gives, or a column, a
    /// tensor [N] or an array.
    ///
    /// ```rhai
    /// let t = ds.obs.table().with_column("percent", "round(100 * purity, 1)")
    /// t.with_column("n", t["percent"]).columns.contains("n")   // => true
    /// ```
    ///
    /// An expression that gives one value, such as `max(purity)`, gives it to all rows.
    #[rhai_fn(return_raw)]
    pub fn with_column(t: &mut Table, name: &str, values: Dynamic) -> Outcome<Table> {
        Ok(Table::new(match values.is_string() {
            true => frame::with(&t.0, name, &values.to_string())?,
            false => frame::set(&t.0, convert::column(&values, name)?)?,
        }))
    }

    /// Counts the rows of each group of equal keys.
    ///
    /// ```rhai
    /// ds.obs.table().group("domain_true").columns   // => ["domain_true", "n"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn group(t: &mut Table, keys: Dynamic) -> Outcome<Table> {
        Ok(Table::new(frame::group(&t.0, &names(&keys, "grouping a table")?, &[])?))
    }

    /// One row for each group of equal keys, with what expressions of SQL give of its rows.
    ///
    /// ```rhai
    /// let t = ds.obs.table().group("domain_true", ["mean(purity) AS purity", "count(*) AS n"])
    /// t["domain_true"].to_array()       // => ["D1", "D2", "D3"]
    /// ```
    ///
    /// Groups are sorted by their keys, categories by their order, missing ones last; without keys,
    /// `[]`, all rows are one group. An expression that gives more than one value a group is an
    /// error.
    #[rhai_fn(name = "group", return_raw)]
    pub fn group_with(t: &mut Table, keys: Dynamic, values: Dynamic) -> Outcome<Table> {
        let doing = "grouping a table";
        Ok(Table::new(frame::group(&t.0, &names(&keys, doing)?, &names(&values, doing)?)?))
    }

    /// Adds the columns of another table to the rows that agree with it in some columns.
    ///
    /// ```rhai
    /// let t = ds.obs.table()
    /// t.join(t.group("domain_true"), "domain_true").columns.contains("n")   // => true
    /// ```
    ///
    /// All rows of the first stay, in their order; what the other lacks is missing.
    #[rhai_fn(return_raw)]
    pub fn join(t: &mut Table, other: Table, on: Dynamic) -> Outcome<Table> {
        join_as(t, other, on, "left")
    }

    /// Joins tables as `how` says: "left", "inner", "full", "semi" or "anti".
    ///
    /// ```rhai
    /// let t = ds.obs.table()
    /// t.join(t.filter("domain_true = 'D1'").select("domain_true"), "domain_true", "anti")["domain_true"].unique()   // => ["D2", "D3"]
    /// ```
    ///
    /// "inner" keeps the rows that both have, "full" all of both, "semi" those of the first that the
    /// other has, "anti" those that it lacks. A column of the other that the first has too gets
    /// `_right` behind its name. Numbers joined to texts are an error.
    #[rhai_fn(name = "join", return_raw)]
    pub fn join_as(t: &mut Table, other: Table, on: Dynamic, how: &str) -> Outcome<Table> {
        let on = names(&on, "joining tables")?;
        Ok(Table::new(frame::join(&t.0, &other.0, &on, how.parse()?)?))
    }

    /// Sorted by columns, from the least; missing values last.
    ///
    /// ```rhai
    /// ds.obs.table().sort(["domain_true", "purity"])["domain_true"][0]   // => "D1"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sort(t: &mut Table, by: Dynamic) -> Outcome<Table> {
        sort_as(t, by, false)
    }

    /// Sorted by columns, from the greatest where `descending` is true; missing values last.
    ///
    /// ```rhai
    /// ds.obs.table().sort("purity", true).head(3).len()   // => 3
    /// ```
    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort_as(t: &mut Table, by: Dynamic, descending: bool) -> Outcome<Table> {
        Ok(Table::new(frame::sort(&t.0, &names(&by, "sorting a table")?, descending)?))
    }

    /// The first `n` rows.
    ///
    /// ```rhai
    /// ds.obs.table().head(5).len()      // => 5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn head(t: &mut Table, n: i64) -> Outcome<Table> {
        Ok(Table::new(t.0.head(Some(size(n, "taking the first rows")?))))
    }

    /// The last `n` rows.
    ///
    /// ```rhai
    /// ds.obs.table().tail(5).len()      // => 5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tail(t: &mut Table, n: i64) -> Outcome<Table> {
        Ok(Table::new(t.0.tail(Some(size(n, "taking the last rows")?))))
    }

    /// `n` rows drawn by a seed, in the order of the table.
    ///
    /// ```rhai
    /// ds.obs.table().sample(10, 1).len()   // => 10
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sample(t: &mut Table, n: i64, seed: i64) -> Outcome<Table> {
        Ok(Table::new(frame::sample(&t.0, size(n, "drawing rows of a table")?, seed as u64)?))
    }

    /// The rows without those that stood before.
    ///
    /// ```rhai
    /// ds.obs.table().select("domain_true").unique().len()   // => 3
    /// ```
    #[rhai_fn(return_raw)]
    pub fn unique(t: &mut Table) -> Outcome<Table> {
        Ok(Table::new(frame::unique(&t.0, &[])?))
    }

    /// The first row of those that agree in some columns.
    ///
    /// ```rhai
    /// ds.obs.table().unique("domain_true").len()   // => 3
    /// ```
    #[rhai_fn(name = "unique", return_raw)]
    pub fn unique_by(t: &mut Table, by: Dynamic) -> Outcome<Table> {
        Ok(Table::new(frame::unique(&t.0, &names(&by, "dropping repeated rows")?)?))
    }

    /// A row for each column: its type, how many values it has, and of numbers their mean,
    /// deviation and quartiles.
    ///
    /// ```rhai
    /// ds.obs.table().describe().columns[0]   // => "column"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn describe(t: &mut Table) -> Outcome<Table> {
        Ok(Table::new(frame::describe(&t.0)?))
    }

    /// The rows as an array of maps.
    ///
    /// ```rhai
    /// let row = ds.obs.table().to_array()[0]
    /// row.domain_true.len()             // => 2
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_array(t: &mut Table) -> Outcome<Array> {
        Ok(rhai::serde::to_dynamic(frame::records(&t.0)?)?.try_cast().unwrap_or_default())
    }

    /// Writes the table, whole or not at all: `.csv`, `.tsv`, `.txt`, one of them with `.gz`, or
    /// `.parquet`.
    ///
    /// ```rhai
    /// ds.obs.table().save("spots.csv.gz")
    /// data::read_table("spots.csv.gz").len()   // => 60
    /// ```
    ///
    /// In text, missing values are empty and categories are text.
    #[rhai_fn(return_raw)]
    pub fn save(t: &mut Table, path: &str) -> Outcome<()> {
        Ok(io::table::write(Path::new(path), &t.0)?)
    }
}
