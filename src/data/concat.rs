//! Several samples as one dataset.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use ndarray::{Array2, Axis, concatenate};
use polars::prelude::{DataType, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Csr, Dataset, Matrix, Table, Unit, Uns, keys};
use crate::base::{Error, Kind, Result, interrupt, progress};

/// Which genes (and columns) of several samples stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Those that all samples have.
    #[default]
    Inner,
    /// Those that any sample has; what a sample lacks is zero in X and missing in `obs`.
    Outer,
}

/// Options of joining samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConcatConfig {
    /// `inner`: genes that all samples have; `outer`: those that any has.
    pub join: Join,
    /// The column of `obs` that gets the name of the sample. Graphs have no edges between samples.
    pub key: String,
    /// Names of the samples; "0", "1", ... without.
    pub names: Vec<String>,
    /// Whether the samples are laid out from left to right in `obsm["spatial"]`, a tenth of a
    /// width apart; pixels stay in `obsm["spatial_px"]`. Without it each keeps its own coordinates,
    /// and samples may lie on each other.
    pub side_by_side: bool,
}

impl Default for ConcatConfig {
    fn default() -> Self {
        Self { join: Join::Inner, key: "sample".into(), names: Vec::new(), side_by_side: false }
    }
}

const DOING: &str = "joining samples";

/// Puts samples below each other: X, the layers, `obs`, `obsm` and `obsp` that all have, the
/// columns of `var` on which they agree, and the libraries of `uns["spatial"]`. Genes stand in the
/// order of the first sample that has them. Names of spots that occur twice get the sample's name
/// behind them.
///
/// # Errors
/// No sample, names that do not fit, repeated genes, no gene in common; coordinates in different
/// units; logarithms in some samples only.
pub fn concat(samples: &[&Dataset], config: &ConcatConfig) -> Result<Dataset> {
    let names = names(samples.len(), config)?;
    if let Some((_, name)) = samples.iter().zip(&names).find(|(s, _)| s.obs().has(&config.key)) {
        return Err(Error::new(DOING)
            .expected(format!("no column '{}' in obs, which is to name the samples", config.key))
            .found(format!("one in sample '{name}'"))
            .advice("Choose another name: #{ key: \"sample\" }; or drop or rename the column"));
    }
    let unit = unit(samples, &names)?;
    logs_agree(samples, &names)?;
    counts_agree(samples, &names)?;
    note_lost(samples);
    let genes = Genes::new(samples, &names, config.join)?;
    let mut obs = rows(samples, config.join)?;
    obs.set_index(spots(samples, &names))?;
    let sizes: Vec<usize> = samples.iter().map(|s| s.n_obs()).collect();
    let of: Vec<Option<u32>> =
        sizes.iter().zip(0..).flat_map(|(&n, s)| std::iter::repeat_n(Some(s), n)).collect();
    obs.set_codes(&config.key, &names, &of)?;

    let mut joined = Dataset::new(
        genes.stack(samples.iter().map(|s| s.x()))?,
        obs,
        genes.var(samples, config.join)?,
    )?;
    let shared = |keys: Vec<BTreeSet<&String>>, slot: &str| {
        let all: BTreeSet<&String> = keys.iter().flatten().copied().collect();
        let (kept, lost): (Vec<&String>, Vec<&String>) =
            all.into_iter().partition(|k| keys.iter().all(|has| has.contains(k)));
        if !lost.is_empty() {
            let lost: Vec<&str> = lost.into_iter().map(String::as_str).collect();
            progress::note(format!(
                "{DOING}: {slot} {} are not in all samples and left out",
                lost.join(", ")
            ));
        }
        kept.into_iter().cloned().collect::<Vec<String>>()
    };
    for name in shared(samples.iter().map(|s| s.layers().keys().collect()).collect(), "layers") {
        joined.set_layer(&name, genes.stack(samples.iter().map(|s| &s.layers()[&name]))?)?;
    }
    for name in shared(samples.iter().map(|s| s.obsm().keys().collect()).collect(), "obsm") {
        let parts: Vec<&Array2<f64>> = samples.iter().map(|s| &s.obsm()[&name]).collect();
        match beside(&parts, config.side_by_side && name == keys::SPATIAL) {
            Some(whole) => joined.set_obsm(&name, whole)?,
            None => {
                progress::note(format!("{DOING}: obsm {name} has different widths and is left out"))
            }
        }
    }
    for name in shared(samples.iter().map(|s| s.obsp().keys().collect()).collect(), "obsp") {
        joined.set_obsp(&name, diagonal(samples.iter().map(|s| &s.obsp()[&name])))?;
    }
    // The pictures stay where they are: positions on them are kept beside those that were moved.
    let on_picture = samples.iter().all(|s| {
        let own = s.coordinates().is_ok_and(|c| c.unit == Unit::Px);
        own && !s.obsm().contains_key(keys::SPATIAL_PX)
    });
    if config.side_by_side && on_picture {
        let parts: Vec<_> = samples.iter().map(|s| &s.obsm()[keys::SPATIAL]).collect();
        if let Some(whole) = beside(&parts, false) {
            joined.set_obsm(keys::SPATIAL_PX, whole)?;
        }
    }
    let uns = joined.uns_mut();
    if unit == Unit::Px {
        let scale = |s: &&Dataset| s.coordinates().ok()?.um_per_unit;
        let scales = names.iter().zip(samples).filter_map(|(n, s)| Some((n, scale(s)?)));
        let scales = scales.map(|(n, um)| (n.clone(), Uns::Float(um))).collect();
        uns.set(&[keys::SPATIAL_UM_PER_PX], Uns::Map(scales));
    }
    if let Some(libraries) = libraries(samples, &names) {
        uns.set(&[keys::SPATIAL], Uns::Map(libraries));
    }
    if unit != Unit::Unknown {
        uns.set(&[keys::SPATIAL_UNIT], Uns::Text(unit.name().into()));
    }
    if let Some(log) = samples[0].uns().get(&["log1p"]) {
        uns.set(&["log1p"], log.clone());
    }
    uns.set(&[keys::SAMPLE_KEY], Uns::Text(config.key.clone()));
    joined.sources = samples.iter().flat_map(|s| s.sources.iter().cloned()).collect();
    Ok(joined)
}

