//! `spatia repl`: cells from a pipe, a session in a terminal.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::common;

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
fn a_line_that_the_buffer_cuts_is_taken_whole() {
    for cut in 1..8 {
        let start = "if 1 > 5 { \"big\" }\n";
        let padding = "x".repeat(8192 - start.len() - "// \n".len() - cut);
        let out = piped(&format!("// {padding}\n{start}  else {{ \"small\" }}\n"));
        assert_eq!(text(&out.stdout), "\"small\"\n", "{cut}: {}", text(&out.stderr));
    }
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
fn a_signal_ends_piped_cells_with_its_own_number() {
    let run = |name: &str| {
        let home = home();
        let mut command = command(home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = common::heeding(&mut command, true).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"print(\"ready\"); loop { }\n").unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0; 6]).unwrap();
        Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
        let out = child.wait_with_output().unwrap();
        (out.status.code(), text(&out.stderr))
    };
    for (name, code, said) in
        [("-INT", 130, "(Ctrl-C)"), ("-TERM", 143, "(SIGTERM)"), ("-HUP", 129, "(SIGHUP)")]
    {
        let (found, stderr) = run(name);
        assert_eq!(found, Some(code), "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
    }
}

#[test]
fn words_that_end_a_session() {
    for word in ["exit", "quit", "exit()", "quit();", ":quit", ":q"] {
        let out = piped(&format!("{word}\nprint(2)\n"));
        assert_eq!((text(&out.stdout), out.status.code()), (String::new(), Some(0)), "{word}");
    }
    let out = piped("if 2 > 1 { exit(3) }\nprint(2)\n");
    assert_eq!((text(&out.stdout), out.status.code()), (String::new(), Some(3)));
    let out = piped("let quit = 3\nquit\n");
    assert_eq!(text(&out.stdout), "3\n");
}

#[test]
fn a_path_in_the_home_folder_is_one_for_save_and_restore_too() {
    let home = tempfile::tempdir().unwrap();
    let run = |cells: &str| {
        let mut repl = command(home.path());
        let mut repl = repl
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        repl.stdin.take().unwrap().write_all(cells.as_bytes()).unwrap();
        text(&repl.wait_with_output().unwrap().stdout)
    };
    run("let x = 5\n:save ~/kept.rhai\n");
    assert!(home.path().join("kept.rhai").exists() && !home.path().join("~").exists());
    let said = run(":restore ~/kept.rhai\nprint(x)\n");
    assert!(said.ends_with("5\n"), "{said}");
}

#[test]
fn figures_are_text_where_output_is_piped() {
    let out = piped("plot::spatial(sim::tissue(#{ spots: 60, genes: 20 }), \"domain_true\")\n");
    let said = text(&out.stdout);
    assert!(said.contains("Figure") && !said.contains('\x1b'), "{said:?}");
}

/// A terminal that a test types into: `steps` are pairs of what is typed and what must then be
/// seen. `<TERM>` is a signal; `<HOLD>` keeps the history's file from the REPL until `<FREE>`.
const TERMINAL: &str = r#"
import os, pty, sys, time, select, struct, fcntl, termios, json, signal
binary, plan = sys.argv[1], json.load(open(sys.argv[2]))
pid, fd = pty.fork()
if pid == 0:
    if largest := int(plan["env"].get("LARGEST_FILE", 0)):
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    os.environ.update(plan["env"])
    if errors := plan["env"].get("ERRORS_TO"):
        os.dup2(os.open(errors, os.O_WRONLY), 2)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
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
begun, history = termios.tcgetattr(fd)[3], None
for typed, expected in plan["steps"]:
    if typed == "<TERM>":
        os.kill(pid, signal.SIGTERM)
    elif typed == "<HOLD>":
        history = open(plan["env"]["XDG_STATE_HOME"] + "/spatia/history")
        fcntl.flock(history, fcntl.LOCK_EX)
    elif typed == "<FREE>":
        # The REPL gets to the file before Ctrl-C comes, and the Ctrl-C to the REPL before the file is free.
        time.sleep(0.5)
        os.write(fd, b"\x03")
        time.sleep(0.5)
        history.close()
    else:
        os.write(fd, typed.encode().replace(b"<E9>", b"\xe9"))
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
    if termios.tcgetattr(fd)[3] != begun:
        sys.stdout.write("the terminal was left changed\n")
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

