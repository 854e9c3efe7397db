//! Checkpoints: one safetensors file, whole or absent.
//!
//! Weights stand under the names of the reference implementation, so that PyTorch loads them by
//! name; they are those of the model that training would return if it ended here. Beside them
//! stand what resuming needs: `resume.*`, the weights of the epoch itself where another was better,
//! `optimizer.*`, Adam's two moments, and `history`, a row an epoch. The
//! JSON record (configuration, genes in order, versions, seed, epoch) is the header's metadata
//! under the key `spatia`. There is no state of a random generator to keep: epoch `e` draws from
//! a generator seeded by `(seed, e)`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::config::TrainConfig;
use super::fit::{Best, Epoch};
use super::folder::{latest, name_of};
use super::model::{Model, ModelOptions};
use crate::base::{self, Error, Result, files, progress};
use crate::batch::gvae::Fingerprint;
use crate::models::GvaeConfig;

const FORMAT: u32 = 1;
const RECORD: &str = "spatia";
const HISTORY: &str = "history";
const OPTIMIZER: &str = "optimizer.";
const RESUME: &str = "resume.";

/// What a checkpoint says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Version of this layout.
    pub format: u32,
    /// Version of Spatia that wrote it.
    pub spatia: String,
    /// Epochs done.
    pub epoch: u64,
    /// The epoch of the weights, where the spots kept out chose one.
    pub best_epoch: Option<u64>,
    pub model: GvaeConfig,
    pub training: TrainConfig,
    /// Seed, device and preparation.
    pub options: ModelOptions,
    pub image_features: usize,
    /// Of the data, [`Fingerprint::data`].
    pub data_digest: String,
    /// Of what the encoder reads, [`Fingerprint::input`]; earlier versions did not write it.
    #[serde(default)]
    pub input_digest: Option<String>,
    /// Threads that libtorch used; another number may change the last bits of a sum.
    pub threads: i32,
    /// In the order of the columns of X.
    pub genes: Vec<String>,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    pub record: Record,
    tensors: HashMap<String, Tensor>,
}

