//! The chunks of an array: where they lie, how large they may be, and what they hold.

use std::ops::Range;

use super::meta::{Array, Type};
use super::store::{Store, join};
use crate::base::{Error, Result, interrupt, memory};

/// What is stored unfolds to at most so many times its size, unless that is small.
const MOST_PACKED: u64 = 4096;
const SMALL: u64 = 64 << 20;
/// An array may lack so many chunks, and ten times those that it has.
const MOST_ABSENT: usize = 100_000;

/// A chunk, or a chunk of a shard: where it begins, and how many elements it has along each axis.
pub(super) struct Piece<'a> {
    pub origin: Vec<usize>,
    pub shape: &'a [usize],
    /// Elements of the chunk; `None` where it is not stored.
    pub bytes: Option<Vec<u8>>,
}

/// An array of a store, chunk by chunk.
pub(super) struct Chunks<'a> {
    pub store: &'a Store,
    pub key: &'a str,
    pub array: &'a Array,
}

impl Chunks<'_> {
    /// Chunks along each axis.
    fn grid(&self) -> Vec<usize> {
        self.array.shape.iter().zip(&self.array.chunk).map(|(s, c)| s.div_ceil(*c)).collect()
    }

    fn chunk_key(&self, at: &[usize]) -> String {
        let (prefix, separator) = self.array.key;
        let numbers: Vec<String> = at.iter().map(usize::to_string).collect();
        let name = match (prefix, numbers.join(separator)) {
            ("", n) if n.is_empty() => "0".into(),
            ("", n) => n,
            (c, n) if n.is_empty() => c.into(),
            (c, n) => format!("{c}{separator}{n}"),
        };
        join(self.key, &name)
    }

    /// Bytes of an element; of a text what it takes in memory at least.
    fn element(&self) -> u64 {
        match &self.array.ty {
            Type::Text => 64,
            Type::Plain(p) => p.bytes as u64,
            Type::Record(fields) => fields.iter().map(|f| f.1.bytes as u64).sum(),
        }
    }

    fn bytes_of(&self, shape: &[usize]) -> u64 {
        shape.iter().fold(self.element(), |n, s| n.saturating_mul(*s as u64))
    }

    /// Refuses an array that its chunks cannot unfold to; how many chunks are not stored.
    pub(super) fn plausible(&self) -> Result<usize> {
        let (mut here, mut absent, mut stored) = (0usize, 0usize, 0u64);
        let refuse = |expected: String, found: String| {
            Error::new("sizing the array")
                .expected(expected)
                .found(found)
                .advice("The store is damaged, or was not copied whole")
        };
        for at in Grid::new(&self.grid()) {
            match self.store.size(&self.chunk_key(&at)) {
                Some(n) => (here, stored) = (here + 1, stored.saturating_add(n)),
                None => absent += 1,
            }
            if absent > MOST_ABSENT.saturating_add(here.saturating_mul(10)) {
                return Err(refuse(
                    "most of its chunks".into(),
                    format!("{here} of {}", here + absent),
                ));
            }
        }
        let bytes = self.bytes_of(&self.array.shape);
        if bytes > SMALL && bytes / MOST_PACKED > stored {
            return Err(refuse(
                format!("an array that {} in the store can unfold to", memory::human(stored)),
                format!("shape {:?}, {}", self.array.shape, memory::human(bytes)),
            ));
        }
        Ok(absent)
    }

    /// What so many stored bytes may unfold to.
    fn most(&self, stored: usize, shape: &[usize]) -> Result<usize> {
        let most = (stored as u64).saturating_mul(MOST_PACKED).max(SMALL);
        let bytes = self.bytes_of(shape);
        if bytes > most {
            return Err(Error::new("sizing a chunk")
                .expected(format!("at most {}", memory::human(most)))
                .found(format!("shape {shape:?}, {}", memory::human(bytes)))
                .advice("The store is damaged"));
        }
        Ok(if matches!(self.array.ty, Type::Text) { most } else { bytes } as usize)
    }

    /// Calls `f` with each chunk that has elements of the array.
    pub(super) fn pieces(&self, mut f: impl FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
        let (chain, chunk) = (&self.array.chain, &self.array.chunk);
        for at in Grid::new(&self.grid()) {
            interrupt::check("reading a zarr store")?;
            let origin: Vec<usize> = at.iter().zip(chunk).map(|(i, c)| i * c).collect();
            let Some(stored) = self.store.read(&self.chunk_key(&at))? else {
                f(Piece { origin, shape: chunk, bytes: None })?;
                continue;
            };
            let Some(shard) = &chain.shard else {
                let most = self.most(stored.len(), chunk)?;
                f(Piece { origin, shape: chunk, bytes: Some(chain.unpack(stored, most)?) })?;
                continue;
            };
            let most = (stored.len() as u64).saturating_mul(MOST_PACKED).max(SMALL) as usize;
            let bytes = chain.unpack(stored, most)?;
            let inside: Vec<usize> = chunk.iter().zip(&shard.chunk).map(|(o, i)| o / i).collect();
            let n = inside.iter().fold(1usize, |n, i| n.saturating_mul(*i));
            let index = shard.index(&bytes, n)?;
            for (place, at) in index.into_iter().zip(Grid::new(&inside)) {
                let within = at.iter().zip(&shard.chunk).map(|(i, c)| i * c);
                let origin: Vec<usize> = origin.iter().zip(within).map(|(o, w)| o + w).collect();
                if origin.iter().zip(&self.array.shape).any(|(o, s)| o >= s) {
                    continue;
                }
                let packed = place.and_then(|p: Range<usize>| bytes.get(p));
                let unpack =
                    |b: &[u8]| shard.chain.unpack(b.to_vec(), self.most(b.len(), &shard.chunk)?);
                let bytes = packed.map(unpack).transpose()?;
                f(Piece { origin, shape: &shard.chunk, bytes })?;
            }
        }
        Ok(())
    }
}

/// All places of a grid, the last axis fastest.
struct Grid {
    size: Vec<usize>,
    next: Option<Vec<usize>>,
}

impl Grid {
    fn new(size: &[usize]) -> Self {
        let next = (!size.contains(&0)).then(|| vec![0; size.len()]);
        Self { size: size.to_vec(), next }
    }
}

impl Iterator for Grid {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let now = self.next.take()?;
        let mut next = now.clone();
        for (i, size) in next.iter_mut().zip(&self.size).rev() {
            *i += 1;
            if *i < *size {
                self.next = Some(next);
                break;
            }
            *i = 0;
        }
        Some(now)
    }
}
