//! "Did you mean": what a call, a member or a module that does not exist may have been meant to
//! be, among those that the object at hand has.

use std::collections::BTreeSet;

use super::PARTS;
use super::describe::World;
use super::resolver::STDLIB;
use super::types::type_word;
use super::{docs, foreign};
use crate::base::nearest;

/// A call as Rhai names it: `graph::knn (Dataset, i64)`.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// "graph"; "" for none.
    owner: String,
    name: String,
    /// The types, as the language calls them.
    given: Vec<String>,
    /// It was written behind a dot.
    pub is_method: bool,
}

impl Call {
    pub fn parse(said: &str, behind_a_dot: bool) -> Self {
        let (path, given) = said.split_once(" (").unwrap_or((said.trim_end_matches("()"), ""));
        let (owner, name) = path.rsplit_once("::").unwrap_or(("", path));
        let (owner, name) = (owner.trim(), name.trim());
        let given = given.trim_end();
        let given = given.strip_suffix(')').unwrap_or(given);
        let given = given.split(", ").map(type_word).filter(|t| !t.is_empty()).collect();
        // Of what goes wrong inside a called function, only the place of the call is known.
        let is_method = behind_a_dot && owner.is_empty() && is_name(name);
        Self { owner: owner.into(), name: name.into(), given, is_method }
    }

    fn spelled(&self) -> String {
        let path = if self.owner.is_empty() { String::new() } else { format!("{}::", self.owner) };
        format!("{path}{}({})", self.name, self.given.join(", "))
    }
}

/// A name that is not there.
#[derive(Debug)]
pub(super) enum Mistake {
    Call(Call),
    /// Reading or setting a property.
    Property {
        of: String,
        name: String,
        setting: Option<String>,
    },
    /// `name::..`
    Module(String),
}

/// Something that can be written.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// A module, a type, or "".
    owner: String,
    name: String,
    /// "graph::knn(ds: Dataset, options: map) -> Graph".
    written: String,
    is_property: bool,
}

impl Mistake {
    /// From what Rhai says of a property: "Unknown property 'x' - a getter is not registered for
    /// type 'T'".
    pub fn property(said: &str) -> Option<Self> {
        let quoted: Vec<&str> = said.split('\'').skip(1).step_by(2).collect();
        match (
            said.starts_with("Unknown property"),
            said.starts_with("No writable property"),
            &quoted[..],
        ) {
            (true, _, [name, of, ..]) => {
                Some(Self::Property { of: type_word(of), name: (*name).into(), setting: None })
            }
            (_, true, [name, of, value, ..]) => Some(Self::Property {
                of: type_word(of),
                name: (*name).into(),
                setting: Some(type_word(value)),
            }),
            _ => None,
        }
    }

    /// Whether a name is that of a module of the language, or of one that was imported.
    pub fn is_module(name: &str, world: &World<'_>) -> bool {
        modules(world).iter().any(|m| m == name)
    }

    /// What is wrong, and what there is instead.
    pub fn explain(&self, world: &World<'_>) -> String {
        let ways = ways(world);
        match self {
            Self::Module(name) => unknown_module(name, world),
            Self::Property { of, name, setting } => property(of, name, setting.as_deref(), &ways),
            Self::Call(call) if call.is_method && !call.given.is_empty() => method(call, &ways),
            Self::Call(call) => function(call, &ways, world),
        }
    }
}

fn function(call: &Call, ways: &[Way], world: &World<'_>) -> String {
    if call.name.starts_with("anon$") {
        let given = call.given.join(", ");
        return format!(
            "a function |..| takes another number of values than it was given ({given})"
        );
    }
    // Rhai says so of what cannot be sorted.
    if call.name.contains(' ') {
        return call.name.clone();
    }
    if !is_name(&call.name) {
        let given: Vec<String> = call.given.iter().map(|t| article(t)).collect();
        return format!("'{}' does not go with {}", call.name, given.join(" and "));
    }
    let what = format!("there is no function {}", call.spelled());
    if !call.owner.is_empty() && !Mistake::is_module(&call.owner, world) {
        return sentence(what, unknown_module(&call.owner, world));
    }
    let here = |w: &&Way| w.owner == call.owner;
    let free = |w: &&Way| w.owner.is_empty() || is_module_name(&w.owner);
    let of_first = |w: &&Way| call.given.first() == Some(&w.owner);
    let named: Vec<&Way> = ways.iter().filter(|w| w.name == call.name && !w.is_property).collect();
    let same: Vec<&Way> = named.iter().copied().filter(here).collect();
    if !same.is_empty() {
        return sentence(what, there_is(&same));
    }
    if let Some(hint) = call.owner.is_empty().then(|| foreign::function(&call.name)).flatten() {
        return sentence(what, hint);
    }
    if call.owner.is_empty() && world.variables.contains(&call.name) {
        let hint =
            format!("'{0}' is a variable; a function in it is called by {0}.call(..)", call.name);
        return sentence(what, hint);
    }
    // The same name elsewhere: in another module, or a method of what was given.
    let elsewhere: Vec<&Way> = named.iter().copied().filter(|w| free(w) || of_first(w)).collect();
    if !elsewhere.is_empty() {
        return sentence(what, there_is(&elsewhere));
    }
    let near = close(&call.name, ways.iter().filter(|w| here(w) && !w.is_property));
    let near = if near.is_empty() && call.owner.is_empty() {
        close(&call.name, ways.iter().filter(|w| !w.is_property && (free(w) || of_first(w))))
    } else {
        near
    };
    match (near.is_empty(), call.owner.is_empty()) {
        (false, _) => sentence(what, did_you_mean(&near)),
        (true, false) => {
            let all: BTreeSet<&str> = ways.iter().filter(here).map(|w| w.name.as_str()).collect();
            sentence(what, format!("{} has: {}", call.owner, listed(&all)))
        }
        (true, true) => what,
    }
}

