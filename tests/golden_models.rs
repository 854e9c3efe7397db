//! Networks against the numbers of the reference implementations (`../shared/golden`).

use std::collections::HashMap;

use spatia::models::gvae::{Batch, Gvae, GvaeConfig};
use spatia::nn::gat::{Edges, Gat};
use spatia::nn::zinb::{self, Counts};
use spatia::nn::{Vars, kl};
use tch::{Kind, Tensor};

use crate::common;

type Tensors = HashMap<String, Tensor>;

fn load(name: &str) -> Option<Tensors> {
    let all = Tensor::read_safetensors(common::golden(name)?).unwrap();
    Some(all.into_iter().map(|(n, t)| (n, t.to_device(common::device()))).collect())
}

/// The largest difference relative to max(1, |reference|), after checking that all are numbers.
fn difference(found: &Tensor, reference: &Tensor) -> f64 {
    assert_eq!(found.size(), reference.size());
    let (found, reference) = (found.to_kind(Kind::Double), reference.to_kind(Kind::Double));
    assert_eq!(found.isfinite().all().int64_value(&[]), 1, "not finite");
    ((found - &reference).abs() / reference.abs().clamp_min(1.0)).max().double_value(&[])
}

#[track_caller]
fn agrees(what: &str, found: &Tensor, reference: &Tensor, tolerance: f64) {
    let d = difference(found, reference);
    println!("{what}: {d:.2e} (tolerance {tolerance:.0e})");
    assert!(d <= tolerance, "{what} differs by {d:e}, tolerance {tolerance:e}");
}

fn edges(t: &Tensors, nodes: usize) -> Edges {
    let row = |r| {
        Vec::<i64>::try_from(t["edge_index"].get(r))
            .unwrap()
            .into_iter()
            .map(|n| n as u32)
            .collect::<Vec<_>>()
    };
    Edges::new(nodes, &row(0), &row(1), common::device()).unwrap()
}

#[test]
fn zinb_and_its_gradients() {
    let Some(t) = load("zinb.safetensors") else { return };
    let leaf = |n: &str| t[n].copy().set_requires_grad(true);
    let (mu, theta, pi) = (leaf("mu"), leaf("theta"), leaf("pi_logit"));
    let counts = Counts::from_dense(&t["x"]);
    agrees("log_prob", &zinb::log_prob(&counts, &mu, &theta, &pi), &t["log_prob"], 1e-4);
    let nll = zinb::nll(&counts, &mu, &theta, &pi);
    let reference = -t["log_prob"].to_kind(Kind::Double).sum_dim_intlist(1, false, None::<Kind>);
    agrees("nll", &nll, &reference, 1e-4);
    nll.mean(Kind::Double).backward();
    for (leaf, name) in [(&mu, "mu"), (&theta, "theta"), (&pi, "pi_logit")] {
        agrees(&format!("gradient of {name}"), &leaf.grad(), &t[&format!("nll_grad_{name}")], 1e-4);
    }
}

#[test]
fn graph_attention_and_its_gradients() {
    let Some(t) = load("gat.safetensors") else { return };
    let mut vars = Vars::new(common::device());
    let gat = Gat::new(vars.root(), 16, 24, 3, 0.0);
    vars.load(|name| t.get(&format!("w.{name}")).map(Tensor::shallow_clone)).unwrap();
    let x = t["x"].copy().set_requires_grad(true);
    let y = gat.forward(&x, &edges(&t, 50), false);
    agrees("y", &y, &t["y"], 1e-4);
    y.square().sum(Kind::Float).backward();
    agrees("gradient of x", &x.grad(), &t["x_grad"], 1e-4);
    for (name, v) in vars.named() {
        agrees(&format!("gradient of {name}"), &v.grad(), &t[&format!("grad.{name}")], 1e-4);
    }
}

#[test]
fn gvae_in_evaluation() {
    let Some(t) = load("gvae.safetensors") else { return };
    let config = GvaeConfig { hidden_dim: 48, latent_dim: 8, ..GvaeConfig::default() };
    let model = Gvae::new(config, 60, 32, 0, common::device()).unwrap();
    model.vars().load(|name| t.get(&format!("w.{name}")).map(Tensor::shallow_clone)).unwrap();
    let weights = t.keys().filter(|k| k.starts_with("w.")).count();
    assert_eq!(
        model.vars().named().count(),
        weights,
        "a weight of the reference has no place here"
    );
    let batch = Batch {
        x: t["x"].shallow_clone(),
        image: t["img"].shallow_clone(),
        edges: edges(&t, 120),
        counts: Counts::from_dense(&t["counts"]),
        size_factor: t["size_factor"].shallow_clone(),
    };
    model.check(&batch).unwrap();
    let e = model.encode(&batch, false).unwrap();
    agrees("mu_q", &e.mu_q, &t["mu_q"], 1e-4);
    agrees("logvar_q", &e.logvar_q, &t["logvar_q"], 1e-4);
    agrees("mu_p", &e.mu_p, &t["mu_p"], 1e-4);
    agrees("logvar_p", &e.logvar_p, &t["logvar_p"], 1e-4);
    agrees("kl_per_spot", &e.kl(), &t["kl_per_spot"], 1e-4);
    let d = model.decode(&e.mu_q, false);
    let mu = &d.mean * &batch.size_factor;
    agrees("mean", &d.mean, &t["mean"], 1e-4);
    agrees("mu", &mu, &t["mu"], 1e-4);
    agrees("theta", &d.theta, &t["theta"], 1e-4);
    agrees("pi_logit", &d.pi_logit, &t["pi_logit"], 1e-4);
    let nll = zinb::nll(&batch.counts, &mu, &d.theta, &d.pi_logit);
    agrees("nll", &nll.mean(Kind::Double).reshape([1]), &t["nll"], 1e-4);
}

#[test]
fn kl_is_zero_between_equals_and_never_negative() {
    let row = |v: f32| Tensor::full([1, 4], f64::from(v), (Kind::Float, common::device()));
    let kl = |a: f32, b: f32, c: f32, d: f32| {
        kl::gaussian(&row(a), &row(b), &row(c), &row(d)).double_value(&[0])
    };
    assert_eq!(kl(0.3, -1.7, 0.3, -1.7), 0.0);
    assert!(kl(0.0, 1e-7, 0.0, 0.0) >= 0.0);
    // One nat a dimension apart: 0.5 * (1 + 1 - 1) * 4 dimensions.
    assert!((kl(1.0, 0.0, 0.0, 0.0) - 2.0).abs() < 1e-6);
}
