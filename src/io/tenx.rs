//! 10x Genomics' `.h5` (<https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-h5-matrices>).
//!
//! The file holds features x barcodes by columns; the same three arrays are barcodes x features by
//! rows, so nothing is turned around. Columns and names are those of scanpy's `read_10x_h5`.

use std::collections::BTreeSet;
use std::path::Path;

use hdf5::Group;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Kind, Result, nearest, progress};
use crate::data::table::unique_names;
use crate::data::{Csr, Dataset, Table};
use crate::io::h5::{self, Node};

/// The feature type of genes.
pub(super) const GENES: &str = "Gene Expression";
/// The value of an option that keeps everything.
const ALL: &str = "all";
const TYPES: &str = "feature_types";
const GENOME: &str = "genome";

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenxConfig {
    /// The genome whose features are read. Needed for files of format 2 with several genomes,
    /// where "all" joins those that have the same barcodes; without it format 3 gives all.
    pub genome: Option<String>,
    /// The features that become genes: "Gene Expression", another type that the file names (as
    /// "Antibody Capture"), or "all". Of each type left out, the total of a cell is kept in obs.
    pub features: String,
}

impl Default for TenxConfig {
    fn default() -> Self {
        Self { genome: None, features: GENES.into() }
    }
}

/// Reads a 10x `.h5` as [`read_with`] does with its defaults.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &TenxConfig::default())
}

/// Reads the counts of a 10x `.h5`, format 3 (`/matrix`, of genes or of probes) or format 2
/// (`/<genome>`).
///
/// `obs` is named by barcode, `var` by gene symbol made unique as scanpy does, with `gene_ids`,
/// `feature_types`, `genome` and whatever else the file says of its features. Features of other
/// types than the one asked for are left out, with a note; `obs` keeps their totals, as in
/// `total_counts_antibody_capture`. A file without genes keeps all of its features.
///
/// # Errors
/// No such file, another layout, several genomes in format 2 and none chosen, a genome or a type
/// that the file does not have, damaged arrays.
pub fn read_with(path: &Path, config: &TenxConfig) -> Result<Dataset> {
    let file = h5::open(path)?;
    let mut ds =
        matrix(&file, config).map_err(|e| e.within(format!("reading {}", path.display())))?;
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

fn matrix(f: &Group, config: &TenxConfig) -> Result<Dataset> {
    let genome = config.genome.as_deref();
    let mut ds = match h5::node(f, "matrix")? {
        Some(Node::Group(m)) => {
            let mut ds = current(&m)?;
            if let Some(genome) = genome.filter(|g| *g != ALL) {
                keep_genome(&mut ds, genome)?;
            }
            ds
        }
        _ => legacy(f, genome)?,
    };
    choose(&mut ds, &config.features)?;
    Ok(ds)
}

/// Format 3: one matrix, and a group of what is known of its features.
fn current(m: &Group) -> Result<Dataset> {
    let Some(Node::Group(features)) = h5::node(m, "features")? else {
        return Err(Error::new("reading /matrix")
            .expected("a group 'features'")
            .found(h5::names(m)?.join(", ")));
    };
    let texts = |name| h5::texts(&h5::dataset(&features, name)?);
    let mut var = Table::new(texts("name")?);
    let ids = texts("id")?;
    // The features of a matrix of probes are probes; the id of their gene stands beside theirs.
    if features.link_exists("gene_id") {
        var.set_text("gene_ids", &texts("gene_id")?)?;
        var.set_text("probe_ids", &ids)?;
    } else {
        var.set_text("gene_ids", &ids)?;
    }
    if features.link_exists("feature_type") {
        var.set_text(TYPES, &texts("feature_type")?)?;
    }
    let mut columns = h5::names(&features)?;
    columns.sort();
    for name in columns {
        if ["name", "id", "gene_id", "feature_type"].contains(&name.as_str()) {
            continue;
        }
        // `_all_tag_keys` lists names of columns, `target_sets` is a group: no columns, both.
        let Some(Node::Array(column)) = h5::node(&features, &name)? else { continue };
        if column.shape() == [var.len()]
            && let Some(found) = h5::array(&column)?
        {
            var.set(found.values.with_name(name.into()).into())?;
        }
    }
    let (x, barcodes) = counts(m, var.len())?;
    let mut obs = Table::new(barcodes);
    if let Some(Node::Array(called)) = h5::node(m, "filtered_barcodes")?
        && let Some(found) = h5::array(&called)?
    {
        let called: Vec<bool> = h5::f64s(&found)?.into_iter().map(|v| v != 0.0).collect();
        obs.set_bool("filtered_barcodes", &called)?;
    }
    Dataset::new(x, obs, var)
}

/// The counts of a group, barcodes x features, and the barcodes.
fn counts(m: &Group, features: usize) -> Result<(Csr, Vec<String>)> {
    let barcodes = h5::texts(&h5::dataset(m, "barcodes")?)?;
    let shape = h5::usizes(&h5::dataset(m, "shape")?)?;
    if shape != [features, barcodes.len()] {
        return Err(Error::new("reading the shape of the counts")
            .expected(format!("[{features}, {}] (names, barcodes)", barcodes.len()))
            .found(format!("{shape:?}")));
    }
    let indptr = h5::usizes(&h5::dataset(m, "indptr")?)?;
    let indices = h5::u32s(&h5::dataset(m, "indices")?)?;
    let values = h5::f32s(&h5::dataset(m, "data")?)?;
    Ok((Csr::new((barcodes.len(), features), indptr, indices, values)?, barcodes))
}

/// Format 2: a group for each genome.
fn legacy(f: &Group, genome: Option<&str>) -> Result<Dataset> {
    let genomes = genomes(f)?;
    let one = |genome: &str| {
        let g = f.group(genome).map_err(h5::failed(format!("opening /{genome}")))?;
        let mut var = Table::new(h5::texts(&h5::dataset(&g, "gene_names")?)?);
        var.set_text("gene_ids", &h5::texts(&h5::dataset(&g, "genes")?)?)?;
        let (x, barcodes) = counts(&g, var.len())?;
        Dataset::new(x, Table::new(barcodes), var)
    };
    match (genome, &genomes[..]) {
        (_, []) => Err(no_counts(f)?),
        (None | Some(ALL), [only]) => one(only),
        (Some(ALL), several) => beside(several, several.iter().map(|g| one(g)).collect::<Result<_>>()?),
        (Some(wanted), known) if known.iter().any(|g| g == wanted) => one(wanted),
        (Some(wanted), known) => Err(no_genome(wanted, known.iter().map(String::as_str))),
        (None, several) => Err(Error::new("reading a 10x file of format 2")
            .expected("one genome, or the name of one")
            .found(several.join(", "))
            .advice(format!(
                "Choose with data::read_10x_h5(path, #{{ genome: \"{}\" }}), or \"all\" to join genomes of the same barcodes",
                several[0]
            ))),
    }
}

/// The genomes of a file of format 2.
pub(super) fn genomes(f: &Group) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in h5::names(f)? {
        if let Some(Node::Group(g)) = h5::node(f, &name)?
            && ["barcodes", "gene_names", "indptr"].iter().all(|m| g.link_exists(m))
        {
            found.push(name);
        }
    }
    Ok(found)
}

