//! Training curves, or any columns of a table over one of them.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::colour::palette;
use super::figure::{Body, Chart, Figure, Panel, Series};
use super::spatial::with_unit;
use crate::base::{Error, Kind, Result, nearest};
use crate::data::table;

/// Values this many times apart are shown on a logarithmic axis.
const LOG_FROM: f64 = 50.0;
/// The order of the palette for curves: its yellow and black are too pale and too strong here.
const CURVES: [usize; 6] = [4, 5, 2, 6, 0, 1];

/// Which columns are drawn, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CurvesConfig {
    /// The column along the x axis.
    pub x: String,
    /// A panel each, from top to bottom; columns joined by `+` share a panel, as in
    /// "train_nll + valid_nll", unless that is a column's name. Empty: a panel for every other
    /// numeric column.
    pub y: Vec<String>,
    /// Whether the y axes are logarithmic; without it each panel whose values are positive and
    /// more than 50 times apart is.
    pub log: Option<bool>,
    /// Above the figure; empty for none.
    pub title: String,
    /// Pixels across.
    pub width: u32,
}

impl Default for CurvesConfig {
    fn default() -> Self {
        Self { x: "epoch".into(), y: Vec::new(), log: None, title: String::new(), width: 1200 }
    }
}

/// Draws columns of a table as curves in stacked panels over one x axis.
///
/// # Errors
/// A column that is not there or not numeric; a table without rows or without columns to draw.
pub fn curves(table: &DataFrame, config: &CurvesConfig) -> Result<Figure> {
    let doing = "drawing curves";
    if table.height() == 0 {
        return Err(Error::new(doing).expected("a table with rows").found("none"));
    }
    let x = column(table, &config.x)?;
    let asked: Vec<String> = if config.y.is_empty() {
        let others = table
            .columns()
            .iter()
            .filter(|c| c.dtype().is_primitive_numeric() && c.name() != config.x.as_str());
        others.map(|c| c.name().to_string()).collect()
    } else {
        config.y.clone()
    };
    if asked.is_empty() {
        return Err(Error::new(doing)
            .expected(format!("numeric columns beside '{}'", config.x))
            .found("none"));
    }
    let panel = |entry: &String| -> Result<Panel> {
        // A column's own name may have a +.
        let names: Vec<&str> = match table.column(entry) {
            Ok(_) => vec![entry.as_str()],
            Err(_) => entry.split('+').map(str::trim).collect(),
        };
        let colours = palette(8);
        let mut series = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let y = column(table, name)?
                .into_iter()
                .map(|v| Some(v).filter(|v| v.is_finite()))
                .collect();
            series.push(Series {
                name: (*name).to_owned(),
                colour: colours[CURVES[i % CURVES.len()]],
                y,
            });
        }
        let label = if let [name] = names[..] { with_unit(name) } else { common(&names) };
        let log = config.log.unwrap_or_else(|| wide(&series));
        Ok(Panel { label, log, series })
    };
    let panels = asked.iter().map(panel).collect::<Result<_>>()?;
    let chart = Chart { x_label: config.x.clone(), x, panels };
    Ok(Figure { title: config.title.clone(), width: config.width, body: Body::Chart(chart) })
}

fn column(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let doing = || format!("drawing column '{name}' of a table");
    let column = frame.column(name).map_err(|_| {
        Error::new(doing())
            .kind(Kind::Missing)
            .expected("a column of that name")
            .found("none")
            .advice(nearest::advice(name, frame.columns().iter().map(|c| c.name().as_str())))
    })?;
    if !column.dtype().is_primitive_numeric() {
        return Err(Error::new(doing()).expected("numbers").found(table::holds(column.dtype())));
    }
    let cast = column.cast(&DataType::Float64).map_err(|e| Error::io(doing(), e))?;
    let values = cast.f64().map_err(|e| Error::io(doing(), e))?;
    Ok(values.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// Whether the values are positive and far apart.
fn wide(series: &[Series]) -> bool {
    let values = || series.iter().flat_map(|s| s.y.iter().flatten());
    let (low, high) =
        values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    low > 0.0 && high > LOG_FROM * low
}

/// The longest ending that all names share, in whole words ("train_nll", "valid_nll": "nll"), or
/// all names.
fn common(names: &[&str]) -> String {
    let parts: Vec<Vec<&str>> = names.iter().map(|n| n.rsplit('_').collect()).collect();
    let same = |i: usize| parts.iter().all(|p| p.len() > i && p[i] == parts[0][i]);
    let shared: Vec<&str> = (0..).take_while(|&i| same(i)).map(|i| parts[0][i]).collect();
    if shared.is_empty() {
        return names.join(", ");
    }
    with_unit(&shared.into_iter().rev().collect::<Vec<_>>().join("_"))
}
