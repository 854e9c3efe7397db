//! The named parts of a dataset: `obs` and `var`, `obsm` and `varm`, `layers`, `uns`.

use std::fmt;
use std::path::Path;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map};

use super::column::Column;
use super::convert::{self, Outcome};
use super::dataset::Dataset;
use super::shown;
use super::table::Table;
use super::tensor::Tensor;
use super::uns;
use super::values::Matrix;
use crate::base::{Error, Kind, Result, nearest};
use crate::data::{self, Uns, frame};
use crate::io;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Obs,
    Var,
}

/// `ds.obs` or `ds.var`.
#[derive(Clone)]
pub(super) struct Rows {
    pub ds: Dataset,
    pub axis: Axis,
}

impl Rows {
    pub fn read<T>(&self, f: impl FnOnce(&data::Table) -> T) -> T {
        let ds = self.ds.get();
        f(if self.axis == Axis::Obs { ds.obs() } else { ds.var() })
    }

    /// The columns behind the names of the rows.
    pub fn frame(&self) -> Result<polars::prelude::DataFrame> {
        self.read(data::Table::with_index)
    }

    /// What it is and how much of it there is.
    pub fn heading(&self) -> String {
        self.read(|t| shown::dataset::rows_heading(self.axis, t.len(), t.names().len()))
    }

    fn edit(&self, f: impl FnOnce(&mut data::Table) -> Result<()>) -> Result<()> {
        let mut ds = self.ds.edit();
        f(if self.axis == Axis::Obs { ds.obs_mut() } else { ds.var_mut() })
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|t| match t.with_index() {
            Ok(frame) => f.write_str(&shown::grid_text(&self.heading(), &frame)),
            Err(e) => write!(f, "{e}"),
        })
    }
}

/// `ds.obsm` or `ds.varm`.
#[derive(Clone)]
pub(super) struct Matrices {
    pub ds: Dataset,
    pub axis: Axis,
}

impl Matrices {
    fn names(&self) -> Vec<String> {
        let ds = self.ds.get();
        let slot = if self.axis == Axis::Obs { ds.obsm() } else { ds.varm() };
        slot.keys().cloned().collect()
    }

    /// Names and shapes.
    pub fn shapes(&self) -> Vec<(String, [usize; 2])> {
        let ds = self.ds.get();
        let slot = if self.axis == Axis::Obs { ds.obsm() } else { ds.varm() };
        slot.iter().map(|(k, m)| (k.clone(), [m.nrows(), m.ncols()])).collect()
    }
}

impl fmt::Display for Matrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.axis == Axis::Obs { "obsm" } else { "varm" };
        let parts = self.shapes();
        let heading = format!("{name} ({})", parts.len());
        let parts =
            parts.into_iter().map(|(k, [n, d])| (k, format!("[{n}, {d}]"))).collect::<Vec<_>>();
        f.write_str(&shown::dataset::named(&heading, &parts))
    }
}

/// `ds.layers`.
#[derive(Clone)]
pub(super) struct Layers {
    pub ds: Dataset,
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = shown::dataset::layers_of(&self.ds.get());
        f.write_str(&shown::dataset::named(&format!("layers ({})", parts.len()), &parts))
    }
}

/// `ds.uns`, or a map in it.
#[derive(Clone)]
pub(super) struct Tree {
    pub ds: Dataset,
    pub path: Vec<String>,
}

impl Tree {
    fn at(&self, key: &str) -> Vec<String> {
        self.path.iter().cloned().chain([key.to_owned()]).collect()
    }

    pub fn node(&self) -> Uns {
        self.ds.get().uns().get(&parts(&self.path)).cloned().unwrap_or(Uns::Null)
    }

    fn names(&self) -> Vec<String> {
        let ds = self.ds.get();
        let node = ds.uns().get(&parts(&self.path));
        node.and_then(Uns::as_map).map(|m| m.keys().cloned().collect()).unwrap_or_default()
    }
}

fn parts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = shown::dataset::entries_of(&self.node());
        let name = std::iter::once("uns").chain(self.path.iter().map(String::as_str));
        let heading = format!("{} ({})", name.collect::<Vec<_>>().join("."), parts.len());
        f.write_str(&shown::dataset::named(&heading, &parts))
    }
}

