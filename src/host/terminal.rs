//! Progress on stderr: a bar in a terminal, a line for every milestone where output is piped.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use indicatif::{ProgressBar, ProgressStyle};

use super::streams::say;
use crate::base::progress::{self, Sink, Step, clock};

/// The bar that is drawn now, with its job's name.
static BAR: Mutex<Option<(String, ProgressBar)>> = Mutex::new(None);
/// Lines written here since the console last asked.
static LINES: AtomicUsize = AtomicUsize::new(0);

/// Shows progress and notes of the whole process on stderr.
pub fn install() {
    if std::io::stderr().is_terminal() {
        progress::install(Some(Arc::new(Bars)));
    } else {
        progress::install(Some(Arc::new(Lines)));
    }
}

/// Writes to the terminal while no bar stands in the way.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    match &*bar() {
        Some((_, bar)) => bar.suspend(write),
        None => write(),
    }
}

/// How many lines were written here since this was last asked.
pub fn lines_written() -> usize {
    LINES.swap(0, Ordering::SeqCst)
}

fn bar() -> MutexGuard<'static, Option<(String, ProgressBar)>> {
    BAR.lock().unwrap_or_else(|e| e.into_inner())
}

/// What a step says besides its number: the job's own words and the time left.
fn details(step: &Step<'_>) -> String {
    let left = step.eta.map(|t| format!("{} left", clock(t))).unwrap_or_default();
    [step.message, &left].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("  ")
}

struct Bars;

impl Sink for Bars {
    fn note(&self, text: &str) {
        aside(|| say(text));
        LINES.fetch_add(text.lines().count(), Ordering::SeqCst);
    }

    fn step(&self, step: &Step<'_>) {
        let mut current = bar();
        let other = current.as_ref().is_none_or(|(name, _)| name != step.name);
        if other {
            let bar = ProgressBar::new(step.total);
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(step.name.to_owned());
            *current = Some((step.name.to_owned(), bar));
        }
        if let Some((_, bar)) = &*current {
            bar.set_position(step.done);
            bar.set_message(details(step));
        }
    }

    fn end(&self, name: &str) {
        if let Some((_, bar)) = bar().take_if(|(n, _)| n == name) {
            bar.abandon();
            // What is printed next begins on a line of its own.
            say("");
            LINES.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Lines;

impl Sink for Lines {
    fn note(&self, text: &str) {
        say(text);
    }

    fn step(&self, step: &Step<'_>) {
        if step.milestone {
            let Step { name, done, total, .. } = step;
            say(&format!("{name} {done}/{total}  {}", details(step)));
        }
    }

    fn end(&self, _name: &str) {}
}
