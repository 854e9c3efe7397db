//! Image features of a dataset: what the encoders see, [N,F].

use ndarray::{Array2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Kind, Result, progress};
use crate::data::{Dataset, Unit};
use crate::image::descriptor;

/// What turns the tissue image into features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// Amounts of haematoxylin, eosin and residual colour, their spread and gradient, in the spot
    /// and in the ring around it. Needs a bright-field tissue image.
    #[default]
    StainTexture,
    /// Zeros, as many columns as `stain_texture`: for comparison with a model that sees no image.
    Zeros,
}

/// How image features are computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeConfig {
    /// `stain_texture` or `zeros`.
    pub encoder: Encoder,
    /// Bring each feature to mean 0 and standard deviation 1 over the spots.
    pub standardize: bool,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self { encoder: Encoder::default(), standardize: true }
    }
}

/// Names of the columns that [`encode`] returns.
pub fn names(config: &EncodeConfig) -> Vec<String> {
    match config.encoder {
        Encoder::StainTexture => descriptor::names(),
        Encoder::Zeros => (0..descriptor::names().len()).map(|i| format!("zero_{i}")).collect(),
    }
}

/// Image features of every spot from the dataset's own tissue image.
///
/// # Shapes
/// Returns [N, F], F the length of [`names`].
///
/// # Errors
/// [`Kind::Missing`] without a tissue image, unless zeros are asked for by name; coordinates that
/// are not in the image's pixels; what [`descriptor::describe`] refuses.
pub fn encode(ds: &Dataset, config: &EncodeConfig) -> Result<Array2<f64>> {
    if config.encoder == Encoder::Zeros {
        return Ok(Array2::zeros((ds.n_obs(), descriptor::names().len())));
    }
    let doing = "computing image features";
    let image = ds.tissue_image().ok_or_else(|| {
        Error::new(doing)
            .kind(Kind::Missing)
            .expected("an H&E image with scale factors in uns[\"spatial\"]")
            .found("none, and without an image the result cannot be called image-guided")
            .advice("Read a folder or file with its tissue image, set obsm[\"image_features\"] to features of your own, or ask for zeros on purpose: image::encode(ds, #{ encoder: \"zeros\" }), or --encoder zeros in train_real")
    })?;
    let coordinates = ds.coordinates()?;
    if coordinates.unit == Unit::Um {
        return Err(Error::new(doing)
            .expected("coordinates in full-resolution pixels of the image")
            .found("micrometres")
            .advice("Set obsm[\"spatial\"] to pixels and uns[\"spatial_unit\"] to \"px\""));
    }
    let centers: Vec<[f64; 2]> = coordinates
        .xy
        .rows()
        .into_iter()
        .map(|r| [r[0] * image.scale, r[1] * image.scale])
        .collect();
    let diameter_px = image.spot_diameter_px * image.scale;
    if diameter_px < descriptor::LEAST_DIAMETER_PX {
        progress::note(format!(
            "image features: a spot is {diameter_px:.1} px across on the {} image; windows of {} px are used",
            image.resolution,
            descriptor::LEAST_DIAMETER_PX
        ));
    }
    let mut features =
        descriptor::describe(&image.pixels, &centers, diameter_px).map_err(|e| e.within(doing))?;
    if config.standardize {
        standardize(&mut features);
    }
    Ok(features)
}

/// Brings each column to mean 0 and standard deviation 1; a constant column becomes zeros.
///
/// # Shapes
/// [N, F], in place.
pub fn standardize(features: &mut Array2<f64>) {
    for mut column in features.axis_iter_mut(Axis(1)) {
        let n = column.len() as f64;
        let mean = column.sum() / n;
        let sd = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Rounding leaves a constant column with a spread of a few ulps.
        let constant = sd <= 1e-12 * mean.abs().max(1.0);
        column.mapv_inplace(|v| if constant { 0.0 } else { (v - mean) / sd });
    }
}
