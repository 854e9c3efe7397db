//! Slides: what is read is what was stored, only what is touched is read, and the positions of a
//! dataset come to lie where they belong.

use std::path::{Path, PathBuf};

use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use spatia::base::{Kind, memory};
use spatia::batch::image::{EncodeConfig, encode};
use spatia::batch::slide::{AlignConfig, AttachConfig, align, attach};
use spatia::data::{Csr, Dataset, Table, Unit, Uns, keys};
use spatia::graph::{RadiusConfig, radius};
use spatia::image::{Affine, Raster, RegionConfig, Samples, Slide, ThumbnailConfig};
use spatia::plot::{Backdrop, Body, Fill, OverlayConfig, overlay};

use crate::common;
use crate::fixtures::slide::{self as fixture, Image, bytes, deflate, ome, tiled};

fn at(level: usize, x: usize, y: usize, width: usize, height: usize) -> RegionConfig {
    RegionConfig { level, x, y, width, height, ..RegionConfig::default() }
}

fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn pattern(x: u32, y: u32) -> [u8; 3] {
    [(x * 3 + y) as u8, (x + y * 2) as u8, (x / 8 * 37 + y / 8 * 11) as u8]
}

/// Whether a region holds the pattern from (x, y) on.
fn holds(raster: &Raster, x: usize, y: usize, value: impl Fn(u32, u32, usize) -> u16) -> bool {
    (0..raster.height).all(|row| {
        (0..raster.width).all(|column| {
            (0..raster.channels).all(|k| {
                raster.get(column, row, k) == value((x + column) as u32, (y + row) as u32, k)
            })
        })
    })
}

#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let e = Slide::open(path).map(|s| s.to_string()).unwrap_err().to_string();
    assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
}

/// A dataset of positions.
fn positions(xy: &[[f64; 2]], unit: &str) -> Dataset {
    let n = xy.len();
    let obs = Table::new((0..n).map(|i| format!("c{i}")).collect());
    let x = Csr::from_rows(1, vec![vec![(0, 1.0)]; n]);
    let mut ds = Dataset::new(x, obs, Table::new(vec!["g".into()])).unwrap();
    ds.set_obsm(keys::SPATIAL, Array2::from_shape_fn((n, 2), |(i, k)| xy[i][k])).unwrap();
    if !unit.is_empty() {
        ds.set_unit(unit, None).unwrap();
    }
    ds
}

fn grid(side: usize, spacing: f64) -> Vec<[f64; 2]> {
    (0..side * side)
        .map(|i| [(i % side) as f64 * spacing + 20.0, (i / side) as f64 * spacing + 20.0])
        .collect()
}

fn backdrop(slide: &Slide, config: &OverlayConfig) -> Backdrop {
    let options = ThumbnailConfig { window: config.window, ..ThumbnailConfig::default() };
    let view = slide.thumbnail(config.max_px, &options).unwrap();
    Backdrop {
        pixels: view.pixels.rgb(),
        window: view.window,
        size: [slide.width() as f64, slide.height() as f64],
        um_per_px: slide.um_per_px(),
    }
}

#[test]
fn a_pyramid_is_read_by_level_and_region() {
    let folder = tempfile::tempdir().unwrap();
    for (big, little) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut base = tiled(300, 200, 64, pattern);
        base.description =
            ome(300, 200, "PhysicalSizeX=\"250\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"0.25\"");
        base.levels = vec![
            tiled(75, 50, 64, |x, y| pattern(4 * x, 4 * y)),
            tiled(150, 100, 64, |x, y| pattern(2 * x, 2 * y)),
        ];
        let path = file(folder.path(), "a.ome.tif", &bytes(&[base], big, little));
        let slide = Slide::open(&path).unwrap();
        let sizes: Vec<_> =
            slide.levels().iter().map(|l| (l.width, l.height, l.downsample)).collect();
        assert_eq!(sizes, [(300, 200, 1.0), (150, 100, 2.0), (75, 50, 4.0)]);
        assert_eq!(slide.pixel_size_um(), Some([0.25, 0.25]));
        assert_eq!(slide.channels(), ["RGB"]);
        for (level, x, y, w, h) in
            [(0, 0, 0, 300, 200), (0, 63, 64, 66, 1), (1, 100, 37, 50, 63), (2, 74, 49, 1, 1)]
        {
            let step = 1 << level;
            let region = slide.region(&at(level, x, y, w, h)).unwrap();
            assert!(
                holds(&region, x, y, |x, y, k| pattern(step * x, step * y)[k].into()),
                "level {level}, {x} {y} {w} {h}"
            );
        }
        let text = slide.to_string();
        for word in ["300 x 200 px", "OME-TIFF", "8-bit RGB", "deflate", "0.2500 um", "75 x 50"] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
}

#[test]
fn levels_may_be_pages_and_what_is_no_level_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut label = tiled(80, 75, 64, pattern);
    label.tile = (0, 75);
    label.chunks = vec![deflate(&vec![7; 80 * 75 * 3])];
    label.places = vec![0];
    let mut base = tiled(400, 300, 64, pattern);
    base.description = "Aperio Image Library v12\n400x300|AppMag = 20|MPP = 0.4990|Left = 3".into();
    let pages = [
        base,
        label,
        tiled(200, 150, 64, |x, y| pattern(2 * x, 2 * y)),
        tiled(100, 75, 64, |x, y| pattern(4 * x, 4 * y)),
        tiled(90, 20, 64, pattern),
    ];
    let slide = Slide::open(&file(folder.path(), "a.svs", &bytes(&pages, false, true))).unwrap();
    let sizes: Vec<_> = slide.levels().iter().map(|l| (l.width, l.height)).collect();
    assert_eq!(sizes, [(400, 300), (200, 150), (100, 75)]);
    assert_eq!(slide.um_per_px(), Some(0.499));
    assert!(holds(&slide.region(&at(2, 9, 9, 80, 60)).unwrap(), 9, 9, |x, y, k| {
        pattern(4 * x, 4 * y)[k].into()
    }));
}

