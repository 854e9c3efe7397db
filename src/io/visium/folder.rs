//! Where in a folder the counts and `spatial/` lie, and what to say when they do not.

use std::path::{Path, PathBuf};

use super::Matrix;
use crate::base::{Error, Kind, Result, progress};
use crate::data::{Dataset, Uns};
use crate::io::h5;
use crate::io::mex::{self, MexConfig};
use crate::io::tenx::{self, TenxConfig};

const FILTERED: &str = "filtered_feature_bc_matrix";
const RAW: &str = "raw_feature_bc_matrix";

/// The counts of a folder: a 10x `.h5` or a MEX folder.
pub(in crate::io) struct Counts {
    path: PathBuf,
    /// Whether they are those of all spots.
    pub raw: bool,
}

impl Counts {
    pub fn read(&self, features: &str) -> Result<Dataset> {
        let features = features.to_owned();
        if self.path.is_dir() {
            return mex::read_with(&self.path, &MexConfig { features });
        }
        tenx::read_with(&self.path, &TenxConfig { features, ..TenxConfig::default() })
    }

    /// The name of the library, and what the counts say of their making. MEX says neither.
    pub fn library(&self, folder: &Path, name: Option<&str>) -> Result<(String, Uns)> {
        let mut metadata = Uns::default();
        let mut library = None;
        if self.path.is_file() {
            let file = h5::open(&self.path)?;
            for name in ["chemistry_description", "software_version"] {
                if let Some(text) = h5::text_attr(&file, name) {
                    metadata.set(&[name], Uns::Text(text));
                }
            }
            library = h5::text_attr(&file, "library_ids").filter(|l| !l.is_empty());
        }
        let of_folder = || {
            let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            full.file_name().map_or("library".into(), |n| n.to_string_lossy().into_owned())
        };
        let library = name.map(str::to_owned).or(library).unwrap_or_else(of_folder);
        Ok((library.replace('/', "_"), metadata))
    }
}

/// The counts that are asked for; the raw ones stand in for the filtered.
pub(in crate::io) fn counts(folder: &Path, which: Matrix) -> Result<Counts> {
    if which == Matrix::Filtered
        && let Some(path) = matrix(folder, FILTERED)
    {
        return Ok(Counts { path, raw: false });
    }
    let Some(path) = matrix(folder, RAW) else {
        return Err(Error::new(format!("looking for the counts in {}", folder.display()))
            .kind(Kind::Missing)
            .expected(format!("{RAW}.h5 or {RAW}/"))
            .found(named(&list(folder)))
            .advice("Leave out counts: \"raw\" to read the filtered ones"));
    };
    if which == Matrix::Filtered {
        progress::note(format!("{}: no filtered counts; taking the raw ones", folder.display()));
    }
    Ok(Counts { path, raw: true })
}

/// The `.h5` or the MEX folder of a name; a prefix before the name is usual in public archives.
fn matrix(folder: &Path, name: &str) -> Option<PathBuf> {
    let h5 = format!("{name}.h5");
    let exact = folder.join(&h5);
    if exact.is_file() {
        return Some(exact);
    }
    let all = list(folder);
    let ends = |f: &Path, end: &str| f.to_string_lossy().ends_with(end);
    let prefixed = all.iter().find(|f| f.is_file() && ends(f, &h5));
    prefixed.or_else(|| all.iter().find(|f| f.is_dir() && ends(f, name))).cloned()
}

fn has_counts(folder: &Path) -> bool {
    matrix(folder, FILTERED).or_else(|| matrix(folder, RAW)).is_some()
}

fn is_whole(folder: &Path) -> bool {
    folder.join("spatial").is_dir() && has_counts(folder)
}

/// Whether a folder is a Visium folder, or the folder above or inside one. Counts in MEX alone are
/// a folder of another kind.
pub(in crate::io) fn looks_like(folder: &Path) -> bool {
    let h5 = |name: &str| matrix(folder, name).is_some_and(|m| m.is_file());
    folder.join("spatial").is_dir()
        || h5(FILTERED)
        || h5(RAW)
        || list(folder).iter().any(|f| is_whole(f))
        || above(folder).is_some()
}

/// The Visium folder that a folder `spatial/` lies in.
fn above(path: &Path) -> Option<PathBuf> {
    let full = path.canonicalize().ok()?;
    let folder = full
        .parent()
        .filter(|f| full.file_name().is_some_and(|n| n == "spatial") && is_whole(f))?;
    Some(folder.to_owned())
}

/// The folder with the counts and `spatial/`: the one given, or one level up or down.
pub(super) fn locate(path: &Path) -> Result<PathBuf> {
    if is_whole(path) {
        return Ok(path.to_owned());
    }
    let other = |found: PathBuf| {
        progress::note(format!(
            "{} is no Visium folder; reading {}",
            path.display(),
            found.display()
        ));
        Ok(found)
    };
    if let Some(folder) = above(path) {
        return other(folder);
    }
    if path.is_file() {
        return Err(Error::new(format!("looking for the Visium folder at {}", path.display()))
            .expected(format!("a folder with {FILTERED}.h5 and spatial/ (Space Ranger's outs/)"))
            .found("a file")
            .advice("Name the folder it lies in, or read the file alone with data::read"));
    }
    let below: Vec<PathBuf> = list(path).into_iter().filter(|f| is_whole(f)).collect();
    let refuse = |found: String, advice: &str| {
        Err(Error::new(format!("looking for the Visium folder at {}", path.display()))
            .kind(Kind::Missing)
            .expected(format!("a folder with {FILTERED}.h5 and spatial/ (Space Ranger's outs/)"))
            .found(found)
            .advice(advice))
    };
    match &below[..] {
        [one] => return other(one.clone()),
        [] => {}
        several => {
            return refuse(
                format!("several inside it: {}", named(several)),
                "Name the one you mean",
            );
        }
    }
    if path.join("spatial").is_dir() {
        return refuse(
            "spatial/, but no counts".into(),
            "Put the .h5 or the MEX folder of the counts beside spatial/",
        );
    }
    if let Some(m) = matrix(path, FILTERED).or_else(|| matrix(path, RAW)) {
        return refuse(
            format!("{}, but no spatial/", m.display()),
            if m.is_file() {
                "Put spatial/ beside the counts, or read the .h5 alone"
            } else {
                "Put spatial/ beside the counts, or read the MEX folder alone"
            },
        );
    }
    refuse(named(&list(path)), "Name the folder one level up or down")
}

/// Names of files for a message, the first 12.
pub(in crate::io) fn named(files: &[PathBuf]) -> String {
    let names = files.iter().filter_map(|f| Some(f.file_name()?.to_string_lossy().into_owned()));
    let more =
        if files.len() > 12 { format!(", ... ({} in all)", files.len()) } else { String::new() };
    let text = names.take(12).collect::<Vec<_>>().join(", ") + more.as_str();
    if text.is_empty() { "nothing in it".into() } else { text }
}

/// Entries of a folder in order of name.
pub(in crate::io) fn list(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|d| d.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    found.sort();
    found
}
