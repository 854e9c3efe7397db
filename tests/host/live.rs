//! Progress that renews itself: a bar, a chart of the losses.

use std::time::Duration;

use spatia::base::interrupt;
use spatia::base::progress::{Sink, Step};
use spatia::host::live::Live;
use spatia::script::{Bundle, Curves, Output};

use super::display::{VEGA, bundle, session, text};
use crate::common::{Recorder, alone};

/// A training of `epochs` steps of `ms` each, told to a sink.
fn train(live: &Live, epochs: u64, ms: u64, until: u64) {
    for done in 1..=until {
        let values = [("nll", 900.0 - done as f64), ("kl", 3.0), ("validation_nll", f64::NAN)];
        live.step(&Step {
            name: "training",
            unit: "epoch",
            done,
            total: epochs,
            message: "nll <b>812</b>",
            values: &values,
            milestone: false,
            elapsed: Duration::from_millis(ms * done),
            eta: Some(Duration::from_secs(12)),
        });
    }
    live.end("training");
}

fn displays(console: &Recorder) -> Vec<(Bundle, String, bool)> {
    let said = console.said.lock().unwrap();
    let display = |o: &Output| match o {
        Output::Display { bundle, id, update } => {
            Some((bundle.clone(), id.clone().unwrap(), *update))
        }
        _ => None,
    };
    said.iter().filter_map(display).collect()
}

#[test]
fn a_long_job_is_one_display_renewed_at_most_ten_times_a_second() {
    let console = Recorder::new();
    // 2,000 epochs of 1 ms: two seconds.
    train(&Live::watching(console.clone(), || false), 2000, 1, 2000);
    let shown = displays(&console);
    // From 0.3 s on: 18 in the 1.7 s that are left, and the end.
    assert_eq!(shown.len(), 19);
    assert!(shown.iter().all(|(_, id, _)| *id == shown[0].1 && !id.is_empty()));
    let updates: Vec<bool> = shown.iter().map(|(.., update)| *update).collect();
    assert!(!updates[0] && updates[1..].iter().all(|u| *u), "one display, then updates of it");
    let running = &shown[5].0;
    assert_eq!(running.plain(), "training 800/2000 epochs  nll <b>812</b>  0:12 left");
    let page = text(running, "text/html");
    assert!(page.contains("width:40.0%") && page.contains("<svg") && page.contains("&lt;b&gt;"));
    assert!(!page.contains("validation"), "no line for what has no values");
    // However long the run, what is sent ten times a second stays small.
    assert!(page.len() < 40_000, "{}", page.len());
    // The last state is the whole curve, as a figure.
    let last = &shown[18].0;
    assert_eq!(last.plain(), "training 2000/2000 epochs in 0:02  nll <b>812</b>");
    assert!(last.data.contains_key(VEGA) && last.data.contains_key("image/png"));
    assert!(!last.data.contains_key("text/html"));
    assert_eq!(last.data[VEGA]["data"]["values"][0]["x"].as_array().unwrap().len(), 2000);
}

#[test]
fn a_short_job_shows_nothing_and_the_next_one_has_a_display_of_its_own() {
    let console = Recorder::new();
    let live = Live::watching(console.clone(), || false);
    train(&live, 100, 2, 100);
    assert!(displays(&console).is_empty());
    train(&live, 2, 1000, 2);
    train(&live, 2, 1000, 2);
    let shown = displays(&console);
    let ids: std::collections::BTreeSet<&String> = shown.iter().map(|(_, id, _)| id).collect();
    assert_eq!((shown.len(), ids.len()), (6, 2));
    live.note("device: cpu");
    let last = console.said.lock().unwrap().last().cloned();
    assert_eq!(last, Some(Output::Stderr("device: cpu\n".into())));
}

#[test]
fn a_job_that_ends_early_says_so_and_keeps_its_chart() {
    alone("host::live::apart");
}

#[test]
#[ignore = "run by a_job_that_ends_early_says_so_and_keeps_its_chart"]
fn apart() {
    for (asked, said) in [(true, "interrupted after 0:05"), (false, "stopped after 0:05")] {
        let console = Recorder::new();
        if asked {
            interrupt::request();
        }
        train(&Live::new(console.clone()), 100, 100, 50);
        assert_eq!(interrupt::requested(), asked, "the wish still stands");
        interrupt::clear();
        let (last, ..) = displays(&console).pop().unwrap();
        assert!(
            last.plain().contains("50/100 epochs") && last.plain().contains(said),
            "{}",
            last.plain()
        );
        assert!(last.data.contains_key(VEGA) && last.data.contains_key("image/png"), "{said}");
    }
}

#[test]
fn a_job_without_values_is_a_bar() {
    let console = Recorder::new();
    let live = Live::watching(console.clone(), || false);
    for done in 1..=4 {
        live.step(&Step {
            name: "reading a.h5ad",
            unit: "",
            done,
            total: 4,
            message: "",
            values: &[],
            milestone: false,
            elapsed: Duration::from_secs(done),
            eta: None,
        });
    }
    live.end("reading a.h5ad");
    let shown = displays(&console);
    assert_eq!(shown.len(), 5);
    let (last, ..) = &shown[4];
    assert_eq!(last.plain(), "reading a.h5ad 4/4 in 0:04");
    let page = text(last, "text/html");
    assert!(page.contains("width:100.0%") && !page.contains("<svg"));
    assert!(!last.data.contains_key(VEGA));
}

#[test]
fn a_training_reports_its_losses() {
    let mut session = session();
    let b = bundle(&mut session, "run");
    let page = text(&b, "text/html");
    assert!(page.contains("<svg") && page.contains("validation_nll"), "curves of the run");
    assert!(b.plain().starts_with("Run of 3 epochs"));
}

#[test]
fn curves_that_are_thinned_end_where_they_end() {
    let mut curves = Curves { unit: "epoch".into(), ..Curves::default() };
    for i in 0..1000 {
        let late = [("a", f64::from(i)), ("b", 1.0)];
        curves.push(f64::from(i), if i < 500 { &late[..1] } else { &late });
    }
    let thin = curves.thinned(100);
    assert_eq!((thin.x.len(), thin.x.last(), thin.x[0]), (100, Some(&999.0), 9.0));
    let (name, b) = &thin.values[1];
    assert!(name == "b" && b[0].is_nan() && b[99] == 1.0 && b.len() == 100);
}
