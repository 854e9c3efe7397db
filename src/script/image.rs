//! `image::`: slides, and what the tissue image says of each spot.

use std::path::Path;

use rhai::Map;
use rhai::plugin::*;

use super::convert::{Outcome, parse};
use super::dataset::Dataset;
use super::slide::Slide;
use super::tensor::Tensor;
use crate::batch::image::{self, EncodeConfig};
use crate::batch::slide::{self, AttachConfig};

#[export_module(manifest)]
pub(super) mod functions {
    /// Opens a slide: PNG, JPEG, TIFF, tiled and pyramidal OME-TIFF. Its pixels stay in the file.
    ///
    /// ```rhai
    /// let slide = image::open("slide.ome.tif")
    /// slide.width                     // => 512
    /// ```
    ///
    /// A format or a compression that is not read is an error that names it and says how to convert
    /// it. A PNG or JPEG is decoded whole when its pixels are first asked for.
    #[rhai_fn(return_raw)]
    pub fn open(path: &str) -> Outcome<Slide> {
        Ok(Slide::new(crate::image::Slide::open(Path::new(path))?))
    }

    /// Puts a picture of a slide into a dataset, where `plot::spatial`, `image::encode` and scanpy
    /// find it.
    ///
    /// ```rhai
    /// let slide = image::open("slide.ome.tif")
    /// data::align(ds, slide, #{ landmarks: [[0, 0, 50, 50], [800, 0, 450, 50], [0, 800, 50, 450]] })
    /// image::attach(ds, slide, #{ spot_diameter_um: 55 })
    /// ```
    ///
    /// Positions that lie outside the slide are an error with both sizes.
    #[rhai_fn(return_raw)]
    pub fn attach(ds: Dataset, slide: Slide, options: Map) -> Outcome<Dataset> {
        let config = parse::<AttachConfig>(options, "attach")?;
        slide::attach(&mut ds.edit(), slide.core(), &config)?;
        Ok(ds)
    }

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
