//! From the core's error to Rhai's and from Rhai's to plain data; panics of native code are
//! caught on the way.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use rhai::{Dynamic, EvalAltResult, ParseError, Position};

use super::describe::{World, describe};
use super::foreign;
use super::hints::{lower_first, sentence};
use crate::base::{Error, Kind, interrupt};

/// What a failing script leaves, as plain data.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    /// Where it happened.
    pub place: Place,
    /// The calls it happened in, innermost first: the function's name and where it was called.
    pub calls: Vec<(String, Place)>,
}

/// A place in a source; line and column count from 1, and 0 is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub source: String,
    pub line: usize,
    pub column: usize,
}

/// The core's error as a script's `catch` gets it.
#[derive(Clone)]
pub(super) struct Raised(Rc<Error>);

impl Raised {
    pub fn new(error: Error) -> Self {
        Self(Rc::new(error))
    }

    pub fn what(&self) -> Kind {
        self.0.what()
    }

    pub fn message(&self) -> String {
        self.0.to_string()
    }

    pub fn kind(&self) -> &'static str {
        match self.0.what() {
            Kind::Invalid => "invalid",
            Kind::Missing => "missing",
            Kind::Io => "io",
            Kind::Numeric => "numeric",
            Kind::Resource => "resource",
            Kind::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<Error> for Box<EvalAltResult> {
    fn from(e: Error) -> Self {
        // An interrupt must not end in a script's `catch`, so it is Rhai's own kind of stop.
        if e.is_interrupt() {
            return Box::new(EvalAltResult::ErrorTerminated(e.to_string().into(), Position::NONE));
        }
        Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(Raised(Rc::new(e))), Position::NONE))
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self { kind: e.what(), message: e.to_string(), place: Place::default(), calls: Vec::new() }
    }
}

impl Place {
    pub(super) fn new(source: &str, at: Position) -> Self {
        Self {
            source: source.into(),
            line: at.line().unwrap_or(0),
            column: at.position().unwrap_or(0),
        }
    }
}

impl Failure {
    /// A text that is no program.
    pub(super) fn parse(e: &ParseError, text: &str, source: &str) -> Self {
        let what = format!("syntax error: {}", in_words(&lower_first(&e.err_type().to_string())));
        let hint = foreign::syntax(text, e.position().line().unwrap_or(0));
        let message = sentence(what, hint.unwrap_or_default());
        let mut place = Place::new(source, e.position());
        // What is missing at the end is missing behind the last thing that is there.
        if text.lines().nth(place.line.saturating_sub(1)).is_none_or(|l| l.trim().is_empty())
            && let Some((n, last)) =
                text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).last()
        {
            (place.line, place.column) = (n + 1, last.trim_end().chars().count() + 1);
        }
        Self { kind: Kind::Invalid, message, place, calls: Vec::new() }
    }

    /// Unwraps calls and modules; `world` has what mistyped names are compared with.
    pub(super) fn new(error: &EvalAltResult, source: &str, world: &World<'_>) -> Self {
        let mut calls = Vec::new();
        let mut source = source.to_owned();
        let mut error = error;
        loop {
            match error {
                EvalAltResult::ErrorInFunctionCall(name, inside, inner, at) => {
                    if !is_anonymous(name) {
                        calls.insert(0, (name.clone(), Place::new(&source, *at)));
                    }
                    if !inside.is_empty() {
                        source.clone_from(inside);
                    }
                    error = inner;
                }
                EvalAltResult::ErrorInModule(name, inner, at) => {
                    calls.insert(0, (format!("import \"{name}\""), Place::new(&source, *at)));
                    source.clone_from(name);
                    error = inner;
                }
                _ => break,
            }
        }
        let place = Place::new(&source, error.position());
        if let EvalAltResult::ErrorParsing(e, at) = error {
            let text = world.state.source(&source).unwrap_or_default();
            let failure = Self::parse(&ParseError(Box::new(e.clone()), *at), &text, &source);
            return Self { calls, ..failure };
        }
        let (kind, message) = describe(error, &place, world);
        Self { kind, message, place, calls }
    }
}

/// Rhai's names for things as scripts call them.
fn in_words(said: &str) -> String {
    [
        ("a boolean expression", "a condition (true or false)"),
        (
            "array, string or bit-field expects numeric index",
            "places in arrays and texts are numbers",
        ),
        ("a string", "a text"),
        ("an object map", "a map"),
    ]
    .iter()
    .fold(said.to_owned(), |said, (rhais, ours)| said.replace(rhais, ours))
}

fn is_anonymous(name: &str) -> bool {
    name.starts_with("anon$")
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs native code; a panic in it (libtorch's errors arrive as panics) becomes an error that
/// names the call and its arguments.
pub(super) fn guard<T>(
    call: impl Fn() -> String,
    body: impl FnOnce() -> Result<T, Box<EvalAltResult>>,
) -> Result<T, Box<EvalAltResult>> {
    quiet_hook();
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    GUARDED.set(outer);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
        let doing = Error::new(call()).found(readable(text));
        // How libtorch says it.
        let too_much = ["can't allocate memory", "Storage size calculation overflowed"];
        let failure = if text.contains("CUDA out of memory") {
            doing.kind(Kind::Resource).advice("This is more than the GPU has left: take fewer spots or genes, smaller layers, or device: \"cpu\"; `:free name` gives back what a variable holds")
        } else if too_much.iter().any(|said| text.contains(said)) {
            doing.kind(Kind::Resource).advice("This is more than the machine, or the limit of this process, gives: take fewer spots or genes, or smaller layers")
        } else {
            doing.advice("This is a fault in native code; a smaller script that shows it makes a good report")
        };
        Err(failure.into())
    })
}

/// The first line of a libtorch error, which goes on with a C++ stack.
fn readable(panic: &str) -> String {
    let text = panic.split_once("Torch(\"").map_or(panic, |(_, t)| t);
    let text = text.split("\\n").next().unwrap_or(text);
    text.lines().next().unwrap_or(text).trim_end_matches("\")").to_owned()
}

/// A panic under [`guard`] says nothing on its own; any other is shown as ever.
fn quiet_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let of_job = std::thread::current().name() == Some(interrupt::THREAD);
            if !GUARDED.get() && !of_job {
                shown(info);
            }
        }));
    });
}
