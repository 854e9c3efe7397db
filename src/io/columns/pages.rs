//! Pages of a column, with what their headers promise checked before memory is taken for it.
//!
//! The parquet crate allocates what a header says a page or a dictionary unfolds to. Here the
//! header is read beforehand, and the page looked at before its decoder is.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

/// A page up to this size is taken as its header says.
const SMALL: u64 = 32 << 20;
/// Larger ones may unfold this much: deflate and lz4 pack 1032 and 255 bytes into one.
const MOST_PACKED: u64 = 4096;
/// Bytes of a page header, its statistics included.
const LONGEST_HEADER: u64 = 1 << 20;
/// Structures within structures of a header.
const DEEPEST: usize = 8;
/// The kind of a page that holds no values.
const INDEX: i64 = 1;

/// The pages of one column in one group of rows.
pub(super) struct Pages {
    inner: SerializedPageReader<File>,
    file: Arc<File>,
    /// Where the next header starts, and where the pages end.
    next: u64,
    end: u64,
    rows: u64,
    /// Bytes that a value takes at least in a dictionary.
    width: usize,
    levels: bool,
    dictionary: bool,
}

impl Pages {
    pub fn new(
        file: Arc<File>,
        bytes: u64,
        chunk: &ColumnChunkMetaData,
        column: &ColumnDescriptor,
        rows: u64,
    ) -> Result<Self> {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let span = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
        let span = span.and_then(|(start, n)| Some((start, start.checked_add(n)?)));
        let same = chunk.column_type() == column.physical_type();
        let Some((next, end)) = span.filter(|&(_, end)| end <= bytes && same) else {
            return Err(damaged("pages outside the file"));
        };
        let width = match column.physical_type() {
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(column.type_length()).unwrap_or(1).max(1),
            Type::BOOLEAN => 1,
        };
        let inner = SerializedPageReader::new(Arc::clone(&file), chunk, rows as usize, None)?;
        let levels = column.max_def_level() > 0;
        Ok(Self { inner, file, next, end, rows, width, levels, dictionary: false })
    }

    /// Reads the header of the next page, as the crate is about to do.
    fn look_ahead(&mut self) -> Result<()> {
        while self.next < self.end {
            let mut file = self.file.try_clone()?;
            file.seek(SeekFrom::Start(self.next))?;
            let mut r = BufReader::new(file).take(LONGEST_HEADER);
            let header = header(&mut r)?;
            let read = LONGEST_HEADER - r.limit();
            self.next = self.next.saturating_add(read).saturating_add(header.stored);
            // The crate goes on to the next one by itself.
            if header.kind != INDEX {
                break;
            }
        }
        Ok(())
    }

    fn check(&mut self, page: &Page) -> Result<()> {
        let (buffer, values) = (page.buffer(), u64::from(page.num_values()));
        let data = match page {
            Page::DictionaryPage { .. } => {
                self.dictionary = true;
                let most = buffer.len() / self.width;
                return if values <= most as u64 { Ok(()) } else { Err(damaged("a dictionary")) };
            }
            Page::DataPage { .. } if self.levels => {
                let length = buffer.first_chunk().map(|&b| u32::from_le_bytes(b) as usize);
                length.and_then(|n| buffer.get(n.checked_add(4)?..))
            }
            Page::DataPage { .. } => buffer.get(..),
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                buffer.get(levels as usize..)
            }
        };
        let data = data.ok_or_else(|| damaged("levels beyond a page"))?;
        if values > self.rows {
            return Err(damaged("a page with more values than rows"));
        }
        match page.encoding() {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY if !self.dictionary => {
                Err(damaged("a page before its dictionary"))
            }
            // Both begin with a block's size, its parts and the number of values, which the
            // decoder takes memory for.
            Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BINARY_PACKED => {
                let mut data = data;
                let mut number = || varint(&mut data).ok();
                let counted = (number(), number(), number());
                match counted {
                    (_, Some(parts), Some(n)) if n <= values && parts <= 1 << 16 => Ok(()),
                    _ => Err(damaged("a page with more values than it says")),
                }
            }
            Encoding::DELTA_BYTE_ARRAY => Err(ParquetError::NYI("text as differences".into())),
            _ => Ok(()),
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.look_ahead()?;
        let page = self.inner.get_next_page()?;
        page.as_ref().map_or(Ok(()), |p| self.check(p))?;
        Ok(page)
    }

    // Only readers that skip rows, or of lists, ask for these.
    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(ParquetError::NYI("skipping".into()))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(ParquetError::NYI("skipping".into()))
    }
}

/// What a page header says.
#[derive(Default)]
struct Header {
    kind: i64,
    /// Bytes that the page takes in the file.
    stored: u64,
}

/// Reads a page header; refuses one whose page is larger than its bytes can unfold to.
fn header(r: &mut impl Read) -> Result<Header> {
    let (mut header, mut unfolded) = (Header::default(), 0);
    structure(r, 0, &mut |id, v| match id {
        1 => header.kind = v,
        2 => unfolded = v.unsigned_abs().max(unfolded),
        3 => header.stored = v.unsigned_abs(),
        _ => {}
    })?;
    if unfolded > SMALL && unfolded / MOST_PACKED > header.stored {
        return Err(damaged("a page larger than its bytes can unfold to"));
    }
    Ok(header)
}

/// Walks a structure of Thrift's compact protocol, telling the whole numbers of the outermost
/// (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).
fn structure(r: &mut impl Read, depth: usize, tell: &mut dyn FnMut(i64, i64)) -> Result<()> {
    if depth > DEEPEST {
        return Err(damaged("a header within headers"));
    }
    let mut id = 0i64;
    loop {
        let [byte] = take(r)?;
        if byte & 0x0f == 0 {
            return Ok(());
        }
        id = match byte >> 4 {
            0 => zigzag(varint(r)?),
            delta => id.saturating_add(i64::from(delta)),
        };
        match byte & 0x0f {
            1 | 2 => {}
            3 => drop(take::<1>(r)?),
            4..=6 => {
                let v = zigzag(varint(r)?);
                if depth == 0 {
                    tell(id, v);
                }
            }
            7 => drop(take::<8>(r)?),
            8 => {
                let n = varint(r)?;
                if std::io::copy(&mut r.by_ref().take(n), &mut std::io::sink())? != n {
                    return Err(damaged("a header that is cut short"));
                }
            }
            12 => structure(r, depth + 1, tell)?,
            _ => return Err(damaged("a header of another make")),
        }
    }
}

fn take<const N: usize>(r: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    r.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn varint(r: &mut impl Read) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(r)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(damaged("a number without an end"))
}

fn zigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.into())
}
