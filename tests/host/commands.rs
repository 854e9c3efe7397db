//! Commands and magics, and what tells them from code.

use std::sync::Arc;

use spatia::host::Session;
use spatia::host::cell::{self, Cell};
use spatia::host::session::{Effect, Said};

use crate::common::Recorder;

fn session() -> (Session, Arc<Recorder>) {
    let console = Recorder::new();
    (Session::new(console.clone()), console)
}

#[track_caller]
fn answer(said: Said) -> String {
    match said.outcome {
        Ok(bundle) => bundle.map(|b| b.plain().to_owned()).unwrap_or_default(),
        Err(e) => panic!("{}", e.message),
    }
}

#[track_caller]
fn refusal(said: Said) -> String {
    said.outcome.expect_err("it was to fail").message
}

#[test]
fn cells_are_told_apart() {
    let parsed = |text| Cell::parse(text);
    assert_eq!(parsed("%time f(\n1)"), Cell::Line { name: "time", rest: "f(\n1)" });
    assert_eq!(parsed("a // why?"), Cell::Code("a // why?"));
    assert_eq!(parsed("ds.obs??"), Cell::Question { name: "ds.obs", whole: true });
    assert_eq!(
        parsed("\n:dep a = 1\nlet x"),
        Cell::Lead { first: ":dep a = 1", above: 2, rest: "let x" }
    );
    // Comments above, as in cells of evcxr's notebooks.
    assert_eq!(parsed("// deps\n\n//x\n:dep a = 1"), Cell::Command { name: "dep", rest: "a = 1" });
    assert_eq!(
        parsed("\n// a\n:dep a = 1\n// b\n:dep b = 1\n"),
        Cell::Lead { first: "// a\n:dep a = 1", above: 3, rest: "// b\n:dep b = 1" }
    );
    assert_eq!(parsed("// a\n%%rust\nk"), Cell::Magic { name: "rust", rest: "", body: "k" });
    assert_eq!(parsed("// a?\nlet x"), Cell::Code("// a?\nlet x"));
    for (text, whole) in [
        ("f(1", false),
        ("\"a", false),
        ("`a\n", false),
        ("/* a", false),
        ("let x =", false),
        ("let x = 1", true),
        (":vars", true),
        ("?f", true),
        ("%time f(", false),
        ("%%file a\nfoo(", false),
        ("%%file a\nfoo(\n", true),
        (":timing\nf(", false),
        // Python's: an error says more than waiting for the rest.
        ("if x == 1:", true),
        ("def f(x):\n    return x\nfor i in x:", true),
        ("#{ a:", false),
    ] {
        assert_eq!(cell::is_complete(text), whole, "{text:?}");
    }
}

#[test]
fn commands_above_code_keep_its_lines() {
    let (mut session, console) = session();
    assert_eq!(answer(session.cell("%pwd\n:timing\n1 + 1")), "2");
    assert_eq!(console.said.lock().unwrap().len(), 3, "the two answers and the time");
    let said = session.cell(":timing\n\nnothing");
    let failure = said.outcome.unwrap_err();
    assert_eq!((failure.place.line, failure.place.column), (3, 1));
    let said = session.cell("// one\n:timing\n\n// two\n:timing\n // three\nnothing");
    let failure = said.outcome.unwrap_err();
    assert_eq!((failure.place.line, failure.place.column), (7, 1), "{}", failure.message);
    for timed in ["// one\n\n%time nothing", ":timing\n// two\n%%time\nlet x = 1\nnothing"] {
        let failure = session.cell(timed).outcome.unwrap_err();
        assert_eq!(failure.place.line, timed.lines().count(), "{timed}");
    }
}

