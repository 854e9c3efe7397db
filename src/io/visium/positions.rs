//! Where the spots lie: `tissue_positions*.csv` of Visium, `tissue_positions.parquet` of Visium HD.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use polars::prelude::*;

use crate::base::{Error, Kind, Result, files, progress};
use crate::data::table::numbers;
use crate::data::{Dataset, keys};

/// The columns, in the order in which Space Ranger 1 writes them without naming them.
const COLUMNS: [&str; 6] =
    ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"];

/// A table of positions, with the columns of [`COLUMNS`].
pub(super) struct Positions {
    frame: DataFrame,
    path: PathBuf,
    /// Whether the columns are named; `None` where the format always does.
    header: Option<bool>,
}

impl Positions {
    /// Reads a table as text or parquet.
    ///
    /// # Errors
    /// A file that is damaged, columns that are missing, lines that do not parse.
    pub fn read(path: &Path) -> Result<Self> {
        let parquet = path.extension().is_some_and(|e| e == "parquet");
        let (frame, header) = if parquet { (packed(path)?, None) } else { text(path)? };
        Ok(Self { frame, path: path.to_owned(), header })
    }

    /// Says when the counts are of another version of Space Ranger than the positions.
    pub fn check_version(&self, software: &str) {
        let digits = software.trim_start_matches(|c: char| !c.is_ascii_digit());
        let major = digits.split('.').next().and_then(|d| d.parse::<u32>().ok());
        let (Some(major), Some(header)) = (major, self.header) else { return };
        if (major >= 2) != header {
            progress::note(format!(
                "{}: laid out as Space Ranger {} does, but the counts say {software}; are they of the same run?",
                self.path.display(),
                if header { "2 and later" } else { "1" }
            ));
        }
    }

    /// Joins the positions by barcode, keeping the spots under tissue if that is asked for.
    ///
    /// # Errors
    /// No barcode of the counts has a position; some of the filtered counts have none; no spot is
    /// under tissue.
    pub fn join(&self, ds: &mut Dataset, raw: bool, only_tissue: bool) -> Result<()> {
        let doing = || format!("joining the counts to {}", self.path.display());
        let row = self.rows(ds.obs().index())?;
        let lacking = row.iter().filter(|r| r.is_none()).count();
        if lacking == row.len() {
            return Err(self.no_match(ds.obs().index()));
        }
        if let Some(first) = row.iter().position(Option::is_none) {
            let found = format!(
                "{} positions, none for {lacking} of {} barcodes, the first '{}'",
                self.frame.height(),
                row.len(),
                ds.obs().index()[first]
            );
            if !raw {
                return Err(Error::new(doing())
                    .expected("a position for each barcode of the counts")
                    .found(found)
                    .advice("The positions are cut short, or the counts are of another sample: fetch both again"));
            }
            progress::note(format!("{}: {found}; these spots are dropped", doing()));
        }
        let mut kept: Vec<usize> = (0..row.len()).filter(|&i| row[i].is_some()).collect();
        let mut at: Vec<IdxSize> = row.into_iter().flatten().collect();
        let tissue = self.numbers("in_tissue", &at)?;
        let outside = tissue.iter().filter(|&&t| t != 1.0).count();
        if only_tissue && outside > 0 {
            if outside == kept.len() {
                return Err(Error::new(doing())
                    .expected("spots under tissue (in_tissue = 1)")
                    .found(format!("none of {outside}"))
                    .advice("Read with in_tissue: false to keep them all"));
            }
            let under = |i: &usize| tissue[*i] == 1.0;
            (kept, at) = (0..kept.len()).filter(under).map(|i| (kept[i], at[i])).unzip();
            let hint = if raw {
                ""
            } else {
                ". Space Ranger's filtered counts have none as a rule: are counts and positions of the same sample?"
            };
            progress::note(format!(
                "{}: {outside} spots are not under tissue and are dropped{hint}",
                self.path.display()
            ));
        }
        if kept.len() < ds.n_obs() {
            ds.select_obs(&kept)?;
        }
        for name in ["in_tissue", "array_row", "array_col"] {
            let whole: Vec<i64> = self.numbers(name, &at)?.into_iter().map(|v| v as i64).collect();
            ds.obs_mut().set(Column::new(name.into(), whole))?;
        }
        let (x, y) =
            (self.numbers("pxl_col_in_fullres", &at)?, self.numbers("pxl_row_in_fullres", &at)?);
        let xy = Array2::from_shape_fn((at.len(), 2), |(i, k)| if k == 0 { x[i] } else { y[i] });
        ds.set_obsm(keys::SPATIAL, xy)
    }

