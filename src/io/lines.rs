//! Delimited text record by record, in memory that one record needs: quoted fields, gzip told by
//! its content, a byte order mark.
//!
//! The `csv` crate is no dependency and polars hands out whole frames only, so that 20,000 columns
//! of counts would be dense. What becomes a table goes through polars ([`super::table`]).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::base::{Error, Result, files, interrupt};

/// The longest record, in bytes: a million names of 60 letters.
const LONGEST: u64 = 64 << 20;
/// The most lines of one record.
const LINES: usize = 100;
/// Enough of a file to see its separator in.
const BLOCK: usize = 1 << 18;

/// The fields of one record.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Where it starts, counted from 1.
    pub line: usize,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Empty beyond the last one.
    pub fn field(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).and_then(|i| self.ends.get(i)).copied().unwrap_or(0);
        self.ends.get(i).and_then(|&end| self.text.get(start..end)).unwrap_or_default()
    }

    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.field(i))
    }
}

/// A file of delimited text.
pub(super) struct Records {
    path: PathBuf,
    from: Box<dyn BufRead>,
    separator: u8,
    decimal_comma: bool,
    line: usize,
    consumed: usize,
    raw: Vec<u8>,
}

/// Opens a file, through gzip where its first bytes say so, behind a byte order mark.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    files::exists(path)?;
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let mut file = BufReader::with_capacity(BLOCK, File::open(path).map_err(failed)?);
    let zipped = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    let mut from: Box<dyn BufRead> = match zipped {
        true => Box::new(BufReader::with_capacity(BLOCK, MultiGzDecoder::new(file))),
        false => Box::new(file),
    };
    let start = from.fill_buf().map_err(|e| unreadable(path, e))?;
    match start {
        [0xef, 0xbb, 0xbf, ..] => from.consume(3),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err(Error::new(format!("reading {}", path.display()))
                .expected("text in UTF-8")
                .found("UTF-16, as Excel saves \"Unicode text\"")
                .advice("Save it as \"CSV UTF-8\""));
        }
        _ => {}
    }
    Ok(from)
}

fn unreadable(path: &Path, e: std::io::Error) -> Error {
    let cut = e.kind() == std::io::ErrorKind::UnexpectedEof;
    let e = Error::io(format!("reading {}", path.display()), e);
    if cut {
        e.found("a gzip file that is cut short").advice("Copy or download it again")
    } else {
        e
    }
}

impl Records {
    /// Opens a file; without a separator it is the one that the first line has most of.
    pub fn open(path: &Path, separator: Option<u8>) -> Result<Self> {
        let mut from = open(path)?;
        let start = from.fill_buf().map_err(|e| unreadable(path, e))?;
        let separator = separator.unwrap_or_else(|| sniff(start));
        let decimal_comma = separator != b',';
        Ok(Self {
            path: path.to_owned(),
            from,
            separator,
            decimal_comma,
            line: 0,
            consumed: 0,
            raw: Vec::new(),
        })
    }

    pub fn separator(&self) -> u8 {
        self.separator
    }

    /// Bytes of the text behind the last record read.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// An error at a record.
    pub fn refuse(&self, line: usize) -> Error {
        Error::new(format!("reading {}, line {line}", self.path.display()))
    }

    /// An error at a field that is no number, which says what it looks like.
    pub fn no_number(&self, record: &Record, column: usize, name: &str, expected: &str) -> Error {
        let field = String::from_utf8_lossy(record.field(column)).into_owned();
        let e = self
            .refuse(record.line)
            .expected(format!("{expected} in column {} ('{name}')", column + 1))
            .found(if field.is_empty() {
                "nothing".into()
            } else {
                format!("'{}'", short(&field))
            });
        if self.decimal_comma && field.replacen(',', ".", 1).trim().parse::<f64>().is_ok() {
            return e.advice("It has a decimal comma: give the option decimal_comma: true");
        }
        e
    }

