//! What is about the session as a whole: `:save`, `:restore`, `%history`, `:clear`, `:restart`,
//! `:quit`.

use super::{Call, Said, Session};
use crate::base::Error;
use crate::host::journal::{self, State};
use crate::host::session::Effect;
use crate::host::typed;
use crate::script::Failure;

pub fn save(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    Ok(Said::text(journal::save(session, typed(call.rest))?))
}

/// The cell in which the session died is put before the user.
pub fn restore(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let restored = journal::restore(session, call.rest)?;
    let effect = restored.edit.map(Effect::NextInput);
    Ok(Said { effect, ..Said::text(restored.text) })
}

/// `%history [N]`: what was typed, without what runs now.
pub fn history(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let last = match call.rest {
        "" => usize::MAX,
        n => n.parse().map_err(|_| {
            Error::new("showing the history (%history)")
                .expected("how many cells, or nothing for all")
                .found(format!("'{n}'"))
        })?,
    };
    let mut entries = session.journal.entries();
    entries.retain(|e| e.state != State::Running);
    let from = entries.len().saturating_sub(last);
    let texts = entries[from..].iter().map(|e| format!("[{}] {}", e.number, e.text.trim_end()));
    let text = texts.collect::<Vec<_>>().join("\n");
    Ok(Said::text(if text.is_empty() { "no cells yet".into() } else { text }))
}

pub fn clear(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    alone(call)?;
    session.clear();
    let mut said = "variables, functions and imports are forgotten".to_owned();
    if session.has_rust() {
        said += "; Rust cells keep theirs, which :restart rust forgets";
    }
    Ok(Said::text(said))
}

pub fn restart(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    if call.rest == "rust" {
        session.restart_rust();
        return Ok(Said::text("Rust cells start afresh; the session's own variables stay"));
    }
    alone(call)?;
    session.restart();
    Ok(Said::text("the session starts afresh"))
}

pub fn quit(_session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    alone(call)?;
    Ok(Said::effect(Effect::Quit(0)))
}

/// Refuses what stands behind a command that forgets all: it may be meant for one variable.
fn alone(call: &Call<'_>) -> Result<(), Failure> {
    if call.rest.is_empty() {
        return Ok(());
    }
    let e = Error::new(format!("running :{}", call.name)).expected("nothing behind it");
    Err(e.found(format!("'{}'", call.rest)).advice(":free NAME forgets one variable").into())
}