fn no_counts(f: &Group) -> Result<Error> {
    let found = h5::names(f)?;
    let has = |name: &str| found.iter().any(|n| n == name);
    let advice = if has("barcode_idx") && has("umi") {
        "This is molecule_info.h5, which lists molecules; the counts are in filtered_feature_bc_matrix.h5 beside it"
    } else if has("obs") && has("var") {
        "This is AnnData: data::read reads it"
    } else {
        ""
    };
    Ok(Error::new("looking for the counts")
        .expected("a 10x file, with a group /matrix")
        .found(format!("a file with {}", found.join(", ")))
        .advice(advice))
}

fn no_genome<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Error {
    Error::new("choosing a genome")
        .kind(Kind::Missing)
        .expected("a genome of the file")
        .found(format!("'{wanted}'"))
        .advice(nearest::advice(wanted, known))
}

/// Genomes side by side, as format 3 holds them.
fn beside(genomes: &[String], parts: Vec<Dataset>) -> Result<Dataset> {
    let Some(first) = parts.first() else {
        return Err(Error::new("joining genomes").found("none"));
    };
    if let Some(i) = parts.iter().position(|p| p.obs().index() != first.obs().index()) {
        return Err(Error::new("joining genomes")
            .expected("the same barcodes in each")
            .found(format!(
                "{} of {} and {} of {}, not the same",
                first.n_obs(),
                genomes[0],
                parts[i].n_obs(),
                genomes[i]
            ))
            .advice("Read one genome at a time, or the raw counts, whose barcodes agree"));
    }
    let xs: Vec<Csr> = parts.iter().map(|p| p.x().to_csr()).collect();
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for r in 0..first.n_obs() {
        let mut offset = 0;
        for x in &xs {
            let (c, v) = x.row(r);
            indices.extend(c.iter().map(|c| c + offset));
            values.extend_from_slice(v);
            offset += x.ncols() as u32;
        }
        indptr.push(indices.len());
    }
    let names: Vec<String> = parts.iter().flat_map(|p| p.var().index().to_vec()).collect();
    let x = Csr::new((first.n_obs(), names.len()), indptr, indices, values)?;
    let (mut ids, mut of) = (Vec::new(), Vec::new());
    for (part, genome) in parts.iter().zip(genomes) {
        ids.extend(part.var().text("gene_ids")?.into_iter().flatten());
        of.extend(std::iter::repeat_n(genome.clone(), part.n_vars()));
    }
    let mut var = Table::new(names);
    var.set_text("gene_ids", &ids)?;
    var.set_text(GENOME, &of)?;
    Dataset::new(x, first.obs().clone(), var)
}

