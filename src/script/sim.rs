//! `sim::`: tissue whose truth is known.

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use crate::sim::{self, TissueConfig};

#[export_module(manifest)]
pub(super) mod functions {
    /// Makes a synthetic tissue with planted domains, gene programmes, and patches where
    /// morphology and expression disagree.
    ///
    /// ```rhai
    /// let tissue = sim::tissue(#{ spots: 100, genes: 50, domains: 4 })
    /// tissue.obs["domain_true"].unique().len()   // => 4
    /// ```
    ///
    /// `obs` holds the truth: `domain_true` and `discordant`.
    #[rhai_fn(return_raw)]
    pub fn tissue(options: Map) -> Outcome<Dataset> {
        Ok(Dataset::new(sim::tissue(&parse::<TissueConfig>(options, "tissue")?)?))
    }
}
