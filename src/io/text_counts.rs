//! Counts as text or parquet: a row a cell, a column a gene, and columns that say where.
//!
//! Text is read record by record into CSR; parquet, which lies column by column, by a few columns
//! at a time into CSR that is then turned around. Neither is ever dense.

use std::path::Path;

use ndarray::Array2;
use polars::prelude::{Column, DataType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::Columns;
use super::lines::{self, Record, Records};
use super::roles::{Kind, Plan, ROW_NAME, note_dates};
use super::table;
use crate::base::{Error, Kind as ErrorKind, Result, files, interrupt, memory, progress};
use crate::data::table::{typed, unique_names};
use crate::data::{Csr, Dataset, Table, Uns, keys};

/// The unit of coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CoordinateUnit {
    Um,
    Px,
}

impl CoordinateUnit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Um => "um",
            Self::Px => "px",
        }
    }
}

/// What is a row and what a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Orientation {
    #[serde(rename = "cells x genes")]
    CellsByGenes,
    #[serde(rename = "genes x cells")]
    GenesByCells,
}

/// Options of the reader. Without them the names of columns decide, and a note says what they
/// decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextCountsConfig {
    /// The column that names the rows; `""` numbers them. Else the first column where it has no
    /// name, or one such as `barcode` and `cell_id`.
    pub index: Option<String>,
    /// The column of x; `""` for none. Else known names such as `x`, `x_centroid`, `aligned_x`.
    pub x: Option<String>,
    /// The column of y.
    pub y: Option<String>,
    /// The unit of the coordinates. Else as far as the names of their columns tell.
    pub unit: Option<CoordinateUnit>,
    /// The columns that say something of a cell; `*` stands for any letters. Else those of text,
    /// those of known names such as `cell_area`, and those before the coordinates.
    pub obs: Option<Vec<String>>,
    /// The columns of genes; `*` stands for any letters. All other columns are then `obs`.
    pub genes: Option<Vec<String>>,
    /// One character between columns, `"\t"` for a tab. Else the one that the first line has most.
    pub separator: Option<String>,
    /// Whether numbers are written as `1,5`.
    pub decimal_comma: bool,
    /// Whether the first line names the columns.
    pub header: bool,
    /// `"cells x genes"`, a row a cell, or `"genes x cells"`. Else cells by genes, unless the
    /// columns are named as barcodes are.
    pub orientation: Option<Orientation>,
}

impl Default for TextCountsConfig {
    fn default() -> Self {
        Self {
            index: None,
            x: None,
            y: None,
            unit: None,
            obs: None,
            genes: None,
            separator: None,
            decimal_comma: false,
            header: true,
            orientation: None,
        }
    }
}

/// Reads a table of counts as its columns are named.
///
/// # Errors
/// As [`read_with`].
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &TextCountsConfig::default())
}

