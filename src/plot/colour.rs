//! Colours that people with a colour vision deficiency can tell apart too.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Red, green, blue; written "#rrggbb".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Colour(pub [u8; 3]);

impl Colour {
    pub const WHITE: Self = Self([255; 3]);
    /// Text and axes.
    pub const INK: Self = Self([34, 34, 34]);
    /// Text of less weight.
    pub const SOFT: Self = Self([95, 95, 95]);
    pub const GRID: Self = Self([230, 230, 230]);
    /// Missing values.
    pub const MISSING: Self = Self([205, 205, 205]);

    const fn hex(rgb: u32) -> Self {
        Self([(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8])
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl From<Colour> for String {
    fn from(c: Colour) -> Self {
        c.to_string()
    }
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hex = text.strip_prefix('#').filter(|h| h.len() == 6);
        hex.and_then(|h| u32::from_str_radix(h, 16).ok())
            .map(Self::hex)
            .ok_or_else(|| format!("'{text}' is not a colour such as #0072b2"))
    }
}

/// Okabe and Ito's eight (Color Universal Design, 2008), then sixteen chosen one by one to lie as
/// far as can be from those before them, in OKLab, as seen with normal vision and (Machado et al.
/// 2009) without red or green cones.
const GROUPS: [u32; 24] = [
    0xe69f00, 0x56b4e9, 0x009e73, 0xf0e442, 0x0072b2, 0xd55e00, 0xcc79a7, 0x000000, 0xaa0055,
    0x8877ff, 0x66cc88, 0x551111, 0x000088, 0xff5566, 0x00eeff, 0x773388, 0x99ee99, 0x225500,
    0x4433bb, 0xbb3399, 0x770044, 0x440055, 0x6655dd, 0xcc3344,
];

/// Colours for `n` groups; from the 25th on they repeat, paler each time round.
pub fn palette(n: usize) -> Vec<Colour> {
    let colour = |i: usize| {
        let Colour(rgb) = Colour::hex(GROUPS[i % GROUPS.len()]);
        let keep = 0.6_f64.powi((i / GROUPS.len()) as i32);
        Colour(rgb.map(|v| (255.0 - keep * (255.0 - f64::from(v))).round() as u8))
    };
    (0..n).map(colour).collect()
}

/// A scale of colours for numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cmap {
    /// Dark blue to yellow, even in lightness (matplotlib's default).
    #[default]
    Viridis,
    /// Blue to yellow, alike for most kinds of colour vision (Nunez et al. 2018).
    Cividis,
    /// Black to pale yellow over purple.
    Magma,
    /// Blue over white to red, for values on both sides of a middle (ColorBrewer RdBu).
    Bluered,
    /// White to black.
    Greys,
}

impl Cmap {
    /// Evenly spaced colours between which the scale is linear.
    fn anchors(self) -> &'static [u32] {
        match self {
            Self::Viridis => &[
                0x440154, 0x482374, 0x404387, 0x345e8d, 0x29788e, 0x208f8c, 0x22a784, 0x42be71,
                0x79d151, 0xbade27, 0xfde724,
            ],
            Self::Cividis => &[
                0x00224e, 0x1a386f, 0x434e6c, 0x61656f, 0x7c7b78, 0x9a9376, 0xbbad6d, 0xdfcb57,
                0xfee838,
            ],
            Self::Magma => &[
                0x000003, 0x140d35, 0x3b0f6f, 0x63197f, 0x8c2980, 0xb53679, 0xdd4968, 0xf66e5b,
                0xfd9f6c, 0xfdcd90, 0xfbfcbf,
            ],
            Self::Bluered => &[
                0x053061, 0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582,
                0xd6604d, 0xb2182b, 0x67001f,
            ],
            Self::Greys => &[0xf2f2f2, 0x0a0a0a],
        }
    }

    /// Evenly spaced colours, between which a backend mixes red, green and blue evenly.
    pub fn colours(self) -> Vec<Colour> {
        self.anchors().iter().map(|&rgb| Colour::hex(rgb)).collect()
    }

    /// The colour at `t` from 0 to 1; beyond, that of the end.
    pub fn at(self, t: f64) -> Colour {
        let anchors = self.anchors();
        let place = t.clamp(0.0, 1.0) * (anchors.len() - 1) as f64;
        let low = (place as usize).min(anchors.len() - 2);
        let (Colour(a), Colour(b)) = (Colour::hex(anchors[low]), Colour::hex(anchors[low + 1]));
        let part = place - low as f64;
        Colour(std::array::from_fn(|k| {
            (f64::from(a[k]) + part * (f64::from(b[k]) - f64::from(a[k]))).round() as u8
        }))
    }
}
