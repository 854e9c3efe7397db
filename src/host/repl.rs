//! `spatia repl`: a line editor over a session, its history kept per user.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Editor, Helper};

use super::{Exit, Session, report, signals, terminal};

/// Asks for more lines while a bracket is open or the last line is not finished.
struct Lines;

impl Helper for Lines {}

impl Completer for Lines {
    type Candidate = String;
}

impl Highlighter for Lines {}

impl Hinter for Lines {
    type Hint = String;
}

impl Validator for Lines {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let complete = Session::is_complete(context.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Reads, evaluates and shows until the input ends.
///
/// # Errors
/// The terminal cannot be read.
pub fn run() -> anyhow::Result<Exit> {
    let config = Config::builder().max_history_size(10_000)?.history_ignore_space(true).build();
    let mut editor: Editor<Lines, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Lines));
    let history = history();
    if let Some(file) = &history {
        // The first time there is none.
        editor.load_history(file).ok();
    }
    terminal::install();
    let mut session = Session::new(|text| println!("{text}"));
    for entry in 1.. {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(e.into()),
        };
        if line.trim().is_empty() {
            continue;
        }
        editor.add_history_entry(&line)?;
        if let Some(file) = &history
            && let Err(e) = editor.append_history(file)
        {
            eprintln!("the history is not kept: {}: {e}", file.display());
        }
        match signals::while_running(|| session.eval(&line, &format!("[{entry}]"))) {
            Ok(Some(shown)) => println!("{}", shown.text),
            Ok(None) => {}
            Err(e) => eprintln!("{}", report::render(&e, &session)),
        }
    }
    Ok(Exit::Success)
}

/// `$XDG_STATE_HOME/spatia/history`, by default under `~/.local/state`.
fn history() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let state =
        state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let folder = state.join("spatia");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