/// Reads a table of counts: text, gzipped or not, or parquet.
///
/// # Errors
/// No such file, options that name no column, no header, no columns of genes, rows of unequal
/// length, text or nothing where a number is meant; the line is named.
pub fn read_with(path: &Path, config: &TextCountsConfig) -> Result<Dataset> {
    files::exists(path)?;
    let doing = format!("reading the table of counts {}", path.display());
    let mut ds = match table::is_parquet(path) {
        true => parquet(path, &doing, config)?,
        false => text(path, &doing, config)?,
    };
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

/// Reads a table of text whose first column names the rows and whose others are all genes, or
/// turned around where its columns are named as spots are.
pub(super) fn plain(path: &Path) -> Result<Dataset> {
    let config = TextCountsConfig {
        x: Some(String::new()),
        obs: Some(Vec::new()),
        ..TextCountsConfig::default()
    };
    text(path, &format!("reading the counts {}", path.display()), &config)
}

/// What the rows of a table hold, gathered row by row.
#[derive(Default)]
struct Rows {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    index: Vec<String>,
    xy: Vec<f64>,
    obs: Vec<Vec<Option<String>>>,
}

fn text(path: &Path, doing: &str, config: &TextCountsConfig) -> Result<Dataset> {
    let mut records = Records::open(path, lines::separator(config.separator.as_deref())?)?;
    // A look at the first rows, to tell text from numbers.
    let (mut first, mut seen) = (Vec::new(), 0);
    let mut record = Record::default();
    while first.len() < 64 && seen < 4 << 20 && records.next(&mut record)? {
        seen += record.bytes();
        first.push(std::mem::take(&mut record));
    }
    let names = header(doing, &mut first, &records, config)?;
    if first.is_empty() {
        return Err(Error::new(doing)
            .expected("a header and rows below it")
            .found("no row")
            .advice("Use data::read_table for other tables"));
    }
    let comma = config.decimal_comma;
    let kinds = kinds(names.len(), &first, comma);
    let turned = match config.orientation {
        Some(o) => o == Orientation::GenesByCells,
        None => genes_by_cells(doing, &names),
    };
    let plan = match turned {
        true => turned_plan(doing, &names, &kinds, config)?,
        false => Plan::new(doing, &names, &kinds, config)?,
    };
    let mut rows =
        Rows { indptr: vec![0], obs: vec![Vec::new(); plan.obs.len()], ..Rows::default() };
    for record in &first {
        rows.push(record, &names, &plan, comma, &records)?;
    }
    first.clear();
    while records.next(&mut record)? {
        rows.push(&record, &names, &plan, comma, &records)?;
        // Building the dataset takes as much again.
        if !rows.indptr.len().is_multiple_of(1 << 16) {
            continue;
        }
        let available = memory::now().available;
        if available > 0 && rows.bytes() > available {
            return Err(records
                .refuse(record.line)
                .kind(ErrorKind::Resource)
                .expected(format!("{} of free memory", memory::human(rows.bytes())))
                .found(memory::human(available))
                .advice("Read a part of the table, or use a larger machine"));
        }
    }
    rows.dataset(doing, &names, &plan, turned)
}

impl Rows {
    /// What is held, names and metadata at 48 bytes each.
    fn bytes(&self) -> u64 {
        let texts = self.indptr.len() * (1 + self.obs.len()) * 48;
        (self.indices.len() * 8 + self.indptr.len() * 8 + texts) as u64
    }

    fn push(
        &mut self,
        record: &Record,
        names: &[String],
        plan: &Plan,
        comma: bool,
        records: &Records,
    ) -> Result<()> {
        if record.len() != names.len() {
            return Err(records
                .refuse(record.line)
                .expected(format!("{} columns, as in the header", names.len()))
                .found(record.len().to_string())
                .advice("Is the separator right, and is each text that has it in it in quotes?"));
        }
        let text = |i: usize| {
            std::str::from_utf8(record.field(i)).map(str::to_owned).map_err(|_| {
                records.refuse(record.line).expected("text in UTF-8").found("other bytes")
            })
        };
        for (i, &column) in plan.genes.iter().enumerate() {
            match lines::number(record.field(column), comma) {
                Some(0.0) => {}
                Some(v) if (v as f32).is_finite() => {
                    self.indices.push(i as u32);
                    self.values.push(v as f32);
                }
                _ => {
                    let e = records.no_number(record, column, &names[column], "a number");
                    return Err(match lines::missing(record.field(column)) {
                        true => {
                            e.advice("A count has no missing values: write 0, or leave the row out")
                        }
                        false if comma || !record.field(column).contains(&b',') => {
                            e.advice("A column that is no gene is named by the option obs")
                        }
                        false => e,
                    });
                }
            }
        }
        self.indptr.push(self.indices.len());
        self.index.push(match plan.index {
            Some(i) => text(i)?,
            None => self.index.len().to_string(),
        });
        for column in plan.xy.into_iter().flat_map(|(x, y)| [x, y]) {
            let field = record.field(column);
            let at = match lines::number(field, comma) {
                Some(v) => v,
                None if lines::missing(field) => f64::NAN,
                None => {
                    return Err(records.no_number(record, column, &names[column], "a coordinate"));
                }
            };
            self.xy.push(at);
        }
        for (values, &column) in self.obs.iter_mut().zip(&plan.obs) {
            let missing = lines::missing(record.field(column));
            values.push(if missing { None } else { Some(text(column)?) });
        }
        Ok(())
    }

    fn dataset(self, doing: &str, names: &[String], plan: &Plan, turned: bool) -> Result<Dataset> {
        let columns: Vec<String> = plan.genes.iter().map(|&i| names[i].clone()).collect();
        let x =
            Csr::new((self.index.len(), columns.len()), self.indptr, self.indices, self.values)?;
        let obs = plan.obs.iter().zip(self.obs);
        let obs = obs.map(|(&i, v)| typed(&names[i], v)).collect::<Result<_>>()?;
        let index_name = plan.index.map(|i| names[i].as_str());
        finish(doing, x, (index_name, self.index, obs), columns, (self.xy, plan), turned)
    }
}

/// Puts the parts together; `turned` where the rows are genes.
fn finish(
    doing: &str,
    x: Csr,
    (index_name, index, columns): (Option<&str>, Vec<String>, Vec<Column>),
    names: Vec<String>,
    (xy, plan): (Vec<f64>, &Plan),
    turned: bool,
) -> Result<Dataset> {
    let (genes, cells) = if turned { (index, names) } else { (names, index) };
    note_dates(doing, &genes);
    let unique = unique_names(&genes);
    let renamed = unique.iter().zip(&genes).filter(|(a, b)| a != b).count();
    if renamed > 0 {
        progress::note(format!("{doing}: {renamed} names of genes stand twice; they get -1, -2"));
    }
    let (mut obs, mut var) = (Table::new(cells), Table::new(unique));
    let rows = if turned { &mut var } else { &mut obs };
    if let Some(name) = index_name.filter(|n| !n.is_empty()) {
        rows.index_name = name.to_owned();
    }
    for column in columns {
        rows.set(match column.name().is_empty() {
            true => column.with_name(ROW_NAME.into()),
            false => column,
        })?;
    }
    let mut ds = Dataset::new(if turned { x.transpose()? } else { x }, obs, var)?;
    if plan.xy.is_some() {
        let xy = Array2::from_shape_vec((ds.n_obs(), 2), xy).map_err(|e| Error::io(doing, e))?;
        ds.set_obsm(keys::SPATIAL, xy)?;
        if let Some(unit) = &plan.unit {
            ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text(unit.clone()));
        }
    }
    Ok(ds)
}

