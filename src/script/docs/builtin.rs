//! What Rhai itself brings: methods of texts, arrays, maps and numbers, functions such as `print`.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use rhai::{Engine, FuncMetadata};

use super::{Entry, Form, comments, params, spelled};
use crate::script::types::type_word;

/// The types that are Rhai's own, as the language calls them.
const TYPES: &[&str] = &["text", "int", "float", "bool", "char", "array", "map", "function", "any"];

/// Words of the language, and what each begins.
pub const KEYWORDS: &[(&str, &str)] = &[
    ("let", "let name = value"),
    ("const", "const NAME = value"),
    ("fn", "fn name(a, b) { ... }"),
    ("if", "if condition { ... } else { ... }"),
    ("else", "if condition { ... } else { ... }"),
    ("for", "for x in values { ... }"),
    ("in", "for x in values { ... }, or value in values"),
    ("while", "while condition { ... }"),
    ("loop", "loop { ... break }"),
    ("do", "do { ... } while condition"),
    ("until", "do { ... } until condition"),
    ("switch", "switch value { 1 => ..., _ => ... }"),
    ("break", "leaves a loop"),
    ("continue", "goes on with the next turn of a loop"),
    ("return", "leaves a function, with a value"),
    ("throw", "throw \"what is wrong\""),
    ("try", "try { ... } catch (e) { ... }"),
    ("catch", "try { ... } catch (e) { ... }"),
    ("import", "import \"module\" as name"),
    ("export", "export name"),
    ("as", "import \"module\" as name"),
    ("private", "private fn name() { ... }: not seen from outside of its module"),
    ("true", "a bool"),
    ("false", "a bool"),
    ("this", "the object of a method"),
];

/// Functions that the language's parser knows, and what each does.
const WORDS: &[(&str, &str, &str)] = &[
    ("print", "print(value: any)", "Prints a value and ends the line."),
    ("debug", "debug(value: any)", "Prints a value as code shows it, with its place."),
    ("type_of", "type_of(value: any) -> text", "The name of a value's type."),
    ("Fn", "Fn(name: text) -> function", "The function of a name, to be handed on and called."),
    ("call", "call(f: function, ...) -> any", "Calls a function that was handed on."),
    ("curry", "curry(f: function, ...) -> function", "A function whose first arguments are given."),
    ("eval", "eval(code: text) -> any", "Runs a text as code."),
    ("is_def_var", "is_def_var(name: text) -> bool", "Whether there is a variable of a name."),
    (
        "is_def_fn",
        "is_def_fn(name: text, params: int) -> bool",
        "Whether a function of a name takes so many parameters.",
    ),
];

/// Rhai's own functions whose types the language has; methods by the type they belong to.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let engine = Engine::new();
        let mut all = engine.collect_fn_metadata(None, |f| entry(f.metadata), true);
        all.extend(WORDS.iter().map(|(bare, signature, doc)| word(bare, signature, doc)));
        all.sort_by(|a, b| {
            (&a.owner, &a.bare, &a.signature).cmp(&(&b.owner, &b.bare, &b.signature))
        });
        let mut seen = BTreeSet::new();
        all.retain(|e| seen.insert(e.signature.clone()));
        all
    })
}

fn word(bare: &str, signature: &str, doc: &str) -> Entry {
    let result = signature.split_once(" -> ").map_or("", |(_, t)| t);
    Entry {
        name: bare.into(),
        signature: signature.into(),
        doc: doc.into(),
        bare: bare.into(),
        result: result.into(),
        ..Entry::default()
    }
}

fn entry(f: &FuncMetadata) -> Option<Entry> {
    let (form, bare) = match f.name.strip_prefix("get$") {
        Some(property) => (Form::Property, property),
        None => (Form::Method, &*f.name),
    };
    let is_name = bare.starts_with(|c: char| c.is_ascii_alphabetic())
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let all = params(f);
    let ours = all.iter().all(|(_, t)| TYPES.contains(&t.as_str()));
    if !is_name || !ours || all.len() != f.num_params {
        return None;
    }
    let owner = all.first().map(|(_, t)| t.clone()).filter(|t| t != "any");
    let form = if owner.is_some() { form } else { Form::Function };
    let mut entry = Entry {
        doc: comments(f.comments.iter().map(|c| &**c)),
        bare: bare.to_owned(),
        form,
        params: all.get(usize::from(owner.is_some())..).unwrap_or_default().to_vec(),
        owner: owner.unwrap_or_default(),
        result: type_word(&f.return_type).replace("()", ""),
        ..Entry::default()
    };
    (entry.name, entry.signature) = spelled(&entry);
    Some(entry)
}
