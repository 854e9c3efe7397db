//! The reference is complete, up to date, and its examples run.

use std::path::Path;

use spatia::host;
use spatia::script::docs::{self, PRELUDE};

use super::session;

#[test]
fn every_entry_has_a_summary_and_an_example() {
    let entries = docs::entries();
    assert!(entries.len() > 60, "{}", entries.len());
    for e in entries {
        let summary = e.summary();
        assert!(
            summary.ends_with('.') || summary.ends_with(':') && !summary.starts_with("```"),
            "{}: {summary}",
            e.name
        );
        assert!(e.example().is_some(), "{} has no example", e.name);
        assert_eq!(
            e.signature.contains("options: map"),
            !e.options.is_empty(),
            "{}: options without a schema",
            e.name
        );
        for o in &e.options {
            assert!(
                !o.doc.is_empty() && !o.kind.is_empty(),
                "{}: option {} says nothing",
                e.name,
                o.key
            );
        }
    }
}

#[test]
fn every_example_runs_and_gives_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    crate::fixtures::all(folder.path());
    let mut wrong = Vec::new();
    let mut prepared = session();
    prepared.eval(PRELUDE, "prelude").unwrap();
    prepared.eval("let fresh = ds", "prelude").unwrap();
    for e in docs::entries() {
        // Files of the examples go into a folder of their own.
        let code = in_folder(e.example().unwrap_or(""), folder.path());
        prepared.eval("ds = fresh.copy()", "reset").unwrap();
        // A part for every line that says what it gives.
        let mut part = String::new();
        let mut lines = code.lines().peekable();
        while let Some(line) = lines.next() {
            part += &format!("{line}\n");
            let expected = line.split_once("// => ").map(|(_, value)| value.trim());
            if expected.is_none() && lines.peek().is_some() {
                continue;
            }
            match (prepared.eval(&std::mem::take(&mut part), &e.name), expected) {
                (Err(f), _) => wrong.push(format!("{}: {}", e.name, f.message)),
                (Ok(found), Some(expected)) => {
                    let found = found.map(|s| s.plain().to_owned()).unwrap_or_default();
                    if found != expected {
                        wrong.push(format!("{}: {found}, not {expected}", e.name));
                    }
                }
                (Ok(_), None) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The code with its file names (`"tissue.h5ad"`, `"visium/"`) lying in a folder; what stands
/// behind `// =>` stays.
fn in_folder(code: &str, folder: &Path) -> String {
    let is_file = |t: &str| {
        t == "run"
            || t.ends_with('/')
            || t.rsplit_once('.').is_some_and(|(stem, end)| {
                !stem.is_empty() && end.chars().all(char::is_alphanumeric) && !t.contains(' ')
            })
    };
    let line = |line: &str| {
        let (code, rest) =
            line.split_once("// =>").map_or((line, ""), |(c, _)| (c, &line[c.len()..]));
        let parts = code.split('"').enumerate().map(|(i, part)| match i % 2 {
            1 if is_file(part) => folder.join(part).display().to_string(),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("\"") + rest
    };
    code.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_in_the_repository_is_what_the_sources_say() {
    let path = crate::common::root().join("docs/reference.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == host::reference(),
        "docs/reference.md is behind the sources: run `make docs`"
    );
}