/// The names of the columns, taken off the first records.
fn header(
    doing: &str,
    first: &mut Vec<Record>,
    records: &Records,
    config: &TextCountsConfig,
) -> Result<Vec<String>> {
    let Some(top) = first.first() else {
        return Err(Error::new(doing)
            .expected("a header and rows below it")
            .found("an empty file"));
    };
    if !config.header {
        return Ok((1..=top.len()).map(|i| format!("column_{i}")).collect());
    }
    let binary = top.fields().any(|f| f.contains(&0));
    let numbers = top.fields().filter(|f| lines::number(f, config.decimal_comma).is_some()).count();
    if binary || top.len() < 2 || (numbers > 0 && numbers + 1 >= top.len()) {
        let e = records.refuse(top.line).expected("the names of the columns, genes among them");
        return Err(match (binary, top.len()) {
            (true, _) => e.found("bytes that are no text").advice("Is it a table of text?"),
            (_, n) if n < 2 => e.found("one column").advice(
                "Name what stands between columns with the option separator; use data::read_table \
                 for other tables",
            ),
            _ => e.found("numbers").advice(
                "Put a line with the names of the genes at its head, or give the option header: false",
            ),
        });
    }
    let name = |f: &[u8]| {
        std::str::from_utf8(f).map(|t| t.trim().to_owned()).map_err(|_| {
            records
                .refuse(top.line)
                .expected("text in UTF-8")
                .found("other bytes")
                .advice("Save the table as UTF-8")
        })
    };
    let mut names: Vec<String> = top.fields().map(name).collect::<Result<_>>()?;
    // R's write.table gives the column of row names no place in the header.
    if first.get(1).is_some_and(|r| r.len() == names.len() + 1) {
        names.insert(0, String::new());
    }
    first.remove(0);
    Ok(names)
}

/// A column is text where at least half of what is there in the first rows is no number.
fn kinds(columns: usize, first: &[Record], comma: bool) -> Vec<Kind> {
    let kind = |i| {
        let there = first.iter().map(|r| r.field(i)).filter(|f| !lines::missing(f));
        let (mut all, mut text) = (0, 0);
        for field in there {
            all += 1;
            text += usize::from(lines::number(field, comma).is_none() && !almost(field));
        }
        if text > 0 && 2 * text >= all { Kind::Text } else { Kind::Numbers }
    };
    (0..columns).map(kind).collect()
}

/// A number but for its decimal comma, which is an error of its own.
fn almost(field: &[u8]) -> bool {
    lines::number(field, true).is_some()
}

/// Whether the columns are named as barcodes (`AAACAAGTATCTCCCA-1`) or as spots (`10x21`).
fn genes_by_cells(doing: &str, names: &[String]) -> bool {
    let cell = |name: &&String| {
        let bare = name.split('-').next().unwrap_or_default();
        let barcode = bare.len() >= 12 && bare.bytes().all(|b| b"ACGT".contains(&b));
        barcode || super::legacy_st::spot(name).is_some()
    };
    let turned = names.len() > 2 && 2 * names.iter().filter(cell).count() > names.len();
    if turned {
        progress::note(format!(
            "{doing}: the columns are named as cells are, so its rows are taken as genes (option \
             orientation)"
        ));
    }
    turned
}

