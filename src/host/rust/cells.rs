//! The Rust side of a session: what `%%rust` and evcxr's commands do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::exchange::Exchange;
use super::process::Helper;
use super::protocol::{Done, Trouble};
use super::{HELPER, RUNTIME_OF, content, faults, helper, runtime};
use crate::base::{Error, Kind, Result, nearest, progress};
use crate::host::commands::Call;
use crate::script::{Bundle, Console, Failure, Interpreter, Place};

/// The program that can be a helper.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// What `main` calls before anything else: where this process was started as a helper, or as what
/// runs the code of cells, this does not return.
pub fn hook() {
    let parent = std::os::unix::process::parent_id().to_string();
    if std::env::var(RUNTIME_OF).is_ok_and(|helper| helper == parent) {
        // The helper's end is the runtime's, whatever code runs in it.
        // SAFETY: sets what signal the system sends here, and an environment that only this thread
        // reads yet: evcxr asks for stacks, whose lines are those of its own code.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            std::env::remove_var("RUST_BACKTRACE");
        }
        // Without the watch cells run, and their panics are no errors.
        runtime::watch().ok();
    } else {
        // Code of a cell has started this program, which is what it always is.
        // SAFETY: as above.
        unsafe { std::env::remove_var("EVCXR_IS_RUNTIME") };
    }
    evcxr::runtime_hook();
    if std::env::args_os().nth(1).is_some_and(|a| a == HELPER) {
        helper::serve();
    }
    if let Ok(program) = std::env::current_exe() {
        use_program(program);
    }
}

/// Says which program calls [`hook`] first, where it is not this one: tests.
pub fn use_program(program: PathBuf) {
    PROGRAM.set(program).ok();
}

/// What `%%rust` is followed by.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    given: Vec<String>,
    returned: Vec<String>,
}

impl Options {
    fn parse(text: &str) -> Result<Self> {
        let mut options = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let list = match word.get(..2) {
                Some("-i") => &mut options.given,
                Some("-o") => &mut options.returned,
                _ => return Err(Self::refuse(word)),
            };
            let names = match &word[2..] {
                "" => words.next().ok_or_else(|| Self::refuse(word))?,
                names => names,
            };
            list.extend(names.split(',').filter(|n| !n.is_empty()).map(str::to_owned));
        }
        Ok(options)
    }

    fn refuse(word: &str) -> Error {
        Error::new("reading the options of %%rust")
            .expected(
                "-i NAMES, which the cell gets of the session, and -o NAMES, which it gives back",
            )
            .found(format!("'{word}'"))
            .advice("As in `%%rust -i counts,k -o scores`")
    }
}

/// The Rust side of a session; its helper starts with the first cell.
#[derive(Default)]
pub struct Cells {
    helper: Option<Helper>,
    /// What `:env` has set, for every helper to come.
    environment: BTreeMap<String, String>,
    /// The variables of the Rust cells and their types.
    variables: BTreeMap<String, String>,
    /// What the last cell that ended with its process took along.
    lost: Lost,
}

/// The names of variables that are gone, and whether the functions and types of the cells are too.
#[derive(Default)]
struct Lost {
    names: Vec<String>,
    all: bool,
}

impl Lost {
    fn said(&self) -> String {
        let variables = match &self.names[..] {
            [] => "No Rust variables are lost".into(),
            names => format!("Lost with the process that ran the code: {}", names.join(", ")),
        };
        let rest = if self.all {
            "The functions, types and crates of the Rust cells are gone too"
        } else {
            "Rust functions, types and crates are still there"
        };
        format!("{variables}. {rest}; the session keeps its own variables")
    }
}

