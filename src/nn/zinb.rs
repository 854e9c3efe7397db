//! Zero-inflated negative binomial likelihood, as scvi-tools parametrises it
//! (`scvi.distributions.ZeroInflatedNegativeBinomial`): mean `mu`, inverse dispersion `theta`,
//! and `sigmoid(pi_logit)` the probability of an extra zero.
//!
//! Counts are mostly zeros, and only the others need log-gamma functions. So every entry is first
//! taken as a zero, in the tensors' own precision, and the few that are not are then put right in
//! double precision, where `lgamma(x + theta) - lgamma(theta)` still has digits at theta = 1e6.

use tch::{Device, Kind, Tensor};

use crate::base::{Error, Result};

const EPS: f64 = 1e-8;

/// Counts [N,G] as the places and values of those that are not zero.
#[derive(Debug)]
pub struct Counts {
    shape: [i64; 2],
    /// Row times G plus column, ascending, [nnz].
    place: Tensor,
    /// In double precision, [nnz].
    value: Tensor,
    /// `ln(x!)`, the part of the likelihood that no parameter changes, [nnz].
    log_factorial: Tensor,
}

impl Counts {
    /// # Shapes
    /// `place` and `value` [nnz]; `place` is row * G + column.
    ///
    /// # Errors
    /// Lengths that differ, a place outside [N,G], or a value that is not above zero.
    pub fn new(
        shape: (usize, usize),
        place: &[i64],
        value: &[f64],
        device: Device,
    ) -> Result<Self> {
        let doing = "building the counts of the likelihood";
        let end = (shape.0 * shape.1) as i64;
        if place.len() != value.len() {
            return Err(Error::new(doing)
                .expected(format!("{} values", place.len()))
                .found(value.len().to_string()));
        }
        if let Some(p) = place.iter().find(|&&p| p < 0 || p >= end) {
            return Err(Error::new(doing)
                .expected(format!("places below {end}"))
                .found(p.to_string()));
        }
        if let Some(v) = value.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
            return Err(Error::new(doing).expected("counts above zero").found(v.to_string()));
        }
        let shape = [shape.0 as i64, shape.1 as i64];
        Ok(Self::of(
            shape,
            Tensor::from_slice(place).to_device(device),
            Tensor::from_slice(value).to_device(device),
        ))
    }

    /// From dense counts, [N,G].
    pub fn from_dense(x: &Tensor) -> Self {
        let flat = x.reshape([-1]);
        let place = flat.gt(EPS).nonzero().squeeze_dim(1);
        let value = flat.index_select(0, &place).to_kind(Kind::Double);
        let size = x.size();
        Self::of([size[0], size[1]], place, value)
    }

    fn of(shape: [i64; 2], place: Tensor, value: Tensor) -> Self {
        let log_factorial = (&value + 1.0).lgamma();
        Self { shape, place, value, log_factorial }
    }

    /// N and G.
    pub fn shape(&self) -> (i64, i64) {
        (self.shape[0], self.shape[1])
    }
}

/// Log-likelihood of each entry.
///
/// # Shapes
/// `mu`, `theta`, `pi_logit` and the result [N,G]
pub fn log_prob(x: &Counts, mu: &Tensor, theta: &Tensor, pi_logit: &Tensor) -> Tensor {
    let zeros = log_prob_zero(mu, theta, pi_logit);
    let positive = log_prob_positive(x, mu, theta, pi_logit).to_kind(zeros.kind());
    zeros.reshape([-1]).index_copy(0, &x.place, &positive).view(x.shape)
}

/// Negative log-likelihood of each spot, summed over genes.
///
/// # Shapes
/// `mu`, `theta`, `pi_logit` [N,G] -> [N]
pub fn nll(x: &Counts, mu: &Tensor, theta: &Tensor, pi_logit: &Tensor) -> Tensor {
    -log_prob(x, mu, theta, pi_logit).sum_dim_intlist(1, false, None::<Kind>)
}

/// `ln[pi + (1 - pi) NB(0)]` for every entry, [N,G].
fn log_prob_zero(mu: &Tensor, theta: &Tensor, pi_logit: &Tensor) -> Tensor {
    let nb_zero = -theta * (mu / (theta + EPS)).log1p();
    (nb_zero - pi_logit).softplus() - (-pi_logit).softplus()
}

/// `ln[(1 - pi) NB(x)]` where x is not zero, in double precision, [nnz].
fn log_prob_positive(x: &Counts, mu: &Tensor, theta: &Tensor, pi_logit: &Tensor) -> Tensor {
    let at = |t: &Tensor| t.reshape([-1]).index_select(0, &x.place).to_kind(Kind::Double);
    let (mu, theta, pi_logit) = (at(mu), at(theta), at(pi_logit));
    let log_total = (&theta + &mu + EPS).log();
    let nb = &theta * ((&theta + EPS).log() - &log_total)
        + &x.value * ((&mu + EPS).log() - &log_total)
        + (&x.value + &theta).lgamma()
        - theta.lgamma();
    nb - (-&pi_logit).softplus() - &pi_logit - &x.log_factorial
}
