//! Lays a map out: title, spots over the picture, scale bar or axes, colour bar or legend.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::colour::{Cmap, Colour};
use super::figure::{Fill, Map};
use super::scale;
use super::scene::{Anchor, LABEL, Mark, Scene, TICK, TITLE, WIDTH};
use super::text;
use crate::base::{Error, Result};

const MARGIN: f64 = 36.0;
/// Between the map and what explains its colours.
const GAP: f64 = 32.0;
/// A map is no higher than this.
const MOST_HEIGHT: f64 = 1000.0;
/// What explains the colours is no wider than this.
const MOST_KEY: f64 = 380.0;
const BAR: f64 = 26.0;
const BAR_HEIGHT: f64 = 420.0;
const ARROW: f64 = 20.0;
/// From one group of the legend to the next.
const ROW: f64 = 31.0;
/// A legend may be this high even beside a lower map.
const LEAST_LEGEND: f64 = 860.0;
/// Between the columns of a legend.
const COLUMN_GAP: f64 = 18.0;
/// A spot is drawn at least this large, or it could not be seen.
const LEAST_RADIUS: f64 = 1.0;

/// A rectangle of the plane: x0, y0, x1, y1.
pub type View = [f64; 4];

/// The rectangle around all spots with a little room.
pub fn view(x: &[f64], y: &[f64], diameter: f64) -> View {
    let range = |v: &[f64]| {
        v.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &p| (l.min(p), h.max(p)))
    };
    let ((x0, x1), (y0, y1)) = (range(x), range(y));
    let side = (x1 - x0).max(y1 - y0);
    let room = diameter / 2.0 + (0.015 * side).max(diameter / 4.0);
    // Spots in a line still get a map that is not a thread.
    let least = (side + 2.0 * room) / 8.0;
    let widen = |a: f64, b: f64| ((least - (b - a + 2.0 * room)) / 2.0).max(0.0) + room;
    let (wx, wy) = (widen(x0, x1), widen(y0, y1));
    [x0 - wx, y0 - wy, x1 + wx, y1 + wy]
}

/// The rectangle that a map shows: its spots, and what lies beneath them.
pub fn extent(map: &Map) -> View {
    let [x0, y0, x1, y1] = view(&map.x, &map.y, map.diameter);
    let Some(p) = &map.picture else { return [x0, y0, x1, y1] };
    // The picture was cut to the spots; only spots beyond its border need more room.
    let r = map.diameter / 2.0;
    let inside = |a: f64, b: f64, v: &[f64]| v.iter().all(|&p| p - r >= a && p + r <= b);
    if inside(p.x0, p.x1, &map.x) && inside(p.y0, p.y1, &map.y) {
        [p.x0, p.y0, p.x1, p.y1]
    } else {
        [x0.min(p.x0), y0.min(p.y0), x1.max(p.x1), y1.max(p.y1)]
    }
}

