//! Smooth random fields over the plane.

use std::f64::consts::TAU;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Waves that make up one field; enough that its values are close to normal.
const WAVES: usize = 64;

/// A Gaussian random field of mean 0 and variance 1 with a squared-exponential covariance, by
/// random Fourier features (Rahimi and Recht, NIPS 2007): no matrix of pairs is needed.
pub struct Field {
    waves: Vec<[f64; 3]>,
}

impl Field {
    /// A field whose correlation falls to 0.61 at distance `length`.
    pub fn new(rng: &mut impl Rng, length: f64) -> Self {
        let wave = |_| {
            let (u, v): (f64, f64) = (StandardNormal.sample(rng), StandardNormal.sample(rng));
            [u / length, v / length, rng.random_range(0.0..TAU)]
        };
        Self { waves: (0..WAVES).map(wave).collect() }
    }

    pub fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let sum: f64 = self.waves.iter().map(|[u, v, phase]| (u * x + v * y + phase).cos()).sum();
        sum * (2.0 / WAVES as f64).sqrt()
    }
}
