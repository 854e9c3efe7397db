//! Positions over a slide, to see whether they fit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use ndarray::Array3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backend;
use super::colour::Colour;
use super::figure::{Body, Figure, Fill, Map, Picture};
use super::scale;
use super::spots::usual_diameter;
use crate::base::{Error, Result};
use crate::data::Dataset;

/// Part of the distance between neighbours that a mark covers: the tissue must show between them.
const COVER: f64 = 0.5;
/// A mark is at most this part of the longer side, where few spots are shown.
const MOST_MARK: f64 = 1.0 / 60.0;
/// Mean brightness above which a picture is bright field.
const BRIGHT: f64 = 110.0;
/// Colours that stand out from haematoxylin and eosin, and from a dark field; of Okabe and Ito.
const ON_BRIGHT: [Colour; 2] = [Colour([230, 159, 0]), Colour([0, 114, 178])];
const ON_DARK: [Colour; 2] = [Colour([230, 159, 0]), Colour([86, 180, 233])];

/// How positions are drawn over a slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OverlayConfig {
    /// Only this part of the slide: x, y, width and height in full-resolution pixels.
    pub window: Option<[f64; 4]>,
    /// Longer side of the picture of the slide, in pixels.
    pub max_px: usize,
    /// The channel of a slide of several stains, counted from 0.
    pub channel: usize,
    /// Unit of the axes, "px" (full-resolution pixels of the slide) or "um".
    pub unit: String,
    /// At most this many positions are drawn, every second or tenth one of more.
    pub max_spots: usize,
    /// Diameter of a mark in full-resolution pixels; without it small enough to see the tissue.
    pub spot_size: Option<f64>,
    /// Of the marks, above 0 to 1.
    pub opacity: f64,
    /// Above the figure; empty for none.
    pub title: String,
    /// Pixels across.
    pub width: u32,
}

impl Default for OverlayConfig {
    fn default() -> Self {
        Self {
            window: None,
            max_px: 1600,
            channel: 0,
            unit: "px".into(),
            max_spots: 10_000,
            spot_size: None,
            opacity: 0.7,
            title: String::new(),
            width: 1200,
        }
    }
}

/// A picture of a slide and what it shows.
pub struct Backdrop {
    /// [height, width, 3], red green blue.
    pub pixels: Array3<u8>,
    /// Left, top, right and bottom edge, in full-resolution pixels.
    pub window: [f64; 4],
    /// Width and height of the slide in full-resolution pixels.
    pub size: [f64; 2],
    /// Micrometres a full-resolution pixel, where the slide says.
    pub um_per_px: Option<f64>,
}

