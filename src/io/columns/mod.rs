//! Columns of a parquet file, a batch of rows at a time.
//!
//! Only the columns asked for are read, by seeking; what stands in memory is a page of each and
//! the batch. polars' own reader maps or loads the whole file, and takes the sizes in its page
//! headers at their word, which [`pages`] does not.

mod pages;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{ConvertedType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType as Physical;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series, StringChunked};

use crate::base::{Error, Kind, Result, files, interrupt, memory, nearest, progress};

/// Rows of a batch.
const BATCH: usize = 1 << 16;
/// A page header and footer both say so.
const MAGIC: &[u8; 4] = b"PAR1";
/// Rows that a byte of the file is believed to hold: tables have some column that does not repeat.
const ROWS_A_BYTE: u64 = 64;
/// Bytes of text that a byte of the file is believed to unfold to.
const TEXT_A_BYTE: u64 = 4096;
/// What is believed of any file, however small.
const ALWAYS: u64 = 1 << 20;

/// An open parquet file whose footer has been read.
pub(super) struct Columns {
    path: PathBuf,
    file: Arc<std::fs::File>,
    bytes: u64,
    meta: ParquetMetaData,
}

impl Columns {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// No such file, another format, a footer that is damaged or promises more rows than the file
    /// can hold.
    pub fn open(path: &Path) -> Result<Self> {
        files::exists(path)?;
        let doing = format!("opening {} as parquet", path.display());
        let io = |e| Error::io(&doing, e);
        let mut file = std::fs::File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut magic = [0; 4];
        if std::io::Read::read_exact(&mut file, &mut magic).is_err() || &magic != MAGIC {
            return Err(Error::new(doing)
                .expected("a parquet file, which starts with PAR1")
                .found(format!("{} that start otherwise", memory::human(bytes)))
                .advice("The file is of another kind, or was not fetched whole"));
        }
        let parsed = guard(|| ParquetMetaDataReader::new().parse_and_finish(&file));
        let meta = parsed.map_err(|e| {
            Error::io(&doing, e).advice(format!(
                "The file has {} and starts as parquet does: it is cut short or damaged",
                memory::human(bytes)
            ))
        })?;
        let groups = meta.row_groups();
        let believed = bytes.saturating_mul(ROWS_A_BYTE).saturating_add(ALWAYS);
        let counts = groups.iter().map(|g| u64::try_from(g.num_rows()).ok());
        let rows = counts.sum::<Option<u64>>().filter(|&rows| rows <= believed);
        if rows.is_none() {
            return Err(Error::new(doing)
                .expected(format!("rows that {} can hold", memory::human(bytes)))
                .found(format!("{} in the footer", meta.file_metadata().num_rows()))
                .advice("The file is damaged"));
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(file), bytes, meta })
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn rows(&self) -> u64 {
        self.meta.row_groups().iter().map(|g| g.num_rows().max(0) as u64).sum()
    }

    /// Names of the columns with one value a row, in their order.
    pub fn names(&self) -> Vec<String> {
        let schema = self.meta.file_metadata().schema_descr();
        let flat = schema.columns().iter().filter(|c| {
            c.path().parts().len() == 1
                && c.max_rep_level() == 0
                && !is_scaled(c)
                && c.physical_type() != Type::INT96
                && (c.physical_type() != Type::FIXED_LEN_BYTE_ARRAY || c.type_length() > 0)
        });
        flat.map(|c| c.name().to_owned()).collect()
    }

    /// Whether a column holds numbers; truth values and texts are none.
    pub fn is_number(&self, name: &str) -> bool {
        let schema = self.meta.file_metadata().schema_descr();
        let at = self.place(name).ok().and_then(|at| schema.columns().get(at));
        at.is_some_and(|c| {
            matches!(c.physical_type(), Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE)
        })
    }

    /// The least and the greatest value of a column of floats, where the footer has them.
    pub fn range(&self, name: &str) -> Option<(f64, f64)> {
        let at = self.place(name).ok()?;
        let mut range: Option<(f64, f64)> = None;
        for group in self.meta.row_groups() {
            let (low, high) = match group.columns().get(at)?.statistics()? {
                Statistics::Double(s) => (*s.min_opt()?, *s.max_opt()?),
                Statistics::Float(s) => (f64::from(*s.min_opt()?), f64::from(*s.max_opt()?)),
                _ => return None,
            };
            range = Some(range.map_or((low, high), |(l, h)| (l.min(low), h.max(high))));
        }
        range.filter(|(l, h)| l.is_finite() && h.is_finite())
    }

    /// Place of a column in the schema.
    fn place(&self, name: &str) -> Result<usize> {
        let known = self.names();
        let schema = self.meta.file_metadata().schema_descr();
        let is = |c: &Arc<_>| {
            let c: &parquet::schema::types::ColumnDescriptor = c;
            c.path().parts().len() == 1 && c.name() == name
        };
        known
            .iter()
            .any(|k| k == name)
            .then(|| schema.columns().iter().position(is))
            .flatten()
            .ok_or_else(|| {
                Error::new(format!("looking for a column of {}", self.path.display()))
                    .kind(Kind::Missing)
                    .expected(format!("'{name}'"))
                    .found("none of that name")
                    .advice(nearest::advice(name, known.iter().map(String::as_str)))
            })
    }

