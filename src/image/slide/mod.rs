//! Slides: images too large for memory, read by region and level.
//!
//! `ifd` walks the directories of a TIFF file, `page` reads one of its images chunk by chunk
//! (`chunk` decodes), `pyramid` makes levels, channels and focal planes of them, `ome` reads OME-XML;
//! `plain` is a PNG or JPEG. Nothing but the chunks in hand and the result is in memory.

mod chunk;
mod ifd;
mod ome;
mod page;
mod plain;
mod pyramid;
mod read;
mod sniff;

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, files, memory};
use page::Grid;
use plain::Whole;
use pyramid::Pyramid;
pub use read::View;
use sniff::Kind;

/// A slide that is open; its pixels stay in the file.
pub struct Slide {
    path: PathBuf,
    format: &'static str,
    compression: String,
    levels: Vec<Level>,
    pixel_size_um: Option<[f64; 2]>,
    names: Vec<String>,
    focal_planes: usize,
    channels: usize,
    bits: u8,
    content: Content,
}

enum Content {
    Pyramid(Pyramid),
    Whole(Whole),
}

/// One resolution of a slide; level 0 is the full one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Level {
    pub width: usize,
    pub height: usize,
    /// Full-resolution pixels a pixel of this level.
    pub downsample: f64,
}

/// A rectangle of one level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegionConfig {
    /// The level, 0 for the full resolution.
    pub level: usize,
    /// Left edge, in pixels of the level.
    pub x: usize,
    /// Upper edge, in pixels of the level.
    pub y: usize,
    /// Width in pixels of the level, at least 1.
    pub width: usize,
    /// Height in pixels of the level, at least 1.
    pub height: usize,
    /// The channel of a slide of several stains, counted from 0.
    pub channel: usize,
    /// The focal plane of a stack, counted from 0.
    pub z: usize,
}

/// What a thumbnail shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ThumbnailConfig {
    /// The channel of a slide of several stains, counted from 0.
    pub channel: usize,
    /// The focal plane of a stack; without it the middle one.
    pub z: Option<usize>,
    /// Only this part of the slide: x, y, width and height in full-resolution pixels.
    pub window: Option<[f64; 4]>,
}

impl Slide {
    /// Opens a slide; only what describes it is read. What it is, is seen from its first bytes.
    ///
    /// # Errors
    /// No file there; a format or a compression that is not read, by name, with how to convert it;
    /// a damaged file.
    pub fn open(path: &Path) -> Result<Self> {
        files::exists(path)?;
        let kind = sniff::sniff(path)?;
        if kind == Kind::Tiff {
            return Self::of_pyramid(path, Pyramid::open(path)?);
        }
        let whole = Whole::open(path)?;
        let (width, height) = (whole.width, whole.height);
        Ok(Self {
            path: path.into(),
            format: if kind == Kind::Png { "PNG" } else { "JPEG" },
            compression: String::new(),
            levels: vec![Level { width, height, downsample: 1.0 }],
            pixel_size_um: None,
            names: vec![if whole.channels == 3 { "RGB".into() } else { "grey".into() }],
            focal_planes: 1,
            channels: whole.channels,
            bits: whole.bits,
            content: Content::Whole(whole),
        })
    }

    fn of_pyramid(path: &Path, pyramid: Pyramid) -> Result<Self> {
        let grids: Vec<Grid> =
            (0..pyramid.levels()).map(|l| pyramid.grid(l)).collect::<Result<_>>()?;
        let base = grids.first().map_or((1, 1), |g| (g.width, g.height));
        let level = |g: &Grid| Level {
            width: g.width,
            height: g.height,
            downsample: (base.0 as f64 / g.width as f64 + base.1 as f64 / g.height as f64) / 2.0,
        };
        let (channels, bits) = pyramid.pixel();
        Ok(Self {
            path: path.into(),
            format: pyramid.format,
            compression: pyramid.compression(),
            levels: grids.iter().map(level).collect(),
            pixel_size_um: pyramid.pixel_size_um,
            names: pyramid.channels.clone(),
            focal_planes: pyramid.z,
            channels,
            bits,
            content: Content::Pyramid(pyramid),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Width of the full resolution.
    pub fn width(&self) -> usize {
        self.levels.first().map_or(0, |l| l.width)
    }

    /// Height of the full resolution.
    pub fn height(&self) -> usize {
        self.levels.first().map_or(0, |l| l.height)
    }

    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Micrometres a full-resolution pixel, across and down, where the file says.
    pub fn pixel_size_um(&self) -> Option<[f64; 2]> {
        self.pixel_size_um
    }

    /// The mean of both where they are known.
    pub fn um_per_px(&self) -> Option<f64> {
        self.pixel_size_um.map(|[x, y]| (x + y) / 2.0)
    }

    /// "RGB", or the names of the stains.
    pub fn channels(&self) -> &[String] {
        &self.names
    }

    /// How many focal planes a stack has.
    pub fn focal_planes(&self) -> usize {
        self.focal_planes
    }

    /// Bits of one value, 8 or 16.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    fn level(&self, doing: &str, level: usize) -> Result<Level> {
        self.levels.get(level).copied().ok_or_else(|| {
            Error::new(doing)
                .expected(format!(
                    "a level from 0, the full resolution, to {}",
                    self.levels.len() - 1
                ))
                .found(format!("level {level}"))
                .advice(if self.levels.len() == 1 {
                    "This file holds one resolution only".into()
                } else {
                    let sizes = self.levels.iter().map(|l| format!("{} x {}", l.width, l.height));
                    format!("Levels: {}", sizes.collect::<Vec<_>>().join(", "))
                })
        })
    }
}

impl fmt::Debug for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        write!(f, "Slide {name}, {} x {} px, {}", self.width(), self.height(), self.format)?;
        let kind = if self.channels == 3 { "RGB" } else { "grey" };
        write!(f, ", {}-bit {kind}", self.bits)?;
        if !self.compression.is_empty() {
            write!(f, ", {}", self.compression)?;
        }
        writeln!(f)?;
        match self.pixel_size_um {
            Some([x, y]) if (x - y).abs() < 1e-6 * x => writeln!(f, "  pixel     {x:.4} um")?,
            Some([x, y]) => writeln!(f, "  pixel     {x:.4} x {y:.4} um")?,
            None => writeln!(f, "  pixel     size unknown: the file does not say")?,
        }
        for (i, l) in self.levels.iter().enumerate() {
            let label = if i == 0 { "levels" } else { "" };
            write!(f, "  {label:<8}  {i}: {} x {} px", l.width, l.height)?;
            writeln!(f, ", 1/{:.4}", l.downsample)?;
        }
        if self.channels == 1 && self.names.len() > 1 {
            writeln!(f, "  channels  {}", self.names.join(", "))?;
        }
        if self.focal_planes > 1 {
            writeln!(f, "  focal     {} planes", self.focal_planes)?;
        }
        if let Content::Whole(w) = &self.content {
            let bytes = w.width * w.height * w.channels * usize::from(w.bits / 8);
            let bytes = memory::human(bytes as u64);
            writeln!(f, "  memory    {bytes}: a {} is decoded whole", self.format)?;
        }
        Ok(())
    }
}
