//! Adam (Kingma and Ba, ICLR 2015), step for step as `torch.optim.Adam`.
//!
//! tch's optimiser hides its moments, so that a run resumed from a checkpoint could not go on to
//! the same bits; here they are plain tensors that a checkpoint holds.

use tch::Tensor;

use crate::nn::{Vars, no_grad};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// The optimiser's state: two moments a parameter, in the order of [`Vars::parameters`], as every
/// gradient here.
#[derive(Debug)]
pub struct Adam {
    parameters: Vec<(String, Tensor)>,
    exp_avg: Vec<Tensor>,
    exp_avg_sq: Vec<Tensor>,
    step: i32,
    learning_rate: f64,
    weight_decay: f64,
}

/// The norm of a whole gradient.
pub fn norm(gradient: &[Tensor]) -> f64 {
    let squares = |g: &Tensor| g.square().sum(tch::Kind::Double).double_value(&[]);
    gradient.iter().map(squares).sum::<f64>().sqrt()
}

impl Adam {
    pub fn new(vars: &Vars, learning_rate: f64, weight_decay: f64) -> Self {
        let parameters: Vec<(String, Tensor)> =
            vars.parameters().map(|(n, t)| (n.to_owned(), t.shallow_clone())).collect();
        let zeros = || parameters.iter().map(|(_, p)| p.detach().zeros_like()).collect();
        Self {
            exp_avg: zeros(),
            exp_avg_sq: zeros(),
            parameters,
            step: 0,
            learning_rate,
            weight_decay,
        }
    }

    /// The first parameter whose gradient holds a number that is none.
    pub fn first_bad(&self, gradient: &[Tensor]) -> Option<&str> {
        let bad = |g: &Tensor| g.isfinite().all().int64_value(&[]) == 0;
        let mut all = self.parameters.iter().zip(gradient);
        all.find(|(_, g)| bad(g)).map(|((n, _), _)| n.as_str())
    }

    /// One step along the gradient, multiplied by `scale` first.
    pub fn step(&mut self, gradient: &[Tensor], scale: f64) {
        self.step += 1;
        let correction1 = 1.0 - BETA1.powi(self.step);
        let correction2 = (1.0 - BETA2.powi(self.step)).sqrt();
        no_grad(|| {
            let moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
            let parameters = self.parameters.iter_mut().zip(gradient);
            for (((_, p), g), (m, v)) in parameters.zip(moments) {
                let gradient = g * scale + &*p * self.weight_decay;
                let _ = m.lerp_(&gradient, 1.0 - BETA1);
                let _ = v.g_mul_scalar_(BETA2).g_add_(&(gradient.square() * (1.0 - BETA2)));
                let spread = v.sqrt() / correction2 + EPS;
                let _ = p.g_sub_(&(&*m / spread * (self.learning_rate / correction1)));
            }
        });
    }

    /// The state by name: `exp_avg.NAME` and `exp_avg_sq.NAME`.
    pub fn state(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let moments = self.exp_avg.iter().zip(&self.exp_avg_sq);
        self.parameters.iter().zip(moments).flat_map(|((n, _), (m, v))| {
            [(format!("exp_avg.{n}"), m), (format!("exp_avg_sq.{n}"), v)]
        })
    }

    /// Takes up the state after `step` steps; `source` gives tensors by the names of [`state`].
    ///
    /// [`state`]: Self::state
    pub fn restore(&mut self, step: u64, source: impl Fn(&str) -> Option<Tensor>) -> Option<()> {
        for (i, (name, _)) in self.parameters.iter().enumerate() {
            self.exp_avg[i].copy_(&source(&format!("exp_avg.{name}"))?);
            self.exp_avg_sq[i].copy_(&source(&format!("exp_avg_sq.{name}"))?);
        }
        self.step = i32::try_from(step).ok()?;
        Some(())
    }
}
