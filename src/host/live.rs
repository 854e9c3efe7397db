//! Progress of long jobs as displays that renew themselves: a bar with the time left, a chart of
//! the losses while a model trains. At most ten times a second; jobs that are over at once show
//! nothing; the last state is always shown.
//!
//! While a job runs the chart is svg inside HTML, which a page swaps without flicker; when it has
//! ended, the chart is a figure as any other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::base::interrupt;
use crate::base::progress::{Sink, Step, clock};
use crate::script::{Bundle, Console, Curves, Output, escape};

/// Jobs shorter than this show nothing.
const SHORT: Duration = Duration::from_millis(300);
/// Between two renewals of a display.
const PACE: Duration = Duration::from_millis(100);
/// Steps of a chart while it runs: it is sent whole at every renewal.
const MOST_STEPS: usize = 250;

/// A sink that shows progress through a session's console; notes go to its standard error.
pub struct Live {
    console: Arc<dyn Console>,
    jobs: Mutex<Vec<Job>>,
    interrupted: fn() -> bool,
}

/// A job that runs: what is known of it, and what of that is on the page.
struct Job {
    name: String,
    id: String,
    state: State,
    curves: Curves,
    /// The job's own clock when it was last shown.
    shown: Option<Duration>,
}

/// A job's last step.
#[derive(Default)]
struct State {
    done: u64,
    total: u64,
    message: String,
    elapsed: Duration,
    left: Option<Duration>,
}

/// How a job stands when it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Running,
    Finished,
    /// Before its last step: it had reason to, or it failed.
    Stopped,
    Interrupted,
}

impl Live {
    pub fn new(console: Arc<dyn Console>) -> Self {
        Self::watching(console, interrupt::requested)
    }

    /// Asks `interrupted`, when a job ends early, whether the user stopped it.
    pub fn watching(console: Arc<dyn Console>, interrupted: fn() -> bool) -> Self {
        Self { console, jobs: Mutex::default(), interrupted }
    }

    fn show(&self, job: &mut Job, end: End) {
        let bundle = job.bundle(end);
        let update = job.shown.is_some();
        job.shown = Some(job.state.elapsed);
        self.console.output(Output::Display { bundle, id: Some(job.id.clone()), update });
    }
}

impl Sink for Live {
    fn note(&self, text: &str) {
        self.console.output(Output::Stderr(format!("{text}\n")));
    }

    fn step(&self, step: &Step<'_>) {
        // Held while the console speaks, so that displays come in the order of the steps.
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = jobs.iter().position(|j| j.name == step.name).unwrap_or_else(|| {
            jobs.push(Job::new(step.name, step.unit));
            jobs.len() - 1
        });
        let job = &mut jobs[place];
        job.take(step);
        if job.is_due() {
            self.show(job, End::Running);
        }
    }

    fn end(&self, name: &str) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = jobs.iter().position(|j| j.name == name) else { return };
        let mut job = jobs.remove(place);
        if job.shown.is_none() && job.state.elapsed < SHORT {
            return;
        }
        let end = match job.state.done < job.state.total {
            true if (self.interrupted)() => End::Interrupted,
            true => End::Stopped,
            false => End::Finished,
        };
        // Drawing looks at the wish to stop, and a chart that was there must not go.
        interrupt::regardless(|| self.show(&mut job, end));
    }
}

impl Job {
    fn new(name: &str, unit: &str) -> Self {
        Self {
            name: name.into(),
            id: Uuid::new_v4().to_string(),
            state: State::default(),
            curves: Curves { unit: unit.into(), ..Curves::default() },
            shown: None,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        self.state = State {
            done: step.done,
            total: step.total,
            message: step.message.into(),
            elapsed: step.elapsed,
            left: step.eta,
        };
        if !step.values.is_empty() {
            self.curves.push(step.done as f64, step.values);
        }
    }

    fn is_due(&self) -> bool {
        match self.shown {
            None => self.state.elapsed >= SHORT,
            Some(at) => self.state.elapsed >= at + PACE,
        }
    }

    fn bundle(&self, end: End) -> Bundle {
        let text = self.text(end);
        if !self.curves.is_drawable() {
            return Bundle::text(&text).with("text/html", self.bar(end, ""));
        }
        if end != End::Running
            && let Ok(bundle) = self.curves.bundle(&self.heading(end), &text)
        {
            return bundle;
        }
        let chart = self.curves.thinned(MOST_STEPS).svg().unwrap_or_default();
        Bundle::text(&text).with("text/html", self.bar(end, &chart))
    }

    /// "training 120/200 epochs", and how it ended.
    fn heading(&self, end: End) -> String {
        let State { done, total, elapsed, .. } = &self.state;
        let unit = match self.curves.unit.as_str() {
            "" => String::new(),
            unit => format!(" {unit}s"),
        };
        let said = match end {
            End::Running => String::new(),
            End::Finished => format!(" in {}", clock(*elapsed)),
            End::Stopped => format!(", stopped after {}", clock(*elapsed)),
            End::Interrupted => format!(", interrupted after {}", clock(*elapsed)),
        };
        format!("{} {done}/{total}{unit}{said}", self.name)
    }

    fn text(&self, end: End) -> String {
        let left = self.state.left.filter(|_| end == End::Running);
        let left = left.map(|t| format!("{} left", clock(t))).unwrap_or_default();
        let parts = [self.heading(end), self.state.message.clone(), left];
        parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("  ")
    }

    /// The bar and, beneath it, the chart. The theme's colours, and others where there is none.
    fn bar(&self, end: End, chart: &str) -> String {
        let part = 100.0 * self.state.done as f64 / self.state.total.max(1) as f64;
        let colour = match end {
            End::Running | End::Finished => "var(--jp-brand-color1,#0072b2)",
            End::Stopped | End::Interrupted => "var(--jp-warn-color1,#d55e00)",
        };
        let text = escape(&self.text(end));
        format!(
            "<div style=\"font-family:var(--jp-ui-font-family,sans-serif);font-size:var(--jp-ui-font-size1,13px);color:var(--jp-ui-font-color1,inherit)\"><div style=\"font-variant-numeric:tabular-nums\">{text}</div><div style=\"max-width:600px;height:6px;border-radius:3px;margin:4px 0;background:var(--jp-layout-color3,rgba(128,128,128,.3))\"><div style=\"width:{:.1}%;height:6px;border-radius:3px;background:{colour}\"></div></div>{chart}</div>",
            part.min(100.0)
        )
    }
}
