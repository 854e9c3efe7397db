//! Where the spots lie: `tissue_positions*.csv` of Visium, `tissue_positions.parquet` of Visium HD.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use polars::prelude::*;

use crate::base::{Error, Kind, Result, files, progress};
use crate::data::{Dataset, keys, table};
use crate::io::columns::Columns;

/// The columns, in the order in which Space Ranger 1 writes them without naming them.
const COLUMNS: [&str; 6] =
    ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"];

/// The part of filtered counts that may lie beside the tissue: Space Ranger writes none.
const MOST_OUTSIDE: f64 = 0.01;

/// A table of positions, with the columns of [`COLUMNS`].
pub(super) struct Positions {
    path: PathBuf,
    table: Table,
}

enum Table {
    /// Of text, and whether its first line names the columns.
    Text(DataFrame, bool),
    /// A file that is read a batch at a time: bins of 2 um are 11 million.
    Parquet(Columns),
}

/// What the table says of the barcodes asked for.
struct Places {
    found: Vec<bool>,
    /// The columns behind the barcode, a value a barcode.
    values: [Vec<f64>; 5],
    /// Rows of the table.
    rows: u64,
}

impl Positions {
    /// Opens a table as text or parquet.
    ///
    /// # Errors
    /// A file that is damaged, columns that are missing, lines that do not parse.
    pub fn open(path: &Path) -> Result<Self> {
        let table = if path.extension().is_some_and(|e| e == "parquet") {
            let columns = Columns::open(path)?;
            let names = columns.names();
            require(path, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
            Table::Parquet(columns)
        } else {
            let (frame, header) = text(path)?;
            Table::Text(frame, header)
        };
        Ok(Self { path: path.to_owned(), table })
    }

    /// Says when the counts are of another version of Space Ranger than the positions.
    pub fn check_version(&self, software: &str) {
        let digits = software.trim_start_matches(|c: char| !c.is_ascii_digit());
        let major = digits.split('.').next().and_then(|d| d.parse::<u32>().ok());
        let (Some(major), Table::Text(_, header)) = (major, &self.table) else { return };
        if (major >= 2) != *header {
            progress::note(format!(
                "{}: laid out as Space Ranger {} does, but the counts say {software}; are they of the same run?",
                self.path.display(),
                if *header { "2 and later" } else { "1" }
            ));
        }
    }

    /// Joins the positions by barcode, keeping the spots under tissue if that is asked for.
    ///
    /// # Errors
    /// No barcode of the counts has a position; some of the filtered counts have none, or are
    /// not under tissue; no spot is under tissue.
    pub fn join(&self, ds: &mut Dataset, raw: bool, only_tissue: bool) -> Result<()> {
        let doing = || format!("joining the counts to {}", self.path.display());
        let Places { found, values, rows } = self.places(ds.obs().index())?;
        let [tissue, row, col, y, x] = values;
        let mut kept: Vec<usize> = (0..found.len()).filter(|&i| found[i]).collect();
        if kept.is_empty() {
            return Err(self.no_match(ds.obs().index()));
        }
        if let Some(first) = found.iter().position(|f| !f) {
            let said = format!(
                "{rows} positions, none for {} of {} barcodes, the first '{}'",
                found.len() - kept.len(),
                found.len(),
                ds.obs().index()[first]
            );
            if !raw {
                return Err(Error::new(doing())
                    .expected("a position for each barcode of the counts")
                    .found(said)
                    .advice("The positions are cut short, or the counts are of another sample: fetch both again"));
            }
            progress::note(format!("{}: {said}; these spots are dropped", doing()));
        }
        let outside = kept.iter().filter(|&&i| tissue[i] != 1.0).count();
        if only_tissue && outside > 0 {
            if outside == kept.len() {
                return Err(Error::new(doing())
                    .expected("spots under tissue (in_tissue = 1)")
                    .found(format!("none of {outside}"))
                    .advice("Read with in_tissue: false to keep them all"));
            }
            if !raw && outside as f64 > MOST_OUTSIDE * kept.len() as f64 {
                return Err(Error::new(doing())
                    .expected("filtered counts of spots under tissue (in_tissue = 1)")
                    .found(format!("{outside} of {} not under tissue", kept.len()))
                    .advice("The positions are probably of another sample, whose slide has the same barcodes: check that counts and spatial/ come from one outs/. Read with in_tissue: false to keep all spots where these positions say"));
            }
            kept.retain(|&i| tissue[i] == 1.0);
            progress::note(format!(
                "{}: {outside} spots are not under tissue and are dropped",
                self.path.display()
            ));
        }
        if kept.len() < ds.n_obs() {
            ds.select_obs(&kept)?;
        }
        for (name, values) in [("in_tissue", tissue), ("array_row", row), ("array_col", col)] {
            let whole: Vec<i64> = kept.iter().map(|&i| values[i] as i64).collect();
            ds.obs_mut().set(Column::new(name.into(), whole))?;
        }
        let at = |(i, k): (usize, usize)| if k == 0 { x[kept[i]] } else { y[kept[i]] };
        ds.set_obsm(keys::SPATIAL, Array2::from_shape_fn((kept.len(), 2), at))
    }

    /// The places of some barcodes.
    ///
    /// # Errors
    /// A barcode that stands twice, a place that is no finite number.
    fn places(&self, barcodes: &[String]) -> Result<Places> {
        // The counts have fewer barcodes than the slide has places, so they are what is hashed.
        let of: HashMap<&str, usize> =
            barcodes.iter().enumerate().map(|(i, b)| (b.as_str(), i)).collect();
        let n = barcodes.len();
        let mut places = Places {
            found: vec![false; n],
            values: std::array::from_fn(|_| vec![f64::NAN; n]),
            rows: 0,
        };
        let refuse =
            |row: u64| Error::new(format!("reading row {} of {}", row + 1, self.path.display()));
        self.each(&COLUMNS, |batch| {
            let [barcode, numbers @ ..] = batch else { return Ok(()) };
            let numbers: Vec<Vec<f64>> = numbers
                .iter()
                .map(|c| table::numbers(c).map_err(|e| e.within(self.path.display())))
                .collect::<Result<_>>()?;
            for (i, barcode) in self.texts(barcode)?.iter().enumerate() {
                let row = places.rows;
                places.rows += 1;
                let Some(&at) = barcode.and_then(|b| of.get(b)) else { continue };
                if std::mem::replace(&mut places.found[at], true) {
                    let found = format!("'{}' again", barcodes[at]);
                    return Err(refuse(row).expected("each barcode once").found(found));
                }
                for ((column, values), name) in
                    numbers.iter().zip(&mut places.values).zip(&COLUMNS[1..])
                {
                    if !column[i].is_finite() {
                        let found = format!("{} as {name}", column[i]);
                        return Err(refuse(row).expected("finite numbers").found(found));
                    }
                    values[at] = column[i];
                }
            }
            Ok(())
        })?;
        Ok(places)
    }

    /// Calls `f` with some columns, a batch of rows after the other.
    fn each(&self, names: &[&str], mut f: impl FnMut(&[Column]) -> Result<()>) -> Result<()> {
        match &self.table {
            Table::Parquet(columns) => columns.each(names, |batch| f(&batch)),
            Table::Text(frame, _) => {
                let all: Vec<Column> =
                    names.iter().filter_map(|n| frame.column(n).ok().cloned()).collect();
                f(&all)
            }
        }
    }

    fn texts<'a>(&self, column: &'a Column) -> Result<&'a StringChunked> {
        column.str().map_err(|e| Error::io(format!("reading {}", self.path.display()), e))
    }

    /// No barcode of the counts has a position: what may be the matter.
    fn no_match(&self, ours: &[String]) -> Error {
        let stem = |b: &str| b.split_once('-').map_or(b, |(stem, _)| stem).to_owned();
        let ours = ours.first().map_or("none", String::as_str);
        let (mut theirs, mut same) = (None, false);
        let looked = self.each(&COLUMNS[..1], |batch| {
            let Some(column) = batch.first() else { return Ok(()) };
            for barcode in self.texts(column)?.iter().flatten() {
                theirs.get_or_insert_with(|| barcode.to_owned());
                same |= stem(barcode) == stem(ours);
            }
            Ok(())
        });
        if let Err(e) = looked {
            return e;
        }
        let Some(theirs) = theirs else {
            return Error::new(format!("reading {}", self.path.display()))
                .expected("a position for each spot of the slide")
                .found("none: the file is empty")
                .advice("Copy it again from Space Ranger's spatial/");
        };
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
fn text(path: &Path) -> Result<(DataFrame, bool)> {
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
    Ok((frame, header))
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
