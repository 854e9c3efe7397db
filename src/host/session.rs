//! A session that scripts, the REPL, notebooks and the kernel share. It takes text and returns
//! plain data; they only carry it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use serde_json::Value;

use super::cell::{self, Cell};
use super::commands::{self, Call, Holder};
use super::inspect::{self, Detail};
use super::journal::{Carrier, Entry, Journal, State, why_missing};
use super::{report, rust};
use crate::base::{Kind, nearest};
use crate::script::docs;
use crate::script::{Bundle, Console, Failure, Interpreter, Known, Output, Param, Signature};

/// What an evaluation gave: a value worth showing, or nothing.
pub type Outcome = Option<Bundle>;

/// What a cell gave.
pub struct Said {
    pub outcome: Result<Outcome, Failure>,
    pub effect: Option<Effect>,
}

/// What a cell asks of whoever carries the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The session is to end, with this exit code.
    Quit(u8),
    /// The text belongs into the next cell, for the user to look at and run.
    NextInput(String),
}

impl Said {
    pub fn nothing() -> Self {
        Ok(None).into()
    }

    pub fn text(text: impl Into<String>) -> Self {
        Ok(Some(Bundle::text(text))).into()
    }

    pub fn effect(effect: Effect) -> Self {
        Self { outcome: Ok(None), effect: Some(effect) }
    }

    pub fn failure(message: impl Into<String>) -> Self {
        let message = message.into();
        Err(Failure { kind: Kind::Invalid, message, ..Failure::default() }).into()
    }
}

impl From<Result<Outcome, Failure>> for Said {
    fn from(outcome: Result<Outcome, Failure>) -> Self {
        Self { outcome, effect: None }
    }
}

pub struct Session {
    pub(super) interpreter: Interpreter,
    pub(super) console: Arc<dyn Console>,
    pub(super) journal: Journal,
    rust: rust::Cells,
    known: Arc<RwLock<Arc<Known>>>,
    count: usize,
    /// The number of the cell that runs, and none while front ends ask behind the user's back.
    present: Option<usize>,
    /// Whether each cell says how long it took.
    pub(super) timing: bool,
}

impl Session {
    /// A session without variables, which speaks through `console`.
    pub fn new(console: Arc<dyn Console>) -> Self {
        let interpreter = Interpreter::new(console.clone());
        let known = Arc::new(RwLock::new(Arc::new(interpreter.known())));
        let (journal, rust) = (Journal::default(), rust::Cells::default());
        Self { interpreter, console, journal, rust, known, count: 0, present: None, timing: false }
    }

    /// Runs a cell as people write them: code, a question, a command, a magic. Its number is
    /// [`Session::count`]; messages call it "[3]".
    pub fn cell(&mut self, text: &str) -> Said {
        self.count += 1;
        let count = self.count;
        self.journal.begin(count, text);
        let start = Instant::now();
        let mut said = self.within(Some(count), text);
        let state = match &mut said.outcome {
            Ok(_) => State::Succeeded,
            Err(failure) if failure.kind == Kind::Interrupted => State::Interrupted,
            Err(failure) => {
                self.explain(failure, text);
                State::Failed
            }
        };
        self.journal.end(count, state);
        self.learn();
        if self.timing {
            let took = commands::human(start.elapsed());
            self.console.output(Output::Stdout(format!("took {took}\n")));
        }
        said
    }

    /// Says of a name that is missing which cell was to make it and did not end, and of a line for a
    /// shell that there is none.
    fn explain(&self, failure: &mut Failure, text: &str) {
        let why = || match failure.kind {
            Kind::Interrupted => None,
            kind => commands::shell(text).or_else(|| {
                let missing = kind == Kind::Missing;
                let name = missing.then(|| report::word(&failure.place, self)).flatten()?;
                why_missing(&self.journal.entries(), &name)
            }),
        };
        if let Ok(Some(why)) = attempt(why) {
            failure.message = format!("{}. {why}", failure.message);
        }
    }

    /// Counts a cell of an earlier session that is not run here.
    pub(super) fn leave_out(&mut self, entry: &Entry) {
        self.count += 1;
        self.journal.leave_out(self.count, entry);
    }

    /// Runs a cell as [`Session::cell`] does, without counting or keeping it: what front ends ask
    /// behind the user's back.
    pub fn quietly(&mut self, text: &str) -> Said {
        let said = self.within(None, text);
        self.learn();
        said
    }

