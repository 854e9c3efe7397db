//! The images of a TIFF file as one slide: channels, focal planes and levels.

use std::path::Path;

use super::super::Raster;
use super::ifd::{Directory, Source, tag};
use super::ome::Ome;
use super::page::{Grid, Page, interleaved};
use crate::base::{Error, Result};

/// A description holds at most this; the longest OME-XML describes thousands of planes.
const MOST_DESCRIPTION: u64 = 1 << 25;
/// Levels of one image; each is at least somewhat smaller than the one before.
const MOST_LEVELS: u64 = 64;
/// Relative difference of aspect that a smaller level may have, beside its rounding.
const ASPECT: f64 = 0.01;
/// Pixel sizes that a resolution in a TIFF tag is believed to state: outside, it is for printers.
const SENSIBLE_UM: std::ops::RangeInclusive<f64> = 0.02..=20.0;
const UM_PER_INCH: f64 = 25_400.0;
const UM_PER_CM: f64 = 10_000.0;

/// A TIFF file as levels of channels and focal planes.
pub(super) struct Pyramid {
    source: Source,
    /// `planes[channel * z + focal plane][level]`; of colour in three pages there are three.
    planes: Vec<Vec<Page>>,
    pub channels: Vec<String>,
    pub z: usize,
    /// Red, green and blue lie in three pages.
    in_pages: bool,
    pub pixel_size_um: Option<[f64; 2]>,
    pub format: &'static str,
}

impl Pyramid {
    pub fn open(path: &Path) -> Result<Self> {
        let source = Source::open(path)?;
        let directories = source.pages()?;
        let first = directories.first().ok_or_else(|| source.damaged("an image", "none"))?;
        if first.contains_key(&tag::NDPI) {
            return Err(Error::new(format!("opening the slide {}", path.display()))
                .expected("a TIFF file whose tiles can be read one by one")
                .found("a Hamamatsu .ndpi, whose levels are single JPEG images")
                .advice("Convert it with `vips tiffsave in.ndpi out.tif --tile --pyramid --bigtiff --compression jpeg`, or with Bio-Formats' bfconvert"));
        }
        let description = source.text(first, tag::DESCRIPTION, MOST_DESCRIPTION)?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let ome = Ome::parse(&description, &name);
        let base = Page::of(&source, first)?;
        let sub = first.contains_key(&tag::SUB_IFDS);
        let most = ome.as_ref().map_or(usize::MAX, |o| o.size_c * o.size_z * o.size_t);
        let mut planes = Vec::new();
        let mut levels = Vec::new();
        for (i, d) in directories.iter().enumerate() {
            // What is no image of this kind (a label, a macro picture) is no part of the slide.
            let page = match (i, Page::of(&source, d)) {
                (0, _) => base.clone(),
                (_, Ok(page)) => page,
                (_, Err(_)) => continue,
            };
            let size = |p: &Page| (p.grid.width, p.grid.height);
            if page.channels() != base.channels() || page.coding.bits != base.coding.bits {
                continue;
            }
            if size(&page) == size(&base) && planes.len() < most.max(1) {
                let mut all = vec![page];
                all.extend(sub_levels(&source, d, all.len())?);
                planes.push(all);
            } else if !sub && page.tiled == base.tiled && smaller(&base, &levels, &page) {
                levels.push(page);
            }
        }
        if !sub && let [only] = planes.as_mut_slice() {
            only.extend(levels);
        }
        agree(&source, &planes)?;
        let pixel_size_um = match &ome {
            Some(ome) => ome.pixel_size_um,
            None => aperio(&description).or_else(|| resolution(&source, first)),
        };
        let tiled = base.tiled;
        let mut this = Self {
            source,
            planes,
            channels: Vec::new(),
            z: 1,
            in_pages: false,
            pixel_size_um,
            format: match (&ome, tiled) {
                (Some(_), _) => "OME-TIFF",
                _ if description.starts_with("Aperio") => "Aperio SVS",
                (None, true) => "tiled TIFF",
                (None, false) => "TIFF in strips",
            },
        };
        this.name(ome, base.channels() == 3, base.coding.bits);
        Ok(this)
    }

