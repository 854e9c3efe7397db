//! Where the bytes of a zarr store lie: in a folder, or in a zip file that is read in place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::base::{Error, Result, files, memory};

/// Deflate packs 1032 bytes into one at best.
const MOST_DEFLATED: u64 = 1032;
/// The files that say that a folder is a group or an array of zarr.
pub(super) const METADATA: [&str; 3] = ["zarr.json", ".zgroup", ".zarray"];

pub(super) enum Store {
    Folder(PathBuf),
    Zip(Box<Zip>),
}

pub(super) struct Zip {
    archive: RefCell<ZipArchive<BufReader<File>>>,
    /// Number and packed size of each file, by its name in the archive.
    entries: BTreeMap<String, (usize, u64)>,
    /// The folder that holds the store: empty, or "x.zarr/" where the folder itself was packed.
    root: String,
}

/// The key of a member.
pub(super) fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") }
}

impl Store {
    /// # Errors
    /// Nothing there; a file that is no zip, or whose parts add up to more than it holds.
    pub(super) fn open(path: &Path) -> Result<Self> {
        files::exists(path)?;
        if path.is_dir() { Ok(Self::Folder(path.to_owned())) } else { zip(path) }
    }

    /// Whether a group or an array is there.
    pub(super) fn has_node(&self, key: &str) -> bool {
        METADATA.iter().any(|m| self.size(&join(key, m)).is_some())
    }

    /// Bytes that a file takes in the store.
    pub(super) fn size(&self, key: &str) -> Option<u64> {
        match self {
            Self::Folder(f) => {
                std::fs::metadata(f.join(key)).ok().filter(|m| m.is_file()).map(|m| m.len())
            }
            Self::Zip(z) => z.entries.get(&format!("{}{key}", z.root)).map(|e| e.1),
        }
    }

    /// The bytes of a file; `None` where there is none.
    pub(super) fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        if self.size(key).is_none() {
            return Ok(None);
        }
        let doing = || format!("reading {key}");
        match self {
            Self::Folder(f) => {
                std::fs::read(f.join(key)).map(Some).map_err(|e| Error::io(doing(), e))
            }
            Self::Zip(z) => z.read(key).map_err(|e| e.within(doing())),
        }
    }

    /// Names of the folders within a folder, in alphabetical order.
    pub(super) fn folders(&self, key: &str) -> Result<Vec<String>> {
        match self {
            Self::Folder(f) => {
                let failed = |e| Error::io(format!("listing {key}"), e);
                let entries = std::fs::read_dir(f.join(key)).map_err(failed)?.flatten();
                let mut names: Vec<String> = entries
                    .filter(|e| e.path().is_dir())
                    .filter_map(|e| e.file_name().into_string().ok())
                    .collect();
                names.sort();
                Ok(names)
            }
            Self::Zip(z) => Ok(z.folders(key)),
        }
    }
}

fn zip(path: &Path) -> Result<Store> {
    let doing = || format!("opening {} as a zip file", path.display());
    let file = File::open(path).map_err(|e| Error::io(doing(), e))?;
    let held = file.metadata().map_err(|e| Error::io(doing(), e))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| {
        Error::io(doing(), e).advice("The file is cut short, damaged, or of another kind")
    })?;
    let mut entries = BTreeMap::new();
    let mut packed = 0u64;
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(|e| Error::io(doing(), e))?;
        packed = packed.saturating_add(entry.compressed_size());
        entries.insert(entry.name().to_owned(), (i, entry.compressed_size()));
    }
    // Entries of a zip bomb lie over each other.
    if packed > held {
        return Err(Error::new(doing())
            .expected(format!("parts that fit into its {}", memory::human(held)))
            .found(format!("parts of {}", memory::human(packed)))
            .advice("The file is damaged, or made to do harm"));
    }
    let mut zip = Zip { archive: RefCell::new(archive), entries, root: String::new() };
    let at_root = METADATA.iter().any(|m| zip.entries.contains_key(*m));
    let inside = |f: &String| METADATA.iter().any(|m| zip.entries.contains_key(&join(f, m)));
    if let Some(f) = zip.folders("").into_iter().find(inside).filter(|_| !at_root) {
        zip.root = format!("{f}/");
    }
    Ok(Store::Zip(Box::new(zip)))
}

impl Zip {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(&(i, packed)) = self.entries.get(&format!("{}{key}", self.root)) else {
            return Ok(None);
        };
        let doing = "unpacking it from the zip file";
        let most = packed.saturating_mul(MOST_DEFLATED).saturating_add(1 << 10);
        let mut archive = self.archive.borrow_mut();
        let entry = archive.by_index(i).map_err(|e| Error::io(doing, e))?;
        let mut bytes = Vec::new();
        entry.take(most + 1).read_to_end(&mut bytes).map_err(|e| Error::io(doing, e))?;
        if bytes.len() as u64 > most {
            return Err(Error::new(doing)
                .expected(format!("at most {}", memory::human(most)))
                .found("more"));
        }
        Ok(Some(bytes))
    }

    fn folders(&self, key: &str) -> Vec<String> {
        let under = if key.is_empty() { self.root.clone() } else { format!("{}{key}/", self.root) };
        let mut names = Vec::new();
        let mut from = Bound::Included(under.clone());
        // From one folder straight to the first name behind it: '0' follows '/'.
        while let Some((name, _)) = self.entries.range((from, Bound::Unbounded)).next() {
            let Some(rest) = name.strip_prefix(&under) else { break };
            from = match rest.split_once('/') {
                Some((folder, _)) => {
                    if !matches!(folder, "" | "." | "..") {
                        names.push(folder.to_owned());
                    }
                    Bound::Included(format!("{under}{folder}0"))
                }
                None => Bound::Excluded(name.clone()),
            };
        }
        names
    }
}
