//! A dataset and the slide it lies on: a picture of it in the dataset, and positions in its pixels.

use std::path::Path;

use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Kind, Result, progress};
use crate::data::{Coordinates, Dataset, TissueImage, Unit, Uns, keys};
use crate::image::{Affine, Landmark, Slide, ThumbnailConfig};

/// Part of the positions that must lie on the slide; what is outside of it is told.
const LEAST_INSIDE: f64 = 0.5;
/// Part of each side of the slide that positions span at the least when they belong to it.
const LEAST_SPREAD: f64 = 0.2;
/// Pixel sizes further apart than this part of each other are told.
const SAME_SIZE: f64 = 0.05;

/// What of a slide is put into a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttachConfig {
    /// Longer side of the picture that is kept in the dataset, in pixels.
    pub max_px: usize,
    /// Diameter of a spot in micrometres (55 on Visium, 100 on older arrays, about 10 for cells);
    /// the size of a pixel must be known. Not needed where the dataset has scale factors.
    pub spot_diameter_um: Option<f64>,
    /// Diameter of a spot in full-resolution pixels. With the one in micrometres it says how large a
    /// pixel is.
    pub spot_diameter_px: Option<f64>,
    /// The channel of a slide of several stains, counted from 0.
    pub channel: usize,
}

impl Default for AttachConfig {
    fn default() -> Self {
        Self { max_px: 2000, spot_diameter_um: None, spot_diameter_px: None, channel: 0 }
    }
}

/// Puts a picture of the slide into `uns["spatial"]`, as scanpy lays it out: `hires` and its scale
/// factor, and the diameter of a spot.
///
/// # Errors
/// No positions in pixels; positions of which most lie outside the slide, with both sizes; no
/// diameter of a spot; what [`Slide::thumbnail`] refuses.
pub fn attach(ds: &mut Dataset, slide: &Slide, config: &AttachConfig) -> Result<()> {
    let doing = "attaching a slide";
    let at = ds.pixels().map_err(|e| e.within(doing))?;
    on_slide(doing, at.xy.view(), slide, None)?;
    let of_spot = config.spot_diameter_um.zip(config.spot_diameter_px).map(|(um, px)| um / px);
    let um_per_px = of_spot.or(at.um_per_unit).or_else(|| slide.um_per_px());
    let spot_diameter_px = match (config.spot_diameter_px, config.spot_diameter_um, um_per_px) {
        (Some(px), ..) => px,
        (None, Some(um), Some(scale)) => um / scale,
        (None, Some(um), None) => {
            return Err(Error::new(doing)
                .expected("the size of a pixel, to turn a diameter in um into pixels")
                .found(format!("none, and spot_diameter_um = {um}"))
                .advice("State it: ds.set_unit(\"px\", um_per_px); or give spot_diameter_px"));
        }
        (None, None, _) => ds.scale_factor("spot_diameter_fullres").ok_or_else(|| {
            Error::new(doing)
                .kind(Kind::Missing)
                .expected("the diameter of a spot, which says how much tissue belongs to it")
                .found("none in the dataset")
                .advice("Give spot_diameter_um: 55 for Visium, 100 for older arrays, about 10 for cells")
        })?,
    };
    if !(spot_diameter_px.is_finite() && spot_diameter_px > 0.0) {
        return Err(Error::new(doing)
            .expected("a spot diameter above 0")
            .found(format!("{spot_diameter_px} px")));
    }
    let options = ThumbnailConfig { channel: config.channel, ..ThumbnailConfig::default() };
    let view = slide.thumbnail(config.max_px, &options)?;
    let image = TissueImage {
        pixels: view.pixels.rgb(),
        scale: view.pixels.width as f64 / slide.width() as f64,
        spot_diameter_px,
        resolution: "hires".into(),
    };
    // Scale factors come from Visium, so a diameter would be taken for that of its spots.
    if ds.coordinates()?.unit == Unit::Px {
        ds.set_unit(Unit::Px.name(), um_per_px)?;
        if um_per_px.is_none() {
            ds.uns_mut().set(&[keys::SPATIAL_UM_PER_PX], Uns::Float(0.0));
        }
    }
    ds.set_tissue_image(&image, &slide.path().display().to_string());
    Ok(())
}

