//! A network together with what it needs to meet data again: its genes, its preparation, its seed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::base::{Error, Result, device, interrupt, progress};
use crate::batch::gvae::{self, DataConfig};
use crate::data::{Dataset, keys};
use crate::graph::Graph;
use crate::models::gvae::{Batch, Gvae, GvaeConfig};
use crate::nn::no_grad;

/// Where a model lives and how its weights begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// Seed of the first weights and of every draw in training.
    pub seed: u64,
    /// "auto", "cpu", "cuda" or "cuda:N".
    pub device: String,
    /// How the data was prepared; kept in checkpoints, so that new data is prepared the same way.
    pub data: DataConfig,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { seed: 42, device: "auto".into(), data: DataConfig::default() }
    }
}

/// An image-guided graph VAE for a list of genes.
#[derive(Debug)]
pub struct Model {
    pub net: Gvae,
    pub genes: Vec<String>,
    pub options: ModelOptions,
    /// Epochs it was trained for.
    pub epoch: u64,
}

/// What a model sees in each spot, on the CPU.
#[derive(Debug)]
pub struct Extracted {
    /// Posterior means, [N,L].
    pub latent: Tensor,
    /// Prior means: what morphology and neighbourhood alone suggest, [N,L].
    pub prior: Tensor,
    /// KL divergence of posterior from prior, nats, [N].
    pub kl: Tensor,
}

impl Model {
    /// A fresh model for the genes and image features of a dataset.
    ///
    /// # Errors
    /// No image features, no such device, or options out of range.
    pub fn new(ds: &Dataset, config: GvaeConfig, options: ModelOptions) -> Result<Self> {
        let features = gvae::image_features(ds)?.ncols();
        Self::for_genes(ds.var().index().to_vec(), features, config, options)
    }

    /// A fresh model for named genes and a number of image features.
    pub fn for_genes(
        genes: Vec<String>,
        features: usize,
        config: GvaeConfig,
        options: ModelOptions,
    ) -> Result<Self> {
        let at = device::resolve(&options.device)?;
        if options.device == "auto" {
            progress::note(format!("device: {} (auto)", device::name(at)));
        }
        let net = Gvae::new(config, genes.len(), features, options.seed, at)?;
        Ok(Self { net, genes, options, epoch: 0 })
    }

    pub fn device(&self) -> Device {
        self.net.vars().device()
    }

    /// Prepares new data as this model's own was prepared, with its genes; returns the graph.
    pub fn prepare(&self, ds: &mut Dataset) -> Result<Graph> {
        gvae::prepare(ds, &self.options.data, Some(&self.genes))
    }

    /// The tensors of a dataset on the model's device.
    ///
    /// # Errors
    /// Other genes, or in another order; what [`gvae::batch`] refuses.
    pub fn batch(&self, ds: &Dataset, graph: &Graph) -> Result<Batch> {
        let found = ds.var().index();
        if found != self.genes {
            let differ = found.iter().zip(&self.genes).find(|(a, b)| a != b);
            let example =
                differ.map(|(a, b)| format!(", as '{a}' where '{b}' was")).unwrap_or_default();
            return Err(Error::new("giving a dataset to the graph VAE")
                .expected(format!("the {} genes of the model in their order", self.genes.len()))
                .found(format!("{} genes{example}", found.len()))
                .advice(
                    "Prepare the dataset with model.prepare(ds), which takes the model's genes",
                ));
        }
        let batch = gvae::batch(ds, graph, self.device())?;
        self.net.check(&batch).map_err(|e| {
            e.advice(format!(
                "The model was made for {} columns of obsm[\"{}\"]",
                self.net.image_features(),
                keys::IMAGE_FEATURES
            ))
        })?;
        Ok(batch)
    }

    /// Posterior and prior means and the KL divergence of every spot, in evaluation mode.
    ///
    /// # Errors
    /// What [`Model::batch`] refuses; an interrupt.
    pub fn extract(&self, ds: &Dataset, graph: &Graph) -> Result<Extracted> {
        let batch = self.batch(ds, graph)?;
        let twin = self.net.twin();
        interrupt::abandonable("extracting what the model sees", move || {
            let net = twin()?;
            let e = no_grad(|| net.encode(&batch, false))?;
            let cpu = |t: &Tensor| t.detach().to_device(Device::Cpu);
            Ok(Extracted { latent: cpu(&e.mu_q), prior: cpu(&e.mu_p), kl: cpu(&e.kl()) })
        })
    }
}
