//! Matrix Market's coordinate format, streamed into the rows of a sparse matrix.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::base::{Error, Result, interrupt, memory};
use crate::data::Csr;

/// Bytes read at a time; a line may be as long.
const BLOCK: usize = 1 << 20;
/// Deflate packs 1032 bytes into one at best.
const MOST_PACKED: u64 = 1032;
/// The shortest entry, "1 1" and the end of its line.
const SHORTEST: u64 = 4;
/// Entries between two looks at whether the user wants to stop.
const STRIDE: u64 = 1 << 20;

/// The lines of a text file, unpacked if it is gzip.
pub(super) struct Lines {
    path: PathBuf,
    from: Box<dyn Read>,
    block: Vec<u8>,
    /// What of the block is read and not handed out yet.
    start: usize,
    end: usize,
    number: u64,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("reading {}", path.display()), e);
        let mut file = File::open(path).map_err(failed)?;
        // By its content: a browser may have unpacked a `.gz` and kept the name.
        let mut magic = Vec::new();
        file.by_ref().take(2).read_to_end(&mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let from: Box<dyn Read> = if magic == [0x1f, 0x8b] {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file)))
        } else {
            Box::new(file)
        };
        let block = vec![0; BLOCK];
        Ok(Self { path: path.to_owned(), from, block, start: 0, end: 0, number: 0 })
    }

    /// The next line without its end; `None` after the last.
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        let mut scanned = self.start;
        loop {
            let ending = self.block[scanned..self.end].iter().position(|&b| b == b'\n');
            if let Some(n) = ending {
                let (first, last) = (self.start, scanned + n);
                self.start = last + 1;
                return Ok(Some(self.line(first, last)));
            }
            self.block.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            scanned = self.end;
            if self.end == BLOCK {
                return Err(self.refuse("a line below 1 MB").found("a longer one"));
            }
            let n = match self.from.read(&mut self.block[self.end..]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                read => read.map_err(|e| {
                    Error::io(format!("reading {}", self.path.display()), e)
                        .advice("The file may be cut short: fetch it again and compare its size")
                })?,
            };
            self.end += n;
            if n == 0 {
                let last = std::mem::take(&mut self.end);
                return Ok((last > 0).then(|| self.line(0, last)));
            }
        }
    }

    fn line(&mut self, first: usize, last: usize) -> &[u8] {
        self.number += 1;
        let line = &self.block[first..last];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// An error at the line that was handed out last.
    fn refuse(&self, expected: impl Into<String>) -> Error {
        Error::new(format!("reading line {} of {}", self.number, self.path.display()))
            .expected(expected)
    }
}

/// A matrix of which the header has been read.
pub(super) struct Market {
    lines: Lines,
    /// Whether an entry is a place without a value, which is 1.
    pattern: bool,
    pub rows: u64,
    pub columns: u64,
    pub entries: u64,
}

impl Market {
    /// Opens a matrix and reads the header.
    ///
    /// # Errors
    /// Another kind of file, a kind of matrix that is not sparse, real and general, more entries
    /// than the file can hold.
    pub fn open(path: &Path) -> Result<Self> {
        let mut lines = Lines::open(path)?;
        let banner = shown(lines.next()?.unwrap_or_default());
        let expected = "%%MatrixMarket matrix coordinate integer general";
        let refuse = |lines: &Lines, advice: &str| {
            lines.refuse(expected).found(format!("'{banner}'")).advice(advice)
        };
        let lower = banner.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let ["%%matrixmarket", "matrix", layout, field, symmetry] = words[..] else {
            return Err(refuse(&lines, "The file is no matrix in Matrix Market's format"));
        };
        if layout != "coordinate" {
            return Err(refuse(&lines, "A dense matrix (array) is not read: write it sparse"));
        }
        if symmetry != "general" {
            return Err(refuse(&lines, "Counts are not symmetric: write the matrix as general"));
        }
        if !["integer", "unsigned-integer", "real", "double", "pattern"].contains(&field) {
            return Err(refuse(&lines, "Values are integer, real or pattern"));
        }
        let pattern = field == "pattern";
        while let Some(line) = lines.next()? {
            if is_comment(line) {
                continue;
            }
            let text = shown(line);
            let Some([rows, columns, entries]) = sizes(line) else {
                return Err(lines
                    .refuse("three numbers: rows, columns, entries")
                    .found(format!("'{text}'")));
            };
            let whole = Self { lines, pattern, rows, columns, entries };
            return whole.plausible(path).map(|()| whole);
        }
        Err(Error::new(format!("reading {}", path.display()))
            .expected("a line with rows, columns and entries")
            .found("none")
            .advice("The file is cut short: fetch it again"))
    }

    /// Refuses a number of entries that the file cannot hold.
    fn plausible(&self, path: &Path) -> Result<()> {
        let doing = format!("reading {}", path.display());
        let stored = std::fs::metadata(path).map_err(|e| Error::io(&doing, e))?.len();
        let most = (stored.saturating_mul(MOST_PACKED) / SHORTEST)
            .min(self.rows.saturating_mul(self.columns));
        if self.entries > most {
            return Err(Error::new(doing)
                .expected(format!("at most {most} entries, by the size of matrix and file"))
                .found(format!("{} x {} and {} entries", self.rows, self.columns, self.entries))
                .advice("The header is damaged"));
        }
        memory::require(&doing, self.entries * 8, "Use a machine with more memory")
    }

