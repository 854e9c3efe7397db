//! Where spots lie, in what unit, and the picture they lie on.

use indexmap::IndexMap;
use ndarray::{Array2, Array3, ArrayView2, ArrayViewD, Ix3};

use super::{Dataset, Uns, keys};
use crate::base::{Error, Kind, Result, nearest};

/// Micrometres that 10x's `spot_diameter_fullres` spans: a theoretical spot of 65 um, not the 55 um
/// that are printed (10x Genomics, Space Ranger, "Spatial Outputs").
const VISIUM_DIAMETER_UM: f64 = 65.0;
/// Micrometres between neighbours in a row of the Visium array, whose columns are two apart.
const VISIUM_PITCH_UM: f64 = 100.0;

/// What one unit of a coordinate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pixels of the full-resolution image.
    Px,
    /// Micrometres.
    Um,
    /// The file did not say.
    Unknown,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Px => "px",
            Self::Um => "um",
            Self::Unknown => "unknown unit",
        }
    }
}

/// Positions of spots, [N,2] as (x, y), with their unit.
#[derive(Clone, Debug)]
pub struct Coordinates {
    pub xy: Array2<f64>,
    pub unit: Unit,
    /// Micrometres a unit, where it is known.
    pub um_per_unit: Option<f64>,
}

/// A tissue image with its place in full-resolution pixels.
#[derive(Clone, Debug)]
pub struct TissueImage {
    /// [height, width, 3], red green blue.
    pub pixels: Array3<u8>,
    /// Pixels of this image per full-resolution pixel.
    pub scale: f64,
    /// Diameter of a spot in full-resolution pixels.
    pub spot_diameter_px: f64,
    /// "hires" or "lowres".
    pub resolution: String,
}

impl Dataset {
    /// The positions in `obsm["spatial"]` with their unit.
    ///
    /// The unit is what `uns["spatial_unit"]` says; else pixels where there are Visium scale
    /// factors; else unknown. The scale of pixels is what [`set_unit`](Self::set_unit) was told,
    /// else what a Visium array says.
    ///
    /// # Errors
    /// [`Kind::Missing`] without `obsm["spatial"]`; coordinates that are not finite.
    pub fn coordinates(&self) -> Result<Coordinates> {
        let doing = "looking up the coordinates of the spots";
        let spatial = self.obsm().get(keys::SPATIAL).ok_or_else(|| {
            Error::new(doing)
                .kind(Kind::Missing)
                .expected("obsm[\"spatial\"], [N,2]")
                .found("none")
                .advice(nearest::advice(keys::SPATIAL, self.obsm().keys().map(String::as_str)))
        })?;
        if spatial.ncols() < 2 {
            return Err(Error::new(doing)
                .expected("two columns, x and y")
                .found(format!("{}", spatial.ncols())));
        }
        if let Some(i) =
            spatial.rows().into_iter().position(|r| !(r[0].is_finite() && r[1].is_finite()))
        {
            return Err(Error::new(doing)
                .expected("finite numbers")
                .found(format!("{} at spot {i} ({})", spatial.row(i), self.obs().index()[i]))
                .advice("Remove spots without a position first"));
        }
        let unit = match self.uns().get(&[keys::SPATIAL_UNIT]).and_then(Uns::as_str) {
            Some("px") => Unit::Px,
            Some("um") => Unit::Um,
            _ if self.scale_factor("spot_diameter_fullres").is_some()
                && !self.obsm().contains_key(keys::SPATIAL_PX) =>
            {
                Unit::Px
            }
            _ => Unit::Unknown,
        };
        let um_per_unit = match unit {
            Unit::Um => Some(1.0),
            Unit::Px => match self.uns().get(&[keys::SPATIAL_UM_PER_PX]) {
                Some(Uns::Map(of_samples)) => common_scale(of_samples, &self.sample_names()),
                Some(stated) => stated.as_f64().filter(|um| um.is_finite() && *um > 0.0),
                None => self.um_per_px(spatial),
            },
            Unit::Unknown => None,
        };
        Ok(Coordinates { xy: spatial.slice(ndarray::s![.., ..2]).to_owned(), unit, um_per_unit })
    }

