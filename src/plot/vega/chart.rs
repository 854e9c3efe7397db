//! Curves as Vega-Lite 5.

use serde_json::{Value, json};

use super::{DENSITY, TICK, framed, number, rounded};
use crate::plot::colour::Colour;
use crate::plot::figure::{Chart, Panel};

/// Curves of fewer points show each of them.
const FEW_POINTS: usize = 40;

/// Curves in panels that share an x axis.
pub fn chart(title: &str, chart: &Chart, width: f64) -> Value {
    let width = width / DENSITY;
    let mut row = json!({ "x": chart.x.iter().map(|&v| number(v)).collect::<Vec<_>>() });
    let mut fields = vec!["x".to_owned()];
    let mut panels = Vec::new();
    for (i, panel) in chart.panels.iter().enumerate() {
        let mut layers = Vec::new();
        for (k, series) in panel.series.iter().enumerate() {
            let field = format!("y{i}_{k}");
            let shown = |v: &Option<f64>| v.filter(|v| v.is_finite() && (!panel.log || *v > 0.0));
            row[&field] = series
                .y
                .iter()
                .map(|v| shown(v).map_or(Value::Null, |v| number(rounded(v))))
                .collect();
            layers.push(curve(chart, panel, k, &field, i + 1 == chart.panels.len()));
            fields.push(field);
        }
        // One zoom for all panels: the first has it, and they share the axis.
        if let Some(first) = layers.first_mut() {
            first["params"] = json!([{ "name": format!("zoom{i}"), "select": { "type": "interval", "encodings": ["x"] }, "bind": "scales" }]);
        }
        let height = match chart.panels.len() {
            0 | 1 => 260.0,
            2 => 165.0,
            3 => 120.0,
            _ => 95.0,
        };
        let label =
            if panel.log { format!("{}, log scale", panel.label) } else { panel.label.clone() };
        panels.push(json!({
            "title": { "text": label, "fontSize": TICK + 1.0, "offset": 6, "frame": "group" },
            "width": width - 80.0, "height": height, "layer": layers,
        }));
    }
    let mut spec = framed(title);
    spec["data"] = json!({ "values": [row] });
    spec["transform"] = json!([{ "flatten": fields }]);
    spec["vconcat"] = json!(panels);
    spec["spacing"] = json!(12);
    spec["resolve"] = json!({ "scale": { "x": "shared", "color": "independent" }, "legend": { "color": "independent" } });
    spec
}

/// One curve of a panel.
fn curve(chart: &Chart, panel: &Panel, k: usize, field: &str, last: bool) -> Value {
    let series = &panel.series[k];
    let dots = if chart.x.len() <= FEW_POINTS { 1.0 } else { 0.0 };
    let names: Vec<&String> = panel.series.iter().map(|s| &s.name).collect();
    let colour = if names.len() > 1 {
        let colours: Vec<Colour> = panel.series.iter().map(|s| s.colour).collect();
        json!({
            "datum": series.name, "type": "nominal",
            "scale": { "domain": names, "range": colours },
            "legend": { "title": null, "orient": "top", "direction": "horizontal", "offset": 4,
                "symbolType": "stroke", "symbolStrokeWidth": 2 },
        })
    } else {
        json!({ "value": series.colour })
    };
    let y =
        if panel.log { json!({ "type": "log" }) } else { json!({ "zero": false, "padding": 4 }) };
    let title = if last { json!(chart.x_label) } else { Value::Null };
    let mut axis = json!({ "title": title, "labels": last, "format": ".6~g" });
    if chart.counts() {
        // No ticks between epochs.
        axis["tickMinStep"] = json!(1);
    }
    json!({
        "mark": { "type": "line", "strokeWidth": 1.6, "clip": true,
            "point": { "opacity": dots, "size": 24, "filled": true } },
        "encoding": {
            "x": { "field": "x", "type": "quantitative", "scale": { "zero": false, "nice": false },
                "axis": axis },
            "y": { "field": field, "type": "quantitative", "scale": y, "axis": { "title": null, "tickCount": 4, "format": ".6~g" } },
            "color": colour,
            "tooltip": [
                { "field": "x", "type": "quantitative", "title": chart.x_label },
                { "field": field, "type": "quantitative", "title": series.name, "format": ".6~g" },
            ],
        },
    })
}
