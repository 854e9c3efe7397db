//! What an `.h5ad` holds, without reading its matrices.

use std::path::Path;

use hdf5::Group;
use hdf5::types::TypeDescriptor;
use serde::Serialize;

use super::sparse;
use crate::base::{Error, Kind, Result, files};
use crate::io::h5::{self, Node};

/// The names and sizes in a file.
#[derive(Clone, Debug, Serialize)]
pub struct Peek {
    pub n_obs: usize,
    pub n_vars: usize,
    /// How X is stored: "csr", "csc", "dense", or "none".
    pub x: String,
    /// The names of the columns of spots.
    pub obs: Vec<String>,
    /// The names of the columns of genes.
    pub var: Vec<String>,
    pub layers: Vec<String>,
    pub obsm: Vec<String>,
    pub varm: Vec<String>,
    pub obsp: Vec<String>,
    pub uns: Vec<String>,
    /// The genes of raw; 0 without one.
    pub raw_vars: usize,
}

/// Looks at the names and sizes in an `.h5ad`; no values are read.
///
/// # Errors
/// No such file, no HDF5, no AnnData.
pub fn peek(path: &Path) -> Result<Peek> {
    files::exists(path)?;
    let zarr = crate::io::zarr::is(path);
    if path.is_dir() || zarr {
        return Err(Error::new(format!("looking into {}", path.display()))
            .expected("an .h5ad file")
            .found(if zarr { "AnnData in zarr" } else { "a folder" })
            .advice("peek is for .h5ad; data::read reads the other formats"));
    }
    let f = h5::open(path)?;
    let within = |e: Error| e.within(format!("looking into {}", path.display()));
    look(&f).map_err(within)
}

fn look(f: &Group) -> Result<Peek> {
    let (n_obs, obs) = table(f, "obs")?;
    let (n_vars, var) = table(f, "var")?;
    let x = match h5::node(f, "X")? {
        Some(Node::Group(g)) => sparse::format(&g).unwrap_or_else(|| "unknown".into()),
        Some(Node::Array(_)) => "dense".into(),
        None => "none".into(),
    };
    let raw_vars = match h5::node(f, "raw")? {
        Some(Node::Group(g)) => table(&g, "var")?.0,
        _ if f.link_exists("raw.var") => table(f, "raw.var")?.0,
        _ => 0,
    };
    Ok(Peek {
        n_obs,
        n_vars,
        x,
        obs,
        var,
        layers: members(f, "layers")?,
        obsm: members(f, "obsm")?,
        varm: members(f, "varm")?,
        obsp: members(f, "obsp")?,
        uns: members(f, "uns")?,
        raw_vars,
    })
}

fn members(f: &Group, slot: &str) -> Result<Vec<String>> {
    match h5::node(f, slot)? {
        Some(Node::Group(g)) => h5::names(&g),
        Some(Node::Array(d)) => Ok(fields(&d)),
        None => Ok(Vec::new()),
    }
}

/// Rows and names of columns.
fn table(f: &Group, name: &str) -> Result<(usize, Vec<String>)> {
    let g = match h5::node(f, name)? {
        Some(Node::Group(g)) => g,
        Some(Node::Array(d)) => {
            let index = |n: &String| n == "index" || n == "_index";
            return Ok((d.size(), fields(&d).into_iter().filter(|n| !index(n)).collect()));
        }
        None => {
            return Err(Error::new(format!("looking for the table '{name}'"))
                .kind(Kind::Missing)
                .expected("an AnnData file, with obs and var")
                .found(format!("a file with {}", h5::names(f)?.join(", "))));
        }
    };
    let index = h5::text_attr(&g, "_index").unwrap_or_else(|| "_index".into());
    let rows = h5::dataset(&g, &index)?.size();
    let order = h5::texts_attr(&g, "column-order").filter(|o| !o.is_empty());
    let names = order.map_or_else(|| h5::names(&g), Ok)?;
    Ok((rows, names.into_iter().filter(|n| *n != index && n != "__categories").collect()))
}

/// The names of the fields of a record array.
fn fields(d: &hdf5::Dataset) -> Vec<String> {
    match d.dtype().and_then(|t| t.to_descriptor()) {
        Ok(TypeDescriptor::Compound(c)) => c.fields.into_iter().map(|f| f.name).collect(),
        _ => Vec::new(),
    }
}
