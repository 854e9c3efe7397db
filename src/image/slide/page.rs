//! One directory of a TIFF file as an image of tiles or strips.

use super::super::Raster;
use super::chunk::{self, Coding, UNCOMPRESSED};
use super::ifd::{Directory, Entry, Source, tag};
use crate::base::{Error, Result};

/// Sides beyond this are damage: no scanner reaches a tenth of it.
const MOST_SIDE: u64 = 1 << 24;
/// Rows of an uncompressed strip are read in pieces of about this many bytes.
const PIECE: u64 = 1 << 20;

/// The grid of tiles or strips that an image is stored in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub width: usize,
    pub height: usize,
    /// Of one chunk; the last ones of a row or column reach beyond the image.
    pub chunk_width: usize,
    pub chunk_height: usize,
}

impl Grid {
    pub fn across(&self) -> usize {
        self.width.div_ceil(self.chunk_width)
    }
}

/// An image of a TIFF file; nothing of its pixels is in memory.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub grid: Grid,
    pub tiled: bool,
    pub coding: Coding,
    /// Red, green and blue lie in three grids of chunks.
    planar: bool,
    offsets: Entry,
    bytes: Entry,
    /// Rows of a strip as stored; chunks are pieces of it where it is uncompressed.
    strip_rows: u64,
}

impl Page {
    /// # Errors
    /// A kind of image that is not read, by name; sizes that disagree with each other or the file.
    pub fn of(source: &Source, d: &Directory) -> Result<Self> {
        let number = |tag, default| Ok::<u64, Error>(source.number_of(d, tag)?.unwrap_or(default));
        let width = source.required(d, tag::WIDTH, "the width of an image")?;
        let height = source.required(d, tag::HEIGHT, "the height of an image")?;
        if !(1..=MOST_SIDE).contains(&width) || !(1..=MOST_SIDE).contains(&height) {
            return Err(source.damaged(
                format!("sides of 1 to {MOST_SIDE} px"),
                format!("{width} x {height} px"),
            ));
        }
        let planar = number(tag::PLANAR, 1)? == 2;
        let samples = number(tag::SAMPLES, 1)?;
        let coding = Coding {
            compression: number(tag::COMPRESSION, 1)?,
            photometric: number(tag::PHOTOMETRIC, u64::from(samples >= 3) + 1)?,
            predictor: number(tag::PREDICTOR, 1)?,
            samples,
            bits: number(tag::BITS, 1)?.min(255) as u8,
            subsampling: match d.get(&tag::SUBSAMPLING) {
                Some(e) => [source.value(e, 0)?, source.value(e, 1)?],
                None => [2, 2],
            },
            tables: source.raw(d, tag::JPEG_TABLES, 1 << 16)?.unwrap_or_default(),
            little: source.little,
        };
        supported(source, d, &coding, planar)?;
        let tiled = d.contains_key(&tag::TILE_OFFSETS);
        let (offsets, bytes) = if tiled {
            (tag::TILE_OFFSETS, tag::TILE_BYTES)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTES)
        };
        let absent = || source.damaged("the places of tiles or strips", "no such tag");
        let (offsets, bytes) =
            (*d.get(&offsets).ok_or_else(absent)?, *d.get(&bytes).ok_or_else(absent)?);
        let (chunk_width, strip_rows) = if tiled {
            let w = source.required(d, tag::TILE_WIDTH, "the width of a tile")?;
            (w, source.required(d, tag::TILE_HEIGHT, "the height of a tile")?)
        } else {
            (width, number(tag::ROWS_PER_STRIP, height)?.min(height))
        };
        if chunk_width == 0 || strip_rows == 0 {
            return Err(source.damaged("tiles of at least 1 px", "an empty tile"));
        }
        let planes = if planar && samples > 1 { samples } else { 1 };
        let chunks = width.div_ceil(chunk_width) * height.div_ceil(strip_rows);
        let wanted = chunks.saturating_mul(planes);
        if offsets.count < wanted || bytes.count < wanted || wanted > source.len() {
            return Err(source.damaged(
                format!("{wanted} tiles or strips for {width} x {height} px"),
                format!("{} places and {} sizes", offsets.count, bytes.count),
            ));
        }
        let mut this = Self {
            grid: Grid {
                width: width as usize,
                height: height as usize,
                chunk_width: chunk_width as usize,
                chunk_height: strip_rows as usize,
            },
            tiled,
            coding: Coding { samples: if planes > 1 { 1 } else { samples }, ..coding },
            planar: planes > 1,
            offsets,
            bytes,
            strip_rows,
        };
        if this.planar {
            this.coding.photometric = 1;
        }
        if this.in_pieces() {
            let row = this.coding.bytes(width, 1).max(1);
            this.grid.chunk_height = (PIECE / row).clamp(1, strip_rows) as usize;
        }
        let decoded = this.coding.bytes(chunk_width, this.grid.chunk_height as u64);
        if decoded > chunk::MOST_BYTES {
            return Err(Error::new(format!("opening the slide {}", source.path().display()))
                .expected(format!(
                    "tiles or strips of at most {} MB when decoded",
                    chunk::MOST_BYTES >> 20
                ))
                .found(format!(
                    "{chunk_width} x {} px, {} MB",
                    this.grid.chunk_height,
                    decoded >> 20
                ))
                .advice("Save it with tiles: `vips tiffsave in.tif out.tif --tile --pyramid --bigtiff`, or bfconvert -tilex 512 -tiley 512"));
        }
        Ok(this)
    }

    /// Whether a chunk is a piece of a strip.
    fn in_pieces(&self) -> bool {
        !self.tiled && self.coding.compression == UNCOMPRESSED && self.coding.predictor == 1
    }

    /// Channels of a decoded chunk.
    pub fn channels(&self) -> usize {
        if self.planar { 3 } else { self.coding.channels() }
    }

    /// The chunk in row `row` and column `column` of the grid, as large as chunks are; a strip at
    /// the lower end may be lower.
    pub fn chunk(&self, source: &Source, column: usize, row: usize) -> Result<Raster> {
        if !self.planar {
            return self.plane(source, column, row, 0);
        }
        let planes: Vec<Raster> =
            (0..3).map(|p| self.plane(source, column, row, p)).collect::<Result<_>>()?;
        Ok(interleaved(&planes))
    }

    fn plane(&self, source: &Source, column: usize, row: usize, plane: u64) -> Result<Raster> {
        let Grid { width, height, chunk_width, chunk_height } = self.grid;
        let across = self.grid.across() as u64;
        let top = row as u64 * chunk_height as u64;
        // The strip that a piece lies in, and where it begins there.
        let (stored_row, skip) = (top / self.strip_rows, top % self.strip_rows);
        let per_plane = across * (height as u64).div_ceil(self.strip_rows);
        let index = plane * per_plane + stored_row * across + column as u64;
        let rows = if self.tiled {
            chunk_height
        } else {
            let strip_end = ((stored_row + 1) * self.strip_rows).min(height as u64);
            chunk_height.min((strip_end - top) as usize)
        };
        let mut offset = source.value(&self.offsets, index)?;
        let mut bytes = source.value(&self.bytes, index)?;
        if bytes == 0 {
            let colour = self.coding.channels();
            return Ok(Raster::blank(chunk_width, rows, colour, self.coding.bits));
        }
        if self.in_pieces() {
            offset = offset.saturating_add(skip * self.coding.bytes(width as u64, 1));
            bytes = self.coding.bytes(width as u64, rows as u64);
        }
        let decoded = self.coding.bytes(chunk_width as u64, rows as u64);
        // Nothing sensible is much larger packed than it is unpacked.
        if bytes > 2 * decoded + 65536 {
            return Err(source.damaged(
                format!("at most {} bytes in tile {index}", 2 * decoded),
                bytes.to_string(),
            ));
        }
        let stored = source.bytes(offset, bytes as usize)?;
        self.coding.decode(&stored, chunk_width, rows).map_err(|e| {
            e.within(format!("reading the slide {}, tile {index}", source.path().display()))
        })
    }
}

