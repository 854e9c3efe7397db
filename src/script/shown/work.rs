//! What is computed with: graphs, models, runs; and errors.

use serde_json::{Value, json};

use super::curves::losses;
use super::dataset::records;
use super::html::{self, Cell};
use super::{Shown, values};
use crate::base::{Result, device};
use crate::script::error::Raised;
use crate::script::graph::Graph;
use crate::script::model::Model;
use crate::script::run::Run;
use crate::train::Epoch;

/// Epochs of a run that are listed.
const LAST: usize = 5;

impl Shown for Graph {
    fn json(&self) -> Result<Value> {
        let g = self.core();
        let degrees = g.degrees();
        Ok(json!({
            "n_spots": g.n_nodes(),
            "n_edges": g.n_edges(),
            "rule": g.rule,
            "mean_degree": g.mean_degree(),
            "least_degree": degrees.iter().min(),
            "most_degree": degrees.iter().max(),
            "isolated": g.isolated,
            "median_spacing": values::number(g.median_spacing),
            "unit": g.unit.name(),
            "um_per_unit": g.um_per_unit,
        }))
    }

    fn html(&self) -> Option<String> {
        Some(lines(&self.to_string(), ""))
    }
}

/// A heading and lines of a name and what it is, as objects write them, as HTML; more of it behind.
pub fn lines(text: &str, more: &str) -> String {
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_default();
    let item = |line: &str| {
        let (name, what) = line.trim().split_once("  ").unwrap_or(("", line.trim()));
        (name.to_owned(), what.trim().to_owned())
    };
    let list = html::list(&lines.map(item).collect::<Vec<_>>());
    html::block(heading, &format!("{list}{more}"))
}

impl Shown for Model {
    fn json(&self) -> Result<Value> {
        let m = self.get();
        let layers = m.net.vars().named().map(|(name, t)| (name.to_owned(), json!(t.size())));
        Ok(json!({
            "kind": "gvae",
            "epoch": m.epoch,
            "device": device::name(m.device()),
            "genes": m.genes.len(),
            "image_features": m.net.image_features(),
            "parameters": m.net.vars().size(),
            "network": m.net.config(),
            "options": m.options,
            "variables": layers.collect::<serde_json::Map<_, _>>(),
        }))
    }

    fn html(&self) -> Option<String> {
        let m = self.get();
        let row = |(name, t): (&str, &tch::Tensor)| {
            let shape = t.size().iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
            let numbers = Cell { right: true, ..Cell::left(t.numel().to_string()) };
            vec![Cell::left(name), Cell::soft(shape), numbers]
        };
        let rows: Vec<_> = m.net.vars().named().map(row).collect();
        let variables =
            html::details(&format!("variables ({})", rows.len()), &html::table(&[], &rows), false);
        Some(lines(&self.to_string(), &variables))
    }
}

impl Shown for Run {
    fn json(&self) -> Result<Value> {
        let run = self.core();
        Ok(json!({
            "epochs": run.history.len(),
            "best_epoch": run.epoch,
            "stop": format!("{:?}", run.stop).to_lowercase(),
            "seconds": run.seconds,
            "checkpoint": run.checkpoint,
            "history": records(&self.history()?)?,
        }))
    }

    fn html(&self) -> Option<String> {
        let history = &self.core().history;
        let heads = Epoch::NAMES.map(|n| Cell { right: true, ..Cell::soft(n) }).into();
        let cell = |text: String| Cell { right: true, ..Cell::left(text) };
        let row = |e: &Epoch| {
            let [epoch, rest @ ..] = e.values();
            let rest =
                rest.map(|v| cell(if v.is_nan() { "null".into() } else { format!("{v:.4}") }));
            std::iter::once(cell(epoch.to_string())).chain(rest).collect()
        };
        let last = &history[history.len().saturating_sub(LAST)..];
        let rows: Vec<Vec<Cell>> = last.iter().map(row).collect();
        let earlier = history.len() - rows.len();
        let said =
            (earlier > 0).then(|| html::note(&format!("the last of {} epochs", history.len())));
        let values =
            history.iter().map(|e| (e.epoch as f64, e.losses().to_vec())).collect::<Vec<_>>();
        let curve = losses(&values, "epoch").unwrap_or_default();
        let table = html::table(&[heads], &rows);
        Some(lines(&self.to_string(), &[said.unwrap_or_default(), table, curve].concat()))
    }
}

impl Shown for Raised {
    fn json(&self) -> Result<Value> {
        Ok(json!({ "kind": self.kind(), "message": self.message() }))
    }
}
