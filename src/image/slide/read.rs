//! Regions, and views of a chosen size, from the chunks that they touch.

use rayon::prelude::*;

use super::super::{Raster, Samples};
use super::page::Grid;
use super::{Content, RegionConfig, Slide, ThumbnailConfig};
use crate::base::progress::Job;
use crate::base::{Error, Result, interrupt, memory};

/// Sides that a thumbnail may have.
const SIDES: std::ops::RangeInclusive<usize> = 16..=10_000;
/// Pixels that a view decodes at the most where no level is small enough; at 100 million a second
/// this takes minutes.
const MOST_DECODED: u64 = 40_000_000_000;
/// A view of more chunks than this shows its progress.
const MANY_CHUNKS: usize = 2000;

/// A part of a slide at a size to look at.
pub struct View {
    /// Eight bits a value.
    pub pixels: Raster,
    /// What it shows: left, top, right and bottom edge, in full-resolution pixels.
    pub window: [f64; 4],
}

/// A rectangle of pixels: first column and row, and those past the last.
#[derive(Clone, Copy)]
struct Part {
    x0: usize,
    y0: usize,
    x1: usize,
    y1: usize,
}

impl Part {
    fn width(&self) -> usize {
        self.x1 - self.x0
    }

    fn height(&self) -> usize {
        self.y1 - self.y0
    }
}

