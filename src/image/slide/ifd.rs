//! The directories of a TIFF file, classic or BigTIFF, read value by value.
//!
//! The `tiff` crate holds the places of all tiles of an image in memory, takes no first directory
//! with more than a megabyte of them and knows no JPEG 2000. So the directories are walked here, of
//! which only the values that are asked for are read, and the crate decodes one tile at a time (see
//! `chunk`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::base::{Error, Kind, Result};

/// Directories have about twenty entries; a file that claims more than this is damaged.
const MOST_ENTRIES: u64 = 4096;
/// Pages of a chain; a stack of focal planes and channels has hundreds.
const MOST_PAGES: usize = 1 << 16;

pub(super) mod tag {
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const DESCRIPTION: u16 = 270;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const X_RESOLUTION: u16 = 282;
    pub const Y_RESOLUTION: u16 = 283;
    pub const PLANAR: u16 = 284;
    pub const RESOLUTION_UNIT: u16 = 296;
    pub const PREDICTOR: u16 = 317;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const SUB_IFDS: u16 = 330;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const SUBSAMPLING: u16 = 530;
    /// Hamamatsu's own; every .ndpi has it.
    pub const NDPI: u16 = 65420;
}

/// A TIFF file that is read in pieces.
pub(super) struct Source {
    path: PathBuf,
    file: Mutex<File>,
    len: u64,
    pub little: bool,
    big: bool,
    first: u64,
}

/// One tag: its values lie at `at`, in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    kind: u16,
    pub count: u64,
    at: u64,
}

pub(super) type Directory = BTreeMap<u16, Entry>;

impl Source {
    /// # Errors
    /// A file that does not begin as a TIFF does.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("opening the slide {}", path.display()), e);
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut this = Self {
            path: path.into(),
            file: Mutex::new(file),
            len,
            little: true,
            big: false,
            first: 0,
        };
        let head = this.bytes(0, 8)?;
        this.little = head.starts_with(b"II");
        this.big = this.number(head.get(2..4).unwrap_or_default()) == 43;
        this.first = if this.big { this.at_width(8, 8)? } else { this.at_width(4, 4)? };
        Ok(this)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// The file is not what a TIFF should be.
    pub fn damaged(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::new(format!("reading the slide {}", self.path.display()))
            .expected(expected)
            .found(found)
            .advice("The file is damaged or was not copied whole")
    }

    /// `n` bytes from `offset`; `n` is known to be small or to lie in the file.
    pub fn bytes(&self, offset: u64, n: usize) -> Result<Vec<u8>> {
        let end = offset.checked_add(n as u64).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(self.damaged(
                format!("{n} bytes at {offset}"),
                format!("a file of {} bytes", self.len),
            ));
        }
        let mut out = vec![0; n];
        let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut out))
            .map_err(|e| Error::io(format!("reading the slide {}", self.path.display()), e))?;
        Ok(out)
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    }

    fn at_width(&self, offset: u64, width: usize) -> Result<u64> {
        Ok(self.number(&self.bytes(offset, width)?))
    }

    /// The directory at an offset, and where the next one of its chain lies (0: nowhere).
    pub fn directory(&self, offset: u64) -> Result<(Directory, u64)> {
        let (count_width, entry_width, value_width) =
            if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.at_width(offset, count_width)?;
        if count == 0 || count > MOST_ENTRIES {
            return Err(self.damaged(
                format!("a directory of 1 to {MOST_ENTRIES} entries at {offset}"),
                format!("{count} entries"),
            ));
        }
        let start = offset + count_width as u64;
        let body = self.bytes(start, count as usize * entry_width + value_width)?;
        let mut directory = Directory::new();
        for (i, entry) in body.chunks_exact(entry_width).take(count as usize).enumerate() {
            let field = |from: usize, to: usize| self.number(entry.get(from..to).unwrap_or(&[]));
            let kind = field(2, 4) as u16;
            let count = field(4, entry_width - value_width);
            let size = count.saturating_mul(width(kind) as u64);
            let at = if size <= value_width as u64 {
                start + (i * entry_width + entry_width - value_width) as u64
            } else {
                field(entry_width - value_width, entry_width)
            };
            directory.insert(field(0, 2) as u16, Entry { kind, count, at });
        }
        let next = body.get(body.len() - value_width..).unwrap_or_default();
        Ok((directory, self.number(next)))
    }

    /// All directories of the main chain.
    pub fn pages(&self) -> Result<Vec<Directory>> {
        let (mut at, mut seen, mut pages) = (self.first, BTreeSet::new(), Vec::new());
        while at != 0 {
            if !seen.insert(at) || pages.len() == MOST_PAGES {
                return Err(self.damaged("a chain of pages that ends", "one that runs in a circle"));
            }
            let (directory, next) = self.directory(at)?;
            pages.push(directory);
            at = next;
        }
        if pages.is_empty() {
            return Err(self.damaged("at least one image", "none"));
        }
        Ok(pages)
    }

    /// The `i`-th value of a tag, as a whole number.
    pub fn value(&self, entry: &Entry, i: u64) -> Result<u64> {
        let width = width(entry.kind);
        if i >= entry.count || width == 0 || !matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18) {
            return Err(self.damaged(
                format!("a whole number in place {i} of a tag"),
                format!("{} values of type {}", entry.count, entry.kind),
            ));
        }
        let at = i.checked_mul(width as u64).and_then(|o| o.checked_add(entry.at));
        self.at_width(at.unwrap_or(u64::MAX), width)
    }

    /// The first value of a tag, where there is one.
    pub fn number_of(&self, directory: &Directory, tag: u16) -> Result<Option<u64>> {
        directory.get(&tag).map(|e| self.value(e, 0)).transpose()
    }

    /// # Errors
    /// [`Kind::Missing`] where the tag is not there.
    pub fn required(&self, directory: &Directory, tag: u16, what: &str) -> Result<u64> {
        let absent = || self.damaged(what, format!("no tag {tag}")).kind(Kind::Missing);
        self.number_of(directory, tag)?.ok_or_else(absent)
    }

    /// A fraction, as resolutions are stored; `None` where it is not one.
    pub fn fraction(&self, directory: &Directory, tag: u16) -> Option<f64> {
        let entry = directory.get(&tag).filter(|e| e.kind == 5 && e.count > 0)?;
        let (top, bottom) =
            (self.at_width(entry.at, 4), self.at_width(entry.at.checked_add(4)?, 4));
        let value = top.ok()? as f64 / bottom.ok()? as f64;
        Some(value).filter(|v| v.is_finite() && *v > 0.0)
    }

    /// The bytes of a tag of bytes or text, at most `most` of them.
    pub fn raw(&self, directory: &Directory, tag: u16, most: u64) -> Result<Option<Vec<u8>>> {
        let Some(entry) = directory.get(&tag).filter(|e| matches!(e.kind, 1 | 2 | 7)) else {
            return Ok(None);
        };
        if entry.count > most {
            return Err(
                self.damaged(format!("at most {most} bytes in tag {tag}"), entry.count.to_string())
            );
        }
        self.bytes(entry.at, entry.count as usize).map(Some)
    }

    /// A text, empty where there is none.
    pub fn text(&self, directory: &Directory, tag: u16, most: u64) -> Result<String> {
        let bytes = self.raw(directory, tag, most)?.unwrap_or_default();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned())
    }
}

/// Bytes of one value of a type; 0 for types that are not known.
fn width(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 0,
    }
}