fn names(n: usize, config: &ConcatConfig) -> Result<Vec<String>> {
    if n == 0 {
        return Err(Error::new(DOING).expected("at least one dataset").found("none"));
    }
    if config.names.is_empty() {
        return Ok((0..n).map(|i| i.to_string()).collect());
    }
    let distinct: BTreeSet<&String> = config.names.iter().collect();
    if config.names.len() != n || distinct.len() != n {
        return Err(Error::new(DOING)
            .expected(format!("{n} different names, one a sample"))
            .found(config.names.join(", ")));
    }
    Ok(config.names.clone())
}

/// The unit that all coordinates are in.
fn unit(samples: &[&Dataset], names: &[String]) -> Result<Unit> {
    let mut known: Option<(Unit, &String)> = None;
    for (sample, name) in samples.iter().zip(names) {
        let coordinates = match sample.coordinates() {
            Ok(coordinates) => coordinates,
            Err(e) if e.what() == Kind::Missing => continue,
            Err(e) => return Err(e.within(format!("{DOING}: '{name}'"))),
        };
        match known {
            None => known = Some((coordinates.unit, name)),
            Some((unit, first)) if unit != coordinates.unit => {
                return Err(Error::new(DOING)
                    .expected("coordinates in one unit")
                    .found(format!(
                        "{} in '{first}' and {} in '{name}'",
                        unit.name(),
                        coordinates.unit.name()
                    ))
                    .advice("Convert one of them, and say so in ds.uns[\"spatial_unit\"]"));
            }
            Some(_) => {}
        }
    }
    Ok(known.map_or(Unit::Unknown, |k| k.0))
}

/// Counts and values that are none cannot stand in one X.
fn counts_agree(samples: &[&Dataset], names: &[String]) -> Result<()> {
    let counts: Vec<bool> = samples.iter().map(|s| s.x().first_non_count().is_none()).collect();
    match (counts.iter().position(|&c| c), counts.iter().position(|&c| !c)) {
        (Some(a), Some(b)) => Err(Error::new(DOING)
            .expected("X with counts in all samples or in none")
            .found(format!("counts in '{}' and other values in '{}'", names[a], names[b]))
            .advice("Join the counts, and normalise afterwards")),
        _ => Ok(()),
    }
}

