//! What Rhai's errors mean, in our words; and the same for an error that a script catches.

use rhai::{
    Dynamic, Engine, EvalAltResult, EvalContext, GlobalRuntimeState, ImmutableString, Map, Position,
};

use super::docs::{self, Form};
use super::error::{Place, Raised};
use super::hints::{Call, Mistake, article, lower_first, sentence};
use super::interpreter::State;
use super::types::type_word;
use super::{foreign, limits};
use crate::base::{Error, Kind, interrupt, nearest};

/// What a mistyped name is compared with.
pub(super) struct World<'a> {
    pub engine: &'a Engine,
    pub state: &'a State,
    pub variables: Vec<String>,
    /// The modules that were imported, and the signatures of their functions.
    pub modules: Vec<(String, Vec<String>)>,
}

impl<'a> World<'a> {
    pub fn new(
        engine: &'a Engine,
        state: &'a State,
        variables: Vec<String>,
        global: &GlobalRuntimeState,
    ) -> Self {
        let signatures = |module: &rhai::Module| {
            module.gen_fn_signatures_with_mapper(|t| t.into()).collect::<Vec<_>>()
        };
        let modules =
            global.iter_imports().map(|(name, module)| (name.to_owned(), signatures(module)));
        Self { engine, state, variables, modules: modules.collect() }
    }

    /// The line of a place, and the text before its column.
    fn before(&self, place: &Place) -> Option<(String, String)> {
        let text = self.state.source(&place.source)?;
        let line = text.lines().nth(place.line.checked_sub(1)?)?.to_owned();
        let before = line.chars().take(place.column.saturating_sub(1)).collect();
        Some((line, before))
    }
}

/// The sort of an error and its message.
pub(super) fn describe(error: &EvalAltResult, place: &Place, world: &World<'_>) -> (Kind, String) {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => match value.clone().try_cast::<Raised>() {
            Some(raised) => (raised.what(), raised.message()),
            None => (Kind::Invalid, thrown(value)),
        },
        EvalAltResult::ErrorTerminated(value, _) => {
            let said = value.to_string();
            let unsaid = || format!("interrupted ({})", interrupt::by());
            (Kind::Interrupted, if said.is_empty() { unsaid() } else { said })
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            (Kind::Missing, no_variable(name, place, world))
        }
        EvalAltResult::ErrorFunctionNotFound(call, _) => {
            let (_, before) = world.before(place).unwrap_or_default();
            let call = Call::parse(call, before.trim_end().ends_with('.'));
            (Kind::Missing, Mistake::Call(call).explain(world))
        }
        EvalAltResult::ErrorDotExpr(said, _) => {
            let text = Mistake::property(said).map(|m| m.explain(world));
            (Kind::Missing, text.unwrap_or_else(|| lower_first(said)))
        }
        EvalAltResult::ErrorModuleNotFound(name, _) => {
            (Kind::Missing, Mistake::Module(name.clone()).explain(world))
        }
        EvalAltResult::ErrorIndexingType(said, _) => (Kind::Invalid, not_indexed(said)),
        EvalAltResult::ErrorParsing(e, _) => (Kind::Invalid, format!("syntax error: {e}")),
        EvalAltResult::ErrorSystem(doing, e) if doing.is_empty() => (Kind::Io, e.to_string()),
        EvalAltResult::ErrorStackOverflow(_) => {
            let what =
                format!("from here functions call each other more than {} deep", limits::CALLS);
            (Kind::Resource, sentence(what, "Does the recursion end?".into()))
        }
        EvalAltResult::ErrorArrayBounds(length, index, _) => {
            (Kind::Invalid, out_of_bounds("array", "element", *length, *index))
        }
        EvalAltResult::ErrorStringBounds(length, index, _) => {
            (Kind::Invalid, out_of_bounds("text", "character", *length, *index))
        }
        EvalAltResult::ErrorMismatchDataType(wanted, found, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, found, _) => {
            (Kind::Invalid, format!("expected {}, found {}", a_value(wanted), a_value(found)))
        }
        EvalAltResult::ErrorFor(_) => {
            let what = "for goes through an array, a text's chars(), a map's keys() or a range such as 0..10";
            (Kind::Invalid, format!("{what}; this is none of them"))
        }
        EvalAltResult::ErrorAssignmentToConstant(name, _) => {
            (Kind::Invalid, format!("'{name}' is a constant or a value that cannot be changed"))
        }
        EvalAltResult::ErrorArithmetic(said, _) => (Kind::Invalid, arithmetic(said)),
        other => (Kind::Invalid, bare(&other.to_string())),
    }
}

