//! The table as a stream of transcripts, and what became of them.

use std::collections::HashMap;

use polars::prelude::Column;

use super::super::columns::Columns;
use super::super::tenx::GENES;
use super::BinConfig;
use crate::base::{Error, Result, progress};
use crate::data::table;

/// One transcript.
pub(super) struct Transcript<'a> {
    pub x: f64,
    pub y: f64,
    pub feature: u32,
    pub cell: Option<&'a str>,
}
/// A feature in the order in which it was met.
pub(super) struct Feature {
    pub name: String,
    pub kind: &'static str,
    /// Transcripts of it, of whatever quality.
    pub total: u64,
    pub counted: bool,
}

#[derive(Default)]
pub(super) struct Features {
    ids: HashMap<String, u32>,
    pub all: Vec<Feature>,
}

impl Features {
    /// Types in alphabetical order.
    pub fn kinds(&self) -> Vec<String> {
        let kinds: std::collections::BTreeSet<&str> = self.all.iter().map(|f| f.kind).collect();
        kinds.into_iter().map(str::to_owned).collect()
    }
}

/// What became of the transcripts.
#[derive(Default)]
pub(super) struct Tally {
    pub rows: u64,
    pub counted: u64,
    pub below: u64,
    other: u64,
    outside: u64,
    unplaced: u64,
    pub qv_sum: f64,
    pub qv_rows: u64,
    pub features: Features,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} transcripts are counted", self.counted, self.rows)?;
        for (n, why) in [
            (self.below, "below the quality asked for"),
            (self.other, "of other types of feature"),
            (self.outside, "in no cell"),
            (self.unplaced, "without a position or a name"),
        ] {
            if n > 0 {
                write!(f, "; {n} {why}")?;
            }
        }
        Ok(())
    }
}

/// Streams the table and calls `f` with the transcripts of the quality and type asked for; `f`
/// says whether it counted it.
pub(super) fn scan(
    columns: &Columns,
    config: &BinConfig,
    cells: bool,
    mut f: impl FnMut(Transcript<'_>) -> Result<bool>,
) -> Result<Tally> {
    let known = columns.names();
    let has = |name: &str| known.iter().any(|k| k == name);
    let mut names = vec![config.x.as_str(), &config.y, &config.gene];
    let mut also = |name: &'static str, wanted: bool| wanted.then(|| names.push(name)).is_some();
    // What says which features are genes differs by the version of the analysis.
    let by_category = also("codeword_category", has("codeword_category"));
    let by_flag = also("is_gene", has("is_gene"));
    let by_qv = has(&config.qv);
    if by_qv {
        names.push(&config.qv);
    } else if config.min_qv > 0.0 {
        progress::note(format!("no column '{}': transcripts of any quality count", config.qv));
    }
    if cells {
        names.push(&config.cell);
    }
    let mut tally = Tally::default();
    columns.each(&names, |batch| {
        let mut batch = batch.iter();
        let mut next = || batch.next().ok_or_else(|| Error::new("reading a batch of transcripts"));
        let (x, y, gene) = (table::numbers(next()?)?, table::numbers(next()?)?, text(next()?)?);
        let category = by_category.then(|| text(next()?)).transpose()?;
        let flag = by_flag.then(|| table::numbers(next()?)).transpose()?;
        let qv = by_qv.then(|| table::numbers(next()?)).transpose()?;
        let cell = cells.then(|| text(next()?)).transpose()?;
        let gene = gene.str().map_err(|e| Error::io("reading names of features", e))?;
        let cell = cell.as_ref().map(|c| c.str()).transpose();
        let cell = cell.map_err(|e| Error::io("reading names of cells", e))?;
        for (i, name) in gene.iter().enumerate() {
            tally.rows += 1;
            let at = [x.get(i), y.get(i)].map(|v| v.copied().filter(|v| v.is_finite()));
            let ([Some(x), Some(y)], Some(name)) = (at, name) else {
                tally.unplaced += 1;
                continue;
            };
            let feature = match tally.features.ids.get(name) {
                Some(&id) => id,
                None => {
                    let category = category.as_ref().and_then(|c| c.str().ok()?.get(i));
                    let is_gene = flag.as_ref().and_then(|f| f.get(i)).map(|&v| v != 0.0);
                    let kind = kind(name, category, is_gene);
                    let counted = config.features == "all" || config.features == kind;
                    let features = &mut tally.features;
                    let id = features.all.len() as u32;
                    features.ids.insert(name.to_owned(), id);
                    features.all.push(Feature { name: name.to_owned(), kind, total: 0, counted });
                    id
                }
            };
            let Some(known) = tally.features.all.get_mut(feature as usize) else { continue };
            known.total += 1;
            if let Some(&qv) = qv.as_ref().and_then(|q| q.get(i)) {
                if qv.is_finite() {
                    tally.qv_sum += qv;
                    tally.qv_rows += 1;
                }
                if qv.is_nan() || qv < config.min_qv {
                    tally.below += 1;
                    continue;
                }
            }
            if !known.counted {
                tally.other += 1;
                continue;
            }
            let cell = cell.and_then(|c| c.get(i)).filter(|c| !NO_CELL.contains(c));
            if f(Transcript { x, y, feature, cell })? {
                tally.counted += 1;
            } else {
                tally.outside += 1;
            }
        }
        Ok(())
    })?;
    Ok(tally)
}

/// What stands for no cell, by version of the analysis.
const NO_CELL: [&str; 3] = ["UNASSIGNED", "-1", ""];

fn text(column: &Column) -> Result<Column> {
    let failed = |e| Error::io(format!("reading column '{}' as text", column.name()), e);
    column.cast(&polars::prelude::DataType::String).map_err(failed)
}

/// The type of a feature, as the matrix of the bundle names it: from its category (version 2 and
/// later), from the flag, or from its name (version 1).
fn kind(name: &str, category: Option<&str>, is_gene: Option<bool>) -> &'static str {
    const CATEGORIES: [(&str, &str); 5] = [
        ("negative_control_probe", "Negative Control Probe"),
        ("negative_control_codeword", "Negative Control Codeword"),
        ("genomic_control", "Genomic Control"),
        ("unassigned_codeword", "Unassigned Codeword"),
        ("deprecated_codeword", "Deprecated Codeword"),
    ];
    const PREFIXES: [(&str, &str); 7] = [
        ("NegControlProbe_", "Negative Control Probe"),
        ("antisense_", "Negative Control Probe"),
        ("NegControlCodeword_", "Negative Control Codeword"),
        ("Intergenic_Region_", "Genomic Control"),
        ("BLANK_", "Unassigned Codeword"),
        ("UnassignedCodeword_", "Unassigned Codeword"),
        ("DeprecatedCodeword_", "Deprecated Codeword"),
    ];
    if let Some(category) = category {
        if category.ends_with("_gene") {
            return GENES;
        }
        if let Some((_, kind)) = CATEGORIES.iter().find(|(c, _)| category.starts_with(c)) {
            return kind;
        }
    }
    match (PREFIXES.iter().find(|(p, _)| name.starts_with(p)), is_gene) {
        (_, Some(true)) => GENES,
        (Some((_, kind)), _) => kind,
        (None, Some(false)) => "Control",
        (None, None) => GENES,
    }
}
