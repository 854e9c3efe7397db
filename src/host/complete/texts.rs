//! What belongs into a string: columns, genes, matrices, option values, modules, paths.

use super::{Completions, Match, paths, rank};
use crate::host::calls::{Call, Options};
use crate::host::cursor::{Cursor, Typed};
use crate::script::Variable;
use crate::script::docs::{self, Choice};

/// More genes than these are no help.
const GENES: usize = 200;

/// What a string can hold, by where it stands.
#[derive(Default)]
struct Offer<'a> {
    /// Columns, matrices, keys.
    parts: Vec<Match>,
    genes: Option<&'a [String]>,
    path: bool,
    /// The text is a condition of SQL: its words are names, and quoted ones are groups.
    condition: bool,
}

/// What can stand at the cursor in a string that holds `so_far`.
pub(super) fn complete(at: &Cursor<'_>, so_far: &str, cursor: usize, behind: &str) -> Completions {
    if at.before(1) == "import" {
        return modules(so_far, cursor, behind);
    }
    let offer = offer(at);
    let nothing = offer.parts.is_empty() && offer.genes.is_none();
    if nothing && (offer.path || paths::is_path(so_far)) {
        return paths::complete(so_far, cursor, behind, &[]);
    }
    if offer.condition {
        return condition(&offer, so_far, cursor);
    }
    let rest = behind.find(['"', '`', '\n', ' ']).unwrap_or(0);
    let closed = behind[rest..].starts_with(['"', '`']);
    let end = cursor + if closed { rest } else { 0 };
    Completions { start: cursor - so_far.len(), end, matches: chosen(&offer, so_far) }
}

fn chosen(offer: &Offer<'_>, written: &str) -> Vec<Match> {
    let mut matches = rank::choose(written, offer.parts.clone());
    let genes = rank::choose_names(written, offer.genes.unwrap_or_default(), GENES);
    matches.extend(genes.into_iter().map(|g| Match::new(g, "gene", "gene")));
    for m in matches.iter_mut().filter(|m| m.text.contains(['"', '\\'])) {
        m.text = m.text.replace('\\', "\\\\").replace('"', "\\\"");
    }
    matches
}

/// A condition such as `layer = 'L1' AND n > 10`.
fn condition(offer: &Offer<'_>, so_far: &str, cursor: usize) -> Completions {
    if so_far.matches('\'').count() % 2 == 1 {
        let (front, written) = so_far.rsplit_once('\'').unwrap_or(("", so_far));
        let mut words = front.split(|c: char| !super::is_name(c)).filter(|w| !w.is_empty());
        let column = words.rfind(|w| offer.parts.iter().any(|p| p.text == *w));
        let groups: Vec<Match> = offer
            .parts
            .iter()
            .filter(|p| p.kind == "group" && Some(p.note.as_str()) == column)
            .cloned()
            .collect();
        let matches = rank::choose(written, groups);
        return Completions { start: cursor - written.len(), end: cursor, matches };
    }
    let word = so_far.rfind(|c: char| !super::is_name(c)).map_or(so_far, |i| {
        let next = so_far[i..].chars().next().map_or(0, char::len_utf8);
        &so_far[i + next..]
    });
    let names = offer.parts.iter().filter(|p| p.kind != "group").cloned().collect();
    Completions { start: cursor - word.len(), end: cursor, matches: rank::choose(word, names) }
}

fn modules(so_far: &str, cursor: usize, behind: &str) -> Completions {
    let mut found = paths::complete(so_far, cursor, behind, &[".rhai"]);
    if !so_far.contains('/') {
        let library = docs::library();
        let known =
            library.map(|(name, doc)| Match::new(name, "module", super::line(&doc))).collect();
        let known = rank::choose(so_far, known);
        found.matches.splice(0..0, known);
    }
    found
}

fn offer<'a>(at: &Cursor<'a>) -> Offer<'a> {
    let mut open = at.open();
    let inner = open.next();
    if let Some(index) = inner.filter(|&i| at.is_index(i) && i + 1 == at.tokens.len()) {
        let owner = at.expression(index).unwrap_or_default();
        return Offer { parts: keys(owner), ..Offer::default() };
    }
    if let Some(options) = at.options() {
        if !options.path.is_empty() || options.key.is_none() {
            return Offer { parts: nested_keys(&options), ..Offer::default() };
        }
        let key = options.key.unwrap_or_default();
        let choice = options.call.options().iter().find(|c| c.key == key);
        let fixed: Vec<Match> =
            choice.into_iter().flat_map(values).filter(|m| m.text.starts_with('"')).collect();
        if !fixed.is_empty() {
            let bare = |m: Match| Match { text: m.text.trim_matches('"').to_owned(), ..m };
            return Offer { parts: fixed.into_iter().map(bare).collect(), ..Offer::default() };
        }
        return named(key, &options.call);
    }
    match at.enclosing_call() {
        Some(call) => call.parameter().map(|p| named(p, &call)).unwrap_or_default(),
        None => Offer::default(),
    }
}