    /// The entries as columns x rows: the cells of 10x's matrices are columns.
    ///
    /// # Errors
    /// An entry that does not parse or lies outside, more or fewer entries than announced.
    pub fn transposed(mut self) -> Result<Csr> {
        let mut rows = Rows::new(self.columns as usize);
        // An entry takes a byte of storage as a rule, so that a wrong header allocates little.
        let stored = std::fs::metadata(&self.lines.path).map_or(0, |m| m.len());
        rows.reserve(self.entries.min(stored) as usize);
        let (last_row, last_column, pattern) = (self.rows, self.columns, self.pattern);
        let mut entries = 0;
        while let Some(line) = self.lines.next()? {
            let Some((row, column, value)) = entry(line, pattern) else {
                if is_comment(line) {
                    continue;
                }
                let (text, what) = (shown(line), if pattern { "" } else { " and a value" });
                return Err(self
                    .lines
                    .refuse(format!("row, column{what}"))
                    .found(format!("'{text}'"))
                    .advice("If it is the last line, the file is cut short: fetch it again"));
            };
            entries += 1;
            let inside = (1..=last_row).contains(&row) && (1..=last_column).contains(&column);
            if !inside || entries > self.entries {
                let found =
                    if inside { "another entry".into() } else { format!("({row}, {column})") };
                return Err(self
                    .lines
                    .refuse(format!(
                        "{} entries, from (1, 1) to ({last_row}, {last_column})",
                        self.entries
                    ))
                    .found(found));
            }
            rows.push(column as usize - 1, row as u32 - 1, value);
            if entries.is_multiple_of(STRIDE) {
                interrupt::check("reading a matrix")?;
            }
        }
        if entries < self.entries {
            return Err(Error::new(format!("reading {}", self.lines.path.display()))
                .expected(format!("{} entries, as its header says", self.entries))
                .found(entries.to_string())
                .advice("The file is cut short: fetch it again and compare its size"));
        }
        rows.finish(last_row as usize)
    }
}

/// Rows of a sparse matrix from entries in any order. Files are in order of rows as a rule; then
/// the entries lie in their places as they come, else each keeps its row until the end.
struct Rows {
    count: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    last: usize,
    of: Option<Vec<u32>>,
}

impl Rows {
    fn new(rows: usize) -> Self {
        Self { count: vec![0; rows], columns: Vec::new(), values: Vec::new(), last: 0, of: None }
    }

    fn reserve(&mut self, entries: usize) {
        self.columns.reserve(entries);
        self.values.reserve(entries);
    }

    fn push(&mut self, row: usize, column: u32, value: f32) {
        if row < self.last && self.of.is_none() {
            let known = self.count.iter().enumerate();
            self.of = Some(known.flat_map(|(r, &n)| std::iter::repeat_n(r as u32, n)).collect());
        }
        if let Some(of) = &mut self.of {
            of.push(row as u32);
        }
        self.last = row;
        self.count[row] += 1;
        self.columns.push(column);
        self.values.push(value);
    }

    fn finish(self, ncols: usize) -> Result<Csr> {
        let shape = (self.count.len(), ncols);
        let mut indptr = Vec::with_capacity(self.count.len() + 1);
        indptr.push(0);
        let mut total = 0;
        indptr.extend(self.count.iter().map(|n| {
            total += n;
            total
        }));
        let Some(of) = self.of else { return Csr::new(shape, indptr, self.columns, self.values) };
        let mut next = indptr.clone();
        let (mut columns, mut values) = (vec![0; of.len()], vec![0.0; of.len()]);
        for ((&row, &column), &value) in of.iter().zip(&self.columns).zip(&self.values) {
            let at = next[row as usize];
            (columns[at], values[at]) = (column, value);
            next[row as usize] += 1;
        }
        Csr::new(shape, indptr, columns, values)
    }
}

fn is_comment(line: &[u8]) -> bool {
    line.trim_ascii().first().is_none_or(|&b| b == b'%')
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().take(80).collect()
}

fn sizes(line: &[u8]) -> Option<[u64; 3]> {
    let (rows, rest) = number(line)?;
    let (columns, rest) = number(rest)?;
    let (entries, rest) = number(rest)?;
    let fits = rest.trim_ascii().is_empty() && rows.max(columns) < u64::from(u32::MAX);
    fits.then_some([rows, columns, entries])
}

fn entry(line: &[u8], pattern: bool) -> Option<(u64, u64, f32)> {
    let (row, rest) = number(line)?;
    let (column, rest) = number(rest)?;
    let rest = rest.trim_ascii();
    if pattern {
        return rest.is_empty().then_some((row, column, 1.0));
    }
    let value = match number(rest) {
        Some((whole, [])) => whole as f32,
        _ => {
            let value: f64 = std::str::from_utf8(rest).ok()?.parse().ok()?;
            let single = value as f32;
            // What single precision cannot hold is refused rather than made infinite.
            (single.is_finite() || !value.is_finite()).then_some(single)?
        }
    };
    Some((row, column, value))
}

/// The whole number at the start, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    // 19 digits fit.
    if !(1..20).contains(&digits) {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    Some((digits.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0')), rest))
}
