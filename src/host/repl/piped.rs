//! Cells from a pipe or a file: `spatia repl < cells.rhai`.

use super::evaluate;
use crate::base::Kind;
use crate::host::cell::Cell;
use crate::host::session::Effect;
use crate::host::{Exit, Session, console, signals, tty};
use crate::script::source;

/// Runs the cells one after the other, each as soon as it is whole, until one fails.
pub fn run(mut session: Session, console: &console::Terminal) -> Exit {
    let mut text = String::new();
    loop {
        let line = tty::read_line().ok().flatten();
        let ended = line.is_none();
        text += &line.unwrap_or_default();
        if !ended
            && (!Session::is_complete(text.strip_suffix('\n').unwrap_or(&text)) || goes_on(&text))
        {
            continue;
        }
        let cell = std::mem::take(&mut text);
        let cell = cell.trim_end();
        if !cell.is_empty() {
            let said = signals::while_running(|| evaluate(&mut session, console, cell));
            if let Some(Effect::Quit(code)) = said.effect {
                return Exit::Asked(code);
            }
            match said.outcome {
                Err(e) if e.kind == Kind::Interrupted => return Exit::Interrupted,
                Err(_) => return Exit::Failure,
                Ok(_) => {}
            }
        }
        if ended {
            return if signals::stopped() { Exit::Interrupted } else { Exit::Success };
        }
    }
}

/// Whether the line that comes next, if it is there already, belongs to the text: `else`, `.f()`.
fn goes_on(text: &str) -> bool {
    let text = text.trim_end();
    let Some(next) = tty::next_line() else { return false };
    let is_code = |text: &str| matches!(Cell::parse(text), Cell::Code(_));
    if text.is_empty()
        || text.ends_with(';')
        || next.trim().is_empty()
        || !is_code(text)
        || !is_code(&next)
    {
        return false;
    }
    let ended = source::complete(text).trim_end().len();
    let joined = source::complete(&format!("{text}\n{next}"));
    joined.as_bytes().get(ended) != Some(&b';')
}
