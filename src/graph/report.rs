//! What is wrong with a graph, said with the figures that help to put it right.

use super::Graph;
use super::places::Spacing;
use crate::base::{Error, Result, progress};
use crate::data::{Coordinates, Unit};

/// A spot on a grid has 6 to 18 neighbours of use; beyond this a graph is a mistake of units.
const MOST_NEIGHBOURS: f64 = 200.0;
/// A graph of fewer neighbours a spot has nothing to say.
const FEWEST_NEIGHBOURS: f64 = 1.0;

/// Refuses before building what would have more neighbours a spot than any tissue graph.
pub(super) fn refuse_dense(
    doing: &str,
    mean_degree: f64,
    coordinates: &Coordinates,
    spacing: impl FnOnce() -> Spacing,
) -> Result<()> {
    if mean_degree <= MOST_NEIGHBOURS {
        return Ok(());
    }
    Err(Error::new(doing)
        .expected(format!("at most {MOST_NEIGHBOURS} neighbours a spot on average"))
        .found(format!("about {mean_degree:.0}"))
        .advice(advice(coordinates, spacing())))
}

/// Refuses a radius in pixels that leaves most spots alone where as many micrometres would not: who
/// writes 100 for spots 400 px apart, which are 100 um, means micrometres.
pub(super) fn refuse_other_unit(
    doing: &str,
    reach: f64,
    coordinates: &Coordinates,
    mean_degree: f64,
    degree: &dyn Fn(f64) -> f64,
    spacing: impl FnOnce() -> Spacing,
) -> Result<()> {
    let Some(um) = coordinates.um_per_unit.filter(|_| coordinates.unit == Unit::Px) else {
        return Ok(());
    };
    if mean_degree >= FEWEST_NEIGHBOURS
        || !(FEWEST_NEIGHBOURS..=MOST_NEIGHBOURS).contains(&degree(reach / um))
    {
        return Ok(());
    }
    let median = spacing().median;
    Err(Error::new(doing)
        .expected(format!(
            "a radius in px, of spots {} px ({:.0} um) apart",
            rounded(median),
            median * um
        ))
        .found(format!("{reach} px, which is {:.0} um", reach * um))
        .advice(format!(
            "For {reach} um say radius_um: {reach}, which is {} px",
            rounded(reach / um)
        )))
}

/// Refuses an empty graph, tells of spots without a neighbour, and notes spacing and unit.
pub(super) fn finish(
    doing: &str,
    mut graph: Graph,
    coordinates: &Coordinates,
    spacing: Spacing,
) -> Result<Graph> {
    graph.median_spacing = spacing.median;
    graph.unit = coordinates.unit;
    graph.um_per_unit = coordinates.um_per_unit;
    if graph.n_edges() == 0 {
        return Err(Error::new(doing)
            .expected("at least one edge")
            .found(format!("{} spots without a neighbour ({})", graph.n_nodes(), graph.rule))
            .advice(advice(coordinates, spacing)));
    }
    if graph.isolated > 0 {
        progress::note(format!(
            "{doing}: {} of {} spots have no neighbour ({}). {}",
            graph.isolated,
            graph.n_nodes(),
            graph.rule,
            advice(coordinates, spacing)
        ));
    }
    Ok(graph)
}

/// The spacing of the spots and a radius that gives a typical one six neighbours.
pub(super) fn advice(coordinates: &Coordinates, spacing: Spacing) -> String {
    if !spacing.median.is_finite() {
        return "All spots lie at one position".into();
    }
    let unit = match coordinates.unit {
        Unit::Unknown => "",
        known => known.name(),
    };
    let um = match coordinates.um_per_unit {
        Some(um) if coordinates.unit == Unit::Px => format!(" ({:.0} um)", spacing.median * um),
        _ => String::new(),
    };
    format!(
        "The median spacing of spots is {} {unit}{um}; a radius of {} {unit} gives a typical spot 6 neighbours",
        rounded(spacing.median),
        rounded(spacing.radius)
    )
    .replace(" ;", ";")
    .replace("  ", " ")
}

/// Four significant digits or whole numbers, rounded up so that what was reached stays reached.
fn rounded(value: f64) -> f64 {
    let shift = 10f64.powf((3.0 - value.abs().log10().floor()).max(0.0));
    (value * shift).ceil() / shift
}
