//! One tile or strip: from the bytes of the file to pixels.
//!
//! The `tiff` crate gets the bytes as a TIFF file of one strip, so that compression, predictors,
//! byte order and JPEG tables are its work; JPEG 2000 goes to `hayro-jpeg2000`. Both are handed only
//! what was seen to have the size that the slide says, because both allocate by what a header says.

use std::io::Cursor;

use hayro_jpeg2000 as jpeg2000;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use super::super::{Raster, Samples};
use crate::base::{Error, Result};

pub(super) const UNCOMPRESSED: u64 = 1;
const JPEG: u64 = 7;
const APERIO_YCBCR: u64 = 33003;
const APERIO_RGB: u64 = 33005;
const JPEG_2000: u64 = 34712;

const RGB: u64 = 2;
const YCBCR: u64 = 6;

/// A tile is no larger than this when decoded; instruments write 256 to 2048 px.
pub(super) const MOST_BYTES: u64 = 1 << 28;
/// No method packs tighter, but for JPEG 2000; a chunk that claims to is damaged.
const MOST_PACKED: u64 = 4096;
/// JPEG 2000 is decoded through floats, several a pixel.
const MOST_JPEG_2000: u64 = 1 << 26;

/// How the pixels of a page are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coding {
    pub compression: u64,
    pub photometric: u64,
    pub predictor: u64,
    /// Of a pixel as stored, alpha included.
    pub samples: u64,
    pub bits: u8,
    pub subsampling: [u64; 2],
    pub tables: Vec<u8>,
    pub little: bool,
}

/// The name of a compression, and whether it is read.
pub(super) fn compression(code: u64) -> (String, bool) {
    let (name, read) = match code {
        UNCOMPRESSED => ("uncompressed", true),
        2..=4 => ("CCITT fax", false),
        5 => ("LZW", true),
        6 => ("old-style JPEG", false),
        JPEG => ("JPEG", true),
        8 | 32946 => ("deflate", true),
        32773 => ("PackBits", true),
        APERIO_YCBCR | APERIO_RGB | JPEG_2000 => ("JPEG 2000", true),
        22610 | 34934 => ("JPEG XR", false),
        33007 => ("old-style JPEG 2000", false),
        34887 => ("LERC", false),
        34892 => ("lossy JPEG of DNG", false),
        34925 => ("LZMA", false),
        34933 => ("PNG", false),
        50000 => ("Zstandard", false),
        50001 => ("WebP", false),
        50002 => ("JPEG XL", false),
        _ => return (format!("unknown ({code})"), false),
    };
    (name.into(), read)
}

impl Coding {
    /// Channels of a decoded chunk: 1 or 3.
    pub fn channels(&self) -> usize {
        if self.samples >= 3 { 3 } else { 1 }
    }

    /// Bytes of a decoded chunk.
    pub fn bytes(&self, width: u64, height: u64) -> u64 {
        let pixels = width.saturating_mul(height);
        pixels.saturating_mul(self.samples).saturating_mul(u64::from(self.bits / 8))
    }

    fn jpeg_2000(&self) -> bool {
        matches!(self.compression, APERIO_YCBCR | APERIO_RGB | JPEG_2000)
    }

    /// Bytes that a chunk of `stored` bytes may decode to.
    pub fn plausible(&self, stored: u64) -> u64 {
        if self.jpeg_2000() { MOST_JPEG_2000 } else { (stored * MOST_PACKED).min(MOST_BYTES) }
    }

    /// The pixels of a chunk of `width` x `height`.
    pub fn decode(&self, stored: &[u8], width: usize, height: usize) -> Result<Raster> {
        let damaged = |found: String| {
            Error::new(format!("decoding a {} tile", compression(self.compression).0))
                .expected(format!("{width} x {height} px"))
                .found(found)
                .advice("The file is damaged or was not copied whole")
        };
        let most = self.plausible(stored.len() as u64);
        if self.bytes(width as u64, height as u64) > most {
            return Err(damaged(format!("{} bytes", stored.len())));
        }
        if self.jpeg_2000() {
            return self.decode_2000(stored, width, height).map_err(damaged);
        }
        if self.compression == JPEG {
            let size = jpeg_size(stored).or_else(|| jpeg_size(&self.tables));
            if size != Some((width, height)) {
                return Err(damaged(size.map_or("no JPEG header".into(), |s| format!("{s:?}"))));
            }
        }
        let decoded = Decoder::new(Cursor::new(self.wrapped(stored, width, height)))
            .and_then(|d| {
                let mut limits = Limits::default();
                limits.decoding_buffer_size = MOST_BYTES as usize;
                limits.intermediate_buffer_size = MOST_BYTES as usize;
                d.with_limits(limits).read_image()
            })
            .map_err(|e| damaged(e.to_string()))?;
        let samples = match decoded {
            DecodingResult::U8(v) => Samples::Bytes(opaque(v, self.samples)),
            DecodingResult::U16(v) => Samples::Words(opaque(v, self.samples)),
            _ => return Err(damaged("another type of number".into())),
        };
        let mut raster = Raster { width, height, channels: self.channels(), samples };
        if self.photometric == YCBCR {
            to_rgb(&mut raster);
        }
        whole(raster).map_err(damaged)
    }