pub fn scene(title: &str, map: &Map) -> Result<Scene> {
    check(map)?;
    let picture = map.picture.as_ref();
    let [x0, y0, x1, y1] = extent(map);
    let (vw, vh) = (x1 - x0, y1 - y0);

    let axes = map.um_per_unit.is_none();
    let (x_ticks, y_ticks) = (scale::ticks(x0, x1, 6), scale::ticks(y0, y1, 6));
    let y_labels = scale::labels(&y_ticks);
    let left = if axes { widest(&y_labels, TICK) + 14.0 } else { 0.0 };
    let mut top = if title.is_empty() { MARGIN } else { MARGIN + 50.0 };
    let head = top;
    if axes {
        top += 30.0;
    }

    // More columns make a legend lower and the map smaller: as few as keep it beside the map, and
    // no more than leave the map its room.
    let layout = |columns: usize| {
        let key = key_width(&map.fill, columns).max(header_width(&map.fill));
        let room = WIDTH - 2.0 * MARGIN - left - GAP - key;
        (key, room, (room / vw).min(MOST_HEIGHT / vh))
    };
    let fits = |columns: usize| {
        let rows = entries(&map.fill).len().div_ceil(columns) as f64;
        52.0 + rows * ROW <= (layout(columns).2 * vh + 40.0).max(LEAST_LEGEND)
    };
    let roomy = |columns: usize| columns == 1 || layout(columns).1 >= WIDTH * 0.4;
    let columns =
        (1..=3).find(|&c| fits(c) && roomy(c)).or((1..=3).rev().find(|&c| roomy(c))).unwrap_or(1);
    let (key, _, per_unit) = layout(columns);
    let (w, h) = (vw * per_unit, vh * per_unit);
    let x = ((WIDTH - left - w - GAP - key) / 2.0).max(MARGIN) + left;
    let px = |v: f64| x + (v - x0) * per_unit;
    let py = |v: f64| top + (v - y0) * per_unit;

    let mut marks = Vec::new();
    if !title.is_empty() {
        let room = WIDTH - (x - left) - MARGIN;
        marks.push(Mark::text(
            x - left,
            MARGIN + 22.0,
            TITLE,
            Anchor::Start,
            text::fit(title, TITLE, room),
        ));
    }
    let mut inner = Vec::with_capacity(map.x.len() + 1);
    if let Some(p) = picture {
        let bytes =
            STANDARD.decode(&p.png).map_err(|e| Error::io("reading the picture of a figure", e))?;
        let image = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png)
            .map_err(|e| Error::io("reading the picture of a figure", e))?;
        let (ix, iy) = (px(p.x0), py(p.y0));
        inner.push(Mark::Picture {
            x: ix,
            y: iy,
            w: px(p.x1) - ix,
            h: py(p.y1) - iy,
            image: image.to_rgb8(),
        });
    }
    let r = (map.diameter * per_unit / 2.0).max(LEAST_RADIUS);
    let colours = colours(&map.fill);
    // Missing values first, so that they cover nothing.
    for known in [false, true] {
        for (i, colour) in colours.iter().enumerate().filter(|(_, c)| c.is_some() == known) {
            let colour = colour.unwrap_or(Colour::MISSING);
            inner.push(Mark::Disc {
                x: px(map.x[i]),
                y: py(map.y[i]),
                r,
                colour,
                opacity: map.opacity,
            });
        }
    }
    marks.push(Mark::Group { x, y: top, w, h, marks: inner });

    let frame = |colour, width| Mark::Line {
        points: vec![(x, top), (x + w, top), (x + w, top + h), (x, top + h), (x, top)],
        width,
        colour,
    };
    let count = format!("{} spots", scale::whole(map.x.len()));
    let mut bottom = top + h;
    if let Some(um) = map.um_per_unit {
        if picture.is_some() {
            marks.push(frame(Colour::SOFT, 1.0));
        }
        let (length, name) = bar(vw * um);
        let (bx, by) = (x, bottom + 22.0);
        marks.push(Mark::Rect {
            x: bx,
            y: by,
            w: length / um * per_unit,
            h: 6.0,
            colour: Colour::INK,
        });
        let tx = bx + length / um * per_unit + 12.0;
        let end = tx + text::room(&name, TICK);
        marks.push(Mark::text(tx, by + 10.0, TICK, Anchor::Start, name));
        if end + 24.0 + text::room(&count, TICK) < x + w {
            marks.push(Mark::soft(x + w, by + 10.0, TICK, Anchor::End, count));
        }
        bottom += 40.0;
    } else {
        marks.push(frame(Colour::SOFT, 1.5));
        let unit = |axis: &str| {
            if map.unit.is_empty() { axis.to_owned() } else { format!("{axis} ({})", map.unit) }
        };
        let x_labels = scale::labels(&x_ticks);
        let every = sparse(&x_ticks, per_unit, widest(&x_labels, TICK) + 16.0);
        for (&t, label) in x_ticks.iter().zip(&x_labels).step_by(every) {
            marks.push(Mark::line(px(t), bottom, px(t), bottom + 6.0, 1.5, Colour::SOFT));
            marks.push(Mark::text(px(t), bottom + 27.0, TICK, Anchor::Middle, label.as_str()));
        }
        let every = sparse(&y_ticks, per_unit, 1.5 * TICK);
        for (&t, label) in y_ticks.iter().zip(&y_labels).step_by(every) {
            marks.push(Mark::line(x - 6.0, py(t), x, py(t), 1.5, Colour::SOFT));
            marks.push(Mark::text(
                x - 10.0,
                py(t) + 0.35 * TICK,
                TICK,
                Anchor::End,
                label.as_str(),
            ));
        }
        marks.push(Mark::soft(x - left, head + 12.0, TICK, Anchor::Start, unit("y")));
        marks.push(Mark::soft(x + w / 2.0, bottom + 56.0, TICK, Anchor::Middle, unit("x")));
        bottom += 68.0;
    }

    let key_bottom = match &map.fill {
        Fill::Numbers { label, values, cmap, low, high } => {
            numbers(&mut marks, (x + w + GAP, top, key, h), label, values, *cmap, (*low, *high))
        }
        Fill::Groups { label, .. } => {
            legend(&mut marks, (x + w + GAP, top, key), label, &map.fill, columns)
        }
    };
    Ok(Scene { height: bottom.max(key_bottom) + MARGIN, marks })
}