/// Says which parts no joined dataset has.
fn note_lost(samples: &[&Dataset]) {
    let mut lost = Vec::new();
    let any = |has: &dyn Fn(&Dataset) -> bool| samples.iter().any(|s| has(s));
    if any(&|s| s.raw().is_some()) {
        lost.push("raw".to_owned());
    }
    if any(&|s| !s.varm().is_empty()) {
        lost.push("varm".to_owned());
    }
    if any(&|s| !s.varp().is_empty()) {
        lost.push("varp".to_owned());
    }
    let kept =
        [keys::SPATIAL, keys::SPATIAL_UNIT, keys::SPATIAL_UM_PER_PX, keys::SAMPLE_KEY, "log1p"];
    let uns = samples.iter().filter_map(|s| s.uns().as_map()).flat_map(|m| m.keys());
    let others: BTreeSet<&String> = uns.filter(|k| !kept.contains(&k.as_str())).collect();
    lost.extend(others.into_iter().map(|k| format!("uns[\"{k}\"]")));
    if !lost.is_empty() {
        progress::note(format!("{DOING}: {} are of single samples and left out", lost.join(", ")));
    }
}

fn logs_agree(samples: &[&Dataset], names: &[String]) -> Result<()> {
    let logged = |s: &&Dataset| s.uns().get(&["log1p"]).is_some();
    let with = samples.iter().position(logged);
    let without = samples.iter().position(|s| !logged(s));
    match (with, without) {
        (Some(a), Some(b)) => Err(Error::new(DOING)
            .expected("X with logarithms in all samples or in none")
            .found(format!("logarithms in '{}' and none in '{}'", names[a], names[b]))
            .advice("Join the counts, and normalise afterwards")),
        _ => Ok(()),
    }
}

/// Names of the spots, with the sample's behind them where any occurs twice.
fn spots(samples: &[&Dataset], names: &[String]) -> Vec<String> {
    let index = || samples.iter().flat_map(|s| s.obs().index());
    let distinct: BTreeSet<&String> = index().collect();
    if distinct.len() == index().count() {
        return index().cloned().collect();
    }
    let named = samples
        .iter()
        .zip(names)
        .flat_map(|(s, name)| s.obs().index().iter().map(move |spot| format!("{spot}-{name}")));
    named.collect()
}

/// The genes that stay, and where each sample has them.
struct Genes {
    names: Vec<String>,
    /// For each sample, where its columns go; `u32::MAX` for one that is dropped.
    places: Vec<Vec<u32>>,
}

impl Genes {
    fn new(samples: &[&Dataset], names: &[String], join: Join) -> Result<Self> {
        for (sample, name) in samples.iter().zip(names) {
            sample
                .check_genes_are_unique()
                .map_err(|e| e.within(format!("{DOING}: sample '{name}'")))?;
        }
        let mut seen: IndexMap<&str, usize> = IndexMap::new();
        for gene in samples.iter().flat_map(|s| s.var().index()) {
            *seen.entry(gene).or_default() += 1;
        }
        if join == Join::Inner {
            seen.retain(|_, n| *n == samples.len());
        }
        if seen.is_empty() {
            let first = |s: &&Dataset| s.var().index().first().cloned().unwrap_or_default();
            let firsts: Vec<String> = samples.iter().map(first).collect();
            return Err(Error::new(DOING)
                .expected("genes that all samples have")
                .found(format!("none; the first ones are {}", firsts.join(", ")))
                .advice("Are some named by id and others by symbol? Or use join: \"outer\""));
        }
        let place = |gene: &String| seen.get_index_of(gene.as_str()).map_or(u32::MAX, |i| i as u32);
        let places = samples.iter().map(|s| s.var().index().iter().map(place).collect()).collect();
        Ok(Self { names: seen.keys().map(|g| (*g).to_owned()).collect(), places })
    }