#[test]
fn strips_planes_and_words_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let word = |x: u32, y: u32| (x * 97 + y * 131) as u16;
    for (compression, rows, little) in [(1, 50, true), (1, 7, false), (8, 7, true), (8, 50, false)]
    {
        let strip = |top: u32| -> Vec<u8> {
            let rows = top..(top + rows).min(50);
            let values = rows.flat_map(|y| (0..40).map(move |x| word(x, y)));
            values.flat_map(|v| if little { v.to_le_bytes() } else { v.to_be_bytes() }).collect()
        };
        let strips: Vec<Vec<u8>> = (0..50)
            .step_by(rows as usize)
            .map(|top| if compression == 8 { deflate(&strip(top)) } else { strip(top) })
            .collect();
        let image = Image {
            width: 40,
            height: 50,
            tile: (0, rows),
            samples: 1,
            bits: 16,
            compression,
            photometric: 1,
            places: (0..strips.len()).collect(),
            chunks: strips,
            // 10,000 px a cm: a pixel of 1 um.
            more: vec![(282, 5, vec![10_000, 1]), (283, 5, vec![10_000, 1]), (296, 3, vec![3])],
            ..Image::default()
        };
        let slide =
            Slide::open(&file(folder.path(), "a.tif", &bytes(&[image], false, little))).unwrap();
        assert_eq!((slide.bits(), slide.um_per_px()), (16, Some(1.0)));
        let region = slide.region(&at(0, 3, 5, 30, 41)).unwrap();
        assert!(holds(&region, 3, 5, |x, y, _| word(x, y)), "{compression} {rows} {little}");
    }
    // Planes: the colours one after the other.
    let mut planar = tiled(100, 70, 64, pattern);
    planar.chunks.clear();
    planar.planar = true;
    for k in 0..3 {
        for (left, top) in [(0, 0), (64, 0), (0, 64), (64, 64)] {
            let tile: Vec<u8> =
                (0..64 * 64).map(|i| pattern(left + i % 64, top + i / 64)[k]).collect();
            planar.chunks.push(deflate(&tile));
        }
    }
    planar.places = (0..12).collect();
    let slide = Slide::open(&file(folder.path(), "p.tif", &bytes(&[planar], false, true))).unwrap();
    let region = slide.region(&at(0, 10, 20, 90, 50)).unwrap();
    assert!(holds(&region, 10, 20, |x, y, k| pattern(x, y)[k].into()));
}

/// The parts of a JPEG between its start and the scan, split into tables and the rest.
fn split_tables(jpeg: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut rest, mut at) = (vec![0xff, 0xd8], vec![0xff, 0xd8], 2);
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(jpeg[at + 2]) * 256 + usize::from(jpeg[at + 3]);
        let to = if matches!(jpeg[at + 1], 0xdb | 0xc4) { &mut tables } else { &mut rest };
        to.extend(&jpeg[at..end]);
        at = end;
    }
    rest.extend(&jpeg[at..]);
    tables.extend([0xff, 0xd9]);
    (tables, rest)
}

#[test]
fn jpeg_tiles_with_tables_in_the_tiff_are_read_in_their_colours() {
    let folder = tempfile::tempdir().unwrap();
    let smooth = |x: u32, y: u32| [(x * 2) as u8, (y * 2) as u8, 200 - (x + y) as u8 / 2];
    let picture = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb(smooth(x, y)));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95)
        .encode_image(&picture)
        .unwrap();
    let (tables, tile) = split_tables(&jpeg);
    let image = |chunk: Vec<u8>, more| Image {
        width: 60,
        height: 50,
        tile: (64, 64),
        samples: 3,
        bits: 8,
        compression: 7,
        photometric: 6,
        chunks: vec![chunk],
        places: vec![0],
        more,
        ..Image::default()
    };
    let tables = (347, 7, tables.into_iter().map(u64::from).collect());
    for image in [image(tile.clone(), vec![tables]), image(jpeg.clone(), vec![])] {
        let slide =
            Slide::open(&file(folder.path(), "j.tif", &bytes(&[image], false, true))).unwrap();
        let region = slide.region(&at(0, 0, 0, 60, 50)).unwrap();
        let far = (0..60 * 50).flat_map(|i| {
            let (x, y) = (i % 60, i / 60);
            let region = &region;
            (0..3).map(move |k| region.get(x, y, k).abs_diff(smooth(x as u32, y as u32)[k].into()))
        });
        assert!(far.max() < Some(12));
    }
    // A tile whose own header says another size is not decoded.
    let mut large = jpeg;
    let frame = large.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    large[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let path = file(folder.path(), "l.tif", &bytes(&[image(large, vec![])], false, true));
    let e = Slide::open(&path).unwrap().region(&at(0, 0, 0, 9, 9)).unwrap_err().to_string();
    assert!(e.contains("64 x 64") && e.contains("65535"), "{e}");
}

/// 16 x 16 values of 16 bits, x * 1000 + y * 3000, by OpenJPEG 2.5.4 without loss.
const JPEG_2000: &str = "ff4fff5100290000000000100000001000000000000000000000001000000010000000000000000000010f0101ff52000c00000001000104040001ff5c00074080888890ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20322e352e34ff90000a00000000009b0001ff93dff89358122b0509260ecd968076a566d2b040e9c579d878a61365d1630789b259b889490ff51003b4bccb80d6d327caeb9d6b60be6c14f4383a0277d7ad513681db4dc2736546d3f21341c17011abd58712c2033222eaaaaaaaaa660e7fa8f00b20d76fa4c016a697aeff7fe96803c03f60b81fe03036a18547e81e00133df3f03da634353bd8037fda64b457ffd9";

