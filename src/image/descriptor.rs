//! What the tissue under a spot looks like, in numbers: amounts of stain and their texture.
//!
//! For each stain channel, in the spot and in the ring around it: the mean amount, its spread
//! (standard deviation) and the mean length of its gradient (central differences, per pixel). The
//! spot says what was sequenced; the ring says what it lies in, which a spot of a few pixels is
//! too small to show.

use ndarray::{Array2, Array3};
use rayon::prelude::*;

use super::stain::{CHANNELS, Stain};
use crate::base::{Error, Result, interrupt};

/// Outer diameter of the ring, in diameters of a spot: on a Visium slide (spots of 55 um, 100 um
/// apart) it reaches half-way into the next spots.
const RING: f64 = 3.0;

/// A window is at least this many pixels across: below, spread and gradient say nothing.
pub const LEAST_DIAMETER_PX: f64 = 3.0;

const STATISTICS: [&str; 3] = ["mean", "spread", "gradient"];
const WINDOWS: [&str; 2] = ["spot", "ring"];

/// Names of the features in order, as in "spot_eosin_gradient".
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for window in WINDOWS {
        for channel in CHANNELS {
            names.extend(STATISTICS.map(|statistic| format!("{window}_{channel}_{statistic}")));
        }
    }
    names
}

/// Describes the tissue at `centers` (x, y), in pixels of `pixels`; the centre of the first pixel
/// is (0, 0).
///
/// Windows are discs with soft rims: a pixel that the rim cuts counts in part. At the image's
/// border they are clipped. A diameter below [`LEAST_DIAMETER_PX`] is raised to it.
///
/// # Shapes
/// `pixels` [height, width, 3]; `centers` [N]; returns [N, F] with F the length of [`names`].
///
/// # Errors
/// What [`Stain::of`] refuses; a diameter that is not positive; a centre outside the image.
pub fn describe(
    pixels: &Array3<u8>,
    centers: &[[f64; 2]],
    diameter_px: f64,
) -> Result<Array2<f64>> {
    let doing = "describing the tissue under the spots";
    if !(diameter_px.is_finite() && diameter_px > 0.0) {
        return Err(Error::new(doing)
            .expected("a spot diameter above 0 px")
            .found(format!("{diameter_px}")));
    }
    let stain = Stain::of(pixels)?;
    let (height, width, _) = pixels.dim();
    let inside = |v: f64, size: usize| v >= -0.5 && v <= size as f64 - 0.5;
    if let Some(i) = centers.iter().position(|c| !(inside(c[0], width) && inside(c[1], height))) {
        let [x, y] = centers[i];
        let outside =
            centers.iter().filter(|c| !(inside(c[0], width) && inside(c[1], height))).count();
        return Err(Error::new(doing)
            .expected(format!("spots inside the image of {width} x {height} px (width x height)"))
            .found(format!("spot {i} at x = {x:.1}, y = {y:.1} px, and {outside} such spots in all"))
            .advice("Are the coordinates in full-resolution pixels, x before y, and do the scale factors belong to this image?"));
    }
    let radius = diameter_px.max(LEAST_DIAMETER_PX) / 2.0;
    let rows: Vec<Vec<f64>> = centers
        .par_iter()
        .map(|&center| {
            interrupt::check(doing)?;
            Ok(describe_one(pixels, &stain, center, radius))
        })
        .collect::<Result<_>>()?;
    let features = WINDOWS.len() * CHANNELS.len() * STATISTICS.len();
    Ok(Array2::from_shape_fn((centers.len(), features), |(i, f)| rows[i][f]))
}

/// Sums of one channel in one window, weighted by how much of a pixel the window holds.
#[derive(Clone, Copy, Default)]
struct Sums {
    weight: f64,
    value: f64,
    square: f64,
    gradient: f64,
}

fn describe_one(pixels: &Array3<u8>, stain: &Stain, [cx, cy]: [f64; 2], radius: f64) -> Vec<f64> {
    let (height, width, _) = pixels.dim();
    let outer = radius * RING;
    let span = |c: f64, size: usize| {
        let low = (c - outer - 0.5).floor().max(0.0) as usize;
        let high = ((c + outer + 0.5).ceil() as usize + 1).min(size);
        low..high.max(low + 1)
    };
    let (xs, ys) = (span(cx, width), span(cy, height));
    // One pixel more on each side, where there is one, for the central differences.
    let (x0, y0) = (xs.start.saturating_sub(1), ys.start.saturating_sub(1));
    let (x1, y1) = ((xs.end + 1).min(width), (ys.end + 1).min(height));
    let across = x1 - x0;
    let mut amounts = Vec::with_capacity(across * (y1 - y0));
    for y in y0..y1 {
        for x in x0..x1 {
            amounts.push(stain.amounts([pixels[[y, x, 0]], pixels[[y, x, 1]], pixels[[y, x, 2]]]));
        }
    }
    let at = |y: usize, x: usize| &amounts[(y - y0) * across + (x - x0)];
    // Sums are of differences from one pixel's amounts, or the squares would cancel badly.
    let origin = *at(
        (cy.round().max(0.0) as usize).min(height - 1),
        (cx.round().max(0.0) as usize).min(width - 1),
    );

    let mut sums = [[Sums::default(); CHANNELS.len()]; WINDOWS.len()];
    for y in ys {
        let (up, down) = (y.saturating_sub(1), (y + 1).min(height - 1));
        for x in xs.clone() {
            let distance = (x as f64 - cx).hypot(y as f64 - cy);
            let spot = (radius + 0.5 - distance).clamp(0.0, 1.0);
            let ring = (outer + 0.5 - distance).clamp(0.0, 1.0) - spot;
            if spot + ring <= 0.0 {
                continue;
            }
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            for channel in 0..CHANNELS.len() {
                let slope = |a: &[f64; 3], b: &[f64; 3], steps: usize| {
                    (b[channel] - a[channel]) / steps.max(1) as f64
                };
                let gradient = slope(at(y, left), at(y, right), right - left).hypot(slope(
                    at(up, x),
                    at(down, x),
                    down - up,
                ));
                let value = at(y, x)[channel] - origin[channel];
                for (window, weight) in [spot, ring].into_iter().enumerate() {
                    let s = &mut sums[window][channel];
                    s.weight += weight;
                    s.value += weight * value;
                    s.square += weight * value * value;
                    s.gradient += weight * gradient;
                }
            }
        }
    }
    let mut features = Vec::with_capacity(WINDOWS.len() * CHANNELS.len() * STATISTICS.len());
    for window in &sums {
        for (channel, s) in window.iter().enumerate() {
            // The ring is empty only when the whole image is smaller than the spot.
            let s = if s.weight > 0.0 { s } else { &sums[0][channel] };
            let mean = s.value / s.weight;
            let spread = (s.square / s.weight - mean * mean).max(0.0).sqrt();
            features.extend([origin[channel] + mean, spread, s.gradient / s.weight]);
        }
    }
    features
}