/// Red, green and blue from three grey rasters of one size.
pub(super) fn interleaved(planes: &[Raster]) -> Raster {
    let Some(first) = planes.first() else { return Raster::blank(0, 0, 1, 8) };
    let mut out = Raster::blank(first.width, first.height, planes.len(), first.bits());
    let n = planes.len();
    match &mut out.samples {
        super::super::Samples::Bytes(v) => {
            for (i, v) in v.iter_mut().enumerate() {
                let at = i / n;
                if let Some(p) = planes.get(i % n) {
                    *v = p.get(at % first.width, at / first.width, 0) as u8;
                }
            }
        }
        super::super::Samples::Words(v) => {
            for (i, v) in v.iter_mut().enumerate() {
                let at = i / n;
                if let Some(p) = planes.get(i % n) {
                    *v = p.get(at % first.width, at / first.width, 0);
                }
            }
        }
    }
    out
}

/// Refuses by name what is not read.
fn supported(source: &Source, d: &Directory, coding: &Coding, planar: bool) -> Result<()> {
    let refuse = |expected: &str, found: String, advice: &str| {
        Err(Error::new(format!("opening the slide {}", source.path().display()))
            .expected(expected)
            .found(found)
            .advice(advice))
    };
    let (name, read) = chunk::compression(coding.compression);
    if !read {
        return refuse(
            "uncompressed, deflate, LZW, PackBits, JPEG or JPEG 2000 pixels",
            format!("{name} compression"),
            "Convert it with `vips tiffsave in.tif out.tif --tile --pyramid --bigtiff --compression deflate`, or with Bio-Formats' bfconvert",
        );
    }
    let format = source.number_of(d, tag::SAMPLE_FORMAT)?.unwrap_or(1);
    let colour = chunk::is_colour(coding.photometric);
    let kinds = "8-bit RGB, or grey of 8 or 16 bits";
    let advice = "Save it as 8-bit RGB or grey; of a stack of stains, one channel a page";
    match (coding.bits, format, coding.samples, coding.photometric) {
        (8, 1 | 4, 3 | 4, _) if colour => {}
        (8 | 16, 1 | 4, 1, 0 | 1) => {}
        (_, 2 | 3, ..) => {
            return refuse(
                kinds,
                format!("{}-bit signed or floating numbers", coding.bits),
                advice,
            );
        }
        (bits, _, samples, photometric) => {
            let what = match photometric {
                3 => ", a palette".to_owned(),
                5 => ", CMYK".to_owned(),
                8..=10 => ", Lab".to_owned(),
                _ => String::new(),
            };
            return refuse(
                kinds,
                format!("{samples} samples of {bits} bits a pixel{what}"),
                advice,
            );
        }
    }
    if planar && coding.photometric == 6 {
        return refuse(kinds, "YCbCr in separate planes".into(), advice);
    }
    Ok(())
}
