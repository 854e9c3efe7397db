//! Files that are whole or absent: written to a temporary name, synced, renamed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Error, Kind, Result};

/// Writes `path` through a temporary file in the same folder, which is synced and renamed over it.
///
/// `write` gets the temporary path, which does not exist yet. A failure or a kill at any moment
/// leaves what stood at `path` before.
///
/// # Errors
/// What `write` returns, or that the folder cannot be made or the file not synced or renamed.
pub fn atomic(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let folder = parent(path);
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(doing(), e))?;
    let name = path.file_name().ok_or_else(|| {
        Error::new(doing()).expected("a file name").found(path.display().to_string())
    })?;
    // A folder of its own, so that libraries that insist on creating the file can.
    let temporary = tempfile::Builder::new()
        .prefix(".writing-")
        .tempdir_in(&folder)
        .map_err(|e| Error::io(doing(), e))?;
    let file = temporary.path().join(name);
    write(&file)?;
    File::open(&file).and_then(|f| f.sync_all()).map_err(|e| Error::io(doing(), e))?;
    std::fs::rename(&file, path).map_err(|e| Error::io(doing(), e))?;
    // The rename itself must survive a power cut; not every file system lets a folder be synced.
    if let Ok(f) = File::open(&folder) {
        f.sync_all().ok();
    }
    Ok(())
}

/// Makes the folder and refuses one that cannot be written to, before hours are spent on what goes
/// there.
pub fn writable(folder: &Path) -> Result<()> {
    let refused = |e| {
        Error::io(format!("preparing the folder {}", folder.display()), e)
            .advice("Choose a folder that you may write to")
    };
    std::fs::create_dir_all(folder).map_err(refused)?;
    tempfile::Builder::new().prefix(".writing-").tempfile_in(folder).map(drop).map_err(refused)
}

/// Writes bytes as [`atomic`] does.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    atomic(path, |tmp| {
        std::fs::write(tmp, bytes).map_err(|e| Error::io(format!("writing {}", path.display()), e))
    })
}

/// Reads a text file, saying which when it cannot.
pub fn read_text(path: &Path) -> Result<String> {
    exists(path)?;
    std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))
}

/// Refuses a path that is not there, naming the nearest name in its folder.
pub fn exists(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = parent(path);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .map(|d| d.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let advice = if folder.is_dir() {
        format!(
            "In {}: {}",
            folder.display(),
            super::nearest::advice(&name, names.iter().map(String::as_str))
        )
    } else {
        format!("The folder {} does not exist either", folder.display())
    };
    Err(Error::new(format!("opening {}", path.display()))
        .kind(Kind::Missing)
        .expected("a file or folder of that name")
        .found("nothing there")
        .advice(advice))
}

/// SHA-256 of a file in hexadecimal, read in blocks.
pub fn sha256(path: &Path) -> Result<String> {
    let failed = |e| Error::io(format!("computing the checksum of {}", path.display()), e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut block).map_err(failed)?;
        if n == 0 {
            return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hash.update(&block[..n]);
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    }
}
