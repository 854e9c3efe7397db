//! The losses and the gradient of an epoch.
//!
//! libtorch cannot be stopped amid a pass, which takes seconds on large tissue. It is computed with
//! weights of its own as an [`interrupt::abandonable`] job, so an interrupt does not wait for it, and
//! what it still does touches nothing that anyone can see. Abandoned, it ends after the layer it is at.

use tch::Tensor;

use super::split::Split;
use crate::base::{Result, interrupt, seed};
use crate::models::gvae::{Batch, Gvae};
use crate::nn::{Vars, no_grad};

/// What one pass over the spots gave.
pub struct Pass {
    pub nll: f64,
    pub kl: f64,
    /// Both losses of the spots kept out.
    pub held_out: Option<(f64, f64)>,
    /// In the order of [`Vars::parameters`].
    pub gradient: Vec<Tensor>,
    /// What the pass has renewed, for [`Vars::load_buffers`]: running means and variances.
    pub buffers: Vec<Tensor>,
}

/// What passes are computed with: a network of their own, and the data.
pub struct Passes {
    net: Gvae,
    batch: Batch,
    split: Split,
}

impl Passes {
    /// Passes of networks like `net` over the batch.
    ///
    /// # Errors
    /// An interrupt; the system refuses a thread.
    pub fn new(net: &Gvae, batch: Batch, split: Split) -> Result<Self> {
        let twin = net.twin();
        let make = move || Ok(Self { net: twin()?, batch, split });
        interrupt::abandonable("making ready for training", make)
    }

    /// The pass that epoch `epoch` (from 1) takes from these weights, and what to compute the next
    /// one with.
    ///
    /// # Errors
    /// An interrupt; what the network refuses.
    pub fn pass(self, weights: &Vars, beta: f64, seed: u64, epoch: u64) -> Result<(Self, Pass)> {
        let weights = weights.copies();
        interrupt::abandonable("computing an epoch", move || {
            self.net.vars().load_copies(&weights)?;
            let pass = self.compute(beta, seed, epoch)?;
            Ok((self, pass))
        })
    }

    /// The tensor in which a number that is none shows first when the data goes through the network
    /// with these weights; an interrupt leaves it unknown.
    pub fn first_not_finite(self, weights: &Vars) -> Option<String> {
        let weights = weights.copies();
        let seen = interrupt::abandonable("looking for the number that is none", move || {
            self.net.vars().load_copies(&weights)?;
            let finite = |t: &Tensor| t.isfinite().all().int64_value(&[]) == 1;
            no_grad(|| {
                let e = self.net.encode(&self.batch, false)?;
                let d = self.net.decode(&e.mu_q, false);
                let decoded = [("mean", &d.mean), ("theta", &d.theta), ("pi_logit", &d.pi_logit)];
                let decoded = decoded.into_iter().find(|(_, t)| !finite(t)).map(|(n, _)| n);
                Ok(e.first_not_finite().or(decoded).map(str::to_owned))
            })
        });
        seen.ok().flatten()
    }

    fn compute(&self, beta: f64, seed: u64, epoch: u64) -> Result<Pass> {
        let loss = {
            let _rng = seed::torch(seed, epoch)?;
            self.net.loss(&self.batch)?
        };
        // Others may wait for the processor and the memory.
        interrupt::check("computing the gradient")?;
        let mean = self.split.train(&loss);
        let parameters: Vec<&Tensor> = self.net.vars().parameters().map(|(_, t)| t).collect();
        let objective = &mean.nll + &mean.kl * beta;
        let gradient = Tensor::run_backward(&[objective], &parameters, false, false);
        Ok(Pass {
            nll: mean.nll.double_value(&[]),
            kl: mean.kl.double_value(&[]),
            held_out: self.split.held_out(&loss),
            gradient,
            buffers: self.net.vars().copies_of_buffers(),
        })
    }
}
