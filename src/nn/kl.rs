//! Kullback-Leibler divergence between diagonal Gaussians.

use tch::{Kind, Tensor};

/// Log-variances are held within ±this, so that neither variance nor its inverse overflows.
pub const LOGVAR_LIMIT: f64 = 15.0;

/// `KL(q || p)` per row, in nats, never negative:
/// `0.5 sum_d [(s2_q + (m_q - m_p)^2) / s2_p + ln(s2_p / s2_q) - 1]`.
///
/// # Shapes
/// all [N,L] -> [N]
pub fn gaussian(mu_q: &Tensor, logvar_q: &Tensor, mu_p: &Tensor, logvar_p: &Tensor) -> Tensor {
    let ratio = logvar_q - logvar_p;
    // expm1(r) - r keeps its digits where the two variances are almost the same.
    let spread = ratio.expm1() - &ratio;
    let shift = (mu_q - mu_p).square() * (-logvar_p).exp();
    ((spread + shift).sum_dim_intlist(-1, false, None::<Kind>) * 0.5).clamp_min(0.0)
}
