//! Variables of a model, by name and in order of creation.
//!
//! `tch::nn::VarStore` keeps its variables in a hash map; sums over them (the gradient's norm)
//! would then depend on the order of a walk through it, and no two runs would give the same bits.

use indexmap::IndexMap;
use tch::{Device, Kind, Tensor};

use super::no_grad;
use crate::base::{self, Error, Result};

/// Parameters (which are trained) and buffers (which are not) of one model.
#[derive(Debug)]
pub struct Vars {
    device: Device,
    entries: IndexMap<String, Tensor>,
}

/// A place in the tree of names, as `img_encoder.0`.
pub struct Scope<'a> {
    vars: &'a mut Vars,
    prefix: String,
}

impl Vars {
    pub fn new(device: Device) -> Self {
        Self { device, entries: IndexMap::new() }
    }

    pub fn device(&self) -> Device {
        self.device
    }

    pub fn root(&mut self) -> Scope<'_> {
        Scope { vars: self, prefix: String::new() }
    }

    /// Names and tensors, parameters and buffers, in order of creation.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(n, t)| (n.as_str(), t))
    }

    /// Those that are trained, in order of creation.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.named().filter(|(_, t)| t.requires_grad())
    }

    /// Those that are not, but that a pass in training renews: statistics of batch normalisation.
    fn buffers(&self) -> impl Iterator<Item = &Tensor> {
        self.entries.values().filter(|t| !t.requires_grad())
    }

    /// Copies of all that is kept and not trained, in order of creation.
    pub fn copies_of_buffers(&self) -> Vec<Tensor> {
        self.buffers().map(|t| t.detach().copy()).collect()
    }

    /// Takes over what [`copies_of_buffers`](Self::copies_of_buffers) of a model of the same shape gave.
    pub fn load_buffers(&self, copies: &[Tensor]) {
        let pairs = self.buffers().zip(copies);
        no_grad(|| pairs.for_each(|(own, new)| own.shallow_clone().copy_(new)));
    }

    /// How many numbers are trained.
    pub fn size(&self) -> usize {
        self.parameters().map(|(_, t)| t.numel()).sum()
    }

    /// Sets every variable from `source(name)`, all or none.
    ///
    /// # Errors
    /// A name that is not there, or a shape that differs, with both.
    pub fn load(&self, source: impl Fn(&str) -> Option<Tensor>) -> Result<()> {
        let doing = "loading the weights of a model";
        let mut loaded = Vec::with_capacity(self.entries.len());
        for (name, own) in &self.entries {
            let new = source(name).ok_or_else(|| {
                Error::new(doing)
                    .kind(base::Kind::Missing)
                    .expected(format!("a tensor '{name}'"))
                    .found("none")
            })?;
            if new.size() != own.size() {
                return Err(Error::new(doing)
                    .expected(format!("'{name}' of shape {:?}", own.size()))
                    .found(format!("{:?}", new.size()))
                    .advice("The checkpoint is of a model with other dimensions or genes"));
            }
            loaded.push((own, new));
        }
        no_grad(|| loaded.into_iter().for_each(|(own, new)| own.shallow_clone().copy_(&new)));
        Ok(())
    }

    /// All variables as they are now, by name.
    pub fn copies(&self) -> Vec<(String, Tensor)> {
        self.named().map(|(n, t)| (n.to_owned(), t.detach().copy())).collect()
    }

    /// Sets every variable from [`copies`](Self::copies), all or none.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_copies(&self, copies: &[(String, Tensor)]) -> Result<()> {
        self.load(|name| copies.iter().find(|(n, _)| n == name).map(|(_, t)| t.shallow_clone()))
    }
}

impl Scope<'_> {
    /// The scope below this one.
    pub fn sub(&mut self, name: &str) -> Scope<'_> {
        let prefix = self.name(name);
        Scope { vars: self.vars, prefix }
    }

    /// A trained variable.
    pub fn parameter(&mut self, name: &str, value: Tensor) -> Tensor {
        let value = value.to_device(self.vars.device).set_requires_grad(true);
        self.insert(name, value)
    }

    /// A variable that is kept and saved but not trained.
    pub fn buffer(&mut self, name: &str, value: Tensor) -> Tensor {
        let value = value.to_device(self.vars.device);
        self.insert(name, value)
    }

    /// A trained variable drawn from U(-bound, bound). The draw is made on the CPU, so that a
    /// seed gives the same model on every device.
    pub fn uniform(&mut self, name: &str, shape: &[i64], bound: f64) -> Tensor {
        let value = Tensor::empty(shape, (Kind::Float, Device::Cpu)).uniform_(-bound, bound);
        self.parameter(name, value)
    }

    fn insert(&mut self, name: &str, value: Tensor) -> Tensor {
        self.vars.entries.insert(self.name(name), value.shallow_clone());
        value
    }

    fn name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }
}
