//! The specification of a figure: what it shows, not how a backend draws it.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::backend;
use super::colour::{Cmap, Colour};
use super::scene::Scene;
use super::{chart, map};
use crate::base::{Error, Result, files};

/// Pixels across that a figure may have.
const WIDTHS: std::ops::RangeInclusive<u32> = 200..=10_000;

/// A figure. It serialises to JSON and back, and the same specification gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Above the figure; may be empty.
    pub title: String,
    /// Pixels across; the height follows from the content.
    pub width: u32,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    Map(Map),
    Chart(Chart),
}

/// Spots where they lie, in one colour each; y runs downwards, as in the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Places of the spots, [N] each.
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Diameter of a spot in the units of `x` and `y`.
    pub diameter: f64,
    /// 0 (invisible) to 1.
    pub opacity: f64,
    pub fill: Fill,
    /// What lies beneath the spots.
    pub picture: Option<Picture>,
    /// Unit of `x` and `y`, written at the axes when there is no scale bar.
    pub unit: String,
    /// Micrometres a unit; where it is known there is a scale bar instead of axes.
    pub um_per_unit: Option<f64>,
}

/// An image as a png in base 64, and the rectangle that it covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    pub png: String,
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
}

/// What the colours of a map mean; `None` is a missing value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fill {
    Numbers {
        label: String,
        values: Vec<Option<f64>>,
        cmap: Cmap,
        /// The values at the two ends of the colours.
        low: f64,
        high: f64,
    },
    Groups {
        label: String,
        /// Names and colours of the groups, [groups] each.
        names: Vec<String>,
        colours: Vec<Colour>,
        /// The group of each spot, [N].
        codes: Vec<Option<u32>>,
    },
}

/// Panels of curves, one above the other, that share an x axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    pub x_label: String,
    pub x: Vec<f64>,
    pub panels: Vec<Panel>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    pub label: String,
    /// Whether the y axis is logarithmic.
    pub log: bool,
    pub series: Vec<Series>,
}

/// One curve; a gap where a value is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub name: String,
    pub colour: Colour,
    pub y: Vec<Option<f64>>,
}

impl Figure {
    fn scene(&self) -> Result<Scene> {
        match &self.body {
            Body::Map(m) => map::scene(&self.title, m),
            Body::Chart(c) => Ok(chart::scene(&self.title, c)),
        }
    }

    /// The bytes of a png file, `width` pixels across or as many as the figure says.
    ///
    /// # Errors
    /// A width outside 200 to 10,000; a picture that is not a png.
    pub fn to_png(&self, width: Option<u32>) -> Result<Vec<u8>> {
        backend::png(&backend::bitmap(&self.scene()?, checked(width.unwrap_or(self.width))?)?)
    }

    /// The figure as svg. More than 5,000 spots are embedded as one picture.
    ///
    /// # Errors
    /// As [`Figure::to_png`].
    pub fn to_svg(&self) -> Result<String> {
        backend::svg(&self.scene()?, checked(self.width)?)
    }

    /// Writes a .png or .svg file, whole or not at all.
    ///
    /// # Errors
    /// Another extension; what [`Figure::to_png`] refuses; a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let extension =
            path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "png" => files::write(path, self.to_png(None)?),
            "svg" => files::write(path, self.to_svg()?),
            other => Err(Error::new(format!("saving a figure as {}", path.display()))
                .expected("a name that ends in .png or .svg")
                .found(if other.is_empty() { "no extension".into() } else { format!(".{other}") })),
        }
    }
}

fn checked(width: u32) -> Result<u32> {
    if WIDTHS.contains(&width) {
        return Ok(width);
    }
    Err(Error::new("drawing a figure")
        .expected(format!("a width of {} to {} px", WIDTHS.start(), WIDTHS.end()))
        .found(width.to_string()))
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = if self.title.is_empty() { "untitled" } else { &self.title };
        write!(f, "Figure '{title}', {} px wide: ", self.width)?;
        match &self.body {
            Body::Map(m) => {
                let image = if m.picture.is_some() { " over the tissue image" } else { "" };
                write!(f, "{} spots{image}, coloured by ", m.x.len())?;
                match &m.fill {
                    Fill::Numbers { label, low, high, .. } => {
                        write!(f, "{label} from {low:.4} to {high:.4}")
                    }
                    Fill::Groups { label, names, .. } => {
                        write!(f, "{label} in {} groups", names.len())
                    }
                }
            }
            Body::Chart(c) => {
                let panels: Vec<&str> = c.panels.iter().map(|p| p.label.as_str()).collect();
                write!(f, "{} over {} of {}", panels.join(", "), c.x.len(), c.x_label)
            }
        }
    }
}
