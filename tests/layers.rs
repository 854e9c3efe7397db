//! A module imports only from the layers below it: the table of `docs/architecture.md`, enforced.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and the layers it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("data", &["base"]),
    ("image", &["base"]),
    ("nn", &["base"]),
    ("io", &["base", "data", "image"]),
    ("prep", &["base", "data"]),
    ("graph", &["base", "data"]),
    ("models", &["base", "nn"]),
    ("plot", &["base", "data"]),
    ("analysis", &["base", "data", "graph", "prep"]),
    ("sim", &["base", "data", "image", "graph"]),
    ("batch", &["base", "data", "image", "nn", "graph", "prep", "models"]),
    ("train", &["base", "data", "graph", "batch", "models", "nn"]),
    (
        "script",
        &[
            "base", "data", "image", "nn", "io", "prep", "graph", "models", "plot", "analysis",
            "sim", "batch", "train",
        ],
    ),
    ("host", &["base", "script"]),
    ("cli", &["host"]),
    ("main", &["cli", "host"]),
];
const MAY_USE_RHAI: &[&str] = &["script"];
const MAY_NOT_USE_TCH: &[&str] = &["data", "image", "io", "plot"];
const MAY_PRINT: &[&str] = &["host", "cli", "main"];

#[test]
fn modules_import_only_from_layers_below() {
    let src = crate::common::root().join("src");
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap().with_extension("");
        let path: Vec<_> = inside
            .iter()
            .map(|part| part.to_str().unwrap())
            .filter(|&part| part != "mod")
            .collect();
        if path == ["lib"] {
            continue; // declares the layers
        }
        seen.insert(path[0].to_owned());
        let depth = if path == ["main"] { 0 } else { path.len() };
        let source = fs::read_to_string(&file).unwrap();
        wrong.extend(
            violations(path[0], depth, &source)
                .into_iter()
                .map(|what| format!("src/{}.rs:{what}", inside.display())),
        );
    }
    for entry in
        fs::read_dir(&src).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir())
    {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            LAYERS.iter().any(|(layer, _)| *layer == name),
            "src/{name} is no layer: give it its place in LAYERS"
        );
        assert!(seen.contains(&name), "nothing was read in src/{name}");
    }
    assert!(seen.contains("base") && seen.contains("main"), "only {seen:?} was read");
    assert!(wrong.is_empty(), "{} imports against the layers:\n{}", wrong.len(), wrong.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What `source`, in a file `depth` modules below the crate's root, names that `layer` may not: `line: what`.
fn violations(layer: &str, depth: usize, source: &str) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![format!("1: `{layer}` is no layer")];
    };
    let forbidden = |mention: &Mention| match mention {
        Mention::Module(name) => name != layer && !allowed.contains(&name.as_str()),
        Mention::Rhai => !MAY_USE_RHAI.contains(&layer),
        Mention::Tch => MAY_NOT_USE_TCH.contains(&layer),
        Mention::Print => !MAY_PRINT.contains(&layer),
    };
    let found = mentions(depth, source).into_iter().filter(|(_, mention)| forbidden(mention));
    found.map(|(line, mention)| format!("{line}: {layer} may not use {mention:?}")).collect()
}

#[derive(Clone, Debug, PartialEq)]
enum Mention {
    /// A module, or whatever else, at the root of the crate.
    Module(String),
    Rhai,
    Tch,
    Print,
}

