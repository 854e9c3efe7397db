//! `spatia run SCRIPT [--name value ...]`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::streams::say;
use super::{Exit, Session, console, report, signals, terminal};
use crate::base::{Kind, files, text};
use crate::script::{Failure, Param, Signature};

/// Checks the arguments against what the script declares, then runs it.
pub fn run(script: &Path, arguments: &[String]) -> Exit {
    let name = script.display().to_string();
    let text = match files::read_text(script) {
        Ok(text) => text,
        Err(e) => return refuse(&e.to_string(), Exit::Failure),
    };
    let mut session = Session::new(Arc::new(console::Terminal::default()));
    let signature = match session.signature(&text, &name) {
        Ok(signature) => signature,
        Err(e) => return fail(&e, &session),
    };
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        return print(&help(&name, &signature));
    }
    match signature.bind(arguments) {
        Ok(values) => session.give(values),
        Err(e) => return refuse(&format!("{e}\nSee: spatia run {name} --help"), Exit::Usage),
    }
    terminal::install();
    match signals::while_running(|| session.eval(&text, &name)) {
        Ok(_) => session.take_ended().map_or(Exit::Success, Exit::Asked),
        Err(e) => fail(&e, &session),
    }
}

/// Writes a text to standard output, which may be a full disk.
pub fn print(text: &str) -> Exit {
    match std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()) {
        Ok(()) => Exit::Success,
        Err(e) => refuse(&format!("writing to standard output: {e}"), Exit::Failure),
    }
}

fn refuse(message: &str, exit: Exit) -> Exit {
    say(&format!("error: {}", text::readable(message)));
    exit
}

/// Prints a failure and chooses the exit code.
pub fn fail(failure: &Failure, session: &Session) -> Exit {
    if failure.kind == Kind::Interrupted {
        say(&failure.message);
        return Exit::Interrupted;
    }
    refuse(report::render(failure, session).trim_start_matches("error: "), Exit::Failure)
}

fn help(name: &str, signature: &Signature) -> String {
    let mut out = String::new();
    if !signature.summary.is_empty() {
        out += &format!("{}\n\n", signature.summary);
    }
    out += &format!("Usage: spatia run {name} [--name value ...]\n");
    out += &parameter_lines(signature);
    out
}

/// The parameters with their types, meanings and defaults; nothing where there are none.
pub(super) fn parameter_lines(signature: &Signature) -> String {
    let mut out = String::new();
    if !signature.params.is_empty() {
        out += "\nParameters:\n";
    }
    let rows: Vec<(String, &Param)> =
        signature.params.iter().map(|p| (format!("--{} {}", p.name, p.type_name()), p)).collect();
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, p) in rows {
        let default =
            if p.default.is_null() { "required".into() } else { format!("default {}", p.default) };
        out += &format!("  {left:width$}  {} [{default}]\n", p.doc);
    }
    out
}
