//! Files that are whole or absent: written to a temporary name, synced, renamed.

use std::fs::{File, Metadata, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Error, Kind, Result, interrupt};

/// Links that are followed one after the other, as many as Linux does.
const MOST_LINKS: usize = 40;

/// Writes `path` through a temporary file in the same folder, which is synced and renamed over it.
///
/// `write` gets the temporary path, which does not exist yet. A failure or a kill at any moment
/// leaves what stood at `path` before. Where `path` is a link, what it leads to is written and the
/// link stays. Who may read, write and run a file stays as it was before.
///
/// # Errors
/// What stands there is no file, or one without leave to write; what `write` returns; the folder
/// cannot be made, the file not synced or renamed.
pub fn atomic(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let asked = path.display().to_string();
    let doing = || format!("writing {asked}");
    let path = &replaceable(path)?;
    let folder = parent(path);
    make(&folder, &doing())?;
    let name = path
        .file_name()
        .ok_or_else(|| Error::new(doing()).expected("a file name").found(asked.clone()))?;
    // A folder of its own, so that libraries that insist on creating the file can.
    let temporary = tempfile::Builder::new()
        .prefix(".writing-")
        .tempdir_in(&folder)
        .map_err(|e| Error::io(doing(), plain(&e)))?;
    let file = temporary.path().join(name);
    // What libraries say names the file that they were given.
    write(&file).map_err(|e| e.replacing(&file.display().to_string(), &asked))?;
    let whole = File::open(&file).and_then(|new| {
        if let Ok(old) = std::fs::metadata(path) {
            keep_mode(&new, &old)?;
        }
        new.sync_all()
    });
    whole.map_err(|e| Error::io(doing(), e))?;
    std::fs::rename(&file, path).map_err(|e| Error::io(doing(), e))?;
    // The rename itself must survive a power cut; not every file system lets a folder be synced.
    if let Ok(f) = File::open(&folder) {
        f.sync_all().ok();
    }
    Ok(())
}

/// What the system says, without the temporary name that `tempfile` puts behind it.
fn plain(e: &std::io::Error) -> String {
    let said = e.to_string();
    said.split_once(" at path ").map_or(said.as_str(), |(said, _)| said).to_owned()
}

/// Gives a new file the mode of the one that it replaces. A group that we may not give it to must
/// not be one that may do more than all others.
fn keep_mode(new: &File, old: &Metadata) -> std::io::Result<()> {
    let made = new.metadata()?;
    let same = made.gid() == old.gid() || fchown(new, None, Some(old.gid())).is_ok();
    let mode = old.mode() & 0o777;
    let mode = if same { mode } else { mode & 0o707 | (mode & 0o007) << 3 };
    // Where modes come with the disk they are the same, and cannot be set.
    if made.mode() & 0o777 == mode {
        return Ok(());
    }
    new.set_permissions(Permissions::from_mode(mode))
}

/// The path of the file that writing to `path` replaces, behind any links.
fn replaceable(path: &Path) -> Result<PathBuf> {
    let doing = || format!("writing {}", path.display());
    let refuse = |found: &str, advice: &str| {
        let file = "a file that may be replaced, or nothing there";
        Err(Error::new(doing()).expected(file).found(found).advice(advice))
    };
    if path.as_os_str().is_empty() {
        return refuse("an empty path", "Name the file to write");
    }
    let Ok(there) = std::fs::metadata(path) else { return beyond(path) };
    if there.is_dir() {
        return refuse("a folder of that name", "Name a file in it, or another");
    }
    if !there.is_file() {
        return refuse("a device, pipe or socket", "Write to a file");
    }
    // The rename would need no leave of the file's own.
    let open = |path: &Path| std::fs::OpenOptions::new().append(true).open(path);
    if there.permissions().readonly() || open(path).is_err() {
        return refuse("a file without leave to write", "Make it writable, or name another file");
    }
    path.canonicalize().map_err(|e| Error::io(doing(), e))
}

/// Where a path leads at which there is nothing yet: behind links whose end is missing.
fn beyond(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&at) {
            Ok(to) => at = parent(&at).join(to),
            Err(_) => return Ok(at),
        }
    }
    Err(Error::new(format!("writing {}", path.display()))
        .expected("a link that leads somewhere")
        .found("links in a circle")
        .advice("Remove the link, or name another file"))
}

/// Makes a folder and those above it.
fn make(folder: &Path, doing: &str) -> Result<()> {
    let there = folder.ancestors().find(|f| f.symlink_metadata().is_ok());
    if let Some(other) = there.filter(|f| !f.is_dir()) {
        return Err(Error::new(doing)
            .expected("a folder, or nothing there yet")
            .found(format!("{}, which is none", other.display()))
            .advice("Name another folder"));
    }
    std::fs::create_dir_all(folder)
        .map_err(|e| Error::io(doing, e).advice("Choose a folder that you may write to"))
}

/// Makes the folder and refuses one that cannot be written to, before hours are spent on what goes
/// there.
pub fn writable(folder: &Path) -> Result<()> {
    let refused = |e: std::io::Error| {
        Error::io(format!("preparing the folder {}", folder.display()), plain(&e))
            .advice("Choose a folder that you may write to")
    };
    if folder.as_os_str().is_empty() {
        return Err(Error::new("preparing the output folder")
            .expected("the path of a folder")
            .found("an empty path")
            .advice("Name a folder, or . for this one"));
    }
    make(folder, &format!("preparing the folder {}", folder.display()))?;
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
    let doing = || format!("reading {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => Error::new(doing())
            .expected("a text file (UTF-8)")
            .found("bytes that are no such text")
            .advice("Is it the file that you meant? Editors save texts as UTF-8"),
        std::io::ErrorKind::IsADirectory => {
            Error::new(doing()).expected("a file").found("a folder")
        }
        _ => Error::io(doing(), e),
    })?;
    // The mark that some editors begin a file with is none of its text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Refuses a path that is not there, naming the nearest name in its folder.
pub fn exists(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    if path.as_os_str().is_empty() {
        return Err(Error::new("opening a file").expected("its path").found("an empty text"));
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
///
/// # Errors
/// A file that cannot be read; an interrupt.
pub fn sha256(path: &Path) -> Result<String> {
    let doing = format!("computing the checksum of {}", path.display());
    let failed = |e| Error::io(doing.as_str(), e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        interrupt::check(&doing)?;
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