fn method(call: &Call, ways: &[Way]) -> String {
    let of = call.given.first().map_or("", String::as_str);
    let given = call.given.get(1..).unwrap_or_default().join(", ");
    let name = &call.name;
    let what = format!("{} has no method {name}({given})", article(of));
    let mine: Vec<&Way> = ways.iter().filter(|w| w.owner == of).collect();
    let same: Vec<&Way> = mine.iter().copied().filter(|w| w.name == *name).collect();
    if given.is_empty() && same.iter().any(|w| w.is_property) {
        return sentence(what, format!("'{name}' is a property: write .{name} without ()"));
    }
    let same: Vec<&Way> = same.into_iter().filter(|w| !w.is_property).collect();
    if !same.is_empty() {
        return sentence(what, there_is(&same));
    }
    member(what, of, name, &mine, ways)
}

fn property(of: &str, name: &str, setting: Option<&str>, ways: &[Way]) -> String {
    let mine: Vec<&Way> = ways.iter().filter(|w| w.owner == of).collect();
    let same: Vec<&Way> = mine.iter().copied().filter(|w| w.name == name).collect();
    let what = match setting {
        Some(value) => format!("the property '{name}' of {} cannot be set to {value}", article(of)),
        None => format!("{} has no property '{name}'", article(of)),
    };
    if same.iter().any(|w| w.is_property) {
        return sentence(what, "It can be read only, or takes another type".into());
    }
    if !same.is_empty() {
        return sentence(what, format!("It is a method: {}", written(&same)));
    }
    member(what, of, name, &mine, ways)
}

/// What another language means by it, the nearest member, else functions that take such an object, else all members.
fn member(what: String, of: &str, name: &str, mine: &[&Way], ways: &[Way]) -> String {
    if let Some(hint) = foreign::method(of, name) {
        return sentence(what, hint);
    }
    let near = close(name, mine.iter().copied());
    if !near.is_empty() {
        return sentence(what, did_you_mean(&near));
    }
    let functions: Vec<&Way> =
        ways.iter().filter(|w| w.name == name && is_module_name(&w.owner)).collect();
    if !functions.is_empty() {
        return sentence(what, there_is(&functions));
    }
    let all: BTreeSet<&str> = mine.iter().map(|w| w.name.as_str()).collect();
    let all = if all.is_empty() { String::new() } else { format!("It has: {}", listed(&all)) };
    sentence(what, all)
}

fn unknown_module(name: &str, world: &World<'_>) -> String {
    let known = modules(world);
    if world.variables.iter().any(|v| v == name) {
        return format!("'{name}' is a variable: its members stand behind a dot, {name}.member");
    }
    if STDLIB.iter().any(|(module, _)| *module == name) {
        return format!(
            "the module '{name}' was not imported. Write first: import \"{name}\" as {name}"
        );
    }
    let advice = nearest::advice(name, known.iter().map(String::as_str));
    sentence(format!("there is no module '{name}'"), advice)
}