fn mentions(depth: usize, source: &str) -> Vec<(usize, Mention)> {
    let tokens = tokens(source);
    let at = |i: usize| tokens.get(i).map_or("", |(_, token)| token.as_str());
    let mut found = Vec::new();
    let mut braces = Vec::new(); // for each open one, whether it is a module's
    for (i, (line, token)) in tokens.iter().enumerate() {
        let (before, after) = (if i > 0 { at(i - 1) } else { "" }, at(i + 1));
        let level = depth + braces.iter().filter(|&&module| module).count();
        let named = after == "::" || after == "as" || before == "use" || before == "crate";
        match token.as_str() {
            "{" => braces.push(i > 1 && at(i - 2) == "mod"),
            "}" => drop(braces.pop()),
            "crate" | "spatia" if after == "::" => roots(&tokens, i + 2, 0, &mut found),
            "crate" | "spatia" if after == "as" => {
                found.push((*line, Mention::Module("the whole crate".into())))
            }
            "self" if after == "::" && before != "::" => roots(&tokens, i + 2, level, &mut found),
            "super" if after == "::" && before != "::" => {
                roots(&tokens, i + 2, level.saturating_sub(1), &mut found)
            }
            "rhai" if named => found.push((*line, Mention::Rhai)),
            "tch" if named => found.push((*line, Mention::Tch)),
            "print" | "println" | "eprint" | "eprintln" | "dbg"
                if after == "!" && at(i + 2) != "=" =>
            {
                found.push((*line, Mention::Print));
            }
            _ => {}
        }
    }
    found
}

/// Follows the path or the tree of a `use` that starts at token `i`, `level` modules below the root.
fn roots(
    tokens: &[(usize, String)],
    mut i: usize,
    mut level: usize,
    found: &mut Vec<(usize, Mention)>,
) {
    while let Some((line, token)) = tokens.get(i) {
        match token.as_str() {
            "super" => level = level.saturating_sub(1),
            "self" if tokens.get(i + 1).is_some_and(|(_, next)| next == "::") => {}
            "{" => {
                let mut open = 0;
                for (j, (_, token)) in tokens.iter().enumerate().skip(i) {
                    match token.as_str() {
                        "{" => open += 1,
                        "}" => open -= 1,
                        _ => {}
                    }
                    if open == 0 {
                        return;
                    }
                    if open == 1
                        && (token == "{" || token == ",")
                        && tokens.get(j + 1).is_some_and(|(_, next)| next != "}")
                    {
                        roots(tokens, j + 1, level, found);
                    }
                }
                return;
            }
            name => {
                if level == 0 {
                    found.push((*line, Mention::Module(name.to_owned())));
                }
                return;
            }
        }
        i += if tokens.get(i + 1).is_some_and(|(_, next)| next == "::") { 2 } else { return };
    }
}

/// Identifiers, `::` and single signs with their lines; no comments, strings or lifetimes.
fn tokens(source: &str) -> Vec<(usize, String)> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < text.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => i += text[i..].iter().take_while(|&&c| c != '\n').count(),
            ('/', '*') => {
                let mut open = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (open, i) = (open + 1, i + 2),
                        ('*', '/') => (open, i) = (open - 1, i + 2),
                        _ => i += 1,
                    }
                    if open == 0 || i >= text.len() {
                        break;
                    }
                }
            }
            ('"', _) => i = end_of_string(&text, i),
            ('\'', '\\') => {
                i = 1 + (i + 3..text.len()).find(|&j| at(j) == '\'').unwrap_or(text.len())
            }
            ('\'', _) => i += if at(i + 2) == '\'' { 3 } else { 1 }, // a character, or a lifetime
            (':', ':') => {
                out.push((line, "::".to_owned()));
                i += 2;
            }
            (c, _) if word(c) => {
                i += text[i..].iter().take_while(|&&c| word(c)).count();
                let name: String = text[start..i].iter().collect();
                let hashes = text[i..].iter().take_while(|&&c| c == '#').count();
                let raw = matches!(name.as_str(), "r" | "br" | "cr");
                if raw && at(i + hashes) == '"' {
                    let close: Vec<char> =
                        std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    let body = i + hashes + 1;
                    let length = text[body..].windows(close.len()).position(|end| end == close);
                    i = length.map_or(text.len(), |length| body + length + close.len());
                } else if raw && hashes == 1 {
                    i += 1; // a raw identifier: its name comes next
                } else if !(matches!(name.as_str(), "b" | "c") && matches!(at(i), '"' | '\'')) {
                    out.push((line, name));
                }
            }
            (c, _) => {
                if !c.is_whitespace() {
                    out.push((line, c.to_string()));
                }
                i += 1;
            }
        }
        i = i.min(text.len());
        line += text[start..i].iter().filter(|&&c| c == '\n').count();
    }
    out
}

