//! Breaking files: of bytes, of numbers, of texts, of what lies inside a gzip.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::targets::Target;

/// Numbers at which sizes and offsets go wrong.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    7,
    127,
    255,
    65_535,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];
/// Texts at which parsers go wrong.
const TEXTS: [&str; 20] = [
    "",
    "-1",
    "0",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1e-320",
    "4294967296",
    "18446744073709551616",
    "99999999999",
    "1,5",
    "\"",
    "\"\"",
    "\n",
    "\r\n",
    ",",
    "\t",
    "\0",
    "\u{feff}",
];

/// A format's sample in a folder.
pub struct Sample {
    folder: PathBuf,
    /// Files that are broken, with what they hold.
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// A broken file: which, and what it holds now.
pub struct Broken {
    pub file: usize,
    pub bytes: Vec<u8>,
}

impl Sample {
    /// Writes the sample.
    pub fn of(folder: &Path, target: &Target) -> Self {
        (target.write)(folder);
        let mut paths = Vec::new();
        walk(folder, &mut paths);
        paths.sort();
        let files: Vec<_> =
            paths.into_iter().map(|p| (p.clone(), std::fs::read(p).unwrap())).collect();
        assert!(!files.is_empty(), "{} has no sample", target.name);
        Self { folder: folder.to_owned(), files }
    }

    pub fn name(&self, broken: &Broken) -> String {
        let path = &self.files[broken.file].0;
        path.strip_prefix(&self.folder).unwrap().display().to_string()
    }

    /// The broken file of a case.
    pub fn breakage(&self, seed: u64, case: u64) -> Broken {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed << 40 ^ case);
        let file = rng.random_range(0..self.files.len());
        let (path, whole) = &self.files[file];
        let other = &self.files[rng.random_range(0..self.files.len())].1;
        let gzip = path.extension().is_some_and(|e| e == "gz");
        let bytes = if gzip && rng.random_bool(0.7) {
            let mut inside = Vec::new();
            MultiGzDecoder::new(&whole[..]).read_to_end(&mut inside).unwrap();
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&broken(inside, other, rng)).unwrap();
            packed.finish().unwrap()
        } else {
            broken(whole.clone(), other, rng)
        };
        Broken { file, bytes }
    }

    /// Puts a broken file in place; the bytes that the sample has now.
    pub fn place(&self, broken: &Broken) -> u64 {
        let path = &self.files[broken.file].0;
        std::fs::write(path, &broken.bytes).unwrap();
        let others = self.files.iter().enumerate().filter(|&(i, _)| i != broken.file);
        others.map(|(_, f)| f.1.len() as u64).sum::<u64>() + broken.bytes.len() as u64
    }

    /// Puts the file back.
    pub fn mend(&self, broken: &Broken) {
        let (path, bytes) = &self.files[broken.file];
        std::fs::write(path, bytes).unwrap();
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// Breaks bytes in one to four places.
fn broken(mut bytes: Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let text = bytes.iter().take(4096).all(|&b| b >= 32 || b"\t\r\n".contains(&b));
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        if text && rng.random_bool(0.6) {
            token(&mut bytes, rng)
        } else {
            raw(&mut bytes, other, rng)
        }
    }
    bytes
}

/// Replaces, drops or repeats a field or a line of text.
fn token(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..bytes.len());
    let line = rng.random_bool(0.3);
    let ends = |b: &u8| *b == b'\n' || !line && b",\t :{}[]\"".contains(b);
    let start = bytes[..at].iter().rposition(ends).map_or(0, |i| i + 1);
    let end = bytes[at..].iter().position(ends).map_or(bytes.len(), |i| at + i).max(start);
    let field = bytes[start..end].to_vec();
    let new = match rng.random_range(0..4) {
        0 => Vec::new(),
        1 => field.repeat(rng.random_range(2..40)),
        _ => TEXTS[rng.random_range(0..TEXTS.len())].into(),
    };
    bytes.splice(start..end, new);
}

/// Changes bytes wherever they are.
fn raw(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    let n = bytes.len();
    let at = rng.random_range(0..n);
    let some = rng.random_range(1..=64.min(n - at));
    match rng.random_range(0..9) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => bytes.truncate(at),
        3 => bytes[at..at + some].fill([0, 0xff][rng.random_range(0..2)]),
        4 => drop(bytes.drain(at..at + some)),
        5 => {
            let piece = bytes[at..at + some].to_vec();
            let to = rng.random_range(0..=n);
            bytes.splice(to..to, piece);
        }
        6 if !other.is_empty() => {
            let from = rng.random_range(0..other.len());
            let piece = &other[from..other.len().min(from + some)];
            let end = n.min(at + piece.len());
            bytes.splice(at..end, piece.iter().copied());
        }
        _ => {
            let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
            let width = [1, 2, 4, 8][rng.random_range(0..4)].min(n);
            let at = rng.random_range(0..=n - width) / width * width;
            let new = if rng.random_bool(0.8) {
                number.to_le_bytes()
            } else {
                number.swap_bytes().to_le_bytes()
            };
            bytes[at..at + width].copy_from_slice(&new[..width]);
        }
    }
}