#[test]
fn jpeg_2000_of_sixteen_bits_is_read_as_a_xenium_stores_it() {
    let folder = tempfile::tempdir().unwrap();
    let stored: Vec<u8> = (0..JPEG_2000.len() / 2)
        .map(|i| u8::from_str_radix(&JPEG_2000[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let image = Image {
        width: 30,
        height: 20,
        tile: (16, 16),
        samples: 1,
        bits: 16,
        compression: 34712,
        photometric: 1,
        chunks: vec![stored],
        places: vec![0; 4],
        ..Image::default()
    };
    let slide =
        Slide::open(&file(folder.path(), "m.ome.tif", &bytes(&[image], true, true))).unwrap();
    let region = slide.region(&at(0, 5, 0, 25, 20)).unwrap();
    assert!(holds(&region, 5, 0, |x, y, _| (x % 16 * 1000 + y % 16 * 3000) as u16));
    assert!(slide.to_string().contains("16-bit grey, JPEG 2000"), "{slide}");
}

#[test]
fn channels_and_focal_planes_are_told_by_ome_xml() {
    let folder = tempfile::tempdir().unwrap();
    let page = |value: u8| Image {
        width: 20,
        height: 10,
        tile: (16, 16),
        samples: 1,
        bits: 8,
        compression: 8,
        photometric: 1,
        chunks: vec![deflate(&[value; 256])],
        places: vec![0; 2],
        ..Image::default()
    };
    let open = |order: &str, c: usize, z: usize, names: &[&str]| {
        let channels: String = names.iter().map(|n| format!("<Channel Name=\"{n}\"/>")).collect();
        let mut pages: Vec<Image> = (0..(c * z) as u8).map(|i| page(10 * i)).collect();
        pages[0].description = format!(
            "<OME><Image><Pixels DimensionOrder=\"{order}\" SizeC=\"{c}\" SizeZ=\"{z}\" SizeT=\"1\">{channels}</Pixels></Image></OME>"
        );
        Slide::open(&file(folder.path(), "c.ome.tif", &bytes(&pages, false, true))).unwrap()
    };
    let value = |slide: &Slide, channel, z| {
        slide.region(&RegionConfig { channel, z, ..at(0, 0, 0, 1, 1) }).map(|r| r.get(0, 0, 0))
    };
    let stack = open("XYZCT", 2, 3, &["DAPI", "18S"]);
    assert_eq!((stack.channels(), stack.focal_planes()), (&["DAPI".into(), "18S".into()][..], 3));
    assert_eq!(value(&stack, 1, 0).unwrap(), 30);
    let stack = open("XYCZT", 2, 3, &["DAPI", "18S"]);
    assert_eq!(value(&stack, 1, 0).unwrap(), 10);
    assert_eq!(value(&stack, 0, 2).unwrap(), 40);
    let e = value(&stack, 2, 0).unwrap_err().to_string();
    assert!(e.contains("from 0 to 1") && e.contains("DAPI, 18S"), "{e}");
    assert!(value(&stack, 0, 3).unwrap_err().to_string().contains("focal plane"));
    // Colours in three pages are one picture, stains are not.
    let colours = open("XYCZT", 3, 1, &["Red", "Green", "Blue"]);
    let region = colours.region(&at(0, 3, 3, 2, 2)).unwrap();
    assert_eq!(region.pixel(0, 0).unwrap(), [0, 10, 20]);
    assert_eq!(open("XYCZT", 3, 1, &["DAPI", "a", "b"]).channels().len(), 3);
}

#[test]
fn png_and_jpeg_are_levels_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let picture = image::RgbImage::from_fn(120, 90, |x, y| image::Rgb(pattern(x, y)));
    picture.save(folder.path().join("a.png")).unwrap();
    let slide = Slide::open(&folder.path().join("a.png")).unwrap();
    assert_eq!((slide.levels().len(), slide.pixel_size_um()), (1, None));
    let region = slide.region(&at(0, 100, 70, 20, 20)).unwrap();
    assert!(holds(&region, 100, 70, |x, y, k| pattern(x, y)[k].into()));
    let grey = image::ImageBuffer::from_fn(50, 40, |x, y| image::Luma([(x * 900 + y) as u16]));
    grey.save(folder.path().join("g.png")).unwrap();
    let slide = Slide::open(&folder.path().join("g.png")).unwrap();
    let region = slide.region(&at(0, 7, 8, 40, 30)).unwrap();
    assert!(holds(&region, 7, 8, |x, y, _| (x * 900 + y) as u16));
    // Words survive being saved, and a thumbnail has bytes.
    region.save(&folder.path().join("r.png")).unwrap();
    let again = Slide::open(&folder.path().join("r.png")).unwrap();
    assert_eq!(again.region(&at(0, 0, 0, 40, 30)).unwrap(), region);
    let view = slide.thumbnail(20, &ThumbnailConfig::default()).unwrap();
    assert!(matches!(view.pixels.samples, Samples::Bytes(_)));
    assert_eq!((view.pixels.width, view.pixels.height), (20, 16));
    assert!(region.save(&folder.path().join("r.jpg")).unwrap_err().to_string().contains(".png"));
}

#[test]
fn a_jpeg_that_is_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let picture = image::RgbImage::from_fn(120, 90, |x, y| image::Rgb(pattern(x, y)));
    picture.save(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Slide::open(&path).unwrap().region(&at(0, 0, 0, 120, 90))
    };
    let whole = read(&bytes).unwrap();
    for keep in [bytes.len() / 2, bytes.len() - 2] {
        let said = read(&bytes[..keep]).unwrap_err().to_string();
        assert!(said.contains("cut short"), "{keep}: {said}");
    }
    // A thumbnail's end is not the picture's; what lies behind the end does no harm.
    let thumbnail = [&[0xFF, 0xE1, 0, 6][..], &[0xFF, 0xD8, 0xFF, 0xD9]].concat();
    bytes.splice(2..2, thumbnail);
    assert!(read(&bytes[..bytes.len() / 2]).is_err());
    bytes.extend([0; 10]);
    assert_eq!(read(&bytes).unwrap(), whole);
}

#[test]
fn thumbnails_are_means_of_the_level_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut base =
        tiled(400, 200, 64, |x, y| if (x / 10 + y / 10) % 2 == 0 { [0; 3] } else { [200; 3] });
    // Another colour, to see which level was taken.
    base.levels = vec![tiled(200, 100, 64, |_, _| [1, 2, 3])];
    let slide = Slide::open(&file(folder.path(), "t.tif", &bytes(&[base], false, true))).unwrap();
    let view = |max, window| {
        slide.thumbnail(max, &ThumbnailConfig { window, ..ThumbnailConfig::default() }).unwrap()
    };
    let from_level_1 = view(100, None);
    assert_eq!((from_level_1.pixels.width, from_level_1.pixels.height), (100, 50));
    assert!(holds(&from_level_1.pixels, 0, 0, |_, _, k| k as u16 + 1));
    assert_eq!(from_level_1.window, [0.0, 0.0, 400.0, 200.0]);
    // A window that level 1 has too few pixels for: squares of 20 x 20 px are grey on average.
    let from_level_0 = view(16, Some([80.0, 40.0, 320.0, 160.0]));
    assert_eq!(from_level_0.window, [80.0, 40.0, 400.0, 200.0]);
    let full = view(300, Some([0.0, 0.0, 300.0, 200.0]));
    assert_eq!(
        (full.pixels.width, full.pixels.get(5, 5, 0), full.pixels.get(15, 5, 0)),
        (300, 0, 200)
    );
    assert!(slide.thumbnail(9, &ThumbnailConfig::default()).is_err());
    let apart = ThumbnailConfig { window: Some([500.0, 0.0, 10.0, 10.0]), ..Default::default() };
    let e = slide.thumbnail(100, &apart).err().unwrap().to_string();
    assert!(e.contains("400 x 200") && e.contains("x 500"), "{e}");
}

