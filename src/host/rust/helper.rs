//! The helper of a session: a process that compiles Rust cells through evcxr. The process that runs
//! them is its child, so that neither can harm the session.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use evcxr::{
    CommandContext, CompilationError, EvalCallbacks, EvalContext, EvalContextOutputs, EvalOutputs,
};

use super::displays::Displays;
use super::protocol::{Done, Event, Fault, Label, Request, Trouble};
use super::runtime::{PANICKED, RETURNED};
use super::{RUNTIME_OF, processes};

/// How long the last lines of standard error may take to arrive behind the end of a cell.
const LATE: Duration = Duration::from_millis(30);
/// The same, where it is known that there is a message.
const LATEST: Duration = Duration::from_secs(2);

/// Lines of output that evcxr may hold before the code has to wait until they are taken: evcxr reads
/// without end.
const BACKLOG: usize = 2_000;

/// What Rust says before the place of a panic.
const PANICKED_AT: &str = " panicked at ";

/// The process that runs the code, once there is one.
static RUNTIME: OnceLock<Arc<Mutex<Child>>> = OnceLock::new();
/// Goes up when a cell begins and when it ends: odd while one is compiled or run.
static TURN: AtomicU64 = AtomicU64::new(0);
/// The last turn that was interrupted.
static STOPPED: AtomicU64 = AtomicU64::new(0);
/// The code has asked, and waits for the answer.
static ASKING: AtomicBool = AtomicBool::new(false);

/// What a question got, with the turn that it is for: a question that was interrupted gets an empty
/// one, once nobody can take it for the user's.
type Answer = (u64, String);

/// Serves a session until it is gone.
pub fn serve() -> ! {
    let code = match serve_requests() {
        Ok(()) => 0,
        Err(e) => {
            send(&Event::Failed(Trouble::Start(e.to_string())));
            1
        }
    };
    std::process::exit(code)
}

fn serve_requests() -> anyhow::Result<()> {
    let (requests, answers) = listen()?;
    let Ok(mut code) = requests.recv() else { return Ok(()) };
    // evcxr calls this very program, which knows by the environment what it is then.
    let mut runtime = Command::new(std::env::current_exe()?);
    runtime.env("LD_LIBRARY_PATH", libraries()).env(RUNTIME_OF, std::process::id().to_string());
    let (context, outputs) =
        EvalContext::with_subprocess_command(runtime).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut context = CommandContext::with_eval_context(context);
    RUNTIME.set(context.process_handle()).ok();
    // The user's own `init.evcxr`, as evcxr's other fronts read it.
    if let Event::Failed(trouble) = run(&mut context, &outputs, ":load_config --quiet", &answers) {
        send(&Event::Stderr(format!("evcxr's configuration cannot be used: {trouble:?}\n")));
    }
    loop {
        // Starting takes seconds, and the user may have thought better of it.
        let event = if STOPPED.load(Ordering::SeqCst) == TURN.load(Ordering::SeqCst) {
            Event::Failed(Trouble::Interrupted { lost: false })
        } else {
            run(&mut context, &outputs, &code, &answers)
        };
        TURN.fetch_add(1, Ordering::SeqCst);
        send(&event);
        match requests.recv() {
            Ok(next) => code = next,
            Err(_) => return Ok(()),
        }
    }
}

/// Where Rust's own libraries lie, of all toolchains beside the present one. evcxr moves what it
/// has compiled up by a folder, so the path in there misses them unless it leads to the root.
fn libraries() -> OsString {
    let ask = |what| {
        let said = Command::new("rustc").args(["--print", what]).output().map(|o| o.stdout);
        PathBuf::from(String::from_utf8_lossy(&said.unwrap_or_default()).trim())
    };
    let (sysroot, own) = (ask("sysroot"), ask("target-libdir"));
    let within = own.strip_prefix(&sysroot).unwrap_or(&own);
    let beside = sysroot.parent().filter(|p| p.ends_with("toolchains")).map(std::fs::read_dir);
    let others = beside.into_iter().flatten().flatten().filter_map(Result::ok).map(|e| e.path());
    let held = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let held = std::env::split_paths(&held).filter(|p| !p.as_os_str().is_empty());
    let all = others.map(|toolchain| toolchain.join(within)).chain(held.collect::<Vec<_>>());
    std::env::join_paths(std::iter::once(own.clone()).chain(all)).unwrap_or_default()
}