    /// States what unit `obsm["spatial"]` is in, and how many micrometres a pixel is.
    ///
    /// # Errors
    /// Another unit than "um" or "px"; a scale that is not above zero, or one for micrometres.
    pub fn set_unit(&mut self, unit: &str, um_per_px: Option<f64>) -> Result<()> {
        let doing = "stating the unit of obsm[\"spatial\"]";
        if !matches!(unit, "um" | "px") {
            return Err(Error::new(doing)
                .expected("\"um\" or \"px\"")
                .found(format!("\"{unit}\""))
                .advice(nearest::advice(unit, ["um", "px"])));
        }
        if let Some(um) = um_per_px {
            if unit == "um" {
                return Err(Error::new(doing)
                    .expected("a scale for pixels only")
                    .found(format!("micrometres of {um} um each")));
            }
            if !(um.is_finite() && um > 0.0) {
                return Err(Error::new(doing)
                    .expected("micrometres a pixel above 0")
                    .found(um.to_string()));
            }
        }
        self.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text(unit.to_owned()));
        if let Some(uns) = self.uns_mut().as_map_mut() {
            uns.shift_remove(keys::SPATIAL_UM_PER_PX);
            if let Some(um) = um_per_px {
                uns.insert(keys::SPATIAL_UM_PER_PX.into(), Uns::Float(um));
            }
        }
        Ok(())
    }

    /// Positions in full-resolution pixels of the image: `obsm["spatial_px"]` where there is one,
    /// else `obsm["spatial"]` in pixels.
    ///
    /// # Errors
    /// As [`coordinates`](Self::coordinates); micrometres or an unknown unit without
    /// `obsm["spatial_px"]`.
    pub fn pixels(&self) -> Result<Coordinates> {
        let own = self.coordinates()?;
        let px = self.obsm().get(keys::SPATIAL_PX).filter(|m| m.ncols() >= 2);
        if own.unit == Unit::Px && px.is_none() {
            return Ok(own);
        }
        let Some(px) = px else {
            return Err(Error::new("looking up positions in pixels of the image")
                .kind(Kind::Missing)
                .expected("obsm[\"spatial\"] in pixels, or obsm[\"spatial_px\"]")
                .found(match own.unit {
                    Unit::Um => "micrometres only",
                    _ => "obsm[\"spatial\"] in an unknown unit",
                })
                .advice(match own.unit {
                    Unit::Um => "data::align(ds, slide, #{ .. }) computes the pixels",
                    _ => "State the unit: ds.set_unit(\"px\", um_per_px) or ds.set_unit(\"um\")",
                }));
        };
        if let Some(i) = px.rows().into_iter().position(|r| !(r[0].is_finite() && r[1].is_finite()))
        {
            return Err(Error::new("looking up positions in pixels of the image")
                .expected("finite numbers")
                .found(format!("{} at spot {i} ({})", px.row(i), self.obs().index()[i])));
        }
        let um = self.uns().get(&[keys::SPATIAL_PX, "um_per_px"]).and_then(Uns::as_f64);
        Ok(Coordinates {
            xy: px.slice(ndarray::s![.., ..2]).to_owned(),
            unit: Unit::Px,
            um_per_unit: um
                .filter(|um| um.is_finite() && *um > 0.0)
                .or(own.um_per_unit.filter(|_| own.unit == Unit::Px)),
        })
    }

    /// Micrometres a pixel: what the scale factors of Visium HD say; else from the pitch of the
    /// Visium array where `obs` has its rows and columns; else from the diameter that the scale
    /// factors give a spot.
    fn um_per_px(&self, spatial: &Array2<f64>) -> Option<f64> {
        let diameter = self.scale_factor("spot_diameter_fullres");
        if let Some(um) = self.scale_factor("microns_per_pixel") {
            return Some(um);
        }
        // The spots of Visium HD are the squares of its bins.
        if let Some(bin) = self.scale_factor("bin_size_um") {
            return diameter.map(|px| bin / px);
        }
        let pitch = self.array_pitch(spatial).map(|px| VISIUM_PITCH_UM / px);
        pitch.or_else(|| diameter.map(|px| VISIUM_DIAMETER_UM / px))
    }

    /// The median distance of neighbours in a row of the Visium array, whose rows and columns are
    /// both even or both odd; those of other arrays are not.
    fn array_pitch(&self, spatial: &Array2<f64>) -> Option<f64> {
        let (rows, cols) = (self.obs().f64("array_row").ok()?, self.obs().f64("array_col").ok()?);
        if rows.iter().zip(&cols).any(|(r, c)| (r + c) % 2.0 != 0.0) {
            return None;
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| rows[a].total_cmp(&rows[b]).then(cols[a].total_cmp(&cols[b])));
        let mut steps: Vec<f64> = order
            .windows(2)
            .filter(|w| rows[w[0]] == rows[w[1]] && cols[w[1]] - cols[w[0]] == 2.0)
            .map(|w| {
                (spatial[[w[0], 0]] - spatial[[w[1], 0]])
                    .hypot(spatial[[w[0], 1]] - spatial[[w[1], 1]])
            })
            .collect();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).copied().filter(|&px| px > 0.0)
    }

    /// The sharpest tissue image under `uns["spatial"]`, laid out as scanpy lays it out.
    pub fn tissue_image(&self) -> Option<TissueImage> {
        let library = self.library()?;
        ["hires", "lowres"].iter().find_map(|resolution| {
            let pixels = rgb(library.get(&["images", resolution])?)?;
            let scale = self.scale_factor(&format!("tissue_{resolution}_scalef"))?;
            let spot_diameter_px = self.scale_factor("spot_diameter_fullres")?;
            Some(TissueImage { pixels, scale, spot_diameter_px, resolution: (*resolution).into() })
        })
    }

    /// Diameter of a spot in the units of `obsm["spatial"]`, where a reader knows it.
    pub fn spot_diameter(&self) -> Option<f64> {
        let px = self.coordinates().ok()?.unit == Unit::Px;
        self.scale_factor("spot_diameter_fullres").filter(|_| px)
    }

    /// Puts a smaller copy of the tissue image where scanpy and squidpy look for it, and replaces
    /// other copies; `scale` is its pixels a full-resolution pixel.
    pub fn set_tissue_image(&mut self, image: &TissueImage, source: &str) {
        let name = self
            .uns()
            .get(&[keys::SPATIAL])
            .and_then(Uns::as_map)
            .and_then(|m| m.first())
            .map_or_else(|| "slide".to_owned(), |(name, _)| name.clone());
        let library = [keys::SPATIAL, name.as_str()];
        let mut put = |path: [&str; 2], value| {
            let whole = [library[0], library[1], path[0], path[1]];
            let depth = if path[1].is_empty() { 3 } else { 4 };
            self.uns_mut().set(&whole[..depth], value);
        };
        let images = IndexMap::from([(
            image.resolution.clone(),
            Uns::Bytes(image.pixels.clone().into_dyn()),
        )]);
        put(["images", ""], Uns::Map(images));
        let factor = format!("tissue_{}_scalef", image.resolution);
        put(["scalefactors", &factor], Uns::Float(image.scale));
        put(["scalefactors", "spot_diameter_fullres"], Uns::Float(image.spot_diameter_px));
        put(["metadata", "source_image_path"], Uns::Text(source.to_owned()));
    }

    pub(crate) fn scale_factor(&self, name: &str) -> Option<f64> {
        self.library()?.get(&["scalefactors", name])?.as_f64().filter(|v| v.is_finite() && *v > 0.0)
    }

    /// The library of `uns["spatial"]`: the first, or that of the one sample there is; several
    /// samples have none in common.
    fn library(&self) -> Option<&Uns> {
        let all = self.uns().get(&[keys::SPATIAL])?.as_map()?;
        if all.len() < 2 && !self.has_several_samples() {
            return all.values().next();
        }
        match &self.sample_names()[..] {
            [] => all.values().next(),
            [one] => all.get(one).or_else(|| all.values().next().filter(|_| all.len() == 1)),
            _ => None,
        }
    }
}

