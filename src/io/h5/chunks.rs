//! Chunks of an array taken raw from the file and unpacked by all threads.
//!
//! HDF5 works on one chunk at a time under one lock. It tells where the chunks lie; reading,
//! inflating and converting them need no lock.

use std::fs::File;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use flate2::{Decompress, FlushDecompress, Status};
use hdf5::Container;
use hdf5::filters::Filter;
use hdf5_sys::h5f::H5Fget_vfd_handle;
use hdf5_sys::h5p::H5P_DEFAULT;
use rayon::prelude::*;

use super::numbers::{Kind, Number, Part, Source, convert, refused, shape, with_kind};
use super::{MOST_PACKED, doing, failed};
use crate::base::{Error, Result, interrupt};

/// More chunks than this are left to the library.
const MOST_CHUNKS: usize = 1 << 22;
/// Arrays with less in the file than this are left to the library.
const WORTHWHILE: u64 = 1 << 14;
/// Ranges of rows.
type Spans = Vec<Range<usize>>;

/// How an array lies in its file.
pub(super) struct Layout {
    shape: (usize, usize),
    chunk: (usize, usize),
    /// The place of each filter in the pipeline.
    shuffle: Option<u32>,
    deflate: Option<u32>,
    /// By rows and then columns of chunks.
    chunks: Vec<Place>,
    file: File,
    /// Bytes of the file.
    length: u64,
}

#[derive(Clone, Copy)]
struct Place {
    at: u64,
    size: u64,
    /// Filters that were skipped.
    skipped: u32,
}

/// The layout of an array whose chunks can be unpacked here; `None` for any other.
pub(super) fn layout(from: &Container, kind: Kind) -> Result<Option<Layout>> {
    let Ok(d) = from.as_dataset() else { return Ok(None) };
    let (Some(chunk), dims) = (d.chunk(), d.shape()) else { return Ok(None) };
    if d.storage_size() < WORTHWHILE || !kind.is_native(from) || chunk.len() != dims.len() {
        return Ok(None);
    }
    let (shuffle, deflate) = match d.filters()[..] {
        [] => (None, None),
        [Filter::Deflate(_)] => (None, Some(0)),
        [Filter::Shuffle] => (Some(0), None),
        [Filter::Shuffle, Filter::Deflate(_)] => (Some(0), Some(1)),
        _ => return Ok(None),
    };
    // Beyond two axes the chunks must hold the later ones whole, so that they are one axis.
    if chunk.iter().zip(&dims).skip(2).any(|(c, d)| c != d) || chunk.contains(&0) {
        return Ok(None);
    }
    let wide = chunk.get(1).copied().unwrap_or(1);
    let (dims, chunk) = (shape(&dims), shape(&chunk));
    let grid = (dims.0.div_ceil(chunk.0), dims.1.div_ceil(chunk.1));
    let n = grid.0.saturating_mul(grid.1);
    // That a chunk can be of this size, `plausible` has seen to.
    let raw = chunk.0.checked_mul(chunk.1).and_then(|n| n.checked_mul(kind.size()));
    if n > MOST_CHUNKS || raw.is_none() {
        return Ok(None);
    }
    let mut found: Vec<(usize, Place)> = Vec::new();
    d.chunks_visit(|c| {
        let at = |axis: usize, size: usize| c.offset.get(axis).map_or(0, |&o| o as usize) / size;
        let index = at(0, chunk.0).saturating_mul(grid.1).saturating_add(at(1, wide));
        found.push((index, Place { at: c.addr, size: c.size, skipped: c.filter_mask }));
        if found.len() > n { -1 } else { 0 }
    })
    .ok();
    found.sort_unstable_by_key(|&(i, _)| i);
    // Chunks that were never written hold the fill value, which the library knows.
    if found.len() != n || found.iter().enumerate().any(|(i, &(at, _))| i != at) {
        return Ok(None);
    }
    let chunks = found.into_iter().map(|(_, p)| p).collect();
    let file = file(&d)?;
    let length = file.metadata().map_err(|e| Error::io(doing(from), e))?.len();
    Ok(Some(Layout { shape: dims, chunk, shuffle, deflate, chunks, file, length }))
}