/// Takes requests from standard input, which no other process shall read; returns cells and answers.
fn listen() -> anyhow::Result<(Receiver<String>, Receiver<Answer>)> {
    let input = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let nothing = std::fs::File::open("/dev/null")?;
    // SAFETY: both are open files of this process.
    unsafe { libc::dup2(nothing.as_raw_fd(), 0) };
    let (cells, requests) = mpsc::channel();
    let (typed, answers) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(input).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Request::Run(code)) => {
                    // Here and not where it is run: an interrupt may follow at once.
                    TURN.fetch_add(1, Ordering::SeqCst);
                    cells.send(code).ok();
                }
                Ok(Request::Answer(text)) => {
                    typed.send((TURN.load(Ordering::SeqCst), text)).ok();
                }
                Ok(Request::Interrupt) => {
                    // The next cell comes after this line: it has another turn.
                    let turn = TURN.load(Ordering::SeqCst);
                    let typed = typed.clone();
                    std::thread::spawn(move || {
                        interrupt(turn);
                        typed.send((turn, String::new())).ok();
                    });
                }
                // No other program writes here.
                Err(_) => {}
            }
        }
        // The session is gone; so are the compiler and the code.
        processes::end_group(std::process::id());
    });
    Ok((requests, answers))
}

/// Ends what the cell of a turn waits for: the compiler, or the process that runs the code with all
/// that the code has started. evcxr says that it has ended, and lives on; the process that it starts
/// in its place is the next cell's, and is left alone.
fn interrupt(turn: u64) {
    STOPPED.store(turn, Ordering::SeqCst);
    // While evcxr starts there is none, and nothing that would have to end.
    let Some(runtime) = running() else { return };
    let present = || turn % 2 == 1 && turn == TURN.load(Ordering::SeqCst);
    while present() && running() == Some(runtime) {
        let mut builds = processes::descendants(std::process::id(), Some(runtime));
        builds.retain(|&pid| !processes::is_this_program(pid));
        let runs = ASKING.load(Ordering::SeqCst) || !processes::waits_for_input(runtime);
        if builds.is_empty() && runs && present() {
            let started = processes::descendants(runtime, None);
            processes::end(runtime);
            return started.into_iter().for_each(processes::end);
        }
        builds.into_iter().for_each(processes::end);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The process that runs the code at present.
fn running() -> Option<u32> {
    Some(RUNTIME.get()?.lock().unwrap_or_else(PoisonError::into_inner).id())
}

fn send(event: &Event) {
    let Ok(line) = serde_json::to_string(event) else { return };
    // A session that is gone needs no word.
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

/// What the code has said that matters to the outcome.
#[derive(Default)]
struct Heard {
    panicked: AtomicBool,
    returned: AtomicBool,
    displays: Mutex<Displays>,
    stderr: Mutex<Stderr>,
}

#[derive(Default)]
struct Stderr {
    lines: Vec<String>,
    /// Behind evcxr's words on a signal stands the stack of its own handler.
    stack: bool,
}

impl Heard {
    fn displays(&self) -> MutexGuard<'_, Displays> {
        self.displays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stdout(&self, line: String) {
        match line.as_str() {
            PANICKED => self.panicked.store(true, Ordering::SeqCst),
            RETURNED => self.returned.store(true, Ordering::SeqCst),
            _ => self.displays().line(line).iter().for_each(send),
        }
    }

    fn stderr(&self, line: String) {
        let mut heard = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = line.trim_start();
        let of_stack = text.starts_with(|c: char| c.is_ascii_digit()) || text.starts_with("at ");
        if heard.stack && of_stack || line.starts_with("note: run with `RUST_BACKTRACE") {
            return;
        }
        heard.stack |= line == "Segmentation fault." || line == "Bus error.";
        send(&Event::Stderr(format!("{line}\n")));
        // Of the outcome speak the last ones.
        if heard.lines.len() > 2 * BACKLOG {
            heard.lines.drain(..BACKLOG);
        }
        heard.lines.push(line);
    }

    fn failed(&self) -> bool {
        self.panicked.load(Ordering::SeqCst) || self.returned.load(Ordering::SeqCst)
    }

    /// The message of the panic or of the error, and the line and column in the source that was
    /// compiled.
    fn raised(&self) -> (String, Option<(usize, usize)>) {
        let heard = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = &heard.lines;
        if !self.panicked.load(Ordering::SeqCst) {
            let last = lines.last().map(String::as_str).unwrap_or_default();
            return (format!("the Rust code returned an error: {last}"), None);
        }
        let head = |l: &String| l.starts_with("thread '") && l.contains(PANICKED_AT);
        let Some(at) = lines.iter().rposition(head) else {
            return ("the Rust code panicked".into(), None);
        };
        let place = lines[at].split_once(PANICKED_AT).and_then(|(_, rest)| {
            let (line, column) = rest.strip_prefix("src/lib.rs:")?.split_once(':')?;
            Some((line.parse().ok()?, column.trim_end_matches(':').parse().ok()?))
        });
        (format!("the Rust code panicked: {}", lines[at + 1..].join("\n").trim()), place)
    }

    fn has_message(&self) -> bool {
        let heard = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        heard.lines.len() > usize::from(self.panicked.load(Ordering::SeqCst))
    }
}

fn run(
    context: &mut CommandContext,
    outputs: &EvalContextOutputs,
    code: &str,
    answers: &Receiver<Answer>,
) -> Event {
    let (heard, ended) = (Heard::default(), AtomicBool::new(false));
    let start = Instant::now();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| forward(outputs, &heard, &ended));
        scope.spawn(|| hold_back(outputs, &ended));
        let mut callbacks = EvalCallbacks {
            input_reader: &|asked| {
                ASKING.store(true, Ordering::SeqCst);
                send(&Event::Ask { prompt: asked.prompt, secret: asked.is_password });
                let turn = TURN.load(Ordering::SeqCst);
                let answer = answers.iter().find(|(of, _)| *of == turn);
                ASKING.store(false, Ordering::SeqCst);
                answer.map(|(_, text)| text).unwrap_or_default()
            },
        };
        let result = context.execute_with_callbacks(code, &mut callbacks);
        ended.store(true, Ordering::SeqCst);
        result
    });
    loop {
        let wait = if heard.failed() && !heard.has_message() { LATEST } else { LATE };
        match outputs.stderr.recv_timeout(wait) {
            Ok(line) => heard.stderr(line),
            Err(_) => break,
        }
    }
    let (rest, value) = heard.displays().finish();
    rest.iter().for_each(send);
    if (heard.failed() || result.is_err()) && !value.is_empty() {
        send(&Event::Display(value.clone()));
    }
    match result {
        Ok(_) if heard.failed() => {
            let (message, place) = heard.raised();
            let at = place.and_then(|(line, column)| {
                let source = context.last_source().ok()?;
                Some((line_of(code, source.lines().nth(line.checked_sub(1)?)?)?, column))
            });
            Event::Failed(Trouble::Raised { message, at })
        }
        Ok(outputs) => Event::Done(done(context, outputs, value, start.elapsed())),
        Err(e) => Event::Failed(trouble(e)),
    }
}

