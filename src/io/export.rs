//! Groups of cells as 10x's viewers take them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table;
use crate::base::{Error, Result, nearest, progress};
use crate::data::Table;
use crate::data::table::holds;

/// Options of groups for Xenium Explorer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XeniumGroupsConfig {
    /// The colour of each group by its name, as `"#1f77b4"`; those left out get one of the viewer's.
    pub colors: BTreeMap<String, String>,
}

/// Writes a category for Loupe Browser: the columns `Barcode` and the category's name, which is
/// the column's. Cells without a group are left out.
///
/// # Errors
/// A column of quantities, no such column, an end other than `.csv`, a place that cannot be written.
pub fn loupe(table: &Table, column: &str, path: &Path) -> Result<()> {
    let (cells, groups) = groups(table, column, path)?;
    if !cells.iter().any(|c| c.rsplit_once('-').is_some_and(|(_, n)| n.parse::<u32>().is_ok())) {
        progress::note(
            "Loupe Browser knows barcodes with the number behind them, as in AAACCTGAGAAACCAT-1; \
             these have none",
        );
    }
    save(path, vec![Column::new("Barcode".into(), cells), Column::new(column.into(), groups)])
}

/// Writes groups for Xenium Explorer: the columns `cell_id` and `group`, and `color` where colours
/// are given. Cells without a group are left out.
///
/// # Errors
/// As [`loupe`]; colours that are none, or of groups that are not there.
pub fn xenium(table: &Table, column: &str, path: &Path, config: &XeniumGroupsConfig) -> Result<()> {
    let (cells, groups) = groups(table, column, path)?;
    let doing = format!("exporting the groups of '{column}'");
    for (group, color) in &config.colors {
        let hex = color.strip_prefix('#').filter(|h| h.len() == 6);
        if !hex.is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(Error::new(doing)
                .expected("colours as #1f77b4")
                .found(format!("'{color}' for '{group}'")));
        }
        if !groups.contains(group) {
            let known: BTreeSet<&str> = groups.iter().map(String::as_str).collect();
            return Err(Error::new(doing)
                .expected(format!("a group '{group}', which has a colour"))
                .found("none")
                .advice(nearest::advice(group, known)));
        }
    }
    let color = |g: &String| config.colors.get(g).cloned();
    let colors: Vec<Option<String>> = groups.iter().map(color).collect();
    let mut columns =
        vec![Column::new("cell_id".into(), cells), Column::new("group".into(), groups)];
    if !config.colors.is_empty() {
        columns.push(Column::new("color".into(), colors));
    }
    save(path, columns)
}

/// The names of the cells that have a group, and the group of each.
fn groups(table: &Table, column: &str, path: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let doing = format!("exporting the groups of '{column}'");
    let values = table.column(column)?;
    if values.dtype().is_primitive_numeric() {
        return Err(Error::new(doing)
            .expected("groups")
            .found(format!("quantities ({})", holds(values.dtype())))
            .advice(format!(
                "Name a column of groups, such as one of cluster::kmeans; where the numbers are names of groups, ds.obs[\"{column}\"] = ds.obs.table().with_column(\"{column}\", \"CAST({column} AS VARCHAR)\")[\"{column}\"] says so"
            )));
    }
    if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("csv")) {
        return Err(Error::new(doing).expected("a file .csv").found(path.display().to_string()));
    }
    let of = table.text(column)?;
    let there = table.index().iter().zip(of);
    let there = there.filter_map(|(cell, group)| Some((cell.clone(), group?)));
    let (cells, groups): (Vec<String>, Vec<String>) = there.unzip();
    if cells.is_empty() {
        return Err(Error::new(doing).expected("cells with a group").found("none"));
    }
    if cells.len() < table.len() {
        progress::note(format!("{doing}: {} without a group left out", table.len() - cells.len()));
    }
    Ok((cells, groups))
}

fn save(path: &Path, columns: Vec<Column>) -> Result<()> {
    let frame =
        DataFrame::new_infer_height(columns).map_err(|e| Error::io("exporting groups", e))?;
    table::write(path, &frame)
}
