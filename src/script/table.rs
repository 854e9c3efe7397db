//! `Table`: columns of equal length.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use polars::prelude::DataFrame;
use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::column::Column;
use super::convert::Outcome;
use crate::base::{Error, Kind, nearest};
use crate::io;

/// A handle; tables never change.
#[derive(Clone)]
pub(super) struct Table(pub Rc<DataFrame>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
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
        let missing = |_| {
            Error::new(format!("looking up column '{name}'"))
                .kind(Kind::Missing)
                .expected("a column of that name")
                .found("none")
                .advice(nearest::advice(name, t.0.columns().iter().map(|c| c.name().as_str())))
        };
        Ok(Column { values: t.0.column(name).map_err(missing)?.clone() })
    }

    /// Writes the table as text, by commas (`.csv`) or tabs (`.tsv`).
    ///
    /// ```rhai
    /// ds.obs.table().save("spots.csv")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(t: &mut Table, path: &str) -> Outcome<()> {
        Ok(io::table::write_csv(Path::new(path), &t.0)?)
    }
}
