//! Spots where they lie, coloured by numbers: what a map needs of them, without a dataset.

use super::colour::Cmap;
use super::figure::{Body, Figure, Fill, Map};
use super::map::view;
use crate::base::{Error, Result};

/// Part of the distance between neighbours that a spot of unknown size covers.
const COVER: f64 = 0.9;
/// Spots whose nearest neighbour is looked up to know that distance.
const SAMPLE: usize = 500;
/// A spot of unknown size is at most this part of the map's longer side.
const MOST_SPOT: f64 = 1.0 / 40.0;

/// How numbers become colours.
pub(super) struct Colours {
    pub cmap: Cmap,
    /// The values at the two ends; without it, `percentiles` decide.
    pub limits: Option<[f64; 2]>,
    pub percentiles: [f64; 2],
}

impl Default for Colours {
    fn default() -> Self {
        Self { cmap: Cmap::default(), limits: None, percentiles: [1.0, 99.0] }
    }
}

/// A map of spots coloured by numbers, for results that lie in arrays and not in a dataset. NaN is a
/// missing value. `unit` is that of the places ("px", "um").
///
/// # Shapes
/// `x`, `y` and `values` [N]
///
/// # Errors
/// Lengths that differ; a place that is not finite; no spot; no value at all.
pub fn spots(x: &[f64], y: &[f64], values: &[f64], label: &str, unit: &str) -> Result<Figure> {
    let doing = || format!("drawing '{label}' on the tissue");
    if x.len() != y.len() || x.len() != values.len() || x.is_empty() {
        return Err(Error::new(doing())
            .expected("as many places as values, and at least one")
            .found(format!("{} x, {} y and {} values", x.len(), y.len(), values.len())));
    }
    if let Some(i) = (0..x.len()).find(|&i| !(x[i].is_finite() && y[i].is_finite())) {
        return Err(Error::new(doing())
            .expected("places that are finite")
            .found(format!("({}, {}) of spot {i}", x[i], y[i])));
    }
    let fill = numbers(label.into(), values.to_vec(), &Colours::default())
        .map_err(|e| e.within(doing()))?;
    let map = Map {
        x: x.to_vec(),
        y: y.to_vec(),
        names: Vec::new(),
        diameter: usual_diameter(x, y),
        opacity: 1.0,
        fill,
        picture: None,
        unit: unit.into(),
        um_per_unit: None,
    };
    Ok(Figure { title: String::new(), width: 1200, body: Body::Map(Box::new(map)) })
}

/// Numbers as the colours of a map; what is not finite is missing.
pub(super) fn numbers(label: String, values: Vec<f64>, config: &Colours) -> Result<Fill> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return Err(Error::new("choosing the ends of the colours")
            .expected("at least one value")
            .found(format!("{} missing ones", values.len())));
    }
    let (low, high) = limits(&sorted, config)?;
    let values = values.into_iter().map(|v| Some(v).filter(|v| v.is_finite())).collect();
    Ok(Fill::Numbers { label, values, cmap: config.cmap, low, high })
}

/// The values at the two ends of the colours.
fn limits(sorted: &[f64], config: &Colours) -> Result<(f64, f64)> {
    let refuse = |what: &str, found: [f64; 2]| {
        Err(Error::new("choosing the ends of the colours")
            .expected(what)
            .found(format!("{found:?}")))
    };
    if let Some([low, high]) = config.limits {
        return if low.is_finite() && high.is_finite() && low < high {
            Ok((low, high))
        } else {
            refuse("limits that ascend", [low, high])
        };
    }
    let [from, to] = config.percentiles;
    if !(from >= 0.0 && from < to && to <= 100.0) {
        return refuse("percentiles that ascend, from 0 to 100", config.percentiles);
    }
    let at = |percent: f64| sorted[((sorted.len() - 1) as f64 * percent / 100.0).round() as usize];
    let (mut low, mut high) = (at(from), at(to));
    if low == high {
        // Most values are one: the few others are what there is to see.
        (low, high) = (at(0.0), at(100.0));
    }
    if config.cmap == Cmap::Bluered && low < 0.0 && high > 0.0 {
        high = high.max(-low);
        low = -high;
    }
    if low == high {
        let room = (low.abs() * 0.05).max(0.5);
        (low, high) = (low - room, high + room);
    }
    Ok((low, high))
}

/// A diameter at which spots nearly touch: from the median distance to the nearest neighbour.
pub(super) fn usual_diameter(x: &[f64], y: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let distance = |rank: usize| {
        let here = order[rank];
        let mut best = f64::INFINITY;
        let mut look = |other: usize| {
            let dx = (x[other] - x[here]).abs();
            let d = dx.hypot(y[other] - y[here]);
            if d > 0.0 {
                best = best.min(d);
            }
            dx < best
        };
        // Sorted by x: once x alone is farther than the best, nothing beyond is nearer.
        for &other in &order[rank + 1..] {
            if !look(other) {
                break;
            }
        }
        for &other in order[..rank].iter().rev() {
            if !look(other) {
                break;
            }
        }
        best
    };
    let every = x.len().div_ceil(SAMPLE).max(1);
    let mut nearest: Vec<f64> =
        (0..x.len()).step_by(every).map(distance).filter(|d| d.is_finite()).collect();
    nearest.sort_by(f64::total_cmp);
    let [x0, y0, x1, y1] = view(x, y, 0.0);
    let most = (x1 - x0).max(y1 - y0) * MOST_SPOT;
    match nearest.get(nearest.len() / 2) {
        Some(&d) => (COVER * d).min(most),
        None => 1.0,
    }
}