/// What a new prompt begins with, once keys are read again: those sent along with a Ctrl-C are lost.
const PROMPT: &str = "\x1b[?2004h";

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
        ("f(1)\r", "[5]"),
        // Ctrl-C clears the line, and stops a cell that would run for ever.
        ("half a line\x03", PROMPT),
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
fn sigterm_ends_a_session_that_waits_and_one_that_runs() {
    let busy = "print(\"run\" + \"ning\"); loop { }\r";
    let asks = "input(\"na\" + \"me?\")\r";
    for (last, seen) in [("half a line", "half a line"), (busy, "running"), (asks, "name?")] {
        let home = home();
        let steps = [("", "> "), ("let x = 41\r", "[2]"), (last, seen), ("<TERM>", "")];
        let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
        assert!(seen.starts_with("status 143\n"), "{last}: {seen}");
        assert!(!seen.contains("left changed"), "{last}: {seen}");
        assert!(seen.rfind("\x1b[?2004l") > seen.rfind(PROMPT), "{last}: {seen:?}");
        let kept = std::fs::read_to_string(home.path().join("spatia/history")).unwrap();
        assert!(kept.contains("let x = 41\n"), "{last}: {kept}");
        // Its user did not end it: the next one brings its cells back. Ctrl-C clears the cell that was
        // stopped, which stands there for editing.
        let again = [("", "> "), (":restore\r", PROMPT), ("\x03", PROMPT), ("x + 1\r", "\n42")];
        let again = [&again[..], &[("\x04", "")]].concat();
        let Some(seen) = typed(home.path(), &[], "", &again) else { return };
        assert!(seen.contains(":restore runs its 1 finished cell again"), "{last}: {seen}");
        assert!(seen.contains("1 cell ran again"), "{last}: {seen}");
    }
}

#[test]
fn ctrl_c_right_behind_enter_stops_the_cell() {
    let home = home();
    let steps = [
        ("", "> "),
        ("let x = 42\r", "[2]"),
        ("<HOLD>", ""),
        ("loop { }\r", "\x1b[?2004l"),
        ("<FREE>", "nterrupted"),
        ("x\r", "\n42"),
        ("\x04", ""),
    ];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(seen.starts_with("status 0\n"), "{seen}");
}

#[test]
fn what_is_typed_has_colours_and_a_hint_of_an_earlier_cell() {
    let home = home();
    let (line, shown) = ("let word = \"green\" // quiet", "\x1b[2mord = \"green\" // quiet\x1b[0m");
    let steps = [
        ("", "> "),
        (line, "\x1b[32m\"green\"\x1b[0m \x1b[2m// quiet\x1b[0m"),
        ("\r", "[2]"),
        (":vars", "\x1b[1m:vars\x1b[0m"),
        ("\r", "[3]"),
        ("for i in 0..12 { }", "\x1b[36m12\x1b[0m"),
        ("\r", "[4]"),
        // Right at the end of a line takes the hint.
        ("let w", shown),
        ("\x1b[C\r", "[5]"),
        ("\x04", ""),
    ];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(seen.starts_with("status 0\n"), "{seen}");
    assert!(seen.contains("\x1b[35mlet\x1b[0m") && seen.contains("\x1b[35mfor\x1b[0m"), "{seen:?}");
    let kept = std::fs::read_to_string(home.path().join("spatia/history")).unwrap();
    assert_eq!(kept.lines().filter(|l| *l == line).count(), 2, "{kept}");
}

#[test]
fn a_session_whose_errors_nobody_takes_goes_on() {
    let home = home();
    let steps = [
        ("", "> "),
        ("let x = 41\r", "[2]"),
        ("nothing; eprint(1)\r", "[3]"),
        ("eprint(\"a\"); x + 1\r", "\n42"),
        ("\x04", ""),
    ];
    let Some(seen) = typed(home.path(), &[("ERRORS_TO", "/dev/full")], "", &steps) else { return };
    assert!(seen.starts_with("status 0\n"), "{seen}");

    let path = home.path().join("fails.rhai");
    std::fs::write(&path, "eprint(1)\nnothing").unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_spatia"));
    let out = run.arg("run").arg(&path).stderr(full.try_clone().unwrap()).status().unwrap();
    assert_eq!(out.code(), Some(1));
    let mut version = Command::new(env!("CARGO_BIN_EXE_spatia"));
    let out = version.arg("--version").stdout(full).output().unwrap();
    let said = text(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("standard output"), "{said}");
}

#[test]
fn colours_can_be_turned_off() {
    let home = home();
    // What is typed while a cell runs is echoed behind a prompt of our own.
    let busy = "print(\"bu\" + \"sy\"); sleep(0.5)\r";
    let steps =
        [("", "> "), ("let x = nothing\r", "[2] > "), (busy, "busy"), ("6 * 7\rexit\r", "")];
    let Some(seen) = typed(home.path(), &[("NO_COLOR", "1")], "", &steps) else { return };
    assert!(seen.contains("\n42"), "{seen:?}");
    for colour in ["\x1b[31m", "\x1b[32m", "\x1b[35m", "\x1b[2m"] {
        assert!(!seen.contains(colour), "{seen:?}");
    }
}

