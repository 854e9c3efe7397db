//! Figures as Vega-Lite 5: the same colours, equal aspect and y downwards as the other backends
//! draw, and beyond them zoom, values under the pointer, and groups chosen in the legend.
//!
//! Data stands inside, an array a field, which `flatten` turns into rows: half the bytes of an
//! object a row. All colours are stated, so that a dark theme changes none of them.

mod chart;

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use serde_json::{Value, json};

use super::colour::Colour;
use super::figure::{Fill, Map, Picture};
use super::map::{self as layout, View};
use super::scale;
use super::text;
use crate::base::{Error, Result};
pub use chart::chart;

/// A browser draws more points too slowly.
pub const MOST_POINTS: usize = 5000;
/// Pixels of a png a unit on the screen: screens show two where they say one.
const DENSITY: f64 = 2.0;
/// Of the picture beneath, which a photograph's noise makes large.
const JPEG_QUALITY: u8 = 85;
/// A map is no higher than this part of the figure's width.
const MOST_HEIGHT: f64 = 0.85;
/// Steps across a map that positions are rounded to: fine enough to zoom in twenty times.
const STEPS: f64 = 20_000.0;
/// Sizes of text.
const TICK: f64 = 11.0;
const TITLE: f64 = 14.0;
/// Between the map and what explains its colours.
const GAP: f64 = 18.0;
/// From one group of the legend to the next.
const ROW: f64 = 17.0;
const MOST_LABEL: f64 = 170.0;
const PADDING: f64 = 8.0;
/// Opacity of the groups that were not chosen.
const FAINT: f64 = 0.06;

/// A map in a figure that is `width` pixels wide as a png.
pub fn map(title: &str, map: &Map, width: f64) -> Result<Value> {
    layout::check(map)?;
    let view = layout::extent(map);
    let [x0, y0, x1, y1] = view;
    let (key, columns) = key(&map.fill, width);
    let room = width / DENSITY - key - GAP - if map.um_per_unit.is_none() { 60.0 } else { 0.0 };
    let most = width / DENSITY * MOST_HEIGHT;
    let per_unit = (room.max(width / DENSITY * 0.4) / (x1 - x0)).min(most / (y1 - y0));
    let (w, h) = (((x1 - x0) * per_unit).round(), ((y1 - y0) * per_unit).round());

    let plane = Plane { map, view };
    let mut layers = Vec::new();
    if let Some(picture) = &map.picture {
        layers.push(plane.picture(picture, w * DENSITY)?);
    }
    layers.extend(plane.missing());
    layers.push(plane.spots(columns));
    let mut params = Vec::new();
    if let Some(um) = map.um_per_unit {
        params.extend(bar_params(um));
        layers.extend(bar(map.x.len()));
    }
    if let Fill::Groups { names, .. } = &map.fill {
        params.push(json!({ "name": "groups", "value": names }));
    }
    let mut spec = framed(title);
    spec["width"] = json!(w);
    spec["height"] = json!(h);
    spec["params"] = json!(params);
    spec["layer"] = json!(layers);
    if matches!(map.fill, Fill::Numbers { .. }) {
        // Missing values are no part of the scale.
        spec["resolve"] = json!({ "scale": { "color": "independent" } });
    }
    let frame = map.um_per_unit.is_none() || map.picture.is_some();
    spec["config"]["view"] =
        json!({ "stroke": if frame { json!(Colour::SOFT) } else { Value::Null } });
    Ok(spec)
}

/// What all figures share.
fn framed(title: &str) -> Value {
    let words = json!({ "labelColor": Colour::INK, "titleColor": Colour::INK, "labelFontSize": TICK,
        "titleFontSize": TICK, "titleFontWeight": "normal" });
    let mut axis = words.clone();
    for line in ["domainColor", "tickColor"] {
        axis[line] = json!(Colour::SOFT);
    }
    axis["gridColor"] = json!(Colour::GRID);
    let mut spec = json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": Colour::WHITE,
        "padding": PADDING,
        "config": {
            "font": "sans-serif",
            "axis": axis,
            "legend": words,
            "style": { "guide-label": { "fill": Colour::INK }, "guide-title": { "fill": Colour::INK } },
            "title": { "color": Colour::INK, "anchor": "start", "fontSize": TITLE, "fontWeight": "normal" },
        },
    });
    if !title.is_empty() {
        spec["title"] = json!(title);
    }
    spec
}

