//! A dataset as the graph VAE takes it: prepared, with its graph, then as tensors.

use ndarray::{Array2, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use super::image::{self, EncodeConfig};
use crate::base::{Error, Result, interrupt, progress};
use crate::data::{Dataset, Matrix, Uns, keys};
use crate::graph::{self, Graph, KnnConfig, RadiusConfig};
use crate::models::gvae::{Batch, GvaeConfig};
use crate::nn::gat::Edges;
use crate::nn::zinb::Counts;
use crate::prep::{self, HvgConfig};

/// Rows of X that become dense at a time.
const BLOCK: usize = 4096;

/// How a dataset is prepared for the graph VAE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// How spots become neighbours: "knn", "radius" or "delaunay".
    pub graph_type: GraphType,
    /// Neighbours a spot has in a "knn" graph.
    #[schemars(range(min = 1))]
    pub k_neighbors: usize,
    /// Distance within which spots are neighbours in a "radius" graph, in the unit of
    /// `obsm["spatial"]`.
    pub radius: Option<f64>,
    /// How many highly variable genes to keep; 0 keeps all genes.
    pub highly_variable_genes: usize,
    /// Scale each spot's counts to this total; true means 10000, false leaves them.
    pub normalize_total: Target,
    /// Take log(1 + x) of the (scaled) counts.
    pub log_transform: bool,
}

/// How spots become neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GraphType {
    Knn,
    Radius,
    Delaunay,
}

/// A total to scale to, or whether to scale to 10000.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Target {
    Flag(bool),
    Total(f64),
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            graph_type: GraphType::Knn,
            k_neighbors: 6,
            radius: None,
            highly_variable_genes: 2000,
            normalize_total: Target::Flag(true),
            log_transform: true,
        }
    }
}

impl Target {
    fn total(self) -> Option<f64> {
        match self {
            Self::Flag(true) => Some(1e4),
            Self::Flag(false) => None,
            Self::Total(t) => Some(t),
        }
    }
}

/// Prepares a dataset in place and builds its graph.
///
/// X becomes the counts, normalised by the totals over all genes and logged; the genes are the
/// highly variable ones (`seurat_v3`, on counts) or, for a model that is trained, `genes` in its
/// order; image features are computed from the tissue image where there are none. Preparing a
/// dataset that was prepared, and still knows its totals, gives the same values.
///
/// # Errors
/// No counts, spots without any, no coordinates, no image and no image features, genes that are
/// missing or stand twice, and what the graph refuses.
///
/// An error, and an interrupt is one, leaves the dataset as it was.
pub fn prepare(ds: &mut Dataset, config: &DataConfig, genes: Option<&[String]>) -> Result<Graph> {
    let mut prepared = ds.clone();
    let graph = prepare_in_place(&mut prepared, config, genes)?;
    *ds = prepared;
    Ok(graph)
}

fn prepare_in_place(
    ds: &mut Dataset,
    config: &DataConfig,
    genes: Option<&[String]>,
) -> Result<Graph> {
    ds.check_genes_are_unique()?;
    ds.coordinates()?;
    let totals = prep::library_totals(ds)?;
    prep::size_factors(&totals)?; // refuses spots without counts
    ds.obs_mut().set_f64(keys::TOTAL_COUNTS, &totals)?;
    let counts = ds.counts()?.clone();
    if !ds.layers().contains_key(keys::COUNTS) {
        ds.set_layer(keys::COUNTS, counts.clone())?;
    }
    ds.set_x(counts)?;
    if let Some(m) = ds.uns_mut().as_map_mut() {
        m.shift_remove("log1p");
    }
    if let Some(total) = config.normalize_total.total() {
        prep::normalize_by(ds, &totals, total)?;
    }
    if config.log_transform {
        prep::log1p(ds)?;
    }
    match genes {
        Some(genes) => ds.select_var(&ds.gene_positions(genes)?)?,
        None if config.highly_variable_genes == 0
            || config.highly_variable_genes >= ds.n_vars() => {}
        None => {
            prep::select_hvg(
                ds,
                &HvgConfig { n_top: config.highly_variable_genes, ..HvgConfig::default() },
            )?;
        }
    }
    if !ds.obsm().contains_key(keys::IMAGE_FEATURES) {
        let encoder = EncodeConfig::default();
        let features = image::encode(ds, &encoder)?;
        progress::note(format!(
            "image features: {} computed from the tissue image",
            features.ncols()
        ));
        ds.set_obsm(keys::IMAGE_FEATURES, features)?;
        let names = ndarray::Array1::from(image::names(&encoder)).into_dyn();
        ds.uns_mut().set(&[keys::IMAGE_FEATURE_NAMES], Uns::Texts(names));
    }
    spatial_graph(ds, config)
}