#[test]
fn what_is_outside_is_refused_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let slide = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
    let says = |config: RegionConfig, words: &[&str]| {
        let e = slide.region(&config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    says(at(0, 500, 0, 50, 50), &["512 x 512 px of level 0", "x 500, y 0, 50 x 50", "thumbnail"]);
    says(at(1, 300, 0, 50, 50), &["256 x 256 px of level 1", "divide", "2.0"]);
    says(at(7, 0, 0, 5, 5), &["to 1", "level 7", "512 x 512, 256 x 256"]);
    says(at(0, 0, 0, 0, 5), &["width and height"]);
    says(at(0, usize::MAX, 0, 5, 5), &["512 x 512"]);
}

#[test]
fn what_is_no_slide_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| file(folder.path(), name, content);
    refused(&path("a.czi", b"ZISRAWFILE"), &[".czi", "bfconvert"]);
    refused(&path("a.h5ad", b"\x89HDF\r\n\x1a\n"), &["HDF5", "data::read"]);
    refused(&path("a.mrxs", b"anything"), &[".mrxs", "bfconvert"]);
    refused(&path("a.txt", b"anything"), &["something else"]);
    refused(&path("empty.tif", b""), &["empty"]);
    refused(&path("a.jp2", b"\0\0\0\x0cjP  "), &["JPEG 2000"]);
    refused(&folder.path().join("none.tif"), &["nothing there"]);
    fixture::write(folder.path());
    refused(folder.path(), &["a folder", "slide.ome.tif"]);
    assert_eq!(
        Slide::open(&folder.path().join("slide.ome.tiff")).unwrap_err().what(),
        Kind::Missing
    );
    // Images of a TIFF that are not read, by name.
    let with = |change: &dyn Fn(&mut Image)| {
        let mut image = tiled(64, 64, 64, pattern);
        change(&mut image);
        path("a.svs", &bytes(&[image], false, true))
    };
    refused(&with(&|i| i.compression = 6), &["old-style JPEG", "vips"]);
    refused(&with(&|i| i.compression = 50_000), &["Zstandard", "deflate"]);
    refused(&with(&|i| i.compression = 50_001), &["WebP"]);
    refused(&with(&|i| i.compression = 33_007), &["JPEG 2000"]);
    refused(&with(&|i| i.bits = 16), &["3 samples of 16 bits"]);
    refused(&with(&|i| i.photometric = 3), &["palette"]);
    refused(&with(&|i| i.more = vec![(65420, 4, vec![1])]), &["Hamamatsu .ndpi", "vips"]);
    refused(&with(&|i| i.places = vec![]), &["1 tiles or strips", "0 places"]);
    let whole = bytes(&[tiled(64, 64, 64, pattern)], false, true);
    refused(&path("cut.tif", &whole[..whole.len() / 2]), &["damaged or was not copied whole"]);
    // A page that is its own successor.
    let mut circle = whole.clone();
    let first = circle[4..8].to_vec();
    let end = circle.len();
    circle[end - 4..].copy_from_slice(&first);
    refused(&path("circle.tif", &circle), &["circle"]);
}

/// 100,000 x 100,000 px with all its levels, whose tiles are two tiles over and over.
fn giant() -> Vec<u8> {
    let level = |side: u32| {
        let places = side.div_ceil(512).pow(2) as usize;
        Image {
            width: side,
            height: side,
            tile: (512, 512),
            samples: 3,
            bits: 8,
            compression: 8,
            photometric: 2,
            chunks: vec![deflate(&[90; 512 * 512 * 3]), deflate(&[180; 512 * 512 * 3])],
            places: (0..places).map(|i| i % 2).collect(),
            ..Image::default()
        }
    };
    let mut base = level(100_000);
    base.levels = (1..8).map(|l| level(100_000 >> l)).collect();
    bytes(&[base], true, true)
}

/// What [`a_giant_pyramid_is_read_in_constant_memory`] runs in a process of its own.
#[test]
#[ignore = "is run by another test"]
fn read_the_giant() {
    let Some(path) = std::env::var_os("SPATIA_GIANT") else { return };
    // What a first decoded tile allocates for good (threads, tables) is no part of it.
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let small = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
    small.thumbnail(100, &ThumbnailConfig::default()).unwrap();
    let before = memory::now().peak;
    let slide = Slide::open(Path::new(&path)).unwrap();
    assert_eq!((slide.width(), slide.levels().len()), (100_000, 8));
    let opened = memory::now().peak;
    let region = slide.region(&at(0, 70_000, 55_000, 1000, 1000)).unwrap();
    assert!(matches!(region.get(0, 0, 0), 90 | 180));
    let read = memory::now().peak;
    slide.thumbnail(800, &ThumbnailConfig::default()).unwrap();
    println!("GIANT {} {} {}", opened - before, read - opened, memory::now().peak - read);
}

