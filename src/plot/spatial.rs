//! A dataset's spots where they lie, coloured by a column or a gene.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backend;
use super::colour::{Cmap, Colour, palette};
use super::figure::{Body, Figure, Fill, Map, Picture};
use super::map::view;
use super::spots::{Colours, numbers, usual_diameter};
use crate::base::{Error, Kind, Result, nearest};
use crate::data::table::labels;
use crate::data::{Coordinates, Dataset, TissueImage, Unit, keys};

/// More groups than this are identifiers, not groups.
const MOST_GROUPS: usize = 100;

/// What is drawn, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpatialConfig {
    /// A column of `obs`, or a gene by name.
    pub color: String,
    /// Where a gene's values come from: `X` or a layer.
    pub layer: String,
    /// Take the values for groups even where they are numbers.
    pub groups: bool,
    /// Lay the spots over the tissue image where there is one.
    pub image: bool,
    /// `viridis`, `cividis`, `magma`, `bluered` (for values on both sides of zero) or `greys`.
    pub cmap: Cmap,
    /// Values at the two ends of the colours; without it, `percentiles` decide.
    pub limits: Option<[f64; 2]>,
    /// Percentiles of the values at the two ends of the colours. Where values lie beyond, the
    /// colour bar ends in an arrow. [0, 100] leaves none out.
    pub percentiles: [f64; 2],
    /// Diameter of a spot in the units of the coordinates; without it the true one where it is
    /// known, else nine tenths of the distance between neighbours.
    pub spot_size: Option<f64>,
    /// Of the spots, above 0 to 1.
    pub opacity: f64,
    /// Above the figure; empty for none.
    pub title: String,
    /// At the colour bar or legend, with the unit; without it the name of the column or gene.
    pub label: Option<String>,
    /// Pixels across.
    pub width: u32,
}

impl Default for SpatialConfig {
    fn default() -> Self {
        Self {
            color: String::new(),
            layer: "X".into(),
            groups: false,
            image: true,
            cmap: Cmap::default(),
            limits: None,
            percentiles: [1.0, 99.0],
            spot_size: None,
            opacity: 1.0,
            title: String::new(),
            label: None,
            width: 1200,
        }
    }
}

impl SpatialConfig {
    fn colours(&self) -> Colours {
        Colours { cmap: self.cmap, limits: self.limits, percentiles: self.percentiles }
    }
}

/// Draws the spots of a dataset where they lie.
///
/// Text, categories and booleans are groups, numbers are a scale. y runs downwards, as in the
/// image that the coordinates come from. Missing values are grey.
///
/// # Errors
/// No coordinates; a name that is neither a column nor a gene; no value at all; an option out of
/// its range.
pub fn spatial(ds: &Dataset, config: &SpatialConfig) -> Result<Figure> {
    let doing = || format!("drawing '{}' on the tissue", config.color);
    if !(config.opacity > 0.0 && config.opacity <= 1.0) {
        return Err(Error::new(doing())
            .expected("opacity above 0 to 1")
            .found(config.opacity.to_string()));
    }
    let coordinates = ds.coordinates().map_err(|e| e.within(doing()))?;
    if coordinates.is_empty() {
        return Err(Error::new(doing()).expected("at least one spot").found("none"));
    }
    let (x, y) = (coordinates.xy.column(0).to_vec(), coordinates.xy.column(1).to_vec());
    samples_lie_apart(ds, &x, &y).map_err(|e| e.within(doing()))?;
    let diameter = match config.spot_size {
        Some(d) if d.is_finite() && d > 0.0 => d,
        Some(d) => {
            return Err(Error::new(doing()).expected("spot_size above 0").found(d.to_string()));
        }
        None => ds.spot_diameter().unwrap_or_else(|| usual_diameter(&x, &y)),
    };
    // Positions that are not those on the picture stand beside those that are.
    let on_picture = coordinates.unit == Unit::Px && !ds.obsm().contains_key(keys::SPATIAL_PX);
    let picture = match ds.tissue_image().filter(|_| config.image && on_picture) {
        Some(image) => cut(&image, view(&x, &y, diameter))?,
        None => None,
    };
    let fill = fill(ds, config)?;
    let map = Map {
        x,
        y,
        names: ds.obs().index().to_vec(),
        diameter,
        opacity: config.opacity,
        fill,
        picture,
        unit: unit(&coordinates).into(),
        um_per_unit: coordinates.um_per_unit,
    };
    Ok(Figure { title: config.title.clone(), width: config.width, body: Body::Map(Box::new(map)) })
}