/// A value of a type of Rust or Rhai.
fn a_value(rust: &str) -> String {
    match type_word(rust).as_str() {
        "bool" => "true or false".into(),
        "int" => "a whole number".into(),
        "float" => "a number".into(),
        // What a variable that functions share holds, Rhai does not say.
        _ if rust.contains("RefCell<") => "something else".into(),
        of => article(of),
    }
}

/// Rhai says "Error parsing integer number 'a': invalid digit found in string".
fn arithmetic(said: &str) -> String {
    let text = said.strip_prefix("Error parsing ").and_then(|s| s.split('\'').nth(1));
    match text {
        Some(text) if said.contains("integer") => format!("'{text}' is no whole number"),
        Some(text) => format!("'{text}' is no number"),
        None => bare(said),
    }
}

/// What a script threw.
fn thrown(value: &Dynamic) -> String {
    if value.is_unit() {
        return "the script threw ()".into();
    }
    match value.read_lock::<Map>() {
        Some(map) => match map.get("message").and_then(|m| m.clone().into_string().ok()) {
            Some(message) => message,
            None => value.to_string(),
        },
        None => value.to_string(),
    }
}

/// Rhai's text without the position that it adds and the calls it names; ours stand apart.
fn bare(said: &str) -> String {
    lower_first(first_line(said))
}

fn first_line(said: &str) -> &str {
    let line = said.lines().next().unwrap_or_default();
    let line = line.rfind(" (line ").map_or(line, |cut| &line[..cut]);
    line.rfind(" @ '").map_or(line, |cut| &line[..cut])
}

fn out_of_bounds(what: &str, part: &str, length: usize, index: i64) -> String {
    if length == 0 {
        return format!("index {index} of an empty {what}: it has no {part}s");
    }
    let s = if length == 1 { "" } else { "s" };
    let last = length - 1;
    format!(
        "index {index} of {what} with {length} {part}{s}: they go from 0 to {last}, or from -{length} to -1"
    )
}

/// Rhai says "Dataset [i64]", and "Layers [string] = i64" of a value that cannot be set.
fn not_indexed(said: &str) -> String {
    let (of, by) = said.split_once(" [").unwrap_or((said, ""));
    let (by, value) = by.split_once(']').unwrap_or((by, ""));
    let setter = docs::entries().iter().find(|e| e.form == Form::SetIndex && e.owner == of);
    if let (Some(value), Some(setter)) = (value.strip_prefix(" = "), setter) {
        let what = format!("a part of {of} cannot be set to {}", a_value(value));
        return sentence(what, format!("There is: {}", setter.signature));
    }
    let by = if by.is_empty() { String::new() } else { format!(" by {}", type_word(by)) };
    format!("a value of type {} cannot be indexed{by}", type_word(of))
}