    /// Calls `f` with the columns named, a batch of rows after the other. Missing values are null,
    /// bytes are text.
    ///
    /// # Errors
    /// No such column, pages that are damaged, an interrupt, what `f` returns.
    pub fn each(&self, names: &[&str], mut f: impl FnMut(Vec<Column>) -> Result<()>) -> Result<()> {
        let doing = format!("reading {}", self.path.display());
        let places: Vec<usize> = names.iter().map(|n| self.place(n)).collect::<Result<_>>()?;
        let total = self.rows();
        let job = progress::Job::new(&doing, 0, total);
        let mut text = self.bytes.saturating_mul(TEXT_A_BYTE).saturating_add(ALWAYS * 64);
        let mut done = 0;
        for group in self.meta.row_groups() {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            let open = |&at| self.reader(group, at, rows);
            let mut readers: Vec<ColumnReader> = places.iter().map(open).collect::<Result<_>>()?;
            let mut left = rows;
            while left > 0 {
                interrupt::check(&doing)?;
                let n = left.min(BATCH as u64) as usize;
                let mut batch = Vec::with_capacity(names.len());
                for ((reader, &at), name) in readers.iter_mut().zip(&places).zip(names) {
                    let column = guard(|| self.read(reader, at, n, &mut text));
                    let column = column.map_err(|e| self.damaged(name, e))?;
                    if column.len() != n {
                        let e = format!("{} values for {n} rows", column.len());
                        return Err(self.damaged(name, e.into()));
                    }
                    batch.push(self.narrow(at, column).with_name((*name).into()).into_column());
                }
                f(batch)?;
                left -= n as u64;
                done += n as u64;
                job.step(done, "", false);
            }
        }
        Ok(())
    }

    /// The columns named, whole.
    ///
    /// # Errors
    /// What [`each`](Self::each) says; columns beyond the memory there is.
    pub fn frame(&self, names: &[&str]) -> Result<DataFrame> {
        let doing = format!("reading {}", self.path.display());
        let rows = self.rows();
        if names.is_empty() {
            return Ok(DataFrame::empty_with_height(rows as usize));
        }
        let bytes = rows.saturating_mul(8 * names.len() as u64);
        memory::require(&doing, bytes, "Read fewer columns or rows, or use a larger machine")?;
        let failed = |e| Error::io(&doing, e);
        let mut parts: Vec<DataFrame> = Vec::new();
        self.each(names, |batch| {
            let height = batch.first().map_or(0, Column::len);
            parts.push(DataFrame::new(height, batch).map_err(failed)?);
            Ok(())
        })?;
        let mut parts = parts.into_iter();
        let mut table = parts.next().map_or_else(|| self.no_rows(names), Ok)?;
        parts.try_for_each(|part| table.vstack_mut(&part).map(drop)).map_err(failed)?;
        table.rechunk_mut();
        Ok(table)
    }

    /// The columns named, without a row.
    fn no_rows(&self, names: &[&str]) -> Result<DataFrame> {
        let column = |name: &&str| {
            let name = name.to_string();
            Ok(if self.is_number(&name) {
                Column::new(name.into(), Vec::<f64>::new())
            } else {
                Column::new(name.into(), Vec::<String>::new())
            })
        };
        let columns = names.iter().map(column).collect::<Result<_>>()?;
        DataFrame::new(0, columns).map_err(|e| Error::io("reading a table without rows", e))
    }

    fn damaged(&self, name: &str, e: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::io(format!("reading the column '{name}' of {}", self.path.display()), e)
            .advice("The file is damaged: fetch it again")
    }

    fn reader(&self, group: &RowGroupMetaData, at: usize, rows: u64) -> Result<ColumnReader> {
        let schema = self.meta.file_metadata().schema_descr();
        let descr = schema.column(at);
        let refuse = |e| self.damaged(descr.name(), e);
        let chunk = group.columns().get(at).ok_or_else(|| refuse("no such chunk".into()))?;
        let pages =
            guard(|| pages::Pages::new(Arc::clone(&self.file), self.bytes, chunk, &descr, rows));
        Ok(get_column_reader(descr.clone(), Box::new(pages.map_err(refuse)?)))
    }

    /// Whole numbers of the width that the schema gives them; parquet stores 32 bits at least.
    fn narrow(&self, at: usize, values: Series) -> Series {
        let to = match self.meta.file_metadata().schema_descr().column(at).converted_type() {
            ConvertedType::INT_8 => DataType::Int8,
            ConvertedType::INT_16 => DataType::Int16,
            ConvertedType::UINT_8 => DataType::UInt8,
            ConvertedType::UINT_16 => DataType::UInt16,
            _ => return values,
        };
        values.strict_cast(&to).unwrap_or(values)
    }

