//! A PNG or JPEG: one level, decoded whole when its pixels are first asked for.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use image::{ColorType, DynamicImage, ImageDecoder, ImageReader, Limits};

use super::super::{Raster, Samples};
use crate::base::{Error, Result, interrupt, memory};

/// Bytes of pixels beyond which a picture must be a pyramid. The largest JPEG, 65,535 px a side,
/// would be four times this.
const MOST_BYTES: u64 = 3 << 30;
/// No png or jpeg packs tighter (deflate reaches 1032).
const MOST_PACKED: u64 = 1040;

/// Size and kind of a picture, and its pixels once they were needed.
pub(super) struct Whole {
    path: PathBuf,
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    pub bits: u8,
    pixels: OnceLock<Arc<Raster>>,
}

impl Whole {
    /// Reads the header.
    ///
    /// # Errors
    /// Another kind of file; more pixels than are held in memory at once.
    pub fn open(path: &Path) -> Result<Self> {
        let doing = || format!("opening the slide {}", path.display());
        let length = std::fs::metadata(path).map_err(|e| Error::io(doing(), e))?.len();
        let decoder = decoder(path)?;
        let (width, height) = decoder.dimensions();
        let colour = decoder.color_type();
        let channels = if colour.has_color() { 3 } else { 1 };
        let bits = if colour == ColorType::L16 { 16 } else { 8 };
        let bytes = decoder.total_bytes();
        if width == 0 || height == 0 || bytes > length.saturating_mul(MOST_PACKED) {
            return Err(Error::new(doing())
                .expected("pixels that the file can hold")
                .found(format!("{width} x {height} px in {length} bytes"))
                .advice("The file is damaged or was not copied whole"));
        }
        if bytes > MOST_BYTES {
            return Err(Error::new(doing())
                .expected(format!(
                    "at most {} of pixels in a file that must be decoded whole",
                    memory::human(MOST_BYTES)
                ))
                .found(format!("{width} x {height} px, {}", memory::human(bytes)))
                .advice("Make a pyramid of it, which is read by parts: `vips tiffsave in.jpg out.tif --tile --pyramid --bigtiff --compression jpeg`"));
        }
        let (width, height) = (width as usize, height as usize);
        Ok(Self { path: path.into(), width, height, channels, bits, pixels: OnceLock::new() })
    }

    pub fn pixels(&self) -> Result<Arc<Raster>> {
        if let Some(pixels) = self.pixels.get() {
            return Ok(pixels.clone());
        }
        let doing = format!("decoding {}", self.path.display());
        let bytes = self.width * self.height * self.channels * usize::from(self.bits / 8);
        // Beside the pixels a decoder holds a copy of them in another order, at the worst.
        memory::require(
            &doing,
            2 * bytes as u64,
            "Make a pyramidal TIFF of it, which is read by parts",
        )?;
        let (path, kind) = (self.path.clone(), (self.channels, self.bits));
        let cut = Error::new(&doing)
            .expected("a JPEG up to its end")
            .found("none of its end")
            .advice("The file is cut short: copy it anew");
        let decoded = interrupt::abandonable(&doing, move || {
            if is_cut(&path)? {
                return Err(cut);
            }
            Ok(DynamicImage::from_decoder(decoder(&path)?).map(|decoded| match kind {
                (1, 16) => Samples::Words(decoded.into_luma16().into_raw()),
                (1, _) => Samples::Bytes(decoded.into_luma8().into_raw()),
                _ => Samples::Bytes(decoded.into_rgb8().into_raw()),
            }))
        });
        let samples = decoded?.map_err(|e| Error::io(&doing, e))?;
        let Self { width, height, channels, .. } = *self;
        Ok(self
            .pixels
            .get_or_init(|| Arc::new(Raster { width, height, channels, samples }))
            .clone())
    }
}

/// Whether a JPEG lacks its end; its decoder would fill the rest with grey. Among pixels FF stands before 00
/// and markers only, so that FF D9 behind their beginning is the end (ITU-T T.81, B.1.1).
fn is_cut(path: &Path) -> Result<bool> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return Ok(false);
    }
    // Segments before the pixels may hold small pictures with ends of their own: their lengths lead over them.
    let mut at = 2;
    loop {
        match bytes.get(at..at + 4) {
            Some([0xFF, 0xDA, ..]) => break,
            Some([0xFF, 0xFF, ..]) => at += 1,
            Some([0xFF, _, high, low]) => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
            // What is no segment is for the decoder to refuse.
            Some(_) => return Ok(false),
            None => return Ok(true),
        }
    }
    Ok(bytes[at..].windows(2).rposition(|w| w == [0xFF, 0xD9]).is_none())
}

fn decoder(path: &Path) -> Result<impl ImageDecoder + use<>> {
    let failed = |e: image::ImageError| {
        Error::io(format!("opening the slide {}", path.display()), e)
            .advice("The file is damaged or was not copied whole")
    };
    let file = File::open(path)
        .map_err(|e| Error::io(format!("opening the slide {}", path.display()), e))?;
    let mut reader = ImageReader::new(BufReader::new(file))
        .with_guessed_format()
        .map_err(|e| failed(e.into()))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * MOST_BYTES);
    reader.limits(limits);
    reader.into_decoder().map_err(failed)
}