    /// Reads the next record that is no empty line; `false` at the end.
    ///
    /// # Errors
    /// A line beyond all bounds, a quote that is not closed, damaged gzip, an interrupt.
    pub fn next(&mut self, record: &mut Record) -> Result<bool> {
        record.text.clear();
        record.ends.clear();
        self.raw.clear();
        loop {
            record.line = self.line + 1;
            if !self.append()? {
                return Ok(false);
            }
            if self.raw.iter().any(|&b| b != b'\r' && b != b'\n') {
                break;
            }
            self.raw.clear();
        }
        if record.line.is_multiple_of(256) {
            interrupt::check("reading a table of text")?;
        }
        if !self.raw.contains(&b'"') {
            for field in trimmed(&self.raw).split(|&b| b == self.separator) {
                record.text.extend_from_slice(field);
                record.ends.push(record.text.len());
            }
            return Ok(true);
        }
        // A quote that nobody closes would else take in the whole file, again with each line.
        for _ in 0..LINES {
            if quoted(trimmed(&self.raw), self.separator, record) {
                return Ok(true);
            }
            if !self.append()? {
                break;
            }
        }
        Err(self
            .refuse(record.line)
            .expected("a closing quote")
            .found(format!("none up to line {}", self.line)))
    }

    /// Appends a line to `raw`; `false` at the end of the file.
    fn append(&mut self) -> Result<bool> {
        let left = LONGEST.saturating_sub(self.raw.len() as u64);
        let n = (&mut self.from)
            .take(left)
            .read_until(b'\n', &mut self.raw)
            .map_err(|e| unreadable(&self.path, e))?;
        if n as u64 == left {
            return Err(self
                .refuse(self.line + 1)
                .expected(format!("records of at most {} MB", LONGEST >> 20))
                .found("a longer one")
                .advice("Is it a table of text, and is every quote closed?"));
        }
        self.line += usize::from(n > 0);
        self.consumed += n;
        Ok(n > 0)
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Splits a record some of whose fields are quoted; `false` where a quote is open at its end.
fn quoted(line: &[u8], separator: u8, record: &mut Record) -> bool {
    record.text.clear();
    record.ends.clear();
    let (mut open, mut start) = (false, true);
    let mut bytes = line.iter().copied().peekable();
    while let Some(b) = bytes.next() {
        match b {
            b'"' if open && bytes.peek() == Some(&b'"') => {
                bytes.next();
                record.text.push(b'"');
            }
            b'"' if open => open = false,
            b'"' if start => open = true,
            b if b == separator && !open => {
                record.ends.push(record.text.len());
                start = true;
                continue;
            }
            b => record.text.push(b),
        }
        start = false;
    }
    record.ends.push(record.text.len());
    !open
}

/// The separator that stands most often in the first line, outside of quotes; a comma where there
/// is none.
pub(super) fn sniff(start: &[u8]) -> u8 {
    let line = start.split(|&b| b == b'\n').find(|l| !l.is_empty()).unwrap_or_default();
    let mut open = false;
    let mut seen = [(b'\t', 0), (b',', 0), (b';', 0)];
    for &b in line {
        open ^= b == b'"';
        seen.iter_mut().filter(|(s, _)| !open && *s == b).for_each(|(_, n)| *n += 1);
    }
    let most = seen.iter().map(|&(_, n)| n).max().unwrap_or(0);
    seen.iter().find(|&&(_, n)| n == most && n > 0).map_or(b',', |&(s, _)| s)
}

/// A separator as an option gives it.
pub(super) fn separator(given: Option<&str>) -> Result<Option<u8>> {
    match given {
        None => Ok(None),
        Some("\\t" | "tab") => Ok(Some(b'\t')),
        Some(one) if one.len() == 1 && one != "\"" && one != "\n" => Ok(one.bytes().next()),
        Some(other) => Err(Error::new("choosing the separator")
            .expected("one character, as \",\", \";\" or \"\\t\"")
            .found(format!("\"{}\"", other.escape_default()))),
    }
}

/// A number; `None` for what is none. Spaces around it are taken away.
pub(super) fn number(field: &[u8], decimal_comma: bool) -> Option<f64> {
    match field {
        [d @ b'0'..=b'9'] => Some(f64::from(d - b'0')),
        _ => {
            let text = std::str::from_utf8(field).ok()?.trim();
            match decimal_comma && text.contains(',') {
                true => text.replacen(',', ".", 1).parse().ok(),
                false => text.parse().ok(),
            }
        }
    }
}

/// Whether a field says that there is no value.
pub(super) fn missing(field: &[u8]) -> bool {
    matches!(field.trim_ascii(), b"" | b"NA" | b"NaN" | b"nan" | b"null" | b"None" | b"<NA>")
}

/// A field for a message.
pub(super) fn short(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}