fn texts(names: impl IntoIterator<Item = impl Into<String>>) -> Array {
    names.into_iter().map(|n| Dynamic::from(n.into())).collect()
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod rows {
    /// The names of the columns.
    ///
    /// ```rhai
    /// ds.obs.names().contains("domain_true")   // => true
    /// ```
    pub fn names(r: &mut Rows) -> Array {
        texts(r.read(|t| t.names().into_iter().map(str::to_owned).collect::<Vec<_>>()))
    }

    /// The names of the rows: barcodes of spots, names of genes.
    ///
    /// ```rhai
    /// ds.obs.index().len()            // => 60
    /// ```
    pub fn index(r: &mut Rows) -> Array {
        texts(r.read(|t| t.index().to_vec()))
    }

    /// The columns as a table.
    ///
    /// ```rhai
    /// ds.obs.table().len()            // => 60
    /// ```
    pub fn table(r: &mut Rows) -> Table {
        Table::new(r.read(|t| t.frame().clone()))
    }

    /// Adds the columns of a table, joined by the names of the rows, which the column `on` of the
    /// table holds.
    ///
    /// ```rhai
    /// ds.obs.save("spots.csv")
    /// let t = data::read_table("spots.csv").with_column("twice", "2 * purity").select(["_index", "twice"])
    /// ds.obs.join(t, "_index")
    /// ds.obs.names().contains("twice")   // => true
    /// ```
    ///
    /// Rows that the table lacks get missing values, and a note says how many match. No match, a
    /// name that stands twice in the table, or a column that is there already is an error.
    #[rhai_fn(return_raw)]
    pub fn join(r: &mut Rows, table: Table, on: &str) -> Outcome<Rows> {
        r.edit(|t| frame::attach(t, table.frame(), on).map(drop))?;
        Ok(r.clone())
    }

    /// Writes the columns behind the names of the rows: `.csv`, `.tsv`, `.txt`, one of them with
    /// `.gz`, or `.parquet`, whole or not at all.
    ///
    /// ```rhai
    /// ds.obs.save("obs.parquet")
    /// data::read_table("obs.parquet").columns.contains("purity")   // => true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(r: &mut Rows, path: &str) -> Outcome<()> {
        let frame = r.read(data::Table::with_index)?;
        Ok(io::table::write(Path::new(path), &frame)?)
    }

    /// Writes groups as a category that Loupe Browser imports: `Barcode` and the column's name.
    ///
    /// ```rhai
    /// ds.obs.to_loupe("domains.csv", "domain_true")
    /// ```
    ///
    /// A column of quantities is an error.
    #[rhai_fn(return_raw)]
    pub fn to_loupe(r: &mut Rows, path: &str, column: &str) -> Outcome<()> {
        Ok(r.read(|t| io::export::loupe(t, column, Path::new(path)))?)
    }

    /// Writes groups as Xenium Explorer imports them: `cell_id`, `group`, and `color` where given.
    ///
    /// ```rhai
    /// ds.obs.to_xenium_explorer("domains.csv", "domain_true", #{ colors: #{ D1: "#1f77b4" } })
    /// ```
    ///
    /// A column of quantities, or the colour of a group that is not there, is an error.
    #[rhai_fn(return_raw)]
    pub fn to_xenium_explorer(r: &mut Rows, path: &str, column: &str, options: Map) -> Outcome<()> {
        let config = convert::parse(options, "to_xenium_explorer")?;
        Ok(r.read(|t| io::export::xenium(t, column, Path::new(path), &config))?)
    }

    /// The column of a name.
    ///
    /// ```rhai
    /// ds.obs["domain_true"].unique().len()   // => 3
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn column(r: &mut Rows, name: &str) -> Outcome<Column> {
        Ok(Column { values: r.read(|t| t.column(name).cloned())? })
    }

    /// Sets a column from a column, a tensor [N] or an array.
    ///
    /// ```rhai
    /// ds.obs["x"] = ds.obs["purity"]
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_column(r: &mut Rows, name: &str, values: Dynamic) -> Outcome<()> {
        let column = convert::column(&values, name)?;
        Ok(r.edit(|t| t.set(column))?)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod matrices {
    /// The names of the matrices.
    ///
    /// ```rhai
    /// ds.obsm.names()                 // => ["spatial", "image_features"]
    /// ```
    pub fn names(m: &mut Matrices) -> Array {
        texts(m.names())
    }

    /// The matrix of a name.
    ///
    /// ```rhai
    /// ds.obsm["spatial"].shape        // => [60, 2]
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn matrix(m: &mut Matrices, name: &str) -> Outcome<Tensor> {
        let ds = m.ds.get();
        let found = match m.axis {
            Axis::Obs => ds.embedding(name)?,
            Axis::Var => ds.varm().get(name).ok_or_else(|| missing("varm", name, &m.names()))?,
        };
        Ok(Tensor::of_matrix(found.view()))
    }

    /// Sets a matrix from a tensor [N,*] or an array of rows.
    ///
    /// ```rhai
    /// ds.obsm["X_pca"] = prep::pca(ds, #{ n_components: 5 })
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_matrix(m: &mut Matrices, name: &str, values: Dynamic) -> Outcome<()> {
        let values = convert::matrix(&values, name)?;
        let mut ds = m.ds.edit();
        match m.axis {
            Axis::Obs => ds.set_obsm(name, values)?,
            Axis::Var => ds.set_varm(name, values)?,
        }
        Ok(())
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod layers {
    /// The names of the layers.
    ///
    /// ```rhai
    /// ds.layers.names()               // => []
    /// ```
    pub fn names(l: &mut Layers) -> Array {
        texts(l.ds.get().layers().keys().cloned())
    }

    /// The layer of a name; "X" is X itself.
    ///
    /// ```rhai
    /// ds.layers["X"].shape            // => [60, 40]
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn layer(l: &mut Layers, name: &str) -> Outcome<Matrix> {
        Ok(Matrix::new(l.ds.get().layer(name)?.clone()))
    }

    /// Sets a layer; "X" sets X.
    ///
    /// ```rhai
    /// ds.layers["raw"] = ds.x
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_layer(l: &mut Layers, name: &str, values: Matrix) -> Outcome<()> {
        let (mut ds, m) = (l.ds.edit(), values.core().clone());
        Ok(if name == "X" { ds.set_x(m) } else { ds.set_layer(name, m) }?)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod tree {
    /// The names at this place of the tree.
    ///
    /// ```rhai
    /// ds.uns.names().contains("spatial_unit")   // => true
    /// ```
    pub fn names(t: &mut Tree) -> Array {
        texts(t.names())
    }

    /// The value of a name: a text, a number, an array (of rows where it has two axes, numbers of
    /// more axes are a tensor), or a map to go on in.
    ///
    /// ```rhai
    /// ds.uns["spatial_unit"]          // => "um"
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn value(t: &mut Tree, key: &str) -> Outcome<Dynamic> {
        let path = t.at(key);
        let ds = t.ds.get();
        let node = ds.uns().get(&parts(&path)).ok_or_else(|| missing("uns", key, &t.names()))?;
        Ok(match node {
            Uns::Map(_) => Dynamic::from(Tree { ds: t.ds.clone(), path }),
            node => uns::read(node),
        })
    }

    /// Sets a value: a text, a number, a boolean, an array of one of them or of equal rows of them,
    /// a tensor, or a part of another tree.
    ///
    /// ```rhai
    /// ds.uns["spatial_unit"] = "px"
    /// ds.uns["affine"] = [[0.5, 0.0, 10.0], [0.0, 0.5, 20.0], [0.0, 0.0, 1.0]]
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set_value(t: &mut Tree, key: &str, value: Dynamic) -> Outcome<()> {
        if let Some(other) = value.clone().try_cast::<Tree>() {
            let node = other.node();
            t.ds.edit().uns_mut().set(&parts(&t.at(key)), node);
            return Ok(());
        }
        let node = uns::write(&value, key)?;
        t.ds.edit().uns_mut().set(&parts(&t.at(key)), node);
        Ok(())
    }
}

fn missing(slot: &str, name: &str, known: &[String]) -> Error {
    Error::new(format!("looking up {slot}[\"{name}\"]"))
        .kind(Kind::Missing)
        .expected("a value of that name")
        .found("none")
        .advice(nearest::advice(name, known.iter().map(String::as_str)))
}