/// What a pixel measures in samples that agree to 1 %.
fn common_scale(of_samples: &IndexMap<String, Uns>, names: &[String]) -> Option<f64> {
    let scales: Vec<f64> =
        names.iter().map(|n| of_samples.get(n)?.as_f64()).collect::<Option<_>>()?;
    let least = scales.iter().copied().fold(f64::INFINITY, f64::min);
    let most = scales.iter().copied().fold(0.0, f64::max);
    let mean = scales.iter().sum::<f64>() / scales.len() as f64;
    (least > 0.0 && most.is_finite() && most <= 1.01 * least).then_some(mean)
}

impl Coordinates {
    pub fn len(&self) -> usize {
        self.xy.nrows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.xy.view()
    }
}

/// An image as bytes: floats are taken as 0..1, or as 0..255 where any is above 1; grey becomes
/// three channels, alpha is dropped.
fn rgb(image: &Uns) -> Option<Array3<u8>> {
    fn convert<T: Copy>(a: ArrayViewD<'_, T>, f: impl Fn(T) -> u8) -> Option<Array3<u8>> {
        let a = if a.ndim() == 2 { a.insert_axis(ndarray::Axis(2)) } else { a };
        let a = a.into_dimensionality::<Ix3>().ok()?;
        let (h, w, c) = a.dim();
        let channel = |k: usize| if c >= 3 { k } else { 0 };
        (c > 0).then(|| Array3::from_shape_fn((h, w, 3), |(y, x, k)| f(a[[y, x, channel(k)]])))
    }
    match image {
        Uns::Bytes(a) => convert(a.view(), |v| v),
        Uns::Singles(a) => {
            let scale = if a.iter().any(|&v| v > 1.0) { 1.0 } else { 255.0 };
            convert(a.view(), |v| (v * scale).round().clamp(0.0, 255.0) as u8)
        }
        Uns::Floats(a) => {
            let scale = if a.iter().any(|&v| v > 1.0) { 1.0 } else { 255.0 };
            convert(a.view(), |v| (v * scale).round().clamp(0.0, 255.0) as u8)
        }
        _ => None,
    }
}
