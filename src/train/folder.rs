//! What is in the folders of runs: which files are checkpoints, and where those of runs before are.

use std::path::{Path, PathBuf};

use crate::base::{Error, Kind, Result, files};

/// The folder, in that of a run, to which what another has left there moves.
const EARLIER: &str = "earlier";

/// The name of the checkpoint of an epoch.
pub fn name_of(epoch: u64) -> String {
    format!("checkpoint_epoch_{epoch:04}.safetensors")
}

/// The epoch in the name of a checkpoint.
pub fn epoch_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("checkpoint_epoch_")?.strip_suffix(".safetensors")?.parse().ok()
}

/// The checkpoints of a folder.
pub fn checkpoints(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = entries(folder)?;
    paths.retain(|p| epoch_of(p).is_some());
    Ok(paths)
}

/// The checkpoint that a path means: the file itself, or that of the latest epoch in a folder. Where
/// there is none in it, it may be the folder above that of a run.
pub fn latest(path: &Path) -> Result<PathBuf> {
    files::exists(path)?;
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    if let Some(own) = last(checkpoints(path)?) {
        return Ok(own);
    }
    let mut below: Vec<PathBuf> = folders(path)
        .filter(|p| !is_earlier(p))
        .filter_map(|p| last(checkpoints(&p).ok()?))
        .collect();
    let missing = Error::new(format!("looking for a checkpoint in {}", path.display()))
        .kind(Kind::Missing)
        .expected("checkpoint_epoch_*.safetensors in it or in one folder below it");
    match below.len() {
        0 => {
            let advice = match list(&earlier(path)) {
                list if list.is_empty() => "Give a checkpoint, or the folder that a run wrote its own to; a run that saved none begins anew".into(),
                list => format!("Those of a run before are in {list}"),
            };
            Err(missing.found("none").advice(advice))
        }
        1 => Ok(below.remove(0)),
        n => Err(missing.found(format!("those of {n} runs")).advice(format!(
            "Name one of {}",
            list(&below.iter().filter_map(|p| Some(p.parent()?.to_owned())).collect::<Vec<_>>())
        ))),
    }
}

/// The last of some checkpoints.
pub fn last(checkpoints: Vec<PathBuf>) -> Option<PathBuf> {
    checkpoints.into_iter().max_by_key(|p| epoch_of(p))
}

/// The folders in that of a run that hold what others left there.
pub fn earlier(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = folders(folder).filter(|p| is_earlier(p)).collect();
    found.sort();
    found
}

/// The one that does not exist yet.
pub fn next_earlier(folder: &Path) -> PathBuf {
    let mut next = folder.join(EARLIER);
    let mut n = 1;
    while next.symlink_metadata().is_ok() {
        n += 1;
        next = folder.join(format!("{EARLIER}_{n}"));
    }
    next
}

fn is_earlier(path: &Path) -> bool {
    let number = |rest: &str| {
        rest.is_empty() || rest.strip_prefix('_').is_some_and(|n| n.parse::<u32>().is_ok())
    };
    let name = path.file_name().and_then(|n| n.to_str());
    name.and_then(|n| n.strip_prefix(EARLIER)).is_some_and(number)
}

/// Paths as a list in a sentence.
pub fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    entries(folder).unwrap_or_default().into_iter().filter(|p| p.is_dir())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|e| Error::io(format!("listing {}", folder.display()), e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    Ok(paths)
}
