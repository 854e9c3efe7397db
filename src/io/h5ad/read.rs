//! Reading an `.h5ad`.

use std::path::Path;

use hdf5::Group;
use ndarray::{Array2, Axis};

use super::select::{self, H5adConfig, Picked};
use super::{elem, frame};
use crate::base::{Error, Kind, Result, interrupt, nearest, progress};
use crate::data::{Csr, Dataset, Matrix, Raw, Table, Uns};
use crate::io::h5::{self, Node};

/// Reads an `.h5ad` file of any version of anndata.
///
/// Column names of a data frame in `obsm` go to `uns["<name>_names"]`. A file without X gets one of
/// zeros, with a note.
///
/// # Errors
/// No such file, no HDF5, no AnnData, or a part that is damaged, named by its place in the file.
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &H5adConfig::default())
}

/// Reads the part of an `.h5ad` file that is asked for, without loading the rest.
///
/// # Errors
/// Those of [`read`]; names that are not there; a condition that is none of the columns of `obs`.
pub fn read_with(path: &Path, config: &H5adConfig) -> Result<Dataset> {
    let within = |e: Error| e.within(format!("reading {}", path.display()));
    let file = h5::open(path)?;
    let mut ds = dataset(&file, config).map_err(within)?;
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

fn dataset(f: &Group, config: &H5adConfig) -> Result<Dataset> {
    let (mut obs, mut var) = (table(f, "obs")?, table(f, "var")?);
    let mut uns = unstructured(f, config.uns.as_deref())?;
    for table in [&mut obs, &mut var] {
        categories_of_uns(table, &mut uns)?;
    }
    let shape = (obs.len(), var.len());
    let spots = config.obs.as_ref().map(|s| select::spots(&obs, s)).transpose()?;
    let genes = config.genes.as_ref().map(|g| select::by_name(&var, g, "genes")).transpose()?;
    let picked = Picked {
        rows: spots.as_ref().map(|c| &c.places[..]),
        cols: genes.as_ref().map(|c| &c.places[..]),
    };
    if let Some(rows) = picked.rows {
        obs = obs.select_rows(rows)?;
    }
    if let Some(cols) = picked.cols {
        var = var.select_rows(cols)?;
    }
    let x = match h5::node(f, "X")? {
        Some(n) => elem::matrix(&n, shape, picked)?,
        None => {
            progress::note("the file has no X: one of zeros stands in its place");
            Matrix::Sparse(Csr::from_rows(var.len(), vec![Vec::new(); obs.len()]))
        }
    };
    let mut ds = Dataset::new(x, obs, var)?;
    *ds.uns_mut() = uns;
    each(f, "layers", config.layers.as_deref(), |name, n| {
        ds.set_layer(name, elem::matrix(n, shape, picked)?)
    })?;
    let sides = [
        ("obsm", shape.0, picked.rows, config.obsm.as_deref()),
        ("varm", shape.1, picked.cols, None),
    ];
    for (slot, n, picked, wanted) in sides {
        beside(f, slot, n, picked, wanted, |name, m, names| {
            if let Some(names) = names.filter(|n| !n.is_empty()) {
                let value = Uns::Texts(ndarray::Array1::from(names).into_dyn());
                ds.uns_mut().set(&[&format!("{name}_names")], value);
            }
            if slot == "obsm" { ds.set_obsm(name, m) } else { ds.set_varm(name, m) }
        })?;
    }
    each(f, "obsp", config.obsp.as_deref(), |name, n| {
        let m = elem::pairs(n, shape.0, picked.rows)?;
        m.map_or(Ok(()), |m| ds.set_obsp(name, m))
    })?;
    each(f, "varp", None, |name, n| {
        let m = elem::pairs(n, shape.1, picked.cols)?;
        m.map_or(Ok(()), |m| ds.set_varp(name, m))
    })?;
    if config.raw {
        ds.set_raw(raw(f, shape.0, picked.rows)?)?;
    }
    if let Some(order) = spots.and_then(|c| c.order) {
        ds.select_obs(&order)?;
    }
    if let Some(order) = genes.and_then(|c| c.order) {
        ds.select_var(&order)?;
    }
    for (what, table) in [("spots", ds.obs()), ("genes", ds.var())] {
        note_names(what, table);
    }
    Ok(ds)
}

/// `uns`, or the entries of it that are wanted.
fn unstructured(f: &Group, wanted: Option<&[String]>) -> Result<Uns> {
    if wanted.is_none() {
        let whole = h5::node(f, "uns")?.map(|n| elem::uns(&n, 0)).transpose()?;
        return Ok(whole.flatten().unwrap_or_default());
    }
    let mut uns = Uns::default();
    each(f, "uns", wanted, |name, n| {
        if let Some(value) = elem::uns(n, 1)? {
            uns.set(&[name], value);
        }
        Ok(())
    })?;
    Ok(uns)
}

/// `obs` or `var`.
fn table(f: &Group, name: &str) -> Result<Table> {
    match h5::node(f, name)? {
        Some(n) => frame::read(&n),
        None => Err(Error::new(format!("looking for the table '{name}'"))
            .kind(Kind::Missing)
            .expected("an AnnData file, with obs and var")
            .found(format!("a file with {}", h5::names(f)?.join(", ")))
            .advice("Use data::read, which tells the formats apart by their content")),
    }
}

/// Calls `f` with each member of a slot, or with those that are wanted.
///
/// # Errors
/// A wanted name that is not there.
fn each(
    file: &Group,
    slot: &str,
    wanted: Option<&[String]>,
    mut f: impl FnMut(&str, &Node) -> Result<()>,
) -> Result<()> {
    let group = match h5::node(file, slot)? {
        Some(Node::Group(g)) => Some(g),
        _ => None,
    };
    let mut names = group.as_ref().map(h5::names).transpose()?.unwrap_or_default();
    only(slot, &mut names, wanted)?;
    for (g, name) in group.iter().flat_map(|g| names.iter().map(move |n| (g, n))) {
        interrupt::check("reading an h5ad file")?;
        if let Some(n) = h5::node(g, name)? {
            f(name, &n)?;
        }
    }
    Ok(())
}

/// Keeps the names that are wanted.
fn only(slot: &str, names: &mut Vec<String>, wanted: Option<&[String]>) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    if let Some(lacking) = wanted.iter().find(|w| !names.contains(w)) {
        return Err(Error::new(format!("choosing among {slot}"))
            .kind(Kind::Missing)
            .expected(format!("{slot}[\"{lacking}\"] in the file"))
            .found(if names.is_empty() { "none at all".into() } else { names.join(", ") })
            .advice(nearest::advice(lacking, names.iter().map(String::as_str))));
    }
    names.retain(|n| wanted.contains(n));
    Ok(())
}

