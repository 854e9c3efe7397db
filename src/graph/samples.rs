//! One graph of several samples that no edge joins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Graph;
use crate::base::{Error, Result};
use crate::data::{Coordinates, Dataset};

/// Options of graphs that have no others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SampleConfig {
    /// The column of `obs` that says which sample a spot is of: no edge joins two samples. Without
    /// it the one that `data::concat` has recorded.
    pub sample_key: Option<String>,
}

/// Builds the graph of each sample on its own and puts them together. The samples are told by the
/// column `key` of `obs`, or by the one that `uns["sample_key"]` names; without either there is
/// one sample.
///
/// # Errors
/// No coordinates; no such column; what `build` says, with the sample's name.
pub fn per_sample(
    ds: &Dataset,
    key: Option<&str>,
    build: impl Fn(&Coordinates) -> Result<Graph>,
) -> Result<Graph> {
    let all = ds.coordinates()?;
    let Some(key) = key.or(ds.sample_key()) else { return build(&all) };
    let groups = ds.groups(key).map_err(|e| e.within("telling the samples apart"))?;
    if groups.len() < 2 {
        return build(&all);
    }
    let mut parts = Vec::with_capacity(groups.len());
    for (name, spots) in groups {
        let xy = all.xy.select(ndarray::Axis(0), &spots);
        let graph = build(&Coordinates { xy, ..all })
            .map_err(|e: Error| e.within(format!("sample '{name}'")))?;
        parts.push((spots, graph));
    }
    Ok(Graph::join(ds.n_obs(), &parts))
}
