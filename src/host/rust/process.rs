//! The session's end of the helper: it is started with the first cell, and ended by a cell that
//! cannot be stopped otherwise.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output as Said, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::content::bundle;
use super::processes;
use super::protocol::{Done, Event, Request, Trouble};
use crate::base::{Error, Result, interrupt, progress};
use crate::script::{Console, Output};

/// How often the user's wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long the user waits for an interrupted cell to end. What takes longer ends behind their back.
const PATIENCE: Duration = Duration::from_millis(400);

/// Events that may wait before the helper has to wait, too: a cell can print faster than anybody looks.
const BACKLOG: usize = 1_000;

pub struct Helper {
    child: Child,
    requests: ChildStdin,
    events: Receiver<Event>,
    /// A cell was interrupted and has not ended yet.
    stopping: bool,
    /// Held while the helper lives, so that no other session builds in it.
    folder: Folder,
}

impl Helper {
    /// Starts `program` as the helper, with these variables in its environment.
    ///
    /// # Errors
    /// No cargo, no folder to build in, no process.
    pub fn start(program: &Path, environment: &BTreeMap<String, String>) -> Result<Self> {
        let doing = "starting the helper for Rust cells";
        needs_rust()?;
        let folder = Folder::take()?;
        let mut command = Command::new(program);
        command.arg(super::HELPER).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if std::env::var_os("EVCXR_TMPDIR").is_none() {
            command.env("EVCXR_TMPDIR", &folder.path);
        }
        command.envs(environment);
        let mut child = command.spawn().map_err(|e| Error::io(doing, e))?;
        let lost = || Error::new(doing).found("a process without its pipes");
        let requests = child.stdin.take().ok_or_else(lost)?;
        let stdout = child.stdout.take().ok_or_else(lost)?;
        let stderr = child.stderr.take().ok_or_else(lost)?;
        let (sender, events) = mpsc::sync_channel(BACKLOG);
        let said = sender.clone();
        std::thread::spawn(move || {
            read(stdout, &sender, |line| match serde_json::from_str(&line) {
                Ok(event) => event,
                Err(_) => Event::Stdout(line + "\n"),
            })
        });
        std::thread::spawn(move || {
            read(stderr, &said, |line| match line.trim().split_once(' ') {
                Some(("Compiling", name)) => Event::Note(format!("Rust: compiling {name}")),
                _ => Event::Stderr(line + "\n"),
            })
        });
        Ok(Self { child, requests, events, stopping: false, folder })
    }

    /// Where crates of ours may lie for its cells: the same place in every session, so that they
    /// are built once.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Compiles and runs code; what it says goes to `console` while it runs.
    pub fn run(&mut self, code: &str, console: &dyn Console) -> std::result::Result<Done, Trouble> {
        if interrupt::requested() {
            return Err(Trouble::Interrupted { lost: false });
        }
        let sent = self.send(&Request::Run(code.into()));
        let mut stopping: Option<Instant> = None;
        // Why the code's question has no answer. Whatever stood for one, the code would act on it.
        let mut unanswered: Option<Error> = None;
        let stopped = |unanswered: &mut Option<Error>, lost| match unanswered.take() {
            Some(e) if !e.is_interrupt() && lost => Trouble::Lost(e.to_string()),
            Some(e) if !e.is_interrupt() => Trouble::Other(e.to_string()),
            _ => Trouble::Interrupted { lost },
        };
        loop {
            if sent.is_err() {
                break Err(self.lost());
            }
            if (interrupt::requested() || unanswered.is_some()) && stopping.is_none() {
                stopping = Some(Instant::now());
                self.send(&Request::Interrupt).ok();
            }
            if stopping.is_some_and(|since| since.elapsed() > PATIENCE) {
                self.stopping = true;
                break Err(stopped(&mut unanswered, false));
            }
            match self.events.recv_timeout(LOOK) {
                Ok(Event::Stdout(text)) => console.output(Output::Stdout(text)),
                Ok(Event::Stderr(text)) => console.output(Output::Stderr(text)),
                Ok(Event::Display(forms)) => console.output(Output::Display {
                    bundle: bundle(forms),
                    id: None,
                    update: false,
                }),
                Ok(Event::Note(text)) => progress::note(text),
                Ok(Event::Ask { .. }) if stopping.is_some() => {}
                Ok(Event::Ask { prompt, secret }) => match console.input(&prompt, secret) {
                    Ok(answer) => drop(self.send(&Request::Answer(answer))),
                    Err(e) => unanswered = Some(e),
                },
                Ok(Event::Done(done)) => break Ok(done),
                Ok(Event::Failed(trouble)) if stopping.is_some() => {
                    let lost = matches!(trouble, Trouble::Lost(_) | Trouble::Start(_));
                    break Err(stopped(&mut unanswered, lost));
                }
                Ok(Event::Failed(trouble)) => break Err(trouble),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if stopping.is_some() => {
                    break Err(stopped(&mut unanswered, true));
                }
                Err(RecvTimeoutError::Disconnected) => break Err(self.lost()),
            }
        }
    }

