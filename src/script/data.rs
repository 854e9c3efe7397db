//! `data::`: reading datasets.

use std::path::Path;

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use crate::io;
use crate::io::legacy_st::LegacyStConfig;
use crate::io::loom::LoomConfig;
use crate::io::mex::MexConfig;
use crate::io::numpy::NumpyConfig;
use crate::io::tenx::TenxConfig;
use crate::io::text_counts::TextCountsConfig;
use crate::io::visium::VisiumConfig;
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

    /// Reads a 10x `.h5`: cells by genes, or by probes.
    ///
    /// ```rhai
    /// let ds = data::read_10x_h5("sample.h5")
    /// ds.n_vars                       // => 6
    /// data::read_10x_h5("sample.h5", #{ features: "Antibody Capture" }).n_vars   // => 2
    /// ```
    ///
    /// `var` is named by symbol, repeated ones made unique as scanpy does, with `gene_ids`,
    /// `feature_types`, `genome` and what else the file says of its features. Of each type of
    /// feature left out, `obs` keeps the total of a cell, as `total_counts_antibody_capture`.
    /// Another layout, a genome or a type that is not in the file, and several genomes in format
    /// 2 with none chosen are errors.
    #[rhai_fn(return_raw)]
    pub fn read_10x_h5(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<TenxConfig>(options, "read_10x_h5")?;
        Ok(Dataset::new(io::tenx::read_with(Path::new(path), &config)?))
    }

    /// Reads a matrix in Matrix Market's format with its barcodes and features (MEX).
    ///
    /// ```rhai
    /// let ds = data::read_mex("mex/")
    /// ds.n_obs                        // => 12
    /// ```
    ///
    /// The path is the folder of `matrix.mtx`, `features.tsv` (or `genes.tsv`) and `barcodes.tsv`,
    /// packed or not, or the matrix itself; a prefix to the three names is understood. `obs` and
    /// `var` are as `data::read_10x_h5` makes them. A file that is missing, tables of other sizes
    /// than the matrix and a matrix that is cut short are errors.
    #[rhai_fn(return_raw)]
    pub fn read_mex(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<MexConfig>(options, "read_mex")?;
        Ok(Dataset::new(io::mex::read_with(Path::new(path), &config)?))
    }

    /// Reads a Visium folder, Space Ranger's `outs/`: spots by genes, with images.
    ///
    /// ```rhai
    /// let ds = data::read_visium("visium/")
    /// ds.obsm["spatial_um"].shape     // => [20, 2]
    /// ```
    ///
    /// Counts as `.h5` or MEX and the positions of Space Ranger 1 to 3 are joined by barcode.
    /// `obsm["spatial"]` is in pixels of the full-resolution image (column, row),
    /// `obsm["spatial_um"]` in micrometres. Missing parts, spots without a position and counts of
    /// another sample than the positions are errors.
    #[rhai_fn(return_raw)]
    pub fn read_visium(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<VisiumConfig>(options, "read_visium")?;
        Ok(Dataset::new(io::visium::read_with(Path::new(path), &config)?))
    }

    /// Reads a Visium HD folder at one size of bin.
    ///
    /// ```rhai
    /// let ds = data::read_visium_hd("visium_hd/")
    /// ds.n_obs                        // => 14
    /// data::read_visium_hd("visium_hd/", #{ bin_um: 16 }).n_obs   // => 4
    /// ```
    ///
    /// The path is Space Ranger's `outs/`, `binned_outputs/` or the folder of one size of bin.
    /// `obsm["spatial"]` is in pixels of the full-resolution image (column, row),
    /// `obsm["spatial_um"]` in micrometres by the scale that the folder states. A size that is not
    /// there is an error that names those that are.
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