    /// Matrices of the samples below each other, sparse.
    fn stack<'a>(&self, parts: impl Iterator<Item = &'a Matrix>) -> Result<Csr> {
        let parts: Vec<_> = parts.map(Matrix::csr).collect();
        let nnz = parts.iter().map(|p| p.nnz()).sum();
        let (mut indptr, mut indices) = (vec![0], Vec::with_capacity(nnz));
        let mut values = Vec::with_capacity(nnz);
        let mut row: Vec<(u32, f32)> = Vec::new();
        for (part, place) in parts.iter().zip(&self.places) {
            for r in 0..part.nrows() {
                interrupt::check(DOING)?;
                let (cols, vals) = part.row(r);
                let moved = cols.iter().zip(vals).map(|(&c, &v)| (place[c as usize], v));
                row.clear();
                row.extend(moved.filter(|e| e.0 != u32::MAX));
                row.sort_unstable_by_key(|e| e.0);
                indices.extend(row.iter().map(|e| e.0));
                values.extend(row.iter().map(|e| e.1));
                indptr.push(indices.len());
            }
        }
        Ok(Csr::raw(self.names.len(), indptr, indices, values))
    }

    /// The columns of `var` on which the samples agree.
    fn var(&self, samples: &[&Dataset], join: Join) -> Result<Table> {
        // All genes of all samples below each other, and where each gene that stays is among them.
        let tables: Vec<&Table> = samples.iter().map(|s| s.var()).collect();
        let mut at = vec![Vec::new(); self.names.len()];
        for (row, &place) in self.places.iter().flatten().enumerate() {
            if let Some(rows) = at.get_mut(place as usize) {
                rows.push(row);
            }
        }
        let firsts: Vec<usize> = at.iter().map(|rows| rows[0]).collect();
        let mut var = Table::new(self.names.clone());
        let mut lost = Vec::new();
        for name in columns(&tables, join) {
            let mut one = Table::new(vec![String::new(); self.places.iter().map(Vec::len).sum()]);
            stack(&tables, &name, &mut one)?;
            let values = one.column(&name)?;
            let same = |rows: &Vec<usize>| {
                rows.iter().all(|&r| values.get(r).ok() == values.get(rows[0]).ok())
            };
            if at.iter().all(same) {
                var.set(one.select_rows(&firsts)?.column(&name)?.clone())?;
            } else {
                lost.push(name);
            }
        }
        if !lost.is_empty() {
            progress::note(format!(
                "{DOING}: var {} differ between samples and are left out",
                lost.join(", ")
            ));
        }
        Ok(var)
    }
}

/// `obs` of all samples below each other.
fn rows(samples: &[&Dataset], join: Join) -> Result<Table> {
    let tables: Vec<&Table> = samples.iter().map(|s| s.obs()).collect();
    let mut whole = Table::new(vec![String::new(); tables.iter().map(|t| t.len()).sum()]);
    whole.index_name = tables[0].index_name.clone();
    let kept = columns(&tables, join);
    let all = columns(&tables, Join::Outer);
    let lost: Vec<&str> = all.iter().filter(|c| !kept.contains(c)).map(String::as_str).collect();
    if !lost.is_empty() {
        progress::note(format!(
            "{DOING}: obs {} are not in all samples and left out; join: \"outer\" keeps them",
            lost.join(", ")
        ));
    }
    for name in kept {
        stack(&tables, &name, &mut whole)?;
    }
    Ok(whole)
}

/// The names of the columns that stay, in the order of the first table that has them.
fn columns(tables: &[&Table], join: Join) -> Vec<String> {
    let mut seen: IndexMap<&str, usize> = IndexMap::new();
    for name in tables.iter().flat_map(|t| t.names()) {
        *seen.entry(name).or_default() += 1;
    }
    let stays = |n: usize| join == Join::Outer || n == tables.len();
    seen.into_iter().filter(|(_, n)| stays(*n)).map(|(name, _)| name.to_owned()).collect()
}

