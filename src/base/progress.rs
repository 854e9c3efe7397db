//! Progress and notes, as data. The host installs a sink that shows them; without one they vanish.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// Where progress goes: a terminal bar, plain lines, a notebook.
pub trait Sink: Send + Sync {
    /// A line worth reading once ("device: cpu").
    fn note(&self, text: &str);
    /// A step of a job; `step.done == step.total` is the last one unless the job stops early.
    fn step(&self, step: &Step<'_>);
    /// The job is over, finished or not.
    fn end(&self, name: &str);
}

/// Where a job stands.
pub struct Step<'a> {
    pub name: &'a str,
    /// What is counted, in the singular ("epoch"); empty where the job does not say.
    pub unit: &'a str,
    pub done: u64,
    pub total: u64,
    /// What the job says of itself, as in "nll 812.1 kl 3.2".
    pub message: &'a str,
    /// What the job measures as it goes, for a chart: losses by name; NaN where there is none.
    pub values: &'a [(&'a str, f64)],
    /// Whether this step deserves a line of its own where there is no terminal to draw a bar in.
    pub milestone: bool,
    pub elapsed: Duration,
    /// Time left, from the mean pace of this run so far; `None` before the first step, and where
    /// it is more than a year.
    pub eta: Option<Duration>,
}

static SINK: RwLock<Option<Arc<dyn Sink>>> = RwLock::new(None);

/// Installs the sink for the whole process; `None` silences it.
pub fn install(sink: Option<Arc<dyn Sink>>) {
    *SINK.write().unwrap_or_else(|e| e.into_inner()) = sink;
}

fn sink() -> Option<Arc<dyn Sink>> {
    SINK.read().unwrap_or_else(|e| e.into_inner()).clone()
}

/// Says something once.
pub fn note(text: impl AsRef<str>) {
    if let Some(s) = sink() {
        s.note(text.as_ref());
    }
}

/// A time for people: "1:02:03", "0:12".
pub fn clock(t: Duration) -> String {
    match t.as_secs() {
        s if s >= 3600 => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
        s => format!("{}:{:02}", s / 60, s % 60),
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time that `left` steps will take when `done` took `elapsed`; `None` when none was done, and
/// for more than a year: "until it gets no better" may have more steps than there is time.
pub fn eta(elapsed: Duration, done: u64, left: u64) -> Option<Duration> {
    let seconds = elapsed.as_secs_f64() * (left as f64 / done as f64);
    Duration::try_from_secs_f64(seconds).ok().filter(|eta| done > 0 && *eta < YEAR)
}

/// A job with a known number of steps; dropping it ends it.
pub struct Job {
    name: String,
    unit: &'static str,
    total: u64,
    first: u64,
    start: Instant,
}

impl Job {
    /// A job of `total` steps, of which `done` were done by an earlier run.
    pub fn new(name: impl Into<String>, done: u64, total: u64) -> Self {
        Self { name: name.into(), unit: "", total, first: done, start: Instant::now() }
    }

    /// Says what is counted, in the singular.
    pub fn counting(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// A step done. A `milestone` gets a line where lines are all there is.
    pub fn step(&self, done: u64, message: &str, milestone: bool) {
        self.measured(done, message, milestone, &[]);
    }

    /// A step done, with what it measured.
    pub fn measured(&self, done: u64, message: &str, milestone: bool, values: &[(&str, f64)]) {
        let Some(s) = sink() else { return };
        let elapsed = self.start.elapsed();
        let here = done.saturating_sub(self.first);
        let eta = eta(elapsed, here, self.total.saturating_sub(done));
        s.step(&Step {
            name: &self.name,
            unit: self.unit,
            done,
            total: self.total,
            message,
            values,
            milestone,
            elapsed,
            eta,
        });
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(s) = sink() {
            s.end(&self.name);
        }
    }
}
