//! `Dataset`: spots by genes with all that is known of both.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use polars::prelude::Column as Values;
use rhai::plugin::*;
use rhai::{Array, Map};

use super::column::Column;
use super::convert::{Outcome, parse, texts};
use super::graph::Pairs;
use super::interpreter::place_of;
use super::slots::{Axis, Layers, Matrices, Rows, Tree};
use super::values::Matrix;
use crate::base::progress;
use crate::data::frame;
use crate::prep::{
    self, FilterConfig, HvgConfig, NormalizeConfig, PcaConfig, QcConfig, ScaleConfig,
    ScoreGenesConfig,
};
use crate::{data, io};

/// A handle: two variables may hold the same dataset, and a change through one shows in both.
#[derive(Clone)]
pub(super) struct Dataset(Rc<RefCell<data::Dataset>>);

impl Dataset {
    pub fn new(ds: data::Dataset) -> Self {
        Self(Rc::new(RefCell::new(ds)))
    }

    pub fn get(&self) -> Ref<'_, data::Dataset> {
        self.0.borrow()
    }

    /// Which dataset this is a handle of.
    pub fn place(&self) -> *const () {
        place_of(&self.0)
    }

    pub fn edit(&self) -> RefMut<'_, data::Dataset> {
        self.0.borrow_mut()
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get().to_string().trim_end())
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// How many spots or cells there are.
    ///
    /// ```rhai
    /// ds.n_obs                        // => 60
    /// ```
    #[rhai_fn(get = "n_obs")]
    pub fn n_obs(ds: &mut Dataset) -> i64 {
        ds.get().n_obs() as i64
    }

    /// How many genes there are.
    ///
    /// ```rhai
    /// ds.n_vars                       // => 40
    /// ```
    #[rhai_fn(get = "n_vars")]
    pub fn n_vars(ds: &mut Dataset) -> i64 {
        ds.get().n_vars() as i64
    }

    /// The values that analyses read, [N,G].
    ///
    /// ```rhai
    /// ds.layers["counts"] = ds.x
    /// ```
    #[rhai_fn(get = "x")]
    pub fn x(ds: &mut Dataset) -> Matrix {
        Matrix::new(ds.get().x().clone())
    }

    /// The columns of spots: `ds.obs["name"]` reads, `ds.obs["name"] = values` sets.
    ///
    /// ```rhai
    /// ds.obs["left"] = ds.obs["purity"]
    /// ds.obs.names().contains("left")   // => true
    /// ```
    #[rhai_fn(get = "obs")]
    pub fn obs(ds: &mut Dataset) -> Rows {
        Rows { ds: ds.clone(), axis: Axis::Obs }
    }

    /// The columns of genes.
    ///
    /// ```rhai
    /// ds.var.index()[0]               // the first gene's name
    /// ```
    #[rhai_fn(get = "var")]
    pub fn var(ds: &mut Dataset) -> Rows {
        Rows { ds: ds.clone(), axis: Axis::Var }
    }

    /// Matrices of spots, [N,*]: coordinates, image features, embeddings.
    ///
    /// ```rhai
    /// ds.obsm["twice"] = ds.obsm["spatial"]
    /// ds.obsm["twice"].shape          // => [60, 2]
    /// ```
    #[rhai_fn(get = "obsm")]
    pub fn obsm(ds: &mut Dataset) -> Matrices {
        Matrices { ds: ds.clone(), axis: Axis::Obs }
    }

    /// Matrices of genes, [G,*].
    ///
    /// ```rhai
    /// ds.varm.names()                 // => []
    /// ```
    #[rhai_fn(get = "varm")]
    pub fn varm(ds: &mut Dataset) -> Matrices {
        Matrices { ds: ds.clone(), axis: Axis::Var }
    }

    /// The values of a gene in X, one a spot.
    ///
    /// ```rhai
    /// ds.obs["first"] = ds.gene(ds.var.index()[0])
    /// ```
    ///
    /// A gene that is not there is an error; one that is there by another name (symbol, Ensembl id,
    /// other case) is named.
    #[rhai_fn(return_raw)]
    pub fn gene(ds: &mut Dataset, name: &str) -> Outcome<Column> {
        let values = ds.get().gene(name)?;
        Ok(Column { values: Values::new(name.into(), values) })
    }

    /// Other values of the shape of X, such as `ds.layers["counts"]`.
    ///
    /// ```rhai
    /// ds.normalize()
    /// ds.layers.names()               // => ["counts"]
    /// ```
    #[rhai_fn(get = "layers")]
    pub fn layers(ds: &mut Dataset) -> Layers {
        Layers { ds: ds.clone() }
    }

    /// Sparse matrices of pairs of spots, [N,N], read and set as graphs.
    ///
    /// ```rhai
    /// ds.obsp["spatial_connectivities"] = g
    /// ds.obsp.names()                 // => ["spatial_connectivities"]
    /// ```
    #[rhai_fn(get = "obsp")]
    pub fn obsp(ds: &mut Dataset) -> Pairs {
        Pairs { ds: ds.clone() }
    }

    /// The values from before the genes were chosen, as a dataset of its own, where the file had them.
    ///
    /// ```rhai
    /// if ds.has_raw { print(ds.raw.n_vars) }
    /// ```
    ///
    /// AnnData keeps them in `raw`, with genes of its own; they are written back with the dataset.
    /// A dataset without them is an error.
    #[rhai_fn(get = "raw", return_raw)]
    pub fn raw(ds: &mut Dataset) -> Outcome<Dataset> {
        Ok(Dataset::new(ds.get().of_raw()?))
    }

    /// Whether the dataset has values from before its genes were chosen.
    ///
    /// ```rhai
    /// ds.has_raw                      // => false
    /// ```
    #[rhai_fn(get = "has_raw")]
    pub fn has_raw(ds: &mut Dataset) -> bool {
        ds.get().raw().is_some()
    }

    /// Takes the counts of the genes from raw: they become `layers["counts"]`.
    ///
    /// ```rhai
    /// if ds.has_raw { ds.counts_from_raw() }
    /// ```
    ///
    /// No raw, values in it that are no counts, or genes that it lacks are an error.
    #[rhai_fn(return_raw)]
    pub fn counts_from_raw(ds: &mut Dataset) -> Outcome<Dataset> {
        ds.edit().counts_from_raw()?;
        Ok(ds.clone())
    }

    /// What else the dataset says of itself: a tree of values, read as `ds.uns["a"]["b"]`.
    ///
    /// ```rhai
    /// ds.uns["note"] = "a test"
    /// ds.uns["note"]                  // => "a test"
    /// ```
    #[rhai_fn(get = "uns")]
    pub fn uns(ds: &mut Dataset) -> Tree {
        Tree { ds: ds.clone(), path: Vec::new() }
    }

    /// States the unit of `obsm["spatial"]`, "um" or "px".
    ///
    /// ```rhai
    /// ds.set_unit("um")
    /// ds.uns["spatial_unit"]          // => "um"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn set_unit(ds: &mut Dataset, unit: &str) -> Outcome<Dataset> {
        ds.edit().set_unit(unit, None)?;
        Ok(ds.clone())
    }

    /// States that `obsm["spatial"]` is pixels, and how many micrometres one is.
    ///
    /// ```rhai
    /// ds.set_unit("px", 0.5)
    /// graph::radius(ds, #{ radius_um: 100 })
    /// ```
    #[rhai_fn(name = "set_unit", return_raw)]
    pub fn set_unit_and_scale(ds: &mut Dataset, unit: &str, um_per_px: f64) -> Outcome<Dataset> {
        ds.edit().set_unit(unit, Some(um_per_px))?;
        Ok(ds.clone())
    }

    /// Drops spots with few counts or genes, then genes seen in few spots.
    ///
    /// ```rhai
    /// ds.filter(#{ min_counts: 1, min_spots: 1, obs: #{ purity: #{ max: 1.0 } } })
    /// ```
    ///
    /// Bounds that leave nothing are an error, and the dataset is then as it was.
    #[rhai_fn(return_raw)]
    pub fn filter(ds: &mut Dataset, options: Map) -> Outcome<Dataset> {
        let (spots, genes) =
            prep::filter(&mut ds.edit(), &parse::<FilterConfig>(options, "filter")?)?;
        progress::note(format!("filter: {spots} spots and {genes} genes dropped"));
        Ok(ds.clone())
    }

    /// Keeps the spots for which a condition on `obs` holds. It is SQL, as in `Table.filter`; row
    /// names are a column too, by the name that their file has for them, else `_index`.
    ///
    /// ```rhai
    /// ds.select("domain_true = 'D1' AND purity > 0.1")
    /// ds.obs["domain_true"].unique()  // => ["D1"]
    /// ```
    ///
    /// As `filter` it changes the dataset itself; `ds.copy().select(...)` leaves it as it was. A
    /// condition that holds for no spot is an error, and the dataset is then as it was.
    #[rhai_fn(return_raw)]
    pub fn select(ds: &mut Dataset, condition: &str) -> Outcome<Dataset> {
        let kept = frame::rows(ds.get().obs(), condition)?;
        frame::some(&kept, condition)?;
        ds.edit().select_obs(&kept)?;
        Ok(ds.clone())
    }

    /// Keeps the genes for which a condition on `var` holds.
    ///
    /// ```rhai
    /// ds.select_genes("_index IN ('Gene01', 'Gene02')")
    /// ```
    ///
    /// A condition that holds for no gene is an error, and the dataset is then as it was.
    #[rhai_fn(return_raw)]
    pub fn select_genes(ds: &mut Dataset, condition: &str) -> Outcome<Dataset> {
        let kept = frame::rows(ds.get().var(), condition)?;
        frame::some(&kept, condition)?;
        ds.edit().select_var(&kept)?;
        Ok(ds.clone())
    }

    /// Scales each spot's counts to a total of 10,000; the counts stay in `layers["counts"]`.
    ///
    /// ```rhai
    /// ds.normalize()
    /// ```
    ///
    /// Where there are no counts, X is scaled, with a note, and is not kept as counts; values below
    /// zero and logarithms are an error.
    #[rhai_fn(return_raw)]
    pub fn normalize(ds: &mut Dataset) -> Outcome<Dataset> {
        normalize_to(ds, 1e4)
    }

    /// Scales each spot's counts to a total of your choice.
    ///
    /// ```rhai
    /// ds.normalize(1000)
    /// ```
    #[rhai_fn(name = "normalize", return_raw)]
    pub fn normalize_to(ds: &mut Dataset, target: f64) -> Outcome<Dataset> {
        prep::normalize_total(&mut ds.edit(), target)?;
        Ok(ds.clone())
    }

    /// Scales each spot's counts as scanpy's `normalize_total` does, to their median by default.
    ///
    /// ```rhai
    /// ds.normalize_total(#{ exclude_highly_expressed: true, max_fraction: 0.5 })
    /// ```
    #[rhai_fn(return_raw)]
    pub fn normalize_total(ds: &mut Dataset, options: Map) -> Outcome<Dataset> {
        prep::normalize(&mut ds.edit(), &parse::<NormalizeConfig>(options, "normalize_total")?)?;
        Ok(ds.clone())
    }

    /// Divides each gene of X by its standard deviation; what is zero stays zero.
    ///
    /// ```rhai
    /// ds.normalize().log1p().scale(#{ max_value: 10 })
    /// ```
    ///
    /// Taking the means away too (`zero_center: true`) is refused, because it fills X up; `ds.pca(#{
    /// scale: true })` does both without.
    #[rhai_fn(return_raw)]
    pub fn scale(ds: &mut Dataset, options: Map) -> Outcome<Dataset> {
        prep::scale(&mut ds.edit(), &parse::<ScaleConfig>(options, "scale")?)?;
        Ok(ds.clone())
    }

    /// Writes figures of quality into `obs` and `var`, named as scanpy's `calculate_qc_metrics`
    /// names them.
    ///
    /// ```rhai
    /// ds.qc(#{ percent_top: [10], prefixes: #{ mt: ["MT-", "mt-"] } })
    /// ds.obs.names().contains("pct_counts_mt")   // => true
    /// ```
    ///
    /// Where there are no counts, the values of X are summed up, with a note.
    #[rhai_fn(return_raw)]
    pub fn qc(ds: &mut Dataset, options: Map) -> Outcome<Dataset> {
        prep::qc(&mut ds.edit(), &parse::<QcConfig>(options, "qc")?)?;
        Ok(ds.clone())
    }

    /// Scores a set of genes into a column of `obs`, as scanpy's `score_genes` does.
    ///
    /// ```rhai
    /// ds.normalize().log1p()
    /// ds.score_genes([ds.var.index()[0]], #{ score_name: "program", ctrl_size: 5 })
    /// ```
    #[rhai_fn(return_raw)]
    pub fn score_genes(ds: &mut Dataset, genes: Array, options: Map) -> Outcome<Dataset> {
        let config = parse::<ScoreGenesConfig>(options, "score_genes")?;
        prep::score_genes(&mut ds.edit(), &texts(&genes, "reading the names of genes")?, &config)?;
        Ok(ds.clone())
    }

    /// Computes principal components into `obsm["X_pca"]`, `varm["PCs"]` and `uns["pca"]`.
    ///
    /// ```rhai
    /// ds.normalize().log1p().pca(#{ n_components: 5, solver: "randomized" })
    /// ds.obsm["X_pca"].shape          // => [60, 5]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pca(ds: &mut Dataset, options: Map) -> Outcome<Dataset> {
        prep::run_pca(&mut ds.edit(), &parse::<PcaConfig>(options, "pca")?)?;
        Ok(ds.clone())
    }

    /// Takes the natural logarithm of 1 + X.
    ///
    /// ```rhai
    /// ds.normalize()
    /// ds.log1p()
    /// ```
    ///
    /// X that was logged before is an error.
    #[rhai_fn(return_raw)]
    pub fn log1p(ds: &mut Dataset) -> Outcome<Dataset> {
        prep::log1p(&mut ds.edit())?;
        Ok(ds.clone())
    }

    /// Keeps the genes that vary most, by the rule of Seurat, Cell Ranger or Seurat v3.
    ///
    /// ```rhai
    /// ds.select_hvg(#{ n_top: 20, flavor: "seurat_v3" })
    /// ds.n_vars                       // => 20
    /// ```
    #[rhai_fn(return_raw)]
    pub fn select_hvg(ds: &mut Dataset, options: Map) -> Outcome<Dataset> {
        prep::select_hvg(&mut ds.edit(), &parse::<HvgConfig>(options, "select_hvg")?)?;
        Ok(ds.clone())
    }

    /// A dataset of its own with the same content: changes to one do not show in the other.
    ///
    /// ```rhai
    /// let other = ds.copy()
    /// other.obs["mine"] = other.obs["purity"]
    /// ds.obs.names().contains("mine")   // => false
    /// ```
    pub fn copy(ds: &mut Dataset) -> Dataset {
        Dataset::new(ds.get().clone())
    }

    /// Writes an `.h5ad` file that Python's anndata opens, whole or not at all.
    ///
    /// ```rhai
    /// ds.write("tissue.h5ad")
    /// data::read("tissue.h5ad").n_obs // => 60
    /// ```
    ///
    /// A name that ends as that of another format, such as `.csv`, is an error. Folders that are not
    /// there are made, as by all that writes files.
    #[rhai_fn(return_raw)]
    pub fn write(ds: &mut Dataset, path: &str) -> Outcome<()> {
        Ok(io::h5ad::write(&ds.get(), Path::new(path))?)
    }
}
