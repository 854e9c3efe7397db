//! `docs/reference.md`: the language on one page.

use std::fmt::Write;

use super::{Choice, Entry, PRELUDE, library};
use crate::script::PARTS;

/// The reference of the language, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    write!(out, "\n```rhai\n{PRELUDE}```\n").ok();
    for (i, part) in PARTS.iter().enumerate() {
        let title = if part.name.is_empty() { "Functions" } else { part.name };
        section(&mut out, title, part.doc, i);
    }
    for (i, (name, doc)) in library().enumerate() {
        section(&mut out, &format!("import \"{name}\" as {name}"), &doc, PARTS.len() + i);
    }
    out
}

fn section(out: &mut String, title: &str, doc: &str, number: usize) {
    write!(out, "\n## {title}\n\n{doc}\n").ok();
    for Entry { signature, doc, options, .. } in super::section(number) {
        write!(out, "\n### `{signature}`\n\n{doc}\n").ok();
        if !options.is_empty() {
            *out += "\n| option | type | default | |\n|---|---|---|---|\n";
        }
        for Choice { key, kind, default, doc } in options {
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            writeln!(out, "| `{key}` | {kind} | {default} | {doc} |").ok();
        }
    }
}

const INTRODUCTION: &str = "# Reference

Made by `spatia docs reference` from the sources; do not edit. Scripts are [Rhai](https://rhai.rs/book)
with a few comforts: a line's end ends a statement, integers are taken where floats are meant, and
functions see the variables of the script. An option map may be left out; an unknown key is an
error that names the nearest one.

A statement goes on over a line's end inside brackets, behind an operator or a comma, and where the next
line begins with `.`, an operator, `else` or a closing bracket. A line that begins with `(`, `[`, or a
`-` or `+` that touches what follows (`-b`) begins a statement; `- b`, with a space, goes on. Rhai would
go on in all of these, so such a line is an error where it is indented deeper than the statement before
it, or has no effect. `;` may stand behind any statement.

A script declares its parameters where it wants them, `let seed = param(\"seed\", 42, \"Seed of every
random draw\")`: the default says the type, and `()` asks for a text that must be given. `spatia run
SCRIPT --help` lists them. `import \"name\" as n` finds a module of the standard library, or a file
beside the script.

Objects are handles: `let b = a` shares, `a.copy()` does not. Every example runs in the tests, after
these lines:
";
