//! `spatia repl`: a line editor over a session, its history kept per user.
//!
//! Where standard input is no terminal, cells are read from it and run one after the other, without
//! prompts; the first that fails ends the process with exit code 1, as a script would.

mod colour;
mod early;
mod helper;
mod history;
mod piped;

use std::io::ErrorKind;
use std::sync::Arc;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use super::journal::Carrier;
use super::session::{Effect, Said};
use super::streams::{out, say};
use super::{Exit, Session, console, info, signals, terminal, tty};
use helper::Lines;

/// Reads, evaluates and shows until the input ends.
///
/// # Errors
/// The terminal cannot be read.
pub fn run() -> anyhow::Result<Exit> {
    terminal::install();
    let console = Arc::new(console::Terminal::default());
    let session = Session::new(console.clone());
    if tty::is_interactive() {
        Repl::new(session, console)?.run()
    } else {
        Ok(piped::run(session, &console))
    }
}

/// Runs a cell and shows what it gave.
fn evaluate(session: &mut Session, console: &console::Terminal, text: &str) -> Said {
    console.begin();
    let said = session.cell(text);
    match &said.outcome {
        Ok(Some(shown)) => console.show(shown),
        Ok(None) => {}
        Err(e) => say(&colour::error(&session.traceback(e))),
    }
    said
}

struct Repl {
    session: Session,
    console: Arc<console::Terminal>,
    editor: Editor<Lines, FileHistory>,
    history: history::File,
    /// What the next prompt begins with.
    next: String,
    /// What was typed while cells ran and is not run yet.
    typed: String,
    asked: early::Asked,
}

impl Repl {
    fn new(session: Session, console: Arc<console::Terminal>) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(history::ENTRIES)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Lines::new(session.names())));
        let asked = early::Asked::default();
        let (key, ends) = early::binding(&asked);
        editor.bind_sequence(key, ends);
        let history = history::File::load(&mut editor);
        Ok(Self {
            session,
            console,
            editor,
            history,
            next: String::new(),
            typed: String::new(),
            asked,
        })
    }

    fn run(&mut self) -> anyhow::Result<Exit> {
        signals::keep_session();
        out(&format!("Spatia {}   :help says what there is, Ctrl-D quits\n", info::version()));
        self.session.keep_journal(Carrier::Repl);
        if let Some(offer) = self.session.journal().offer() {
            out(&format!("{offer}\n"));
        }
        while !signals::stopped() {
            let text = match self.read() {
                Ok(text) => text,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => break,
                Err(ReadlineError::Io(e)) if e.kind() == ErrorKind::InvalidData => {
                    say(
                        "What was typed is no UTF-8, and the line is dropped. Is the terminal set to UTF-8?",
                    );
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            if text.trim().is_empty() {
                continue;
            }
            // The history is on disk, which may take its time: Ctrl-C is meant for the cell already.
            let said = signals::while_running(|| {
                self.history.keep(&mut self.editor, &text);
                evaluate(&mut self.session, &self.console, &text)
            });
            match said.effect {
                Some(Effect::Quit(code)) => return Ok(Exit::Asked(code)),
                Some(Effect::NextInput(text)) => self.next = text,
                None => {}
            }
        }
        if !signals::stopped() {
            return Ok(Exit::Success);
        }
        self.session.journal().leave_open();
        Ok(Exit::Interrupted)
    }

    /// The next cell: typed ahead, or asked for.
    fn read(&mut self) -> rustyline::Result<String> {
        let prompt = colour::prompt(self.session.count() + 1);
        self.typed += &tty::typed_ahead();
        if self.typed.trim_start_matches('\n').starts_with(tty::END) {
            return Err(ReadlineError::Eof);
        }
        if self.next.is_empty()
            && let Some(text) = first_cell(&mut self.typed)
        {
            out(&format!("{}{text}\n", prompt.1));
            return Ok(text);
        }
        self.typed.retain(|c| c != tty::END);
        let mut begun = std::mem::take(&mut self.next);
        begun.push_str(&std::mem::take(&mut self.typed));
        self.asked.now();
        self.editor.readline_with_initial(&prompt, (&begun, ""))
    }
}

/// Takes the lines off the front that make a whole cell.
fn first_cell(typed: &mut String) -> Option<String> {
    let ends = typed.match_indices('\n').map(|(end, _)| end);
    let end = ends.into_iter().find(|end| {
        let text = &typed[..*end];
        !text.trim().is_empty() && Session::is_complete(text)
    })?;
    let text = typed[..end].to_owned();
    typed.drain(..=end);
    Some(text)
}