impl Cells {
    /// Runs one cell, called `name` in messages.
    ///
    /// # Errors
    /// What rustc says, at the cell's line; a panic of the code or its end; no Rust on this machine; a
    /// variable that cannot go over.
    pub fn run(
        &mut self,
        interpreter: &mut Interpreter,
        console: &dyn Console,
        name: &str,
        call: &Call<'_>,
    ) -> std::result::Result<Option<Bundle>, Failure> {
        let Call { rest: options, body: code, above, .. } = *call;
        let lines = "\n".repeat(above);
        interpreter.remember(name, &format!("{lines}%%rust {options}\n{code}"));
        let Options { given, returned } = Options::parse(options)?;
        if !given.is_empty() {
            let exchange = Exchange::new()?;
            let handed = given.iter().map(|n| exchange.give(interpreter, n));
            let handed = handed.collect::<Result<Vec<_>>>()?;
            let load = exchange.load(self.helper()?.folder(), &handed)?;
            let loaded = self.execute(console, &load);
            loaded.map_err(|t| self.failure(t, "", "", 1, "handing variables to a Rust cell"))?;
        }
        let ran = self.execute(console, code);
        let done = ran.map_err(|t| self.failure(t, name, code, above + 2, "running Rust"))?;
        if !returned.is_empty() {
            let mut wanted = Vec::new();
            for n in &returned {
                let known = self.variables.keys().map(String::as_str);
                let found = self.variables.get(n).ok_or_else(|| {
                    Error::new(format!("bringing back '{n}' of a Rust cell"))
                        .kind(Kind::Missing)
                        .expected("a Rust variable")
                        .found("none of that name")
                        .advice(nearest::advice(n, known))
                })?;
                wanted.push((n.clone(), found.clone()));
            }
            let exchange = Exchange::new()?;
            let (save, files) = exchange.save(self.helper()?.folder(), &wanted)?;
            if let Err(trouble) = self.execute(console, &save) {
                return Err(self.untaken(trouble, &wanted));
            }
            for (n, file) in returned.iter().zip(&files) {
                interpreter.import(n, file)?;
            }
        }
        Ok(shown(done))
    }

    /// `:dep NAME = ...`, and the other commands that are evcxr's own.
    ///
    /// # Errors
    /// What cargo says; a command that evcxr does not know.
    pub fn command(
        &mut self,
        console: &dyn Console,
        name: &str,
        rest: &str,
    ) -> std::result::Result<Option<Bundle>, Failure> {
        // evcxr takes any digit, and rustc refuses it in a later cell.
        if name == "opt" && !["", "0", "1", "2", "3"].contains(&rest) {
            let error = Error::new("reading the level of optimisation").expected("0, 1, 2 or 3");
            return Err(error.found(format!("'{rest}'")).into());
        }
        if name == "env" {
            return self.set(console, rest);
        }
        let line = format!(":{name} {rest}");
        let line = line.trim();
        let ran = self.execute(console, line);
        ran.map(shown).map_err(|t| self.failure(t, "", line, 1, "running a command of evcxr"))
    }

    /// `:env KEY=VALUE`. A helper that runs takes it for what it builds; the code of its cells is in a
    /// process that was started before.
    fn set(
        &mut self,
        console: &dyn Console,
        pair: &str,
    ) -> std::result::Result<Option<Bundle>, Failure> {
        let split = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = split.filter(|(k, _)| !k.is_empty() && !pair.contains('\0'))
        else {
            let error = Error::new("setting a variable of the environment").expected("KEY=VALUE");
            return Err(error.found(format!("'{pair}'")).into());
        };
        self.environment.insert(key.into(), value.into());
        let mut said = format!("{key}={value}");
        if self.runs() {
            let ran = self.execute(console, &format!(":env {key}={value}"));
            ran.map_err(|t| self.failure(t, "", "", 1, "setting a variable of the environment"))?;
            said += " for what is compiled from now on. :restart rust gives it to the code of cells, too: \
                     their variables and functions are lost with that";
        }
        Ok(Some(Bundle::text(said)))
    }

    /// Whether there is a helper.
    pub fn runs(&mut self) -> bool {
        self.helper.as_mut().is_some_and(Helper::alive)
    }

    /// The variables of the Rust cells and their types.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Stops the helper and forgets all but what `:env` has set.
    pub fn restart(&mut self) {
        let environment = std::mem::take(&mut self.environment);
        *self = Self { environment, ..Self::default() };
    }

    fn execute(&mut self, console: &dyn Console, code: &str) -> std::result::Result<Done, Trouble> {
        let helper = self.helper().map_err(|e| match e.is_interrupt() {
            true => Trouble::Interrupted { lost: false },
            false => Trouble::Start(e.to_string()),
        })?;
        let outcome = helper.run(code, console);
        // evcxr outlives the end of the code; a helper that could not start is about to end.
        let ended = !helper.alive() || matches!(outcome, Err(Trouble::Start(_)));
        match &outcome {
            Ok(done) => self.variables.clone_from(&done.variables),
            Err(Trouble::Lost(_) | Trouble::Start(_) | Trouble::Interrupted { lost: true }) => {
                self.forget(ended);
            }
            Err(_) => {}
        }
        if ended {
            self.helper = None;
        }
        outcome
    }

