//! `data::`: reading datasets.

use std::path::Path;

use rhai::Map;
use rhai::plugin::*;

use super::convert::{self, Outcome, parse};
use super::dataset::Dataset;
use super::table::Table;
use crate::data::frame;
use crate::io;
use crate::io::legacy_st::LegacyStConfig;
use crate::io::loom::LoomConfig;
use crate::io::mex::MexConfig;
use crate::io::numpy::NumpyConfig;
use crate::io::table::TableConfig;
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
    /// let ds = data::read_counts("counts.csv", #{ x: "x", y: "y", unit: "um", obs: ["area", "type"] })
    /// ds.obs.names()                  // => ["area", "type"]
    /// ```
    ///
    /// Without options the names of the columns decide what they are, and a note says what they
    /// decided. Rows of unequal length, text or nothing where a count is meant, and a table without
    /// genes are errors.
    #[rhai_fn(return_raw)]
    pub fn read_counts(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<TextCountsConfig>(options, "read_counts")?;
        Ok(Dataset::new(io::text_counts::read_with(Path::new(path), &config)?))
    }

    /// Reads a section of legacy spatial transcriptomics: counts whose rows are named `XxY`, and
    /// the selection beside them.
    ///
    /// ```rhai
    /// let ds = data::read_st("st_counts.tsv.gz", #{ pitch_um: 200 })
    /// ds.uns["spatial_unit"]          // => "px"
    /// ```
    ///
    /// The coordinates are pixels of the image. No selection, or one of another section, is an error.
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
    ///
    /// Pickled objects of Python, big-endian and complex values are errors that name them.
    #[rhai_fn(return_raw)]
    pub fn read_numpy(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<NumpyConfig>(options, "read_numpy")?;
        Ok(Dataset::new(io::numpy::read_with(Path::new(path), &config)?))
    }

    /// Reads a table of text (`.csv`, `.tsv`, `.txt`, gzipped or not), parquet or Arrow IPC.
    ///
    /// ```rhai
    /// ds.obs.table().save("spots.csv")
    /// let t = data::read_table("spots.csv")
    /// t.len()                         // => 60
    /// ```
    ///
    /// What it is, is seen from the content; the options are for text. Rows of unequal length are
    /// an error that names the line.
    #[rhai_fn(return_raw)]
    pub fn read_table(path: &str, options: Map) -> Outcome<Table> {
        let config = parse::<TableConfig>(options, "read_table")?;
        Ok(Table::new(io::table::read_with(Path::new(path), &config)?))
    }

    /// A table of columns by name: arrays, tensors [N] or columns of equal length.
    ///
    /// ```rhai
    /// let t = data::table(#{ barcode: ["a", "b"], score: [0.5, 2.0] })
    /// t.filter("score > 1")["barcode"].to_array()   // => ["b"]
    /// ```
    ///
    /// The columns stand in alphabetical order, as the keys of a map do.
    #[rhai_fn(return_raw)]
    pub fn table(columns: Map) -> Outcome<Table> {
        Ok(Table::new(frame::of(convert::columns(columns)?)?))
    }

    /// Writes tensors, columns or arrays by name into an `.npz`, which `numpy.load` opens, as
    /// 32-bit floats.
    ///
    /// ```rhai
    /// data::write_npz("coordinates.npz", #{ xy: ds.obsm["spatial"], purity: ds.obs["purity"] })
    /// ```
    #[rhai_fn(return_raw)]
    pub fn write_npz(path: &str, arrays: Map) -> Outcome<()> {
        Ok(io::npz::write_arrays(Path::new(path), &convert::arrays(arrays)?)?)
    }
}
