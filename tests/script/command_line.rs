//! The binary: parameters, messages, exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::common;

fn spatia(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spatia")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn script(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.rhai");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const GREETING: &str = "//! Greets.\n//! Twice.\nlet who = param(\"who\", (), \"Whom to greet\")
let times = param(\"times\", 2, \"How often\")
let scale = param(\"scale\", 0.5, \"A number\")
let loud = param(\"loud\", false, \"Whether to shout\")
let data_path = param(\"data_path\", \"here\", \"A path\")
print(`${who} ${times} ${scale} ${loud} ${data_path}`)\n";

#[test]
fn parameters_are_read_in_every_form() {
    let (_keep, path) = script(GREETING);
    let path = path.to_str().unwrap();
    for (args, expected) in [
        (&["--who", "you"][..], "you 2 0.5 false here\n"),
        (&["--who=you", "--times=-3"], "you -3 0.5 false here\n"),
        (&["--who", "you", "--times", "-3", "--scale", "-1e-3"], "you -3 -0.001 false here\n"),
        (&["--who", "you", "--scale", "2"], "you 2 2.0 false here\n"),
        (&["--loud", "--who", "you"], "you 2 0.5 true here\n"),
        (&["--loud", "true", "--who", "you"], "you 2 0.5 true here\n"),
        (&["--loud=false", "--who", "a b"], "a b 2 0.5 false here\n"),
        (&["--data-path", "/x=y", "--who", ""], " 2 0.5 false /x=y\n"),
    ] {
        let out = spatia(&[&["run", path], args].concat());
        assert_eq!(text(&out.stdout), expected, "{args:?} {}", text(&out.stderr));
        assert_eq!(out.status.code(), Some(0));
    }
}

#[test]
fn a_script_chooses_its_exit_code() {
    for (end, code, said) in [
        ("exit()", 0, ""),
        ("exit(3)", 3, ""),
        ("fn refuse() { try { exit(255) } catch { print(\"caught\") } }\nrefuse()", 255, ""),
        ("exit(256)", 1, "an exit code from 0 to 255, found 256"),
        ("exit(\"no spots\")", 1, "throw it"),
        ("throw \"no spots\"", 1, "no spots"),
        ("fixed(1.0, -1)", 1, "0 to 17 decimal places, found -1"),
        ("let x = 1\n/* no end", 1, "this one has no end"),
    ] {
        let (_keep, path) = script(&format!("{end}\nprint(\"went on\")\n"));
        let out = spatia(&["run", path.to_str().unwrap()]);
        let (printed, errors) = (text(&out.stdout), text(&out.stderr));
        assert_eq!((printed.as_str(), out.status.code()), ("", Some(code)), "{end}: {errors}");
        assert!(errors.contains(said) && errors.is_empty() == said.is_empty(), "{end}: {errors}");
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_runs() {
    let (_keep, path) = script(&format!("print(\"ran\")\n{GREETING}"));
    let path = path.to_str().unwrap();
    for (args, expected) in [
        (&[][..], "--who"),
        (&["--who"], "a value"),
        (&["--who", "--loud"], "a value"),
        (&["--who", "you", "--tims", "3"], "Did you mean 'times'"),
        (&["--who", "you", "--times", "3.5"], "integer"),
        (&["--who", "you", "--loud", "maybe"], "true|false"),
        (&["--who", "you", "--times", "three"], "integer"),
        (&["--who", "you", "--scale", "wide"], "number"),
        (&["--who", "you", "--loud=maybe"], "true|false"),
        (&["--who", "you", "--who", "me"], "twice"),
        (&["you"], "--name value"),
    ] {
        let out = spatia(&[&["run", path], args].concat());
        let said = text(&out.stderr);
        assert!(said.contains(expected) && said.starts_with("error: "), "{args:?}: {said}");
        assert_eq!((out.status.code(), text(&out.stdout)), (Some(2), String::new()), "{args:?}");
    }
}

#[test]
fn help_lists_the_parameters() {
    let (_keep, path) = script(GREETING);
    let out = spatia(&["run", path.to_str().unwrap(), "--help"]);
    let said = text(&out.stdout);
    assert!(said.starts_with("Greets.\nTwice.\n"), "{said}");
    for line in [
        "--who text",
        "Whom to greet [required]",
        "--times integer",
        "[default 2]",
        "--scale number",
        "--loud true|false",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn a_parameter_that_is_not_literal_is_an_error_with_its_place() {
    for (line, expected) in [
        ("let a = param(\"a\", 1 + 1, \"doc\")", "literal"),
        ("let n = \"a\"\nlet a = param(n, 1, \"doc\")", "literals"),
        ("let a = param(\"a\", 1)", "literals"),
        ("let a = param(\"a\", 1, \"doc\")\nlet b = param(\"a\", 1, \"doc\")", "twice"),
    ] {
        let (_keep, path) = script(line);
        let out = spatia(&["run", path.to_str().unwrap()]);
        let said = text(&out.stderr);
        assert!(said.contains(expected) && said.contains("script.rhai:"), "{said}");
        assert_eq!(out.status.code(), Some(1));
    }
}

#[test]
fn a_failure_shows_the_line_with_a_caret() {
    let (_keep, path) = script("let a = 1\nfn f() {\n    data::read(\"nowhere.h5ad\")\n}\nf()\n");
    let out = spatia(&["run", path.to_str().unwrap()]);
    let said = text(&out.stderr);
    assert!(
        said.contains(
            "script.rhai:3:11\n  |\n3 |     data::read(\"nowhere.h5ad\")\n  |           ^"
        ),
        "{said}"
    );
    assert!(said.contains("in f\n"), "{said}");
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(1), String::new()));
}

#[test]
fn a_missing_script_and_a_missing_command_are_told_apart() {
    let out = spatia(&["run", "/nowhere/at/all.rhai"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("/nowhere/at/all.rhai"));
    assert_eq!(spatia(&["runn"]).status.code(), Some(2));
    assert_eq!(spatia(&["run"]).status.code(), Some(2));
    assert_eq!(spatia(&[]).status.code(), Some(2));
    assert_eq!(spatia(&["--help"]).status.code(), Some(0));
}

#[test]
fn version_and_info_say_what_runs() {
    let version = text(&spatia(&["--version"]).stdout);
    assert!(version.starts_with(concat!("spatia ", env!("CARGO_PKG_VERSION"))), "{version}");
    let info = text(&spatia(&["info"]).stdout);
    for name in ["spatia", "libtorch", "rhai      1.27.0", "hdf5", "cpu", "cuda", "memory"] {
        assert!(info.contains(name), "{info}");
    }
}

#[test]
fn an_import_is_found_beside_the_script() {
    let (folder, path) = script("import \"helper\" as h\nprint(h::twice(4))\nprint(h::broken())\n");
    std::fs::write(
        folder.path().join("helper.rhai"),
        "fn twice(x) {\n  let y = x\n  y * 2\n}\nfn broken() {\n  nothing\n}\n",
    )
    .unwrap();
    let out = spatia(&["run", path.to_str().unwrap()]);
    assert_eq!(text(&out.stdout), "8\n");
    let said = text(&out.stderr);
    assert!(said.contains("helper.rhai:6:3") && said.contains("  nothing\n"), "{said}");
}

#[test]
fn modules_that_import_each_other_are_an_error() {
    let (folder, path) = script("import \"one\" as one\n");
    std::fs::write(folder.path().join("one.rhai"), "import \"two\" as two\n").unwrap();
    std::fs::write(folder.path().join("two.rhai"), "import \"one\" as one\n").unwrap();
    let out = spatia(&["run", path.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("in a circle"), "{}", text(&out.stderr));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    use std::io::Write;
    let (folder, path) = script("loop { print(\"more\") }\n");
    let book = folder.path().join("book.ipynb");
    std::fs::write(&book, r#"{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}"#)
        .unwrap();
    let (path, book) = (path.to_str().unwrap(), book.to_str().unwrap());
    for args in [
        &["run", path][..],
        &["run", path, "--help"],
        &["notebook", "run", book, "--help"],
        &["docs", "reference"],
        &["info"],
        &["--version"],
        &["repl"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(env!("CARGO_BIN_EXE_spatia"))
            .args(args)
            .env("XDG_STATE_HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"1 + 1\nprint(1)\n").ok();
        let out = child.wait_with_output().unwrap();
        assert!(!out.status.success(), "{args:?}");
        assert!(text(&out.stderr).is_empty(), "{args:?} {}", text(&out.stderr));
    }
}

#[test]
fn the_console_reads_lines_from_a_pipe() {
    use std::io::Write;
    let state = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_spatia"))
        .arg("repl")
        .env("XDG_STATE_HOME", state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"let a = param(\"n\", 20, \"doc\")\nlet b = [a,\n2]\nb\na + 1\nnothing\nb\n")
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(text(&out.stdout), "[20, 2]\n21\n");
    assert!(text(&out.stderr).contains("no variable 'nothing'"));
    assert_eq!(out.status.code(), Some(1));
}

/// A training that goes on for hours, once its first epoch is over.
#[cfg(unix)]
fn training(
    (spots, genes): (usize, usize),
    more: &str,
) -> (TempDir, std::process::Child, impl Iterator<Item = String>) {
    let (folder, path) = script(&format!(
        "let ds = sim::tissue(#{{ spots: {spots}, genes: {genes}, domains: 3 }})
let g = models::prepare(ds, #{{}})
let model = models::gvae(ds, #{{ hidden_dim: 32, latent_dim: 4, device: \"cpu\" }})
train::fit(model, ds, g, #{{ epochs: 100000, log_interval: 1{more} }})\n",
    ));
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.args([Path::new("run"), &path]).current_dir(folder.path()).stderr(Stdio::piped());
    let mut child = common::heeding(&mut command, true).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|l| l.starts_with("training 1/")));
    (folder, child, lines)
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_with_its_number_and_a_resumable_checkpoint() {
    // The large one is caught amid a pass of libtorch, which is left behind as the process ends.
    for (name, size, code, called) in [
        ("-INT", (200, 100), 130, "(Ctrl-C)"),
        ("-TERM", (200, 100), 143, "(SIGTERM)"),
        ("-HUP", (200, 100), 129, "(SIGHUP)"),
        ("-INT", (1500, 1500), 130, "(Ctrl-C)"),
    ] {
        let (folder, mut child, lines) = training(size, ", checkpoints: \"run\"");
        signal(&child, name);
        let said: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{said:?}");
        let last = said.last().unwrap();
        assert!(last.contains("--resume") && last.contains(called), "{said:?}");
        assert_eq!(std::fs::read_dir(folder.path().join("run")).unwrap().count(), 1);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_script_that_waits_for_a_line() {
    let (_keep, path) = script("print(\"ready\")\ninput(\"\")\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.args([Path::new("run"), &path]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = common::heeding(&mut command, true).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    signal(&child, "-INT");
    // `wait` would close the pipe first.
    let open = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(open);
}

#[cfg(unix)]
#[test]
fn what_nohup_has_it_ignore_stays_ignored() {
    use std::io::{BufRead, BufReader, Write};
    let (_keep, path) =
        script("print(\"ready\")\ninput(\"\")\nfor i in 0..300000 { }\nprint(\"end\")\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.args([Path::new("run"), &path]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = common::heeding(&mut command, false).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "ready");
    signal(&child, "-HUP");
    signal(&child, "-INT");
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert_eq!(lines.next().as_deref(), Some("end"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_at_once_where_the_first_was_not_heard() {
    // Nobody reads what it writes, and it waits for that.
    let (_folder, path) = script("print(\"begun\")\nloop { print(\"on and on\") }\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatia"));
    command.arg("run").arg(&path).stdout(Stdio::piped());
    let mut child = common::heeding(&mut command, true).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut out, &mut [0; 5]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    // Two at once are one wish, and so is what comes within a second.
    signal(&child, "-INT");
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(1200));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[test]
fn signals_that_come_together_lose_no_checkpoint() {
    for pair in [["-INT", "-INT"], ["-TERM", "-HUP"]] {
        let (folder, mut child, lines) = training((1500, 1500), ", checkpoints: \"run\"");
        pair.iter().for_each(|name| signal(&child, name));
        let said: Vec<String> = lines.collect();
        child.wait().unwrap();
        assert!(said.last().unwrap().contains("--resume"), "{pair:?}: {said:?}");
        assert_eq!(std::fs::read_dir(folder.path().join("run")).unwrap().count(), 1);
    }
}