/// Calls `f` with what is picked of each matrix of `obsm` or `varm`, whether the slot is a group
/// or, before anndata 0.7, a record array with a field a matrix.
fn beside(
    file: &Group,
    slot: &str,
    rows: usize,
    picked: Option<&[usize]>,
    wanted: Option<&[String]>,
    mut f: impl FnMut(&str, Array2<f64>, Option<Vec<String>>) -> Result<()>,
) -> Result<()> {
    let Some(Node::Array(d)) = h5::node(file, slot)? else {
        return each(file, slot, wanted, |name, n| match elem::beside(n, rows, picked)? {
            Some((m, names)) => f(name, m, names),
            None => Ok(()),
        });
    };
    let fields = h5::fields(&d)?.unwrap_or_default();
    let mut names = fields.iter().map(|(n, _)| n.clone()).collect();
    only(slot, &mut names, wanted)?;
    for (name, array) in fields.iter().filter(|(n, _)| names.contains(n)) {
        let m = elem::columns(array, rows, &format!("/{slot}/{name}"))?;
        f(name, picked.map(|p| m.select(Axis(0), p)).unwrap_or(m), None)?;
    }
    Ok(())
}

/// Before anndata 0.7 the categories of `obs["x"]` lay in `uns["x_categories"]`.
fn categories_of_uns(table: &mut Table, uns: &mut Uns) -> Result<()> {
    let Uns::Map(map) = uns else { return Ok(()) };
    let names: Vec<String> = table.names().into_iter().map(str::to_owned).collect();
    for name in names {
        let key = format!("{name}_categories");
        let Some(Uns::Texts(categories)) = map.get(&key) else { continue };
        let column = table.column(&name)?;
        if !column.dtype().is_integer() {
            continue;
        }
        let categories: Vec<String> = categories.iter().cloned().collect();
        let codes =
            h5::Array { shape: vec![table.len()], values: column.as_materialized_series().clone() };
        frame::categorical(&name, &categories, &codes, table)?;
        map.shift_remove(&key);
    }
    Ok(())
}

/// What is picked of `raw`: a group, or, before anndata 0.7, parts beside X.
fn raw(f: &Group, n_obs: usize, rows: Option<&[usize]>) -> Result<Option<Raw>> {
    let group = match h5::node(f, "raw")? {
        Some(Node::Group(g)) => Some(g),
        _ => None,
    };
    let (at, x, var, varm) = match &group {
        Some(g) => (g, "X", "var", "varm"),
        None => (f, "raw.X", "raw.var", "raw.varm"),
    };
    let (Some(x), Some(var)) = (h5::node(at, x)?, h5::node(at, var)?) else { return Ok(None) };
    let var = frame::read(&var)?;
    let genes = var.len();
    let mut raw = Raw::new(elem::matrix(&x, (n_obs, genes), Picked { rows, cols: None })?, var)?;
    beside(at, varm, genes, None, None, |name, m, _| {
        raw.varm.insert(name.to_owned(), m);
        Ok(())
    })?;
    Ok(Some(raw))
}

/// Says when names are missing or stand twice: joins by name would take the wrong row.
pub(super) fn note_names(what: &str, table: &Table) {
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<&str> =
        table.index().iter().map(String::as_str).filter(|n| !seen.insert(*n)).collect();
    if let Some(first) = twice.first() {
        progress::note(format!(
            "names of {what}: {} stand more than once, the first '{first}'",
            twice.len()
        ));
    }
    if seen.contains("") {
        progress::note(format!("names of {what}: some are empty"));
    }
}
