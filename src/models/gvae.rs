//! The image-guided graph VAE: the image is a prior, not a target.
//!
//! A conditional VAE (Sohn, Lee and Yan, NeurIPS 2015) on a spatial graph. The prior
//! `p(Z | image, graph)` sees morphology alone, the posterior `q(Z | genes, image, graph)` sees
//! expression too, and the decoder explains counts from Z by a zero-inflated negative binomial.
//! The KL divergence of a spot is then what expression says beyond what morphology predicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::base::{Error, Result, interrupt, seed};
use crate::nn::Vars;
use crate::nn::block::{Linear, Mlp};
use crate::nn::gat::{Edges, Gat};
use crate::nn::kl::{self, LOGVAR_LIMIT};
use crate::nn::zinb::{self, Counts};

/// Options of the image-guided graph VAE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GvaeConfig {
    /// Width of the hidden layers.
    #[schemars(range(min = 1))]
    pub hidden_dim: i64,
    /// Dimensions of the latent space.
    #[schemars(range(min = 1))]
    pub latent_dim: i64,
    /// Heads of graph attention, averaged.
    #[schemars(range(min = 1))]
    pub num_heads: i64,
    /// Share of hidden units and of attention weights dropped in training, from 0 to below 1.
    #[schemars(range(min = 0.0))]
    pub dropout: f64,
}

impl Default for GvaeConfig {
    fn default() -> Self {
        Self { hidden_dim: 256, latent_dim: 32, num_heads: 3, dropout: 0.1 }
    }
}

/// The network.
#[derive(Debug)]
pub struct Gvae {
    config: GvaeConfig,
    genes: i64,
    image_features: i64,
    vars: Vars,
    img_encoder: Mlp,
    gene_encoder: Mlp,
    p_gat: Gat,
    q_gat: Gat,
    p_mean: Linear,
    p_logvar: Linear,
    q_mean: Linear,
    q_logvar: Linear,
    decoder: Mlp,
    dec_mean: Linear,
    dec_disp: Linear,
    dec_pi: Linear,
}

/// What the network is given of N spots.
#[derive(Debug)]
pub struct Batch {
    /// Expression, normalised and logged, [N,G].
    pub x: Tensor,
    /// Image features, [N,F].
    pub image: Tensor,
    /// The spatial graph over the N spots.
    pub edges: Edges,
    /// What the decoder must explain, [N,G].
    pub counts: Counts,
    /// Total counts of a spot over their mean, [N,1].
    pub size_factor: Tensor,
}

/// Posterior and prior, each [N,L].
#[derive(Debug)]
pub struct Encoded {
    pub mu_q: Tensor,
    pub logvar_q: Tensor,
    pub mu_p: Tensor,
    pub logvar_p: Tensor,
}

/// Parameters of the counts' distribution, each [N,G].
#[derive(Debug)]
pub struct Decoded {
    /// Mean at a size factor of one.
    pub mean: Tensor,
    /// Inverse dispersion.
    pub theta: Tensor,
    /// Logit of the probability of an extra zero.
    pub pi_logit: Tensor,
}

/// Losses of one pass in each spot, nats, [N].
#[derive(Debug)]
pub struct Loss {
    /// Negative log-likelihood of the spot's counts.
    pub nll: Tensor,
    /// KL divergence of posterior from prior.
    pub kl: Tensor,
}

impl Gvae {
    /// A network with weights drawn from `seed`.
    ///
    /// # Errors
    /// No genes, no image features, or a dropout outside [0, 1); an interrupt.
    pub fn new(
        config: GvaeConfig,
        genes: usize,
        image_features: usize,
        seed: u64,
        device: Device,
    ) -> Result<Self> {
        let doing = "building the image-guided graph VAE";
        if genes == 0 || image_features == 0 {
            return Err(Error::new(doing)
                .expected("at least one gene and one image feature")
                .found(format!("{genes} genes and {image_features} image features")));
        }
        if config.hidden_dim < 1 || config.latent_dim < 1 || config.num_heads < 1 {
            return Err(Error::new(doing)
                .expected("hidden_dim, latent_dim and num_heads of 1 or more")
                .found(format!("{config:?}")));
        }
        if !(0.0..1.0).contains(&config.dropout) {
            return Err(Error::new(doing)
                .expected("dropout from 0 to below 1")
                .found(config.dropout.to_string()));
        }
        let (genes, image_features) = (genes as i64, image_features as i64);
        let GvaeConfig { hidden_dim: hidden, latent_dim: latent, num_heads: heads, dropout } =
            config;
        let _rng = seed::torch(seed, 0)?;
        let mut vars = Vars::new(device);
        let mut at = vars.root();
        Ok(Self {
            img_encoder: Mlp::new(at.sub("img_encoder"), image_features, hidden, dropout),
            gene_encoder: Mlp::new(at.sub("gene_encoder"), genes, hidden, dropout),
            p_gat: Gat::new(at.sub("p_gat_shared"), hidden, hidden, heads, dropout),
            q_gat: Gat::new(at.sub("q_gat_shared"), 2 * hidden, hidden, heads, dropout),
            p_mean: Linear::new(at.sub("p_mean"), hidden, latent),
            p_logvar: Linear::new(at.sub("p_logvar"), hidden, latent),
            q_mean: Linear::new(at.sub("q_mean"), hidden, latent),
            q_logvar: Linear::new(at.sub("q_logvar"), hidden, latent),
            decoder: Mlp::new(at.sub("decoder"), latent, hidden, dropout),
            dec_mean: Linear::new(at.sub("dec_mean.0"), hidden, genes),
            dec_disp: Linear::new(at.sub("dec_disp"), hidden, genes),
            dec_pi: Linear::new(at.sub("dec_pi"), hidden, genes),
            vars,
            config,
            genes,
            image_features,
        })
    }