/// Draws the positions of a dataset over a slide, with axes of one scale. Where they fit, the marks
/// lie on the tissue.
///
/// # Errors
/// No positions in pixels; none of them in the window, with both ranges; micrometres asked for where
/// the size of a pixel is not known; an option out of its range.
pub fn overlay(ds: &Dataset, slide: &Backdrop, config: &OverlayConfig) -> Result<Figure> {
    let doing = "drawing positions over the slide";
    if !(config.opacity > 0.0 && config.opacity <= 1.0) {
        return Err(Error::new(doing)
            .expected("opacity above 0 to 1")
            .found(config.opacity.to_string()));
    }
    if config.max_spots == 0 {
        return Err(Error::new(doing).expected("max_spots of at least 1").found("0"));
    }
    let at = ds.pixels().map_err(|e| e.within(doing))?;
    let per_px = match (config.unit.as_str(), at.um_per_unit.or(slide.um_per_px)) {
        ("px", _) => 1.0,
        ("um", Some(um)) => um,
        ("um", None) => {
            return Err(Error::new(doing)
                .expected("the size of a pixel, for axes in um")
                .found("none in the dataset or the slide")
                .advice("State it: ds.set_unit(\"px\", um_per_px); or draw in px"));
        }
        (other, _) => {
            return Err(Error::new(doing)
                .expected("unit \"px\" or \"um\"")
                .found(format!("\"{other}\"")));
        }
    };
    let [left, top, right, bottom] = slide.window;
    let whole = config.window.is_none();
    let on_slide =
        |x: f64, y: f64| (-0.5..slide.size[0]).contains(&x) && (-0.5..slide.size[1]).contains(&y);
    // Of a window only what lies in it; of the slide all, so that one sees what misses it.
    let mut shown: Vec<[f64; 2]> = at
        .xy
        .rows()
        .into_iter()
        .map(|r| [r[0], r[1]])
        .filter(|[x, y]| whole || (left..right).contains(x) && (top..bottom).contains(y))
        .collect();
    let nothing = || {
        let range = |k: usize| {
            let of = at.xy.column(k);
            let (l, h) = of.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            format!("{l:.0} to {h:.0}")
        };
        Error::new(doing)
            .expected(format!(
                "positions in x {left:.0} to {right:.0}, y {top:.0} to {bottom:.0} px"
            ))
            .found(format!("none; they lie in x {}, y {} px", range(0), range(1)))
    };
    if shown.is_empty() {
        return Err(nothing());
    }
    let some = |shown: &[[f64; 2]]| -> (usize, Vec<[f64; 2]>) {
        let every = shown.len().div_ceil(config.max_spots).max(1);
        (every, shown.iter().step_by(every).copied().collect())
    };
    let (mut every, mut drawn) = some(&shown);
    let diameter = match config.spot_size {
        Some(d) if d.is_finite() && d > 0.0 => d,
        Some(d) => {
            return Err(Error::new(doing).expected("spot_size above 0").found(d.to_string()));
        }
        None => {
            let (x, y): (Vec<f64>, Vec<f64>) = drawn.iter().map(|p| (p[0], p[1])).unzip();
            let most = (right - left).max(bottom - top) * MOST_MARK;
            (COVER * usual_diameter(&x, &y)).min(most)
        }
    };
    if !whole {
        // A mark that the edge would cut would make the map wider than the picture.
        let r = diameter / 2.0 + 0.5;
        shown.retain(|[x, y]| {
            (left + r..right - r).contains(x) && (top + r..bottom - r).contains(y)
        });
        if shown.is_empty() {
            return Err(nothing());
        }
        (every, drawn) = some(&shown);
    }
    let colours = if brightness(&slide.pixels) > BRIGHT { ON_BRIGHT } else { ON_DARK };
    let codes: Vec<u32> = drawn.iter().map(|[x, y]| u32::from(!on_slide(*x, *y))).collect();
    let outside = codes.contains(&1);
    let mut names = vec!["on the slide".to_owned(), "outside of it".to_owned()];
    names.truncate(1 + usize::from(outside));
    let label = if every == 1 {
        format!("{} positions", scale::whole(shown.len()))
    } else {
        format!("1 in {every} of {}", scale::whole(shown.len()))
    };
    let edge = |v: f64| (v - 0.5) * per_px;
    let map = Map {
        x: drawn.iter().map(|p| p[0] * per_px).collect(),
        y: drawn.iter().map(|p| p[1] * per_px).collect(),
        names: Vec::new(),
        diameter: diameter * per_px,
        opacity: config.opacity,
        fill: Fill::Groups {
            label,
            colours: colours.into_iter().take(names.len()).collect(),
            names,
            codes: codes.into_iter().map(Some).collect(),
        },
        picture: Some(Picture {
            png: STANDARD.encode(backend::png(&picture(&slide.pixels))?),
            // The centre of the first pixel is at 0, so its left edge is at -0.5.
            x0: edge(left),
            y0: edge(top),
            x1: edge(right),
            y1: edge(bottom),
        }),
        unit: if config.unit == "um" { "µm".into() } else { "px".into() },
        um_per_unit: None,
    };
    Ok(Figure { title: config.title.clone(), width: config.width, body: Body::Map(Box::new(map)) })
}

fn picture(pixels: &Array3<u8>) -> RgbImage {
    let (height, width, _) = pixels.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        image::Rgb(std::array::from_fn(|k| pixels[[y as usize, x as usize, k]]))
    })
}

fn brightness(pixels: &Array3<u8>) -> f64 {
    pixels.iter().map(|v| f64::from(*v)).sum::<f64>() / (pixels.len() as f64).max(1.0)
}