    /// The row of each barcode.
    fn rows(&self, barcodes: &[String]) -> Result<Vec<Option<IdxSize>>> {
        // The counts have fewer barcodes than the slide has places, so they are what is hashed.
        let place: HashMap<&str, usize> =
            barcodes.iter().enumerate().map(|(i, b)| (b.as_str(), i)).collect();
        let mut row = vec![None; barcodes.len()];
        for (i, barcode) in self.barcodes()?.iter().enumerate() {
            let Some(barcode) = barcode else { continue };
            if let Some(&at) = place.get(barcode)
                && row[at].replace(i as IdxSize).is_some()
            {
                return Err(Error::new(format!("reading {}", self.path.display()))
                    .expected("each barcode once")
                    .found(format!("'{barcode}' again in row {}", i + 1)));
            }
        }
        Ok(row)
    }

    fn barcodes(&self) -> Result<&StringChunked> {
        let column = self.frame.column("barcode");
        column
            .and_then(Column::str)
            .map_err(|e| Error::io(format!("reading {}", self.path.display()), e))
    }

    /// Some rows of a column.
    ///
    /// # Errors
    /// Text, and what is missing or not finite.
    fn numbers(&self, name: &str, at: &[IdxSize]) -> Result<Vec<f64>> {
        let doing = || format!("reading {name} of {}", self.path.display());
        let failed = |e| Error::io(doing(), e);
        let column = self.frame.column(name).map_err(failed)?;
        let taken = column.take(&IdxCa::new("rows".into(), at)).map_err(failed)?;
        let numbers = numbers(&taken).map_err(|e| e.within(doing()))?;
        match numbers.iter().position(|v| !v.is_finite()) {
            Some(i) => Err(Error::new(doing())
                .expected("a finite number in each row")
                .found(format!("{} in row {}", numbers[i], at[i] + 1))),
            None => Ok(numbers),
        }
    }

    /// No barcode of the counts has a position: what may be the matter.
    fn no_match(&self, ours: &[String]) -> Error {
        let theirs = self.barcodes().ok();
        let theirs = theirs.and_then(|b| b.iter().flatten().next()).unwrap_or("none").to_owned();
        let ours = ours.first().map_or("none", String::as_str);
        let stem = |b: &str| b.split_once('-').map_or(b, |(stem, _)| stem).to_owned();
        let same = self.barcodes().is_ok_and(|b| b.iter().flatten().any(|b| stem(b) == stem(ours)));
        let bin = |b: &str| b.split('_').nth(1).filter(|s| s.ends_with("um")).map(str::to_owned);
        let advice = match (bin(ours), bin(&theirs)) {
            (Some(a), Some(b)) if a != b => {
                format!("The counts are of bins of {a}, the positions of {b}")
            }
            _ if same => "They differ in the suffix only: merged samples change '-1'. Give the barcodes of the counts the suffix of the positions".into(),
            _ => "Counts and spatial/ must be of the same sample; merged samples change the suffix '-1'".into(),
        };
        Error::new(format!("joining the counts to {}", self.path.display()))
            .expected("barcodes of the counts among the positions")
            .found(format!("no match; the counts have '{ours}', the positions '{theirs}'"))
            .advice(advice)
    }
}

