//! Matrices in Matrix Market's exchange format, as Cell Ranger writes them (MEX): the counts, and
//! beside them a table of the features and one of the barcodes.

mod market;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::market::{Lines, Market};
use super::tenx::{self, GENES};
use super::visium::{list, named};
use crate::base::{Error, Kind, Result, files, progress};
use crate::data::{Dataset, Table};

const FEATURES: [&str; 4] = ["features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"];
const BARCODES: [&str; 2] = ["barcodes.tsv.gz", "barcodes.tsv"];

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MexConfig {
    /// The features that become genes: "Gene Expression", another type that the file names (as
    /// "Antibody Capture"), or "all". Of each type left out, the total of a cell is kept in obs.
    pub features: String,
}

impl Default for MexConfig {
    fn default() -> Self {
        Self { features: GENES.into() }
    }
}

/// Reads a MEX folder as [`read_with`] does with its defaults.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &MexConfig::default())
}

/// Reads `matrix.mtx`, `features.tsv` (or `genes.tsv`) and `barcodes.tsv`, each packed or not, with
/// or without a prefix to their names. `path` is the folder, the folder above, or the matrix.
///
/// `obs` and `var` are as [`tenx::read_with`] makes them.
///
/// # Errors
/// A file of the three that is missing, several matrices in the folder, tables that do not fit the
/// matrix, a matrix that is not sparse or is cut short.
pub fn read_with(path: &Path, config: &MexConfig) -> Result<Dataset> {
    files::exists(path)?;
    let files = locate(path)?;
    let mut ds = assemble(&files)?;
    tenx::choose(&mut ds, &config.features)
        .map_err(|e| e.within(format!("reading {}", files.matrix.display())))?;
    ds.sources = vec![files.matrix, files.features, files.barcodes];
    Ok(ds)
}

/// Whether there is a matrix at `path`, in it, or in one folder of it.
pub(super) fn looks_like(path: &Path) -> bool {
    is_matrix(path) || !matrices(path).is_empty() || below(path).len() == 1
}

/// The three files.
struct Files {
    matrix: PathBuf,
    features: PathBuf,
    barcodes: PathBuf,
}

fn is_matrix(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    path.is_file() && (name.ends_with(".mtx") || name.ends_with(".mtx.gz"))
}

/// The matrices of a folder; one that lies there packed and unpacked counts once.
fn matrices(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = list(folder).into_iter().filter(|f| is_matrix(f)).collect();
    found.dedup_by(|packed, plain| packed.with_extension("") == *plain);
    found
}

/// The folders in a folder that hold a matrix.
fn below(folder: &Path) -> Vec<PathBuf> {
    list(folder).into_iter().filter(|f| f.is_dir() && !matrices(f).is_empty()).collect()
}

fn locate(path: &Path) -> Result<Files> {
    if path.is_file() {
        return beside(path.to_owned());
    }
    let refuse = |found: String, advice: &str| {
        Err(Error::new(format!("looking for the matrix in {}", path.display()))
            .kind(Kind::Missing)
            .expected("one matrix.mtx or matrix.mtx.gz, with its features and barcodes")
            .found(found)
            .advice(advice))
    };
    match (&matrices(path)[..], &below(path)[..]) {
        ([one], _) => beside(one.clone()),
        ([], [one]) => {
            progress::note(format!("{}: reading {}", path.display(), one.display()));
            locate(one)
        }
        ([], []) => refuse(
            named(&list(path)),
            "Name the folder of the three files, such as filtered_feature_bc_matrix/",
        ),
        ([], folders) => {
            refuse(format!("several in it: {}", named(folders)), "Name the one you mean")
        }
        (several, _) => refuse(named(several), "Name the file of the one you mean"),
    }
}