/// The plan where a row is a gene: columns of text say something of genes, all others are cells.
fn turned_plan(
    doing: &str,
    names: &[String],
    kinds: &[Kind],
    config: &TextCountsConfig,
) -> Result<Plan> {
    let text = |o: &Option<String>| o.as_ref().is_some_and(|t| !t.is_empty());
    let list = |o: &Option<Vec<String>>| o.as_ref().is_some_and(|l| !l.is_empty());
    let TextCountsConfig { x, y, index, obs, genes, .. } = config;
    if text(x) || text(y) || text(index) || list(obs) || list(genes) {
        return Err(Error::new(doing)
            .expected("no options index, x, y, obs and genes where a row is a gene")
            .found("one of them")
            .advice("Join what is known of the cells from a table of its own: ds.obs.join(...)"));
    }
    let index = (kinds.first() == Some(&Kind::Text)).then_some(0);
    let rest = (0..names.len()).filter(|&i| Some(i) != index);
    let (obs, genes) = rest.partition(|&i| kinds[i] == Kind::Text);
    let plan = Plan { index, obs, genes, ..Plan::default() };
    if plan.genes.is_empty() {
        return Err(Error::new(doing).expected("columns of cells").found("columns of text only"));
    }
    Ok(plan)
}

/// Values of parquet that are held at a time.
const BLOCK: usize = 8 << 20;

fn parquet(path: &Path, doing: &str, config: &TextCountsConfig) -> Result<Dataset> {
    let file = Columns::open(path)?;
    let names = file.names();
    let kind = |n: &String| if file.is_number(n) { Kind::Numbers } else { Kind::Text };
    let kinds: Vec<Kind> = names.iter().map(kind).collect();
    let columns = |places: &[usize]| {
        file.frame(&places.iter().map(|&i| names[i].as_str()).collect::<Vec<_>>())
    };
    if config.orientation == Some(Orientation::GenesByCells) {
        return Err(Error::new(doing)
            .expected("a row a cell in parquet")
            .found("orientation: \"genes x cells\"")
            .advice("Write the table as text, or turn it around first"));
    }
    let plan = Plan::new(doing, &names, &kinds, config)?;
    let rows = file.rows() as usize;
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    let job = progress::Job::new("reading columns", 0, plan.genes.len() as u64);
    for block in plan.genes.chunks((BLOCK / rows.max(1)).max(1)) {
        interrupt::check(doing)?;
        for column in columns(block)?.columns() {
            let cast = column.cast(&DataType::Float64).map_err(|e| Error::io(doing, e))?;
            for (row, value) in cast.f64().map_err(|e| Error::io(doing, e))?.iter().enumerate() {
                match value {
                    Some(0.0) => {}
                    Some(v) if (v as f32).is_finite() => {
                        indices.push(row as u32);
                        values.push(v as f32);
                    }
                    _ => {
                        return Err(Error::new(doing)
                            .expected("numbers in the columns of genes")
                            .found(format!("no number in row {row} of '{}'", column.name()))
                            .advice("A column that is no gene is named by the option obs"));
                    }
                }
            }
            indptr.push(indices.len());
        }
        job.step(indptr.len() as u64 - 1, "", false);
    }
    let x = Csr::new((plan.genes.len(), rows), indptr, indices, values)?.transpose()?;
    let texts = |i: usize| -> Result<Vec<String>> {
        let frame = columns(&[i])?;
        let column = frame.columns().first().map(crate::data::table::texts).transpose()?;
        Ok(column.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
    };
    let index = match plan.index {
        Some(i) => texts(i)?,
        None => (0..rows).map(|i| i.to_string()).collect(),
    };
    let obs = columns(&plan.obs)?.columns().to_vec();
    let xy = match plan.xy {
        None => Vec::new(),
        Some((x, y)) => {
            let (x, y) = (columns(&[x])?, columns(&[y])?);
            let numbers = |f: &polars::prelude::DataFrame| {
                f.columns().first().map(crate::data::table::numbers).transpose()
            };
            let (x, y) = (numbers(&x)?.unwrap_or_default(), numbers(&y)?.unwrap_or_default());
            x.into_iter().zip(y).flat_map(|(x, y)| [x, y]).collect()
        }
    };
    let columns = plan.genes.iter().map(|&i| names[i].clone()).collect();
    let index_name = plan.index.map(|i| names[i].as_str());
    finish(doing, x, (index_name, index, obs), columns, (xy, &plan), false)
}
