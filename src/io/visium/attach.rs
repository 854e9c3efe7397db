//! Tables beside the counts, as Loupe exports them: columns of `obs`, joined by barcode.

use std::collections::HashMap;
use std::path::Path;

use polars::prelude::{Column, DataFrame};

use crate::base::{Error, Result, progress};
use crate::data::Dataset;
use crate::io::table;

/// Joins a table with a column `barcode` to `obs`; `false` when it has none or fits no spot.
pub(super) fn attach(ds: &mut Dataset, path: &Path) -> Result<bool> {
    let frame = match table::read(path) {
        Ok(frame) => frame,
        Err(e) if e.is_interrupt() => return Err(e),
        Err(_) => {
            progress::note(format!("{} is no table; left aside", path.display()));
            return Ok(false);
        }
    };
    let is_barcode =
        |c: &&Column| c.name().eq_ignore_ascii_case("barcode") && c.dtype().is_string();
    let Some(barcodes) = frame.columns().iter().find(is_barcode) else { return Ok(false) };
    let failed = |e| Error::io(format!("joining {}", path.display()), e);
    let mut rows: HashMap<&str, usize> = HashMap::new();
    for (i, b) in barcodes.str().map_err(failed)?.iter().enumerate() {
        if b.is_some_and(|b| rows.insert(b, i).is_some()) {
            progress::note(format!(
                "{}: barcode '{}' stands twice; left aside",
                path.display(),
                b.unwrap_or_default()
            ));
            return Ok(false);
        }
    }
    let row: Vec<Option<usize>> =
        ds.obs().index().iter().map(|b| rows.get(b.as_str()).copied()).collect();
    let matched = row.iter().flatten().count();
    if matched == 0 {
        progress::note(format!("{}: no barcode matches; left aside", path.display()));
        return Ok(false);
    }
    let name = barcodes.name().to_string();
    let added = columns(ds, &frame, &name, &row)
        .map_err(|e| e.within(format!("joining {}", path.display())))?;
    progress::note(format!(
        "{}: obs gets {} for {matched} of {} spots, joined by barcode",
        path.display(),
        added.join(", "),
        row.len()
    ));
    Ok(true)
}

/// Sets the other columns of a table, row by row as `row` says; returns their names.
fn columns(
    ds: &mut Dataset,
    frame: &DataFrame,
    barcode: &str,
    row: &[Option<usize>],
) -> Result<Vec<String>> {
    use polars::prelude::{IdxCa, IdxSize};
    let at: IdxCa = row.iter().map(|r| r.map(|r| r as IdxSize)).collect();
    let mut added = Vec::new();
    for column in frame.columns() {
        let name = column.name().to_string();
        if name == barcode || name.is_empty() {
            continue;
        }
        if ds.obs().has(&name) {
            progress::note(format!("obs has '{name}' already; that of the table is left aside"));
            continue;
        }
        let taken =
            column.take(&at).map_err(|e| Error::io(format!("taking rows of '{name}'"), e))?;
        let text = taken.dtype().is_string();
        ds.obs_mut().set(taken)?;
        if text {
            let values = ds.obs().text(&name)?;
            ds.obs_mut().set_categories(&name, &values)?;
        }
        added.push(name);
    }
    Ok(added)
}
