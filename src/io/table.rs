//! Tables as text (`.csv`, `.tsv`, `.txt`, and their `.gz`) and parquet, through polars.

use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns;
use super::lines::{self, Record, Records};
use crate::base::{Error, Result, files, memory, progress};
use crate::data::table::unique_names;

/// What deflate makes of a byte at most.
const INFLATION: u64 = 1032;

/// Texts that stand for a missing value: those of R, pandas and databases.
pub(super) const MISSING: [&str; 7] = ["NA", "N/A", "NaN", "nan", "<NA>", "null", "NULL"];

/// Options of tables of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    /// One character between columns, `"\t"` for a tab. Else the one that the first line has most.
    pub separator: Option<String>,
    /// Whether the first line names the columns; else they are `column_1`, `column_2`.
    pub header: bool,
    /// Whether numbers are written as `1,5`.
    pub decimal_comma: bool,
    /// Texts that stand for a missing value, beside nothing at all.
    pub missing: Vec<String>,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            separator: None,
            header: true,
            decimal_comma: false,
            missing: MISSING.map(str::to_owned).into(),
        }
    }
}

/// Reads a table as its content says.
///
/// # Errors
/// As [`read_with`].
pub fn read(path: &Path) -> Result<DataFrame> {
    read_with(path, &TableConfig::default())
}

/// Reads a table of text, gzipped or not, or of parquet, told by its content. Types
/// follow from all rows. Names of columns that stand twice get `-1`, `-2`; those without a name are
/// `column_1` by their place.
///
/// # Errors
/// No such file, rows of unequal length (with the line), text that is not UTF-8, a damaged file, a
/// table beyond the memory there is.
pub fn read_with(path: &Path, config: &TableConfig) -> Result<DataFrame> {
    files::exists(path)?;
    if is_parquet(path) {
        return columns::read_table(path);
    }
    text(path, config).map_err(|e| e.within(format!("reading the table {}", path.display())))
}

/// Writes a table, whole or not at all, in the format that the name's end says. In text, missing
/// values are empty and categories are text.
///
/// # Errors
/// Another end, a place that cannot be written, columns that the format cannot hold.
pub fn write(path: &Path, frame: &DataFrame) -> Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    let end = bare.rsplit_once('.').map_or("", |(_, end)| end);
    let failed = |e| Error::io(format!("writing {}", path.display()), e);
    let lost = |e| Error::io(format!("writing {}", path.display()), e);
    let zipped = bare.len() < name.len();
    if !matches!((end, zipped), ("csv" | "tsv" | "txt", _) | ("parquet", false)) {
        let found = if name.contains('.') { format!(".{end}") } else { "none".into() };
        return Err(Error::new(format!("choosing the separator of {}", path.display()))
            .expected("the end .csv, .tsv, .txt, one of these with .gz, or .parquet")
            .found(if zipped { format!("{found}.gz") } else { found }));
    }
    let mut frame = frame.clone();
    files::atomic(path, |tmp| {
        let mut file = BufWriter::new(File::create(tmp).map_err(lost)?);
        match (end, zipped) {
            ("parquet", _) => ParquetWriter::new(&mut file).finish(&mut frame).map(drop),
            (_, true) => {
                let mut zip = GzEncoder::new(&mut file, Compression::default());
                let done = csv(&mut zip, end, &mut frame);
                zip.finish().map_err(lost)?;
                done
            }
            (_, false) => csv(&mut file, end, &mut frame),
        }
        .map_err(failed)?;
        file.flush().map_err(lost)
    })
}

fn csv(to: impl Write, end: &str, frame: &mut DataFrame) -> PolarsResult<()> {
    let separator = if end == "csv" { b',' } else { b'\t' };
    CsvWriter::new(to).with_separator(separator).finish(frame)
}

/// Whether a file is parquet, by its first bytes.
pub(super) fn is_parquet(path: &Path) -> bool {
    starts_with(path, b"PAR1")
}

fn starts_with(path: &Path, magic: &[u8]) -> bool {
    let mut start = vec![0; magic.len()];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && start == magic
}

/// Runs a reader of polars, which panics on some damaged files.
fn guarded<T>(path: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let damaged = || {
        Error::new(format!("reading {}", path.display()))
            .expected("a whole file")
            .found("a damaged one")
            .advice("Copy or download it again")
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(Error::io(format!("reading {}", path.display()), e)),
        Err(_) => Err(damaged()),
    }
}

