//! Lays curves out: panels one above the other with one x axis.

use super::colour::Colour;
use super::figure::{Chart, Panel};
use super::scale;
use super::scene::{Anchor, LABEL, Mark, Scene, TICK, TITLE, WIDTH};
use super::text;

const MARGIN: f64 = 36.0;
/// Above each panel, for its label and legend.
const HEAD: f64 = 44.0;
/// Curves of fewer points show each of them.
const FEW_POINTS: usize = 40;

/// A panel's y axis: where a value lies between 0 (bottom) and 1, and the ticks.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
    labels: Vec<String>,
}

impl Axis {
    /// `None` when the panel has no value that the axis can show.
    fn of(panel: &Panel) -> Option<Self> {
        let log = panel.log;
        let shown = panel
            .series
            .iter()
            .flat_map(|s| s.y.iter().flatten())
            .filter(|v| v.is_finite() && (!log || **v > 0.0));
        let (low, high) =
            shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        if low > high {
            return None;
        }
        let (low, high) = if log {
            // In logarithms: the quotient of the least and the largest number is none.
            let room = ((high.ln() - low.ln()) * 0.05).max(0.05);
            let least = f64::from_bits(1);
            ((low.ln() - room).exp().max(least), (high.ln() + room).exp().min(f64::MAX))
        } else {
            let room = if high > low { (high - low) * 0.05 } else { high.abs().max(1.0) * 0.05 };
            (low - room, high + room)
        };
        let ticks = if log { scale::log_ticks(low, high) } else { scale::ticks(low, high, 4) };
        let labels = if log {
            ticks.iter().flat_map(|&t| scale::labels(&[t])).collect()
        } else {
            scale::labels(&ticks)
        };
        Some(Self { low, high, log, ticks, labels })
    }

    fn at(&self, v: f64) -> f64 {
        if self.log {
            (v.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (v - self.low) / (self.high - self.low)
        }
    }
}

pub fn scene(title: &str, chart: &Chart) -> Scene {
    let mut marks = Vec::new();
    let mut top = MARGIN;
    if !title.is_empty() {
        marks.push(Mark::text(
            MARGIN,
            MARGIN + 22.0,
            TITLE,
            Anchor::Start,
            text::fit(title, TITLE, WIDTH - 2.0 * MARGIN),
        ));
        top += 44.0;
    }
    let axes: Vec<Option<Axis>> = chart.panels.iter().map(Axis::of).collect();
    let labels = axes.iter().flatten().flat_map(|a| &a.labels);
    let left = MARGIN + labels.map(|l| text::room(l, TICK)).fold(0.0, f64::max) + 14.0;
    let right = WIDTH - MARGIN;
    let height = match chart.panels.len() {
        0 | 1 => 520.0,
        2 => 330.0,
        3 => 240.0,
        _ => 190.0,
    };
    let finite = chart.x.iter().filter(|v| v.is_finite());
    let (x0, x1) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let (x0, x1) = if x1 > x0 {
        (x0, x1)
    } else if x1 == x0 {
        (x0 - 0.5, x1 + 0.5)
    } else {
        (0.0, 1.0)
    };
    let px = |v: f64| left + (v - x0) / (x1 - x0) * (right - left);
    // No ticks between epochs.
    let x_ticks = if chart.counts() { scale::whole_ticks } else { scale::ticks }(x0, x1, 8);

    for (i, (panel, axis)) in chart.panels.iter().zip(&axes).enumerate() {
        heading(&mut marks, (left, top, right), panel);
        let (y0, y1) = (top + HEAD, top + HEAD + height);
        for &t in &x_ticks {
            marks.push(Mark::line(px(t), y0, px(t), y1, 1.0, Colour::GRID));
        }
        if let Some(axis) = axis {
            let py = |v: f64| y1 - axis.at(v) * height;
            for (&t, label) in axis.ticks.iter().zip(&axis.labels) {
                marks.push(Mark::line(left, py(t), right, py(t), 1.0, Colour::GRID));
                marks.push(Mark::text(
                    left - 10.0,
                    py(t) + 0.35 * TICK,
                    TICK,
                    Anchor::End,
                    label.as_str(),
                ));
            }
            for series in &panel.series {
                let place = |(&x, y): (&f64, &Option<f64>)| {
                    let y = y.filter(|y| y.is_finite() && (!axis.log || *y > 0.0))?;
                    x.is_finite().then(|| (px(x), py(y)))
                };
                let points: Vec<Option<(f64, f64)>> =
                    chart.x.iter().zip(&series.y).map(place).collect();
                curve(&mut marks, &points, series.colour);
            }
        } else {
            marks.push(Mark::soft(
                (left + right) / 2.0,
                (y0 + y1) / 2.0,
                LABEL,
                Anchor::Middle,
                "no values",
            ));
        }
        marks.push(Mark::line(left, y0, left, y1, 1.5, Colour::SOFT));
        marks.push(Mark::line(left, y1, right, y1, 1.5, Colour::SOFT));
        top = y1 + 14.0;
        if i + 1 == chart.panels.len() {
            for (&t, label) in x_ticks.iter().zip(scale::labels(&x_ticks)) {
                marks.push(Mark::line(px(t), y1, px(t), y1 + 6.0, 1.5, Colour::SOFT));
                marks.push(Mark::text(px(t), y1 + 28.0, TICK, Anchor::Middle, label));
            }
            marks.push(Mark::text(
                (left + right) / 2.0,
                y1 + 60.0,
                LABEL,
                Anchor::Middle,
                chart.x_label.as_str(),
            ));
            top = y1 + 66.0;
        }
    }
    Scene { height: top + MARGIN, marks }
}

/// The panel's label at the left and, for more than one curve, the legend at the right.
fn heading(marks: &mut Vec<Mark>, (left, top, right): (f64, f64, f64), panel: &Panel) {
    let baseline = top + 30.0;
    let label = if panel.log { format!("{}, log scale", panel.label) } else { panel.label.clone() };
    let several = panel.series.len() > 1;
    let room = (right - left) * if several { 0.5 } else { 1.0 };
    let label = text::fit(&label, LABEL, room);
    let mut used = left + text::room(&label, LABEL) + 24.0;
    marks.push(Mark::text(left, baseline, LABEL, Anchor::Start, label));
    if !several {
        return;
    }
    let share = (right - used) / panel.series.len() as f64;
    for series in &panel.series {
        let name = text::fit(&series.name, TICK, share - 34.0 - 20.0);
        let mid = baseline - 0.33 * TICK;
        marks.push(Mark::line(used, mid, used + 26.0, mid, 4.0, series.colour));
        used += 34.0;
        let width = text::room(&name, TICK);
        marks.push(Mark::text(used, baseline, TICK, Anchor::Start, name));
        used += width + 20.0;
    }
}

/// A line through the points that are there, broken where one is missing.
fn curve(marks: &mut Vec<Mark>, points: &[Option<(f64, f64)>], colour: Colour) {
    for run in points.split(Option::is_none) {
        let points: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
        let alone = points.len() == 1;
        if !alone && !points.is_empty() {
            marks.push(Mark::Line { points: points.clone(), width: 3.0, colour });
        }
        if alone || run.len() == points.len() && points.len() <= FEW_POINTS {
            marks.extend(points.into_iter().map(|(x, y)| Mark::Disc {
                x,
                y,
                r: 4.5,
                colour,
                opacity: 1.0,
            }));
        }
    }
}