/// Sets a column of `whole` to that of all tables below each other. Categories are united; types
/// that differ become numbers where all are, else text; a table without it has missing values.
fn stack(tables: &[&Table], name: &str, whole: &mut Table) -> Result<()> {
    let failed = |e| Error::io(format!("{DOING}: joining column '{name}'"), e);
    let having: Vec<&&Table> = tables.iter().filter(|t| t.has(name)).collect();
    let coded = having.iter().map(|t| t.codes(name)).collect::<Result<Option<Vec<_>>>>()?;
    if let Some(coded) = coded {
        let mut coded = coded.into_iter();
        let mut known: IndexMap<String, u32> = IndexMap::new();
        let mut all = Vec::with_capacity(whole.len());
        for table in tables {
            let Some((categories, codes)) = table.has(name).then(|| coded.next()).flatten() else {
                all.extend(std::iter::repeat_n(None, table.len()));
                continue;
            };
            let mut code = |c: String| {
                let next = known.len() as u32;
                *known.entry(c).or_insert(next)
            };
            let new: Vec<u32> = categories.into_iter().map(&mut code).collect();
            all.extend(codes.into_iter().map(|c| c.map(|c| new[c as usize])));
        }
        let categories: Vec<String> = known.into_keys().collect();
        return whole.set_codes(name, &categories, &all);
    }
    let mut types = Vec::new();
    for table in &having {
        types.push(table.column(name)?.dtype().clone());
    }
    let number = |t: &DataType| t.is_primitive_numeric() || t.is_bool();
    let common = match types.first() {
        Some(first) if types.iter().all(|t| t == first) => first.clone(),
        _ if types.iter().all(number) => DataType::Float64,
        _ => DataType::String,
    };
    let mut column = Series::new_empty(name.into(), &common);
    for table in tables {
        let part = match table.has(name) {
            true => table.column(name)?.as_materialized_series().cast(&common).map_err(failed)?,
            false => Series::full_null(name.into(), table.len(), &common),
        };
        column.append(&part).map_err(failed)?;
    }
    whole.set(column.into())
}

/// Matrices below each other; apart in their first column where they are laid out. `None` where
/// their widths differ.
fn beside(parts: &[&Array2<f64>], apart: bool) -> Option<Array2<f64>> {
    let mut parts: Vec<Array2<f64>> = parts.iter().map(|p| (*p).clone()).collect();
    if apart {
        let mut left = 0.0;
        for (i, part) in parts.iter_mut().enumerate().filter(|(_, p)| p.ncols() > 0) {
            let mut x = part.column_mut(0);
            let low = x.iter().copied().fold(f64::INFINITY, f64::min);
            let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if !(low.is_finite() && high.is_finite()) {
                continue;
            }
            let shift = if i == 0 { 0.0 } else { left - low };
            x.iter_mut().for_each(|v| *v += shift);
            left = high + shift + 0.1 * (high - low);
        }
    }
    let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
    concatenate(Axis(0), &views).ok()
}

/// Square matrices along the diagonal of a larger one.
fn diagonal<'a>(parts: impl Iterator<Item = &'a Csr>) -> Csr {
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    let mut first = 0;
    for part in parts {
        for r in 0..part.nrows() {
            let (cols, vals) = part.row(r);
            indices.extend(cols.iter().map(|c| c + first));
            values.extend_from_slice(vals);
            indptr.push(indices.len());
        }
        first += part.nrows() as u32;
    }
    Csr::raw(first as usize, indptr, indices, values)
}

/// The libraries of `uns["spatial"]` of all samples. A sample's only library gets the sample's name,
/// as squidpy's `library_key` wants it; of several, each has it behind its own.
fn libraries(samples: &[&Dataset], names: &[String]) -> Option<IndexMap<String, Uns>> {
    let mut all: IndexMap<String, Uns> = IndexMap::new();
    for (sample, name) in samples.iter().zip(names) {
        let here = sample.uns().get(&[keys::SPATIAL]).and_then(Uns::as_map);
        let only = here.is_some_and(|libraries| libraries.len() == 1);
        for (library, value) in here.into_iter().flatten() {
            let called = if only { name.clone() } else { format!("{library}-{name}") };
            all.insert(called, value.clone());
        }
    }
    (!all.is_empty()).then_some(all)
}
