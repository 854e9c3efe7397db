//! `Slide` and `Picture`: an image that stays in its file, and a part of it.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map};

use super::convert::{Outcome, parse};
use crate::base::Result;
use crate::image::{self, Raster, RegionConfig, ThumbnailConfig};
use crate::plot::Backdrop;

/// A handle; slides never change.
#[derive(Clone)]
pub(super) struct Slide(Rc<image::Slide>);

impl Slide {
    pub fn new(slide: image::Slide) -> Self {
        Self(Rc::new(slide))
    }

    pub fn core(&self) -> &image::Slide {
        &self.0
    }

    /// What a figure lays under positions.
    pub fn backdrop(
        &self,
        max_px: usize,
        channel: usize,
        window: Option<[f64; 4]>,
    ) -> Result<Backdrop> {
        let config = ThumbnailConfig { channel, window, ..ThumbnailConfig::default() };
        let view = self.0.thumbnail(max_px, &config)?;
        Ok(Backdrop {
            pixels: view.pixels.rgb(),
            window: view.window,
            size: [self.0.width() as f64, self.0.height() as f64],
            um_per_px: self.0.um_per_px(),
        })
    }
}

impl fmt::Display for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.to_string().trim_end())
    }
}

/// A handle; pictures never change.
#[derive(Clone)]
pub(super) struct Picture(Rc<Raster>);

impl Picture {
    fn new(raster: Raster) -> Self {
        Self(Rc::new(raster))
    }

    pub fn core(&self) -> &Raster {
        &self.0
    }

    /// As people look at it: grey is stretched.
    pub fn png(&self) -> Result<Vec<u8>> {
        self.0.stretched().png()
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; picture.save(\"name.png\") writes it", self.0)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// Width of the full resolution in pixels.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").width   // => 512
    /// ```
    #[rhai_fn(get = "width")]
    pub fn width(slide: &mut Slide) -> i64 {
        slide.0.width() as i64
    }

    /// Height of the full resolution in pixels.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").height  // => 512
    /// ```
    #[rhai_fn(get = "height")]
    pub fn height(slide: &mut Slide) -> i64 {
        slide.0.height() as i64
    }

    /// Micrometres a full-resolution pixel, `()` where the file does not say.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").pixel_size_um   // => 2.0
    /// ```
    #[rhai_fn(get = "pixel_size_um")]
    pub fn pixel_size_um(slide: &mut Slide) -> Dynamic {
        slide.0.um_per_px().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The levels from the full resolution on, each with `width`, `height` and `downsample`.
    ///
    /// ```rhai
    /// let slide = image::open("slide.ome.tif")
    /// slide.levels[1].width           // => 256
    /// ```
    #[rhai_fn(get = "levels", return_raw)]
    pub fn levels(slide: &mut Slide) -> Outcome<Array> {
        slide.0.levels().iter().map(rhai::serde::to_dynamic).collect()
    }

    /// "RGB", or the names of the stains.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").channels   // => ["RGB"]
    /// ```
    #[rhai_fn(get = "channels")]
    pub fn channels(slide: &mut Slide) -> Array {
        slide.0.channels().iter().cloned().map(Dynamic::from).collect()
    }

    /// The pixels of a rectangle of one level, as they are stored.
    ///
    /// ```rhai
    /// let slide = image::open("slide.ome.tif")
    /// let part = slide.region(#{ level: 0, x: 100, y: 50, width: 64, height: 32 })
    /// part.width                      // => 64
    /// ```
    ///
    /// Only the tiles that it touches are read. A rectangle that reaches outside the level is an
    /// error with both sizes.
    #[rhai_fn(return_raw)]
    pub fn region(slide: &mut Slide, options: Map) -> Outcome<Picture> {
        Ok(Picture::new(slide.0.region(&parse::<RegionConfig>(options, "region")?)?))
    }

    /// The slide with so many pixels on its longer side at the most, to look at.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").thumbnail(100).save("thumbnail.png")
    /// ```
    ///
    /// It is made of the smallest level that is large enough; grey is stretched to be seen.
    #[rhai_fn(return_raw)]
    pub fn thumbnail(slide: &mut Slide, max_px: i64, options: Map) -> Outcome<Picture> {
        let config = parse::<ThumbnailConfig>(options, "thumbnail")?;
        let view = slide.0.thumbnail(usize::try_from(max_px).unwrap_or(0), &config)?;
        Ok(Picture::new(view.pixels))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod pictures {
    /// Width in pixels.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").thumbnail(100).width    // => 100
    /// ```
    #[rhai_fn(get = "width")]
    pub fn width(picture: &mut Picture) -> i64 {
        picture.0.width as i64
    }

    /// Height in pixels.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").thumbnail(100).height   // => 100
    /// ```
    #[rhai_fn(get = "height")]
    pub fn height(picture: &mut Picture) -> i64 {
        picture.0.height as i64
    }

    /// The values of a pixel, one a channel.
    ///
    /// ```rhai
    /// let part = image::open("slide.ome.tif").region(#{ width: 4, height: 4 })
    /// part.at(0, 0).len()             // => 3
    /// ```
    ///
    /// A place outside the picture is an error.
    #[rhai_fn(return_raw)]
    pub fn at(picture: &mut Picture, x: i64, y: i64) -> Outcome<Array> {
        Ok(picture.0.pixel(x, y)?.into_iter().map(Dynamic::from).collect())
    }

    /// Writes a `.png` file with the values as they are, whole or not at all.
    ///
    /// ```rhai
    /// image::open("slide.ome.tif").region(#{ width: 64, height: 64 }).save("part.png")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(picture: &mut Picture, path: &str) -> Outcome<()> {
        Ok(picture.0.save(Path::new(path))?)
    }
}