#[test]
fn a_giant_pyramid_is_read_in_constant_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "giant.tif", &giant());
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["slide::read_the_giant", "--exact", "--ignored", "--nocapture"])
        .env("SPATIA_GIANT", &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find_map(|l| l.split_once("GIANT ")).expect("figures").1;
    let grown: Vec<u64> = line.split_whitespace().map(|v| v.parse().unwrap()).collect();
    println!(
        "100,000 x 100,000 px in {} bytes: peak memory grew by {} to open, {} for 1000 x 1000 px, {} for a thumbnail of 800 px",
        std::fs::metadata(&path).unwrap().len(),
        grown[0],
        grown[1],
        grown[2]
    );
    // The region itself is 3 MB, a tile 0.8 MB.
    assert!(grown[0] < 2_000_000 && grown[1] < 24_000_000 && grown[2] < 64_000_000, "{grown:?}");
}

/// Opens and reads what may be damaged; only its errors matter.
fn try_all(path: &Path) {
    let Ok(slide) = Slide::open(path) else { return };
    let _ = slide.to_string();
    for level in 0..slide.levels().len().min(3) {
        let _ = slide.region(&at(level, 0, 0, 40, 40));
        let far = (slide.width().saturating_sub(3), slide.height().saturating_sub(3));
        let _ = slide.region(&at(level, far.0, far.1, 3, 3));
    }
    if slide.width() * slide.height() < 1 << 22 {
        let _ = slide.thumbnail(64, &ThumbnailConfig::default());
    }
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let picture = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb(pattern(x, y)));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&picture).unwrap();
    let in_tiff = |compression, photometric, chunk: Vec<u8>, side, samples, bits| {
        let image = Image {
            width: side,
            height: side,
            tile: (side, side),
            samples,
            bits,
            compression,
            photometric,
            chunks: vec![chunk],
            places: vec![0],
            ..Image::default()
        };
        bytes(&[image], false, true)
    };
    let j2k: Vec<u8> = (0..JPEG_2000.len() / 2)
        .map(|i| u8::from_str_radix(&JPEG_2000[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let seeds = [
        std::fs::read(folder.path().join("slide.ome.tif")).unwrap(),
        in_tiff(7, 6, jpeg.clone(), 64, 3, 8),
        in_tiff(34712, 1, j2k, 16, 1, 16),
        in_tiff(1, 1, vec![3; 32 * 32], 32, 1, 8),
        jpeg,
        png.into_inner(),
    ];
    let rounds: usize =
        std::env::var("SPATIA_FUZZ").ok().and_then(|v| v.parse().ok()).unwrap_or(300);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for (i, seed) in seeds.iter().enumerate() {
        for _ in 0..rounds {
            let mut content = seed.clone();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..content.len());
                match rng.random_range(0..4) {
                    0 => content[at] = rng.random_range(0..=255),
                    1 => content[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
                    2 => content.truncate(at.max(8)),
                    _ => {
                        let end = (at + rng.random_range(1..9)).min(content.len());
                        content[at..end].fill(0xff);
                    }
                }
            }
            try_all(&file(folder.path(), &format!("broken{i}"), &content));
        }
    }
}

#[test]
fn affine_maps_compose_invert_and_fit() {
    let turn =
        Affine::new([[0.01, 1.29, 800.0], [-1.29, 0.01, 73_000.0], [0.0, 0.0, 1.0]]).unwrap();
    // The worked example of 10x's article: the corner of the H&E lies at the translation.
    assert_eq!(turn.apply([0.0, 0.0]), [800.0, 73_000.0]);
    let there_and_back = turn.then(&turn.inverse().unwrap()).unwrap();
    for p in [[0.0, 0.0], [12_000.0, -7.5]] {
        let q = there_and_back.apply(p);
        assert!((q[0] - p[0]).abs() < 1e-7 && (q[1] - p[1]).abs() < 1e-7, "{q:?}");
    }
    assert!((turn.magnification() - (0.01_f64.powi(2) + 1.29_f64.powi(2)).sqrt()).abs() < 1e-12);
    assert_eq!(turn.apply_all(array![[0.0, 0.0, 9.0]].view()), array![[800.0, 73_000.0]]);
    let singular = [[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 1.0]];
    let says = |m, word: &str| {
        let e = Affine::new(m).unwrap_err().to_string();
        assert!(e.contains(word), "{word} in {e}");
    };
    says(singular, "inverted");
    says([[0.0; 3], [0.0; 3], [0.0, 0.0, 1.0]], "inverted");
    says([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [5.0, 5.0, 1.0]], "transposed");
    says([[f64::NAN, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "finite");
    let on_a_line: Vec<_> =
        (0..5).map(|i| ([f64::from(i), 2.0 * f64::from(i)], [0.0, 0.0])).collect();
    assert!(Affine::fit(&on_a_line).unwrap_err().to_string().contains("one line"));
    assert!(Affine::fit(&on_a_line[..2]).unwrap_err().to_string().contains("at least 3"));
}

proptest! {
    #[test]
    fn a_map_is_found_again_from_its_landmarks(
        a in -3.0..3.0, b in -3.0..3.0, c in -1e4..1e4, d in -3.0..3.0, e in -3.0..3.0, f in -1e4..1e4,
        points in prop::collection::vec((-1e3..1e3, -1e3..1e3), 4..9),
    ) {
        let det: f64 = a * e - b * d;
        prop_assume!(det.abs() > 0.01);
        let map = Affine::new([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]]).unwrap();
        let pairs: Vec<_> = points.iter().map(|&(x, y)| ([x, y], map.apply([x, y]))).collect();
        if let Ok((found, left)) = Affine::fit(&pairs) {
            prop_assert!(left < 1e-6);
            for (p, q) in &pairs {
                let r = found.apply(*p);
                prop_assert!((r[0] - q[0]).abs() < 1e-5 && (r[1] - q[1]).abs() < 1e-5);
                let back = map.inverse().unwrap().apply(*q);
                prop_assert!((back[0] - p[0]).abs() < 1e-4 && (back[1] - p[1]).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn alignment_files_of_another_shape_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let says = |text: &str, words: &[&str]| {
        let path = file(folder.path(), "alignment.csv", text.as_bytes());
        let e = Affine::read(&path).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    says("1,0\n0,1\n", &["three rows of three", "2 rows of up to 2", "imagealignment.csv"]);
    says("1,0,0,5\n0,1,0,5\n0,0,1,0\n0,0,0,1\n", &["4 rows of up to 4"]);
    says("fixedX,fixedY,alignmentX,alignmentY\n1,2,3,4\n", &["keypoints", "landmarks"]);
    says("a,b,c\n0,1,0\n0,0,1\n", &["'a'", "header"]);
    says("1,0,0\n0,1,0\n7,7,1\n", &["transposed"]);
    says("", &["0 rows"]);
    let path = file(folder.path(), "good.csv", b"\xef\xbb\xbf\"1\"; 0; 5\r\n0;1;6\r\n0;0;1\r\n");
    assert_eq!(Affine::read(&path).unwrap().apply([1.0, 1.0]), [6.0, 7.0]);
}

#[test]
fn xenium_cells_come_to_lie_on_the_h_and_e_image() {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let slide = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
    let mut ds = positions(&grid(8, 100.0), "um");
    let by_file = AlignConfig {
        file: Some(folder.path().join("alignment.csv").display().to_string()),
        pixel_size_um: Some(2.0),
        ..AlignConfig::default()
    };
    align(&mut ds, &slide, &by_file).unwrap();
    // 20 um are 10 px of the DAPI image; the file maps (440, 50) of the H&E there.
    assert_eq!(ds.obsm()[keys::SPATIAL_PX].row(0).to_vec(), [440.0, 50.0]);
    let px = ds.pixels().unwrap();
    assert_eq!((px.unit, px.um_per_unit), (Unit::Px, Some(2.0)));
    // What it was fitted by does not matter.
    let landmarks: Vec<[f64; 4]> = [0, 7, 56]
        .map(|i| {
            let (um, px) = (&ds.obsm()[keys::SPATIAL], &ds.obsm()[keys::SPATIAL_PX]);
            [um[[i, 0]], um[[i, 1]], px[[i, 0]], px[[i, 1]]]
        })
        .to_vec();
    let expected = ds.obsm()[keys::SPATIAL_PX].clone();
    let by_landmarks = AlignConfig { landmarks: Some(landmarks), ..AlignConfig::default() };
    align(&mut ds, &slide, &by_landmarks).unwrap();
    let far = (&ds.obsm()[keys::SPATIAL_PX] - &expected).mapv(f64::abs);
    assert!(far.iter().all(|v| *v < 1e-9));
    // The picture comes along, and features of the tissue are computed from it.
    let config = AttachConfig { spot_diameter_um: Some(40.0), ..AttachConfig::default() };
    attach(&mut ds, &slide, &config).unwrap();
    assert_eq!(ds.coordinates().unwrap().unit, Unit::Um);
    let image = ds.tissue_image().unwrap();
    assert_eq!((image.scale, image.resolution.as_str()), (1.0, "hires"));
    assert!((image.spot_diameter_px - 20.0).abs() < 1e-9);
    let features = encode(&ds, &EncodeConfig::default()).unwrap();
    assert!(features.iter().all(|v| v.is_finite()) && features.nrows() == 64);
    // Replacing makes pixels the positions.
    align(&mut ds, &slide, &AlignConfig { replace: true, ..by_file.clone() }).unwrap();
    let own = ds.coordinates().unwrap();
    assert_eq!((own.unit, own.um_per_unit, own.xy[[0, 0]]), (Unit::Px, Some(2.0), 440.0));
    assert!(ds.obsm().contains_key("spatial_um"));

    let says = |ds: &mut Dataset, config: &AlignConfig, words: &[&str]| {
        let e = align(ds, &slide, config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    let mut ds = positions(&grid(8, 100.0), "um");
    let matrix = Some([[1.0, 0.0, 9000.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    says(
        &mut ds,
        &AlignConfig { matrix, ..AlignConfig::default() },
        &["512 x 512", "9020 to 9720", "0 %"],
    );
    let both = AlignConfig { matrix, ..by_file.clone() };
    says(&mut ds, &both, &["one of file, matrix and landmarks"]);
    let no_size = AlignConfig { pixel_size_um: None, ..by_file.clone() };
    says(&mut ds, &no_size, &["pixel_size_um", "experiment.xenium"]);
    // A reader of the bundle has put it there.
    let mut read = ds.clone();
    read.uns_mut().set(&[keys::XENIUM, "pixel_size_um"], Uns::Float(2.0));
    align(&mut read, &slide, &no_size).unwrap();
    assert_eq!(read.obsm()[keys::SPATIAL_PX], expected);
    let turned = Some([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]);
    says(
        &mut ds,
        &AlignConfig { matrix: turned, ..AlignConfig::default() },
        &["maps the other way"],
    );
    says(&mut positions(&grid(8, 100.0), ""), &by_file, &["unknown unit", "ds.set_unit"]);
    says(
        &mut positions(&grid(8, 1000.0), "px"),
        &AlignConfig::default(),
        &["512 x 512", "20 to 7020", "thumbnail"],
    );
}

#[test]
fn a_slide_says_how_large_a_spot_is_or_asks() {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let slide = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
    let mut ds = positions(&grid(5, 100.0), "px");
    let says = |ds: &mut Dataset, config: &AttachConfig, words: &[&str]| {
        let e = attach(ds, &slide, config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    says(&mut ds, &AttachConfig::default(), &["spot_diameter_um", "55 for Visium"]);
    let config = AttachConfig { spot_diameter_um: Some(55.0), ..AttachConfig::default() };
    says(&mut positions(&grid(5, 100.0), "um"), &config, &["data::align"]);
    says(&mut positions(&grid(5, 100.0), ""), &config, &["unknown unit", "ds.set_unit"]);
    says(&mut positions(&grid(5, 500.0), "px"), &config, &["512 x 512", "20 to 2020"]);
    attach(&mut ds, &slide, &config).unwrap();
    let own = ds.coordinates().unwrap();
    assert_eq!((own.unit, own.um_per_unit), (Unit::Px, Some(2.0)));
    assert_eq!(ds.tissue_image().unwrap().spot_diameter_px, 27.5);
    assert_eq!(
        ds.uns()
            .get(&["spatial", "slide", "scalefactors", "tissue_hires_scalef"])
            .and_then(Uns::as_f64),
        Some(1.0)
    );
    // Without a size of pixel the diameter does not become one of a Visium spot.
    let picture = image::RgbImage::from_fn(512, 512, |x, y| image::Rgb(pattern(x, y)));
    picture.save(folder.path().join("a.png")).unwrap();
    let plain = Slide::open(&folder.path().join("a.png")).unwrap();
    let mut ds = positions(&grid(5, 100.0), "px");
    let config = AttachConfig { spot_diameter_px: Some(20.0), ..AttachConfig::default() };
    attach(&mut ds, &plain, &config).unwrap();
    assert_eq!(ds.coordinates().unwrap().um_per_unit, None);
    let both = AttachConfig { spot_diameter_um: Some(100.0), ..config };
    attach(&mut ds, &plain, &both).unwrap();
    assert_eq!(ds.coordinates().unwrap().um_per_unit, Some(5.0));
}

#[test]
fn tiles_and_radii_in_the_wrong_unit_are_refused_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let slide = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
    // Spots 100 px apart, of 0.25 um each.
    let mut ds = positions(&grid(5, 100.0), "px");
    ds.set_unit("px", Some(0.25)).unwrap();
    let config = AttachConfig { spot_diameter_px: Some(50.0), ..AttachConfig::default() };
    attach(&mut ds, &slide, &config).unwrap();
    let tile = |um, px| EncodeConfig { tile_um: um, tile_px: px, ..EncodeConfig::default() };
    assert_eq!(
        encode(&ds, &tile(Some(20.0), None)).unwrap(),
        encode(&ds, &tile(None, Some(80.0))).unwrap()
    );
    let says = |config: &EncodeConfig, words: &[&str]| {
        let e = encode(&ds, config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    says(&tile(Some(112.0), None), &["448.0 px, 112.0 um", "512 x 512", "50.0 px (12.5 um)"]);
    says(&tile(Some(1.0), Some(1.0)), &["both"]);
    says(&tile(None, Some(0.0)), &["0.0 px"]);

    let c = ds.coordinates().unwrap();
    assert_eq!(
        radius(&c, &RadiusConfig { radius_um: Some(30.0), ..RadiusConfig::default() })
            .unwrap()
            .n_edges(),
        radius(&c, &RadiusConfig::of(120.0)).unwrap().n_edges()
    );
    let refused = |config: &RadiusConfig, words: &[&str]| {
        let e = radius(&c, config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    // 40 px reach nobody, 40 um reach the neighbours.
    refused(
        &RadiusConfig::of(40.0),
        &["40 px, which is 10 um", "100 px (25 um)", "radius_um: 40", "160 px"],
    );
    refused(&RadiusConfig { radius_um: Some(1.0), ..RadiusConfig::of(1.0) }, &["both"]);
    let um = RadiusConfig { radius_um: Some(30.0), ..RadiusConfig::default() };
    let unknown = |unit: &str, word: &str| {
        let c = positions(&grid(5, 100.0), unit).coordinates().unwrap();
        let e = radius(&c, &um).unwrap_err().to_string();
        assert!(e.contains(word) && e.contains("30") && e.contains("ds.set_unit"), "{e}");
    };
    unknown("px", "pixels of unknown size");
    unknown("", "unknown unit");
    let in_um = positions(&grid(5, 20.0), "um").coordinates().unwrap();
    assert!(radius(&in_um, &um).is_ok());
    let mut ds = positions(&grid(2, 1.0), "");
    assert!(ds.set_unit("mm", None).unwrap_err().to_string().contains("\"um\" or \"px\""));
    assert!(ds.set_unit("um", Some(2.0)).is_err() && ds.set_unit("px", Some(0.0)).is_err());
}

#[test]
fn an_overlay_shows_what_is_on_the_slide_and_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(folder.path());
    let slide = Slide::open(&folder.path().join("slide.ome.tif")).unwrap();
    let mut xy = grid(5, 100.0);
    xy.push([600.0, 30.0]);
    let mut ds = positions(&xy, "px");
    let config = OverlayConfig::default();
    let figure = overlay(&ds, &backdrop(&slide, &config), &config).unwrap();
    let Body::Map(map) = &figure.body else { panic!("a map") };
    let Fill::Groups { codes, names, label, .. } = &map.fill else { panic!("groups") };
    assert_eq!((names.len(), codes[25], codes[0]), (2, Some(1), Some(0)));
    assert_eq!((label.as_str(), map.unit.as_str(), map.um_per_unit), ("26 positions", "px", None));
    let picture = map.picture.as_ref().unwrap();
    assert_eq!([picture.x0, picture.y0, picture.x1, picture.y1], [-0.5, -0.5, 511.5, 511.5]);
    assert!(figure.to_png(None).is_ok() && figure.to_svg().unwrap().contains("x (px)"));
    // In micrometres by the size that the slide states, and a window of it.
    let um = OverlayConfig { unit: "um".into(), ..config.clone() };
    let figure = overlay(&ds, &backdrop(&slide, &um), &um).unwrap();
    let Body::Map(map) = &figure.body else { panic!("a map") };
    assert_eq!((map.x[1], map.unit.as_str()), (240.0, "µm"));
    let window = OverlayConfig { window: Some([100.0, 100.0, 200.0, 200.0]), ..config.clone() };
    let figure = overlay(&ds, &backdrop(&slide, &window), &window).unwrap();
    let Body::Map(map) = &figure.body else { panic!("a map") };
    assert_eq!(map.x.len(), 4);
    // Marks that the edge would cut are left out, and are not among those counted.
    let edge = OverlayConfig {
        window: Some([100.0, 100.0, 300.0, 300.0]),
        spot_size: Some(110.0),
        ..config.clone()
    };
    let figure = overlay(&ds, &backdrop(&slide, &edge), &edge).unwrap();
    let Body::Map(map) = &figure.body else { panic!("a map") };
    let Fill::Groups { label, .. } = &map.fill else { panic!("groups") };
    assert_eq!((map.x.len(), label.as_str()), (4, "4 positions"));
    let few = OverlayConfig { max_spots: 10, ..config.clone() };
    let figure = overlay(&ds, &backdrop(&slide, &few), &few).unwrap();
    let Body::Map(map) = &figure.body else { panic!("a map") };
    assert_eq!(map.x.len(), 9);
    let says = |ds: &Dataset, config: &OverlayConfig, words: &[&str]| {
        let e = overlay(ds, &backdrop(&slide, config), config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    let empty = OverlayConfig { window: Some([430.0, 430.0, 60.0, 60.0]), ..config.clone() };
    says(&ds, &empty, &["430 to 490", "20 to 600"]);
    says(&ds, &OverlayConfig { unit: "mm".into(), ..config.clone() }, &["\"px\" or \"um\""]);
    ds.set_unit("um", None).unwrap();
    says(&ds, &config, &["data::align"]);
}

#[test]
fn her2st_spots_lie_on_the_tissue_of_their_jpeg() {
    let Some(folder) = common::data("her2st/C2") else { return };
    let slide = Slide::open(&folder.join("C2_HE.jpg")).unwrap();
    assert_eq!((slide.width(), slide.height()), (9274, 9911));
    let table = std::fs::read_to_string(folder.join("C2_selection.tsv")).unwrap();
    let xy: Vec<[f64; 2]> = table
        .lines()
        .skip(1)
        .map(|l| {
            let f: Vec<f64> = l.split('\t').map(|v| v.parse().unwrap()).collect();
            [f[4], f[5]]
        })
        .collect();
    let mut ds = positions(&xy, "px");
    let config = AttachConfig {
        max_px: 1000,
        spot_diameter_um: Some(100.0),
        spot_diameter_px: Some(138.0),
        ..AttachConfig::default()
    };
    attach(&mut ds, &slide, &config).unwrap();
    // Under the spots the picture is darker than where nothing lies.
    let image = ds.tissue_image().unwrap();
    let light = |x: f64, y: f64| {
        let (x, y) = ((x * image.scale) as usize, (y * image.scale) as usize);
        (0..3).map(|k| f64::from(image.pixels[[y, x, k]])).sum::<f64>() / 3.0
    };
    let under = xy.iter().map(|p| light(p[0], p[1])).sum::<f64>() / xy.len() as f64;
    let background = light(1000.0, 1000.0);
    assert!(under < background - 40.0, "{under} {background}");
    assert_eq!(encode(&ds, &EncodeConfig::default()).unwrap().nrows(), xy.len());
}

#[test]
fn xenium_cells_lie_on_bright_dapi() {
    let Some(folder) = common::data("xenium_bone_marrow") else { return };
    let slide = Slide::open(&folder.join("dapi_level14_scale1over2.jpg")).unwrap();
    let cells = spatia_cells(&folder.join("cells.parquet"));
    let um: Vec<[f64; 2]> = cells.iter().map(|c| [c[0], c[1]]).collect();
    let mut ds = positions(&um, "um");
    // Landmarks from four cells; the picture has half the resolution of the columns.
    let far = |key: &dyn Fn(&[f64; 4]) -> f64| {
        cells.iter().copied().max_by(|a, b| key(a).total_cmp(&key(b))).unwrap()
    };
    let landmarks = [far(&|c| c[0]), far(&|c| -c[0]), far(&|c| c[1]), far(&|c| -c[1])]
        .map(|[x, y, u, v]| [x, y, u / 2.0, v / 2.0]);
    let config = AlignConfig { landmarks: Some(landmarks.to_vec()), ..AlignConfig::default() };
    align(&mut ds, &slide, &config).unwrap();
    let px = ds.pixels().unwrap();
    // The columns themselves, and the size of a pixel of half the resolution.
    let worst = cells
        .iter()
        .zip(px.xy.rows())
        .map(|(c, p)| (c[2] / 2.0 - p[0]).abs().max((c[3] / 2.0 - p[1]).abs()));
    assert!(worst.fold(0.0, f64::max) < 1e-6);
    assert!((px.um_per_unit.unwrap() - 0.425).abs() < 1e-6, "{:?}", px.um_per_unit);
    let whole = slide.region(&at(0, 0, 0, slide.width(), slide.height())).unwrap();
    let value = |p: [f64; 2]| f64::from(whole.get(p[0].round() as usize, p[1].round() as usize, 0));
    let on =
        px.xy.rows().into_iter().map(|r| value([r[0], r[1]])).sum::<f64>() / cells.len() as f64;
    let (w, h) = (slide.width() as f64, slide.height() as f64);
    let off = px.xy.rows().into_iter().map(|r| value([w - r[0], h - r[1]])).sum::<f64>()
        / cells.len() as f64;
    assert!(on > 3.0 * off, "{on} {off}");
}

/// x and y in um, then in DAPI pixels.
fn spatia_cells(path: &Path) -> Vec<[f64; 4]> {
    use polars::prelude::*;
    let table = ParquetReader::new(std::fs::File::open(path).unwrap()).finish().unwrap();
    let names = ["x_centroid", "y_centroid", "x_dapi_px", "y_dapi_px"];
    let columns = names.map(|n| table.column(n).unwrap().cast(&DataType::Float64).unwrap());
    (0..table.height())
        .map(|i| std::array::from_fn(|k| columns[k].f64().unwrap().get(i).unwrap()))
        .collect()
}