#[test]
fn variables_have_a_type_a_size_and_memory() {
    let (mut session, _) = session();
    assert_eq!(answer(session.cell(":vars")), "no variables yet");
    session.cell("let ds = sim::tissue(#{ spots: 60, genes: 40 }); let other = ds; let n = 3");
    for question in [":vars", "%who", "%whos"] {
        let said = answer(session.cell(question));
        let rows: Vec<Vec<&str>> = said.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["name", "type", "size", "memory"]);
        assert_eq!(rows[1][..5], ["ds", "Dataset", "60", "x", "40"]);
        assert_eq!(rows[2], ["n", "int", "0", "B"]);
        assert_eq!(rows[3][5..], ["=", "ds"], "{said}");
    }
    assert_eq!(answer(session.cell(":type ds.obs")), "Rows");
    assert_eq!(answer(session.cell(":type \"a\"")), "text");
    assert!(refusal(session.cell(":type")).contains("an expression"));
    assert!(answer(session.cell(":mem")).contains("process"));
}

#[test]
fn free_gives_memory_back() {
    let (mut session, _) = session();
    session.cell("let big = []; for i in 0..2000000 { big.push(i) }");
    let held = answer(session.cell(":vars"));
    let held =
        held.lines().nth(1).unwrap_or_default().split("  ").last().unwrap_or_default().trim();
    let said = answer(session.cell(":free big"));
    assert!(said.starts_with(&format!("freed big ({held})")), "{held} and {said}");
    let back = said.split("gave ").nth(1).unwrap_or_default();
    assert!(back.contains(" MB back"), "{said}");
    assert!(refusal(session.cell("big")).contains("big"));
    assert!(refusal(session.cell(":free bigg")).contains("'bigg'"));
    session.cell("let a = sim::tissue(#{ spots: 60, genes: 40 }); let b = a");
    assert!(answer(session.cell(":free a")).contains("b still holds"), "the object is shared");
}

#[test]
fn what_is_not_known_is_answered_with_the_nearest() {
    let (mut session, _) = session();
    assert!(refusal(session.cell(":varz")).contains("Did you mean :vars?"));
    assert!(refusal(session.cell("%vars")).contains("Did you mean :vars?"));
    assert!(refusal(session.cell("%%tim")).contains("%%time"));
    assert!(refusal(session.cell("%%bash\nls\n")).contains("no shell"));
    for line in ["!ls -l", "!pip install x"] {
        assert!(refusal(session.cell(line)).contains("If it is for a shell"), "{line}");
    }
    assert_eq!(answer(session.cell("!true")), "false");
    for question in ["?", "help", ":help", "help()"] {
        let said = answer(session.cell(question));
        assert!(said.contains(":vars") && said.contains("%%file"), "{said}");
    }
    assert!(answer(session.cell("?:mem")).contains("What each object holds"));
    assert!(answer(session.cell(":help timeit")).contains("%timeit [-n LOOPS]"));
}

#[test]
fn times_are_told_and_values_kept() {
    let (mut session, console) = session();
    session.cell("let x = 1");
    assert_eq!(answer(session.cell("%time x + 1")), "2");
    assert_eq!(answer(session.cell("%%time\nlet y = x\ny + 5\n")), "6");
    assert_eq!(console.stdout().matches("wall time").count(), 2);
    let said = answer(session.cell("%timeit -n 10 -r 3 x += 1"));
    assert!(said.contains("per loop") && said.contains("3 runs, 10 loops each"), "{said}");
    assert_eq!(answer(session.cell("x")), "31");
    assert!(refusal(session.cell("%timeit -n 0 x")).contains("from 1"));
    assert!(refusal(session.cell("%timeit nothing")).contains("nothing"));
    session.cell("%timeit -n 5 -r 1 let inside = 1");
    assert!(refusal(session.cell("inside")).contains("inside"), "nothing stays defined");
    // Nor is a function of the session left with what was thrown away, in any of the runs.
    session.cell("fn there() { inside }\nfn x2() { x * 2 }");
    session.cell("%timeit -n 3 -r 2 let inside = x; x += there(); x = there()").outcome.unwrap();
    assert_eq!(answer(session.cell("x")), "31");
    for aside in [
        ":type let inside = 1; fn mine() { 1 }; inside",
        "%timeit -n 2 -r 1 fn mine() { 1 }; let inside = 1",
    ] {
        session.cell(aside).outcome.unwrap();
        assert!(refusal(session.cell("there()")).contains("inside"), "{aside}");
        assert!(refusal(session.cell("mine()")).contains("mine"), "{aside}");
    }
    session.cell(":type { import \"gvae\" as g; 1 }").outcome.unwrap();
    session.cell("%timeit -n 2 -r 1 import \"gvae\" as g").outcome.unwrap();
    assert!(refusal(session.cell("g::map(1)")).contains("g"));
}