fn no_variable(name: &str, place: &Place, world: &World<'_>) -> String {
    let what = format!("there is no variable '{name}'");
    if let Some((line, before)) = world.before(place) {
        let after: String =
            line.chars().skip(before.chars().count() + name.chars().count()).collect();
        let after = after.trim_start();
        if before.trim_end().ends_with("import") {
            return foreign::import(name, world);
        }
        if let Some(hint) = foreign::variable(name) {
            return sentence(what, hint);
        }
        if before.trim().is_empty() && after.starts_with('=') && !after.starts_with("==") {
            let value = after.trim_start_matches('=').trim();
            let near = nearest::nearest(name, world.variables.iter().map(String::as_str));
            let near = near.filter(|_| name.len() > 2).map(|n| format!(". Or did you mean '{n}'?"));
            let near = near.unwrap_or_default();
            return sentence(what, format!("To make it, write: let {name} = {value}{near}"));
        }
        if Mistake::is_module(name, world) {
            let call = after.trim_start_matches('.').split('(').next().unwrap_or_default();
            let call = if call.is_empty() { ".." } else { call };
            return sentence(what, format!("'{name}' is a module: write {name}::{call}(..)"));
        }
    }
    sentence(what, nearest::advice(name, world.variables.iter().map(String::as_str)))
}

/// Rhai hands its own errors to `catch` as maps; this makes of such a map what our errors are, as
/// soon as the script looks at it.
pub(super) fn mend(context: &mut EvalContext<'_, '_, '_, '_, '_, '_>, name: &str, state: &State) {
    let Some((error, place)) = context.scope().get(name).and_then(|value| {
        let map = value.read_lock::<Map>()?;
        let said = map.get("message")?.clone().into_string().ok()?;
        let kind = map.get("error")?.clone().into_string().ok()?;
        let text = |key: &str| map.get(key).and_then(|v| v.clone().into_string().ok());
        let number = |key: &str| map.get(key).and_then(|v| v.as_int().ok()).unwrap_or(0) as usize;
        let place = Place {
            source: text("source").unwrap_or_default(),
            line: number("line"),
            column: number("position"),
        };
        kind.starts_with("Error").then(|| (read_back(&said), place))
    }) else {
        return;
    };
    let names = context.scope().iter_raw().map(|(name, ..)| name.to_owned()).collect();
    let world = World::new(context.engine(), state, names, context.global_runtime_state());
    let (kind, message) = describe(&error, &place, &world);
    let raised = Dynamic::from(Raised::new(Error::new(message).kind(kind)));
    if let Some(value) = context.scope_mut().get_mut(name) {
        *value = raised;
    }
}

/// The error that Rhai has put into words.
fn read_back(said: &str) -> EvalAltResult {
    let first = first_line(said);
    let after = |start: &str| first.strip_prefix(start).map(str::to_owned);
    let at = Position::NONE;
    if let Some(call) = after("Function not found: ") {
        EvalAltResult::ErrorFunctionNotFound(call, at)
    } else if let Some(name) = after("Variable not found: ") {
        EvalAltResult::ErrorVariableNotFound(name, at)
    } else if let Some(name) = after("Module not found: ") {
        EvalAltResult::ErrorModuleNotFound(name, at)
    } else if let Some(of) = after("Indexer unavailable: ") {
        EvalAltResult::ErrorIndexingType(of, at)
    } else if let Some((found, wanted)) =
        after("Data type incorrect: ").as_deref().and_then(|s| s.split_once(" (expecting "))
    {
        let wanted = wanted.trim_end_matches(')').to_owned();
        EvalAltResult::ErrorMismatchDataType(wanted, found.to_owned(), at)
    } else if first.starts_with("Error parsing ") {
        EvalAltResult::ErrorArithmetic(first.into(), at)
    } else if let Some(numbers) = after("Array index ") {
        let mut numbers =
            numbers.split(|c: char| !c.is_ascii_digit() && c != '-').filter_map(|n| n.parse().ok());
        let index = numbers.next().unwrap_or(0);
        EvalAltResult::ErrorArrayBounds(numbers.next().unwrap_or(0) as usize, index, at)
    } else if Mistake::property(first).is_some() {
        EvalAltResult::ErrorDotExpr(first.into(), at)
    } else {
        EvalAltResult::ErrorRuntime(ImmutableString::from(lower_first(first)).into(), at)
    }
}