/// The file that the library has open, for reading beside it.
fn file(d: &hdf5::Dataset) -> Result<File> {
    let owner = d.file().map_err(failed(doing(d)))?;
    let mut handle = std::ptr::null_mut();
    let status = hdf5::sync::sync(|| {
        // SAFETY: an open file and a place for the pointer; the lock of the library is held.
        unsafe { H5Fget_vfd_handle(owner.id(), H5P_DEFAULT, &mut handle) }
    });
    if status < 0 || handle.is_null() {
        return Err(Error::new(doing(d)).found("no handle of the open file"));
    }
    // SAFETY: the driver of `h5::open` keeps a descriptor there, open as long as `owner` is.
    let borrowed = unsafe { BorrowedFd::borrow_raw(*handle.cast::<i32>()) };
    borrowed.try_clone_to_owned().map(File::from).map_err(|e| Error::io(doing(d), e))
}

/// The rows of one band of chunks: where they go, and which they are within the band.
struct Task<'a, T> {
    band: usize,
    to: &'a mut [T],
    rows: Spans,
}

/// Buffers of a thread.
struct Scratch {
    inflate: Decompress,
    packed: Vec<u8>,
    raw: Vec<u8>,
    sorted: Vec<u8>,
}

/// The elements of a part, and how many were rounded.
pub(super) fn read<T: Number>(
    from: &Container,
    layout: &Layout,
    kind: Kind,
    part: Part<'_>,
) -> Result<(Vec<T>, usize)> {
    let width = part.cols.map_or(layout.shape.1, <[usize]>::len);
    let mut values = vec![T::default(); part.n_rows() * width];
    let mut tasks: Vec<Task<'_, T>> = Vec::new();
    let mut rest = &mut values[..];
    for (band, rows) in bands(part.rows, layout.chunk.0) {
        let n: usize = rows.iter().map(ExactSizeIterator::len).sum();
        let (to, later) = rest.split_at_mut(n * width);
        rest = later;
        tasks.push(Task { band, to, rows });
    }
    let doing = doing(from);
    let new = || Scratch {
        inflate: Decompress::new(true),
        packed: Vec::new(),
        raw: Vec::new(),
        sorted: Vec::new(),
    };
    let one = |scratch: &mut Scratch, task: Task<'_, T>| {
        interrupt::check(&doing)?;
        with_kind!(kind, S => layout.band::<S, T>(from, &doing, scratch, task, part.cols))
    };
    // Long runs for each thread, so that its buffers serve many chunks.
    let run = tasks.len().div_ceil(8 * rayon::current_num_threads());
    let each = tasks.into_par_iter().with_min_len(run).map_init(new, one);
    let rounded = each.try_reduce(|| 0, |a, b| Ok(a + b))?;
    Ok((values, rounded))
}

/// Spans cut where bands of `height` rows end, counted within their band.
fn bands(spans: &[Range<usize>], height: usize) -> Vec<(usize, Spans)> {
    let mut bands: Vec<(usize, Spans)> = Vec::new();
    for span in spans {
        let mut at = span.start;
        while at < span.end {
            let band = at / height;
            let end = ((band + 1) * height).min(span.end);
            let piece = at - band * height..end - band * height;
            match bands.last_mut() {
                Some((b, rows)) if *b == band => rows.push(piece),
                _ => bands.push((band, vec![piece])),
            }
            at = end;
        }
    }
    bands
}

impl Layout {
    fn band<S: Source, T: Number>(
        &self,
        from: &Container,
        doing: &str,
        scratch: &mut Scratch,
        task: Task<'_, T>,
        cols: Option<&[usize]>,
    ) -> Result<usize> {
        let size = size_of::<S>();
        let across = self.shape.1.div_ceil(self.chunk.1);
        let width = cols.map_or(self.shape.1, <[usize]>::len);
        let mut rounded = 0;
        for block in 0..across {
            let (first, last) =
                (block * self.chunk.1, ((block + 1) * self.chunk.1).min(self.shape.1));
            // Columns of this chunk, and where they go.
            let wanted: Option<Vec<(usize, usize)>> = cols.map(|c| {
                let here = c.iter().enumerate().filter(|(_, c)| (first..last).contains(*c));
                here.map(|(to, &c)| (c - first, to)).collect()
            });
            if wanted.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let Some(&place) = self.chunks.get(task.band * across + block) else { continue };
            self.unpack(place, size, scratch).map_err(|e| {
                e.within(format!("{doing}, the chunk from row {}", task.band * self.chunk.0))
            })?;
            let raw = &scratch.raw[..];
            let elements = |from: usize, n: usize| {
                raw.get(from * size..(from + n) * size)
                    .unwrap_or_default()
                    .chunks_exact(size)
                    .filter_map(S::of_le)
            };
            let mut done = 0;
            for rows in &task.rows {
                let n = rows.len();
                let failed = |v| refused::<T>(from, v);
                match &wanted {
                    None if across == 1 && self.chunk.1 == width => {
                        let to = &mut task.to[done * width..(done + n) * width];
                        rounded +=
                            convert(elements(rows.start * width, n * width), to).map_err(failed)?;
                    }
                    None => {
                        for (i, r) in rows.clone().enumerate() {
                            let to = (done + i) * width;
                            let to = &mut task.to[to + first..to + last];
                            let read = elements(r * self.chunk.1, last - first);
                            rounded += convert(read, to).map_err(failed)?;
                        }
                    }
                    Some(wanted) => {
                        for (i, r) in rows.clone().enumerate() {
                            for &(c, to) in wanted {
                                let to = (done + i) * width + to;
                                let read = elements(r * self.chunk.1 + c, 1);
                                rounded += convert(read, &mut task.to[to..=to]).map_err(failed)?;
                            }
                        }
                    }
                }
                done += n;
            }
        }
        Ok(rounded)
    }

