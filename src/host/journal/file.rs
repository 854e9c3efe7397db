//! The files of journals: where they are, how they are written, how one tells that its session
//! lives.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::history::{Event, Opened};
use crate::host::state_folder;

/// How many journals are kept.
const KEPT: usize = 20;

/// The file of one session; it is made when the first event behind `Opened` is written.
pub struct File {
    folder: PathBuf,
    /// Locked as long as the session lives, also when nothing is written to it any more.
    open: Option<(PathBuf, fs::File)>,
    /// An event could not be written: the file would tell of a session that was not so.
    broken: bool,
}

/// `$XDG_STATE_HOME/spatia/sessions`, by default under `~/.local/state`.
pub fn folder() -> Option<PathBuf> {
    Some(state_folder()?.join("sessions"))
}

/// Paths of all journals, the latest first: their names begin with the time.
pub fn all(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path());
    let mut journals: Vec<PathBuf> =
        files.filter(|p| p.extension().is_some_and(|e| e == "jsonl")).collect();
    journals.sort();
    journals.reverse();
    journals
}

/// Whether the session of a journal still lives: it holds a lock on the file until its process
/// ends. Where files cannot be locked, its process is looked for.
pub fn is_alive(path: &Path, pid: u32) -> bool {
    match fs::File::open(path).map(|f| f.try_lock()) {
        Ok(Ok(())) => false,
        Ok(Err(TryLockError::WouldBlock)) => true,
        Ok(Err(TryLockError::Error(_))) => Path::new(&format!("/proc/{pid}")).exists(),
        Err(_) => true,
    }
}

/// Adds a line to the journal of a session that is over. Failing means to be asked once more.
pub fn append(path: &Path, event: &Event) {
    if let Ok(mut file) = OpenOptions::new().append(true).open(path) {
        // The last line may be torn.
        file.write_all(&[b"\n", line(event).as_slice()].concat()).ok();
    }
}

impl File {
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: None, broken: false }
    }

    /// Hands an event to the system: what was written survives the process. After the first that
    /// fails nothing is written.
    ///
    /// # Errors
    /// The disk is full, the folder cannot be written to.
    pub fn write(&mut self, opened: &Opened, event: &Event) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let written = self.open(opened).and_then(|file| file.write_all(&line(event)));
        self.broken = written.is_err();
        written
    }

    fn open(&mut self, opened: &Opened) -> io::Result<&mut fs::File> {
        let (_, file) = match &mut self.open {
            Some(open) => open,
            none => none.insert(create(&self.folder, opened)?),
        };
        Ok(file)
    }

    /// The last event. A session without cells leaves no file, and neither does one that ends well
    /// and cannot say so.
    pub fn close(&mut self, event: &Event) {
        if let Some((path, file)) = &mut self.open {
            let line = [if self.broken { b"\n".as_slice() } else { b"" }, &line(event)].concat();
            if file.write_all(&line).is_err() {
                fs::remove_file(path).ok();
            }
        }
    }
}

fn line(event: &Event) -> Vec<u8> {
    // Events are made of texts and numbers; nothing in them can fail to be written as JSON.
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line
}

fn create(folder: &Path, opened: &Opened) -> io::Result<(PathBuf, fs::File)> {
    let mut folders = fs::DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folders.mode(0o700);
        options.mode(0o600);
    }
    folders.recursive(true).create(folder)?;
    prune(folder);
    let name = |n: usize| format!("{:010}-{}-{n}.jsonl", opened.time, opened.pid);
    // One process may hold several sessions (tests do), each with a journal of its own.
    let mut n = 0;
    let (path, mut file) = loop {
        let path = folder.join(name(n));
        match options.append(true).create_new(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => n += 1,
            other => break (path, other?),
        }
    };
    // Not every file system can lock; then the process is looked for.
    file.try_lock().ok();
    if let Err(e) = file.write_all(&line(&Event::Opened(opened.clone()))) {
        fs::remove_file(&path).ok();
        return Err(e);
    }
    Ok((path, file))
}

/// Removes all but the latest journals, with the new one to come; those of living sessions stay.
fn prune(folder: &Path) {
    let pid = |p: &Path| -> u32 {
        let name: OsString = p.file_stem().unwrap_or_default().into();
        let name = name.to_string_lossy();
        name.split('-').nth(1).and_then(|pid| pid.parse().ok()).unwrap_or(0)
    };
    for path in all(folder).iter().skip(KEPT - 1).filter(|p| !is_alive(p, pid(p))) {
        fs::remove_file(path).ok();
    }
}