/// What can stand in `owner["..."]`.
fn keys(owner: Typed<'_>) -> Vec<Match> {
    let kind = match owner.kind {
        "Rows" | "Table" => "column",
        "map" | "Tree" | "Matrices" | "Layers" | "Pairs" => "key",
        _ => return Vec::new(),
    };
    let extra = (owner.kind == "Layers").then(|| Match::new("X", kind, "X itself"));
    owner.parts().iter().map(|v| Match::part(v, kind)).chain(extra).collect()
}

/// What a parameter or an option of that name can hold, in the data that the call is about.
fn named<'a>(name: &str, call: &Call<'a>) -> Offer<'a> {
    let subject = call.subject().unwrap_or_default();
    let dataset = subject.dataset.filter(|_| subject.kind != "Table");
    let slot = |slot: &str, kind: &'static str| -> Vec<Match> {
        let part = dataset.and_then(|ds| ds.part(slot));
        part.map_or(&[][..], |p| &p.parts).iter().map(|v| Match::part(v, kind)).collect()
    };
    let columns = |slot_name: &str| match subject.kind {
        "Table" | "Rows" => keys(subject),
        _ => slot(slot_name, "column"),
    };
    let parts = |parts: Vec<Match>| Offer { parts, ..Offer::default() };
    let genes = dataset.and_then(|ds| ds.genes.as_ref()).map(|g| g.as_slice());
    let fixed =
        |values: &[&str]| parts(values.iter().map(|v| Match::new(*v, "value", "")).collect());
    match (call.name, name) {
        (_, "path" | "folder" | "file" | "checkpoints" | "resume") => {
            Offer { path: true, ..Offer::default() }
        }
        ("gene", "name") | (_, "gene" | "genes" | "gene_pool") => {
            Offer { genes, ..Offer::default() }
        }
        (_, "color") => Offer { parts: columns("obs"), genes, ..Offer::default() },
        ("select_genes", "condition") => conditions(dataset.and_then(|ds| ds.part("var"))),
        ("select", "condition") => conditions(dataset.and_then(|ds| ds.part("obs"))),
        (_, "condition") => conditions(subject.value),
        ("with_column" | "group", "values") => conditions(subject.value),
        (_, "columns" | "column" | "keys" | "by" | "on" | "from" | "x" | "y") => {
            parts(columns("obs"))
        }
        (_, "mask_var" | "qc_vars") => parts(slot("var", "column")),
        (_, "layer" | "layers") => parts(slot("layers", "key")),
        (_, "obsm" | "obsp" | "uns") => parts(slot(name, "key")),
        (_, "obs") => parts(slot("obs", "column")),
        (_, key) if key.ends_with("_key") => parts(columns("obs")),
        (_, "device") => fixed(&["auto", "cpu", "cuda"]),
        ("join", "how") => fixed(&["left", "inner", "full", "semi", "anti"]),
        ("set_unit", "unit") => fixed(&["um", "px"]),
        _ => Offer::default(),
    }
}

/// Columns as words of a condition, each with its groups behind it.
fn conditions(rows: Option<&Variable>) -> Offer<'static> {
    let columns = rows.map_or(&[][..], |r| &r.parts);
    let with_groups = columns.iter().flat_map(|c| {
        let group = |g: &Variable| Match::new(&g.name, "group", &c.name);
        std::iter::once(Match::part(c, "column")).chain(c.parts.iter().map(group))
    });
    Offer { parts: with_groups.collect(), condition: true, ..Offer::default() }
}

/// An option, with its type and default.
pub(super) fn option(c: &Choice) -> Match {
    let default =
        if c.default.is_empty() { String::new() } else { format!(", default {}", c.default) };
    Match::new(&c.key, "option", format!("{}{default}. {}", c.kind, c.doc))
}

/// The values of an option that has only some, the default among them.
pub(super) fn values(c: &Choice) -> Vec<Match> {
    let note = |v: &str| if v == c.default { "the default" } else { "" };
    let fixed = c.values().map(|v| Match::new(v, "value", note(v)));
    let truth = ["true", "false"].into_iter().filter(|_| c.kind == "bool");
    fixed.chain(truth.map(|v| Match::new(v, "value", note(v)))).collect()
}

/// The keys of a map inside an option map that are names of the data: `filter(#{ obs: #{ .. } })`.
pub(super) fn nested_keys(options: &Options<'_>) -> Vec<Match> {
    match (options.call.name, options.path.as_slice()) {
        ("filter", ["obs"]) => named("obs", &options.call).parts,
        _ => Vec::new(),
    }
}