    /// Waits until an interrupted cell has ended; whether the variables have ended with it. What it
    /// says meanwhile is of no use any more. A second interrupt ends the helper.
    pub fn settle(&mut self) -> bool {
        while self.stopping {
            let lost = match self.events.recv_timeout(LOOK) {
                Ok(Event::Done(_)) => false,
                Ok(Event::Failed(trouble)) => {
                    matches!(trouble, Trouble::Lost(_) | Trouble::Start(_))
                }
                Err(RecvTimeoutError::Timeout) if interrupt::requested() => {
                    self.end();
                    true
                }
                Err(RecvTimeoutError::Disconnected) => true,
                _ => continue,
            };
            self.stopping = false;
            return lost;
        }
        false
    }

    /// Whether another cell can run in it.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn send(&mut self, request: &Request) -> std::io::Result<()> {
        writeln!(self.requests, "{}", serde_json::to_string(request)?)?;
        self.requests.flush()
    }

    fn lost(&mut self) -> Trouble {
        self.end();
        let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
        Trouble::Lost(format!("the helper ended with {status}"))
    }

    /// Ends the helper, the compiler and the code.
    fn end(&mut self) {
        // Once it is waited for, its number may be another's.
        if !self.alive() {
            return;
        }
        let runtimes = processes::descendants(self.child.id(), None);
        processes::end_group(self.child.id());
        runtimes.into_iter().for_each(processes::end);
        self.child.wait().ok();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(from: impl Read, to: &SyncSender<Event>, event: impl Fn(String) -> Event) {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        if to.send(event(text)).is_err() {
            return;
        }
        line.clear();
    }
}

/// Refuses where cells cannot be compiled: a tool is not there, or it is rustup's and has no
/// toolchain behind it.
fn needs_rust() -> Result<()> {
    let mut complaints = Vec::new();
    for tool in ["cargo", "rustc", "cc"] {
        complaints.extend(complaint(tool)?);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Error::new("starting the helper for Rust cells")
        .expected("cargo, rustc and a C compiler (cc) on the PATH")
        .found(complaints.join(", "))
        .advice(advice(&complaints)))
}

/// What is wrong with a tool.
fn complaint(tool: &str) -> Result<Option<String>> {
    let said = match version(tool)? {
        Ok(out) if out.status.success() => return Ok(None),
        Ok(out) => String::from_utf8_lossy(&out.stderr).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(format!("no {tool}"))),
        Err(e) => e.to_string(),
    };
    let first = said.lines().find(|l| !l.trim().is_empty()).unwrap_or("nothing");
    let first = first.trim().trim_start_matches("error: ");
    Ok(Some(format!("a {tool} that fails: \"{first}\"")))
}

