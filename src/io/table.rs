//! Tables as text: `.csv` by commas, `.tsv` and `.txt` by tabs, with a header line.

use std::path::Path;

use polars::prelude::*;

use crate::base::{Error, Result, files};

/// Writes a table, through a temporary file. Missing values are empty; categories are text.
///
/// # Errors
/// An extension that names no separator, a place that cannot be written.
pub fn write_csv(path: &Path, frame: &DataFrame) -> Result<()> {
    let separator = separator(path)?;
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes)
        .with_separator(separator)
        .finish(&mut frame.clone())
        .map_err(|e| Error::io(format!("writing {}", path.display()), e))?;
    files::write(path, bytes)
}

/// Reads a table. Empty fields and `NA` are missing; types follow from all rows.
///
/// # Errors
/// No such file, an extension that names no separator, rows of unequal length.
pub fn read_csv(path: &Path) -> Result<DataFrame> {
    files::exists(path)?;
    let parse = CsvParseOptions::default()
        .with_separator(separator(path)?)
        .with_null_values(Some(NullValues::AllColumns(vec!["".into(), "NA".into()])));
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(None)
        .with_parse_options(parse)
        .try_into_reader_with_file_path(Some(path.to_owned()))
        .and_then(|r| r.finish())
        .map_err(|e| Error::io(format!("reading {}", path.display()), e))
}

fn separator(path: &Path) -> Result<u8> {
    match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
        Some("csv") => Ok(b','),
        Some("tsv" | "txt") => Ok(b'\t'),
        other => Err(Error::new(format!("choosing the separator of {}", path.display()))
            .expected("the extension .csv, .tsv or .txt")
            .found(other.map_or("none".into(), |e| format!(".{e}")))),
    }
}
