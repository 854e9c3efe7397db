//! Images and scale factors of a slide.

use std::path::{Path, PathBuf};

use image::{ImageDecoder, ImageReader};
use indexmap::IndexMap;
use ndarray::{ArrayD, IxDyn};

use crate::base::{Error, Result, files, interrupt, memory, progress};
use crate::data::Uns;

const FACTORS: &str = "scalefactors_json.json";
/// Deflate packs 1032 bytes into one at best, and pixels of one bit become three bytes.
const MOST_PACKED: u64 = 1032 * 24;

/// The first file of that name in the folders.
fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    folders.iter().map(|f| f.join(name)).find(|f| f.is_file())
}

/// The images by their resolution; those that are read are added to `sources`.
pub(super) fn images(folders: &[PathBuf], sources: &mut Vec<PathBuf>) -> Result<Uns> {
    let mut images = IndexMap::new();
    for resolution in ["hires", "lowres"] {
        if let Some(file) = find(folders, &format!("tissue_{resolution}_image.png")) {
            images.insert(resolution.to_owned(), Uns::Bytes(image(&file)?));
            sources.push(file);
        }
    }
    if images.is_empty() {
        progress::note(format!("{}: no tissue image", shown(folders)));
    }
    Ok(Uns::Map(images))
}

/// An image as bytes, [height, width, 3].
fn image(path: &Path) -> Result<ArrayD<u8>> {
    interrupt::check("reading a tissue image")?;
    let doing = || format!("reading the image {}", path.display());
    let failed = |e: image::ImageError| {
        Error::io(doing(), e).advice("The file may be cut short: fetch it again")
    };
    let stored = std::fs::metadata(path).map_err(|e| Error::io(doing(), e))?.len();
    let decoder = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| Error::io(doing(), e))?
        .into_decoder()
        .map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let bytes = u64::from(width) * u64::from(height) * 3;
    if bytes / MOST_PACKED > stored {
        return Err(Error::new(doing())
            .expected(format!("an image that {} can unfold to", memory::human(stored)))
            .found(format!("{width} x {height} pixels"))
            .advice("The file is damaged: fetch it again"));
    }
    let decoded = image::DynamicImage::from_decoder(decoder).map_err(failed)?.into_rgb8();
    let shape = IxDyn(&[decoded.height() as usize, decoded.width() as usize, 3]);
    ArrayD::from_shape_vec(shape, decoded.into_raw()).map_err(|e| Error::io(doing(), e))
}

/// The numbers of the first file of scale factors, which is added to `sources`.
pub(super) fn scale_factors(folders: &[PathBuf], sources: &mut Vec<PathBuf>) -> Result<Uns> {
    let Some(path) = find(folders, FACTORS) else {
        progress::note(format!(
            "{}: no {FACTORS}, so sizes of spots and images are unknown",
            shown(folders)
        ));
        return Ok(Uns::default());
    };
    let json: IndexMap<String, serde_json::Value> = serde_json::from_str(&files::read_text(&path)?)
        .map_err(|e| {
                Error::io(format!("reading {}", path.display()), e)
                    .expected("JSON with the scale factors of the slide")
                    .advice("Copy it again from Space Ranger's spatial/; without the file, sizes of spots and images are unknown, and all else is read")
            })?;
    sources.push(path);
    let number = |(k, v): (String, serde_json::Value)| Some((k, Uns::Float(v.as_f64()?)));
    Ok(Uns::Map(json.into_iter().filter_map(number).collect()))
}

fn shown(folders: &[PathBuf]) -> String {
    folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
}