fn text(path: &Path, config: &TableConfig) -> Result<DataFrame> {
    let mut bytes = whole(path)?;
    let mut records = Records::open(path, lines::separator(config.separator.as_deref())?)?;
    let (names, commas, start) = check(path, &mut records, config)?;
    bytes.drain(..start.min(bytes.len()));
    let missing = config.missing.iter().map(|m| m.as_str().into());
    let parse = CsvParseOptions::default()
        .with_separator(records.separator())
        .with_decimal_comma(config.decimal_comma)
        .with_null_values(Some(NullValues::AllColumns(
            [PlSmallStr::EMPTY].into_iter().chain(missing).collect(),
        )));
    let read = || {
        CsvReadOptions::default()
            .with_has_header(false)
            .with_infer_schema_length(None)
            .with_raise_if_empty(false)
            .with_parse_options(parse)
            .into_reader_with_file_handle(Cursor::new(bytes))
            .finish()
    };
    let mut frame = guarded(path, read)?;
    if frame.width() == 0 {
        let empty = names.iter().map(|n| Column::new(n.as_str().into(), Vec::<String>::new()));
        return DataFrame::new(0, empty.collect()).map_err(|e| Error::io("naming columns", e));
    }
    if frame.width() != names.len() {
        return Err(Error::new("naming the columns")
            .expected(format!("{} columns, as in the first line", names.len()))
            .found(frame.width().to_string()));
    }
    frame.set_column_names(&names).map_err(|e| Error::io("naming columns", e))?;
    if commas && !config.decimal_comma {
        progress::note(format!(
            "{}: some columns hold numbers with decimal commas, read as text (option decimal_comma)",
            path.display()
        ));
    }
    Ok(frame)
}

/// All bytes of a text, unzipped in steps and never beyond what the memory holds.
fn whole(path: &Path) -> Result<Vec<u8>> {
    let doing = format!("reading {}", path.display());
    let stored = std::fs::metadata(path).map(|m| m.len()).unwrap_or(0);
    let most = stored.saturating_mul(INFLATION).max(1 << 16);
    let mut bytes = Vec::new();
    let mut from = lines::open(path)?;
    loop {
        let start = bytes.len();
        let n = (&mut from).take(64 << 20).read_to_end(&mut bytes);
        if n.map_err(|e| Error::io(doing.clone(), e))? == 0 {
            return Ok(bytes);
        }
        // Text and what is made of it lie in memory together.
        let more = (bytes.len() - start) as u64 * 2;
        if more > memory::now().available {
            memory::require(&doing, more, "Use a larger machine")?;
        }
        if bytes.len() as u64 > most {
            return Err(Error::new(doing)
                .expected(format!("at most {} out of the file", memory::human(most)))
                .found("more"));
        }
    }
}

/// The names of the columns, whether a column looks like numbers with decimal commas, and where
/// the rows start. Refuses rows of unequal length, which polars would fill.
fn check(
    path: &Path,
    records: &mut Records,
    config: &TableConfig,
) -> Result<(Vec<String>, bool, usize)> {
    let mut record = Record::default();
    let mut names = Vec::new();
    let (mut width, mut rows) = (0, 0);
    let (mut commas, mut start) = (false, 0);
    while records.next(&mut record)? {
        if record.fields().any(|f| std::str::from_utf8(f).is_err() || f.contains(&0)) {
            return Err(records
                .refuse(record.line)
                .expected("text in UTF-8")
                .found("other bytes")
                .advice("Save the table as UTF-8"));
        }
        if names.is_empty() {
            width = record.len();
            let name = |(i, f): (usize, &[u8])| match String::from_utf8_lossy(f).trim() {
                "" => format!("column_{}", i + 1),
                _ if !config.header => format!("column_{}", i + 1),
                name => name.to_owned(),
            };
            names = record.fields().enumerate().map(name).collect();
            if config.header {
                start = records.consumed();
                continue;
            }
        }
        rows += 1;
        // R's write.table gives the column of row names no place in the header.
        if config.header && rows == 1 && record.len() == width + 1 {
            names.insert(0, "row_name".into());
            width += 1;
        }
        if record.len() != width {
            return Err(records
                .refuse(record.line)
                .expected(format!("{width} columns, as in the first line"))
                .found(record.len().to_string())
                .advice("Is the separator right, and is each text that has it in it in quotes?"));
        }
        let comma =
            |f: &[u8]| lines::number(f, false).is_none() && lines::number(f, true).is_some();
        commas |= record.fields().any(comma);
    }
    if names.is_empty() {
        return Err(Error::new(format!("reading {}", path.display()))
            .expected("a table")
            .found("an empty file"));
    }
    let unique = unique_names(&names);
    let renamed = names.iter().zip(&unique).filter(|(a, b)| a != b).map(|(a, _)| a.as_str());
    let renamed: Vec<&str> = renamed.take(4).collect();
    if !renamed.is_empty() {
        progress::note(format!(
            "{}: columns named {} stand twice; they get -1, -2",
            path.display(),
            renamed.join(", ")
        ));
    }
    Ok((unique, commas, start))
}
