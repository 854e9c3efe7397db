//! What a file is, from its first bytes, and what to do with those that are no slide.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::base::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Png,
    Jpeg,
    Tiff,
}

const CONVERT: &str = "Convert it with Bio-Formats: `bfconvert -tilex 512 -tiley 512 -pyramid-resolutions 5 -pyramid-scale 2 IN OUT.ome.tif`";

/// # Errors
/// Anything but PNG, JPEG and TIFF, by its name where it has one.
pub(super) fn sniff(path: &Path) -> Result<Kind> {
    let doing = || format!("opening the slide {}", path.display());
    let refuse = |found: &str, advice: &str| {
        let e = Error::new(doing()).expected("a PNG, JPEG, TIFF or OME-TIFF");
        Err(e.found(found).advice(advice))
    };
    if path.is_dir() {
        let zarr = [".zgroup", ".zattrs", "zarr.json"].iter().any(|n| path.join(n).exists());
        if zarr {
            return refuse("an OME-Zarr folder", CONVERT);
        }
        return refuse("a folder", &inside(path));
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|f| f.take(512).read_to_end(&mut head))
        .map_err(|e| Error::io(doing(), e))?;
    let dicom = head.get(128..132) == Some(b"DICM");
    let starts = |magic: &[u8]| head.starts_with(magic);
    match () {
        () if starts(b"\x89PNG") => Ok(Kind::Png),
        () if starts(b"\xff\xd8\xff") => Ok(Kind::Jpeg),
        () if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|m| starts(*m)) => Ok(Kind::Tiff),
        () if head.is_empty() => refuse("an empty file", "Copy it again"),
        () if starts(b"\x89HDF") => refuse(
            "an HDF5 file",
            "Datasets (.h5ad, .h5, .loom) are read by data::read; an Imaris .ims must be converted to OME-TIFF",
        ),
        () if starts(b"ZISRAWFILE") => refuse("a Zeiss .czi", CONVERT),
        () if starts(b"\xda\xce\xbe\x0a") => refuse("a Nikon .nd2", CONVERT),
        () if dicom => refuse("a DICOM file", CONVERT),
        () if starts(b"\0\0\0\x0cjP") || starts(b"\xff\x4f\xff\x51") => {
            refuse("a JPEG 2000 file outside a TIFF", CONVERT)
        }
        () if starts(b"\x1f\x8b") => refuse("a gzip file", "Unpack it first"),
        () if starts(b"PK") => refuse("a zip archive", "Unpack it first"),
        () if starts(b"BM") => refuse("a BMP picture", "Save it as PNG or TIFF"),
        () if starts(b"RIFF") => refuse("a WebP picture", "Save it as PNG or TIFF"),
        () => match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
            Some(known @ ("mrxs" | "vsi" | "vms" | "vmu" | "isyntax" | "lif" | "oir" | "bif")) => {
                refuse(&format!("a .{known} file"), CONVERT)
            }
            _ => refuse("something else", "Is it an image, and was it copied whole?"),
        },
    }
}

/// The images in a folder, for a message.
fn inside(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| {
            let n = n.to_lowercase();
            [".tif", ".tiff", ".png", ".jpg", ".jpeg", ".svs"].iter().any(|e| n.ends_with(e))
        })
        .collect();
    names.sort();
    names.truncate(8);
    if names.is_empty() {
        "It holds no images; name the image file itself".into()
    } else {
        format!("Name one of its images: {}", names.join(", "))
    }
}
