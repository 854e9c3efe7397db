//! Image features of simulated tissue.

use ndarray::Array2;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::TissueConfig;
use super::field::Field;
use super::layout::domain_size;

/// Smooth nuisance patterns (stain, thickness, focus) that all features share by loadings.
const PATTERNS: usize = 4;

/// Image features, [N, F]: the mixture of the domains' means by `shares`, plus smooth patterns,
/// plus noise of each spot.
pub fn features(
    rng: &mut impl Rng,
    config: &TissueConfig,
    xy: &[[f64; 2]],
    shares: &[Vec<f64>],
) -> Array2<f64> {
    let f = config.image_features;
    let mut normal = |shape: (usize, usize), sd: f64| {
        Array2::from_shape_simple_fn(shape, || {
            let z: f64 = StandardNormal.sample(rng);
            sd * z
        })
    };
    let means = normal((config.domains, f), config.image_signal);
    let loadings = normal((PATTERNS, f), config.image_pattern / (PATTERNS as f64).sqrt());
    let mut features = normal((xy.len(), f), config.image_noise);
    let length = 0.5 * domain_size(xy, config.domains);
    let patterns: Vec<Field> = (0..PATTERNS).map(|_| Field::new(rng, length)).collect();
    for (i, mut row) in features.rows_mut().into_iter().enumerate() {
        for (k, share) in shares[i].iter().enumerate() {
            row.scaled_add(*share, &means.row(k));
        }
        for (p, pattern) in patterns.iter().enumerate() {
            row.scaled_add(pattern.at(xy[i]), &loadings.row(p));
        }
    }
    features
}