    /// The next `n` values of a column; `text` is how many bytes of text are still believed.
    fn read(
        &self,
        reader: &mut ColumnReader,
        at: usize,
        n: usize,
        text: &mut u64,
    ) -> parquet::errors::Result<Series> {
        let descr = self.meta.file_metadata().schema_descr().column(at);
        let full = descr.max_def_level();
        let unsigned =
            matches!(descr.converted_type(), ConvertedType::UINT_32 | ConvertedType::UINT_64);
        Ok(match reader {
            ColumnReader::BoolColumnReader(r) => series(next(r, n, full)?, |v| v),
            ColumnReader::Int32ColumnReader(r) if unsigned => {
                series(next(r, n, full)?, |v| v as u32)
            }
            ColumnReader::Int32ColumnReader(r) => series(next(r, n, full)?, |v| v),
            ColumnReader::Int64ColumnReader(r) if unsigned => {
                series(next(r, n, full)?, |v| v as u64)
            }
            ColumnReader::Int64ColumnReader(r) => series(next(r, n, full)?, |v| v),
            ColumnReader::FloatColumnReader(r) => series(next(r, n, full)?, |v| v),
            ColumnReader::DoubleColumnReader(r) => series(next(r, n, full)?, |v| v),
            ColumnReader::ByteArrayColumnReader(r) => {
                texts(&next(r, n, full)?, |v| v.data(), text)?
            }
            ColumnReader::FixedLenByteArrayColumnReader(r) => {
                texts(&next(r, n, full)?, |v| v.data(), text)?
            }
            ColumnReader::Int96ColumnReader(_) => {
                return Err(parquet::errors::ParquetError::NYI("times of 96 bits".into()));
            }
        })
    }
}

/// Reads a table whole; columns that are lists or nested are left out, with a note.
///
/// # Errors
/// What [`Columns::open`] and [`Columns::frame`] say.
pub(super) fn read_table(path: &Path) -> Result<DataFrame> {
    let columns = Columns::open(path)?;
    let names = columns.names();
    let all = columns.meta.file_metadata().schema_descr().root_schema().get_fields().len();
    if names.len() < all {
        progress::note(format!(
            "{}: {} columns that are no plain values (lists, dates, times, decimals) are left out",
            path.display(),
            all - names.len()
        ));
    }
    columns.frame(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The next `n` values and which rows have one; `None` when all have.
type Values<T> = (Vec<T>, Option<Vec<bool>>);

fn next<T: Physical>(
    reader: &mut ColumnReaderImpl<T>,
    n: usize,
    full: i16,
) -> parquet::errors::Result<Values<T::T>> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    reader.read_records(n, Some(&mut levels), None, &mut values)?;
    let present = (full > 0).then(|| levels.iter().map(|&l| l == full).collect());
    Ok((values, present))
}

fn series<T: Copy, V>((values, present): Values<T>, f: impl Fn(T) -> V) -> Series
where
    Series: NamedFrom<Vec<V>, [V]> + NamedFrom<Vec<Option<V>>, [Option<V>]>,
{
    match present {
        Some(present) if present.len() != values.len() => {
            let mut values = values.into_iter().map(f);
            let spread = present.iter().map(|&p| if p { values.next() } else { None });
            Series::new("".into(), spread.collect::<Vec<_>>())
        }
        _ => Series::new("".into(), values.into_iter().map(f).collect::<Vec<_>>()),
    }
}

fn texts<T>(
    (values, present): &Values<T>,
    bytes: impl Fn(&T) -> &[u8],
    believed: &mut u64,
) -> parquet::errors::Result<Series> {
    let size: u64 = values.iter().map(|v| bytes(v).len() as u64).sum();
    *believed = believed.checked_sub(size).ok_or_else(|| {
        parquet::errors::ParquetError::General("more text than the file can hold".into())
    })?;
    let mut values = values.iter().map(|v| String::from_utf8_lossy(bytes(v)));
    let text: StringChunked = match present {
        Some(present) => present.iter().map(|&p| if p { values.next() } else { None }).collect(),
        None => values.map(Some::<Cow<'_, str>>).collect(),
    };
    Ok(polars::prelude::IntoSeries::into_series(text))
}

/// Whether the numbers that are stored stand for something else: days, times, scaled decimals.
fn is_scaled(column: &parquet::schema::types::ColumnDescriptor) -> bool {
    use parquet::basic::LogicalType;
    let logical = column.logical_type_ref();
    matches!(
        logical,
        Some(
            LogicalType::Date
                | LogicalType::Time { .. }
                | LogicalType::Timestamp { .. }
                | LogicalType::Decimal { .. }
        )
    ) || matches!(
        column.converted_type(),
        ConvertedType::DATE
            | ConvertedType::DECIMAL
            | ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::TIMESTAMP_MILLIS
            | ConvertedType::TIMESTAMP_MICROS
    )
}

/// Runs the parquet crate, which indexes and asserts on what damaged pages say.
fn guard<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    body: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, Box<dyn std::error::Error + Send + Sync>> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err("its bytes make no sense".into()),
    }
}
