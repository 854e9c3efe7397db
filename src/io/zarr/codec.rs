//! From the bytes of a chunk as stored to the bytes of its elements.
//!
//! No step gives more than it is told to: sizes in headers are checked, streams are cut.

use std::ffi::{c_int, c_void};
use std::io::Read;

use polars::io::utils::compression::CompressedReader;

use crate::base::{Error, Result};

/// A chain of codecs.
#[derive(Default)]
pub(super) struct Chain {
    /// Axis `i` of what is stored is axis `transpose[i]` of the array.
    pub transpose: Option<Vec<usize>>,
    pub big_endian: bool,
    /// Texts of any length, each behind its length.
    pub text: bool,
    pub shard: Option<Box<Shard>>,
    /// In the order of reading.
    pub packing: Vec<Packing>,
}

/// Chunks within a chunk, with an index of where each lies.
pub(super) struct Shard {
    pub chunk: Vec<usize>,
    pub chain: Chain,
    /// The index ends with a checksum.
    pub crc: bool,
    pub big_endian: bool,
    /// The index lies before the chunks rather than behind them.
    pub first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Blosc,
    Gzip,
    Zlib,
    Zstd,
    Crc32c,
}

impl Packing {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "blosc" => Some(Self::Blosc),
            "gzip" => Some(Self::Gzip),
            "zlib" => Some(Self::Zlib),
            "zstd" => Some(Self::Zstd),
            "crc32c" => Some(Self::Crc32c),
            _ => None,
        }
    }

    fn unpack(self, bytes: Vec<u8>, most: usize) -> Result<Vec<u8>> {
        match self {
            Self::Blosc => blosc(&bytes, most),
            Self::Gzip => stream(flate2::read::MultiGzDecoder::new(&bytes[..]), most),
            Self::Zlib => stream(flate2::read::ZlibDecoder::new(&bytes[..]), most),
            Self::Zstd if !bytes.starts_with(b"\x28\xb5\x2f\xfd") => Err(damaged("no zstd")),
            Self::Zstd => {
                let reader = CompressedReader::try_new(bytes.into());
                stream(reader.map_err(|e| Error::io(UNPACKING, e))?, most)
            }
            Self::Crc32c => {
                let Some((data, sum)) = bytes.split_last_chunk::<4>() else {
                    return Err(damaged("too few bytes for a checksum"));
                };
                if crc32c(data) != u32::from_le_bytes(*sum) {
                    return Err(damaged("another checksum than the one that is stored"));
                }
                Ok(data.to_vec())
            }
        }
    }
}

const UNPACKING: &str = "unpacking a chunk";

fn damaged(found: impl Into<String>) -> Error {
    Error::new(UNPACKING)
        .expected("a chunk as the array says it is packed")
        .found(found)
        .advice("The store is damaged, or not copied whole")
}

fn stream(from: impl Read, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::io(UNPACKING, e))?;
    if bytes.len() > most { Err(damaged(format!("more than {most} bytes"))) } else { Ok(bytes) }
}

// C-Blosc, which the feature `blosc-all` of `hdf5` builds and links for the filters of HDF5.
unsafe extern "C" {
    fn blosc_cbuffer_validate(buffer: *const c_void, bytes: usize, unpacked: *mut usize) -> c_int;
    fn blosc_decompress_ctx(
        from: *const c_void,
        to: *mut c_void,
        room: usize,
        threads: c_int,
    ) -> c_int;
}

fn blosc(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut n = 0;
    // SAFETY: the pointer and the length are those of a slice, and only its header is looked at.
    let valid = unsafe { blosc_cbuffer_validate(bytes.as_ptr().cast(), bytes.len(), &raw mut n) };
    if valid < 0 {
        return Err(damaged("no blosc"));
    }
    if n > most {
        return Err(damaged(format!("{n} bytes, more than {most}")));
    }
    let mut unpacked = vec![0; n];
    // SAFETY: the header was found to say the length of `bytes`, and there is room for the `n`
    // bytes that it says; the library writes no more than it is told there is room for.
    let written =
        unsafe { blosc_decompress_ctx(bytes.as_ptr().cast(), unpacked.as_mut_ptr().cast(), n, 1) };
    if usize::try_from(written) == Ok(n) { Ok(unpacked) } else { Err(damaged("damaged blosc")) }
}

/// Castagnoli's checksum, as iSCSI has it.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(
            crc ^ u32::from(b),
            |c, _| if c & 1 == 1 { (c >> 1) ^ 0x82f6_3b78 } else { c >> 1 },
        )
    })
}

impl Chain {
    /// The chain that makes elements.
    pub(super) fn innermost(&self) -> &Self {
        self.shard.as_ref().map_or(self, |s| &s.chain)
    }

    /// Refuses axes and shards that do not fit the chunk.
    pub(super) fn check(&self, chunk: &[usize]) -> Result<()> {
        let refuse = |found: String| {
            Err(Error::new("reading what the array is")
                .expected(format!("codecs for chunks of {chunk:?}"))
                .found(found))
        };
        if let Some(order) = &self.transpose {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..chunk.len()) {
                return refuse(format!("axes {order:?}"));
            }
        }
        let Some(shard) = &self.shard else { return Ok(()) };
        let fits = shard.chunk.len() == chunk.len()
            && shard.chunk.iter().zip(chunk).all(|(i, o)| *i > 0 && o % i == 0);
        if fits {
            shard.chain.check(&shard.chunk)
        } else {
            refuse(format!("shards of {:?}", shard.chunk))
        }
    }

    /// Bytes of the elements, at most so many.
    pub(super) fn unpack(&self, stored: Vec<u8>, most: usize) -> Result<Vec<u8>> {
        // A checksum may still follow.
        self.packing.iter().try_fold(stored, |bytes, p| p.unpack(bytes, most.saturating_add(4)))
    }
}

impl Shard {
    /// Where each chunk lies in the shard, in order; `None` for those that are not stored.
    pub(super) fn index(
        &self,
        bytes: &[u8],
        chunks: usize,
    ) -> Result<Vec<Option<std::ops::Range<usize>>>> {
        let refuse = || damaged("a shard whose index does not fit");
        let size = chunks.checked_mul(16).ok_or_else(refuse)?;
        let whole = if self.crc { size.saturating_add(4) } else { size };
        let start =
            if self.first { 0 } else { bytes.len().checked_sub(whole).ok_or_else(refuse)? };
        let index = bytes.get(start..start + whole.min(bytes.len())).filter(|i| i.len() == whole);
        let mut index = index.ok_or_else(refuse)?.to_vec();
        if self.crc {
            index = Packing::Crc32c.unpack(index, size)?;
        }
        let number = |b: &[u8; 8]| {
            if self.big_endian { u64::from_be_bytes(*b) } else { u64::from_le_bytes(*b) }
        };
        let mut left = bytes.len() as u64;
        let place = |pair: &[[u8; 8]]| {
            let [at, n] = pair else { return Err(refuse()) };
            let (at, n) = (number(at), number(n));
            if (at, n) == (u64::MAX, u64::MAX) {
                return Ok(None);
            }
            // Chunks do not share bytes: else a small shard could be read without end.
            left = left.checked_sub(n).ok_or_else(refuse)?;
            let end = at.checked_add(n).filter(|e| *e <= bytes.len() as u64).ok_or_else(refuse)?;
            Ok(Some(at as usize..end as usize))
        };
        index.as_chunks::<8>().0.chunks(2).map(place).collect()
    }
}