/// The width of what explains the colours, and the columns of a legend.
fn key(fill: &Fill, width: f64) -> (f64, usize) {
    let room = |label: &str| text::room(label, TICK).min(MOST_LABEL);
    match fill {
        Fill::Numbers { label, .. } => (room(label).max(70.0), 1),
        Fill::Groups { label, names, .. } => {
            let rows = (width / DENSITY * MOST_HEIGHT / ROW).floor().max(1.0) as usize;
            let columns = (names.len() + 1).div_ceil(rows).clamp(1, 3);
            let widest = names.iter().map(|n| room(n)).fold(40.0, f64::max);
            ((columns as f64 * (widest + 24.0)).max(room(label)), columns)
        }
    }
}

/// A map's spots and the rectangle that is shown.
struct Plane<'a> {
    map: &'a Map,
    view: View,
}

impl Plane<'_> {
    /// "x (µm)", or "x" alone where there is no unit.
    fn named(&self, axis: &str) -> String {
        match self.map.unit.as_str() {
            "" => axis.to_owned(),
            unit => format!("{axis} ({unit})"),
        }
    }

    /// A channel of position. The domain of y descends, so that y runs downwards, as in the image.
    fn position(&self, axis: &str, field: &str) -> Value {
        let [x0, y0, x1, y1] = self.view;
        let domain = if axis == "x" { [x0, x1] } else { [y1, y0] };
        let shown = json!({ "title": self.named(axis), "grid": false, "tickCount": 6 });
        json!({
            "field": field,
            "type": "quantitative",
            "scale": { "domain": domain, "nice": false, "zero": false },
            "axis": if self.map.um_per_unit.is_some() { Value::Null } else { shown },
        })
    }

    /// The picture beneath, `width` pixels wide.
    fn picture(&self, p: &Picture, width: f64) -> Result<Value> {
        let share = (p.x1 - p.x0) / (self.view[2] - self.view[0]);
        let url = jpeg(&p.png, (width * share).round().max(1.0) as u32)?;
        Ok(json!({
            "data": { "values": [{ "x": p.x0, "y": p.y0, "x2": p.x1, "y2": p.y1 }] },
            "mark": { "type": "image", "aspect": false, "clip": true, "tooltip": null },
            "encoding": {
                "x": self.position("x", "x"), "x2": { "field": "x2" },
                "y": self.position("y", "y"), "y2": { "field": "y2" },
                "url": { "value": url },
            },
        }))
    }

    /// The mark of a spot: as large as it is, however far one zooms in.
    fn mark(&self) -> Value {
        let diameter = rounded(self.map.diameter);
        json!({
            "type": "circle", "clip": true, "opacity": self.map.opacity, "strokeWidth": 0, "invalid": null,
            "size": { "expr": format!("pow(max(2, abs(scale('x', {diameter}) - scale('x', 0))), 2)") },
        })
    }

    /// The rows of some spots: their places, their names, and one more field.
    fn rows(&self, of: &[usize], field: &str, values: Vec<Value>) -> Value {
        let [x0, y0, x1, y1] = self.view;
        let digits = (STEPS / (x1 - x0).max(y1 - y0)).log10().ceil().clamp(0.0, 9.0) as i32;
        let at = |from: &[f64]| -> Vec<Value> {
            of.iter()
                .map(|&i| number((from[i] * 10_f64.powi(digits)).round() / 10_f64.powi(digits)))
                .collect()
        };
        let mut row = json!({ "x": at(&self.map.x), "y": at(&self.map.y), field: values });
        let mut fields = vec!["x", "y", field];
        if !self.map.names.is_empty() {
            row["s"] = of.iter().map(|&i| json!(self.map.names.get(i))).collect();
            fields.push("s");
        }
        json!({ "data": { "values": [row] }, "transform": [{ "flatten": fields }] })
    }

    /// What the pointer shows: the spot, its value, its place.
    fn tooltip(&self, value: Option<Value>) -> Value {
        let unit = |axis: &str| json!({ "field": axis, "type": "quantitative", "title": self.named(axis), "format": ".7~g" });
        let spot = json!({ "field": "s", "type": "nominal", "title": "spot" });
        let spot = Some(spot).filter(|_| !self.map.names.is_empty());
        spot.into_iter().chain(value).chain([unit("x"), unit("y")]).collect()
    }

    /// Spots without a value, beneath the others; groups have them as a group of its own.
    fn missing(&self) -> Option<Value> {
        let Fill::Numbers { values, .. } = &self.map.fill else { return None };
        let of: Vec<usize> =
            (0..values.len()).filter(|&i| values[i].is_none_or(|v| !v.is_finite())).collect();
        let label = (!of.is_empty()).then(|| layout::missing_label(of.len()))?;
        let mut layer = self.rows(&of, "v", of.iter().map(|_| Value::Null).collect());
        layer["mark"] = self.mark();
        layer["encoding"] = json!({
            "x": self.position("x", "x"),
            "y": self.position("y", "y"),
            "color": {
                "datum": label, "type": "nominal",
                "scale": { "domain": [label], "range": [Colour::MISSING] },
                "legend": { "title": null, "symbolType": "circle", "symbolOpacity": 1 },
            },
            "tooltip": self.tooltip(Some(json!({ "value": "missing" }))),
        });
        Some(layer)
    }

    fn spots(&self, columns: usize) -> Value {
        let zoom = json!({ "name": "zoom", "select": "interval", "bind": "scales" });
        let (mut layer, colour, tip, params) = match &self.map.fill {
            Fill::Numbers { label, values, cmap, low, high } => {
                let known = |v: &Option<f64>| v.is_some_and(f64::is_finite);
                let of: Vec<usize> = (0..values.len()).filter(|&i| known(&values[i])).collect();
                let field =
                    of.iter().map(|&i| number(rounded(values[i].unwrap_or(f64::NAN)))).collect();
                let anchors = cmap.colours();
                let last = (anchors.len() - 1) as f64;
                let domain: Vec<f64> =
                    (0..anchors.len()).map(|i| low + (high - low) * i as f64 / last).collect();
                let colour = json!({
                    "field": "v", "type": "quantitative",
                    "scale": { "domain": domain, "range": anchors, "interpolate": "rgb", "clamp": true },
                    "legend": {
                        "title": heading(label, values, (*low, *high)), "type": "gradient",
                        "gradientLength": 200, "gradientThickness": 14, "gradientOpacity": 1,
                        "values": scale::ticks(*low, *high, 5), "format": ".6~g",
                    },
                });
                let tip = json!({ "field": "v", "type": "quantitative", "title": label, "format": ".6~g" });
                (self.rows(&of, "v", field), colour, tip, vec![zoom])
            }
            Fill::Groups { label, codes, .. } => {
                // Missing values first, so that they cover nothing.
                let known =
                    |known: bool| (0..codes.len()).filter(move |&i| codes[i].is_some() == known);
                let of: Vec<usize> = known(false).chain(known(true)).collect();
                let mut layer = self.rows(&of, "c", of.iter().map(|&i| json!(codes[i])).collect());
                let entries = layout::entries(&self.map.fill);
                let missing = entries.last().map(|(n, _)| n.as_str()).unwrap_or_default();
                let named = format!("isValid(datum.c) ? groups[datum.c] : {}", json!(missing));
                if let Some(steps) = layer["transform"].as_array_mut() {
                    steps.push(json!({ "calculate": named, "as": "group" }));
                }
                let (names, range): (Vec<&String>, Vec<Colour>) =
                    entries.iter().map(|(n, c)| (n, *c)).unzip();
                let colour = json!({
                    "field": "group", "type": "nominal",
                    "scale": { "domain": names, "range": range },
                    "legend": {
                        "title": label, "symbolLimit": 0, "columns": columns, "labelLimit": MOST_LABEL,
                        "symbolType": "circle", "symbolOpacity": 1, "symbolStrokeWidth": 0,
                    },
                });
                let tip = json!({ "field": "group", "type": "nominal", "title": label });
                let pick = json!({ "name": "pick", "select": { "type": "point", "fields": ["group"] }, "bind": "legend" });
                (layer, colour, tip, vec![zoom, pick])
            }
        };
        layer["mark"] = self.mark();
        let picks = params.len() > 1;
        layer["params"] = json!(params);
        layer["encoding"] = json!({
            "x": self.position("x", "x"),
            "y": self.position("y", "y"),
            "color": colour,
            "tooltip": self.tooltip(Some(tip)),
        });
        if picks {
            layer["encoding"]["opacity"] = json!({ "condition": { "param": "pick", "value": self.map.opacity }, "value": FAINT });
        }
        layer
    }
}