    /// Fills `scratch.raw` with the bytes of a chunk, exactly as many as it must have.
    fn unpack(&self, place: Place, size: usize, scratch: &mut Scratch) -> Result<()> {
        let refuse = |expected: String, found: String| {
            Err(Error::new("unpacking")
                .expected(expected)
                .found(found)
                .advice("The file is damaged. Fetch it again and compare its size"))
        };
        let whole = self.chunk.0 * self.chunk.1 * size;
        // Deflate grows what it cannot pack by 5 bytes in 16 kB.
        let most = whole as u64 + whole as u64 / 1000 + 64;
        if place.size > most {
            return refuse(format!("at most {most} bytes"), place.size.to_string());
        }
        if place.at.checked_add(place.size).is_none_or(|end| end > self.length) {
            let found = format!("one from {} of {} bytes", place.at, place.size);
            return refuse(format!("a place within the file of {} bytes", self.length), found);
        }
        let skips = |filter: Option<u32>| filter.is_none_or(|i| place.skipped >> i & 1 == 1);
        scratch.packed.resize(place.size as usize, 0);
        self.file
            .read_exact_at(&mut scratch.packed, place.at)
            .map_err(|e| Error::io("reading it", e).advice("The file is damaged or cut short"))?;
        if skips(self.deflate) {
            std::mem::swap(&mut scratch.raw, &mut scratch.packed);
        } else {
            let room = (whole as u64).min(place.size.saturating_mul(MOST_PACKED));
            scratch.raw.clear();
            scratch.raw.reserve_exact(room as usize);
            scratch.inflate.reset(true);
            let end = scratch.inflate.decompress_vec(
                &scratch.packed,
                &mut scratch.raw,
                FlushDecompress::Finish,
            );
            match end {
                Ok(Status::StreamEnd) => {}
                Ok(_) => return refuse(format!("{whole} bytes"), "others".into()),
                Err(e) => return refuse("data packed by deflate".into(), e.to_string()),
            }
        }
        if scratch.raw.len() != whole {
            return refuse(format!("{whole} bytes"), scratch.raw.len().to_string());
        }
        if !skips(self.shuffle) && size > 1 {
            match size {
                2 => unshuffle::<2>(&scratch.raw, &mut scratch.sorted),
                4 => unshuffle::<4>(&scratch.raw, &mut scratch.sorted),
                _ => unshuffle::<8>(&scratch.raw, &mut scratch.sorted),
            }
            std::mem::swap(&mut scratch.raw, &mut scratch.sorted);
        }
        Ok(())
    }
}

/// Puts the bytes of each element together again: the filter stores all first bytes, then all
/// second ones, and so on.
fn unshuffle<const W: usize>(from: &[u8], to: &mut Vec<u8>) {
    let n = from.len() / W;
    to.resize(from.len(), 0);
    for (lane, bytes) in from.chunks_exact(n.max(1)).take(W).enumerate() {
        for (element, &byte) in to.as_chunks_mut::<W>().0.iter_mut().zip(bytes) {
            element[lane] = byte;
        }
    }
}

/// The filter's way: all first bytes of the elements, then all second ones, and so on.
pub(super) fn shuffle<const W: usize>(from: &[u8]) -> Vec<u8> {
    let elements = from.as_chunks::<W>().0;
    (0..W).flat_map(|lane| elements.iter().map(move |e| e[lane])).collect()
}
