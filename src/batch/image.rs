//! Image features of a dataset: what the encoders see, [N,F].

use ndarray::{Array2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Kind, Result, progress};
use crate::data::{Coordinates, Dataset};
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
    /// Width of the tissue that is looked at around each spot, in micrometres; without it the
    /// diameter of a spot. The size of a pixel must be known.
    pub tile_um: Option<f64>,
    /// The same in full-resolution pixels.
    pub tile_px: Option<f64>,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self { encoder: Encoder::default(), standardize: true, tile_um: None, tile_px: None }
    }
}

/// Names of the columns that [`encode`] returns.
pub fn names(config: &EncodeConfig) -> Vec<String> {
    match config.encoder {
        Encoder::StainTexture => descriptor::names(),
        Encoder::Zeros => (0..descriptor::names().len()).map(|i| format!("zero_{i}")).collect(),
    }
}

/// Image features of every spot from the dataset's own tissue image, or from that of its sample.
///
/// # Shapes
/// Returns [N, F], F the length of [`names`].
///
/// # Errors
/// [`Kind::Missing`] without a tissue image, unless zeros are asked for by name; no positions in the
/// image's pixels; a tile that is no size for this slide; what [`descriptor::describe`] refuses.
pub fn encode(ds: &Dataset, config: &EncodeConfig) -> Result<Array2<f64>> {
    if config.encoder == Encoder::Zeros {
        return Ok(Array2::zeros((ds.n_obs(), descriptor::names().len())));
    }
    let mut features =
        if ds.has_several_samples() { of_samples(ds, config)? } else { raw(ds, config)? };
    if config.standardize {
        standardize(&mut features);
    }
    Ok(features)
}

/// The features of each sample from its own image, in the order of the spots.
fn of_samples(ds: &Dataset, config: &EncodeConfig) -> Result<Array2<f64>> {
    let mut features = Array2::zeros((ds.n_obs(), descriptor::names().len()));
    for (name, spots) in ds.samples()? {
        let mut sample = ds.clone();
        sample.select_obs(&spots)?;
        let of = raw(&sample, config).map_err(|e| e.within(format!("sample '{name}'")))?;
        spots.iter().zip(of.rows()).for_each(|(&i, row)| features.row_mut(i).assign(&row));
    }
    Ok(features)
}

fn raw(ds: &Dataset, config: &EncodeConfig) -> Result<Array2<f64>> {
    let doing = "computing image features";
    let image = ds.tissue_image().ok_or_else(|| {
        Error::new(doing)
            .kind(Kind::Missing)
            .expected("an H&E image with scale factors in uns[\"spatial\"]")
            .found("none, and without an image the result cannot be called image-guided")
            .advice("Read a folder or file with its tissue image, set obsm[\"image_features\"] to features of your own, or ask for zeros on purpose: image::encode(ds, #{ encoder: \"zeros\" }), or --encoder zeros in train_real")
    })?;
    let mut colours = image.pixels.lanes(Axis(2)).into_iter();
    let first = image.pixels.first();
    if colours.all(|p| p[0] == p[1] && p[1] == p[2])
        && image.pixels.iter().any(|v| Some(v) != first)
    {
        return Err(Error::new(doing)
            .expected("the colours of haematoxylin and eosin")
            .found("a grey image")
            .advice("Stains cannot be told apart in a fluorescence image: give obsm[\"image_features\"] instead"));
    }
    let coordinates = ds.pixels().map_err(|e| e.within(doing))?;
    let centers: Vec<[f64; 2]> = coordinates
        .xy
        .rows()
        .into_iter()
        .map(|r| [r[0] * image.scale, r[1] * image.scale])
        .collect();
    let (height, width, _) = image.pixels.dim();
    let full = [width, height].map(|side| side as f64 / image.scale);
    let diameter_px =
        tile(doing, &coordinates, image.spot_diameter_px, full, config)? * image.scale;
    if diameter_px < descriptor::LEAST_DIAMETER_PX {
        progress::note(format!(
            "image features: a spot is {diameter_px:.1} px across on the {} image; windows of {} px are used",
            image.resolution,
            descriptor::LEAST_DIAMETER_PX
        ));
    }
    descriptor::describe(&image.pixels, &centers, diameter_px).map_err(|e| e.within(doing))
}

/// Width of a tile in full-resolution pixels; `full` is the size of the slide in them.
fn tile(
    doing: &str,
    at: &Coordinates,
    spot_diameter_px: f64,
    full: [f64; 2],
    config: &EncodeConfig,
) -> Result<f64> {
    let px = match (config.tile_px, config.tile_um) {
        (None, None) => return Ok(spot_diameter_px),
        (Some(px), Some(um)) => {
            return Err(Error::new(doing)
                .expected("tile_px or tile_um")
                .found(format!("both: {px} px and {um} um")));
        }
        (Some(px), None) => px,
        (None, Some(um)) => match at.um_per_unit {
            Some(scale) => um / scale,
            None => {
                return Err(Error::new(doing)
                    .expected("pixels whose size in um is known")
                    .found(format!("pixels of unknown size, and tile_um = {um}"))
                    .advice("State it: ds.set_unit(\"px\", um_per_px); or give tile_px"));
            }
        },
    };
    // A tile is a spot and what surrounds it: not a hundredth of a spot, nor most of the slide.
    let (least, most) = (spot_diameter_px / 100.0, full[0].min(full[1]) / 2.0);
    if px >= least && px <= most {
        return Ok(px);
    }
    let um = at.um_per_unit.map_or_else(String::new, |um| format!(", {:.1} um", px * um));
    let spot =
        at.um_per_unit.map_or_else(String::new, |um| format!(" ({:.1} um)", spot_diameter_px * um));
    Err(Error::new(doing)
        .expected(format!(
            "a tile of {least:.1} to {most:.0} px on a slide of {:.0} x {:.0} px",
            full[0], full[1]
        ))
        .found(format!("{px:.1} px{um}"))
        .advice(format!("A spot is {spot_diameter_px:.1} px{spot} across; tile_px counts full-resolution pixels, tile_um micrometres")))
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
