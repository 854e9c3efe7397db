//! The comforts of a session that files, REPL and notebooks share.

use std::process::Command;
use std::sync::Arc;

use spatia::base::Kind;
use spatia::host::Session;
use spatia::script::{Failure, Output};

use crate::common::Recorder;

/// A session and what it says.
pub fn session() -> (Session, Arc<Recorder>) {
    let console = Recorder::new();
    (Session::new(console.clone()), console)
}

/// What a cell shows, "" for nothing.
#[track_caller]
pub fn shown(session: &mut Session, cell: &str) -> String {
    match session.cell(cell).outcome {
        Ok(bundle) => bundle.map(|b| b.plain().to_owned()).unwrap_or_default(),
        Err(e) => panic!("{cell}: {}", session.traceback(&e)),
    }
}

#[track_caller]
pub fn failure(session: &mut Session, cell: &str) -> Failure {
    match session.cell(cell).outcome {
        Ok(bundle) => panic!("{cell}: no failure, but {bundle:?}"),
        Err(e) => e,
    }
}

pub const TISSUE: &str = "let ds = sim::tissue(#{ spots: 40, genes: 20, domains: 2, seed: 1 });";

#[test]
fn print_goes_to_the_console() {
    let (mut session, console) = session();
    session.cell("print(\"a\"); print(1.5)").outcome.unwrap();
    session.cell("print(\"n:\", 3, [1, \"b\"], true)").outcome.unwrap();
    assert_eq!(console.stdout(), "a\n1.5\nn: 3 [1, \"b\"] true\n");
}

#[test]
fn the_values_of_cells_are_kept() {
    let (mut s, _) = session();
    assert!(failure(&mut s, "_").message.contains("a value that a cell before this one has shown"));
    assert_eq!(shown(&mut s, "40 + 2"), "42"); // 2
    assert_eq!(shown(&mut s, "_ + 1"), "43"); // 3
    assert_eq!(shown(&mut s, "Out[2] + _"), "85"); // 4
    assert_eq!(shown(&mut s, "let x = 7"), "");
    assert_eq!(shown(&mut s, "8;"), "");
    failure(&mut s, "nothing_there");
    assert_eq!(shown(&mut s, "_"), "85", "only what is shown is kept"); // 8
    let e = failure(&mut s, "Out[5]");
    assert!(e.message.contains("2 to 4, 8") && e.kind == Kind::Missing, "{}", e.message);
    assert_eq!(shown(&mut s, "In[2]"), "\"40 + 2\"");
    assert!(shown(&mut s, "In").contains("In[5]  let x = 7"));
    assert!(shown(&mut s, "Out").contains("Out[3]  int"));
    assert!(failure(&mut s, "1.5.round(true)").message.contains("float.round()"));
    assert_eq!(shown(&mut s, "fn last() { _ }\nfn out(n) { Out[n] }\nout(2) + x"), "49");
    assert_eq!(shown(&mut s, "last()"), "49");
}

#[test]
fn an_underscore_is_also_the_last_arm_and_a_name_for_nothing() {
    let (mut s, _) = session();
    shown(&mut s, "5");
    for (cell, expected) in [
        ("switch 3 { 1 => \"a\", _ => \"other\" }", "\"other\""),
        ("switch 1 {\n  1 => _,\n  _ => 0\n}", "\"other\""),
        ("[1, 2].map(|x| `${x}${_}`)", "[\"1other\", \"2other\"]"),
        ("let n = 0\nfor _ in 0..3 { n += 1 }\nn", "3"),
        ("[1, 2].map(|_| 7)", "[7, 7]"),
        ("let _ = 4\n_", "4"),
        ("_", "4"),
        ("let a_b = 1\na_b", "1"),
        ("let _x = 2\n_x + _", "3"),
        ("\"_ ${_}\"", "\"_ ${_}\""),
        // A non-ASCII letter before it on the line does not shift what is a name.
        ("let t = \"é𝔘\"; _.len()", "6"),
    ] {
        assert_eq!(shown(&mut s, cell), expected, "{cell}");
    }
}

#[test]
fn what_is_forgotten_is_gone() {
    let (mut s, _) = session();
    shown(&mut s, "let a = [1]; let f = || a.len()");
    shown(&mut s, "a");
    shown(&mut s, "let b = 2");
    assert!(s.forget("a") && !s.forget("a") && !s.forget("never"));
    assert!(failure(&mut s, "a").message.contains("no variable 'a'"));
    assert_eq!(shown(&mut s, "b"), "2");
    assert!(s.forget("Out"));
    assert!(failure(&mut s, "Out[2]").message.contains("none yet"));
    assert_eq!(shown(&mut s, "f.call()"), "1", "a closure has its own hold");
}