    /// Runs a text as the cell of that number, which may stand amid another (`:restore`).
    fn within(&mut self, cell: Option<usize>, text: &str) -> Said {
        let outer = std::mem::replace(&mut self.present, cell);
        let said = self.guarded(|session| session.say(text));
        self.present = outer;
        said
    }

    /// Runs a script with parameters of its own amid a cell, which keeps those that it had.
    pub(super) fn script(
        &mut self,
        text: &str,
        name: &str,
        values: BTreeMap<String, Value>,
    ) -> Said {
        let before = self.interpreter.give(values);
        let said = self.guarded(|session| {
            let outcome = session.interpreter.eval(text, name);
            session.with_effect(outcome)
        });
        self.interpreter.give(before);
        said
    }

    /// A panic of our own is an error of the cell; the session stays as it was at that moment.
    fn guarded(&mut self, cell: impl FnOnce(&mut Self) -> Said) -> Said {
        attempt(|| cell(self)).unwrap_or_else(|text| {
            Said::failure(format!(
                "Spatia itself failed: {text}. This is a fault in Spatia, not in the cell; a script \
                 that shows it makes a good report. The variables are still there"
            ))
        })
    }

    /// What a text gives, by what it is.
    fn say(&mut self, text: &str) -> Said {
        match Cell::parse(text) {
            Cell::Code(code) => commands::spoken(self, code).unwrap_or_else(|| self.code(code)),
            Cell::Question { name, whole } => self.question(name, whole),
            Cell::Command { name, rest } => commands::command(self, name, rest),
            Cell::Line { name, rest } => {
                let above = cell::lines_above(text);
                commands::line(self, &Call { name, rest, body: "", above })
            }
            Cell::Magic { name, rest, body } => {
                let above = cell::lines_above(text);
                commands::magic(self, &Call { name, rest, body, above })
            }
            Cell::Lead { first, above, rest } => {
                let said = self.say(first);
                if said.outcome.is_err() || said.effect.is_some() {
                    return said;
                }
                if let Ok(Some(bundle)) = said.outcome {
                    self.console.output(Output::Display { bundle, id: None, update: false });
                }
                // Lines keep their numbers for messages.
                self.say(&format!("{}{rest}", "\n".repeat(above)))
            }
        }
    }

    /// Runs a text, called `name` in messages (a path), without counting or keeping it.
    ///
    /// # Errors
    /// What failed and where. Variables keep what they held at that moment.
    pub fn eval(&mut self, text: &str, name: &str) -> Result<Outcome, Failure> {
        self.interpreter.eval(text, name)
    }

    /// The exit code, where the last text called `exit`.
    pub fn take_ended(&self) -> Option<u8> {
        self.interpreter.take_ended()
    }

    /// Keeps a journal on disk from now on; see [`super::journal`].
    pub fn keep_journal(&mut self, carrier: Carrier<'_>) {
        self.journal = Journal::open(carrier);
    }

    /// Keeps this journal from now on.
    pub fn set_journal(&mut self, journal: Journal) {
        self.journal = journal;
    }

    /// The session's journal: what to offer after a crash, and to close it.
    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// The number of the last cell, from 1.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Forgets a variable, or with "Out" what the cells have shown; whether there was such a name.
    pub fn forget(&mut self, name: &str) -> bool {
        self.interpreter.forget(name)
    }

    /// Forgets variables, functions and imports. Parameters stay: they are nobody's variables.
    pub(super) fn clear(&mut self) {
        let given = self.interpreter.give(BTreeMap::new());
        self.interpreter = Interpreter::new(self.console.clone());
        self.interpreter.give(given);
        self.journal.forgotten(Holder::Language);
    }

    /// Forgets variables, functions and imports, and stops the helper of Rust cells.
    pub fn restart(&mut self) {
        self.clear();
        self.rust = rust::Cells::default();
        self.journal.forgotten(Holder::Rust);
        self.learn();
    }

    /// Stops the helper of Rust cells, and forgets what they hold.
    pub(super) fn restart_rust(&mut self) {
        self.rust.restart();
    }

    /// What the session knows, for completion and inspection on other threads. It is renewed after
    /// every cell; [`Names::get`] takes what there is at the moment.
    pub fn names(&self) -> Names {
        Names(self.known.clone())
    }

    /// The summary and the parameters of a script, without running it.
    ///
    /// # Errors
    /// A script that cannot be read as one.
    pub fn signature(&self, text: &str, name: &str) -> Result<Signature, Failure> {
        self.interpreter.signature(text, name)
    }

