//! Linear layers, batch normalisation, and the two-layer block that every encoder here is.

use tch::{Device, Kind, Tensor};

use super::{Scope, no_grad};

/// `y = x Wᵀ + b`, initialised as `torch.nn.Linear` is.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn new(mut at: Scope<'_>, inputs: i64, outputs: i64) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        Self {
            weight: at.uniform("weight", &[outputs, inputs], bound),
            bias: at.uniform("bias", &[outputs], bound),
        }
    }

    /// # Shapes
    /// [N, inputs] -> [N, outputs]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }
}

/// Batch normalisation over the first axis, as `torch.nn.BatchNorm1d`.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    num_batches_tracked: Tensor,
}

impl BatchNorm {
    const MOMENTUM: f64 = 0.1;
    const EPS: f64 = 1e-5;

    pub fn new(mut at: Scope<'_>, width: i64) -> Self {
        let f = (Kind::Float, Device::Cpu);
        Self {
            weight: at.parameter("weight", Tensor::ones([width], f)),
            bias: at.parameter("bias", Tensor::zeros([width], f)),
            running_mean: at.buffer("running_mean", Tensor::zeros([width], f)),
            running_var: at.buffer("running_var", Tensor::ones([width], f)),
            num_batches_tracked: at.buffer(
                "num_batches_tracked",
                Tensor::zeros([0i64; 0], (Kind::Int64, Device::Cpu)),
            ),
        }
    }

    /// # Shapes
    /// [N, width] -> [N, width]
    pub fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        if train {
            let _ = no_grad(|| self.num_batches_tracked.shallow_clone().g_add_scalar_(1));
        }
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            Self::MOMENTUM,
            Self::EPS,
            false,
        )
    }
}

/// Linear, batch norm, ReLU, dropout, linear, batch norm, ReLU. The numbers in the names are the
/// places in the reference's `nn.Sequential`.
#[derive(Debug)]
pub struct Mlp {
    first: Linear,
    norm1: BatchNorm,
    second: Linear,
    norm2: BatchNorm,
    dropout: f64,
}

impl Mlp {
    pub fn new(mut at: Scope<'_>, inputs: i64, hidden: i64, dropout: f64) -> Self {
        Self {
            first: Linear::new(at.sub("0"), inputs, hidden),
            norm1: BatchNorm::new(at.sub("1"), hidden),
            second: Linear::new(at.sub("4"), hidden, hidden),
            norm2: BatchNorm::new(at.sub("5"), hidden),
            dropout,
        }
    }

    /// # Shapes
    /// [N, inputs] -> [N, hidden]
    pub fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let h =
            self.norm1.forward(&self.first.forward(x), train).relu().dropout(self.dropout, train);
        self.norm2.forward(&self.second.forward(&h), train).relu()
    }
}
