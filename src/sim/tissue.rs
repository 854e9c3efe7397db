//! A synthetic slide: spots, domains, counts, image features, and where the last two disagree.

use ndarray::{Array1, Array2};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::{self, Lattice, argmax};
use super::{expression, morphology};
use crate::base::{Error, Result, interrupt, memory, seed};
use crate::data::{Dataset, Table, Uns, keys};

/// Streams of the generator: one a part, then one a spot.
const LAYOUT: u64 = 0;
const PATCHES: u64 = 1;
const PROGRAMMES: u64 = 2;
const MORPHOLOGY: u64 = 3;
pub(super) const FIRST_SPOT: u64 = 16;

/// What the synthetic tissue is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TissueConfig {
    /// Spots, 10 to 1,000,000.
    pub spots: usize,
    /// Genes, 1 to 100,000.
    pub genes: usize,
    /// Spatial domains, 1 to 50, and at most a tenth of the spots.
    pub domains: usize,
    /// Distance between neighbouring spots in um, above 0.
    pub spacing_um: f64,
    /// How far a spot strays from the lattice, in spacings, 0 to 0.5.
    pub jitter: f64,
    /// Softness of borders in um, 0 or more: a spot so far from a border holds 12 % of the domain
    /// beyond it. 0 gives sharp borders.
    pub border_um: f64,
    /// Share of genes that are raised in one domain, 0 to 1.
    pub programme_genes: f64,
    /// Share of genes that are raised in two domains, 0 to 1 together with `programme_genes`; the
    /// rest are housekeeping. With fewer than three domains no programme is shared.
    pub shared_genes: f64,
    /// Mean of the natural logarithm of the fold change of a raised gene, -5 to 5.
    pub log_fold_change: f64,
    /// Mean counts a spot before dropout, 1 to 1,000,000.
    pub library_size: f64,
    /// Standard deviation of the natural logarithm of the library size, 0 to 3.
    pub library_log_sd: f64,
    /// Median inverse dispersion of the negative binomial, 0.01 to 1,000,000: the variance of a
    /// count is mean + mean^2 / theta.
    pub inverse_dispersion: f64,
    /// Probability that a count is lost, 0 to below 1.
    pub dropout: f64,
    /// Image features a spot, 0 to 10,000; with 0 there is no `obsm["image_features"]`.
    pub image_features: usize,
    /// Standard deviation of the domains' means in each image feature, 0 or more.
    pub image_signal: f64,
    /// Standard deviation of smooth patterns that have nothing to do with domains, 0 or more.
    pub image_pattern: f64,
    /// Standard deviation of the noise of each spot, 0 or more.
    pub image_noise: f64,
    /// Share of spots in discordant patches, 0 to 0.5: the morphology of one domain, the
    /// expression of another.
    pub discordant: f64,
    /// Spots of one discordant patch, about, 1 to 10,000.
    pub patch_spots: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for TissueConfig {
    fn default() -> Self {
        Self {
            spots: 1000,
            genes: 2000,
            domains: 5,
            spacing_um: 100.0,
            jitter: 0.05,
            border_um: 60.0,
            programme_genes: 0.25,
            shared_genes: 0.1,
            log_fold_change: 0.8,
            library_size: 3000.0,
            library_log_sd: 0.4,
            inverse_dispersion: 2.0,
            dropout: 0.1,
            image_features: 64,
            image_signal: 0.5,
            image_pattern: 0.5,
            image_noise: 1.0,
            discordant: 0.08,
            patch_spots: 13,
            seed: 42,
        }
    }
}

impl TissueConfig {
    fn check(&self) -> Result<()> {
        let least = |name, v: f64, low: f64| within(name, v, low, f64::INFINITY);
        within("spots", self.spots as f64, 10.0, 1e6)?;
        within("genes", self.genes as f64, 1.0, 1e5)?;
        within("domains", self.domains as f64, 1.0, (self.spots as f64 / 10.0).floor().min(50.0))?;
        within("spacing_um", self.spacing_um, 1e-3, 1e6)?;
        within("jitter", self.jitter, 0.0, 0.5)?;
        within("border_um", self.border_um, 0.0, 1e9)?;
        within("programme_genes", self.programme_genes, 0.0, 1.0)?;
        within("shared_genes", self.shared_genes, 0.0, 1.0 - self.programme_genes + 1e-9)?;
        within("log_fold_change", self.log_fold_change, -5.0, 5.0)?;
        within("library_size", self.library_size, 1.0, 1e6)?;
        within("library_log_sd", self.library_log_sd, 0.0, 3.0)?;
        within("inverse_dispersion", self.inverse_dispersion, 0.01, 1e6)?;
        within("dropout", self.dropout, 0.0, 1.0 - 1e-9)?;
        within("image_features", self.image_features as f64, 0.0, 1e4)?;
        least("image_signal", self.image_signal, 0.0)?;
        least("image_pattern", self.image_pattern, 0.0)?;
        least("image_noise", self.image_noise, 0.0)?;
        within("discordant", self.discordant, 0.0, 0.5)?;
        within("patch_spots", self.patch_spots as f64, 1.0, 1e4)?;
        if self.discordant > 0.0 && self.domains < 2 {
            return Err(Error::new("checking the options of the synthetic tissue")
                .expected("two domains or more for discordant patches")
                .found(format!("domains = {}, discordant = {}", self.domains, self.discordant))
                .advice("Set discordant to 0 or domains to 2"));
        }
        Ok(())
    }
}