/// Writes the checkpoint of an epoch into `folder` and returns its path.
///
/// # Errors
/// That the folder cannot be made or the file not written.
pub fn save(
    folder: &Path,
    model: &Model,
    training: &TrainConfig,
    adam: &Adam,
    history: &[Epoch],
    best: Option<&Best>,
    fingerprint: &Fingerprint,
) -> Result<PathBuf> {
    let path = folder.join(name_of(model.epoch));
    let doing = format!("writing the checkpoint {}", path.display());
    let record = Record {
        format: FORMAT,
        spatia: env!("CARGO_PKG_VERSION").into(),
        epoch: model.epoch,
        best_epoch: best.map(|b| b.epoch),
        model: model.net.config().clone(),
        training: training.clone(),
        options: model.options.clone(),
        image_features: model.net.image_features(),
        data_digest: fingerprint.data.clone(),
        input_digest: Some(fingerprint.input.clone()),
        threads: tch::get_num_threads(),
        genes: model.genes.clone(),
    };
    let json = serde_json::to_string(&record).map_err(|e| Error::io(&doing, e))?;
    let rows: Vec<f64> = history.iter().flat_map(|e| e.values()).collect();
    let history = Tensor::from_slice(&rows).view([-1, Epoch::NAMES.len() as i64]);
    let current = model.net.vars().named();
    let state = adam.state().map(|(n, t)| (format!("{OPTIMIZER}{n}"), t));
    let weights: Vec<(String, &Tensor)> = match best {
        None => current.map(|(n, t)| (n.to_owned(), t)).collect(),
        Some(best) => {
            let best = best.weights.iter().map(|(n, t)| (n.clone(), t));
            best.chain(current.map(|(n, t)| (format!("{RESUME}{n}"), t))).collect()
        }
    };
    let all: Vec<(String, Bytes)> = weights
        .into_iter()
        .chain(state)
        .chain(std::iter::once((HISTORY.to_owned(), &history)))
        .map(|(name, tensor)| Ok((name, Bytes::of(tensor)?)))
        .collect::<Result<_>>()?;
    let views: Vec<(&str, TensorView<'_>)> = all
        .iter()
        .map(|(name, b)| Ok((name.as_str(), TensorView::new(b.kind, b.shape.clone(), &b.bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| Error::io(&doing, e))?;
    let file = serialize(views, Some(HashMap::from([(RECORD.to_owned(), json)])))
        .map_err(|e| Error::io(&doing, e))?;
    files::write(&path, file)?;
    Ok(path)
}

impl Checkpoint {
    /// Reads a checkpoint; of a folder, the one of the latest epoch, as [`latest`] finds it.
    ///
    /// # Errors
    /// No such file, a file that is cut short or no checkpoint of Spatia, or one of a later format.
    pub fn read(path: &Path) -> Result<Self> {
        let path = &latest(path)?;
        let doing = || format!("reading the checkpoint {}", path.display());
        let not_ours = |found: String| {
            Error::new(doing())
                .expected("a safetensors file that Spatia wrote")
                .found(found)
                .advice(
                    "Give a checkpoint_epoch_*.safetensors of a run, or the folder that holds them",
                )
        };
        let bytes = std::fs::read(path).map_err(|e| Error::io(doing(), e))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| not_ours(format!("a file that does not parse ({e})")))?;
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|e| not_ours(e.to_string()))?;
        let json = header.metadata().as_ref().and_then(|m| m.get(RECORD));
        let json = json.ok_or_else(|| not_ours("one without Spatia's record".into()))?;
        let record: Record = serde_json::from_str(json)
            .map_err(|e| not_ours(format!("a record that does not parse ({e})")))?;
        if record.format != FORMAT {
            return Err(not_ours(format!("layout {} (this Spatia reads {FORMAT})", record.format))
                .advice("Use the version of Spatia that wrote it"));
        }
        let tensors = file
            .iter()
            .map(|(name, view)| {
                Ok((
                    name.to_owned(),
                    tensor(&view)
                        .ok_or_else(|| not_ours(format!("'{name}' of type {}", view.dtype())))?,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Self { record, tensors })
    }

    /// The model of the checkpoint, on the device that `device` names.
    pub fn model(&self, device: &str) -> Result<Model> {
        let options = ModelOptions { device: device.to_owned(), ..self.record.options.clone() };
        let mut model = Model::for_genes(
            self.record.genes.clone(),
            self.record.image_features,
            self.record.model.clone(),
            options,
        )?;
        model.net.vars().load(|name| self.tensor("", name))?;
        model.epoch = self.record.best_epoch.unwrap_or(self.record.epoch);
        Ok(model)
    }

    fn tensor(&self, prefix: &str, name: &str) -> Option<Tensor> {
        self.tensors.get(&format!("{prefix}{name}")).map(Tensor::shallow_clone)
    }

    /// The rows of the history.
    pub fn history(&self) -> Vec<Epoch> {
        let Some(rows) = self.tensors.get(HISTORY) else { return Vec::new() };
        let flat = Vec::<f64>::try_from(rows.reshape([-1])).unwrap_or_default();
        flat.chunks_exact(Epoch::NAMES.len()).map(Epoch::from_values).collect()
    }

    /// Puts model and optimiser back to where they stood after the checkpoint's epoch; returns the
    /// history and the best weights so far.
    ///
    /// # Errors
    /// A model of other dimensions, genes or seed; other data; options that change what epochs are
    /// compared by.
    pub fn restore(
        &self,
        model: &mut Model,
        adam: &mut Adam,
        training: &TrainConfig,
        fingerprint: &Fingerprint,
    ) -> Result<(Vec<Epoch>, Option<Best>)> {
        let doing = "resuming from a checkpoint";
        let r = &self.record;
        let refuse = |expected: String, found: String| {
            Err(Error::new(doing).expected(expected).found(found).advice(
                "Resume with the model, data and seed that the run began with, or start without resume",
            ))
        };
        if r.model != *model.net.config() {
            return refuse(
                format!("a model of {:?}", r.model),
                format!("{:?}", model.net.config()),
            );
        }
        if r.genes != model.genes {
            return refuse(
                format!("its {} genes", r.genes.len()),
                format!("{} others", model.genes.len()),
            );
        }
        if r.options.seed != model.options.seed {
            return refuse(format!("seed {}", r.options.seed), model.options.seed.to_string());
        }
        let same = |t: &TrainConfig| TrainConfig {
            validation: t.validation,
            kl_annealing_start: t.kl_annealing_start,
            kl_annealing_end: t.kl_annealing_end,
            kl_weight_max: t.kl_weight_max,
            ..TrainConfig::default()
        };
        if same(&r.training) != same(training) {
            return refuse(
                "the same validation and kl_* options".into(),
                format!("{:?} where {:?} was", same(training), same(&r.training)),
            );
        }
        if r.data_digest != fingerprint.data {
            return refuse("the same counts, image features and graph".into(), "others".into());
        }
        match &r.input_digest {
            Some(input) if *input != fingerprint.input => {
                return refuse(
                    "the same X and totals of the spots".into(),
                    "others: the data was prepared in another way".into(),
                );
            }
            Some(_) => {}
            None => progress::note(format!(
                "{doing}: Spatia {} did not record X, so nobody can say whether it is the same",
                r.spatia
            )),
        }
        let history = self.history();
        if history.len() as u64 != r.epoch {
            return refuse(format!("a history of {} epochs", r.epoch), history.len().to_string());
        }
        let missing = || {
            Error::new(doing)
                .kind(base::Kind::Missing)
                .expected("the optimiser's state and the weights of the best epoch")
                .found("a part missing")
        };
        adam.restore(r.epoch, |name| self.tensor(OPTIMIZER, name)).ok_or_else(missing)?;
        let weight = |(n, _): (&str, &Tensor)| Some((n.to_owned(), self.tensor("", n)?));
        let best = |epoch| {
            let weights: Option<_> = model.net.vars().named().map(weight).collect();
            Ok(Best { epoch, weights: weights.ok_or_else(missing)? })
        };
        let best = r.best_epoch.map(best).transpose()?;
        // Last: what is refused leaves the model as it was.
        let own = if r.best_epoch.is_some() { RESUME } else { "" };
        model.net.vars().load(|name| self.tensor(own, name))?;
        model.epoch = r.epoch;
        Ok((history, best))
    }
}

/// A tensor as safetensors holds it.
struct Bytes {
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Bytes {
    fn of(tensor: &Tensor) -> Result<Self> {
        let t = tensor.detach().to_device(Device::Cpu).contiguous();
        let (kind, width) = match t.kind() {
            Kind::Float => (Dtype::F32, 4),
            Kind::Double => (Dtype::F64, 8),
            Kind::Int64 => (Dtype::I64, 8),
            other => {
                return Err(Error::new("writing a tensor")
                    .expected("floats or integers")
                    .found(format!("{other:?}")));
            }
        };
        let shape = t.size().iter().map(|&n| n as usize).collect();
        let mut bytes = vec![0; t.numel() * width];
        t.copy_data_u8(&mut bytes, t.numel());
        Ok(Self { kind, shape, bytes })
    }
}

fn tensor(view: &TensorView<'_>) -> Option<Tensor> {
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        _ => return None,
    };
    let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
    Some(Tensor::from_data_size(view.data(), &shape, kind))
}
