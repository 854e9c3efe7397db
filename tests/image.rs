//! Stains and descriptors: known mixtures come back, and geometry does what it says.

use ndarray::{Array2, Array3, s};
use spatia::base::Kind;
use spatia::batch::image::{self as encode, EncodeConfig, Encoder};
use spatia::data::{Csr, Dataset, Table, Uns, keys};
use spatia::image::descriptor::{self, describe};
use spatia::image::stain::{Stain, vectors};

/// A picture with structure at every scale, the same on every machine.
fn texture(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(y, x, k)| {
        let mix = (x * 7 + y * 13 + k * 29) ^ (x * y / 3);
        150 + (mix % 90) as u8
    })
}

fn column(name: &str) -> usize {
    descriptor::names()
        .iter()
        .position(|n| n == name)
        .unwrap_or_else(|| panic!("no feature {name}"))
}

/// A dataset of spots at full-resolution pixels over an image at a tenth of that.
fn with_image(pixels: Array3<u8>, xy: &[[f64; 2]]) -> Dataset {
    let n = xy.len();
    let x = Csr::from_rows(1, vec![vec![(0, 1.0)]; n]);
    let obs = Table::new((0..n).map(|i| format!("s{i}")).collect());
    let mut ds = Dataset::new(x, obs, Table::new(vec!["g".into()])).unwrap();
    ds.set_obsm(keys::SPATIAL, Array2::from_shape_fn((n, 2), |(i, k)| xy[i][k])).unwrap();
    ds.uns_mut().set(&["spatial", "lib", "images", "lowres"], Uns::Bytes(pixels.into_dyn()));
    ds.uns_mut().set(&["spatial", "lib", "scalefactors", "tissue_lowres_scalef"], Uns::Float(0.1));
    ds.uns_mut()
        .set(&["spatial", "lib", "scalefactors", "spot_diameter_fullres"], Uns::Float(50.0));
    ds
}

