//! Pixels in memory, as an image file holds them.

use std::path::Path;

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use ndarray::Array3;

use crate::base::{Error, Result, files, memory};

/// Parts of the values that a stretched picture shows as black and as white.
const DARK: f64 = 0.001;
const LIGHT: f64 = 0.999;

/// A rectangle of pixels: red, green and blue, or grey, which may have 16 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    pub width: usize,
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Row by row, the channels of a pixel side by side.
    pub samples: Samples,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

impl Raster {
    /// All pixels as a slide shows them where nothing was scanned: white in colour, black in grey.
    pub fn blank(width: usize, height: usize, channels: usize, bits: u8) -> Self {
        let n = width * height * channels;
        let samples = match (bits, channels) {
            (16, _) => Samples::Words(vec![0; n]),
            (_, 1) => Samples::Bytes(vec![0; n]),
            _ => Samples::Bytes(vec![255; n]),
        };
        Self { width, height, channels, samples }
    }

    pub fn bits(&self) -> u8 {
        match self.samples {
            Samples::Bytes(_) => 8,
            Samples::Words(_) => 16,
        }
    }

    /// One value; 0 outside.
    pub fn get(&self, x: usize, y: usize, channel: usize) -> u16 {
        if x >= self.width || channel >= self.channels {
            return 0;
        }
        let at = (y * self.width + x) * self.channels + channel;
        match &self.samples {
            Samples::Bytes(v) => v.get(at).copied().map_or(0, u16::from),
            Samples::Words(v) => v.get(at).copied().unwrap_or(0),
        }
    }

    /// The values of a pixel.
    ///
    /// # Errors
    /// A place outside.
    pub fn pixel(&self, x: i64, y: i64) -> Result<Vec<i64>> {
        let at = (usize::try_from(x).ok(), usize::try_from(y).ok());
        match at {
            (Some(x), Some(y)) if x < self.width && y < self.height => {
                Ok((0..self.channels).map(|k| i64::from(self.get(x, y, k))).collect())
            }
            _ => Err(Error::new("looking up a pixel")
                .expected(format!("a place within {} x {} px", self.width, self.height))
                .found(format!("({x}, {y})"))),
        }
    }

    /// Copies what `from` shares with this raster when its first pixel lies at (x, y) here. Both
    /// have the same channels and bits; otherwise nothing is copied.
    pub(crate) fn paste(&mut self, from: &Raster, x: i64, y: i64) {
        let (c, to_width) = (self.channels, self.width);
        if from.channels != c {
            return;
        }
        // The first column and row of each that is shared, and how many are.
        let share = |at: i64, from: usize, to: usize| {
            let (skip, start) = ((-at).max(0) as usize, at.max(0) as usize);
            (skip, start, from.saturating_sub(skip).min(to.saturating_sub(start)))
        };
        let (sx, dx, w) = share(x, from.width, self.width);
        let (sy, dy, h) = share(y, from.height, self.height);
        for row in 0..h {
            let s = ((sy + row) * from.width + sx) * c;
            let d = ((dy + row) * to_width + dx) * c;
            match (&mut self.samples, &from.samples) {
                (Samples::Bytes(to), Samples::Bytes(from)) => copy(to, d, from, s, w * c),
                (Samples::Words(to), Samples::Words(from)) => copy(to, d, from, s, w * c),
                _ => return,
            }
        }
    }

    /// Eight bits a value, to look at: grey is spread so that all but the darkest and the brightest
    /// thousandth of the pixels lie between black and white. Colour stays as it is.
    pub fn stretched(&self) -> Raster {
        let values: Box<dyn Iterator<Item = u16>> = match &self.samples {
            _ if self.channels != 1 => return self.clone(),
            Samples::Bytes(v) => Box::new(v.iter().map(|&v| u16::from(v))),
            Samples::Words(v) => Box::new(v.iter().copied()),
        };
        let mut counts = vec![0_usize; 1 << 16];
        let mut n = 0_usize;
        for v in values {
            counts[usize::from(v)] += 1;
            n += 1;
        }
        let at = |part: f64| {
            let rank = ((n as f64 * part) as usize).min(n.saturating_sub(1));
            let mut seen = 0;
            counts.iter().position(|&n| {
                seen += n;
                seen > rank
            })
        };
        let (low, high) = (at(DARK).unwrap_or(0) as f64, at(LIGHT).unwrap_or(0) as f64);
        let span = (high - low).max(1.0);
        let byte = |v: f64| ((v - low) / span * 255.0).round().clamp(0.0, 255.0) as u8;
        let bytes = match &self.samples {
            Samples::Bytes(v) => v.iter().map(|&v| byte(f64::from(v))).collect(),
            Samples::Words(v) => v.iter().map(|&v| byte(f64::from(v))).collect(),
        };
        Raster { samples: Samples::Bytes(bytes), ..*self }
    }

    /// Red, green and blue of eight bits, [height, width, 3]; grey is [stretched](Self::stretched).
    pub fn rgb(&self) -> Array3<u8> {
        let bytes = self.stretched();
        let last = self.channels - 1;
        Array3::from_shape_fn((self.height, self.width, 3), |(y, x, k)| {
            bytes.get(x, y, k.min(last)) as u8
        })
    }

    /// The bytes of a png file, with the values as they are: 16-bit grey stays 16-bit grey.
    pub fn png(&self) -> Result<Vec<u8>> {
        use image::ExtendedColorType::{L8, L16, Rgb8};
        let mut out = Vec::new();
        let encoder = PngEncoder::new(&mut out);
        let (w, h) = (self.width as u32, self.height as u32);
        match (&self.samples, self.channels) {
            (Samples::Bytes(v), 1) => encoder.write_image(v, w, h, L8),
            (Samples::Bytes(v), _) => encoder.write_image(v, w, h, Rgb8),
            (Samples::Words(v), _) => {
                let bytes: Vec<u8> = v.iter().flat_map(|w| w.to_ne_bytes()).collect();
                encoder.write_image(&bytes, w, h, L16)
            }
        }
        .map_err(|e| Error::io("encoding a png", e))?;
        Ok(out)
    }

    /// Writes a png file, whole or not at all.
    ///
    /// # Errors
    /// Another extension than `.png`; a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
            return files::write(path, self.png()?);
        }
        Err(Error::new(format!("saving a picture as {}", path.display()))
            .expected("a name that ends in .png")
            .found(path.extension().map_or("no extension".into(), |e| format!("{e:?}"))))
    }
}

fn copy<T: Copy>(to: &mut [T], d: usize, from: &[T], s: usize, n: usize) {
    if let (Some(to), Some(from)) = (to.get_mut(d..d + n), from.get(s..s + n)) {
        to.copy_from_slice(from);
    }
}

impl std::fmt::Display for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.channels == 3 { "RGB" } else { "grey" };
        let bytes = self.width * self.height * self.channels * usize::from(self.bits() / 8);
        write!(
            f,
            "Picture {} x {} px, {}-bit {kind}, {}",
            self.width,
            self.height,
            self.bits(),
            memory::human(bytes as u64)
        )
    }
}