    /// A classic TIFF file whose only strip is the chunk.
    fn wrapped(&self, stored: &[u8], width: usize, height: usize) -> Vec<u8> {
        let samples = self.samples;
        let mut entries: Vec<(u16, u16, u64, u64)> = vec![
            (256, 4, 1, width as u64),
            (257, 4, 1, height as u64),
            (258, 3, 1, u64::from(self.bits)),
            (259, 3, 1, self.compression),
            (262, 3, 1, self.photometric),
            (273, 4, 1, 0),
            (277, 3, 1, samples),
            (278, 4, 1, height as u64),
            (279, 4, 1, stored.len() as u64),
            (284, 3, 1, 1),
            (317, 3, 1, self.predictor),
        ];
        if samples == 4 {
            entries.push((338, 3, 1, 2));
        }
        if self.compression == JPEG && self.tables.len() > 4 {
            entries.push((347, 7, self.tables.len() as u64, 0));
        }
        if self.photometric == YCBCR {
            entries.push((530, 3, 2, 0));
        }
        let tables_at = 8 + 2 + entries.len() * 12 + 4;
        let chunk_at = tables_at + self.tables.len();
        let mut out = Vec::with_capacity(chunk_at + stored.len());
        let put = |out: &mut Vec<u8>, value: u64, width: usize| {
            let bytes = value.to_le_bytes();
            let low = bytes.iter().take(width);
            if self.little { out.extend(low) } else { out.extend(low.rev()) }
        };
        out.extend(if self.little { b"II" } else { b"MM" });
        put(&mut out, 42, 2);
        put(&mut out, 8, 4);
        put(&mut out, entries.len() as u64, 2);
        for (tag, kind, count, value) in entries {
            put(&mut out, tag.into(), 2);
            put(&mut out, kind.into(), 2);
            put(&mut out, count, 4);
            match (tag, kind) {
                (273, _) => put(&mut out, chunk_at as u64, 4),
                (347, _) => put(&mut out, tables_at as u64, 4),
                (530, _) => self.subsampling.iter().for_each(|v| put(&mut out, *v, 2)),
                (_, 3) => {
                    put(&mut out, value, 2);
                    put(&mut out, 0, 2);
                }
                _ => put(&mut out, value, 4),
            }
        }
        put(&mut out, 0, 4);
        out.extend(&self.tables);
        out.extend(stored);
        out
    }

    fn decode_2000(&self, stored: &[u8], width: usize, height: usize) -> Result<Raster, String> {
        let stream = codestream(stored).ok_or("no JPEG 2000 codestream")?;
        let header = Header::of(stream).ok_or("no JPEG 2000 header")?;
        let channels = self.channels();
        if (header.width, header.height) != (width, height)
            || header.tiles > 4096
            || header.channels < channels
            || header.channels > 4
        {
            return Err(format!(
                "{} x {} px in {} parts with {} channels",
                header.width, header.height, header.tiles, header.channels
            ));
        }
        let settings = jpeg2000::DecodeSettings::default();
        let image = jpeg2000::Image::new(stream, &settings).map_err(|e| e.to_string())?;
        let mut context = jpeg2000::DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(|e| e.to_string())?;
        let planes = decoded.components();
        let n = width * height;
        if planes.len() < channels || planes.iter().any(|p| p.samples().len() != n) {
            return Err("components of different sizes".into());
        }
        let value = |i: usize, most: f32| {
            let sample = planes.get(i % channels).and_then(|p| p.samples().get(i / channels));
            sample.map_or(0.0, |v| v.round().clamp(0.0, most))
        };
        let samples = if self.bits == 16 {
            Samples::Words((0..n * channels).map(|i| value(i, 65535.0) as u16).collect())
        } else {
            Samples::Bytes((0..n * channels).map(|i| value(i, 255.0) as u8).collect())
        };
        let mut raster = Raster { width, height, channels, samples };
        // The decoder turns subsampled chroma into RGB by itself.
        let ycbcr = self.compression == APERIO_YCBCR || self.photometric == YCBCR;
        if ycbcr && !header.subsampled {
            to_rgb(&mut raster);
        }
        whole(raster)
    }
}