/// What a tool says to `--version`. rustup's may take minutes to get a toolchain first, and ends with
/// an interrupt.
fn version(tool: &str) -> Result<std::io::Result<Said>> {
    let mut asked = Command::new(tool);
    // In a group of its own, which Ctrl-C does not reach.
    asked.arg("--version").process_group(0);
    asked.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = match asked.spawn() {
        Ok(child) => child,
        Err(e) => return Ok(Err(e)),
    };
    let (group, (said, heard)) = (child.id(), mpsc::channel());
    std::thread::spawn(move || said.send(child.wait_with_output()).ok());
    loop {
        match heard.recv_timeout(LOOK) {
            Ok(out) => return Ok(out),
            Err(_) if interrupt::requested() => {
                processes::end_group(group);
                return Err(Error::interrupted("starting the helper for Rust cells"));
            }
            Err(_) => {}
        }
    }
}

fn advice(complaints: &[String]) -> String {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let bin = Path::new(&home).join(".cargo/bin");
    let what = if complaints.iter().any(|c| c.contains("rustup")) {
        "`rustup default stable` gives rustup a toolchain; where another HOME has one, set \
         RUSTUP_HOME to its .rustup before Spatia starts"
            .into()
    } else if bin.is_absolute() && bin.join("cargo").is_file() {
        format!("Rust lies in {}: put that folder on the PATH before Spatia starts", bin.display())
    } else {
        "install Rust from https://rustup.rs, or your system's packages (Debian: apt install \
         cargo gcc)"
            .to_owned()
    };
    format!("Rust cells are compiled on this machine: {what}. The session goes on without them")
}

/// A folder that helpers build in, kept from session to session with what they have built.
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// The first that no other session holds, `$XDG_CACHE_HOME/spatia/rust/0` and on.
    fn take() -> Result<Self> {
        let failed = |path: &Path, e| Error::io(format!("making {}", path.display()), e);
        let given =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|p: &PathBuf| p.is_absolute());
        let cache = given("XDG_CACHE_HOME").or_else(|| Some(given("HOME")?.join(".cache")));
        // Not in a folder that all users write to: what is built there is run.
        let cache = cache.ok_or_else(|| {
            Error::new("finding a folder to build Rust cells in")
                .expected("HOME or XDG_CACHE_HOME with the full path of a folder of yours")
                .found("neither")
                .advice(
                    "Set one before Spatia starts, as in `export XDG_CACHE_HOME=/data/me/cache`",
                )
        })?;
        let root = cache.join("spatia/rust");
        fs::create_dir_all(&root).map_err(|e| failed(&root, e))?;
        for n in 0..100 {
            let path = root.join(n.to_string());
            let lock = root.join(format!("{n}.lock"));
            let file = File::options().create(true).append(true).open(&lock);
            let file = file.map_err(|e| failed(&lock, e))?;
            if file.try_lock().is_ok() {
                fs::create_dir_all(&path).map_err(|e| failed(&path, e))?;
                forget_cells(&path);
                return Ok(Self { path, _lock: file });
            }
        }
        Err(Error::new("finding a folder to build in").found("a hundred that other sessions hold"))
    }
}

/// Removes what earlier sessions' cells were compiled to, and what rustc has kept to compile them
/// faster: it trusts what a compiler that was ended has left there. What crates were, stays.
fn forget_cells(folder: &Path) {
    let within = |folder: PathBuf, name: &'static str| {
        let entries =
            fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
        entries.filter(move |e| e.file_name().to_string_lossy().starts_with(name)).map(|e| e.path())
    };
    for target in within(folder.join("target"), "") {
        let debug = target.join("debug");
        within(debug.clone(), "libcode_").for_each(|file| drop(fs::remove_file(file)));
        let kept = within(debug.join("incremental"), "ctx-");
        kept.for_each(|folder| drop(fs::remove_dir_all(folder)));
    }
}
