//! Scenes into png and svg, through plotters.
//!
//! plotters draws at whole pixels; so the bitmap is drawn three times larger and averaged down,
//! and the svg is drawn in quarters of a unit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{self, PngEncoder};
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontDesc, FontFamily, FontStyle, RGBAColor, RGBColor, ShapeStyle, TextStyle,
};

use super::colour::Colour;
use super::scene::{Anchor, Mark, Scene, WIDTH, start};
use super::text;
use crate::base::{Error, Result, interrupt};

const DOING: &str = "drawing a figure";
/// In svg, a group of more marks than this becomes one picture: readers choke on more.
const MOST_VECTOR_MARKS: usize = 5000;
/// Pixels a unit of such a picture.
const PICTURE_DENSITY: f64 = 2.0;
/// Steps a unit of the svg's whole-number coordinates.
const SVG_STEPS: f64 = 4.0;
/// plotters writes a font size of `size / 1.24` into svg and puts the baseline 0.76 em below.
const SVG_FONT: f64 = 1.24;
const SVG_BASELINE: f64 = 0.76;

fn failed(e: impl std::fmt::Display) -> Error {
    Error::new(DOING).found(e.to_string())
}

/// The scene as a bitmap `width` pixels wide.
pub fn bitmap(scene: &Scene, width: u32) -> Result<RgbImage> {
    let height = pixels(scene.height * f64::from(width) / WIDTH);
    raster(&scene.marks, (0.0, 0.0), f64::from(width) / WIDTH, (width, height))
}

fn pixels(v: f64) -> u32 {
    v.round().max(1.0) as u32
}

/// Marks drawn with `origin` at the top left and `scale` pixels a unit.
fn raster(marks: &[Mark], origin: (f64, f64), scale: f64, (w, h): (u32, u32)) -> Result<RgbImage> {
    let finer = if w.max(h) <= 3000 {
        3
    } else if w.max(h) <= 6000 {
        2
    } else {
        1
    };
    let mut canvas = RgbImage::from_pixel(w * finer, h * finer, image::Rgb([255; 3]));
    let scale = scale * f64::from(finer);
    let place = |(x, y): (f64, f64)| ((x - origin.0) * scale, (y - origin.1) * scale);
    paint(marks, &mut canvas, &place, scale)?;
    Ok(if finer == 1 { canvas } else { average(&canvas, finer) })
}

/// Plain marks go through plotters; text and pictures go straight into the pixels.
fn paint(
    marks: &[Mark],
    canvas: &mut RgbImage,
    place: &dyn Fn((f64, f64)) -> (f64, f64),
    scale: f64,
) -> Result<()> {
    let size = canvas.dimensions();
    for mark in marks {
        interrupt::check(DOING)?;
        match mark {
            Mark::Group { marks, .. } => paint(marks, canvas, place, scale)?,
            Mark::Picture { x, y, w, h, image } => {
                let (x0, y0) = place((*x, *y));
                let (w, h) = (pixels(w * scale), pixels(h * scale));
                let fitted = imageops::resize(image, w, h, FilterType::CatmullRom);
                imageops::replace(canvas, &fitted, x0.round() as i64, y0.round() as i64);
            }
            Mark::Text { x, y, em, anchor, colour, text } => {
                let at = place((start(*x, *em, *anchor, text), *y));
                text::draw(canvas, text, em * scale, at, *colour);
            }
            _ => {
                let mut backend = BitMapBackend::with_buffer(canvas.as_mut(), size);
                shape(mark, &mut backend, place, scale)?;
            }
        }
    }
    Ok(())
}

/// Draws one mark that is neither text nor picture.
fn shape<B: DrawingBackend>(
    mark: &Mark,
    backend: &mut B,
    place: &dyn Fn((f64, f64)) -> (f64, f64),
    scale: f64,
) -> Result<()> {
    let at = |x: f64, y: f64| {
        let (x, y) = place((x, y));
        (x.round() as i32, y.round() as i32)
    };
    match mark {
        Mark::Rect { x, y, w, h, colour } => {
            let ((x0, y0), (x1, y1)) = (at(*x, *y), at(x + w, y + h));
            // plotters fills both corners' pixels.
            backend
                .draw_rect(
                    (x0, y0),
                    ((x1 - 1).max(x0), (y1 - 1).max(y0)),
                    &style(*colour, 1.0, 1),
                    true,
                )
                .map_err(failed)
        }
        Mark::Disc { x, y, r, colour, opacity } => {
            let radius = (r * scale).round().max(1.0) as u32;
            backend
                .draw_circle(at(*x, *y), radius, &style(*colour, *opacity, 1), true)
                .map_err(failed)
        }
        Mark::Line { points, width, colour } => {
            let stroke = (width * scale).round().max(1.0) as u32;
            backend
                .draw_path(points.iter().map(|&(x, y)| at(x, y)), &style(*colour, 1.0, stroke))
                .map_err(failed)
        }
        Mark::Polygon { points, colour } => backend
            .fill_polygon(points.iter().map(|&(x, y)| at(x, y)), &style(*colour, 1.0, 1))
            .map_err(failed),
        Mark::Text { .. } | Mark::Picture { .. } | Mark::Group { .. } => Ok(()),
    }
}