#[test]
fn pure_stains_are_unit_axes_and_mixtures_add() {
    let stain = Stain::new([255; 3]);
    for (i, v) in vectors().iter().enumerate() {
        assert!((v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
        for (j, amount) in stain.separate(*v).iter().enumerate() {
            assert!((amount - f64::from(i == j)).abs() < 1e-12, "stain {i}, channel {j}: {amount}");
        }
    }
    let [h, e, _] = vectors();
    let mixed = stain.separate(std::array::from_fn(|k| 0.3 * h[k] + 1.7 * e[k]));
    assert!(
        (mixed[0] - 0.3).abs() < 1e-12 && (mixed[1] - 1.7).abs() < 1e-12 && mixed[2].abs() < 1e-12
    );
}

#[test]
fn a_colour_mixed_by_beer_lambert_gives_its_amounts_back() {
    let (white, stain) = (180.0, Stain::new([180; 3]));
    let [h, e, _] = vectors();
    let rgb =
        std::array::from_fn(|k| (white * 10_f64.powf(-0.4 * h[k] - 0.2 * e[k])).round() as u8);
    let found = stain.amounts(rgb);
    // A byte holds the density to about 0.5 / value / ln 10.
    assert!(
        (found[0] - 0.4).abs() < 0.01 && (found[1] - 0.2).abs() < 0.01 && found[2].abs() < 0.01,
        "{found:?}"
    );
    assert_eq!(stain.optical_density([180; 3]), [0.0; 3]);
    assert!(stain.optical_density([0; 3]).iter().all(|d| d.is_finite()));
}

#[test]
fn a_constant_image_has_no_spread_and_no_gradient() {
    let pixels = Array3::from_shape_fn((40, 50, 3), |(_, _, k)| [200, 120, 160][k]);
    let features = describe(&pixels, &[[25.0, 20.0], [0.0, 0.0], [49.4, 39.2]], 7.3).unwrap();
    for (f, name) in descriptor::names().iter().enumerate() {
        for i in 0..3 {
            assert!(features[[i, f]].is_finite());
            if !name.ends_with("mean") {
                assert_eq!(features[[i, f]], 0.0, "{name}");
            }
        }
        assert_eq!(features[[0, f]], features[[1, f]], "{name} at the border");
    }
}

#[test]
fn a_ramp_of_stain_has_its_slope_as_gradient() {
    // Eosin grows by 0.01 a pixel to the right.
    let e = vectors()[1];
    let pixels = Array3::from_shape_fn((60, 60, 3), |(_, x, k)| {
        (250.0 * 10_f64.powf(-0.01 * x as f64 * e[k])).round() as u8
    });
    let features = describe(&pixels, &[[30.0, 30.0], [40.0, 30.0]], 9.0).unwrap();
    let (mean, gradient, spread) =
        (column("spot_eosin_mean"), column("spot_eosin_gradient"), column("spot_eosin_spread"));
    assert!((features[[1, mean]] - features[[0, mean]] - 0.1).abs() < 0.005);
    assert!((features[[0, gradient]] - 0.01).abs() < 0.002, "{}", features[[0, gradient]]);
    // A disc of radius r has standard deviation r / 2 along one axis.
    assert!((features[[0, spread]] - 0.01 * 4.5 / 2.0).abs() < 0.003, "{}", features[[0, spread]]);
}

#[test]
fn the_spot_and_the_ring_see_different_tissue() {
    // Blue within 6 px of the centre, pink outside.
    let pixels = Array3::from_shape_fn((80, 80, 3), |(y, x, k)| {
        let inside = (x as f64 - 40.0).hypot(y as f64 - 40.0) < 6.0;
        if inside { [120, 100, 180][k] } else { [240, 170, 220][k] }
    });
    let features = describe(&pixels, &[[40.0, 40.0]], 8.0).unwrap();
    assert!(
        features[[0, column("spot_hematoxylin_mean")]]
            > features[[0, column("ring_hematoxylin_mean")]] + 0.1
    );
    assert_eq!(features[[0, column("spot_hematoxylin_spread")]], 0.0);
    assert!(features[[0, column("ring_hematoxylin_spread")]] > 0.01);
}

#[test]
fn the_ring_leaves_the_spot_out() {
    // Blue in the spot alone. Its soft rim lends the ring half of the pixels at 4 px: 12 of 400.
    let (blue, pink) = ([120, 100, 180], [240, 170, 220]);
    let pixels = Array3::from_shape_fn((80, 80, 3), |(y, x, k)| {
        let inside = (x as f64 - 40.0).hypot(y as f64 - 40.0) < 4.4;
        if inside { blue[k] } else { pink[k] }
    });
    let features = describe(&pixels, &[[40.0, 40.0]], 8.0).unwrap();
    let stain = Stain::new(pink);
    let (own, around) = (stain.amounts(blue)[0], stain.amounts(pink)[0]);
    let share = (features[[0, column("ring_hematoxylin_mean")]] - around) / (own - around);
    assert!((0.0..0.06).contains(&share), "{share}");
}

#[test]
fn moving_image_and_spots_together_changes_nothing() {
    let pixels = texture(70, 90);
    let centers = [[30.2, 31.7], [40.0, 35.5], [44.9, 29.1]];
    let (dx, dy) = (17, 11);
    // Rolled rather than padded, so that the white level stays what it was.
    let moved = Array3::from_shape_fn((70, 90, 3), |(y, x, k)| {
        pixels[[(y + 70 - dy) % 70, (x + 90 - dx) % 90, k]]
    });
    let shifted = centers.map(|[x, y]| [x + dx as f64, y + dy as f64]);
    let (a, b) =
        (describe(&pixels, &centers, 6.4).unwrap(), describe(&moved, &shifted, 6.4).unwrap());
    assert!((&a - &b).iter().all(|d| d.abs() < 1e-12), "{}", &a - &b);
    assert!(
        (&a - &describe(&pixels, &shifted, 6.4).unwrap()).iter().any(|d| d.abs() > 1e-3),
        "the texture must differ there"
    );
}

#[test]
fn tiny_spots_get_a_window_and_borders_are_clipped() {
    let pixels = texture(30, 30);
    let centers = [[0.0, 0.0], [29.4, 29.4], [15.0, 15.0]];
    let (tiny, least) =
        (describe(&pixels, &centers, 0.2).unwrap(), describe(&pixels, &centers, 3.0).unwrap());
    assert_eq!(tiny, least);
    assert!(tiny.iter().all(|v| v.is_finite()));
    assert!(tiny[[2, column("spot_eosin_spread")]] > 0.0);
    // An image smaller than the spot has no ring; it takes the spot's numbers.
    let small = describe(&pixels.slice(s![..3, ..4, ..]).to_owned(), &[[1.0, 1.0]], 40.0).unwrap();
    assert_eq!(small[[0, column("ring_eosin_mean")]], small[[0, column("spot_eosin_mean")]]);
}

#[test]
fn what_cannot_be_described_is_refused_with_numbers() {
    let pixels = texture(20, 30);
    let e = describe(&pixels, &[[5.0, 5.0], [2400.0, 3.0]], 5.0).unwrap_err().to_string();
    assert!(e.contains("30 x 20") && e.contains("2400.0") && e.contains("spot 1"), "{e}");
    assert!(describe(&pixels, &[[f64::NAN, 3.0]], 5.0).is_err());
    assert!(describe(&pixels, &[[3.0, 3.0]], 0.0).unwrap_err().to_string().contains("above 0"));
    let dark = Array3::from_elem((20, 20, 3), 30_u8);
    assert!(describe(&dark, &[[3.0, 3.0]], 5.0).unwrap_err().to_string().contains("bright-field"));
    assert!(describe(&Array3::zeros((0, 5, 3)), &[], 5.0).is_err());
}

#[test]
fn encode_scales_coordinates_and_standardises() {
    let xy: Vec<[f64; 2]> = (0..20)
        .map(|i| [100.0 + 30.0 * f64::from(i % 5), 80.0 + 37.0 * f64::from(i / 5)])
        .collect();
    let ds = with_image(texture(60, 60), &xy);
    let raw = encode::encode(&ds, &EncodeConfig { standardize: false, ..EncodeConfig::default() })
        .unwrap();
    let centers: Vec<[f64; 2]> = xy.iter().map(|p| [p[0] * 0.1, p[1] * 0.1]).collect();
    assert_eq!(raw, describe(&texture(60, 60), &centers, 5.0).unwrap());
    let features = encode::encode(&ds, &EncodeConfig::default()).unwrap();
    assert_eq!(features.ncols(), encode::names(&EncodeConfig::default()).len());
    for column in features.columns() {
        let sd = column.std(0.0);
        assert!(column.mean().unwrap().abs() < 1e-9 && (sd - 1.0).abs() < 1e-9, "{sd}");
    }
    let flat = with_image(Array3::from_elem((60, 60, 3), 200), &xy);
    assert!(encode::encode(&flat, &EncodeConfig::default()).unwrap().iter().all(|&v| v == 0.0));
}

#[test]
fn without_an_image_only_zeros_by_name() {
    let mut ds = with_image(texture(60, 60), &[[100.0, 100.0]]);
    let zeros = EncodeConfig { encoder: Encoder::Zeros, ..EncodeConfig::default() };
    assert!(encode::encode(&ds, &zeros).unwrap().iter().all(|&v| v == 0.0));
    *ds.uns_mut() = Uns::default();
    let e = encode::encode(&ds, &EncodeConfig::default()).unwrap_err();
    assert_eq!(e.what(), Kind::Missing);
    let text = e.to_string();
    assert!(
        text.contains("image-guided") && text.contains("zeros") && text.contains("image_features"),
        "{text}"
    );
    assert_eq!(encode::encode(&ds, &zeros).unwrap().dim(), (1, encode::names(&zeros).len()));
}

#[test]
fn micrometres_are_not_taken_for_pixels() {
    let mut ds = with_image(texture(60, 60), &[[100.0, 100.0]]);
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text("um".into()));
    assert!(
        encode::encode(&ds, &EncodeConfig::default())
            .unwrap_err()
            .to_string()
            .contains("micrometres")
    );
}

#[test]
fn options_are_read_by_name() {
    let config: EncodeConfig =
        spatia::base::options::parse(serde_json::json!({ "encoder": "zeros" }), "encode").unwrap();
    assert_eq!(config.encoder, Encoder::Zeros);
    let e = spatia::base::options::parse::<EncodeConfig>(
        serde_json::json!({ "encoder": "zero" }),
        "encode",
    )
    .unwrap_err();
    assert!(e.to_string().contains("zeros") && e.to_string().contains("stain_texture"), "{e}");
}

#[test]
fn white_matter_is_told_from_grey_on_a_real_slide_whose_spots_are_four_pixels_wide() {
    let Some(folder) = crate::common::data("dlpfc/151673") else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let layers = read("layers.tsv");
    let layer: std::collections::HashMap<&str, &str> =
        layers.lines().filter_map(|l| l.split_once('\t')).collect();
    let image = image::open(folder.join("spatial/tissue_lowres_image.png")).unwrap().to_rgb8();
    let pixels = Array3::from_shape_vec(
        (image.height() as usize, image.width() as usize, 3),
        image.into_raw(),
    )
    .unwrap();
    let (mut centers, mut labels) = (Vec::new(), Vec::new());
    for line in read("spatial/tissue_positions_list.csv").lines() {
        let fields: Vec<&str> = line.split(',').collect();
        if let Some(label) = layer.get(fields[0]) {
            // Row before column in this file; 0.045 and 96.4 px are in scalefactors_json.json.
            let place = |k: usize| fields[k].parse::<f64>().unwrap() * 0.045_004_502;
            centers.push([place(5), place(4)]);
            labels.push(*label);
        }
    }
    let features = describe(&pixels, &centers, 96.400_824 * 0.045_004_502).unwrap();
    assert_eq!(features.nrows(), 3639);
    assert!(features.iter().all(|v| v.is_finite()));
    // The probability that white matter holds more eosin than grey: an AUROC, by ranks.
    let eosin = features.column(column("spot_eosin_mean"));
    let (white, grey): (Vec<usize>, Vec<usize>) =
        (0..labels.len()).filter(|&i| labels[i] != "NA").partition(|&i| labels[i] == "WM");
    let above: usize =
        white.iter().map(|&w| grey.iter().filter(|&&g| eosin[w] > eosin[g]).count()).sum();
    let auroc = above as f64 / (white.len() * grey.len()) as f64;
    assert!(auroc > 0.85, "{auroc}");
}
