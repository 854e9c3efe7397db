//! The specification of a figure: what it shows, not how a backend draws it.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backend;
use super::colour::{Cmap, Colour};
use super::scene::Scene;
use super::{chart, map, vega};
use crate::base::{Error, Result, evcxr, files};

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
    Map(Box<Map>),
    Chart(Chart),
}

/// Spots where they lie, in one colour each; y runs downwards, as in the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Places of the spots, [N] each.
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// What the spots are called, [N]; empty where nobody said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
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

impl Chart {
    /// Whether x counts something, such as epochs.
    pub fn counts(&self) -> bool {
        self.x.iter().all(|x| x.fract() == 0.0)
    }
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
        self.to_svg_of(self.width)
    }

    /// Shows the figure in a Rust notebook, as a png; what forbids it, as text.
    pub fn evcxr_display(&self) {
        match self.to_png(None) {
            Ok(png) => {
                let png = STANDARD.encode(png);
                evcxr::display(&[("text/plain", &self.to_string()), ("image/png", &png)]);
            }
            Err(e) => evcxr::display(&[("text/plain", &e.to_string())]),
        }
    }

    /// The svg at another width; only its own statement of it changes.
    ///
    /// # Errors
    /// As [`Figure::to_png`].
    pub fn to_svg_of(&self, width: u32) -> Result<String> {
        backend::svg(&self.scene()?, checked(width)?)
    }

    /// The figure as a Vega-Lite 5 specification with its data inside, to zoom, to point at and to
    /// choose groups in; `None` for more than 5,000 points, which a browser draws too slowly.
    ///
    /// # Errors
    /// As [`Figure::to_png`].
    pub fn to_vega(&self) -> Result<Option<Value>> {
        let width = f64::from(checked(self.width)?);
        match &self.body {
            _ if self.points() > vega::MOST_POINTS => Ok(None),
            Body::Map(m) => vega::map(&self.title, m, width).map(Some),
            Body::Chart(c) => Ok(Some(vega::chart(&self.title, c, width))),
        }
    }

    /// How many points there are to draw.
    fn points(&self) -> usize {
        match &self.body {
            Body::Map(m) => m.x.len(),
            Body::Chart(c) => c.x.len() * c.panels.iter().map(|p| p.series.len()).sum::<usize>(),
        }
    }

    /// Writes a .png, .svg or .json (Vega-Lite) file, whole or not at all.
    ///
    /// # Errors
    /// Another extension; what [`Figure::to_png`] refuses; more than 5,000 points as .json; a file
    /// that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let extension =
            path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let doing = || Error::new(format!("saving a figure as {}", path.display()));
        match extension.as_str() {
            "png" => files::write(path, self.to_png(None)?),
            "svg" => files::write(path, self.to_svg()?),
            "json" => match self.to_vega()? {
                Some(spec) => files::write(path, spec.to_string()),
                None => Err(doing()
                    .expected(format!("at most {} points in Vega-Lite", vega::MOST_POINTS))
                    .found(self.points().to_string())
                    .advice("Save it as .svg or .png")),
            },
            "html" => Err(doing()
                .expected("a name that ends in .png, .svg or .json (Vega-Lite)")
                .found(".html, which would need Vega itself in the page")
                .advice("Save it as .svg, which every browser opens, or as .json")),
            other => Err(doing()
                .expected("a name that ends in .png, .svg or .json (Vega-Lite)")
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
        let title =
            if self.title.is_empty() { String::new() } else { format!(" {:?}", self.title) };
        write!(f, "Figure{title}: ")?;
        match &self.body {
            Body::Map(m) => {
                let image = if m.picture.is_some() { " over the tissue image" } else { "" };
                write!(f, "{} spots{image} by ", m.x.len())?;
                match &m.fill {
                    Fill::Numbers { label, low, high, .. } => {
                        write!(f, "{label}, coloured from {low:.4} to {high:.4}")?;
                    }
                    Fill::Groups { label, names, .. } => {
                        write!(f, "{label} in {} groups", names.len())?;
                    }
                }
            }
            Body::Chart(c) => {
                let panels: Vec<&str> = c.panels.iter().map(|p| p.label.as_str()).collect();
                write!(f, "{} over {}, {} points", panels.join(", "), c.x_label, c.x.len())?;
            }
        }
        write!(f, ", {} px wide", self.width)
    }
}
