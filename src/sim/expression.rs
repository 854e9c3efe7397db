//! Gene programmes and counts.

use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma, LogNormal, Normal, Poisson};
use rayon::prelude::*;

use super::TissueConfig;
use crate::base::{Result, interrupt, progress, seed};
use crate::data::Csr;

/// Spread of the logarithm of the genes' basic levels: most are low, a few are high.
const LEVEL_LOG_SD: f64 = 1.0;
/// Spread of the logarithm of the fold changes and of the genes' dispersions.
const LOG_SD: f64 = 0.5;
/// Spots drawn between two looks at the interrupt.
const CHUNK: usize = 128;

/// What each domain expresses.
pub struct Programmes {
    /// Share of a spot's counts by domain and gene, [D, G]; rows sum to 1.
    pub profile: Array2<f64>,
    /// The domains whose programme a gene belongs to; none for housekeeping.
    pub members: Vec<Vec<usize>>,
    /// Inverse dispersion by gene, [G].
    pub theta: Vec<f64>,
}

impl Programmes {
    pub fn new(rng: &mut impl Rng, config: &TissueConfig) -> Result<Self> {
        let (genes, domains) = (config.genes, config.domains);
        let own = (config.programme_genes * genes as f64).round() as usize;
        // A programme shared by all domains would be housekeeping, so two domains share none.
        let shared =
            if domains > 2 { (config.shared_genes * genes as f64).round() as usize } else { 0 };
        let mut members: Vec<Vec<usize>> = Vec::with_capacity(genes);
        for g in 0..genes {
            let mut programme = Vec::new();
            if domains > 1 && g < own {
                programme.push(g % domains);
            } else if g >= own && g < (own + shared).min(genes) {
                let (a, b) = (rng.random_range(0..domains), rng.random_range(0..domains - 1));
                let b = if b >= a { b + 1 } else { b };
                programme.extend([a.min(b), a.max(b)]);
            }
            members.push(programme);
        }
        members.shuffle(rng);

        let level =
            LogNormal::new(0.0, LEVEL_LOG_SD).map_err(|e| super::tissue::invalid("levels", e))?;
        let change = LogNormal::new(config.log_fold_change, LOG_SD)
            .map_err(|e| super::tissue::invalid("log_fold_change", e))?;
        let dispersion = LogNormal::new(config.inverse_dispersion.ln(), LOG_SD)
            .map_err(|e| super::tissue::invalid("inverse_dispersion", e))?;
        let mut profile = Array2::zeros((domains, genes));
        for (g, programme) in members.iter().enumerate() {
            let base = level.sample(rng);
            for k in 0..domains {
                let raised = programme.contains(&k);
                profile[[k, g]] = if raised { base * change.sample(rng) } else { base };
            }
        }
        for mut row in profile.rows_mut() {
            let total = row.sum();
            row.mapv_inplace(|v| v / total);
        }
        let theta = (0..genes).map(|_| dispersion.sample(rng)).collect();
        Ok(Self { profile, members, theta })
    }

    /// The programme of a gene by name: "housekeeping", "D2", "D1+D3".
    pub fn name(&self, gene: usize) -> String {
        let names: Vec<String> =
            self.members[gene].iter().map(|&k| super::tissue::domain_name(k)).collect();
        if names.is_empty() { "housekeeping".into() } else { names.join("+") }
    }
}

/// Negative-binomial counts of spots that hold `shares` of the domains, [N, G].
///
/// A spot's mean for a gene is its library size times the mixture of the domains' profiles; the
/// count is Poisson with a gamma-distributed rate of variance mean^2 / theta; with probability
/// `dropout` it is lost. Each spot draws from a stream of its own, so threads change nothing.
pub fn counts(config: &TissueConfig, programmes: &Programmes, shares: &[Vec<f64>]) -> Result<Csr> {
    let doing = "simulating counts";
    let sd = config.library_log_sd;
    // The mean of exp(N(m, sd)) is exp(m + sd^2 / 2).
    let library = Normal::new(config.library_size.ln() - sd * sd / 2.0, sd)
        .map_err(|e| super::tissue::invalid("library_log_sd", e))?;
    let draw = |spot: usize| {
        let mut rng = seed::rng(config.seed, super::tissue::FIRST_SPOT + spot as u64);
        let size = library.sample(&mut rng).exp();
        let mut row = Vec::new();
        for (g, &theta) in programmes.theta.iter().enumerate() {
            let share: f64 =
                shares[spot].iter().zip(programmes.profile.column(g)).map(|(m, p)| m * p).sum();
            let rate = Gamma::new(theta, size * share / theta).map_or(0.0, |d| d.sample(&mut rng));
            // A rate that underflows to zero has no Poisson distribution, and a count of zero.
            let count: f64 = Poisson::new(rate).map_or(0.0, |d| d.sample(&mut rng));
            if count > 0.0 && rng.random::<f64>() >= config.dropout {
                row.push((g as u32, count as f32));
            }
        }
        row
    };
    let job = progress::Job::new(doing, 0, shares.len() as u64);
    let mut rows = Vec::with_capacity(shares.len());
    for first in (0..shares.len()).step_by(CHUNK) {
        interrupt::check(doing)?;
        let last = (first + CHUNK).min(shares.len());
        rows.par_extend((first..last).into_par_iter().map(draw));
        job.step(last as u64, "", false);
    }
    Ok(Csr::from_rows(config.genes, rows))
}