/// The number of a line of code that is found in it once.
fn line_of(code: &str, line: &str) -> Option<usize> {
    let mut same = code.lines().enumerate().filter(|(_, l)| *l == line);
    let (number, _) = same.next()?;
    same.next().is_none().then_some(number + 1)
}

fn forward(outputs: &EvalContextOutputs, heard: &Heard, ended: &AtomicBool) {
    loop {
        let last = ended.load(Ordering::SeqCst);
        while let Ok(line) = outputs.stdout.try_recv() {
            heard.stdout(line);
        }
        while let Ok(line) = outputs.stderr.try_recv() {
            heard.stderr(line);
        }
        if last {
            return;
        }
        if let Ok(line) = outputs.stdout.recv_timeout(Duration::from_millis(5)) {
            heard.stdout(line);
        }
    }
}

/// Stops the code while more of its output waits than anybody needs, and lets it go on.
fn hold_back(outputs: &EvalContextOutputs, ended: &AtomicBool) {
    let mut held = None;
    loop {
        let over = ended.load(Ordering::SeqCst);
        let much = outputs.stdout.len().max(outputs.stderr.len()) > BACKLOG;
        match held {
            None if much && !over => {
                held = running();
                held.inspect(|code| processes::stop(*code));
            }
            Some(code) if over || !much => {
                processes::go_on(code);
                held = None;
            }
            _ => {}
        }
        if over {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `value` is what the code displayed; `outputs` what evcxr says itself, as of `:vars`.
fn done(
    context: &CommandContext,
    outputs: EvalOutputs,
    value: BTreeMap<String, String>,
    took: Duration,
) -> Done {
    let variables = context.variables_and_types();
    Done {
        contents: outputs.content_by_mime_type.into_iter().chain(value).collect(),
        variables: variables.map(|(n, t)| (n.to_owned(), t.to_owned())).collect::<BTreeMap<_, _>>(),
        seconds: outputs.timing.map(|_| took.as_secs_f64()),
    }
}

fn trouble(error: evcxr::Error) -> Trouble {
    match error {
        evcxr::Error::CompilationErrors(errors) => {
            Trouble::Faults(errors.iter().map(fault).collect())
        }
        // What the code had printed stands before it.
        evcxr::Error::SubprocessTerminated(text) => {
            let end = text.lines().last().unwrap_or_default();
            let cause = match end.contains("SIGSEGV") {
                true => ", as a recursion without end and unsafe code do",
                false => "",
            };
            Trouble::Lost(format!("{end}{cause}"))
        }
        other => Trouble::Other(other.to_string()),
    }
}

fn fault(error: &CompilationError) -> Fault {
    let labels = error.spanned_messages().iter().filter_map(|m| {
        let span = m.span?;
        Some(Label {
            line: span.start_line,
            column: span.start_column,
            end_line: span.end_line,
            end_column: span.end_column,
            text: m.label.clone(),
            primary: m.is_primary,
        })
    });
    let hint = error.evcxr_extra_hint().map(str::to_owned);
    Fault {
        message: error.message(),
        code: error.code().map(str::to_owned),
        labels: labels.collect(),
        help: error.help().into_iter().chain(hint).collect(),
    }
}
