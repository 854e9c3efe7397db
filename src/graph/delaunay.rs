//! Delaunay triangulation.

use delaunator::{Point, triangulate};

use super::places::Places;
use super::{Graph, report};
use crate::base::{Error, Result, interrupt};
use crate::data::Coordinates;

/// Joins spots that share a side of a Delaunay triangle (the `delaunator` crate).
///
/// Spots that share a position are joined with each other, and the first of them stands for all in
/// the triangulation, so that no spot is lost.
///
/// # Errors
/// Fewer than three positions, or all on one line; coordinates that are not finite.
pub fn delaunay(coordinates: &Coordinates) -> Result<Graph> {
    let doing = "building the Delaunay graph";
    let places = Places::new(coordinates, doing)?;
    // Centred and scaled, because `delaunator` takes points nearer than 2e-16 for one.
    let (centre, scale) = frame(&places.xy);
    let unit = |v: f64, c: f64| (v - c) / scale;
    let points: Vec<Point> = places
        .xy
        .iter()
        .map(|p| Point { x: unit(p[0], centre[0]), y: unit(p[1], centre[1]) })
        .collect();
    let found = interrupt::abandonable(doing, move || Ok(triangulate(&points)))?;
    if found.is_empty() {
        return Err(Error::new(doing)
            .expected("three positions that are not on one line")
            .found(format!("{} positions without a triangle", places.xy.len()))
            .advice("Use the kNN graph instead"));
    }
    let mut pairs = Vec::with_capacity(2 * found.triangles.len());
    let mut join = |a: u32, b: u32| pairs.extend([(a, b), (b, a)]);
    for corners in found.triangles.chunks_exact(3) {
        for (a, b) in [(0, 1), (1, 2), (2, 0)] {
            join(places.members(corners[a])[0], places.members(corners[b])[0]);
        }
    }
    for p in 0..places.xy.len() {
        let spots = places.members(p);
        spots[1..].iter().for_each(|&s| join(spots[0], s));
    }
    report::finish(
        doing,
        Graph::new(places.len(), pairs, "Delaunay".into()),
        coordinates,
        places.spacing(),
    )
}

/// The middle of the positions and their greatest extent.
fn frame(xy: &[[f64; 2]]) -> ([f64; 2], f64) {
    let range = |axis: usize| {
        let values = || xy.iter().map(move |p| p[axis]);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((x0, x1), (y0, y1)) = (range(0), range(1));
    ([x0 / 2.0 + x1 / 2.0, y0 / 2.0 + y1 / 2.0], (x1 - x0).max(y1 - y0).max(f64::MIN_POSITIVE))
}
