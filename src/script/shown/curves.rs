//! Curves of values that grow, for whoever shows progress.

use polars::prelude::{Column, DataFrame};

use super::pictures;
use crate::base::{Error, Result};
use crate::plot::{self, CurvesConfig, Figure};
use crate::script::output::Bundle;

/// What a name may begin with that shares a panel with the rest of it ("validation_nll", "nll").
const HELD_OUT: &str = "validation_";
/// Pixels across.
const WIDTH: u32 = 1200;

/// Values by name over one axis, [steps] each; NaN is a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// What is counted along the axis.
    pub unit: String,
    pub x: Vec<f64>,
    pub values: Vec<(String, Vec<f64>)>,
}

impl Curves {
    /// Adds a step; a name that was not there before has gaps until now.
    pub fn push(&mut self, x: f64, values: &[(&str, f64)]) {
        self.x.push(x);
        for (name, value) in values {
            let place = self.values.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
                self.values.push(((*name).to_owned(), Vec::new()));
                self.values.len() - 1
            });
            let row = &mut self.values[place].1;
            row.resize(self.x.len() - 1, f64::NAN);
            row.push(*value);
        }
        let n = self.x.len();
        self.values.iter_mut().for_each(|(_, row)| row.resize(n, f64::NAN));
    }

    /// Whether there is a line to draw: a value at two steps.
    pub fn is_drawable(&self) -> bool {
        let known = |row: &Vec<f64>| row.iter().filter(|v| v.is_finite()).count() > 1;
        self.values.iter().any(|(_, row)| known(row))
    }

    /// At most `most` steps, evenly taken, the last one among them.
    pub fn thinned(&self, most: usize) -> Self {
        let every = self.x.len().div_ceil(most.max(1)).max(1);
        let take = |row: &Vec<f64>| -> Vec<f64> {
            let mut kept: Vec<f64> = row.iter().rev().step_by(every).copied().collect();
            kept.reverse();
            kept
        };
        let values = self.values.iter().map(|(name, row)| (name.clone(), take(row))).collect();
        Self { unit: self.unit.clone(), x: take(&self.x), values }
    }

    /// As svg, to stand inside HTML.
    ///
    /// # Errors
    /// No values to draw.
    pub fn svg(&self) -> Result<String> {
        self.figure("")?.to_svg_of(WIDTH / 2)
    }

    /// All forms of a figure.
    ///
    /// # Errors
    /// No values to draw.
    pub fn bundle(&self, title: &str, text: &str) -> Result<Bundle> {
        pictures::drawn(&self.figure(title)?, text)
    }

    fn figure(&self, title: &str) -> Result<Figure> {
        let unit = if self.unit.is_empty() { "step" } else { &self.unit };
        let drawn = || self.values.iter().filter(|(_, row)| row.iter().any(|v| v.is_finite()));
        let columns = drawn().map(|(name, row)| Column::new(name.as_str().into(), row.as_slice()));
        let x = Column::new(unit.into(), self.x.as_slice());
        let frame = DataFrame::new(self.x.len(), std::iter::once(x).chain(columns).collect())
            .map_err(|e| Error::io("drawing the progress of a job", e))?;
        let mut panels: Vec<String> = Vec::new();
        for (name, _) in drawn() {
            let of = name.strip_prefix(HELD_OUT).unwrap_or(name);
            match panels.iter_mut().find(|p| p.as_str() == of) {
                Some(panel) => *panel = format!("{panel} + {name}"),
                None => panels.push(name.clone()),
            }
        }
        let config = CurvesConfig {
            x: unit.into(),
            y: panels,
            title: title.into(),
            width: WIDTH,
            ..CurvesConfig::default()
        };
        plot::curves(&frame, &config)
    }
}

/// The losses of a history as svg, where there is more than one epoch.
pub fn losses(history: &[(f64, Vec<(&str, f64)>)], unit: &str) -> Option<String> {
    let mut curves = Curves { unit: unit.into(), ..Curves::default() };
    history.iter().for_each(|(x, values)| curves.push(*x, values));
    curves.is_drawable().then(|| curves.thinned(300).svg().ok()).flatten()
}