/// How many ticks to go on from one that is drawn, so that each has `room`.
fn sparse(ticks: &[f64], per_unit: f64, room: f64) -> usize {
    let step = ticks.get(1).map_or(f64::INFINITY, |t| (t - ticks[0]) * per_unit);
    (room / step).ceil().max(1.0) as usize
}

/// Refuses a map whose parts disagree.
pub fn check(map: &Map) -> Result<()> {
    let n = map.x.len();
    let coloured = match &map.fill {
        Fill::Numbers { values, .. } => values.len(),
        Fill::Groups { codes, .. } => codes.len(),
    };
    let refuse = |expected: &str, found: String| {
        Err(Error::new("laying a map out").expected(expected).found(found))
    };
    if n == 0 || map.y.len() != n || coloured != n {
        return refuse(
            "as many x, y and colours, at least one",
            format!("{n}, {} and {coloured}", map.y.len()),
        );
    }
    if let Fill::Groups { names, colours, codes, .. } = &map.fill {
        let known = names.len().min(colours.len());
        if let Some(code) = codes.iter().flatten().find(|&&c| c as usize >= known) {
            return refuse(
                "group codes below the number of names and colours",
                format!("{code} of {known}"),
            );
        }
    }
    if !(map.diameter.is_finite() && map.diameter > 0.0) {
        return refuse("a spot diameter above 0", map.diameter.to_string());
    }
    if let Some(v) = map.x.iter().chain(&map.y).find(|v| !v.is_finite()) {
        return refuse("finite coordinates", v.to_string());
    }
    Ok(())
}

/// The colour of each spot; `None` where its value is missing.
fn colours(fill: &Fill) -> Vec<Option<Colour>> {
    match fill {
        Fill::Numbers { values, cmap, low, high, .. } => values
            .iter()
            .map(|v| v.filter(|v| v.is_finite()).map(|v| cmap.at((v - low) / (high - low))))
            .collect(),
        Fill::Groups { colours, codes, .. } => {
            codes.iter().map(|c| c.map(|c| colours[c as usize])).collect()
        }
    }
}

/// Room for the widest of some texts.
fn widest<S: AsRef<str>>(texts: &[S], em: f64) -> f64 {
    texts.iter().map(|t| text::room(t.as_ref(), em)).fold(0.0, f64::max)
}

fn header_width(fill: &Fill) -> f64 {
    let (Fill::Numbers { label, .. } | Fill::Groups { label, .. }) = fill;
    text::room(label, LABEL).min(MOST_KEY)
}

/// The width of what explains the colours, without its header.
fn key_width(fill: &Fill, columns: usize) -> f64 {
    match fill {
        Fill::Numbers { values, low, high, .. } => {
            let labels = scale::labels(&scale::ticks(*low, *high, 5));
            let missing = values.iter().filter(|v| v.is_none()).count();
            let extra =
                if missing > 0 { 28.0 + text::room(&missing_label(missing), TICK) } else { 0.0 };
            (BAR + 16.0 + widest(&labels, TICK)).max(extra)
        }
        Fill::Groups { .. } => {
            let widths = column_widths(&entries(fill), columns);
            widths.iter().sum::<f64>() + COLUMN_GAP * (widths.len().max(1) - 1) as f64
        }
    }
}

/// Names and colours of a legend, the missing last.
pub fn entries(fill: &Fill) -> Vec<(String, Colour)> {
    let Fill::Groups { names, colours, codes, .. } = fill else { return Vec::new() };
    let mut entries: Vec<(String, Colour)> =
        names.iter().cloned().zip(colours.iter().copied()).collect();
    let missing = codes.iter().filter(|c| c.is_none()).count();
    if missing > 0 {
        entries.push((missing_label(missing), Colour::MISSING));
    }
    entries
}

/// Widths of the columns that the entries are spread over.
fn column_widths(entries: &[(String, Colour)], columns: usize) -> Vec<f64> {
    let most = MOST_KEY * [1.0, 0.75, 0.6][columns.clamp(1, 3) - 1];
    let width = |column: &[(String, Colour)]| {
        let widest = column.iter().map(|(name, _)| text::room(name, TICK)).fold(0.0, f64::max);
        (28.0 + widest).min(most)
    };
    entries.chunks(entries.len().div_ceil(columns).max(1)).map(width).collect()
}