/// The columns of a parquet file.
fn packed(path: &Path) -> Result<DataFrame> {
    let failed = |e: PolarsError| {
        Error::io(format!("reading {}", path.display()), e)
            .advice("The file may be cut short: fetch it again and compare its size")
    };
    let file = File::open(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema().map_err(failed)?;
    let known: Vec<&str> = schema.iter_names().map(|n| n.as_str()).collect();
    require(path, &known)?;
    reader.with_columns(Some(COLUMNS.map(String::from).to_vec())).finish().map_err(failed)
}

/// Refuses a table whose names lack one of [`COLUMNS`].
fn require(path: &Path, known: &[&str]) -> Result<()> {
    let lacking: Vec<&str> = COLUMNS.into_iter().filter(|c| !known.contains(c)).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("reading {}", path.display()))
        .kind(Kind::Missing)
        .expected(format!("columns {}", COLUMNS.join(", ")))
        .found(format!("no {}; there is {}", lacking.join(", "), known.join(", "))))
}

/// The columns of a text file, and whether its first line names them.
fn text(path: &Path) -> Result<(DataFrame, Option<bool>)> {
    let text = files::read_text(path)?;
    let fields = |line: &str| -> Vec<String> {
        line.split(',').map(|f| f.trim().trim_matches('"').to_owned()).collect()
    };
    let first = fields(text.lines().next().unwrap_or_default());
    let header = first.iter().any(|f| COLUMNS.contains(&f.as_str()));
    let mut order = [0, 1, 2, 3, 4, 5];
    let mut width = order.len();
    if header {
        let names: Vec<&str> = first.iter().map(String::as_str).collect();
        require(path, &names)?;
        order = COLUMNS.map(|c| names.iter().position(|n| *n == c).unwrap_or_default());
        width = names.len();
    }
    let complete = text.ends_with('\n');
    let last = text.lines().count().saturating_sub(1);
    let mut barcodes = Vec::new();
    let mut numbers: [Vec<f64>; 5] = Default::default();
    for (i, line) in text.lines().enumerate().skip(usize::from(header)) {
        if line.trim().is_empty() {
            continue;
        }
        let Some((barcode, place)) = row(&fields(line), order, width) else {
            let cut = i == last && !complete;
            return Err(Error::new(format!("reading line {} of {}", i + 1, path.display()))
                .expected(if header { first.join(",") } else { COLUMNS.join(",") })
                .found(format!("'{}'", line.chars().take(80).collect::<String>()))
                .advice(if cut {
                    "The last line stops in the middle: the file is cut short, fetch it again"
                } else {
                    ""
                }));
        };
        barcodes.push(barcode);
        place.into_iter().zip(&mut numbers).for_each(|(v, column)| column.push(v));
    }
    if !complete && !barcodes.is_empty() {
        progress::note(format!(
            "{}: {} positions, the last line without an end; Space Ranger lists all spots of the slide, 4992 or 14336",
            path.display(),
            barcodes.len()
        ));
    }
    let mut columns = vec![Column::new(COLUMNS[0].into(), barcodes)];
    columns
        .extend(COLUMNS[1..].iter().zip(numbers).map(|(name, v)| Column::new((*name).into(), v)));
    let frame = DataFrame::new_infer_height(columns)
        .map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
    Ok((frame, Some(header)))
}

/// The barcode and the five numbers of a line.
fn row(fields: &[String], order: [usize; 6], width: usize) -> Option<(String, [f64; 5])> {
    if fields.len() != width {
        return None;
    }
    let mut place = [0.0; 5];
    for (v, &at) in place.iter_mut().zip(&order[1..]) {
        *v = fields.get(at)?.parse().ok().filter(|v: &f64| v.is_finite())?;
    }
    Some((fields.get(order[0])?.clone(), place))
}