/// A `let` of the same name, run again, must not keep what it hides.
#[test]
fn a_variable_made_anew_lets_go_of_the_old_one() {
    let (mut s, _) = session();
    for n in 0..50 {
        shown(&mut s, &format!("let a = {n}; const K = {n}; let before{n} = a"));
    }
    assert_eq!(shown(&mut s, "a + K + before7"), "105");
    shown(&mut s, "let n = 1; let f = || n + 1; let n = 10; let n = 20");
    assert_eq!(shown(&mut s, "f.call() + n"), "22");
    assert!(s.forget("a"));
    assert!(
        failure(&mut s, "a").message.contains("no variable 'a'"),
        "no older one comes to light"
    );
}

#[test]
fn display_shows_and_updates() {
    let (mut s, console) = session();
    shown(
        &mut s,
        "display([1, \"a\"]); let d = display_id(1); d.update(2); clear_output(); clear_output(true)",
    );
    let said = console.said.lock().unwrap().clone();
    let [
        Output::Display { bundle, id: None, update: false },
        Output::Display { id: Some(first), update: false, .. },
        Output::Display { bundle: second, id: Some(again), update: true },
        Output::Clear { wait: false },
        Output::Clear { wait: true },
    ] = &said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!((bundle.plain(), second.plain()), ("[1, \"a\"]", "2"));
    assert_eq!(first, again);
}

#[test]
fn errors_go_to_the_error_output_and_input_comes_from_the_console() {
    let (mut s, console) = session();
    console.answers.lock().unwrap().extend(["7".into(), "hush".into()]);
    assert_eq!(shown(&mut s, "eprint(\"e\"); input(\"n? \").parse_int() + 1"), "8");
    assert_eq!(shown(&mut s, "input_secret(\"p? \")"), "\"hush\"");
    assert_eq!(console.said.lock().unwrap()[0], Output::Stderr("e\n".into()));
    assert!(failure(&mut s, "input(\"more? \")").message.contains("nobody to answer"));
}

#[test]
fn a_failed_cell_leaves_what_ran_before() {
    let (mut s, _) = session();
    failure(&mut s, "let a = 1\nlet b = a + 1\nnowhere\nlet c = 3");
    assert_eq!(shown(&mut s, "a + b"), "3");
    assert!(failure(&mut s, "c").message.contains("no variable 'c'"));
    // A failure inside a module's function leaves the session's own functions.
    shown(&mut s, "fn mine() { a }\nimport \"gvae\" as gvae");
    failure(&mut s, "gvae::check_domains(1, 2)");
    assert_eq!(shown(&mut s, "mine()"), "1");
}

#[test]
fn recursion_without_end_is_an_error() {
    let (mut s, _) = session();
    let e = failure(&mut s, "fn down(n) { down(n + 1) }\ndown(0)");
    assert!(e.message.contains("100 deep"), "{}", e.message);
    assert_eq!((e.place.line, e.kind), (2, Kind::Resource));
    assert_eq!(shown(&mut s, "1"), "1");
}

#[test]
fn growth_without_end_is_stopped() {
    let (mut s, _) = session();
    for cell in [
        "let s = \"x\"; loop { s += s }",
        "let a = [1]; loop { a += a }",
        "let b = []; loop { b = [b] }",
        "let m = #{ s: \"x\" }; loop { m.s += m.s }",
        "fn grow(s) { loop { s += s } }\ngrow(\"x\")",
        "\"x\".pad(1000000000000, 'y')",
        "[1].pad(1000000000000, 2)",
        "blob(1000000000000)",
    ] {
        let e = failure(&mut s, cell);
        assert_eq!(e.kind, Kind::Resource, "{cell}: {}", e.message);
        for name in ["s", "a", "b", "m"] {
            s.forget(name);
        }
    }
    assert_eq!(
        shown(&mut s, "let t = \"ab\"; t.pad(5, \"xyz\"); let a = [1]; a.pad(3, 0); `${t}${a}`"),
        "\"abxyz[1, 0, 0]\""
    );
}