#[test]
fn a_session_that_ends_well_without_a_disk_for_its_journal_leaves_none() {
    let home = home();
    let long = format!("let t = \"{}\"\r", "x".repeat(700));
    let steps =
        [("", "> "), ("1\r", "[2]"), (&long, "is not kept"), ("6 * 7\r", "\n42"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[("LARGEST_FILE", "600")], "", &steps) else { return };
    assert_eq!(seen.matches("is not kept").count(), 1, "{seen}");
    let left = std::fs::read_dir(home.path().join("spatia/sessions")).unwrap();
    assert_eq!(left.map(|f| f.unwrap().path()).collect::<Vec<_>>(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn the_first_tab_lists_what_there_is() {
    let home = home();
    // The notes of candidates end with a whole word.
    let steps = [("", "> "), ("graph::\t", "delaunay"), ("\x03", PROMPT), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    let listed = seen.lines().filter(|l| l.contains("graph::knn(")).collect::<Vec<_>>();
    assert!(listed.iter().any(|l| l.trim_end().ends_with('…')), "{seen}");
}

#[test]
fn a_byte_that_is_no_utf8_costs_its_line_and_not_the_session() {
    let home = home();
    let steps = [("", "> "), ("let kept = 41\r", "[2]"), ("caf<E9>\r", "UTF-8")];
    let steps = [&steps[..], &[("kept + 1\r", "\n42"), ("exit\r", "")]].concat();
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(seen.starts_with("status 0\n"), "{seen}");
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
fn lines_that_come_at_once_all_run_in_their_order() {
    let home = home();
    // More than the editor reads at a time, and cut within a line.
    let many = format!("let x = 1\r{}x * 2\r", "x += 1; // comes with others\r".repeat(80));
    let steps = [("", "> "), ("1 + 1\r20 + 1\r", "[3]"), (&many, "\n162"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(seen.starts_with("status 0\n") && seen.contains("\n2\r"), "{seen}");
    assert!(seen.contains("\n21\r"), "{seen}");
}

#[test]
fn lines_that_came_with_a_cell_are_dropped_where_they_might_do_harm() {
    let home = home();
    let file = home.path().join("next.rhai");
    std::fs::write(&file, "print(\"ran\" + \"it\");").unwrap();
    let load = format!("%load {}\r1 + 1\r", file.display());
    let steps = [
        ("", "> "),
        // What is put before the user is not run by the line behind.
        (&load, "\"it\""),
        ("\x03", PROMPT),
        // An interrupt is meant for all that was sent.
        ("print(\"run\" + \"ning\"); loop { }\rprint(\"la\" + \"te\")\r", "running"),
        ("\x03", "nterrupted"),
        // The answer, a password maybe, is no cell: it would be kept in the history.
        ("input_secret(\"se\" + \"cret?\").len()\rhidden\r", "secret?"),
        ("hid\r", "\n3"),
        ("6 * 7\r", "\n42"),
        ("\x04", ""),
    ];
    let Some(seen) = typed(home.path(), &[], "", &steps) else { return };
    assert!(!seen.contains("ranit") && !seen.contains("late\r"), "{seen}");
    let kept = std::fs::read_to_string(home.path().join("spatia/history")).unwrap();
    assert!(!kept.contains("hidden\n") && !kept.contains("print(\"la\""), "{kept}");
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
        let steps = [("", "> "), (FIGURE, "60 spots by"), ("1 + 1\r", "\n2"), ("\x04", "")];
        let Some(seen) = typed(home.path(), &[(variable, value)], answers, &steps) else { return };
        assert!(seen.contains(shown), "{value} {answers:?}: no {shown:?}");
        // Nothing of the answer is taken for input.
        assert!(!seen.contains("?62;"), "an answer was taken for input");
    }
    let home = home();
    let steps = [("", "> "), (FIGURE, "60 spots by"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[("SPATIA_IMAGES", "off")], "", &steps) else { return };
    assert!(!seen.contains('\u{2584}') && !seen.contains("\x1b_G"), "no picture was wanted");
}

#[test]
fn kitty_gets_the_figure_whole() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let home = home();
    let steps = [("", "> "), (FIGURE, "60 spots by"), ("\x04", "")];
    let Some(seen) = typed(home.path(), &[("SPATIA_IMAGES", "kitty")], "", &steps) else { return };
    let pieces = seen.split("\x1b_G").skip(1).map(|p| p.split("\x1b\\").next().unwrap());
    let code: String = pieces.map(|p| p.split_once(';').unwrap().1).collect();
    let png = BASE64_STANDARD.decode(code).unwrap();
    assert!(image::load_from_memory(&png).unwrap().width() > 100);
}