/// Refuses samples whose places overlap: one would hide the other.
fn samples_lie_apart(ds: &Dataset, x: &[f64], y: &[f64]) -> Result<()> {
    if !ds.has_several_samples() {
        return Ok(());
    }
    let samples = ds.samples()?;
    let span = |spots: &[usize], at: &[f64]| {
        spots.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &i| {
            (low.min(at[i]), high.max(at[i]))
        })
    };
    let overlap = |a: (f64, f64), b: (f64, f64)| a.0 < b.1 && b.0 < a.1;
    let boxes: Vec<_> = samples.iter().map(|(n, s)| (n, span(s, x), span(s, y))).collect();
    for (i, (name, ax, ay)) in boxes.iter().enumerate() {
        for (other, bx, by) in &boxes[..i] {
            if overlap(*ax, *bx) && overlap(*ay, *by) {
                let key = ds.sample_key().unwrap_or_default();
                return Err(Error::new("drawing several samples")
                    .expected("samples that lie apart")
                    .found(format!("'{other}' and '{name}' in the same place"))
                    .advice(format!(
                        "Draw one of them: let one = ds.copy(); one.select(\"{key} = '{name}'\"); or join them with side_by_side: true"
                    )));
            }
        }
    }
    Ok(())
}

fn unit(coordinates: &Coordinates) -> &'static str {
    match coordinates.unit {
        Unit::Px => "px",
        Unit::Um => "µm",
        Unit::Unknown => "unit unknown",
    }
}

/// A name with its unit, where the name says which.
pub fn with_unit(name: &str) -> String {
    let unit = match name {
        keys::KL | "nll" | "loss" | "elbo" => "nats per spot",
        keys::TOTAL_COUNTS => "counts per spot",
        "seconds" => "s",
        _ => return name.to_owned(),
    };
    format!("{name} ({unit})")
}

fn fill(ds: &Dataset, config: &SpatialConfig) -> Result<Fill> {
    let name = config.color.as_str();
    let doing = || format!("drawing '{name}' on the tissue");
    let column = ds.obs().has(name);
    let gene = ds.var().index().iter().position(|g| g == name);
    // An option that cannot do anything is a misunderstanding.
    let without_use = |what: &str, found: String, advice: &str| {
        Err(Error::new(doing()).expected(format!("no {what}")).found(found).advice(advice))
    };
    if column && config.layer != "X" {
        let found = format!("layer \"{}\" and a column of obs", config.layer);
        return without_use("layer for a column", found, "Only a gene's values come from a layer");
    }
    if !column && gene.is_some() && config.groups {
        let advice = "Make a column of the gene first: ds.obs[\"name\"] = ..";
        return without_use("groups for a gene", "groups: true".into(), advice);
    }
    if column && (config.groups || ds.obs().is_groups(name)) {
        let order = ds.obs().codes(name)?.map(|(categories, _)| categories).unwrap_or_default();
        return groups(labels(ds.obs().column(name)?)?, &order, config);
    }
    let (label, values) = match (column, gene) {
        (true, _) => (with_unit(name), ds.obs().f64(name)?),
        (false, Some(g)) => {
            let layer = ds.layer(&config.layer)?;
            let label = if config.layer == "X" {
                name.to_owned()
            } else {
                format!("{name} ({})", config.layer)
            };
            (label, (0..ds.n_obs()).map(|i| f64::from(layer.get(i, g))).collect())
        }
        (false, None) => {
            let known =
                ds.obs().names().into_iter().chain(ds.var().index().iter().map(String::as_str));
            return Err(Error::new(doing())
                .kind(Kind::Missing)
                .expected("color to name a column of obs or a gene")
                .found(if name.is_empty() {
                    "no name".into()
                } else {
                    format!("neither called '{name}'")
                })
                .advice(ds.other_names(&[name]).unwrap_or_else(|| nearest::advice(name, known))));
        }
    };
    let label = config.label.clone().unwrap_or(label);
    numbers(label, values, &config.colours()).map_err(|e| e.within(doing()))
}

