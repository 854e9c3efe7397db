//! Haematoxylin, eosin and what is neither, from the colours of a bright-field image.
//!
//! Colour deconvolution after Ruifrok and Johnston, Anal. Quant. Cytol. Histol. 23:291 (2001),
//! with their vectors for haematoxylin and eosin. The third axis is the cross product of the two
//! (as ImageJ's plugin does it), so that it holds the colour that no mixture of both explains.

use ndarray::Array3;

use crate::base::{Error, Result};

/// Names of the channels, in order.
pub const CHANNELS: [&str; 3] = ["hematoxylin", "eosin", "residual"];

/// Optical density of each stain in red, green and blue, before scaling to unit length.
const HEMATOXYLIN: [f64; 3] = [0.65, 0.70, 0.29];
const EOSIN: [f64; 3] = [0.07, 0.99, 0.11];

/// The darkest background that still counts as bright field; fluorescence images are far below.
const LEAST_WHITE: u8 = 100;

/// Turns colours into amounts of stain; one for an image, as it holds the image's white.
pub struct Stain {
    /// Optical density by channel and byte.
    density: [[f64; 256]; 3],
    inverse: [[f64; 3]; 3],
}

impl Stain {
    /// For light that reads `white` where nothing absorbs it.
    pub fn new(white: [u8; 3]) -> Self {
        // A byte of 0 stands for anything below 1, so the density stays finite.
        let density = white.map(|w| {
            std::array::from_fn(|byte| (f64::from(w.max(1)) / (byte as f64).max(1.0)).log10())
        });
        Self { density, inverse: inverse(vectors()) }
    }

    /// For an image, whose white is the 99th percentile of each channel: scanners leave the empty
    /// slide anywhere from 160 to 255, and an error here would shift every density.
    ///
    /// On a crop without empty slide, white is the palest tissue; that moves the means of the
    /// densities by one constant and their spread and gradients not at all.
    ///
    /// # Shapes
    /// `pixels` [height, width, 3].
    ///
    /// # Errors
    /// An empty image, another number of channels, or one too dark to be bright field.
    pub fn of(pixels: &Array3<u8>) -> Result<Self> {
        let doing = "finding the white of the tissue image";
        let (height, width, channels) = pixels.dim();
        if height * width == 0 || channels != 3 {
            return Err(Error::new(doing)
                .expected("an image of shape [height, width, 3]")
                .found(format!("[{height}, {width}, {channels}]")));
        }
        let white = white_level(pixels);
        let brightest = white.into_iter().max().unwrap_or(0);
        if brightest < LEAST_WHITE {
            return Err(Error::new(doing)
                .expected(format!("a bright-field image, its background {LEAST_WHITE} of 255 or more"))
                .found(format!("{brightest} (99th percentile)"))
                .advice("Stains cannot be told apart in a fluorescence image: give obsm[\"image_features\"] instead"));
        }
        Ok(Self::new(white))
    }

    /// Optical density in red, green and blue: `log10(white / value)`.
    pub fn optical_density(&self, rgb: [u8; 3]) -> [f64; 3] {
        std::array::from_fn(|k| self.density[k][rgb[k] as usize])
    }

    /// Amounts of haematoxylin, eosin and residual in an optical density; none is clipped at zero.
    pub fn separate(&self, density: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|s| (0..3).map(|k| density[k] * self.inverse[k][s]).sum())
    }

    /// Amounts of stain behind a colour.
    pub fn amounts(&self, rgb: [u8; 3]) -> [f64; 3] {
        self.separate(self.optical_density(rgb))
    }
}

/// The stains' unit vectors of optical density, a row a channel of [`CHANNELS`].
pub fn vectors() -> [[f64; 3]; 3] {
    let (h, e) = (unit(HEMATOXYLIN), unit(EOSIN));
    let cross = [h[1] * e[2] - h[2] * e[1], h[2] * e[0] - h[0] * e[2], h[0] * e[1] - h[1] * e[0]];
    [h, e, unit(cross)]
}

/// The 99th percentile of each channel.
fn white_level(pixels: &Array3<u8>) -> [u8; 3] {
    let mut histogram = [[0_usize; 256]; 3];
    for pixel in pixels.rows() {
        for k in 0..3 {
            histogram[k][pixel[k] as usize] += 1;
        }
    }
    let total = pixels.len() / 3;
    histogram.map(|counts| {
        let mut above = 0;
        let level = (0..256).rev().find(|&byte| {
            above += counts[byte];
            above * 100 >= total
        });
        level.unwrap_or(255) as u8
    })
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.map(|x| x / length)
}

/// Inverse of a matrix whose third row is a unit vector at right angles to the first two.
fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant))
}
