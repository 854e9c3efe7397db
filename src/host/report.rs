//! A failure for people: what, where, the line with a caret, and the calls it happened in.
//!
//! Nothing of a source or a name reaches the terminal as it is: see [`base::text`](crate::base::text).
//! [`frames`] has the same as data.

use std::fmt::Write;

use super::Session;
use crate::base::text;
use crate::script::{Failure, Place};

/// Rhai counts no further.
const LAST_COLUMN: usize = u16::MAX as usize;

/// One place of a failure: where it happened, or a call that it happened in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The function that was called here; `None` where the failure itself is.
    pub call: Option<String>,
    pub place: Place,
    /// The line of the source, if it is known.
    pub line: Option<String>,
    /// How often the same call follows itself, as in a recursion.
    pub times: usize,
}

/// The failure's own place first, then the calls that led to it, the innermost first.
pub fn frames(failure: &Failure, session: &Session) -> Vec<Frame> {
    let frame = |call: Option<&String>, place: &Place| Frame {
        call: call.cloned(),
        place: place.clone(),
        line: line(place, session),
        times: 1,
    };
    let mut frames: Vec<Frame> = Vec::new();
    if failure.place.line > 0 {
        frames.push(frame(None, &failure.place));
    }
    for (call, place) in &failure.calls {
        match frames.last_mut() {
            Some(last) if last.call.as_ref() == Some(call) && last.place == *place => {
                last.times += 1
            }
            _ => frames.push(frame(Some(call), place)),
        }
    }
    frames
}

/// The text of a failure, its source lines taken from the session.
pub fn render(failure: &Failure, session: &Session) -> String {
    let mut out = heading(failure);
    for frame in frames(failure, session) {
        if let Some(call) = &frame.call {
            write!(out, "\nin {}", text::readable(call)).ok();
            if frame.times > 1 {
                write!(out, ", {} times in each other", frame.times).ok();
            }
        }
        locate(&mut out, &frame);
    }
    out
}

/// What went wrong, without the places.
pub fn heading(failure: &Failure) -> String {
    format!("error: {}", text::readable(&failure.message))
}

/// The name that stands at a place.
pub fn word(place: &Place, session: &Session) -> Option<String> {
    let line = line(place, session)?;
    let rest = line.chars().skip(place.column.checked_sub(1)?);
    Some(rest.take_while(|c| is_name(*c)).collect::<String>()).filter(|w| !w.is_empty())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line(place: &Place, session: &Session) -> Option<String> {
    let text = session.source(&place.source)?;
    text.lines().nth(place.line.checked_sub(1)?).map(str::to_owned)
}

fn locate(out: &mut String, frame: &Frame) {
    let place = &frame.place;
    if place.line == 0 {
        return;
    }
    write!(out, "\n --> {}:{}:{}", text::readable(&place.source), place.line, place.column.max(1))
        .ok();
    if place.column >= LAST_COLUMN {
        out.push_str(" or behind it");
        return;
    }
    let Some(line) = &frame.line else { return };
    let (line, before) = window(line, place.column.saturating_sub(1));
    let indent: String = line.chars().take(before).filter_map(blank).collect();
    let name = line.chars().skip(before).take_while(|c| is_name(*c)).count();
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let carets = "^".repeat(name.max(1));
    write!(out, "\n{margin} |\n{number} | {line}\n{margin} | {indent}{carets}").ok();
}

/// The part of a long line that surrounds a place, and the place in it.
fn window(line: &str, before: usize) -> (String, usize) {
    const WIDTH: usize = 160;
    if line.chars().count() <= WIDTH {
        return (line.chars().map(text::visible).collect(), before);
    }
    let from = before.saturating_sub(WIDTH / 2);
    let part: String = line.chars().skip(from).take(WIDTH).map(text::visible).collect();
    let dots = if from > 0 { "…" } else { "" };
    let more = if part.chars().count() == WIDTH { "…" } else { "" };
    (format!("{dots}{part}{more}"), before - from + dots.chars().count())
}

/// The text of a failure with colours for what a reader looks for: what is wrong and where.
pub fn coloured(text: &str) -> String {
    const RED: &str = "\x1b[31m";
    const BLUE: &str = "\x1b[34m";
    const PLAIN: &str = "\x1b[0m";
    let painted = |line: &str| {
        if let Some(rest) = line.strip_prefix("error:") {
            return format!("{RED}error:{rest}{PLAIN}");
        }
        if let Some(place) = line.strip_prefix(" --> ") {
            return format!(" {BLUE}-->{PLAIN} {place}");
        }
        match line.split_once("| ") {
            Some((margin, mark))
                if margin.trim().is_empty() && mark.trim().starts_with(['^', '-']) =>
            {
                format!("{BLUE}{margin}|{PLAIN} {RED}{mark}{PLAIN}")
            }
            Some((margin, text)) if margin.trim().parse::<usize>().is_ok() => {
                format!("{BLUE}{margin}|{PLAIN} {text}")
            }
            _ => line.to_owned(),
        }
    };
    text.lines().map(painted).collect::<Vec<_>>().join("\n")
}

/// What is as wide as a character: a tab stays a tab, and what takes two columns of a terminal
/// gets the blank that does; marks that sit on the letter before them take none.
fn blank(c: char) -> Option<char> {
    match c {
        '\t' => Some('\t'),
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => None,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => Some('\u{3000}'),
        _ => Some(' '),
    }
}
