//! Inspection: what the thing at the cursor is. A function of plain data, as completion is.

mod page;

use self::page::Page;
use super::calls::Call;
use super::commands;
use super::complete::code_at;
use super::cursor::{At, Cursor, Typed, documented, members, of_module, standing_alone};
use crate::script::docs::outline::Function;
use crate::script::docs::{self, Entry, builtin};
use crate::script::{Bundle, Known, Variable};

/// How much is wanted: Shift-Tab and `?x`, or `??x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Summary,
    Whole,
}

/// The documentation of the name, call or variable at byte `cursor`, as text and Markdown.
pub fn inspect(known: &Known, text: &str, cursor: usize, detail: Detail) -> Option<Bundle> {
    let cursor = text.floor_char_boundary(cursor);
    if let Some(page) = command(text, cursor) {
        return Some(page.bundle());
    }
    // The whole of the name that the cursor touches.
    let rest = &text[cursor..];
    let end =
        cursor + rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let at = Cursor::new(known, &text[code_at(text, cursor).min(cursor)..end]);
    let page = match at.at {
        At::Word(name) if !name.is_empty() => named(&at, name, &text[end..], detail),
        At::Text(so_far) => in_text(&at, so_far, rest, detail),
        _ => None,
    };
    page.or_else(|| call(&at.enclosing_call()?, detail)).map(Page::bundle)
}

/// `:vars`, `%time`, anywhere in its name.
fn command(text: &str, cursor: usize) -> Option<Page> {
    let question = text.trim_start().trim_start_matches('?').trim_start();
    let start = text.len() - question.len();
    let word = question.split_whitespace().next()?;
    let at_name = (start..=start + word.len()).contains(&cursor);
    let (name, command) = commands::spelled().find(|(name, _)| at_name && name == word)?;
    Some(
        Page::new(format!("{name} {}", command.arguments).trim())
            .paragraph(&format!("{}.", command.summary)),
    )
}

/// What a name is, where it stands.
fn named(at: &Cursor<'_>, name: &str, behind: &str, detail: Detail) -> Option<Page> {
    match at.before(1) {
        "." | "?." => return member(at, name, detail),
        "::" => {
            let module = at.before(2);
            let native: Vec<&Entry> = of_module(module).filter(|e| e.bare == name).collect();
            let functions = at.module_functions(module);
            let written = functions.iter().find(|f| f.name == name);
            return entries(&native, detail).or_else(|| written.map(|f| function(f, detail)));
        }
        _ => {}
    }
    if behind.trim_start().starts_with("::") {
        return module(at, name);
    }
    if let Some(page) = option(at, name, behind) {
        return Some(page);
    }
    let typed = at.variable(name, at.tokens.len());
    if typed.value.is_some() || !typed.kind.is_empty() {
        return Some(variable(name, typed, detail));
    }
    if let Some(f) = at.function(name) {
        return Some(function(&f, detail));
    }
    let alone: Vec<&Entry> = standing_alone().filter(|e| e.bare == name).collect();
    entries(&alone, detail).or_else(|| module(at, name)).or_else(|| kind(name)).or_else(|| {
        let (word, note) = builtin::KEYWORDS.iter().find(|(word, _)| *word == name)?;
        Some(Page::new(word).code(note))
    })
}

/// A member behind a dot, or of a type: `Dataset.filter`.
fn member(at: &Cursor<'_>, name: &str, detail: Detail) -> Option<Page> {
    let owner = at.expression(at.tokens.len() - 1).unwrap_or_default();
    let type_name =
        docs::types().map(|(n, _)| n).find(|n| *n == at.before(2) && owner.kind.is_empty());
    let owner = Typed { kind: type_name.unwrap_or(owner.kind), ..owner };
    let found: Vec<&Entry> = members(owner.kind).filter(|e| e.bare == name).collect();
    let inside = at.property(owner, name);
    let value = || inside.value.map(|_| variable(name, inside, detail));
    match (owner.kind, entries(&found, detail)) {
        ("map", page) => value().or(page),
        (_, Some(page)) => Some(match inside.value {
            Some(v) => page.paragraph(&format!("Here: {}", v.summary)),
            None => page,
        }),
        (_, None) => value(),
    }
}

/// An option's key, in the map of a call.
fn option(at: &Cursor<'_>, name: &str, behind: &str) -> Option<Page> {
    let options = at.options().filter(|o| o.path.is_empty() && o.key.is_none())?;
    let is_key = matches!(at.before(1), "#{" | ",") && !behind.trim_start().starts_with(['(', '.']);
    let choice = options.call.options().iter().find(|c| is_key && c.key == name)?;
    let call = options.call.entries.first().map_or(options.call.name, |e| e.name.as_str());
    Some(Page::new(&format!("{name}, an option of {call}")).options(std::slice::from_ref(choice)))
}

