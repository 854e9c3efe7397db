//! `data::`: reading datasets.

use std::path::Path;

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, map, parse};
use super::dataset::Dataset;
use crate::io;
use crate::io::h5ad::H5adConfig;
use crate::io::legacy_st::LegacyStConfig;
use crate::io::loom::LoomConfig;
use crate::io::mex::MexConfig;
use crate::io::numpy::NumpyConfig;
use crate::io::text_counts::TextCountsConfig;
use crate::io::visium_hd::VisiumHdConfig;
use crate::io::xenium::XeniumConfig;

#[export_module(manifest)]
pub(super) mod functions {
    /// Reads a dataset of any format that is understood. What it is, is seen from the content.
    ///
    /// ```rhai
    /// ds.write("tissue.h5ad")
    /// let same = data::read("tissue.h5ad")
    /// same.n_vars                     // => 40
    /// ```
    ///
    /// `.h5ad`, 10x `.h5`, MEX folders, Visium, Visium HD and Xenium folders, `.loom`, tables of
    /// counts as text or parquet, legacy ST tables, `.npy` and `.npz`. The functions by the name of
    /// a format take its options.
    #[rhai_fn(return_raw)]
    pub fn read(path: &str) -> Outcome<Dataset> {
        Ok(Dataset::new(io::read(Path::new(path))?))
    }

    /// Reads an `.h5ad`, or the part of it that is asked for, without loading the rest.
    ///
    /// ```rhai
    /// ds.write("tissue.h5ad")
    /// let two = [ds.var.index()[5], ds.var.index()[3]]
    /// let part = data::read_h5ad("tissue.h5ad", #{ obs: "domain_true = 'D1'", genes: two })
    /// part.n_vars                     // => 2
    /// ```
    ///
    /// A condition that names no column of the file, a spot, gene, layer or matrix that is not in it:
    /// each is an error that says what there is.
    #[rhai_fn(return_raw)]
    pub fn read_h5ad(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<H5adConfig>(options, "read_h5ad")?;
        Ok(Dataset::new(io::h5ad::read_with(Path::new(path), &config)?))
    }

    /// Says what is in an `.h5ad` without reading its values: sizes, and the names of every slot.
    ///
    /// ```rhai
    /// ds.write("tissue.h5ad")
    /// data::peek("tissue.h5ad").n_obs // => 60
    /// data::peek("tissue.h5ad").obsm.contains("spatial")   // => true
    /// ```
    ///
    /// `n_obs`, `n_vars`, `x` (csr, csc, dense or none), `raw_vars`, and lists of names: `obs`, `var`,
    /// `layers`, `obsm`, `varm`, `obsp`, `uns`. A file that is no `.h5ad` is an error.
    #[rhai_fn(return_raw)]
    pub fn peek(path: &str) -> Outcome<Map> {
        map(io::h5ad::peek(Path::new(path))?)
    }

    /// Reads a matrix in Matrix Market's format with its barcodes and features (MEX).
    ///
    /// ```rhai
    /// let ds = data::read_mex("mex/")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_mex(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<MexConfig>(options, "read_mex")?;
        Ok(Dataset::new(io::mex::read_with(Path::new(path), &config)?))
    }

    /// Reads a Visium HD folder at one size of bin.
    ///
    /// ```rhai
    /// let ds = data::read_visium_hd("visium_hd/")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_visium_hd(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<VisiumHdConfig>(options, "read_visium_hd")?;
        Ok(Dataset::new(io::visium_hd::read_with(Path::new(path), &config)?))
    }

    /// Reads a Xenium bundle: cells by genes, in micrometres.
    ///
    /// ```rhai
    /// let ds = data::read_xenium("xenium/")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_xenium(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<XeniumConfig>(options, "read_xenium")?;
        Ok(Dataset::new(io::xenium::read_with(Path::new(path), &config)?))
    }

    /// Reads a `.loom` file.
    ///
    /// ```rhai
    /// let ds = data::read_loom("sample.loom")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_loom(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<LoomConfig>(options, "read_loom")?;
        Ok(Dataset::new(io::loom::read_with(Path::new(path), &config)?))
    }

    /// Reads a table of counts, with a row a cell, from text or parquet.
    ///
    /// ```rhai
    /// let ds = data::read_counts("counts.csv")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_counts(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<TextCountsConfig>(options, "read_counts")?;
        Ok(Dataset::new(io::text_counts::read_with(Path::new(path), &config)?))
    }

    /// Reads a table of legacy spatial transcriptomics, whose rows are named `XxY`.
    ///
    /// ```rhai
    /// let ds = data::read_st("st_counts.tsv.gz")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_st(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<LegacyStConfig>(options, "read_st")?;
        Ok(Dataset::new(io::legacy_st::read_with(Path::new(path), &config)?))
    }

    /// Reads a matrix from `.npy`, or a dense or sparse one from `.npz`.
    ///
    /// ```rhai
    /// let ds = data::read_numpy("counts.npz")
    /// ```
    #[rhai_fn(return_raw)]
    pub fn read_numpy(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<NumpyConfig>(options, "read_numpy")?;
        Ok(Dataset::new(io::numpy::read_with(Path::new(path), &config)?))
    }
}