#[test]
fn values_are_written_as_code_would_write_them() {
    let (mut s, console) = session();
    shown(&mut s, TISSUE);
    for (cell, expected) in [
        ("[1, 2.0, \"a\\nb\", 'c', true, ()]", "[1, 2.0, \"a\\nb\", 'c', true, ()]"),
        ("#{ a: [1, #{ b: 2 }], \"c d\": \"x\" }", "#{\"a\": [1, #{\"b\": 2}], \"c d\": \"x\"}"),
        ("1e-12", "1e-12"),
        ("[1.0, 0.5]", "[1.0, 0.5]"),
        ("[]", "[]"),
        ("#{}", "#{}"),
    ] {
        assert_eq!(shown(&mut s, cell), expected);
    }
    let objects = shown(&mut s, "[ds, #{ d: ds }]");
    assert!(objects.starts_with("[\n  Dataset 40 spots"), "{objects}");
    let long = shown(&mut s, "let a = []; for i in 0..1000 { a.push(i) }; a");
    assert!(long.contains("… 900 more"), "{long}");
    shown(&mut s, "print(a)");
    assert!(console.stdout().ends_with("998, 999]\n"));
    shown(&mut s, "print([1, ds])");
    let objects = console.stdout();
    let line = objects.trim_end().lines().last().unwrap();
    assert!(line.starts_with("[1, Dataset 40 spots") && line.ends_with(']'), "{objects}");
}

#[test]
fn integers_go_where_floats_are_meant() {
    let (mut s, _) = session();
    shown(&mut s, TISSUE);
    for (cell, expected) in [
        ("sqrt(4)", "2.0"),
        ("exp(0)", "1.0"),
        ("hypot(3, 4)", "5.0"),
        ("1.2345.round(2)", "1.23"),
        ("9.sqrt()", "3.0"),
        ("[1, 2.5].len()", "2"),
        ("tensor([1, 2]).mean()", "1.5"),
        ("let fl = 2.0; fl += 1; fl", "3.0"),
        ("max(1, 2.5)", "2.5"),
    ] {
        assert_eq!(shown(&mut s, cell), expected, "{cell}");
    }
    shown(&mut s, "graph::radius(ds, #{ radius: 150 });");
}

#[test]
fn modules_are_loaded_anew_when_edited() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    write("base.rhai", "fn n() { 1 }");
    write("top.rhai", "import \"base\" as base\nfn n() { base::n() + 10 }");
    let (mut s, console) = session();
    shown(&mut s, &format!("import `{}` as top", at("top").display()));
    assert_eq!(shown(&mut s, "top::n()"), "11");
    write("top.rhai", "import \"base\" as base\nfn n() { base::n() + 20 }");
    assert_eq!(shown(&mut s, "top::n()"), "21", "an edit counts in the next cell");
    write("base.rhai", "fn n() { 2 }");
    assert_eq!(shown(&mut s, "top::n()"), "22", "so does one of a module that it imports");
    write("base.rhai", "fn n() { 3 ");
    assert_eq!(shown(&mut s, "top::n()"), "22", "what cannot be loaded is not taken");
    let said = format!("{:?}", console.said.lock().unwrap());
    assert!(said.contains("cannot be loaded") && said.contains("syntax error"), "{said}");
    write("base.rhai", "fn n() { nowhere() }");
    let e = failure(&mut s, "top::n()");
    let text = s.traceback(&e);
    assert!(text.contains("base.rhai:1:10") && text.contains("top.rhai:2:"), "{text}");
}

/// The folder is the process's, so this has a process of its own.
#[test]
fn the_standard_library_of_a_checkout_is_read_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.rhai");
    std::fs::write(folder.path().join("gvae.rhai"), "fn check_domains(ds, n) { `edited ${n}` }")
        .unwrap();
    std::fs::write(folder.path().join("extra.rhai"), "fn more() { \"more\" }").unwrap();
    std::fs::write(
        &script,
        "import \"gvae\" as gvae\nimport \"extra\" as extra\nprint(gvae::check_domains(0, 3), extra::more())",
    )
    .unwrap();
    let run = |stdlib: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
        let out = command.arg("run").arg(&script).env("SPATIA_STDLIB", stdlib).output().unwrap();
        (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    assert_eq!(run(folder.path()).0, "edited 3 more\n");
    // Where there is none, what the binary holds is taken.
    let (_, said) = run(&folder.path().join("nowhere"));
    assert!(
        said.contains("gvae.rhai") || said.contains("extra.rhai") || said.contains("<gvae>"),
        "{said}"
    );
    assert!(said.contains("--n_domains") || said.contains("n_obs"), "{said}");
}
