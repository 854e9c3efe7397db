//! What is looked at: figures, slides, pictures.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::Shown;
use super::html;
use super::work::lines;
use crate::base::{Error, Result};
use crate::image::{Raster, ThumbnailConfig};
use crate::plot;
use crate::script::output::Bundle;
use crate::script::plot::Figure;
use crate::script::slide::{Picture, Slide};

pub const VEGA: &str = "application/vnd.vegalite.v5+json";
/// Pixels of a figure's png a pixel of the page: screens show two where they say one.
const DENSITY: u32 = 2;
/// Pixels of a slide's thumbnail.
const THUMBNAIL: usize = 320;
/// A slide whose least level has more pixels is not read just to be shown.
const MOST_PIXELS: usize = 40_000_000;
/// A picture is no wider on the page.
const MOST_WIDTH: usize = 800;

/// All forms of a figure: Vega-Lite, or svg where there is too much for it, beside a png.
pub fn drawn(figure: &plot::Figure, text: &str) -> Result<Bundle> {
    let png = figure.to_png(None)?;
    let (width, height) = size(&png);
    let bundle = Bundle::text(text)
        .with("image/png", BASE64_STANDARD.encode(png))
        .described("image/png", json!({ "width": width / DENSITY, "height": height / DENSITY }));
    Ok(match figure.to_vega()? {
        Some(spec) => bundle.with(VEGA, spec),
        None => bundle.with("image/svg+xml", figure.to_svg_of(figure.width / DENSITY)?),
    })
}

/// Width and height, which stand at fixed places of a png.
fn size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| {
        png.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    (number(16), number(20))
}

impl Shown for Figure {
    /// The specification, from which the same figure can be drawn again.
    fn json(&self) -> Result<Value> {
        serde_json::to_value(self.core()).map_err(|e| Error::io("writing a figure as JSON", e))
    }

    fn bundle(&self) -> Result<Bundle> {
        drawn(self.core(), &self.to_string())
    }
}

impl Shown for Slide {
    fn json(&self) -> Result<Value> {
        let slide = self.core();
        Ok(json!({
            "path": slide.path(),
            "width": slide.width(),
            "height": slide.height(),
            "pixel_size_um": slide.pixel_size_um(),
            "bits": slide.bits(),
            "channels": slide.channels(),
            "focal_planes": slide.focal_planes(),
            "levels": slide.levels(),
        }))
    }

    fn bundle(&self) -> Result<Bundle> {
        let text = self.to_string();
        let least = self.core().levels().iter().map(|l| l.width * l.height).min().unwrap_or(0);
        let view = (least <= MOST_PIXELS)
            .then(|| self.core().thumbnail(THUMBNAIL, &ThumbnailConfig::default()).ok());
        let Some(view) = view.flatten() else {
            let advice = html::note("slide.thumbnail(1000) shows it; that reads a large image");
            let page = lines(&text, &advice);
            return Ok(Bundle::text(text).with("text/html", page));
        };
        let png = BASE64_STANDARD.encode(view.pixels.png()?);
        let page = lines(&text, &html::picture(&png, view.pixels.width as u32));
        Ok(Bundle::text(text).with("image/png", png).with("text/html", page))
    }
}

impl Shown for Picture {
    fn json(&self) -> Result<Value> {
        let Raster { width, height, channels, .. } = self.core();
        let bits = self.core().bits();
        Ok(json!({ "width": width, "height": height, "channels": channels, "bits": bits }))
    }

    fn bundle(&self) -> Result<Bundle> {
        let (w, h) = (self.core().width, self.core().height);
        let bundle =
            Bundle::text(self.to_string()).with("image/png", BASE64_STANDARD.encode(self.png()?));
        if w <= MOST_WIDTH {
            return Ok(bundle);
        }
        let shown = json!({ "width": MOST_WIDTH, "height": (h * MOST_WIDTH / w).max(1) });
        Ok(bundle.described("image/png", shown))
    }
}
