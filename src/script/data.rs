//! `data::`: reading datasets.

use std::path::Path;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map};

use super::convert::{self, Outcome, map, parse};
use super::dataset::Dataset;
use super::slide::Slide;
use super::table::Table;
use crate::base::{Error, Result};
use crate::batch::slide::{self, AlignConfig};
use crate::data::frame;
use crate::data::{self, ConcatConfig};
use crate::io;
use crate::io::h5ad::H5adConfig;
use crate::io::legacy_st::LegacyStConfig;
use crate::io::loom::LoomConfig;
use crate::io::mex::MexConfig;
use crate::io::numpy::NumpyConfig;
use crate::io::table::TableConfig;
use crate::io::tenx::TenxConfig;
use crate::io::text_counts::TextCountsConfig;
use crate::io::transcripts::BinConfig;
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
    /// `.h5ad`, AnnData in zarr (`x.zarr/`, `x.zarr.zip`), 10x `.h5`, MEX folders, Visium, Visium HD and Xenium folders, `.loom`, tables of
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
    /// let ds = data::read_xenium("xenium/", #{ clusterings: "all" })
    /// ds.obs["kmeans_2"][0]           // => "1"
    /// ```
    ///
    /// Counts and cells are joined by `cell_id`. `obsm["spatial"]` are the centroids, the other
    /// columns of the table of cells are those of `obs`; `uns["xenium"]` has the size of a pixel
    /// and says where images, alignments and transcripts are. The folder above, a folder inside and
    /// the file `experiment.xenium` are taken for the bundle.
    ///
    /// It is an error when cells or counts are missing, when no cell of one is in the other (two
    /// runs of the analysis), or when a cell stands twice.
    #[rhai_fn(return_raw)]
    pub fn read_xenium(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<XeniumConfig>(options, "read_xenium")?;
        Ok(Dataset::new(io::xenium::read_with(Path::new(path), &config)?))
    }

    /// Reads a `.loom` file as cells by genes.
    ///
    /// ```rhai
    /// let ds = data::read_loom("sample.loom", #{ unit: "um" })
    /// ds.obs["Region"][0]             // => "Layer 6"
    /// ```
    ///
    /// Attributes of columns become `obs` and `obsm`, those of rows `var` and `varm`, graphs of
    /// cells `obsp`, attributes of the file `uns["loom"]`. Coordinates of a loom file have no unit:
    /// say it where you know it. The matrix is never dense in memory.
    ///
    /// It is an error when the file is another kind of HDF5, when attributes do not fit the matrix,
    /// or when a name, layer or pair of coordinates that was asked for is not there.
    #[rhai_fn(return_raw)]
    pub fn read_loom(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<LoomConfig>(options, "read_loom")?;
        Ok(Dataset::new(io::loom::read_with(Path::new(path), &config)?))
    }

    /// Counts the transcripts of a Xenium bundle by squares of a grid, or by cells.
    ///
    /// ```rhai
    /// let bins = data::bin_transcripts("xenium/transcripts.parquet", #{ bin_um: 20 })
    /// bins.n_vars                     // => 4
    /// ```
    ///
    /// The table is streamed: it may be larger than memory, what stands there is the counts. X holds
    /// numbers of transcripts of genes with a quality of at least `min_qv`; `obsm["spatial"]` the
    /// centres of the squares in um, or the mean place of a cell's transcripts. Squares without a
    /// transcript are left out.
    ///
    /// It is an error when a column is missing, when the side is not above zero, or when no
    /// transcript is of the quality and type asked for.
    #[rhai_fn(return_raw)]
    pub fn bin_transcripts(path: &str, options: Map) -> Outcome<Dataset> {
        let config = parse::<BinConfig>(options, "bin_transcripts")?;
        Ok(Dataset::new(io::transcripts::bin(Path::new(path), &config)?))
    }

    /// Says what a table of transcripts holds: numbers, extent, quality, types of feature.
    ///
    /// ```rhai
    /// let told = data::describe_transcripts("xenium/")
    /// told.transcripts                // => 300
    /// ```
    ///
    /// The table is streamed once. The options are those of `bin_transcripts`.
    #[rhai_fn(return_raw)]
    pub fn describe_transcripts(path: &str, options: Map) -> Outcome<Map> {
        let config = parse::<BinConfig>(options, "describe_transcripts")?;
        map(io::transcripts::summary(Path::new(path), &config)?)
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
    /// Other arrays of an `.npz` with a row for each spot go into `obsm` by their names, unless they are
    /// as wide as X. Pickled objects of Python, big-endian and complex values are errors that name them.
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
    /// Brings positions onto a slide: `obsm["spatial_px"]` holds its full-resolution pixels.
    ///
    /// ```rhai
    /// let slide = image::open("slide.ome.tif")
    /// data::align(ds, slide, #{ file: "alignment.csv", pixel_size_um: 2.0 })
    /// plot::overlay(ds, slide).save("overlay.png")
    /// ```
    ///
    /// `file` is what Xenium Explorer exports, `landmarks` are at least three places in both,
    /// `matrix` is any other affine map; without one of them only the size of a pixel counts.
    /// Positions of which most lie outside the slide are an error that says whether the inverse
    /// would fit.
    #[rhai_fn(return_raw)]
    pub fn align(ds: Dataset, slide: Slide, options: Map) -> Outcome<Dataset> {
        let config = parse::<AlignConfig>(options, "align")?;
        slide::align(&mut ds.edit(), slide.core(), &config)?;
        Ok(ds)
    }

    /// Puts several samples below each other, with the name of the sample in a column of `obs`.
    ///
    /// ```rhai
    /// let both = data::concat([ds, ds], #{ key: "sample", names: ["a", "b"] })
    /// both.n_obs                      // => 120
    /// ```
    ///
    /// Graphs of the result have no edges between samples. Coordinates in different units are an
    /// error, and so is having no gene in common.
    #[rhai_fn(return_raw)]
    pub fn concat(samples: Array, options: Map) -> Outcome<Dataset> {
        let config = parse::<ConcatConfig>(options, "concat")?;
        let samples = datasets(samples)?;
        let held: Vec<_> = samples.iter().map(Dataset::get).collect();
        let all: Vec<&data::Dataset> = held.iter().map(|d| &**d).collect();
        Ok(Dataset::new(data::concat(&all, &config)?))
    }
}

fn datasets(values: Array) -> Result<Vec<Dataset>> {
    let dataset = |v: Dynamic| {
        let found = convert::said(&v);
        v.try_cast::<Dataset>().ok_or_else(|| {
            Error::new("joining samples").expected("an array of datasets").found(found)
        })
    };
    values.into_iter().map(dataset).collect()
}