/// How positions are brought onto a slide. One of `file`, `matrix` and `landmarks`, or none, where
/// only the size of a pixel lies between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlignConfig {
    /// An alignment that Xenium Explorer exported (`*imagealignment.csv`): three rows of three
    /// numbers, from pixels of this slide to pixels of the DAPI image.
    pub file: Option<String>,
    /// Three rows of three numbers, from `obsm["spatial"]` in its own unit to pixels of the slide.
    pub matrix: Option<[[f64; 3]; 3]>,
    /// At least three rows of x, y, x_px, y_px: the same place in `obsm["spatial"]` and on the slide.
    pub landmarks: Option<Vec<[f64; 4]>>,
    /// Micrometres a pixel of the image that the positions belong to: for `file` the DAPI image
    /// (`pixel_size` in `experiment.xenium`, 0.2125), else this slide. Without it what the dataset
    /// or the slide says.
    pub pixel_size_um: Option<f64>,
    /// Make the pixels `obsm["spatial"]`; what stood there is kept as `obsm["spatial_um"]` where
    /// it was micrometres.
    pub replace: bool,
}

/// Computes `obsm["spatial_px"]`: positions in full-resolution pixels of the slide.
///
/// The file of Xenium Explorer maps the other way, from the pixels of the H&E image to those of the
/// DAPI image (10x Genomics knowledge base, article 35386990499853, "How can I convert coordinates
/// between H&E image and Xenium data?"); so micrometres are divided by the size of a DAPI pixel and
/// go through its inverse.
///
/// # Errors
/// More than one way to align; a size of pixel that is needed and not known; what [`Affine`] refuses;
/// a result of which most lies outside the slide, with both sizes.
pub fn align(ds: &mut Dataset, slide: &Slide, config: &AlignConfig) -> Result<()> {
    let doing = "aligning positions to a slide";
    let own = ds.coordinates()?;
    let (map, how) = map(doing, ds, &own, slide, config)?;
    let px = map.apply_all(own.xy.view());
    on_slide(doing, px.view(), slide, Some((&map, own.xy.view())))?;
    let um_per_px = own.um_per_unit.map(|um| um / map.magnification());
    if let (Some(um), Some(file)) = (um_per_px, slide.um_per_px())
        && (um / file - 1.0).abs() > SAME_SIZE
    {
        progress::note(format!(
            "{doing}: by the alignment a pixel of the slide is {um:.4} um, by its file {file:.4} um"
        ));
    }
    let flat: Vec<f64> = map.matrix().into_iter().flatten().collect();
    let matrix = Array2::from_shape_vec((3, 3), flat).map_err(|e| Error::io(doing, e))?;
    if config.replace {
        if own.unit == Unit::Um {
            ds.set_obsm("spatial_um", own.xy)?;
        }
        ds.set_obsm(keys::SPATIAL, px)?;
        ds.set_unit(Unit::Px.name(), um_per_px)?;
    } else {
        ds.set_obsm(keys::SPATIAL_PX, px)?;
    }
    let mut put = |key: &str, value| ds.uns_mut().set(&[keys::SPATIAL_PX, key], value);
    put("affine", Uns::Floats(matrix.into_dyn()));
    put("from", Uns::Text(own.unit.name().into()));
    put("by", Uns::Text(how));
    put("slide", Uns::Text(slide.path().display().to_string()));
    if let Some(um) = um_per_px {
        put("um_per_px", Uns::Float(um));
    }
    Ok(())
}

/// From `obsm["spatial"]` to pixels of the slide, and how that is known.
fn map(
    doing: &str,
    ds: &Dataset,
    own: &Coordinates,
    slide: &Slide,
    config: &AlignConfig,
) -> Result<(Affine, String)> {
    let ways = [config.file.is_some(), config.matrix.is_some(), config.landmarks.is_some()];
    if ways.iter().filter(|w| **w).count() > 1 {
        return Err(Error::new(doing)
            .expected("one of file, matrix and landmarks")
            .found("more than one"));
    }
    if let Some(matrix) = config.matrix {
        return Ok((Affine::new(matrix).map_err(|e| e.within(doing))?, "matrix".into()));
    }
    if let Some(landmarks) = &config.landmarks {
        let pairs: Vec<Landmark> =
            landmarks.iter().map(|[x, y, u, v]| ([*x, *y], [*u, *v])).collect();
        let (map, left) = Affine::fit(&pairs).map_err(|e| e.within(doing))?;
        progress::note(format!("{doing}: landmarks fit to {left:.2} px (root mean square)"));
        return Ok((map, format!("{} landmarks, {left:.2} px", pairs.len())));
    }
    let dapi = to_pixels(doing, ds, own, slide, config)?;
    match &config.file {
        None => Ok((dapi, "size of a pixel".into())),
        Some(file) => {
            let inverse = Affine::read(Path::new(file))?.inverse()?;
            Ok((dapi.then(&inverse)?, file.clone()))
        }
    }
}

