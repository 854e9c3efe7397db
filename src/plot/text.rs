//! The one typeface: how wide text is, and its shape in a bitmap.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, ScaleFont};
use image::RgbImage;

use super::colour::Colour;

/// Ubuntu Light; `None` cannot happen with the bytes that the crate carries.
fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).ok()).as_ref()
}

/// ab_glyph scales a font by its height from descent to ascent; we speak of ems.
fn scale(font: &FontRef<'_>, em: f64) -> f32 {
    let units = f64::from(font.units_per_em().unwrap_or(1000.0));
    (em * f64::from(font.height_unscaled()) / units) as f32
}

/// Width of `text` set at `em` pixels an em.
pub fn width(text: &str, em: f64) -> f64 {
    let Some(font) = font() else { return em * 0.55 * text.chars().count() as f64 };
    let scaled = font.as_scaled(scale(font, em));
    text.chars().map(|c| f64::from(scaled.h_advance(scaled.glyph_id(c)))).sum()
}

/// Room to leave for `text`: an svg is shown in whatever typeface the reader has, and the common
/// ones run a fifth wider than ours.
pub fn room(text: &str, em: f64) -> f64 {
    1.2 * width(text, em)
}

/// `text`, or as much of it as fits into `room` with an ellipsis.
pub fn fit(text: &str, em: f64, room: f64) -> String {
    let fits = |text: &str| self::room(text, em) <= room + 1e-6;
    if fits(text) {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let shorter = format!("{}…", kept.iter().collect::<String>().trim_end());
        if fits(&shorter) {
            return shorter;
        }
    }
    "…".into()
}

/// Blends `text` into `image` with its baseline starting at (x, y).
pub fn draw(image: &mut RgbImage, text: &str, em: f64, (x, y): (f64, f64), Colour(ink): Colour) {
    let Some(font) = font() else { return };
    let size = scale(font, em);
    let scaled = font.as_scaled(size);
    let mut pen = x as f32;
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        let glyph = id.with_scale_and_position(size, ab_glyph::point(pen, y as f32));
        pen += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|gx, gy, cover| {
            let (px, py) = (corner.x as i64 + i64::from(gx), corner.y as i64 + i64::from(gy));
            let inside = (0..i64::from(image.width())).contains(&px)
                && (0..i64::from(image.height())).contains(&py);
            if inside {
                let pixel = image.get_pixel_mut(px as u32, py as u32);
                for (p, i) in pixel.0.iter_mut().zip(ink) {
                    *p = (f32::from(*p) + cover.min(1.0) * (f32::from(i) - f32::from(*p))).round()
                        as u8;
                }
            }
        });
    }
}
