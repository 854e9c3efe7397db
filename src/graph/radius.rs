//! All neighbours within a radius.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::places::Places;
use super::{Graph, report};
use crate::base::{Error, Result};
use crate::data::Coordinates;

/// Spots whose neighbours are counted before the whole graph is built.
const PROBES: usize = 256;

/// Options of the radius graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RadiusConfig {
    /// Distance up to which spots are neighbours, in the unit of the coordinates.
    pub radius: f64,
}

impl Default for RadiusConfig {
    /// 150 reaches the six neighbours of a spot on a Visium slide when the unit is um.
    fn default() -> Self {
        Self { radius: 150.0 }
    }
}

/// Joins all pairs of spots that are at most `radius` apart.
///
/// # Errors
/// A radius that is not above zero and finite; one that joins nothing or nearly everything (the
/// error names the median spacing and a radius that would work); coordinates that are not finite.
pub fn radius(coordinates: &Coordinates, config: &RadiusConfig) -> Result<Graph> {
    let doing = "building the radius graph";
    let reach = config.radius;
    let places = Places::new(coordinates, doing)?;
    let n = places.len();
    if !(reach.is_finite() && reach > 0.0) {
        return Err(Error::new(doing)
            .expected("a radius above 0")
            .found(reach.to_string())
            .advice(report::advice(coordinates, places.spacing())));
    }
    let squared = reach * reach;
    let step = n.div_ceil(PROBES);
    let probes: Vec<usize> = (0..n).step_by(step).collect();
    let seen: usize = probes.par_iter().map(|&i| places.within(i, squared).len()).sum();
    report::refuse_dense(doing, seen as f64 / probes.len() as f64, coordinates, || {
        places.spacing()
    })?;

    let neighbours: Vec<Vec<(f64, u32)>> =
        (0..n).into_par_iter().map(|i| places.within(i, squared)).collect();
    let pairs = neighbours
        .iter()
        .enumerate()
        .flat_map(|(i, near)| near.iter().map(move |&(_, j)| (i as u32, j)));
    let rule = format!("radius {reach} {}", coordinates.unit.name());
    report::finish(doing, Graph::new(n, pairs.collect(), rule), coordinates, places.spacing())
}
