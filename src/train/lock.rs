//! One run at a time in a folder: two would move each other's checkpoints and mix their own.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::{Error, Result};

const NAME: &str = ".training.lock";

/// A folder taken; dropping it gives it back. The system does where the process dies, and the file
/// that is left then is in nobody's way.
pub(super) struct Lock {
    path: PathBuf,
    /// Locked as long as it is open.
    _file: File,
}

impl Lock {
    /// Takes a folder. Where files cannot be locked, nobody is kept out.
    ///
    /// # Errors
    /// Another run has it; the file of the lock cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        loop {
            let mut file = options.open(&path).map_err(|e| {
                Error::io(format!("opening {}", path.display()), e)
                    .advice("Remove it if no run trains into this folder")
            })?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(taken(folder, file));
            }
            // Its holder may have removed it between our opening and our locking: then what we have
            // locked is no longer what others will find.
            if is_at(&file, &path) {
                // Only told to others, so a full disk does not matter.
                file.set_len(0).and_then(|()| file.write_all(whoami().as_bytes())).ok();
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    /// Removes the file while it is locked: who removes it then is the only one who may.
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |(a, b): (std::fs::Metadata, std::fs::Metadata)| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().ok().zip(path.symlink_metadata().ok()).is_some_and(same)
}

/// This process, as others are told of it; of several machines that share a folder, which.
fn whoami() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => format!("process {}", std::process::id()),
        host => format!("process {} on {host}", std::process::id()),
    }
}

fn taken(folder: &Path, mut file: File) -> Error {
    let mut holder = String::new();
    file.read_to_string(&mut holder).ok();
    let holder = if holder.is_empty() { "another process" } else { &holder };
    Error::new(format!("training into the folder {}", folder.display()))
        .expected("one that no other run writes to")
        .found(format!("{holder}, which trains into it"))
        .advice("Wait until it has ended, stop it, or give another folder (checkpoints, --output)")
}
