//! 10x Genomics' `.h5` (<https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-h5-matrices>).
//!
//! The file holds genes x barcodes by columns; the same three arrays are barcodes x genes by
//! rows, so nothing is turned around. Columns and names are those of scanpy's `read_10x_h5`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use hdf5::Group;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, progress};
use crate::data::{Csr, Dataset, Table};
use crate::io::h5::{self, Node};

/// The feature type of genes.
const GENES: &str = "Gene Expression";

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

/// Reads the counts of a 10x `.h5`, format 3 (`/matrix`) or format 2 with one genome.
///
/// `obs` is named by barcode, `var` by gene symbol made unique as scanpy does, with `gene_ids`,
/// `feature_types` and `genome` as far as the file has them. Features that are no genes are left out, with a note, unless
/// there are no genes.
///
/// # Errors
/// No such file, another layout, several genomes in format 2, damaged arrays.
pub fn read_with(path: &Path, _config: &TenxConfig) -> Result<Dataset> {
    let file = h5::open(path)?;
    let mut ds = matrix(&file).map_err(|e| e.within(format!("reading {}", path.display())))?;
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

fn matrix(f: &Group) -> Result<Dataset> {
    if let Some(Node::Group(m)) = h5::node(f, "matrix")? {
        let features = match h5::node(&m, "features")? {
            Some(Node::Group(g)) => g,
            _ => {
                return Err(Error::new("reading /matrix")
                    .expected("a group 'features'")
                    .found(h5::names(&m)?.join(", ")));
            }
        };
        let optional = |name| h5::dataset(&features, name).ok().map(|d| h5::texts(&d)).transpose();
        let names = h5::texts(&h5::dataset(&features, "name")?)?;
        let ids = h5::texts(&h5::dataset(&features, "id")?)?;
        return build(&m, names, ids, optional("feature_type")?, optional("genome")?);
    }
    let genomes = genomes(f)?;
    match &genomes[..] {
        [genome] => {
            let g = f.group(genome).map_err(h5::failed(format!("opening /{genome}")))?;
            let names = h5::texts(&h5::dataset(&g, "gene_names")?)?;
            let ids = h5::texts(&h5::dataset(&g, "genes")?)?;
            build(&g, names, ids, None, None)
        }
        [] => Err(Error::new("looking for the counts")
            .expected("a 10x file, with a group /matrix")
            .found(format!("a file with {}", h5::names(f)?.join(", ")))),
        several => Err(Error::new("reading a 10x file of format 2")
            .expected("one genome")
            .found(several.join(", "))
            .advice(
                "Write the genome you mean to a file of its own, or use Cell Ranger 3 or later",
            )),
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

fn build(
    m: &Group,
    names: Vec<String>,
    ids: Vec<String>,
    types: Option<Vec<String>>,
    genome: Option<Vec<String>>,
) -> Result<Dataset> {
    let barcodes = h5::texts(&h5::dataset(m, "barcodes")?)?;
    let shape = h5::usizes(&h5::dataset(m, "shape")?)?;
    let whole = [Some(&names), Some(&ids), types.as_ref(), genome.as_ref()];
    if shape != [names.len(), barcodes.len()]
        || whole.iter().flatten().any(|c| c.len() != names.len())
    {
        return Err(Error::new("reading the shape of the counts")
            .expected(format!(
                "[{}, {}] (names, barcodes), and as many ids, types and genomes",
                names.len(),
                barcodes.len()
            ))
            .found(format!("{shape:?} and {} ids", ids.len())));
    }
    let indptr = h5::usizes(&h5::dataset(m, "indptr")?)?;
    let indices = h5::u32s(&h5::dataset(m, "indices")?)?;
    let values = h5::f32s(&h5::dataset(m, "data")?)?;
    let x = Csr::new((barcodes.len(), names.len()), indptr, indices, values)?;
    let mut var = Table::new(names);
    var.set_text("gene_ids", &ids)?;
    if let Some(types) = &types {
        var.set_text("feature_types", types)?;
    }
    if let Some(genome) = &genome {
        var.set_text("genome", genome)?;
    }
    let mut ds = Dataset::new(x, Table::new(barcodes), var)?;
    if let Some(types) = types {
        keep_genes(&mut ds, &types)?;
    }
    let unique = unique(ds.var().index());
    ds.var_mut().set_index(unique)?;
    Ok(ds)
}

/// Drops antibodies, probes and controls, where there are genes beside them.
fn keep_genes(ds: &mut Dataset, types: &[String]) -> Result<()> {
    let genes: Vec<usize> = (0..types.len()).filter(|&i| types[i] == GENES).collect();
    if genes.is_empty() || genes.len() == types.len() {
        return Ok(());
    }
    let mut others: Vec<&str> = types.iter().map(String::as_str).filter(|t| *t != GENES).collect();
    others.sort_unstable();
    others.dedup();
    progress::note(format!(
        "{} features that are no genes are left out ({})",
        types.len() - genes.len(),
        others.join(", ")
    ));
    ds.select_var(&genes)
}

/// Names made unique as `anndata.utils.make_index_unique` does: the first stays, the next get
/// `-1`, `-2`, leaving out what is already a name.
fn unique(names: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut count: HashMap<&str, usize> = HashMap::new();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let mut new = name.clone();
        let first = seen.insert(name);
        while !first && !taken.insert(new.clone()) {
            let n = count.entry(name).or_default();
            *n += 1;
            new = format!("{name}-{n}");
        }
        unique.push(new);
    }
    unique
}