/// Keeps the features of a genome; those of no genome, such as antibodies, stay.
fn keep_genome(ds: &mut Dataset, genome: &str) -> Result<()> {
    let of = if ds.var().has(GENOME) { ds.var().text(GENOME)? } else { vec![None; ds.n_vars()] };
    let known: BTreeSet<&str> = of.iter().flatten().map(String::as_str).collect();
    if !known.contains(genome) {
        return Err(no_genome(genome, known.into_iter().filter(|g| !g.is_empty())));
    }
    let stays = |g: &Option<String>| g.as_deref().is_none_or(|g| g == genome || g.is_empty());
    let kept: Vec<usize> = (0..of.len()).filter(|&i| stays(&of[i])).collect();
    if kept.len() < of.len() {
        progress::note(format!("{} features of other genomes are left out", of.len() - kept.len()));
        ds.select_var(&kept)?;
    }
    Ok(())
}

/// Keeps the features of a type, their names made unique; `obs` gets the totals of the others.
pub(super) fn choose(ds: &mut Dataset, wanted: &str) -> Result<()> {
    if wanted != ALL {
        keep_type(ds, wanted)?;
    }
    let unique = unique_names(ds.var().index());
    ds.var_mut().set_index(unique)
}

fn keep_type(ds: &mut Dataset, wanted: &str) -> Result<()> {
    let types: Vec<String> = if ds.var().has(TYPES) {
        ds.var().text(TYPES)?.into_iter().map(Option::unwrap_or_default).collect()
    } else {
        vec![GENES.into(); ds.n_vars()]
    };
    let known: Vec<&str> =
        types.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let kept: Vec<usize> = (0..types.len()).filter(|&i| types[i] == wanted).collect();
    if kept.len() == types.len() {
        return Ok(());
    }
    if kept.is_empty() && wanted == GENES {
        progress::note(format!("no feature is a gene; all are kept ({})", known.join(", ")));
        return Ok(());
    }
    if kept.is_empty() {
        return Err(Error::new("choosing features by their type")
            .kind(Kind::Missing)
            .expected("a type of the file, or \"all\"")
            .found(format!("'{wanted}'"))
            .advice(nearest::advice(wanted, known)));
    }
    let totals = totals(ds, &types, &known);
    ds.select_var(&kept)?;
    let mut columns = Vec::new();
    for (name, totals) in known.iter().zip(totals).filter(|(name, _)| **name != wanted) {
        columns.push(total_of(name));
        ds.obs_mut().set_f64(&total_of(name), &totals)?;
    }
    progress::note(format!(
        "{} features that are not of the type '{wanted}' are left out; their totals are in obs ({})",
        types.len() - kept.len(),
        columns.join(", ")
    ));
    Ok(())
}

/// The sum of each cell over the features of each type, a vector a type.
fn totals(ds: &Dataset, types: &[String], known: &[&str]) -> Vec<Vec<f64>> {
    let place: Vec<usize> =
        types.iter().map(|t| known.iter().position(|k| k == t).unwrap_or_default()).collect();
    let x = ds.x().to_csr();
    let of = |kind: usize| {
        let total = |r: usize| {
            let (columns, values) = x.row(r);
            let those = columns.iter().zip(values).filter(|(c, _)| place[**c as usize] == kind);
            crate::base::sum(those.map(|(_, &v)| f64::from(v)))
        };
        (0..x.nrows()).map(total).collect()
    };
    (0..known.len()).map(of).collect()
}

/// "total_counts_antibody_capture".
fn total_of(feature_type: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("total_counts_{}", feature_type.chars().map(plain).collect::<String>())
}