/// Without the samples beyond red, green and blue (alpha).
fn opaque<T: Copy>(values: Vec<T>, samples: u64) -> Vec<T> {
    if samples <= 3 {
        return values;
    }
    let pixels = values.chunks_exact(samples as usize);
    pixels.flat_map(|p| p.iter().take(3).copied()).collect()
}

fn whole(raster: Raster) -> Result<Raster, String> {
    let found = match &raster.samples {
        Samples::Bytes(v) => v.len(),
        Samples::Words(v) => v.len(),
    };
    if found == raster.width * raster.height * raster.channels {
        return Ok(raster);
    }
    Err(format!("{found} values"))
}

/// From luma and chroma (ITU-R BT.601, full range, as JPEG and TIFF have it) to RGB, in place.
fn to_rgb(raster: &mut Raster) {
    let Samples::Bytes(values) = &mut raster.samples else { return };
    if raster.channels != 3 {
        return;
    }
    for pixel in values.as_chunks_mut::<3>().0 {
        let [y, cb, cr] = pixel.map(f32::from);
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
        *pixel = rgb.map(|v| v.round().clamp(0.0, 255.0) as u8);
    }
}

/// Width and height in the frame header of a JPEG, or in none.
pub(super) fn jpeg_size(jpeg: &[u8]) -> Option<(usize, usize)> {
    let two = |at: usize| Some(usize::from(*jpeg.get(at)?) << 8 | usize::from(*jpeg.get(at + 1)?));
    let mut at = 2;
    loop {
        let marker = two(at)?;
        match marker {
            // A fill byte.
            0xffff => at += 1,
            0xffc0..=0xffcf if !matches!(marker, 0xffc4 | 0xffc8 | 0xffcc) => {
                return Some((two(at + 7)?, two(at + 5)?));
            }
            0xff01..=0xffbf | 0xffc4 | 0xffc8 | 0xffcc | 0xffda..=0xfffe => {
                if marker == 0xffda {
                    return None;
                }
                at += 2 + two(at + 2)?;
            }
            _ => return None,
        }
    }
}

/// What the first marker of a JPEG 2000 codestream says.
struct Header {
    width: usize,
    height: usize,
    tiles: usize,
    channels: usize,
    subsampled: bool,
}

impl Header {
    fn of(stream: &[u8]) -> Option<Self> {
        let four = |at: usize| {
            let bytes: [u8; 4] = stream.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes) as usize)
        };
        let (x1, y1, x0, y0) = (four(8)?, four(12)?, four(16)?, four(20)?);
        let (tw, th) = (four(24)?.max(1), four(28)?.max(1));
        let (tx, ty) = (four(32)?, four(36)?);
        let channels = usize::from(*stream.get(40)?) << 8 | usize::from(*stream.get(41)?);
        let steps = |i: usize| Some((*stream.get(43 + 3 * i)?, *stream.get(44 + 3 * i)?));
        let across = x1.checked_sub(tx)?.div_ceil(tw);
        let down = y1.checked_sub(ty)?.div_ceil(th);
        let first = steps(0)?;
        Some(Self {
            width: x1.checked_sub(x0)?,
            height: y1.checked_sub(y0)?,
            tiles: across.checked_mul(down)?,
            channels,
            subsampled: channels >= 3 && steps(1)? != first,
        })
    }
}

/// The codestream, which may lie in the boxes of a JP2 file.
fn codestream(stored: &[u8]) -> Option<&[u8]> {
    const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
    let at = stored.windows(4).take(1 << 16).position(|w| w == START)?;
    stored.get(at..)
}

/// Whether this is how pages say that they hold red, green and blue.
pub(super) fn is_colour(photometric: u64) -> bool {
    matches!(photometric, RGB | YCBCR)
}