    /// Sorts the planes by channel and focal plane and names the channels.
    fn name(&mut self, ome: Option<Ome>, colour: bool, bits: u8) {
        if colour {
            self.channels = vec!["RGB".into()];
            self.z = self.planes.len();
            return;
        }
        let ome = ome.unwrap_or_default();
        let n = self.planes.len();
        let complete = ome.size_c * ome.size_z * ome.size_t.max(1) == n && n > 0;
        let named = |c: usize| match ome.channels.get(c) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("channel {c}"),
        };
        if !complete {
            // One file of several, or no word of what the pages are: each is a channel.
            let channel =
                |i: usize| if ome.here.len() == n { ome.here.get(i).copied() } else { None };
            self.channels = (0..n).map(|i| named(channel(i).unwrap_or(i))).collect();
            return;
        }
        let (c, z) = (ome.size_c, ome.size_z);
        let place = |channel: usize, focal: usize| {
            if ome.z_first { focal + z * channel } else { channel + c * focal }
        };
        let mut taken: Vec<Option<Vec<Page>>> = self.planes.drain(..).map(Some).collect();
        for channel in 0..c {
            for focal in 0..z {
                let plane = taken.get_mut(place(channel, focal)).and_then(Option::take);
                self.planes.extend(plane);
            }
        }
        let plain = |name: &String| {
            let name = name.to_lowercase();
            matches!(name.as_str(), "" | "r" | "g" | "b" | "red" | "green" | "blue")
        };
        self.z = z;
        self.in_pages = c == 3 && z == 1 && bits == 8 && ome.channels.iter().all(plain);
        self.channels =
            if self.in_pages { vec!["RGB".into()] } else { (0..c).map(named).collect() };
    }

    pub fn levels(&self) -> usize {
        self.planes.first().map_or(0, Vec::len)
    }

    fn page(&self, plane: usize, level: usize) -> Result<&Page> {
        self.planes.get(plane).and_then(|p| p.get(level)).ok_or_else(|| {
            self.source.damaged("an image for every channel", "one of them has none")
        })
    }

    pub fn grid(&self, level: usize) -> Result<Grid> {
        Ok(self.page(0, level)?.grid)
    }

    /// Channels of a pixel (1 or 3), and bits of one.
    pub fn pixel(&self) -> (usize, u8) {
        let first = self.planes.first().and_then(|p| p.first());
        let channels = if self.in_pages { 3 } else { first.map_or(1, Page::channels) };
        (channels, first.map_or(8, |p| p.coding.bits))
    }

    pub fn compression(&self) -> String {
        let first = self.planes.first().and_then(|p| p.first());
        first.map_or_else(String::new, |p| super::chunk::compression(p.coding.compression).0)
    }

    pub fn chunk(
        &self,
        level: usize,
        channel: usize,
        z: usize,
        at: (usize, usize),
    ) -> Result<Raster> {
        if self.in_pages {
            let planes: Vec<Raster> = (0..3)
                .map(|c| self.page(c, level)?.chunk(&self.source, at.0, at.1))
                .collect::<Result<_>>()?;
            return Ok(interleaved(&planes));
        }
        self.page(channel * self.z + z, level)?.chunk(&self.source, at.0, at.1)
    }
}

/// The levels below a page, as OME-TIFF 6 stores them.
fn sub_levels(source: &Source, d: &Directory, taken: usize) -> Result<Vec<Page>> {
    let Some(entry) = d.get(&tag::SUB_IFDS) else { return Ok(Vec::new()) };
    if entry.count > MOST_LEVELS {
        return Err(
            source.damaged(format!("at most {MOST_LEVELS} levels"), entry.count.to_string())
        );
    }
    let page = |i| Page::of(source, &source.directory(source.value(entry, i)?)?.0);
    let mut pages: Vec<Page> = (0..entry.count).map(page).collect::<Result<_>>()?;
    pages.sort_by_key(|p| std::cmp::Reverse(p.grid.width));
    pages.truncate(MOST_LEVELS as usize - taken);
    Ok(pages)
}

/// Whether a page shows all of the base, smaller than the last level found.
fn smaller(base: &Page, levels: &[Page], page: &Page) -> bool {
    let last = levels.last().unwrap_or(base).grid;
    let (w, h) = (page.grid.width as f64, page.grid.height as f64);
    let aspect = base.grid.width as f64 / base.grid.height as f64;
    // Each side may be rounded by a pixel.
    let rounding = 1.0 / w + 1.0 / h;
    page.grid.width < last.width
        && page.grid.height < last.height
        && levels.len() < MOST_LEVELS as usize
        && (w / h / aspect - 1.0).abs() <= ASPECT + rounding
}

/// Refuses channels whose levels differ.
fn agree(source: &Source, planes: &[Vec<Page>]) -> Result<()> {
    let shape = |p: &[Page]| p.iter().map(|l| (l.grid.width, l.grid.height)).collect::<Vec<_>>();
    let first = planes.first().map(|p| shape(p)).unwrap_or_default();
    let pixel = |p: &Page| (p.channels(), p.coding.bits);
    for plane in planes {
        if shape(plane) != first {
            return Err(source.damaged(
                format!("levels of {first:?} in every channel"),
                format!("{:?}", shape(plane)),
            ));
        }
        if plane.iter().any(|l| plane.first().is_some_and(|base| pixel(l) != pixel(base))) {
            return Err(source.damaged("levels of one kind of pixel", "several"));
        }
    }
    Ok(())
}

/// Micrometres a pixel in Aperio's description, `..|MPP = 0.2527|..`.
fn aperio(description: &str) -> Option<[f64; 2]> {
    let (_, rest) = description.strip_prefix("Aperio")?.split_once("MPP =")?;
    let value: f64 = rest.split('|').next()?.trim().parse().ok()?;
    SENSIBLE_UM.contains(&value).then_some([value; 2])
}

/// Micrometres a pixel from the tags of resolution, where they can mean a microscope.
fn resolution(source: &Source, d: &Directory) -> Option<[f64; 2]> {
    let unit = match source.number_of(d, tag::RESOLUTION_UNIT).ok()?.unwrap_or(2) {
        2 => UM_PER_INCH,
        3 => UM_PER_CM,
        _ => return None,
    };
    let size = [tag::X_RESOLUTION, tag::Y_RESOLUTION].map(|t| source.fraction(d, t));
    let [Some(x), Some(y)] = size.map(|r| r.map(|r| unit / r)) else { return None };
    (SENSIBLE_UM.contains(&x) && SENSIBLE_UM.contains(&y)).then_some([x, y])
}
