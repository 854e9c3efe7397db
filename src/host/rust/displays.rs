//! What the code of a cell displays, taken off its output, in order. What it displays last is the
//! cell's value.

use std::collections::BTreeMap;

use super::protocol::Event;
use super::runtime::{BEGIN, END};

/// The lines of one cell.
#[derive(Default)]
pub struct Displays {
    /// A block that is open: its type and its lines.
    open: Option<(String, Vec<String>)>,
    /// Forms of one value, until it is known whether something follows it.
    held: BTreeMap<String, String>,
}

impl Displays {
    /// What a line makes known.
    pub fn line(&mut self, line: String) -> Vec<Event> {
        if let Some((mime, mut lines)) = self.open.take() {
            if line != END {
                lines.push(line);
                self.open = Some((mime, lines));
                return Vec::new();
            }
            // A second form of a kind is another value.
            let before = if self.held.contains_key(&mime) { self.flush() } else { Vec::new() };
            self.held.insert(mime, lines.join("\n"));
            return before;
        }
        let Some((text, mime)) = line.split_once(BEGIN) else {
            let mut events = self.flush();
            events.push(Event::Stdout(line + "\n"));
            return events;
        };
        self.open = Some((mime.trim().to_owned(), Vec::new()));
        if text.is_empty() {
            return Vec::new();
        }
        let mut events = self.flush();
        events.push(Event::Stdout(text.to_owned()));
        events
    }

    /// The end of the cell: the value, and what was left open as text.
    pub fn finish(&mut self) -> (Vec<Event>, BTreeMap<String, String>) {
        let mut events = Vec::new();
        if let Some((mime, lines)) = self.open.take() {
            events = self.flush();
            let text = lines.iter().map(|l| format!("{l}\n")).collect::<String>();
            events.push(Event::Stdout(format!("EVCXR_BEGIN_CONTENT {mime}\n{text}")));
        }
        (events, std::mem::take(&mut self.held))
    }

    fn flush(&mut self) -> Vec<Event> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Vec::new() } else { vec![Event::Display(held)] }
    }
}