/// The modules that code may name: those of the language, then those imported.
pub(super) fn modules(world: &World<'_>) -> Vec<String> {
    let own = PARTS.iter().filter(|p| is_module_name(p.name)).map(|p| p.name.to_owned());
    own.chain(world.modules.iter().map(|(name, _)| name.clone())).collect()
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn is_module_name(owner: &str) -> bool {
    owner.starts_with(|c: char| c.is_ascii_lowercase()) && !BUILT_IN.contains(&owner)
}

/// Types that have no capital.
const BUILT_IN: [&str; 10] =
    ["text", "int", "float", "bool", "array", "map", "char", "range", "timestamp", "function"];

/// All that can be written: the language, Rhai's own functions, the script's, imported modules'.
fn ways(world: &World<'_>) -> Vec<Way> {
    // The first two are the same for ever, and reading them takes some milliseconds.
    let language = world.state.ways.get_or_init(|| {
        let mut ways: Vec<Way> = docs::entries().iter().map(documented).collect();
        ways.extend(world.engine.collect_fn_metadata(None, |f| rhais(f.metadata), true));
        ways
    });
    let mut ways = language.clone();
    let own = world.state.functions();
    ways.extend(own.iter().filter_map(|written| scripted("", written)));
    for (module, functions) in &world.modules {
        ways.extend(functions.iter().filter_map(|written| scripted(module, written)));
    }
    ways
}

fn documented(e: &docs::Entry) -> Way {
    let (owner, name) = match e.name.rsplit_once("::") {
        Some((owner, name)) => (owner, name),
        None => e.name.rsplit_once('.').unwrap_or(("", &e.name)),
    };
    Way {
        owner: owner.into(),
        name: name.into(),
        written: e.signature.clone(),
        is_property: !e.signature.contains('(') && !owner.is_empty(),
    }
}

/// One of Rhai's own functions, as a method of its first parameter.
fn rhais(f: &rhai::FuncMetadata) -> Option<Way> {
    let (name, is_property) = match f.name.strip_prefix("get$") {
        Some(name) => (name, true),
        None => (f.name.as_str(), false),
    };
    let params: Vec<(&str, String)> = f
        .params_info
        .iter()
        .filter_map(|p| p.split_once(':'))
        .map(|(name, of)| (if name.trim() == "_" { "value" } else { name.trim() }, type_word(of)))
        .collect();
    let (_, owner) = params.first()?;
    let internal = f.name == "get_fn_metadata_list";
    if internal
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !BUILT_IN.contains(&owner.as_str())
    {
        return None;
    }
    let rest: Vec<String> = params[1..].iter().map(|(n, t)| format!("{n}: {t}")).collect();
    let rest = if is_property { String::new() } else { format!("({})", rest.join(", ")) };
    let written = format!("{owner}.{name}{rest}");
    Some(Way { owner: owner.clone(), name: name.into(), written, is_property })
}

/// A function of a script: "add(a, b)".
fn scripted(owner: &str, written: &str) -> Option<Way> {
    let (name, _) = written.split_once('(')?;
    let path = if owner.is_empty() { String::new() } else { format!("{owner}::") };
    Some(Way {
        owner: owner.into(),
        name: name.into(),
        written: format!("{path}{written}"),
        is_property: false,
    })
}

/// All ways of the nearest name.
fn close<'a>(name: &str, ways: impl Iterator<Item = &'a Way>) -> Vec<&'a Way> {
    let ways: Vec<&Way> = ways.collect();
    let near = nearest::nearest(name, ways.iter().map(|w| w.name.as_str()));
    // Of a short name, half changed is another name.
    let near = near.filter(|n| strsim::damerau_levenshtein(name, n) * 2 <= name.len().max(2));
    ways.iter().copied().filter(|w| Some(w.name.as_str()) == near).collect()
}

/// At most three ways, each once.
fn written(ways: &[&Way]) -> String {
    let mut all: Vec<&str> = Vec::new();
    for way in ways {
        if !all.contains(&way.written.as_str()) {
            all.push(&way.written);
        }
    }
    let more = if all.len() > 3 { "; ..." } else { "" };
    all.truncate(3);
    format!("{}{more}", all.join("; "))
}

fn there_is(ways: &[&Way]) -> String {
    format!("There is: {}", written(ways))
}

fn did_you_mean(ways: &[&Way]) -> String {
    format!("Did you mean {}?", written(ways))
}

fn listed(names: &BTreeSet<&str>) -> String {
    const MOST: usize = 40;
    let identifiers = names.iter().filter(|n| n.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let shown: Vec<&str> = identifiers.copied().take(MOST).collect();
    let more = if names.len() > MOST { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

pub(super) fn article(of: &str) -> String {
    let n = if of.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']) { "n" } else { "" };
    match of {
        "text" => "a text".into(),
        "()" => "() (nothing)".into(),
        _ => format!("a{n} {of}"),
    }
}

pub(super) fn sentence(what: String, advice: String) -> String {
    if advice.is_empty() { what } else { format!("{what}. {advice}") }
}

pub(super) fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|c| c.to_lowercase().chain(rest).collect()).unwrap_or_default()
}