#[test]
fn cells_go_to_files_and_come_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.rhai");
    let file = path.display();
    let (mut session, _) = session();
    let body =
        "//! Doubles.\nlet times = param(\"times\", 2, \"How often\")\nlet doubled = 21 * times";
    assert!(answer(session.cell(&format!("%%file {file}\n{body}\n"))).starts_with("wrote"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{body}\n"));
    session.cell(&format!(":load {file}")).outcome.unwrap();
    assert_eq!(answer(session.cell("doubled")), "42");
    session.cell(&format!("%run \"{file}\" --times 3")).outcome.unwrap();
    assert_eq!(answer(session.cell("doubled")), "63");
    let said = session.cell(&format!("%load {file}"));
    assert_eq!(said.effect, Some(Effect::NextInput(body.into())));
    assert!(
        answer(session.cell(&format!("%%writefile -a {file}\nlet more = 1"))).starts_with("added")
    );
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("times\nlet more = 1\n"));
    assert!(refusal(session.cell(&format!(":load {file}x"))).contains("part.rhai"));
    assert!(refusal(session.cell("%%file\nx")).contains("a path"));
}

#[test]
fn a_script_that_ends_itself_ends_the_session_and_what_is_measured_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ends.rhai");
    std::fs::write(&path, "let before = 1\nexit(3)\nlet behind = 1").unwrap();
    let file = path.display();
    let (mut session, console) = session();
    for cell in [format!("%run {file}\nprint(1)"), format!(":load {file}")] {
        let said = session.cell(&cell);
        assert!(said.outcome.is_ok() && said.effect == Some(Effect::Quit(3)), "{cell}");
    }
    assert_eq!(console.stdout(), "");
    for cell in [":type exit(3)", "%timeit -n 2 -r 2 exit(3)", "let = ", "?before", ":vars"] {
        assert_eq!(session.cell(cell).effect, None, "{cell}");
        assert_eq!(session.take_ended(), None, "{cell}");
    }
}

#[test]
fn what_front_ends_ask_leaves_the_values_of_cells_alone() {
    let (mut session, _) = session();
    assert_eq!(answer(session.quietly("%time 5")), "5");
    assert!(refusal(session.cell("In[0]")).contains("In[0]"));
    session.cell("41");
    for quiet in ["%time 5", "%%time\n5", ":type 5\n5", "5"] {
        answer(session.quietly(quiet));
    }
    assert_eq!(answer(session.cell("[_, Out[2], In[2]]")), "[41, 41, \"41\"]");
    assert_eq!(answer(session.quietly("%history 1")), "[3] [_, Out[2], In[2]]");
}

#[test]
fn a_session_is_cleared_and_saved() {
    let (mut session, _) = session();
    session.cell("let x = 1");
    session.cell("?x");
    session.cell("nothing");
    assert_eq!(answer(session.cell("%history 2")), "[2] ?x\n[3] nothing");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.rhai");
    session.cell(&format!(":save {}", path.display())).outcome.unwrap();
    let saved = std::fs::read_to_string(&path).unwrap();
    assert!(saved.contains("\nlet x = 1\n") && saved.contains("// nothing"), "{saved}");
    let spaces = folder.path().join("my file.rhai");
    session.cell(&format!(":save \"{}\"", spaces.display())).outcome.unwrap();
    assert!(spaces.exists());
    session.cell(&format!(":restore '{}'", spaces.display())).outcome.unwrap();
    for command in [":clear", ":restart"] {
        session.cell("let x = 1");
        session.cell(command).outcome.unwrap();
        assert!(refusal(session.cell("x")).contains('x'), "{command}");
    }
    session.cell(&format!(":restore {}", path.display())).outcome.unwrap();
    assert_eq!(answer(session.cell("x")), "1");
}