pub fn missing_label(n: usize) -> String {
    format!("missing ({})", scale::whole(n))
}

/// Draws the colour bar and returns how far down it reaches.
fn numbers(
    marks: &mut Vec<Mark>,
    (x, y, width, height): (f64, f64, f64, f64),
    label: &str,
    values: &[Option<f64>],
    cmap: Cmap,
    (low, high): (f64, f64),
) -> f64 {
    marks.push(Mark::text(x, y + 18.0, LABEL, Anchor::Start, text::fit(label, LABEL, width)));
    let known = || values.iter().flatten().copied().filter(|v| v.is_finite());
    // A hair's breadth beyond the end is no reason for an arrow.
    let hair = 0.005 * (high - low);
    let (under, over) = (known().any(|v| v < low - hair), known().any(|v| v > high + hair));
    let top = y + 42.0 + if over { ARROW } else { 0.0 };
    let room = (height - 42.0 - 2.0 * ARROW - 40.0).clamp(160.0, BAR_HEIGHT);
    const STEPS: usize = 128;
    for i in 0..STEPS {
        let part = i as f64 / STEPS as f64;
        let colour = cmap.at(1.0 - (part + 0.5 / STEPS as f64));
        // Each strip runs on under the next, or the svg would show seams.
        let h = (2.0 * room / STEPS as f64).min(room * (1.0 - part));
        marks.push(Mark::Rect { x, y: top + part * room, w: BAR, h, colour });
    }
    let mut bottom = top + room;
    if over {
        let points = vec![(x, top + 1.0), (x + BAR, top + 1.0), (x + BAR / 2.0, top - ARROW)];
        marks.push(Mark::Polygon { points, colour: cmap.at(1.0) });
    }
    if under {
        let points =
            vec![(x, bottom - 1.0), (x + BAR, bottom - 1.0), (x + BAR / 2.0, bottom + ARROW)];
        marks.push(Mark::Polygon { points, colour: cmap.at(0.0) });
    }
    let ticks = scale::ticks(low, high, 5);
    for (t, name) in ticks.iter().zip(scale::labels(&ticks)) {
        let ty = top + (high - t) / (high - low) * room;
        marks.push(Mark::line(x + BAR, ty, x + BAR + 6.0, ty, 1.5, Colour::SOFT));
        marks.push(Mark::text(x + BAR + 11.0, ty + 0.35 * TICK, TICK, Anchor::Start, name));
    }
    if under {
        bottom += ARROW;
    }
    let missing = values.iter().filter(|v| v.is_none_or(|v| !v.is_finite())).count();
    if missing > 0 {
        bottom += 34.0;
        entry(marks, (x, bottom), Colour::MISSING, &missing_label(missing));
    }
    bottom + 10.0
}

/// Draws the legend column by column and returns how far down it reaches.
fn legend(
    marks: &mut Vec<Mark>,
    (x, y, width): (f64, f64, f64),
    label: &str,
    fill: &Fill,
    columns: usize,
) -> f64 {
    marks.push(Mark::text(x, y + 18.0, LABEL, Anchor::Start, text::fit(label, LABEL, width)));
    let entries = entries(fill);
    let rows = entries.len().div_ceil(columns).max(1);
    let mut left = x;
    for (column, width) in entries.chunks(rows).zip(column_widths(&entries, columns)) {
        for (row, (name, colour)) in column.iter().enumerate() {
            let at = (left, y + 52.0 + row as f64 * ROW);
            entry(marks, at, *colour, &text::fit(name, TICK, width - 28.0));
        }
        left += width + COLUMN_GAP;
    }
    y + 52.0 + rows as f64 * ROW
}

fn entry(marks: &mut Vec<Mark>, (x, y): (f64, f64), colour: Colour, name: &str) {
    marks.push(Mark::Disc { x: x + 9.0, y, r: 9.0, colour, opacity: 1.0 });
    marks.push(Mark::text(x + 28.0, y + 0.35 * TICK, TICK, Anchor::Start, name));
}

/// A round length in um of about a fifth of the map's width, and its name.
fn bar(width_um: f64) -> (f64, String) {
    let length = scale::round_down(width_um / 4.0);
    let name = match length {
        l if l >= 1000.0 => format!("{} mm", l / 1000.0),
        l => format!("{} µm", (l * 1e6).round() / 1e6),
    };
    (length, name)
}