/// The graph that `config` asks for.
pub fn spatial_graph(ds: &Dataset, config: &DataConfig) -> Result<Graph> {
    graph::per_sample(ds, None, |at| match config.graph_type {
        GraphType::Knn => {
            graph::knn(at, &KnnConfig { k: config.k_neighbors, ..KnnConfig::default() })
        }
        GraphType::Delaunay => graph::delaunay(at),
        GraphType::Radius => {
            let radius = config.radius.ok_or_else(|| {
                Error::new("building a radius graph")
                    .expected("data.radius, in the unit of obsm[\"spatial\"]")
                    .found("none")
                    .advice("Give a radius of about 1.5 times the spacing of the spots, or use graph_type knn")
            })?;
            graph::radius(at, &RadiusConfig::of(radius))
        }
    })
}

/// The tensors of a prepared dataset.
///
/// # Errors
/// No image features, a graph of other spots, values that are not finite, spots without counts.
pub fn batch(ds: &Dataset, graph: &Graph, device: Device) -> Result<Batch> {
    let doing = "giving a dataset to the graph VAE";
    let n = ds.n_obs();
    if graph.n_nodes() != n {
        return Err(Error::new(doing)
            .expected(format!("a graph of the dataset's {n} spots"))
            .found(format!("one of {}", graph.n_nodes()))
            .advice("Build the graph after the spots are filtered"));
    }
    let counts = ds.counts()?;
    if !ds.layers().contains_key(keys::COUNTS) {
        progress::note(
            "X holds the counts themselves: the model usually learns better from ds.normalize() and ds.log1p()",
        );
    }
    let image = image_features(ds)?;
    let totals = prep::library_totals(ds)?;
    let size_factor: Vec<f32> =
        prep::size_factors(&totals)?.into_iter().map(|s| s as f32).collect();
    let image_values: Vec<f32> = image.iter().map(|&v| v as f32).collect();
    if let Some(i) = image_values.iter().position(|v| !v.is_finite()) {
        return Err(Error::new(doing).expected("finite image features").found(format!(
            "{} at spot {}, feature {}",
            image_values[i],
            i / image.ncols(),
            i % image.ncols()
        )));
    }
    let x = dense(ds.x(), device)?;
    if x.isfinite().all().int64_value(&[]) == 0 {
        return Err(Error::new(doing).expected("finite values in X").found("NaN or infinity"));
    }
    Ok(Batch {
        x,
        image: Tensor::from_slice(&image_values)
            .view([n as i64, image.ncols() as i64])
            .to_device(device),
        edges: Edges::new(n, graph.sources(), graph.targets(), device)?,
        counts: sparse_counts(counts, device)?,
        size_factor: Tensor::from_slice(&size_factor).view([n as i64, 1]).to_device(device),
    })
}

/// The image features of a dataset, [N,F].
///
/// # Errors
/// There are none: a model without them must not be called image-guided.
pub fn image_features(ds: &Dataset) -> Result<&Array2<f64>> {
    ds.embedding(keys::IMAGE_FEATURES).map_err(|e| {
        e.advice(
            "The model is image-guided: set ds.obsm[\"image_features\"] = image::encode(ds), or your own [N,F]; \
             image::encode(ds, #{ encoder: \"zeros\" }) trains without an image on request",
        )
    })
}

/// A fingerprint of what a model is trained on, by which resuming on other data is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of the counts, the image features and the edges.
    pub data: String,
    /// Of X and the totals of the spots, in which the preparation shows.
    pub input: String,
}