fn within(name: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if value.is_finite() && value >= low && value <= high {
        return Ok(());
    }
    let bound =
        if high.is_finite() { format!("{low} to {high}") } else { format!("{low} or more") };
    Err(Error::new(format!("checking the option {name} of the synthetic tissue"))
        .expected(bound)
        .found(value.to_string()))
}

/// A library's refusal of a number that [`TissueConfig::check`] let through.
pub(super) fn invalid(name: &str, e: impl std::fmt::Display) -> Error {
    Error::new(format!("checking the option {name} of the synthetic tissue")).found(e.to_string())
}

pub(super) fn domain_name(k: usize) -> String {
    format!("D{}", k + 1)
}

/// Makes a slide of synthetic tissue.
///
/// It holds counts as X; `obsm["spatial"]` in um; `obsm["image_features"]`; in `obs` the domain of
/// the place (`domain_true`), of the image (`morphology_domain`) and of the counts
/// (`expression_domain`), the share of the place's own domain in the spot (`purity`) and
/// `discordant`; in `var` the `programme` and the `inverse_dispersion`; and the options as JSON
/// in `uns["simulation"]`.
///
/// Inside a discordant patch one modality is wholly that of another domain: the expression in one
/// patch, the image in the next. Everywhere else both show the same mixture of domains, soft
/// borders included.
///
/// # Errors
/// An option out of its range, by name; too little memory.
pub fn tissue(config: &TissueConfig) -> Result<Dataset> {
    config.check()?;
    let (n, g) = (config.spots, config.genes);
    let bytes = (n * g * 16 + n * config.image_features * 8) as u64;
    memory::require("simulating tissue, at most", bytes, "Ask for fewer spots or genes")?;

    let owned = config.clone();
    let (lattice, place) = interrupt::abandonable("laying tissue out", move || {
        let mut rng = seed::rng(owned.seed, LAYOUT);
        let lattice = Lattice::new(&mut rng, n, owned.spacing_um, owned.jitter);
        let place = layout::domains(&mut rng, &lattice.xy, owned.domains, owned.border_um);
        Ok((lattice, place))
    })?;
    let label: Vec<usize> = place.iter().map(|shares| argmax(shares.iter().copied())).collect();

    let mut rng = seed::rng(config.seed, PATCHES);
    let wanted = (config.discordant * n as f64).round() as usize;
    let (mut image, mut genes) = (place.clone(), place.clone());
    let mut discordant = vec![false; n];
    for (p, patch) in
        layout::patches(&mut rng, &lattice, &label, wanted, config.patch_spots).iter().enumerate()
    {
        let own = label[patch[0]];
        let other = (own + rng.random_range(1..config.domains)) % config.domains;
        let foreign = if p % 2 == 0 { &mut genes } else { &mut image };
        for &i in patch {
            foreign[i] = (0..config.domains).map(|k| f64::from(k == other)).collect();
            discordant[i] = true;
        }
    }

    let programmes = expression::Programmes::new(&mut seed::rng(config.seed, PROGRAMMES), config)?;
    let x = expression::counts(config, &programmes, &genes)?;

    let mut obs = Table::new(numbered("spot", n));
    let names = |shares: &[Vec<f64>]| -> Vec<Option<String>> {
        shares.iter().map(|s| Some(domain_name(argmax(s.iter().copied())))).collect()
    };
    obs.set_categories("domain_true", &names(&place))?;
    obs.set_categories("morphology_domain", &names(&image))?;
    obs.set_categories("expression_domain", &names(&genes))?;
    obs.set_f64("purity", &place.iter().zip(&label).map(|(s, &l)| s[l]).collect::<Vec<_>>())?;
    obs.set_bool(keys::DISCORDANT, &discordant)?;

    let mut var = Table::new(numbered("Gene", g));
    var.set_text("programme", &(0..g).map(|i| programmes.name(i)).collect::<Vec<_>>())?;
    var.set_f64("inverse_dispersion", &programmes.theta)?;

    let mut ds = Dataset::new(x, obs, var)?;
    ds.set_obsm(keys::SPATIAL, Array2::from_shape_fn((n, 2), |(i, k)| lattice.xy[i][k]))?;
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text("um".into()));
    if config.image_features > 0 {
        let mut rng = seed::rng(config.seed, MORPHOLOGY);
        ds.set_obsm(
            keys::IMAGE_FEATURES,
            morphology::features(&mut rng, config, &lattice.xy, &image),
        )?;
        let names = Array1::from_iter(numbered("image", config.image_features)).into_dyn();
        ds.uns_mut().set(&[keys::IMAGE_FEATURE_NAMES], Uns::Texts(names));
    }
    let record = serde_json::to_string(config)
        .map_err(|e| Error::io("recording the options of the synthetic tissue", e))?;
    ds.uns_mut().set(&["simulation"], Uns::Text(record));
    Ok(ds)
}

/// Names with numbers from 1, padded so that they sort: "Gene0001".
fn numbered(name: &str, n: usize) -> Vec<String> {
    let digits = n.to_string().len();
    (1..=n).map(|i| format!("{name}{i:0digits$}")).collect()
}
