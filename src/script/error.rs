//! From the core's error to Rhai's and from Rhai's to plain data; panics of native code are
//! caught on the way.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use rhai::{Dynamic, EvalAltResult, ParseError, Position};

use super::docs;
use crate::base::{Error, Kind, nearest};

/// What a failing script leaves, as plain data.
#[derive(Clone, Debug)]
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
    pub(super) fn parse(e: &ParseError, source: &str) -> Self {
        let message = format!("syntax error: {}", e.err_type());
        Self {
            kind: Kind::Invalid,
            message,
            place: Place::new(source, e.position()),
            calls: Vec::new(),
        }
    }

    /// Unwraps calls and modules; `known` are the names a mistyped variable is compared with.
    pub(super) fn new(error: &EvalAltResult, source: &str, known: &[String]) -> Self {
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
        let (kind, message) = describe(error, known);
        Self { kind, message, place: Place::new(&source, error.position()), calls }
    }
}

fn is_anonymous(name: &str) -> bool {
    name.starts_with("anon$")
}

fn describe(error: &EvalAltResult, known: &[String]) -> (Kind, String) {
    let known = || known.iter().map(String::as_str);
    match error {
        EvalAltResult::ErrorRuntime(value, _) => match value.clone().try_cast::<Raised>() {
            Some(raised) => (raised.0.what(), raised.message()),
            None => (Kind::Invalid, value.to_string()),
        },
        EvalAltResult::ErrorTerminated(value, _) => {
            let said = value.to_string();
            (Kind::Interrupted, if said.is_empty() { "interrupted (Ctrl-C)".into() } else { said })
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => (
            Kind::Missing,
            format!("there is no variable '{name}'. {}", nearest::advice(name, known())),
        ),
        EvalAltResult::ErrorFunctionNotFound(call, _) => {
            let name = call.split(" (").next().unwrap_or(call);
            let words = [
                (" (", "("),
                ("&str | ImmutableString | String", "text"),
                ("i64", "int"),
                ("f64", "float"),
            ];
            let call = words.iter().fold(call.clone(), |c, (rust, ours)| c.replace(rust, ours));
            (Kind::Missing, sentence(format!("there is no function {call}"), docs::meant(name)))
        }
        EvalAltResult::ErrorDotExpr(said, _) => {
            let name = said.split('\'').nth(1).unwrap_or_default();
            (Kind::Missing, sentence(lower_first(said), docs::meant(name)))
        }
        EvalAltResult::ErrorParsing(e, _) => (Kind::Invalid, format!("syntax error: {e}")),
        EvalAltResult::ErrorSystem(doing, e) if doing.is_empty() => (Kind::Io, e.to_string()),
        other => {
            let mut bare = other.to_string();
            // Rhai adds the position to its text; ours stands apart.
            if let Some(cut) = bare.rfind(" (line ") {
                bare.truncate(cut);
            }
            (Kind::Invalid, bare)
        }
    }
}

fn sentence(what: String, advice: String) -> String {
    if advice.is_empty() { what } else { format!("{what}. {advice}") }
}

fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|c| c.to_lowercase().chain(rest).collect()).unwrap_or_default()
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
        Err(Error::new(call()).found(readable(text)).advice("This is a fault in native code; a smaller script that shows it makes a good report").into())
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
            if !GUARDED.get() {
                shown(info);
            }
        }));
    });
}
