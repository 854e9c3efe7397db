//! `Model` and `models::`: networks, fresh or from a checkpoint.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Dynamic, Map};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::convert::{Outcome, map, parse};
use super::dataset::Dataset;
use super::graph::Graph;
use super::tensor::Tensor;
use crate::base::device;
use crate::batch::gvae::{self, DataConfig};
use crate::models::GvaeConfig;
use crate::train::{self, Checkpoint, ModelOptions};

/// Options of `models::gvae`: those of the network, and where it lives.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct GvaeOptions {
    #[serde(flatten)]
    network: GvaeConfig,
    #[serde(flatten)]
    options: ModelOptions,
}

/// A handle; training changes the model behind it.
#[derive(Clone)]
pub(super) struct Model(Rc<RefCell<train::Model>>);

impl Model {
    pub fn new(model: train::Model) -> Self {
        Self(Rc::new(RefCell::new(model)))
    }

    /// Which model this is a handle of.
    pub fn place(&self) -> *const () {
        super::interpreter::place_of(&self.0)
    }

    pub fn get(&self) -> Ref<'_, train::Model> {
        self.0.borrow()
    }

    pub fn edit(&self) -> RefMut<'_, train::Model> {
        self.0.borrow_mut()
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.get();
        let GvaeConfig { hidden_dim, latent_dim, num_heads, dropout } = m.net.config();
        writeln!(f, "Model gvae, {} epochs, on {}", m.epoch, device::name(m.device()))?;
        writeln!(
            f,
            "  reads   {} genes, {} image features",
            m.genes.len(),
            m.net.image_features()
        )?;
        writeln!(
            f,
            "  layers  hidden {hidden_dim}, latent {latent_dim}, {num_heads} heads, dropout {dropout}"
        )?;
        write!(f, "  trains  {} parameters", m.net.vars().size())
    }
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Prepares counts, genes and image features for the graph VAE, and returns the graph.
    ///
    /// ```rhai
    /// let g = models::prepare(ds, #{ k_neighbors: 6, highly_variable_genes: 30 })
    /// ds.n_vars                       // => 30
    /// ```
    ///
    /// A dataset without counts, coordinates, or anything that stands for an image is an error.
    #[rhai_fn(return_raw)]
    pub fn prepare(ds: Dataset, options: Map) -> Outcome<Graph> {
        let config = parse::<DataConfig>(options, "data")?;
        Ok(Graph::new(gvae::prepare(&mut ds.edit(), &config, None)?))
    }

    /// An image-guided graph VAE with fresh weights for the genes of a dataset.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1, device: "cpu" })
    /// model.epoch                     // => 0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn gvae(ds: Dataset, options: Map) -> Outcome<Model> {
        let GvaeOptions { network, options } = parse(options, "gvae")?;
        Ok(Model::new(train::Model::new(&ds.get(), network, options)?))
    }

    /// The model of a checkpoint; of a folder, of the latest one in it, or in the one folder below it
    /// that holds some.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1, device: "cpu" })
    /// let run = train::fit(model, ds, g, #{ epochs: 1, checkpoints: "run" })
    /// models::load("run", "cpu").epoch   // => 1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn load(path: &str, device: &str) -> Outcome<Model> {
        Ok(Model::new(Checkpoint::read(Path::new(path))?.model(device)?))
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// How many epochs the model was trained for.
    ///
    /// ```rhai
    /// models::gvae(ds, #{ hidden_dim: 8, device: "cpu" }).epoch   // => 0
    /// ```
    #[rhai_fn(get = "epoch")]
    pub fn epoch(m: &mut Model) -> i64 {
        m.get().epoch as i64
    }

    /// Where the model lives: "cpu" or "cuda:0".
    ///
    /// ```rhai
    /// models::gvae(ds, #{ hidden_dim: 8, device: "cpu" }).device   // => "cpu"
    /// ```
    #[rhai_fn(get = "device")]
    pub fn device(m: &mut Model) -> String {
        device::name(m.get().device())
    }

    /// The options of network, seed and preparation that it was made with.
    ///
    /// ```rhai
    /// models::gvae(ds, #{ hidden_dim: 8, device: "cpu" }).options.hidden_dim   // => 8
    /// ```
    #[rhai_fn(get = "options", return_raw)]
    pub fn options(m: &mut Model) -> Outcome<Map> {
        let (network, options) = (m.get().net.config().clone(), m.get().options.clone());
        map(GvaeOptions { network, options })
    }

    /// Prepares new data as the model's own was, with its genes, and returns the graph.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, device: "cpu" })
    /// let other = sim::tissue(#{ spots: 80, genes: 40, domains: 3, seed: 2 })
    /// model.prepare(other).n_spots    // => 80
    /// ```
    #[rhai_fn(return_raw)]
    pub fn prepare(m: &mut Model, ds: Dataset) -> Outcome<Graph> {
        Ok(Graph::new(m.get().prepare(&mut ds.edit())?))
    }

    /// What the model sees in each spot: `latent` and `prior` means, [N,L], and `kl`, [N], the
    /// divergence of the two in nats.
    ///
    /// ```rhai
    /// let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, device: "cpu" })
    /// model.extract(ds, g).latent.shape   // => [60, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn extract(m: &mut Model, ds: Dataset, graph: Graph) -> Outcome<Map> {
        let out = m.get().extract(&ds.get(), graph.core())?;
        let parts = [("latent", out.latent), ("prior", out.prior), ("kl", out.kl)];
        Ok(parts
            .into_iter()
            .map(|(name, t)| (name.into(), Dynamic::from(Tensor::new(t))))
            .collect())
    }
}