    /// The variables are gone, and with the helper all else.
    fn forget(&mut self, all: bool) {
        let names = std::mem::take(&mut self.variables).into_keys().collect();
        self.lost = Lost { names, all };
    }

    fn helper(&mut self) -> Result<&mut Helper> {
        if self.helper.as_mut().is_some_and(Helper::settle) {
            let ended = self.helper.as_mut().is_none_or(|h| !h.alive());
            self.forget(ended);
            progress::note(format!(
                "Rust cells: the interrupt took its time. {}",
                self.lost.said()
            ));
        }
        if let Some(helper) = self.helper.take_if(|h| h.alive()) {
            return Ok(self.helper.insert(helper));
        }
        let program = PROGRAM.get().ok_or_else(|| {
            Error::new("starting the helper for Rust cells")
                .expected("the program `spatia`")
                .found("another that uses its library")
        })?;
        self.helper = None;
        let helper = Helper::start(program, &self.environment)?;
        progress::note(
            "Rust cells: starting; the first one takes some seconds, and crates are built when first used",
        );
        Ok(self.helper.insert(helper))
    }

    /// What went wrong in `code`, whose first line is line `first` of the cell called `name`.
    fn failure(
        &self,
        trouble: Trouble,
        name: &str,
        code: &str,
        first: usize,
        doing: &str,
    ) -> Failure {
        let error = match trouble {
            Trouble::Faults(all) if !name.is_empty() => {
                let message = faults::render(&all, name, code, first);
                return Failure { message: with_hint(message), ..Failure::default() };
            }
            Trouble::Faults(all) => {
                let messages: Vec<String> = all.into_iter().map(|f| f.message).collect();
                Error::new(doing).found(with_hint(messages.join("; ")))
            }
            Trouble::Raised { message, at } => {
                let at = at.filter(|_| !name.is_empty());
                let place = at.map(|(line, column)| Place {
                    source: name.into(),
                    line: line + first - 1,
                    column,
                });
                return Failure { message, place: place.unwrap_or_default(), ..Failure::default() };
            }
            Trouble::Lost(message) => Error::new(doing).found(message).advice(self.lost.said()),
            Trouble::Start(message) | Trouble::Other(message) => {
                return Failure { message: with_hint(message), ..Failure::default() };
            }
            Trouble::Interrupted { lost } => {
                let error = Error::interrupted(doing);
                if lost { error.advice(self.lost.said()) } else { error }
            }
        };
        error.into()
    }

    /// A variable that the session does not take.
    fn untaken(&self, trouble: Trouble, wanted: &[(String, String)]) -> Failure {
        let refused = matches!(&trouble, Trouble::Faults(faults) if faults.iter().any(|f| f.code.as_deref() == Some("E0277")));
        if !refused {
            return self.failure(trouble, "", "", 1, "bringing back variables of a Rust cell");
        }
        let types: Vec<String> = wanted.iter().map(|(n, t)| format!("{n}: {t}")).collect();
        Error::new("bringing back variables of a Rust cell")
            .expected("numbers, texts, vectors and maps of them, serde_json::Value, ndarray arrays, Table, Csr")
            .found(types.join(", "))
            .advice("Turn it into one of these in the cell")
            .into()
    }
}

fn shown(done: Done) -> Option<Bundle> {
    let mut contents = done.contents;
    if let Some(seconds) = done.seconds {
        let text = contents.entry("text/plain".into()).or_default();
        let line = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{line}took {:.0} ms", 1000.0 * seconds));
    }
    if let Some(text) = contents.get_mut("text/plain") {
        text.truncate(text.trim_end_matches('\n').len());
    }
    (!contents.is_empty()).then(|| content::bundle(contents))
}

/// Adds what to do where cargo found no network.
fn with_hint(message: String) -> String {
    const SIGNS: [&str; 5] =
        ["failed to download", "Could not resolve host", "network", "Couldn't connect", "spurious"];
    if SIGNS.iter().any(|s| message.contains(s)) {
        return format!(
            "{message}\nhelp: without a network, `:offline 1` takes crates that this machine has already"
        );
    }
    message
}