/// A column, a matrix or a key that is being named in a string, or the module of an import.
fn in_text(at: &Cursor<'_>, so_far: &str, rest: &str, detail: Detail) -> Option<Page> {
    let end = rest.find(['"', '`', '\n']).unwrap_or(rest.len());
    let cut = rest[..end].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(end);
    // `so_far` has the letters of a name behind the cursor already.
    let text = format!("{so_far}{}", &rest[cut..end]);
    if at.before(1) == "import" {
        return library(&text);
    }
    let open = at.open().next().filter(|&i| at.is_index(i))?;
    let owner = at.expression(open)?;
    let part = owner.value?.part(&text)?;
    Some(variable(&text, Typed::of(part), detail))
}

fn call(call: &Call<'_>, detail: Detail) -> Option<Page> {
    match &call.function {
        Some(f) => Some(function(f, detail)),
        None => entries(&call.entries, detail),
    }
}

/// All ways to write one function; the options and the example of the first that has some.
fn entries(found: &[&Entry], detail: Detail) -> Option<Page> {
    let first = found.first()?;
    let mut page = Page::new(&first.signature);
    for e in found.iter().skip(1).filter(|e| e.name == first.name) {
        page = page.signature(&e.signature);
    }
    page = page.paragraph(first.summary());
    if let Some(with) = found.iter().find(|e| !e.options.is_empty()) {
        page = page.heading("Options").options(&with.options);
    }
    if let Some(example) = first.example() {
        page = page.heading("Example").code(example);
    }
    if detail == Detail::Summary {
        return Some(page);
    }
    page = page.text(&first.remarks());
    for e in found.iter().skip(1) {
        page = page.heading(&e.signature).text(&e.doc);
    }
    Some(page)
}

/// A function written in the language; the whole of it is its text.
fn function(f: &Function, detail: Detail) -> Page {
    let page = Page::new(&f.signature()).text(&f.doc);
    if detail == Detail::Whole { page.heading("Source").code(&f.text) } else { page }
}

fn variable(name: &str, typed: Typed<'_>, detail: Detail) -> Page {
    let empty = Variable::default();
    let v = typed.value.unwrap_or(&empty);
    let mut page = Page::new(&format!("{name}: {}", typed.kind)).paragraph(&v.summary);
    let parts: Vec<(String, String)> = v
        .parts
        .iter()
        .filter(|p| !p.kind.is_empty() && !p.summary.is_empty())
        .map(|p| (p.name.clone(), format!("{}, {}", p.kind, p.summary)))
        .collect();
    page = page.rows(&parts);
    match detail {
        Detail::Summary => page,
        Detail::Whole => match kind(typed.kind) {
            Some(of_type) => page.append(of_type),
            None => page,
        },
    }
}

/// A type: what it is and what it has.
fn kind(name: &str) -> Option<Page> {
    let about = docs::types().find(|(n, _)| *n == name).map(|(_, doc)| doc);
    let members: Vec<(String, String)> = documented(name)
        .filter(|_| !name.is_empty())
        .map(|e| (e.signature.clone(), e.summary().to_owned()))
        .collect();
    (!members.is_empty())
        .then(|| Page::new(name).paragraph(about.unwrap_or_default()).rows(&members))
}

/// A module that needs no import, or one that was imported.
fn module(at: &Cursor<'_>, name: &str) -> Option<Page> {
    if let Some((_, doc)) = docs::modules().find(|(n, _)| *n == name) {
        let rows: Vec<(String, String)> =
            of_module(name).map(|e| (e.signature.clone(), e.summary().to_owned())).collect();
        return Some(Page::new(&format!("module {name}")).paragraph(doc).rows(&rows));
    }
    let functions = at.module_functions(name);
    let rows: Vec<(String, String)> =
        functions.iter().map(|f| (f.signature(), f.summary().to_owned())).collect();
    (!rows.is_empty()).then(|| Page::new(&format!("module {name}")).rows(&rows))
}

/// A module of the standard library.
fn library(name: &str) -> Option<Page> {
    let (_, doc) = docs::library().find(|(n, _)| *n == name)?;
    let functions = docs::outline::functions(docs::module_text(name)?);
    let rows: Vec<(String, String)> =
        functions.iter().map(|f| (f.signature(), f.summary().to_owned())).collect();
    Some(Page::new(&format!("import \"{name}\" as {name}")).paragraph(&doc).rows(&rows))
}