/// The heading of a colour bar, with how many values lie beyond its ends.
fn heading(label: &str, values: &[Option<f64>], (low, high): (f64, f64)) -> Value {
    let hair = 0.005 * (high - low);
    let count =
        |beyond: &dyn Fn(f64) -> bool| values.iter().flatten().filter(|&&v| beyond(v)).count();
    let (under, over) = (count(&|v| v < low - hair), count(&|v| v > high + hair));
    let said: Vec<String> = [(over, "above"), (under, "below")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, side)| format!("{} {side} the scale", scale::whole(n)))
        .collect();
    if said.is_empty() { json!(label) } else { json!([vec![label.to_owned()], said].concat()) }
}

/// The length of a scale bar: a round number of micrometres of about a fifth of what is seen,
/// which changes as one zooms.
fn bar_params(um_per_unit: f64) -> [Value; 4] {
    let param = |name: &str, expr: String| json!({ "name": name, "expr": expr });
    [
        param("seen_um", format!("abs(invert('x', width) - invert('x', 0)) * {um_per_unit}")),
        param("power_um", "pow(10, floor(log(seen_um / 4) / LN10))".into()),
        param(
            "bar_um",
            "power_um * (seen_um / 4 / power_um >= 5 ? 5 : seen_um / 4 / power_um >= 2 ? 2 : 1)"
                .into(),
        ),
        param("bar_px", "bar_um / seen_um * width".into()),
    ]
}