impl Slide {
    /// The pixels of a rectangle of one level, as they are stored.
    ///
    /// # Errors
    /// A level, channel or focal plane that is not there; a rectangle that reaches outside the
    /// level; more memory than there is; a damaged file.
    pub fn region(&self, config: &RegionConfig) -> Result<Raster> {
        let doing = self.doing("reading a region of the slide");
        let RegionConfig { level, x, y, width, height, channel, z } = *config;
        let size = self.level(&doing, level)?;
        self.plane(&doing, channel, z)?;
        let inside = |from: usize, length: usize, size: usize| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= size)
        };
        if !inside(x, width, size.width) || !inside(y, height, size.height) {
            return Err(Error::new(doing)
                .expected(format!("a rectangle within the {} x {} px of level {level}", size.width, size.height))
                .found(format!("x {x}, y {y}, {width} x {height} px"))
                .advice(if width == 0 || height == 0 {
                    "Say width and height, in pixels of the level".into()
                } else if level > 0 {
                    format!("x and y count pixels of the level: divide full-resolution ones by {:.4}", size.downsample)
                } else {
                    "Do the positions belong to a larger image of the same tissue? A thumbnail has a scale of its own".into()
                }));
        }
        let per_pixel = self.channels * usize::from(self.bits / 8);
        let bytes = (width as u64).saturating_mul(height as u64).saturating_mul(per_pixel as u64);
        memory::require(&doing, bytes, "Ask for a smaller region or a higher level")?;
        let mut out = Raster::blank(width, height, self.channels, self.bits);
        let part = Part { x0: x, y0: y, x1: x + width, y1: y + height };
        self.each_chunk(&doing, level, (channel, z), part, |chunk, cx, cy| {
            out.paste(chunk, cx as i64 - x as i64, cy as i64 - y as i64);
            Ok(())
        })?;
        Ok(out)
    }

    /// The slide, or a window of it, with at most `max_px` on its longer side: means of areas of the
    /// smallest level that is large enough. Grey is stretched to be seen.
    ///
    /// # Errors
    /// As [`Slide::region`]; a window outside the slide; a size outside 16 to 10,000.
    pub fn thumbnail(&self, max_px: usize, config: &ThumbnailConfig) -> Result<View> {
        let doing = self.doing("making a thumbnail of the slide");
        if !SIDES.contains(&max_px) {
            return Err(Error::new(doing)
                .expected(format!("{} to {} px", SIDES.start(), SIDES.end()))
                .found(max_px.to_string()));
        }
        let z = config.z.unwrap_or(self.focal_planes / 2);
        self.plane(&doing, config.channel, z)?;
        let (w, h) = (self.width() as f64, self.height() as f64);
        let [x, y, width, height] = config.window.unwrap_or([0.0, 0.0, w, h]);
        let apart = [x, y, width, height].iter().any(|v| !v.is_finite())
            || !(width > 0.0 && height > 0.0)
            || x >= w
            || y >= h
            || x + width <= 0.0
            || y + height <= 0.0;
        if apart {
            return Err(Error::new(doing)
                .expected(format!("a window on the {w} x {h} px of the slide"))
                .found(format!("x {x}, y {y}, {width} x {height} px")));
        }
        // The last level whose window is still no smaller than the picture.
        let longer = width.max(height);
        let fits = |d: f64| longer / d >= max_px as f64;
        let level = self.levels.iter().rposition(|l| fits(l.downsample)).unwrap_or(0);
        let size = self.level(&doing, level)?;
        let (sx, sy) = (w / size.width as f64, h / size.height as f64);
        let edge = |v: f64, scale: f64, most: usize, up: bool| {
            let v = v / scale;
            (if up { v.ceil() } else { v.floor() }.max(0.0) as usize).min(most)
        };
        let (x0, y0) = (edge(x, sx, size.width, false), edge(y, sy, size.height, false));
        let part = Part {
            x0,
            y0,
            x1: edge(x + width, sx, size.width, true).max(x0 + 1),
            y1: edge(y + height, sy, size.height, true).max(y0 + 1),
        };
        let shrink = (part.width().max(part.height()) as f64 / max_px as f64).max(1.0);
        let side = |n: usize| ((n as f64 / shrink).round() as usize).clamp(1, n);
        let to = (side(part.width()), side(part.height()));
        let decoded = part.width() as u64 * part.height() as u64;
        if decoded > MOST_DECODED {
            return Err(Error::new(doing)
                .expected(format!("a level of at most {MOST_DECODED} px"))
                .found(format!("{} x {} px in the smallest that is large enough", size.width, size.height))
                .advice("Make a pyramid of the slide: `vips tiffsave in.tif out.tif --tile --pyramid --bigtiff`"));
        }
        let pixels = self.means(&doing, level, (config.channel, z), part, to)?.stretched();
        let window =
            [part.x0 as f64 * sx, part.y0 as f64 * sy, part.x1 as f64 * sx, part.y1 as f64 * sy];
        Ok(View { pixels, window })
    }

    /// A part of a level, each pixel the mean of those that fall into it.
    fn means(
        &self,
        doing: &str,
        level: usize,
        plane: (usize, usize),
        part: Part,
        (tw, th): (usize, usize),
    ) -> Result<Raster> {
        let c = self.channels;
        let (pw, ph) = (part.width(), part.height());
        // Where a column and a row of the level end up, and how many do.
        let columns: Vec<usize> = (0..pw).map(|x| x * tw / pw).collect();
        let rows: Vec<usize> = (0..ph).map(|y| y * th / ph).collect();
        // Exact for any number of 16-bit pixels that a file can hold.
        let mut sums = vec![0_u64; tw * th * c];
        self.each_chunk(doing, level, plane, part, |chunk, cx, cy| {
            let last_x = (cx + chunk.width).min(part.x1);
            let last_y = (cy + chunk.height).min(part.y1);
            let (first_x, first_y) = (cx.max(part.x0), cy.max(part.y0));
            let columns = columns.get(first_x - part.x0..last_x.max(first_x) - part.x0);
            for y in first_y..last_y {
                interrupt::check(doing)?;
                let to = rows.get(y - part.y0).map_or(0, |r| r * tw * c);
                let from = ((y - cy) * chunk.width + first_x - cx) * c;
                let (sums, columns) = (sums.get_mut(to..), columns.unwrap_or_default());
                let sums = sums.unwrap_or_default();
                match &chunk.samples {
                    Samples::Bytes(v) => add(sums, v.get(from..).unwrap_or_default(), columns, c),
                    Samples::Words(v) => add(sums, v.get(from..).unwrap_or_default(), columns, c),
                }
            }
            Ok(())
        })?;
        let count = |of: &[usize], n: usize| {
            let mut counts = vec![0_u64; n];
            of.iter().for_each(|&i| counts[i] += 1);
            counts
        };
        let (across, down) = (count(&columns, tw), count(&rows, th));
        let mean = |i: usize| {
            let (x, y) = (i / c % tw, i / c / tw);
            let n = (across[x] * down[y]).max(1);
            (sums[i] + n / 2) / n
        };
        let all = 0..sums.len();
        let samples = if self.bits == 16 {
            Samples::Words(all.map(|i| mean(i) as u16).collect())
        } else {
            Samples::Bytes(all.map(|i| mean(i) as u8).collect())
        };
        Ok(Raster { width: tw, height: th, channels: c, samples })
    }

    /// Hands every chunk that a part of a level touches to `take`, with the place of its first
    /// pixel. As many are in memory as there are threads.
    fn each_chunk(
        &self,
        doing: &str,
        level: usize,
        (channel, z): (usize, usize),
        part: Part,
        mut take: impl FnMut(&Raster, usize, usize) -> Result<()>,
    ) -> Result<()> {
        let pyramid = match &self.content {
            Content::Whole(whole) => {
                return take(&*whole.pixels()?, 0, 0);
            }
            Content::Pyramid(pyramid) => pyramid,
        };
        let Grid { chunk_width, chunk_height, .. } = pyramid.grid(level)?;
        let (first, last) = (part.x0 / chunk_width, part.x1.div_ceil(chunk_width));
        let rows = part.y0 / chunk_height..part.y1.div_ceil(chunk_height);
        let across = last - first;
        let total = across * rows.len();
        let job = (total > MANY_CHUNKS).then(|| Job::new(doing, 0, total as u64));
        let batch = rayon::current_num_threads().max(1);
        let mut done = 0;
        while done < total {
            interrupt::check(doing)?;
            let places: Vec<(usize, usize)> = (done..(done + batch).min(total))
                .map(|i| (first + i % across, rows.start + i / across))
                .collect();
            let chunks: Vec<Raster> = places
                .par_iter()
                .map(|&at| pyramid.chunk(level, channel, z, at))
                .collect::<Result<_>>()?;
            for (chunk, (column, row)) in chunks.iter().zip(&places) {
                take(chunk, column * chunk_width, row * chunk_height)?;
            }
            done += places.len();
            if let Some(job) = &job {
                job.step(done as u64, "tiles", false);
            }
        }
        Ok(())
    }

    fn plane(&self, doing: &str, channel: usize, z: usize) -> Result<()> {
        if channel >= self.names.len() {
            return Err(Error::new(doing)
                .expected(format!("a channel from 0 to {}", self.names.len() - 1))
                .found(format!("channel {channel}"))
                .advice(format!("Channels: {}", self.names.join(", "))));
        }
        if z >= self.focal_planes {
            return Err(Error::new(doing)
                .expected(format!("a focal plane from 0 to {}", self.focal_planes - 1))
                .found(format!("z = {z}")));
        }
        Ok(())
    }

    fn doing(&self, what: &str) -> String {
        let name = self.path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        format!("{what} {name}")
    }
}

/// Adds a row of pixels to the sums of the columns that they fall into.
fn add<T: Copy + Into<u64>>(sums: &mut [u64], row: &[T], columns: &[usize], channels: usize) {
    for (pixel, column) in row.chunks_exact(channels).zip(columns) {
        let to = column * channels;
        let sums = sums.get_mut(to..to + channels).unwrap_or_default();
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += value.into();
        }
    }
}