fn style(Colour([r, g, b]): Colour, opacity: f64, stroke_width: u32) -> ShapeStyle {
    ShapeStyle { color: RGBAColor(r, g, b, opacity), filled: true, stroke_width }
}

/// Means of squares of `n` x `n` pixels.
fn average(image: &RgbImage, n: u32) -> RgbImage {
    let (w, h) = (image.width() / n, image.height() / n);
    let stride = image.width() as usize * 3;
    let raw = image.as_raw();
    RgbImage::from_fn(w, h, |x, y| {
        let mut sums = [0_u32; 3];
        for dy in 0..n {
            let row = (y * n + dy) as usize * stride + (x * n) as usize * 3;
            for pixel in raw[row..row + n as usize * 3].chunks_exact(3) {
                for k in 0..3 {
                    sums[k] += u32::from(pixel[k]);
                }
            }
        }
        image::Rgb(sums.map(|s| ((s + n * n / 2) / (n * n)) as u8))
    })
}

/// The bytes of a png file.
pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Flat colours compress best as they are: half of what the default makes of a map.
    PngEncoder::new_with_quality(
        &mut bytes,
        png::CompressionType::Default,
        png::FilterType::NoFilter,
    )
    .write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)
    .map_err(|e| Error::io("encoding a png", e))?;
    Ok(bytes)
}

/// The scene as svg, `width` pixels wide.
pub fn svg(scene: &Scene, width: u32) -> Result<String> {
    let size = (pixels(WIDTH * SVG_STEPS), pixels(scene.height * SVG_STEPS));
    let mut pictures = String::new();
    let mut body = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut body, size);
        vectors(&scene.marks, &mut backend, &mut pictures)?;
        backend.present().map_err(failed)?;
    }
    // plotters' first line is the opening tag; ours says the size in pixels and puts white and the
    // pictures, which plotters cannot embed, underneath everything.
    let drawn = body.split_once('\n').map_or("", |(_, rest)| rest);
    let height = pixels(scene.height * f64::from(width) / WIDTH);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{pictures}{drawn}",
        size.0, size.1
    ))
}

fn vectors(marks: &[Mark], backend: &mut SVGBackend<'_>, pictures: &mut String) -> Result<()> {
    let place = |(x, y): (f64, f64)| (x * SVG_STEPS, y * SVG_STEPS);
    for mark in marks {
        interrupt::check(DOING)?;
        match mark {
            Mark::Group { x, y, w, h, marks } if marks.len() > MOST_VECTOR_MARKS => {
                let size = (pixels(w * PICTURE_DENSITY), pixels(h * PICTURE_DENSITY));
                let image = raster(marks, (*x, *y), PICTURE_DENSITY, size)?;
                embed(pictures, (*x, *y, *w, *h), &image)?;
            }
            Mark::Group { marks, .. } => vectors(marks, backend, pictures)?,
            Mark::Picture { x, y, w, h, image } => embed(pictures, (*x, *y, *w, *h), image)?,
            Mark::Text { x, y, em, anchor, colour: Colour([r, g, b]), text } => {
                let h_pos = match anchor {
                    Anchor::Start => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::End => HPos::Right,
                };
                let font = FontDesc::new(
                    FontFamily::SansSerif,
                    em * SVG_STEPS * SVG_FONT,
                    FontStyle::Normal,
                );
                let ink = RGBColor(*r, *g, *b);
                let style = TextStyle::from(font).color(&ink).pos(Pos::new(h_pos, VPos::Top));
                let (x, y) = place((*x, y - SVG_BASELINE * em));
                backend
                    .draw_text(text, &style, (x.round() as i32, y.round() as i32))
                    .map_err(failed)?;
            }
            _ => shape(mark, backend, &place, SVG_STEPS)?,
        }
    }
    Ok(())
}

fn embed(
    pictures: &mut String,
    (x, y, w, h): (f64, f64, f64, f64),
    image: &RgbImage,
) -> Result<()> {
    let data = STANDARD.encode(png(image)?);
    let [x, y, w, h] = [x, y, w, h].map(|v| v * SVG_STEPS);
    pictures.push_str(&format!(
        "<image x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" preserveAspectRatio=\"none\" xlink:href=\"data:image/png;base64,{data}\"/>\n"
    ));
    Ok(())
}
