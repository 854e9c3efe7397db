//! `tests/suite/*.rhai`: scripts as tests. A line that must fail says so behind itself:
//! `graph::knn(ds, #{ kk: 6 })  // Error: 8 unknown option 'kk'`, with the column and a part of
//! the message. Each such line runs on its own, after all lines before it that do not fail.

use std::path::Path;

use super::session;

#[test]
fn the_scripts_of_the_suite_pass() {
    let folder = crate::common::root().join("tests/suite");
    let mut scripts: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.retain(|p| p.extension().is_some_and(|e| e == "rhai"));
    scripts.sort();
    assert!(!scripts.is_empty());
    let failures: Vec<String> = scripts.iter().filter_map(|p| run(p).err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Runs a script part by part; `out` in it names a folder to write to.
fn run(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    let folder = tempfile::tempdir().unwrap();
    let mut session = session();
    session.eval(&format!("let out = `{}`", folder.path().display()), "start").unwrap();
    // A part keeps its place in the file, so that lines count as an editor shows them.
    let mut part = String::new();
    let mut blank = String::new();
    for (i, line) in text.lines().enumerate() {
        let Some((code, expected)) = line.split_once("// Error: ") else {
            part += &format!("{line}\n");
            continue;
        };
        evaluate(&mut session, &blank, &part, &name)?;
        blank = "\n".repeat(i);
        let (column, message) =
            expected.split_once(' ').ok_or(format!("{name}:{}: no column", i + 1))?;
        match session.eval(&format!("{blank}{code}"), &name) {
            Ok(_) => return Err(format!("{name}:{}: no error, expected {message}", i + 1)),
            Err(e)
                if !e.message.contains(message)
                    || e.place.column.to_string() != column
                    || e.place.line != i + 1 =>
            {
                return Err(format!(
                    "{name}:{}: expected {column} {message}\n  found {}:{} {}",
                    i + 1,
                    e.place.line,
                    e.place.column,
                    e.message
                ));
            }
            Err(_) => {}
        }
        blank += "\n";
        part.clear();
    }
    evaluate(&mut session, &blank, &part, &name)
}

fn evaluate(
    session: &mut spatia::host::Session,
    blank: &str,
    part: &str,
    name: &str,
) -> Result<(), String> {
    let done = session.eval(&format!("{blank}{part}"), name);
    done.map(|_| ()).map_err(|e| spatia::host::report::render(&e, session))
}