fn end_of_string(text: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < text.len() && text[i] != '"' {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn modules(depth: usize, source: &str) -> Vec<String> {
    let name = |(_, mention)| match mention {
        Mention::Module(name) => Some(name),
        _ => None,
    };
    mentions(depth, source).into_iter().filter_map(name).collect()
}

#[test]
fn the_scanner_follows_every_form_of_path() {
    for (depth, source, expected) in [
        (1, "use crate::data;", vec!["data"]),
        (
            1,
            "use crate::{base::error, data::{self, keys::{A, B}}, io};",
            vec!["base", "data", "io"],
        ),
        (1, "use crate::{\n    base,\n    image as picture,\n};", vec!["base", "image"]),
        (
            1,
            "pub(crate) fn f(x: &crate::data::Dataset) -> Vec<crate::nn::Gat> { crate::graph::knn(x) }",
            vec!["data", "nn", "graph"],
        ),
        (1, "use crate::*;", vec!["*"]),
        (1, "use crate as c;", vec!["the whole crate"]),
        (1, "macro_rules! m { () => { $crate::plot::f() } }", vec!["plot"]),
        (0, "use spatia::host;", vec!["host"]),
        (1, "use super::data;", vec!["data"]),
        (1, "mod inner { use super::x; use super::super::data; }", vec!["data"]),
        (1, "mod inner { fn f() {} } use super::io;", vec!["io"]),
        (2, "use super::sibling; use super::super::{io, plot::spec};", vec!["io", "plot"]),
        (2, "use super::{super::io, sibling};", vec!["io"]),
        (2, "use self::below::x; fn f(self) { self.g::<u8>() }", vec![]),
        (1, "use crate :: r#data ;", vec!["data"]),
        (1, "let c = '\"'; crate::io::read('\\'', b'\"', '{'); crate::nn::x()", vec!["io", "nn"]),
        (1, "fn f<'a>(x: &'a str) -> crate::io::Reader<'a> {}", vec!["io"]),
    ] {
        assert_eq!(modules(depth, source), expected, "{source}");
    }
}

#[test]
fn the_scanner_skips_comments_and_strings() {
    let source = r###"
        // crate::io
        /// [`crate::script`] and println!("x")
        /* crate::io /* nested */ use tch::Tensor; */
        const A: &str = "crate::io \" crate::plot";
        const B: &str = r#"use crate::io; "println!()" "#;
        const C: &[u8] = b"rhai::Engine"; const D: &[u8] = br"tch::Tensor\";
        fn rhai(print: bool) -> bool { print != true }
    "###;
    assert_eq!(mentions(1, source), []);
    assert_eq!(
        mentions(1, &format!("{source} crate::data::x")),
        [(9, Mention::Module("data".into()))]
    );
}

#[test]
fn a_violation_is_caught_with_its_line() {
    let caught = |layer, source| violations(layer, 2, source);
    assert_eq!(
        caught("data", "use crate::base;\nfn f() { crate::io::read() }"),
        [r#"2: data may not use Module("io")"#]
    );
    assert_eq!(caught("base", "use super::super::script::X;").len(), 1);
    assert_eq!(caught("host", "use crate::{base, script, data::Dataset};").len(), 1);
    assert_eq!(
        caught("host", "use rhai::Engine; use rhai; extern crate rhai; use rhai as r;").len(),
        4
    );
    assert_eq!(caught("plot", "fn f(x: &tch::Tensor) {}").len(), 1);
    assert_eq!(caught("train", "println!(\"epoch\"); std::eprint!(\"\"); dbg!(1);").len(), 3);
    assert_eq!(caught("nobody", "").len(), 1);
    assert!(
        caught(
            "script",
            "use rhai::Engine; use tch::Tensor; use crate::train; use crate::script::x;"
        )
        .is_empty()
    );
    assert!(caught("host", "println!(\"done\");").is_empty());
    for (layer, allowed) in LAYERS {
        let below = LAYERS.iter().map(|(name, _)| name).take_while(|name| *name != layer);
        assert!(
            allowed.iter().all(|name| below.clone().any(|lower| lower == name)),
            "{layer} names a layer above it"
        );
    }
}