/// From `obsm["spatial"]` to pixels of the image that it belongs to, the DAPI image of a Xenium.
fn to_pixels(
    doing: &str,
    ds: &Dataset,
    own: &Coordinates,
    slide: &Slide,
    config: &AlignConfig,
) -> Result<Affine> {
    let known = config.pixel_size_um.or_else(|| {
        let said = ds.uns().get(&[keys::XENIUM, "pixel_size_um"]).and_then(Uns::as_f64);
        // The slide's own pixels are what is wanted where no file lies between.
        if config.file.is_some() { said } else { slide.um_per_px().or(said) }
    });
    match (own.unit, known) {
        (Unit::Px, _) => Affine::scale(1.0),
        (Unit::Um, Some(um)) if um.is_finite() && um > 0.0 => {
            Affine::scale(1.0 / um).map_err(|e| e.within(doing))
        }
        (Unit::Um, Some(um)) => {
            Err(Error::new(doing).expected("pixel_size_um above 0").found(um.to_string()))
        }
        (Unit::Um, None) => Err(Error::new(doing)
            .kind(Kind::Missing)
            .expected("the size of a pixel, to turn micrometres into pixels")
            .found("none in the options, the dataset or the slide")
            .advice("Give pixel_size_um; experiment.xenium has it as pixel_size (0.2125)")),
        (Unit::Unknown, _) => Err(Error::new(doing)
            .expected("positions in um or px")
            .found("obsm[\"spatial\"] in an unknown unit")
            .advice("State it: ds.set_unit(\"um\"), or ds.set_unit(\"px\", um_per_px)")),
    }
}

/// Refuses positions of which most are not on the slide.
fn on_slide(
    doing: &str,
    px: ArrayView2<'_, f64>,
    slide: &Slide,
    by: Option<(&Affine, ArrayView2<'_, f64>)>,
) -> Result<()> {
    let (w, h) = (slide.width() as f64, slide.height() as f64);
    let inside = |px: ArrayView2<'_, f64>| {
        let on = |r: ndarray::ArrayView1<'_, f64>| {
            (-0.5..w).contains(&r[0]) && (-0.5..h).contains(&r[1])
        };
        px.rows().into_iter().filter(|r| on(*r)).count() as f64 / (px.nrows() as f64).max(1.0)
    };
    let part = inside(px);
    if part >= 1.0 {
        return Ok(());
    }
    let range = |k: usize| {
        let range =
            px.column(k).iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        format!("{:.0} to {:.0}", range.0, range.1)
    };
    let (x, y) = (range(0), range(1));
    if part >= LEAST_INSIDE {
        progress::note(format!(
            "{doing}: {:.1} % of the positions lie outside the {w} x {h} px of the slide",
            100.0 * (1.0 - part)
        ));
        return Ok(());
    }
    // The inverse fits where it puts them on the slide and not all in one corner of it.
    let fits_turned = |(map, xy): (&Affine, ArrayView2<'_, f64>)| {
        let turned = map.inverse().ok()?.apply_all(xy);
        let wide = |k: usize, side: f64| {
            let of = turned.column(k);
            let (l, h) = of.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            h - l >= LEAST_SPREAD * side
        };
        Some(inside(turned.view()) >= LEAST_INSIDE && wide(0, w) && wide(1, h))
    };
    // How much larger the image would have to be that the positions belong to.
    let most = |k: usize, side: f64| px.column(k).iter().fold(0.0, |m: f64, v| m.max(*v)) / side;
    let larger = most(0, w).max(most(1, h));
    let advice = if by.and_then(fits_turned) == Some(true) {
        "The inverse of the matrix would put them on it: it maps the other way".to_owned()
    } else if larger > 1.5 {
        format!(
            "The positions are of an image about {larger:.1} times as large: is this a thumbnail of it? Open the full-resolution image, or align with the scale as matrix"
        )
    } else {
        "Is it the slide of this sample, and are x and y in this order?".to_owned()
    };
    Err(Error::new(doing)
        .expected(format!("positions on the {w} x {h} px of {}", slide.path().display()))
        .found(format!("x {x}, y {y} px, {:.0} % of them on it", 100.0 * part))
        .advice(advice))
}
