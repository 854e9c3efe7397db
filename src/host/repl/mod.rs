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
use crate::base::Kind;
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
    asked: early::Asked,
}

impl Repl {
    fn new(session: Session, console: Arc<console::Terminal>) -> rustyline::Result<Self> {
        let asked = early::Asked::default();
        let mut editor = editor(&session, &asked)?;
        let history = history::File::load(&mut editor);
        Ok(Self { session, console, editor, history, next: String::new(), asked })
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
            let asked = self.console.has_asked();
            let stopped = said.outcome.is_err_and(|e| e.kind == Kind::Interrupted);
            match said.effect {
                Some(Effect::Quit(code)) => return Ok(Exit::Asked(code)),
                Some(Effect::NextInput(text)) => self.next = text,
                None => {}
            }
            // Lines that came with the cell's and were not for this: to go on, to be the answer (a
            // password maybe), to run what is put before the user.
            if stopped || asked || !self.next.is_empty() {
                self.forget_ahead()?;
            }
        }
        if !signals::stopped() {
            return Ok(Exit::Success);
        }
        self.session.journal().leave_open();
        Ok(Exit::Interrupted)
    }

    /// The next cell. What was typed while one ran the editor reads as if it were typed now, unless
    /// a text stands there that the user has to see before it runs.
    fn read(&mut self) -> rustyline::Result<String> {
        let prompt = colour::prompt(self.session.count() + 1);
        let begun = match std::mem::take(&mut self.next) {
            text if text.is_empty() => tty::typed_meanwhile(),
            text => format!("{text}{}", tty::typed_ahead()),
        };
        self.asked.now();
        self.editor.readline_with_initial(&prompt, (&begun, ""))
    }

    /// Lets go of what the editor has read behind the last line.
    fn forget_ahead(&mut self) -> rustyline::Result<()> {
        let mut editor = editor(&self.session, &self.asked)?;
        std::mem::swap(editor.history_mut(), self.editor.history_mut());
        self.editor = editor;
        Ok(())
    }
}

/// An editor without history. It keeps what it reads behind the end of a line for the next one
/// (rustyline's feature `buffer-redux`).
fn editor(
    session: &Session,
    asked: &early::Asked,
) -> rustyline::Result<Editor<Lines, FileHistory>> {
    let config = Config::builder()
        .max_history_size(history::ENTRIES)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Lines::new(session.names())));
    let (key, ends) = early::binding(asked);
    editor.bind_sequence(key, ends);
    Ok(editor)
}
