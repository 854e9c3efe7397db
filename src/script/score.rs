//! `score::`: how well a result agrees with what is known.

use rhai::Dynamic;
use rhai::plugin::*;

use super::convert::{Outcome, groups, numbers};
use crate::analysis::score::{self, Pairs};

#[export_module(manifest)]
pub(super) mod functions {
    /// The adjusted Rand index of two groupings: 1 when they are the same, 0 by chance.
    ///
    /// ```rhai
    /// score::ari(ds.obs["domain_true"], ds.obs["domain_true"])   // => 1.0
    /// ```
    ///
    /// Spots without a label in one of the two do not count.
    #[rhai_fn(return_raw)]
    pub fn ari(a: Dynamic, b: Dynamic) -> Outcome<f64> {
        let Pairs { a, b, .. } = pairs(&a, &b)?;
        Ok(score::ari(&a, &b)?)
    }

    /// The normalised mutual information of two groupings, from 0 to 1.
    ///
    /// ```rhai
    /// score::nmi(["a", "a", "b"], ["x", "x", "y"])               // => 1.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nmi(a: Dynamic, b: Dynamic) -> Outcome<f64> {
        let Pairs { a, b, .. } = pairs(&a, &b)?;
        Ok(score::nmi(&a, &b)?)
    }

    /// The chance that a marked spot scores above an unmarked one: 1 is perfect, 0.5 is chance.
    ///
    /// ```rhai
    /// score::auroc([0.1, 0.9, 0.8], [false, true, true])         // => 1.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn auroc(scores: Dynamic, marks: Dynamic) -> Outcome<f64> {
        let marks = score::marks(&numbers(&marks, "marks")?)?;
        Ok(score::auroc(&numbers(&scores, "scores")?, &marks)?)
    }
}

fn pairs(a: &Dynamic, b: &Dynamic) -> Outcome<Pairs> {
    Ok(score::pairs(&groups(a, "a")?, &groups(b, "b")?)?)
}
