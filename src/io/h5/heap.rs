//! The heaps of texts of variable length, looked at before the HDF5 library does.
//!
//! An entry of such a heap whose size does not lead on to the next keeps the library (2.2 and
//! earlier, h5py's too) in a loop for ever. So every heap in the file is walked here first.

use std::fs::File;
use std::os::unix::fs::FileExt;

use hdf5::types::TypeDescriptor as Type;
use hdf5::{Group, LocationType};

use super::failed;
use crate::base::{Error, Result, interrupt};

/// What a heap begins with.
const SIGNATURE: &[u8; 4] = b"GCOL";
/// The smallest heap that the library takes.
const SMALLEST: u64 = 4096;
/// Files below this are searched whole.
const SMALL_FILE: u64 = 8 << 20;
/// Arrays below this are searched with everything else.
const SMALL_ARRAY: u64 = 1 << 20;
/// Bytes searched at a time.
const BLOCK: usize = 4 << 20;
/// Objects that are looked at to find the large arrays.
const MOST_OBJECTS: usize = 10_000;

/// Refuses a file with a heap that would hold the library in a loop.
///
/// # Errors
/// Such a heap, or heaps that together are larger than the file.
pub(super) fn check(f: &hdf5::File, path: &std::path::Path) -> Result<()> {
    let doing = format!("looking at the texts of {}", path.display());
    let failed = |e| Error::io(&doing, e);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let width = f.fcpl().map_or(8, |p| usize::from(p.sizes().sizeof_size));
    let mut walked = 0;
    for (from, to) in areas(f, length)? {
        let mut block = vec![0; BLOCK.min((to - from) as usize)];
        let mut at = from;
        while at + 4 <= to {
            interrupt::check(&doing)?;
            let n = block.len().min((to - at) as usize);
            file.read_exact_at(&mut block[..n], at).map_err(failed)?;
            for found in signatures(&block[..n]) {
                walked += walk(&file, at + found as u64, length, width).map_err(|entry| {
                    Error::new(&doing)
                        .expected("heaps of texts whose entries follow one another")
                        .found(format!("an entry without an end at byte {entry}"))
                        .advice("The file is damaged. Fetch it again")
                })?;
                if walked > length.saturating_mul(4) {
                    return Err(Error::new(&doing)
                        .expected("heaps of texts beside one another")
                        .found("heaps within heaps")
                        .advice("The file is damaged. Fetch it again"));
                }
            }
            // The signature may lie across the end of the block.
            at += if n == block.len() && at + (n as u64) < to { n as u64 - 3 } else { n as u64 };
        }
    }
    Ok(())
}

/// Where the signature stands.
fn signatures(bytes: &[u8]) -> Vec<usize> {
    let [a, b, c, d] = *SIGNATURE;
    let mut found = Vec::new();
    for start in (0..bytes.len()).step_by(4096) {
        let part = &bytes[start..bytes.len().min(start + 4099)];
        let (p, q, r) = (part.iter().skip(1), part.iter().skip(2), part.iter().skip(3));
        // Without a branch in it the loop looks at many bytes at a time.
        let four = part.iter().zip(p).zip(q.zip(r));
        let any = four.fold(false, |any, ((w, x), (y, z))| {
            any | ((*w == a) & (*x == b) & (*y == c) & (*z == d))
        });
        if any {
            let places = part.windows(4).enumerate().filter(|(_, w)| w == SIGNATURE);
            found.extend(places.map(|(i, _)| start + i));
        }
    }
    found
}

/// Walks a heap as the library does: its size, zero when it is none that the library takes, or
/// the place of an entry that the walk never leaves.
fn walk(file: &File, start: u64, length: u64, width: usize) -> Result<u64, u64> {
    let number = |b: Option<&[u8]>| {
        b.unwrap_or_default().iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b))
    };
    let width = width.clamp(2, 16);
    let header = (8 + width as u64).next_multiple_of(8);
    let mut head = [0; 24];
    if file.read_exact_at(&mut head, start).is_err() || head[4] != 1 {
        return Ok(0);
    }
    let size = number(head.get(8..8 + width));
    // The library refuses what does not lie within the file.
    if size < SMALLEST || start.checked_add(size).is_none_or(|end| end > length) {
        return Ok(0);
    }
    let mut heap = vec![0; size as usize];
    if file.read_exact_at(&mut heap, start).is_err() {
        return Ok(0);
    }
    let mut at = header;
    while at + header <= size {
        let i = at as usize;
        let entry = number(heap.get(i + 8..i + 8 + width));
        let free = heap.get(i..i + 2) == Some(&[0, 0]);
        // As the library counts, sums that wrap around included.
        let aligned = entry.wrapping_add(7) / 8 * 8;
        let need = if free { entry } else { header.wrapping_add(aligned) };
        if need == 0 {
            return Err(start + at);
        }
        if need > size - at {
            break;
        }
        at += need;
    }
    Ok(size)
}

/// The areas of a file in which heaps may lie: all of it, without its large arrays of numbers when
/// the file is large. Arrays that overlap are not to be trusted, and all is searched then.
fn areas(f: &hdf5::File, length: u64) -> Result<Vec<(u64, u64)>> {
    let whole = vec![(0, length)];
    if length < SMALL_FILE {
        return Ok(whole);
    }
    let mut taken = Vec::new();
    arrays(f, &mut taken)?;
    taken.sort_unstable();
    taken.dedup();
    let (mut areas, mut at) = (Vec::new(), 0);
    for (from, to) in taken {
        if from < at || to > length {
            return Ok(whole);
        }
        areas.push((at, from));
        at = to;
    }
    areas.push((at, length));
    Ok(areas)
}

/// Where the large arrays of numbers lie.
fn arrays(f: &Group, taken: &mut Vec<(u64, u64)>) -> Result<()> {
    let mut groups = vec![f.clone()];
    let mut seen = 0;
    while let Some(g) = groups.pop() {
        interrupt::check("looking at the arrays of a file")?;
        for name in g.member_names().map_err(failed(format!("listing {}", g.name())))? {
            seen += 1;
            if seen > MOST_OBJECTS {
                return Ok(());
            }
            match g.loc_type_by_name(&name) {
                Ok(LocationType::Group) => groups.extend(g.group(&name)),
                Ok(LocationType::Dataset) => {
                    if let Ok(d) = g.dataset(&name) {
                        array(&d, taken);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn array(d: &hdf5::Dataset, taken: &mut Vec<(u64, u64)>) {
    let numbers = matches!(
        d.dtype().and_then(|t| t.to_descriptor()),
        Ok(Type::Integer(_) | Type::Unsigned(_) | Type::Float(_) | Type::Boolean)
    );
    let size = d.storage_size();
    if !numbers || size < SMALL_ARRAY {
        return;
    }
    if let Some(at) = d.offset() {
        taken.push((at, at.saturating_add(size)));
    } else if d.is_chunked() {
        d.chunks_visit(|c| {
            taken.push((c.addr, c.addr.saturating_add(c.size)));
            0
        })
        .ok();
    }
}
