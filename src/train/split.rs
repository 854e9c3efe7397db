//! Which spots are trained on and which judge.

use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};

use crate::base::seed;
use crate::models::gvae::Loss;

/// A stream of its own, so that no other draw moves the split.
const STREAM: u64 = 0x5b11;

/// Two sets of spots that do not overlap.
#[derive(Debug)]
pub struct Split {
    train: Tensor,
    held_out: Option<Tensor>,
}

/// Losses averaged over a set of spots, nats a spot.
pub struct Mean {
    pub nll: Tensor,
    pub kl: Tensor,
}

impl Split {
    /// Keeps the share `validation` of `n` spots out, at random, but at least one spot in.
    pub fn new(n: usize, validation: f64, seed: u64, device: Device) -> Self {
        let mut spots: Vec<i64> = (0..n as i64).collect();
        let out = ((n as f64 * validation).round() as usize).min(n.saturating_sub(1));
        spots.shuffle(&mut seed::rng(seed, STREAM));
        let rows = |rows: &[i64]| {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            Tensor::from_slice(&rows).to_device(device)
        };
        Self { train: rows(&spots[out..]), held_out: (out > 0).then(|| rows(&spots[..out])) }
    }

    /// The losses of the spots that are trained on.
    pub fn train(&self, loss: &Loss) -> Mean {
        Mean::over(loss, &self.train)
    }

    /// The losses of the spots that judge, where there are any: NLL and KL.
    pub fn held_out(&self, loss: &Loss) -> Option<(f64, f64)> {
        let mean = Mean::over(loss, self.held_out.as_ref()?);
        Some((mean.nll.double_value(&[]), mean.kl.double_value(&[])))
    }
}

impl Mean {
    fn over(loss: &Loss, rows: &Tensor) -> Self {
        let mean = |t: &Tensor| t.index_select(0, rows).mean(Kind::Double);
        Self { nll: mean(&loss.nll), kl: mean(&loss.kl) }
    }
}