/// The fingerprint of a prepared dataset and its graph.
///
/// # Errors
/// No counts, no image features; an interrupt.
pub fn fingerprint(ds: &Dataset, graph: &Graph) -> Result<Fingerprint> {
    let mut data = Sha256::new();
    let counts = ds.counts()?.csr();
    let (indptr, indices, values) = counts.parts();
    add(&mut data, indptr, |v| (v as u64).to_le_bytes())?;
    for numbers in [indices, graph.sources(), graph.targets()] {
        add(&mut data, numbers, u32::to_le_bytes)?;
    }
    add(&mut data, values, f32::to_le_bytes)?;
    image_features(ds)?.iter().for_each(|v| data.update(v.to_le_bytes()));

    let mut input = Sha256::new();
    let x = ds.x().csr();
    let (indptr, indices, values) = x.parts();
    add(&mut input, indptr, |v| (v as u64).to_le_bytes())?;
    add(&mut input, indices, u32::to_le_bytes)?;
    add(&mut input, values, f32::to_le_bytes)?;
    add(&mut input, &prep::library_totals(ds)?, f64::to_le_bytes)?;

    let hex = |hash: Sha256| hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Fingerprint { data: hex(data), input: hex(input) })
}

/// Adds the bytes of numbers to a hash.
fn add<T: Copy, const N: usize>(
    hash: &mut Sha256,
    numbers: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<()> {
    for chunk in numbers.chunks(1 << 16) {
        interrupt::check("taking the fingerprint of the data")?;
        hash.update(chunk.iter().copied().flat_map(&bytes).collect::<Vec<u8>>());
    }
    Ok(())
}

/// What training on such a batch takes, in bytes: the [N,G] arrays that the decoder and the
/// likelihood keep for the gradient, the messages of two attention layers, and the weights eight
/// times: the model's, those of its passes and what these are set from, the gradient, Adam's two
/// moments, the best epoch's and, for a moment, those of the one before.
pub fn memory_needed(spots: usize, genes: usize, edges: usize, model: &GvaeConfig) -> u64 {
    const DENSE_ARRAYS: usize = 24;
    let (hidden, heads) = (model.hidden_dim as usize, model.num_heads as usize);
    let messages = 2 * 3 * (edges + spots) * heads * hidden;
    let weights = 8 * (4 * genes * hidden + 9 * heads * hidden * hidden);
    4 * (DENSE_ARRAYS * spots * genes + messages + 40 * spots * hidden + weights) as u64
}

/// X as one dense tensor [N,G]: the first layer of the gene encoder multiplies all of it.
fn dense(x: &Matrix, device: Device) -> Result<Tensor> {
    let (n, g) = x.shape();
    let out = Tensor::zeros([n as i64, g as i64], (Kind::Float, device));
    for from in (0..n).step_by(BLOCK) {
        interrupt::check("making a tensor of X")?;
        let rows = from..(from + BLOCK).min(n);
        let values = match x {
            Matrix::Sparse(m) => m.dense_rows(rows.clone()),
            Matrix::Dense(m) => m.slice(s![rows.clone(), ..]).iter().copied().collect(),
        };
        let part = Tensor::from_slice(&values).view([rows.len() as i64, g as i64]);
        out.narrow(0, from as i64, rows.len() as i64).copy_(&part);
    }
    Ok(out)
}

fn sparse_counts(counts: &Matrix, device: Device) -> Result<Counts> {
    let doing = "making tensors of the counts";
    let csr = counts.csr();
    let (mut place, mut value) = (Vec::with_capacity(csr.nnz()), Vec::with_capacity(csr.nnz()));
    for r in 0..csr.nrows() {
        interrupt::check(doing)?;
        let (cols, values) = csr.row(r);
        for (&c, &v) in cols.iter().zip(values).filter(|&(_, &v)| v > 0.0) {
            place.push((r * csr.ncols() + c as usize) as i64);
            value.push(f64::from(v));
        }
    }
    let shape = (csr.nrows(), csr.ncols());
    interrupt::abandonable(doing, move || Counts::new(shape, &place, &value, device))
}