    /// Makes a network like this one with weights of its own, on whichever thread calls it.
    pub fn twin(&self) -> impl FnOnce() -> Result<Self> + Send + 'static {
        let (config, device) = (self.config.clone(), self.vars.device());
        let (genes, image_features) = (self.genes(), self.image_features());
        let weights = self.vars.copies();
        move || {
            let twin = Self::new(config, genes, image_features, 0, device)?;
            twin.vars.load_copies(&weights)?;
            Ok(twin)
        }
    }

    pub fn config(&self) -> &GvaeConfig {
        &self.config
    }

    pub fn vars(&self) -> &Vars {
        &self.vars
    }

    /// G, the genes it explains.
    pub fn genes(&self) -> usize {
        self.genes as usize
    }

    /// F, the image features it sees.
    pub fn image_features(&self) -> usize {
        self.image_features as usize
    }

    /// Refuses a batch of other dimensions.
    pub fn check(&self, batch: &Batch) -> Result<()> {
        let nodes = batch.edges.nodes();
        let refuse = |what: &str, expected: [i64; 2], found: &[i64]| {
            Err(Error::new("giving a batch to the image-guided graph VAE")
                .expected(format!("{what} of shape {expected:?}"))
                .found(format!("{found:?}")))
        };
        let (n, g) = batch.counts.shape();
        for (what, expected, found) in [
            ("x", [nodes, self.genes], batch.x.size().as_slice()),
            ("image", [nodes, self.image_features], &batch.image.size()),
            ("counts", [nodes, self.genes], &[n, g]),
            ("size_factor", [nodes, 1], &batch.size_factor.size()),
        ] {
            if found != expected {
                return refuse(what, expected, found);
            }
        }
        Ok(())
    }

    /// Posterior and prior of every spot.
    ///
    /// # Shapes
    /// x [N,G], image [N,F] -> four of [N,L]
    ///
    /// # Errors
    /// An interrupt, between two layers.
    pub fn encode(&self, batch: &Batch, train: bool) -> Result<Encoded> {
        let between = || interrupt::check("encoding spots");
        let h_image = self.img_encoder.forward(&batch.image, train);
        between()?;
        let h_genes = self.gene_encoder.forward(&batch.x, train);
        between()?;
        let h_p = self.p_gat.forward(&h_image, &batch.edges, train).elu();
        between()?;
        let h_q =
            self.q_gat.forward(&Tensor::cat(&[&h_genes, &h_image], 1), &batch.edges, train).elu(); // [N,2H] in
        between()?;
        let logvar = |l: &Linear, h: &Tensor| l.forward(h).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT);
        Ok(Encoded {
            mu_q: self.q_mean.forward(&h_q),
            logvar_q: logvar(&self.q_logvar, &h_q),
            mu_p: self.p_mean.forward(&h_p),
            logvar_p: logvar(&self.p_logvar, &h_p),
        })
    }

    /// The distribution of counts at latents `z` [N,L].
    pub fn decode(&self, z: &Tensor, train: bool) -> Decoded {
        let h = self.decoder.forward(z, train);
        Decoded {
            mean: self.dec_mean.forward(&h).softplus(),
            theta: self.dec_disp.forward(&h).softplus() + 1e-8,
            pi_logit: self.dec_pi.forward(&h),
        }
    }

    /// The two losses of a training pass: reconstruction from a sample of the posterior, and the
    /// KL divergence from the prior. Draws from libtorch's generator.
    ///
    /// # Errors
    /// An interrupt, between two layers.
    pub fn loss(&self, batch: &Batch) -> Result<Loss> {
        let e = self.encode(batch, true)?;
        let z = &e.mu_q + e.mu_q.randn_like() * (&e.logvar_q * 0.5).exp();
        let d = self.decode(&z, true);
        interrupt::check("computing the likelihood")?;
        let mu = d.mean * &batch.size_factor;
        Ok(Loss { nll: zinb::nll(&batch.counts, &mu, &d.theta, &d.pi_logit), kl: e.kl() })
    }
}

impl Encoded {
    /// KL divergence of posterior from prior per spot, nats, [N].
    pub fn kl(&self) -> Tensor {
        kl::gaussian(&self.mu_q, &self.logvar_q, &self.mu_p, &self.logvar_p)
    }

    /// The first of the four that holds a number that is none.
    pub fn first_not_finite(&self) -> Option<&'static str> {
        [
            ("mu_q", &self.mu_q),
            ("logvar_q", &self.logvar_q),
            ("mu_p", &self.mu_p),
            ("logvar_p", &self.logvar_p),
        ]
        .into_iter()
        .find(|(_, t)| t.isfinite().all().int64_value(&[]) == 0)
        .map(|(name, _)| name)
    }
}