/// The tables that belong to a matrix: of the same prefix, or the only ones in the folder.
fn beside(matrix: PathBuf) -> Result<Files> {
    let folder = matrix.parent().map(Path::to_owned).unwrap_or_default();
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let name = matrix.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = stem.strip_suffix(".mtx").unwrap_or(stem);
    let prefix = stem.strip_suffix("matrix").unwrap_or(stem);
    let all = list(&folder);
    let find = |what: &str, ends: &[&str]| {
        let same = ends.iter().map(|e| folder.join(format!("{prefix}{e}"))).find(|f| f.is_file());
        let is_one = |f: &&PathBuf| {
            let name = f.file_name().unwrap_or_default().to_string_lossy();
            ends.iter().any(|e| name.ends_with(e))
        };
        let mut others = all.iter().filter(is_one);
        let only = others.next().filter(|_| others.next().is_none()).cloned();
        same.or(only).ok_or_else(|| {
            Error::new(format!("looking for the {what} of {}", matrix.display()))
                .kind(Kind::Missing)
                .expected(format!("{prefix}{}", ends.join(&format!(" or {prefix}"))))
                .found(named(&all))
                .advice("Matrix, features and barcodes belong together: fetch all three")
        })
    };
    let (features, barcodes) = (find("features", &FEATURES)?, find("barcodes", &BARCODES)?);
    Ok(Files { matrix, features, barcodes })
}

fn assemble(files: &Files) -> Result<Dataset> {
    let market = Market::open(&files.matrix)?;
    // A table that is longer than the matrix is wide or high needs no reading to its end.
    let most = market.rows.max(market.columns) as usize + 2;
    let barcodes = columns(&files.barcodes, 1, most)?.swap_remove(0);
    let mut features = columns(&files.features, 3, most)?.into_iter();
    let ids = features.next().unwrap_or_default();
    let (symbols, types) = (features.next().unwrap_or_default(), features.next());
    fits(files, &market, ids.len(), barcodes.len())?;
    let x = market.transposed()?;
    let unnamed = symbols.iter().all(String::is_empty);
    let mut var = Table::new(if unnamed { ids.clone() } else { symbols });
    var.set_text("gene_ids", &ids)?;
    if let Some(types) = types.filter(|t| t.iter().any(|t| !t.is_empty())) {
        var.set_text("feature_types", &types)?;
    }
    Dataset::new(x, Table::new(barcodes), var)
}

/// The first `n` columns of a table without a header, of at most so many lines; what a line lacks
/// is empty.
fn columns(path: &Path, n: usize, most: usize) -> Result<Vec<Vec<String>>> {
    let mut lines = Lines::open(path)?;
    let mut columns = vec![Vec::new(); n];
    while columns[0].len() < most
        && let Some(line) = lines.next()?
    {
        if line.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(line);
        let mut fields = text.split('\t');
        for column in &mut columns {
            column.push(fields.next().unwrap_or_default().trim_matches('"').to_owned());
        }
    }
    Ok(columns)
}

/// Refuses tables of other sizes than the matrix, saying what is likely the matter.
fn fits(files: &Files, market: &Market, features: usize, barcodes: usize) -> Result<()> {
    let (rows, cols) = (market.rows as usize, market.columns as usize);
    if (rows, cols) == (features, barcodes) {
        return Ok(());
    }
    let name = |p: &Path| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (of_features, of_barcodes) = (name(&files.features), name(&files.barcodes));
    let advice = if (rows, cols) == (barcodes, features) {
        "The matrix is the other way round: MEX holds features by barcodes. Transpose it, in Python scipy.io.mmwrite(path, m.T), in R Matrix::writeMM(t(m), path)".into()
    } else if (features, barcodes) == (rows + 1, cols) || (features, barcodes) == (rows, cols + 1) {
        let which = if features > rows { of_features.as_str() } else { of_barcodes.as_str() };
        format!("{which} has a line too many: a header? Remove it")
    } else {
        "Are the three files of the same sample, and whole?".into()
    };
    Err(Error::new(format!("reading {}", files.matrix.display()))
        .expected(format!("{features} x {barcodes}, the lines of {of_features} and {of_barcodes}"))
        .found(format!("{rows} x {cols}"))
        .advice(advice))
}