/// `order` is that of the categories where they have one.
fn groups(values: Vec<Option<String>>, order: &[String], config: &SpatialConfig) -> Result<Fill> {
    let mut names: Vec<String> = values.iter().flatten().cloned().collect();
    names.sort_by(|a, b| natural(a).cmp(&natural(b)).then_with(|| a.cmp(b)));
    names.dedup();
    // An order that is not the alphabet's is somebody's: low, medium, high.
    if !order.is_sorted() {
        names.sort_by_key(|name| order.iter().position(|o| o == name));
    }
    let doing = || format!("drawing the groups of '{}'", config.color);
    if names.is_empty() {
        return Err(Error::new(doing())
            .expected("at least one value")
            .found(format!("{} missing ones", values.len())));
    }
    if names.len() > MOST_GROUPS {
        return Err(Error::new(doing())
            .expected(format!("at most {MOST_GROUPS} groups"))
            .found(format!("{} different values", names.len()))
            .advice(
                "Is the column an identifier? Numbers are drawn as a scale unless groups is true",
            ));
    }
    let code =
        |v: Option<String>| v.and_then(|v| names.iter().position(|n| *n == v)).map(|c| c as u32);
    let codes = values.into_iter().map(code).collect();
    let yes_or_no = names.iter().all(|n| n == "false" || n == "true");
    let colours = if yes_or_no {
        // What is marked stands out from what is not.
        names
            .iter()
            .map(|n| if n == "true" { Colour([213, 94, 0]) } else { Colour([166, 199, 224]) })
            .collect()
    } else {
        palette(names.len())
    };
    let label = config.label.clone().unwrap_or_else(|| config.color.clone());
    Ok(Fill::Groups { label, names, colours, codes })
}

/// A key that sorts "D2" before "D10": text as it is, runs of digits by value.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, tail) =
            rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (digits, after) =
            tail.split_at(tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len()));
        parts.push((text.to_owned(), digits.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    parts
}

/// The part of the image that lies under the view, whole pixels; `None` where none does.
fn cut(image: &TissueImage, [x0, y0, x1, y1]: [f64; 4]) -> Result<Option<Picture>> {
    let (height, width, _) = image.pixels.dim();
    // The centre of the first pixel is at 0, so its left edge is at -0.5.
    let from = |v: f64| (v * image.scale + 0.5).floor().max(0.0) as usize;
    let to = |v: f64, size: usize| ((v * image.scale + 0.5).ceil().max(0.0) as usize).min(size);
    let (left, top, right, bottom) = (from(x0), from(y0), to(x1, width), to(y1, height));
    if left >= right || top >= bottom {
        return Ok(None);
    }
    let part = RgbImage::from_fn((right - left) as u32, (bottom - top) as u32, |x, y| {
        let (row, column) = (top + y as usize, left + x as usize);
        image::Rgb(std::array::from_fn(|k| image.pixels[[row, column, k]]))
    });
    let edge = |v: usize| (v as f64 - 0.5) / image.scale;
    let png = STANDARD.encode(backend::png(&part)?);
    Ok(Some(Picture { png, x0: edge(left), y0: edge(top), x1: edge(right), y1: edge(bottom) }))
}
