//! `spatia repl`: cells from a pipe, a session in a terminal, the commands and magics.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use spatia::host::Session;
use spatia::host::cell::{self, Cell};
use spatia::host::session::{Effect, Said};
use tempfile::TempDir;

use crate::common::{self, Recorder};

/// A REPL without a terminal, its history in a folder of the test's own.
fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.arg("repl").env("XDG_STATE_HOME", home).current_dir(home);
    command
}

fn piped(cells: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut child = command(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The process may end before it has read everything.
    child.stdin.take().unwrap().write_all(cells.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn piped_cells_run_without_prompts() {
    let out = piped(
        "let x = 3\nfn f(a) {\n\n  a + x\n}\nf(4)\nif x > 5 { \"big\" }\nelse { \"small\" }\n[1, 2, 3]\n  .len()\n%pwd\nprint(x)",
    );
    let (said, folder) = (text(&out.stdout), text(&out.stdout));
    let folder = folder.lines().nth(3).unwrap_or_default();
    assert!(folder.starts_with('/'), "{said}");
    assert_eq!(said, format!("7\n\"small\"\n3\n{folder}\n3\n"), "{}", text(&out.stderr));
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn the_first_piped_cell_that_fails_ends_it() {
    let out = piped("print(1)\nnothing\nprint(2)\n");
    assert_eq!((text(&out.stdout), out.status.code()), ("1\n".into(), Some(1)));
    let said = text(&out.stderr);
    assert!(said.contains("nothing") && !said.contains('\x1b'), "{said}");
    for cells in ["f(1,", "%nothing", ":free x"] {
        assert_eq!(piped(cells).status.code(), Some(1), "{cells}");
    }
}

#[test]
fn words_that_end_a_session() {
    for word in ["exit", "quit", "exit()", "quit();", ":quit", ":q"] {
        let out = piped(&format!("{word}\nprint(2)\n"));
        assert_eq!((text(&out.stdout), out.status.code()), (String::new(), Some(0)), "{word}");
    }
    let out = piped("let quit = 3\nquit\n");
    assert_eq!(text(&out.stdout), "3\n");
}

#[test]
fn figures_are_text_where_output_is_piped() {
    let out = piped("plot::spatial(sim::tissue(#{ spots: 60, genes: 20 }), \"domain_true\")\n");
    let said = text(&out.stdout);
    assert!(said.contains("Figure") && !said.contains('\x1b'), "{said:?}");
}

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
    let said = answer(session.cell(":free big"));
    let back: f64 = said.split_whitespace().nth(2).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    assert!(back > 10.0, "{said}");
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
    for command in [":clear", ":restart"] {
        session.cell("let x = 1");
        session.cell(command).outcome.unwrap();
        assert!(refusal(session.cell("x")).contains('x'), "{command}");
    }
    session.cell(&format!(":restore {}", path.display())).outcome.unwrap();
    assert_eq!(answer(session.cell("x")), "1");
}

/// A terminal that a test types into: `steps` are pairs of what is typed and what must then be
/// seen; prints all that was seen, `repr`-ed.
const TERMINAL: &str = r#"
import os, pty, sys, time, select, struct, fcntl, termios, json
binary, plan = sys.argv[1], json.load(open(sys.argv[2]))
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(plan["env"])
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    os.execv(binary, [binary, "repl"])
seen = b""
def wait(what):
    global seen
    part, end = b"", time.time() + 60
    while what.encode() not in part:
        if time.time() > end:
            sys.exit("waited for %r, saw %r" % (what, part))
        if select.select([fd], [], [], 0.05)[0]:
            try:
                part += (data := os.read(fd, 65536))
            except OSError:
                data = b""
            if not data:
                sys.exit("it ended while waiting for %r, saw %r" % (what, part))
            if b"\x1b[c" in data and plan["answers"]:
                os.write(fd, plan["answers"].encode())
    seen += part
for typed, expected in plan["steps"]:
    os.write(fd, typed.encode())
    wait(expected)
if plan["ends"]:
    end = time.time() + 60
    while True:
        if time.time() > end:
            sys.exit("it does not end, saw %r" % seen[-500:])
        if not select.select([fd], [], [], 0.05)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    status = os.waitpid(pid, 0)[1]
    sys.stdout.write("status %d\n" % os.waitstatus_to_exitcode(status))
sys.stdout.write(seen.decode(errors="replace"))
"#;

/// What a REPL in a terminal showed; `None` where there is no Python.
fn typed(
    home: &Path,
    env: &[(&str, &str)],
    answers: &str,
    steps: &[(&str, &str)],
) -> Option<String> {
    let python = common::python()?;
    let mut all = serde_json::Map::new();
    for (name, value) in [("TERM", "xterm-256color"), ("NO_COLOR", ""), ("TMUX", "")] {
        all.insert(name.into(), value.into());
    }
    for (name, value) in env {
        all.insert((*name).into(), (*value).into());
    }
    all.insert("XDG_STATE_HOME".into(), home.display().to_string().into());
    let plan = serde_json::json!({ "env": all, "steps": steps, "answers": answers, "ends": true });
    let path = home.join("plan.json");
    std::fs::write(&path, plan.to_string()).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_spatia"));
    Some(common::run_python(&python, TERMINAL, &[binary, &path]))
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

const FIGURE: &str =
    "plot::spatial(sim::tissue(#{ spots: 60, genes: 20, seed: 1 }), \"domain_true\")\r";

#[test]
fn a_session_in_a_terminal() {
    let home = home();
    let steps = [
        ("", "> "),
        ("let x = 40 + 2\r", "[2]"),
        ("x\r", "\n42"),
        // A function over lines; Enter runs it where it is whole.
        ("fn f(a) {\r", "\n"),
        ("a + x\r", "\n"),
        ("}\r", "[4]"),
        ("f(1)\r", "\n43"),
        // Ctrl-C clears the line, and stops a cell that would run for ever.
        ("half a line\x03", "[5]"),
        ("print(\"run\" + \"ning\"); loop { }\r", "running"),
        ("\x03", "nterrupted"),
        ("x + 1\r", "\n43"),
        ("nothing\r", "[8]"),
        // Ctrl-R finds the first cell, Enter runs it again.
        ("\x12", "search"),
        ("40 +\r", "[9]"),
        // Bracketed paste: nothing runs before Enter.
        ("\x1b[200~let y = [\n  1,\n\n\n  2]\x1b[201~\r", "[10]"),
        ("y.len()\r", "\n2"),
        ("\x04", ""),
    ];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(seen.starts_with("status 0\n"), "{seen}");
    assert!(seen.contains("\x1b[?2004h"), "bracketed paste is asked for");
    assert!(seen.contains("\x1b[31m"), "errors are red");
    let kept = std::fs::read_to_string(home.path().join("spatia/history")).unwrap();
    let lines: Vec<&str> = kept.lines().collect();
    assert_eq!(lines[1..4], ["let x = 40 + 2", "x", "fn f(a) {\\na + x\\n}"]);
    assert!(!kept.contains("half a line"));
}

#[test]
fn colours_can_be_turned_off() {
    let home = home();
    // What is typed while a cell runs is echoed behind a prompt of our own.
    let busy = "print(\"bu\" + \"sy\"); for i in 0..300000 { }\r";
    let steps =
        [("", "> "), ("let x = nothing\r", "[2] > "), (busy, "busy"), ("6 * 7\rexit\r", "")];
    let Some(seen) = typed(home.path(), &[("NO_COLOR", "1")], "", &steps) else { return };
    assert!(seen.contains("\n42"), "{seen:?}");
    for colour in ["\x1b[31m", "\x1b[32m", "\x1b[35m", "\x1b[2m"] {
        assert!(!seen.contains(colour), "{seen:?}");
    }
}

#[test]
fn what_is_typed_while_a_cell_runs_is_kept() {
    let home = home();
    let busy = "for i in 0..200000 { }; print(\"bu\" + \"sy\"); for i in 0..2000000 { }\r";
    let steps =
        [("", "> "), (busy, "busy"), ("print(6 * 7)\rprint(6 * 8)\r", "\n48"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(seen.contains("\n42"), "{seen}");
}

#[test]
fn several_at_once_keep_their_history() {
    let home = home();
    let Some(_) = typed(home.path(), &[], "", &[("", "> "), ("1001\r", "\n1001"), ("\x04", "")])
    else {
        return;
    };
    let rows = |own: &str| {
        let mut rows = vec![(String::new(), "> ".to_owned())];
        rows.extend((0..5).map(|i| (format!("{own}{i}\r"), format!("\n{own}{i}"))));
        rows.push(("\x04".into(), String::new()));
        rows
    };
    std::thread::scope(|threads| {
        for own in ["20", "30", "40"] {
            let folder = home.path();
            threads.spawn(move || {
                let rows = rows(own);
                let steps: Vec<_> = rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                // The plans lie in folders of their own, the history in one.
                let plans = tempfile::tempdir().unwrap();
                std::os::unix::fs::symlink(folder.join("spatia"), plans.path().join("spatia"))
                    .unwrap();
                typed(plans.path(), &[], "", &steps);
            });
        }
    });
    let kept = std::fs::read_to_string(home.path().join("spatia/history")).unwrap();
    for own in ["1001", "200", "204", "300", "304", "400", "404"] {
        assert!(kept.lines().any(|l| l == own), "{own}: {kept}");
    }
}

#[test]
fn figures_show_as_the_terminal_can() {
    // What the terminal answers when asked, what is set, and what must be written.
    let kitty = "\x1b_Gi=31;OK\x1b\\\x1b[?62;c";
    for (answers, variable, value, shown) in [
        ("\x1b[?62;22c", "SPATIA_IMAGES", "", "\u{2584}"),
        ("\x1b[?62;4;22c", "SPATIA_IMAGES", "", "\x1bPq\"1;1;"),
        (kitty, "SPATIA_IMAGES", "", "\x1b_Ga=T,f=100,q=2,"),
        ("", "SPATIA_IMAGES", "iterm", "\x1b]1337;File=inline=1;"),
        ("", "TERM", "xterm-kitty", "\x1b_Ga=T,f=100,q=2,"),
        // A terminal that never answers gets half blocks.
        ("", "SPATIA_IMAGES", "", "\u{2584}"),
    ] {
        let home = home();
        let steps = [("", "> "), (FIGURE, "a map"), ("1 + 1\r", "\n2"), ("\x04", "")];
        let Some(seen) = typed(home.path(), &[(variable, value)], answers, &steps) else { return };
        assert!(seen.contains(shown), "{value} {answers:?}: no {shown:?}");
        // Nothing of the answer is taken for input.
        assert!(!seen.contains("?62;"), "an answer was taken for input");
    }
    let home = home();
    let steps = [("", "> "), (FIGURE, "a map"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[("SPATIA_IMAGES", "off")], "", &steps) else { return };
    assert!(!seen.contains('\u{2584}') && !seen.contains("\x1b_G"), "no picture was wanted");
}

#[test]
fn kitty_gets_the_figure_whole() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let home = home();
    let steps = [("", "> "), (FIGURE, "a map"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[("SPATIA_IMAGES", "kitty")], "", &steps) else { return };
    let pieces = seen.split("\x1b_G").skip(1).map(|p| p.split("\x1b\\").next().unwrap());
    let code: String = pieces.map(|p| p.split_once(';').unwrap().1).collect();
    let png = BASE64_STANDARD.decode(code).unwrap();
    assert!(image::load_from_memory(&png).unwrap().width() > 100);
}
