//! All neighbours within a radius.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::places::Places;
use super::{Graph, report};
use crate::base::{Error, Result, interrupt};
use crate::data::{Coordinates, Unit};

/// Spots whose neighbours are counted before the whole graph is built.
const PROBES: usize = 256;

/// The default reaches the six neighbours of a spot on a Visium slide when the unit is um.
const USUAL: f64 = 150.0;

/// Options of the radius graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RadiusConfig {
    /// Distance up to which spots are neighbours, in the unit of the coordinates; 150 where
    /// neither this nor `radius_um` is given.
    pub radius: Option<f64>,
    /// The same in micrometres, whatever the unit of the coordinates; their scale must be known.
    pub radius_um: Option<f64>,
    /// The column of `obs` that says which sample a spot is of: no edge joins two samples. Without
    /// it the one that `data::concat` has recorded.
    pub sample_key: Option<String>,
}

impl RadiusConfig {
    /// So many units of the coordinates.
    pub fn of(radius: f64) -> Self {
        Self { radius: Some(radius), ..Self::default() }
    }

    /// The radius in the unit of the coordinates.
    fn reach(&self, coordinates: &Coordinates, doing: &str) -> Result<f64> {
        let um = match (self.radius, self.radius_um) {
            (Some(radius), Some(um)) => {
                return Err(Error::new(doing)
                    .expected("radius or radius_um")
                    .found(format!("both: {radius} and {um} um")));
            }
            (Some(radius), None) => return Ok(radius),
            (None, None) => return Ok(USUAL),
            (None, Some(um)) => um,
        };
        coordinates.um_per_unit.map(|scale| um / scale).ok_or_else(|| {
            let e = Error::new(doing).expected("coordinates whose scale in um is known");
            match coordinates.unit {
                Unit::Px => e
                    .found(format!("pixels of unknown size, and radius_um = {um}"))
                    .advice("State the size of a pixel: ds.set_unit(\"px\", um_per_px)"),
                _ => e
                    .found(format!("an unknown unit, and radius_um = {um}"))
                    .advice("State it: ds.set_unit(\"um\"), or ds.set_unit(\"px\", um_per_px)"),
            }
        })
    }
}

/// Joins all pairs of spots that are at most `radius` apart.
///
/// # Errors
/// A radius that is not above zero and finite; one that joins nothing or nearly everything (the
/// error names the median spacing and a radius that would work), or next to nothing where the same
/// number of the other unit would be sensible; coordinates that are not finite.
pub fn radius(coordinates: &Coordinates, config: &RadiusConfig) -> Result<Graph> {
    let doing = "building the radius graph";
    let reach = config.reach(coordinates, doing)?;
    let places = Places::new(coordinates, doing)?;
    let n = places.len();
    if !(reach.is_finite() && reach > 0.0) {
        return Err(Error::new(doing)
            .expected("a radius above 0")
            .found(reach.to_string())
            .advice(report::advice(coordinates, places.spacing())));
    }
    let step = n.div_ceil(PROBES);
    let probes: Vec<usize> = (0..n).step_by(step).collect();
    let degree = |reach: f64| {
        let seen: usize = probes.par_iter().map(|&i| places.within(i, reach * reach).len()).sum();
        seen as f64 / probes.len() as f64
    };
    let seen = degree(reach);
    if config.radius_um.is_none() {
        report::refuse_other_unit(doing, reach, coordinates, seen, &degree, || places.spacing())?;
    }
    report::refuse_dense(doing, seen, coordinates, || places.spacing())?;

    let squared = reach * reach;
    let within = |i| {
        interrupt::check(doing)?;
        Ok(places.within(i, squared))
    };
    let neighbours: Vec<Vec<(f64, u32)>> =
        (0..n).into_par_iter().map(within).collect::<Result<_>>()?;
    let pairs = neighbours
        .iter()
        .enumerate()
        .flat_map(|(i, near)| near.iter().map(move |&(_, j)| (i as u32, j)));
    let rule = match config.radius_um {
        Some(um) => format!("radius {um} um"),
        None => format!("radius {reach} {}", coordinates.unit.name()),
    };
    report::finish(doing, Graph::new(n, pairs.collect(), rule), coordinates, places.spacing())
}
