//! Reading an `.h5ad`.

use std::path::Path;

use hdf5::Group;
use ndarray::Array2;

use super::{elem, frame};
use crate::base::{Error, Kind, Result, interrupt, progress};
use crate::data::{Csr, Dataset, Matrix, Table, Uns};
use crate::io::h5::{self, Node};

/// Reads an `.h5ad` file of any version of anndata.
///
/// `raw` becomes `layers["raw"]`, cut to the genes of X. Column names of a data frame in `obsm`
/// go to `uns["<name>_names"]`. A file without X gets one of zeros, with a note.
///
/// # Errors
/// No such file, no HDF5, no AnnData, or a part that is damaged, named by its place in the file.
pub fn read(path: &Path) -> Result<Dataset> {
    let within = |e: Error| e.within(format!("reading {}", path.display()));
    let file = h5::open(path)?;
    let mut ds = dataset(&file).map_err(within)?;
    ds.sources = vec![path.to_owned()];
    Ok(ds)
}

fn dataset(f: &Group) -> Result<Dataset> {
    let (mut obs, mut var) = (table(f, "obs")?, table(f, "var")?);
    let mut uns = match h5::node(f, "uns")? {
        Some(n) => elem::uns(&n, 0)?.unwrap_or_default(),
        None => Uns::default(),
    };
    for table in [&mut obs, &mut var] {
        categories_of_uns(table, &mut uns)?;
    }
    let shape = (obs.len(), var.len());
    let x = match h5::node(f, "X")? {
        Some(n) => elem::matrix(&n, shape)?,
        None => {
            progress::note("the file has no X: one of zeros stands in its place");
            Matrix::Sparse(Csr::from_rows(shape.1, vec![Vec::new(); shape.0]))
        }
    };
    let mut ds = Dataset::new(x, obs, var)?;
    *ds.uns_mut() = uns;
    each(f, "layers", |name, n| ds.set_layer(name, elem::matrix(n, shape)?))?;
    for (slot, rows) in [("obsm", shape.0), ("varm", shape.1)] {
        beside(f, slot, rows, |name, m, names| {
            if let Some(names) = names.filter(|n| !n.is_empty()) {
                let value = Uns::Texts(ndarray::Array1::from(names).into_dyn());
                ds.uns_mut().set(&[&format!("{name}_names")], value);
            }
            if slot == "obsm" { ds.set_obsm(name, m) } else { ds.set_varm(name, m) }
        })?;
    }
    each(f, "obsp", |name, n| match elem::pairs(n, shape.0)? {
        Some(m) => ds.set_obsp(name, m),
        None => Ok(()),
    })?;
    each(f, "varp", |name, _| {
        progress::note(format!("/varp/{name}: pairs of genes are not kept; left out"));
        Ok(())
    })?;
    raw(f, &mut ds)?;
    for (what, table) in [("spots", ds.obs()), ("genes", ds.var())] {
        note_names(what, table);
    }
    Ok(ds)
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

/// Calls `f` with each member of a slot.
fn each(file: &Group, slot: &str, mut f: impl FnMut(&str, &Node) -> Result<()>) -> Result<()> {
    let Some(Node::Group(g)) = h5::node(file, slot)? else { return Ok(()) };
    for name in h5::names(&g)? {
        interrupt::check("reading an h5ad file")?;
        if let Some(n) = h5::node(&g, &name)? {
            f(&name, &n)?;
        }
    }
    Ok(())
}

/// Calls `f` with each matrix of `obsm` or `varm`, whether the slot is a group or, before
/// anndata 0.7, a record array with a field a matrix.
fn beside(
    file: &Group,
    slot: &str,
    rows: usize,
    mut f: impl FnMut(&str, Array2<f64>, Option<Vec<String>>) -> Result<()>,
) -> Result<()> {
    let Some(Node::Array(d)) = h5::node(file, slot)? else {
        return each(file, slot, |name, n| match elem::beside(n, rows)? {
            Some((m, names)) => f(name, m, names),
            None => Ok(()),
        });
    };
    for (name, array) in h5::fields(&d)?.unwrap_or_default() {
        f(&name, elem::columns(&array, rows, &format!("/{slot}/{name}"))?, None)?;
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

/// `raw/X` as a layer, where it covers the genes of X.
fn raw(f: &Group, ds: &mut Dataset) -> Result<()> {
    let (x, var) = match h5::node(f, "raw")? {
        Some(Node::Group(g)) => (h5::node(&g, "X")?, h5::node(&g, "var")?),
        _ => (h5::node(f, "raw.X")?, h5::node(f, "raw.var")?),
    };
    let (Some(x), Some(var)) = (x, var) else { return Ok(()) };
    let var = frame::read(&var)?;
    let place: std::collections::HashMap<&str, usize> =
        var.index().iter().enumerate().map(|(i, g)| (g.as_str(), i)).collect();
    let genes: Option<Vec<usize>> =
        ds.var().index().iter().map(|g| place.get(g.as_str()).copied()).collect();
    let once = |names: &[String]| {
        names.iter().collect::<std::collections::HashSet<_>>().len() == names.len()
    };
    let whole = once(var.index()) && once(ds.var().index()) && !ds.layers().contains_key("raw");
    let Some(genes) = genes.filter(|_| whole) else {
        progress::note(format!(
            "raw ({} genes) does not cover the genes of X by name; left out",
            var.len()
        ));
        return Ok(());
    };
    let x = elem::matrix(&x, (ds.n_obs(), var.len()))?.select_cols(&genes);
    progress::note(format!(
        "raw is kept as layers[\"raw\"], {} of its {} genes",
        genes.len(),
        var.len()
    ));
    ds.set_layer("raw", x)
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