    /// The parameters of a notebook, as its cell tagged `parameters` sets them, without running it.
    ///
    /// # Errors
    /// A syntax error.
    pub fn assigned(&self, text: &str, name: &str) -> Result<Vec<Param>, Failure> {
        self.interpreter.assigned(text, name)
    }

    /// Sets the values of the script's parameters.
    pub fn give(&mut self, values: BTreeMap<String, Value>) {
        self.interpreter.give(values);
    }

    /// Whether a text can be run, or waits for more lines.
    pub fn is_complete(text: &str) -> bool {
        cell::is_complete(text)
    }

    /// A failure with its source lines, as people read it.
    pub fn traceback(&self, failure: &Failure) -> String {
        attempt(|| report::render(failure, self)).unwrap_or_else(|_| report::heading(failure))
    }

    /// The places of a failure as data, for front ends that draw them on their own.
    pub fn frames(&self, failure: &Failure) -> Vec<report::Frame> {
        report::frames(failure, self)
    }

    /// The text of a source that messages name.
    pub fn source(&self, name: &str) -> Option<String> {
        self.interpreter.source(name)
    }

    /// What messages call the present cell: "[3]".
    pub(super) fn cell_name(&self) -> String {
        self.present.map_or("[silent]".into(), |number| format!("[{number}]"))
    }

    /// Runs code of the language as the present cell.
    pub(super) fn code(&mut self, code: &str) -> Said {
        let outcome = match self.present {
            Some(number) => self.interpreter.cell(code, number),
            None => self.interpreter.eval(code, &self.cell_name()),
        };
        self.with_effect(outcome)
    }

    fn with_effect(&self, outcome: Result<Outcome, Failure>) -> Said {
        Said { outcome, effect: self.interpreter.take_ended().map(Effect::Quit) }
    }

    /// The variables of the Rust cells and their types.
    pub(super) fn rust_variables(&self) -> &BTreeMap<String, String> {
        self.rust.variables()
    }

    /// Whether the helper of Rust cells runs.
    pub(super) fn has_rust(&mut self) -> bool {
        self.rust.runs()
    }

    /// Whether there is a variable of that name.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.interpreter.holdings().iter().any(|h| h.name == name)
    }

    /// Runs a cell of Rust.
    pub(super) fn rust(&mut self, call: &Call<'_>) -> Said {
        let name = self.cell_name();
        self.rust.run(&mut self.interpreter, &*self.console, &name, call).into()
    }

    /// Runs one of evcxr's commands.
    pub(super) fn rust_command(&mut self, name: &str, rest: &str) -> Said {
        self.rust.command(&*self.console, name, rest).into()
    }

    /// `?name`; commands and magics answer too, and `?` alone says what there is.
    pub(super) fn question(&mut self, name: &str, whole: bool) -> Said {
        if name.is_empty() || name.starts_with([':', '%']) {
            return commands::explain(name);
        }
        let detail = if whole { Detail::Whole } else { Detail::Summary };
        match inspect::inspect(&self.names().get(), name, name.len(), detail) {
            Some(bundle) => Ok(Some(bundle)).into(),
            None => Said::failure(format!("nothing is known of '{name}'. {}", meant(name))),
        }
    }

    fn learn(&mut self) {
        // Names that are a cell old are better than a session that has ended.
        if let Ok(known) = attempt(|| self.interpreter.known()) {
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        }
    }
}

/// Does something of our own that must not take the session with it; else what its panic says.
fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
    })
}

/// A view of a session's names that other threads may hold.
#[derive(Clone)]
pub struct Names(Arc<RwLock<Arc<Known>>>);

impl Names {
    pub fn get(&self) -> Arc<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a name that is not known may have been meant for.
fn meant(name: &str) -> String {
    let entries = docs::entries();
    let bare = |e: &docs::Entry| e.name.rsplit(['.', ':']).next().unwrap_or_default().to_owned();
    let same: Vec<&str> =
        entries.iter().filter(|e| bare(e) == name).map(|e| e.name.as_str()).collect();
    if !same.is_empty() {
        return format!("Did you mean {}?", same.join(" or "));
    }
    let names = entries.iter().map(|e| e.name.as_str());
    match nearest::nearest(name, names) {
        Some(near) => format!("Did you mean {near}?"),
        None => ":help lists commands, Tab completes names".into(),
    }
}