fn bar(spots: usize) -> [Value; 3] {
    let below = json!({ "value": { "expr": "height + 16" } });
    // What shares a zoomed axis is clipped to it unless it says otherwise.
    let layer = |mark: &str, looks: Value, encoding: Value| {
        let mut looks = looks;
        looks["type"] = json!(mark);
        looks["clip"] = json!(false);
        looks["tooltip"] = Value::Null;
        json!({ "data": { "values": [{}] }, "mark": looks, "encoding": encoding })
    };
    let words = |x: &str, align: &str, text: Value, colour: Colour| {
        let looks =
            json!({ "align": align, "baseline": "middle", "fontSize": TICK, "color": colour });
        let encoding =
            json!({ "x": { "value": { "expr": x } }, "y": below, "text": { "value": text } });
        layer("text", looks, encoding)
    };
    let name =
        "bar_um >= 1000 ? format(bar_um / 1000, '~g') + ' mm' : format(bar_um, '~g') + ' µm'";
    let line = json!({ "x": { "value": 0 }, "x2": { "value": { "expr": "bar_px" } }, "y": below });
    [
        layer("rule", json!({ "strokeWidth": 4, "color": Colour::INK }), line),
        words("bar_px + 7", "left", json!({ "expr": name }), Colour::INK),
        words("width", "right", json!(format!("{} spots", scale::whole(spots))), Colour::SOFT),
    ]
}

/// Six significant digits.
fn rounded(v: f64) -> f64 {
    format!("{v:.5e}").parse().unwrap_or(v)
}

/// A whole number without the ".0".
fn number(v: f64) -> Value {
    if v.fract() == 0.0 && v.abs() < 1e15 { json!(v as i64) } else { json!(v) }
}

/// A png in base 64 as a `data:` URI of a jpeg at most `width` pixels wide.
fn jpeg(png: &str, width: u32) -> Result<String> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::io("embedding the picture of a figure", e)
    };
    let bytes = STANDARD.decode(png).map_err(|e| failed(e.into()))?;
    let image = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png)
        .map_err(|e| failed(e.into()))?;
    let image = if image.width() > width {
        image.resize(width, u32::MAX, FilterType::Triangle)
    } else {
        image
    };
    let mut out = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY)
        .encode_image(&image.to_rgb8())
        .map_err(|e| failed(e.into()))?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(out.into_inner())))
}
