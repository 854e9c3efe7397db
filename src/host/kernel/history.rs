//! The cells of this session and of those before it, as `history_request` asks for them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::{self, Message};
use crate::base::files;

/// Cells of earlier sessions that are kept.
const KEPT: usize = 10_000;

/// Bytes of a cell's output that are kept: all of them are read before a kernel answers.
const MOST_OUTPUT: usize = 4096;

/// How long a cell waits for other kernels that hold the file; they may have been stopped amid it.
const PATIENCE: Duration = Duration::from_millis(50);

/// The same for a kernel that starts or ends.
const LONG_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    session: i64,
    /// 0 in the line by which a session takes its number.
    #[serde(default)]
    line: usize,
    #[serde(default)]
    input: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

pub struct History {
    /// Never locked while a file is: clients ask for the history while a cell is written down.
    entries: Mutex<Vec<Entry>>,
    session: i64,
    /// Where new entries are appended; none where there is no folder for it.
    path: Option<PathBuf>,
    /// Lines that wait until other kernels let go of the file.
    unwritten: Mutex<Vec<String>>,
}

impl History {
    /// The history of the user: `kernel_history.jsonl` in the folder of the state.
    pub fn open(folder: Option<&Path>) -> Self {
        let path = folder.map(|f| f.join("kernel_history.jsonl"));
        let held = path.as_deref().map(|path| locked(path, LONG_PATIENCE));
        let mut entries = path.as_deref().map(read).unwrap_or_default();
        if entries.len() > 2 * KEPT
            && let (Some(path), Some(Ok(_))) = (&path, &held)
        {
            entries.drain(..entries.len() - KEPT);
            let lines: String = entries.iter().filter_map(line).map(|l| l + "\n").collect();
            // The longer file stays where that fails; nothing is lost.
            files::write(path, lines).ok();
        }
        let session = entries.iter().map(|e| e.session).max().unwrap_or(0) + 1;
        if let Some(path) = &path {
            // The next kernel sees that this number is taken, before the first cell runs.
            append(path, &format!("{{\"session\":{session}}}"));
        }
        drop(held);
        entries.retain(|e| e.line > 0);
        Self { entries: entries.into(), session, path, unwritten: Mutex::default() }
    }

    /// Keeps a cell that has run.
    pub fn add(&self, number: usize, input: &str, output: Option<&str>) {
        let output = output.map(clip);
        let entry = Entry { session: self.session, line: number, input: input.into(), output };
        let line = line(&entry);
        lock(&self.entries).push(entry);
        lock(&self.unwritten).extend(line);
        self.write(PATIENCE).ok();
    }

    /// Writes down what other kernels kept this one from writing.
    pub fn close(&self) {
        if let (Err(Taken), Some(path)) = (self.write(LONG_PATIENCE), &self.path) {
            append(path, &lock(&self.unwritten).join("\n"));
        }
    }

    /// A kernel that starts may be about to put a shorter file in the place of the present one, so
    /// nothing is added while it holds it.
    fn write(&self, patience: Duration) -> Result<(), Taken> {
        let mut lines = lock(&self.unwritten);
        if let Some(path) = self.path.as_ref().filter(|_| !lines.is_empty()) {
            let _locked = locked(path, patience)?;
            append(path, &std::mem::take(&mut *lines).join("\n"));
        }
        Ok(())
    }

    /// The content of `history_reply`.
    pub fn answer(&self, request: &Message) -> Value {
        let asked = message::content(request);
        let entries = lock(&self.entries);
        let most = asked["n"].as_u64().map_or(usize::MAX, |n| n as usize);
        let found: Vec<&Entry> = match message::text(request, "hist_access_type") {
            "range" => range(&entries, self.session, asked),
            "search" => {
                let unique = message::flag(request, "unique", false);
                search(&entries, asked["pattern"].as_str().unwrap_or("*"), unique)
            }
            _ => entries.iter().collect(),
        };
        let output = message::flag(request, "output", false);
        let last = found.len().saturating_sub(most);
        let rows: Vec<Value> = found[last..].iter().map(|e| e.row(output)).collect();
        json!({ "status": "ok", "history": rows })
    }
}

/// Lines `start` up to but not including `stop` of a session; 0 is the present one, -1 the one before.
fn range<'a>(entries: &'a [Entry], present: i64, asked: &Value) -> Vec<&'a Entry> {
    let session = match asked["session"].as_i64().unwrap_or(0) {
        s if s > 0 => s,
        back => present + back,
    };
    let start = asked["start"].as_i64().unwrap_or(0);
    let stop = asked["stop"].as_i64().unwrap_or(i64::MAX);
    let wanted = |e: &&Entry| {
        e.session == session && (start..stop).contains(&i64::try_from(e.line).unwrap_or(0))
    };
    entries.iter().filter(wanted).collect()
}

/// Cells that match a pattern of `*` and `?`; of equal ones only the last where `unique`.
fn search<'a>(entries: &'a [Entry], pattern: &str, unique: bool) -> Vec<&'a Entry> {
    let pattern: Vec<char> = pattern.chars().collect();
    let matching = entries.iter().filter(|e| {
        let text: Vec<char> = e.input.chars().collect();
        matches(&pattern, &text)
    });
    if !unique {
        return matching.collect();
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut last: Vec<&Entry> = matching.rev().filter(|e| seen.insert(&e.input)).collect();
    last.reverse();
    last
}

impl Entry {
    fn row(&self, output: bool) -> Value {
        if output {
            json!([self.session, self.line, [self.input, self.output]])
        } else {
            json!([self.session, self.line, self.input])
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another kernel holds the history.
struct Taken;

/// Holds other kernels off the history, until it is dropped. Not every file system can lock (`None`);
/// then two that start at once share a number.
fn locked(history: &Path, patience: Duration) -> Result<Option<File>, Taken> {
    let Some(file) = private(&history.with_extension("lock")) else { return Ok(None) };
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if begun.elapsed() > patience => return Err(Taken),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A file that is appended to and that its user only can read.
fn private(path: &Path) -> Option<File> {
    OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path).ok()
}

fn read(path: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(path).unwrap_or_default();
    // A line that a crash cut short is passed over.
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Adds a line, which is not glued to one that was cut short. The history of this session answers
/// even when it cannot be kept.
fn append(path: &Path, line: &str) {
    let Some(mut file) = private(path) else { return };
    let mut last = [b'\n'];
    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).ok();
    let gap = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{gap}{line}\n").as_bytes()).ok();
}

fn line(entry: &Entry) -> Option<String> {
    serde_json::to_string(entry).ok()
}

fn clip(text: &str) -> String {
    let kept = &text[..text.floor_char_boundary(MOST_OUTPUT)];
    let more = if kept.len() < text.len() { " …" } else { "" };
    format!("{kept}{more}")
}

/// Whether a text is of a pattern in which `*` is any text and `?` any character.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The last star, and the first character that it does not yet take.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                (p, t) = (p + 1, t + 1);
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
