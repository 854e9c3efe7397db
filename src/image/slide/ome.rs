//! What OME-XML says of a slide: the size of a pixel, channels, focal planes.

use roxmltree::{Document, Node};

/// The first image of an OME-XML document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ome {
    pub pixel_size_um: Option<[f64; 2]>,
    /// Names of the channels; empty where one has none.
    pub channels: Vec<String>,
    pub size_c: usize,
    pub size_z: usize,
    pub size_t: usize,
    /// Whether the planes of a channel's stack follow each other (XYZ..), not those of a plane's
    /// channels (XYC..).
    pub z_first: bool,
    /// The channel of each page of this file, where the document describes several files.
    pub here: Vec<usize>,
}

impl Ome {
    /// `None` where the text is not OME-XML.
    pub fn parse(text: &str, file: &str) -> Option<Self> {
        if !text.trim_start().starts_with('<') || !text.contains("OME") {
            return None;
        }
        let document = Document::parse(text).ok()?;
        let named = |n: &Node<'_, '_>, name: &str| n.tag_name().name() == name;
        let image = document.descendants().find(|n| named(n, "Image"))?;
        let pixels = image.descendants().find(|n| named(n, "Pixels"))?;
        let size = |name: &str| {
            pixels
                .attribute(name)
                .and_then(|v| v.parse::<usize>().ok())
                .unwrap_or(1)
                .clamp(1, 1 << 16)
        };
        let length = |axis: &str| {
            let value: f64 =
                pixels.attribute(format!("PhysicalSize{axis}").as_str())?.parse().ok()?;
            let unit = pixels.attribute(format!("PhysicalSize{axis}Unit").as_str()).unwrap_or("µm");
            Some(value * um(unit)?).filter(|v| v.is_finite() && *v > 0.0)
        };
        let channels: Vec<String> = pixels
            .children()
            .filter(|n| named(n, "Channel"))
            .map(|n| n.attribute("Name").unwrap_or_default().to_owned())
            .collect();
        let mut here = Vec::new();
        for data in pixels.children().filter(|n| named(n, "TiffData")) {
            let of =
                data.children().find(|n| named(n, "UUID")).and_then(|n| n.attribute("FileName"));
            if of.is_some_and(|of| of == file) {
                here.push(data.attribute("FirstC").and_then(|c| c.parse().ok()).unwrap_or(0));
            }
        }
        Some(Self {
            pixel_size_um: length("X").zip(length("Y")).map(|(x, y)| [x, y]),
            channels,
            size_c: size("SizeC"),
            size_z: size("SizeZ"),
            size_t: size("SizeT"),
            z_first: pixels.attribute("DimensionOrder").is_some_and(|o| o.starts_with("XYZ")),
            here,
        })
    }
}

/// Micrometres in a unit of length, by OME's symbols; `None` for pixels and the like.
fn um(unit: &str) -> Option<f64> {
    Some(match unit {
        "µm" | "μm" | "um" | "micron" | "microns" => 1.0,
        "nm" => 1e-3,
        "pm" => 1e-6,
        "Å" => 1e-4,
        "mm" => 1e3,
        "cm" => 1e4,
        "dm" => 1e5,
        "m" => 1e6,
        "in" => 25_400.0,
        "mil" => 25.4,
        _ => return None,
    })
}
