//! `image::`: what the tissue image says of each spot.

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use super::tensor::Tensor;
use crate::batch::image::{self, EncodeConfig};

#[export_module(manifest)]
pub(super) mod functions {
    /// Features of the tissue image around each spot, [N,F].
    ///
    /// ```rhai
    /// ds.obsm["image_features"] = image::encode(ds, #{ encoder: "zeros" })
    /// ```
    ///
    /// A dataset without a tissue image is an error: the result could not be called image-guided.
    /// `encoder: "zeros"` trains without an image on request.
    #[rhai_fn(return_raw)]
    pub fn encode(ds: Dataset, options: Map) -> Outcome<Tensor> {
        let features = image::encode(&ds.get(), &parse::<EncodeConfig>(options, "encode")?)?;
        Ok(Tensor::of_matrix(features.view()))
    }
}
