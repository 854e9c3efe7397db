//! Figures: the right colour at the right place, the same bytes from the same specification, no
//! text over text.

use std::collections::BTreeSet;

use image::RgbImage;
use ndarray::{Array2, Array3};
use polars::prelude::*;
use spatia::base::Kind;
use spatia::data::{Csr, Dataset, Table, Uns, keys};
use spatia::plot::{
    Body, Cmap, CurvesConfig, Figure, Fill, Map, SpatialConfig, curves, palette, spatial, spots,
};

const ORANGE: [u8; 3] = [230, 159, 0];
const BLUE: [u8; 3] = [86, 180, 233];
const GREEN: [u8; 3] = [0, 158, 115];
const MISSING: [u8; 3] = [205, 205, 205];

fn dataset(xy: &[[f64; 2]]) -> Dataset {
    let n = xy.len();
    let x = Csr::from_rows(2, (0..n).map(|i| vec![(1, i as f32)]).collect());
    let obs = Table::new((0..n).map(|i| format!("s{i}")).collect());
    let mut ds = Dataset::new(x, obs, Table::new(vec!["ACTB".into(), "MBP".into()])).unwrap();
    ds.set_obsm(keys::SPATIAL, Array2::from_shape_fn((n, 2), |(i, k)| xy[i][k])).unwrap();
    ds
}

fn grid(n: usize, spacing: f64) -> Vec<[f64; 2]> {
    (0..n * n).map(|i| [(i % n) as f64 * spacing, (i / n) as f64 * spacing]).collect()
}

fn in_um(mut ds: Dataset) -> Dataset {
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text("um".into()));
    ds
}

fn color(name: &str) -> SpatialConfig {
    SpatialConfig { color: name.into(), ..SpatialConfig::default() }
}

fn decode(figure: &Figure, width: Option<u32>) -> RgbImage {
    image::load_from_memory(&figure.to_png(width).unwrap()).unwrap().to_rgb8()
}

/// Number and centre of the pixels of a colour left of `right`, where the map is and the key not.
fn blot(image: &RgbImage, colour: [u8; 3], right: u32) -> (usize, f64, f64) {
    let hits: Vec<(f64, f64)> = image
        .enumerate_pixels()
        .filter(|(x, _, p)| *x < right && p.0 == colour)
        .map(|(x, y, _)| (f64::from(x), f64::from(y)))
        .collect();
    let n = hits.len() as f64;
    (
        hits.len(),
        hits.iter().map(|h| h.0).sum::<f64>() / n,
        hits.iter().map(|h| h.1).sum::<f64>() / n,
    )
}

fn map(figure: &Figure) -> &Map {
    match &figure.body {
        Body::Map(map) => map,
        Body::Chart(_) => panic!("not a map"),
    }
}

/// A text of an svg as a box: left, top, right, bottom, in drawing units, and what it says.
type Boxed = ([f64; 4], String);

/// The boxes of all texts, wider than our typeface sets them; and the drawing's size.
fn texts(svg: &str) -> (Vec<Boxed>, [f64; 2]) {
    let attribute = |tag: &str, name: &str| -> String {
        let from = tag.find(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name} in {tag}"))
            + name.len()
            + 3;
        tag[from..from + tag[from..].find('"').unwrap()].to_owned()
    };
    let number = |tag: &str, name: &str| attribute(tag, name).parse::<f64>().unwrap() / 4.0;
    let view: Vec<f64> =
        attribute(svg, "viewBox").split(' ').map(|v| v.parse::<f64>().unwrap() / 4.0).collect();
    let mut boxes = Vec::new();
    for part in svg.split("<text").skip(1) {
        let (tag, rest) = part.split_once('>').unwrap();
        let text = rest.split("</text>").next().unwrap().trim().to_owned();
        let em = number(tag, "font-size");
        let width = 0.5 * em * text.chars().count() as f64;
        let baseline = number(tag, "y") + 0.76 * em;
        let left = match attribute(tag, "text-anchor").as_str() {
            "start" => number(tag, "x"),
            "middle" => number(tag, "x") - width / 2.0,
            _ => number(tag, "x") - width,
        };
        boxes.push(([left, baseline - 0.7 * em, left + width, baseline + 0.2 * em], text));
    }
    (boxes, [view[2], view[3]])
}

#[track_caller]
fn no_text_over_text(figure: &Figure) {
    let (boxes, [width, height]) = texts(&figure.to_svg().unwrap());
    for (i, (a, text)) in boxes.iter().enumerate() {
        assert!(
            a[0] >= 0.0 && a[1] >= 0.0 && a[2] <= width && a[3] <= height,
            "'{text}' leaves the figure: {a:?}"
        );
        for (b, other) in &boxes[..i] {
            let apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
            assert!(apart, "'{text}' {a:?} lies over '{other}' {b:?}");
        }
    }
}

#[test]
fn groups_are_drawn_where_they_lie_with_y_downwards_and_equal_steps() {
    let mut ds = in_um(dataset(&[[0.0, 0.0], [300.0, 0.0], [0.0, 300.0], [300.0, 300.0]]));
    let names = ["a", "b", "c"].map(|s| Some(s.to_owned()));
    ds.obs_mut()
        .set_categories("g", &[names[0].clone(), names[1].clone(), names[2].clone(), None])
        .unwrap();
    let figure = spatial(&ds, &SpatialConfig { spot_size: Some(60.0), ..color("g") }).unwrap();
    let image = decode(&figure, None);
    assert_eq!(image.width(), 1200);
    let right = 1000;
    let [a, b, c, d] = [ORANGE, BLUE, GREEN, MISSING].map(|colour| blot(&image, colour, right));
    assert!((b.1 - a.1) > 300.0 && (b.2 - a.2).abs() < 1.0, "b is right of a: {a:?} {b:?}");
    assert!((c.2 - a.2) > 300.0 && (c.1 - a.1).abs() < 1.0, "c is below a: {a:?} {c:?}");
    assert!(((b.1 - a.1) - (c.2 - a.2)).abs() < 1.0, "steps across and down are equal");
    assert!((d.1 - b.1).abs() < 1.0 && (d.2 - c.2).abs() < 1.0, "the missing one is grey: {d:?}");
    // Each spot has its true diameter; the rim's mixed pixels are not counted.
    let r = 30.0 * (b.1 - a.1) / 300.0;
    let area = std::f64::consts::PI * r * r;
    assert!((a.0 as f64 / area - 1.0).abs() < 0.06, "{} of {area}", a.0);
    // The key repeats the colours.
    assert!(blot(&image, ORANGE, 1200).0 > a.0 + 100);
}

#[test]
fn numbers_run_along_the_colours_and_values_beyond_are_clipped_to_the_ends() {
    let mut ds = in_um(dataset(&grid(3, 100.0)));
    ds.obs_mut().set_f64("v", &[-9.0, 0.0, 0.5, 1.0, 9.0, f64::NAN, 0.5, 0.5, 0.5]).unwrap();
    let config = SpatialConfig { limits: Some([0.0, 1.0]), ..color("v") };
    let figure = spatial(&ds, &config).unwrap();
    let image = decode(&figure, None);
    let at = |t: f64| Cmap::Viridis.at(t).0;
    let spot = blot(&image, at(0.5), 1000).0 / 4;
    assert!(spot > 100, "{spot}");
    for (colour, n) in [(at(0.0), 2), (at(1.0), 2), (MISSING, 1)] {
        let found = blot(&image, colour, 1000).0;
        assert!(found.abs_diff(n * spot) < spot / 10, "{colour:?}: {found}, {n} spots of {spot}");
    }
    // With nothing beyond, the bar has no arrows, and is that much less ink.
    let all = spatial(&ds, &SpatialConfig { percentiles: [0.0, 100.0], ..color("v") }).unwrap();
    let Fill::Numbers { low, high, values, .. } = &map(&all).fill else { panic!("numbers") };
    assert_eq!((*low, *high, values[5]), (-9.0, 9.0, None));
    assert_eq!(figure.to_svg().unwrap().matches("<polygon").count(), 2);
    assert_eq!(all.to_svg().unwrap().matches("<polygon").count(), 0);
}

#[test]
fn the_image_lies_under_its_spots() {
    // A red square of 10 x 10 pixels at (60, 40) of an image at half resolution.
    let pixels = Array3::from_shape_fn((100, 120, 3), |(y, x, k)| {
        let square = (55..65).contains(&x) && (35..45).contains(&y);
        if square { [255, 0, 0][k] } else { [240, 240, 240][k] }
    });
    // The square's centre is between pixels 59 and 60: 59.5 / 0.5 in full-resolution pixels.
    let mut ds = dataset(&[[119.0, 79.0], [20.0, 20.0], [220.0, 180.0]]);
    ds.obs_mut().set_text("g", &["a".into(), "b".into(), "b".into()]).unwrap();
    ds.uns_mut().set(&["spatial", "lib", "images", "hires"], Uns::Bytes(pixels.into_dyn()));
    ds.uns_mut().set(&["spatial", "lib", "scalefactors", "tissue_hires_scalef"], Uns::Float(0.5));
    ds.uns_mut().set(&["spatial", "lib", "scalefactors", "spot_diameter_fullres"], Uns::Float(8.0));
    let figure = spatial(&ds, &color("g")).unwrap();
    assert_eq!((map(&figure).diameter, map(&figure).picture.is_some()), (8.0, true));
    let image = decode(&figure, None);
    let (spot, square) = (blot(&image, ORANGE, 1000), blot(&image, [255, 0, 0], 1000));
    assert!(
        square.0 > 1000 && (spot.1 - square.1).abs() < 1.0 && (spot.2 - square.2).abs() < 1.0,
        "{spot:?} {square:?}"
    );
    let bare = spatial(&ds, &SpatialConfig { image: false, ..color("g") }).unwrap();
    assert!(map(&bare).picture.is_none());
    assert_eq!(blot(&decode(&bare, None), [255, 0, 0], 1200).0, 0);
}

#[test]
fn one_specification_gives_one_sequence_of_bytes_also_by_way_of_json() {
    let ds = spatia::sim::tissue(&spatia::sim::TissueConfig {
        spots: 300,
        genes: 20,
        ..Default::default()
    })
    .unwrap();
    let table = history(30);
    for figure in [
        spatial(&ds, &color("domain_true")).unwrap(),
        spatial(&ds, &color("purity")).unwrap(),
        curves(&table, &CurvesConfig::default()).unwrap(),
    ] {
        let back: Figure = serde_json::from_str(&serde_json::to_string(&figure).unwrap()).unwrap();
        assert!(back == figure);
        assert!(figure.to_png(None).unwrap() == back.to_png(None).unwrap());
        assert!(figure.to_svg().unwrap() == back.to_svg().unwrap());
    }
    let (a, b) = (spatial(&ds, &color("purity")).unwrap(), spatial(&ds, &color("Gene01")).unwrap());
    assert!(a.to_png(None).unwrap() != b.to_png(None).unwrap());
}

#[test]
fn png_has_the_width_that_is_asked_for() {
    let mut ds = dataset(&grid(4, 10.0));
    ds.obs_mut().set_f64("v", &(0..16).map(f64::from).collect::<Vec<_>>()).unwrap();
    let figure = spatial(&ds, &SpatialConfig { width: 700, ..color("v") }).unwrap();
    let (own, large) = (decode(&figure, None), decode(&figure, Some(1400)));
    assert_eq!((own.width(), large.width()), (700, 1400));
    assert!(large.height().abs_diff(2 * own.height()) <= 1);
    assert!(
        figure.to_svg().unwrap().starts_with("<svg")
            && figure.to_svg().unwrap().contains("width=\"700\"")
    );
    for width in [0, 199, 10_001] {
        assert!(figure.to_png(Some(width)).unwrap_err().to_string().contains(&width.to_string()));
    }
}

#[test]
fn svg_keeps_few_spots_as_circles_and_embeds_many_as_a_picture() {
    let circles = |n: usize| {
        let mut ds = in_um(dataset(&grid(n, 10.0)));
        ds.obs_mut().set_f64("v", &(0..n * n).map(|i| i as f64).collect::<Vec<_>>()).unwrap();
        let svg = spatial(&ds, &color("v")).unwrap().to_svg().unwrap();
        assert!(svg.trim_end().ends_with("</svg>"));
        (svg.matches("<circle").count(), svg.matches("data:image/png;base64,").count())
    };
    assert_eq!(circles(20), (400, 0));
    assert_eq!(circles(71), (0, 1));
}

#[test]
fn names_are_escaped_in_svg() {
    let mut ds = dataset(&grid(2, 10.0));
    ds.obs_mut().set_text("g", &["a<b".into(), "R&D".into(), "a<b".into(), "R&D".into()]).unwrap();
    let svg = spatial(&ds, &color("g")).unwrap().to_svg().unwrap();
    assert!(svg.contains("a&lt;b") && svg.contains("R&amp;D") && !svg.contains("a<b"));
}

#[test]
fn no_text_lies_over_another_or_leaves_the_figure() {
    let long = |i: usize| {
        format!("cell type {i} of a name that goes on and on and on, as atlases have them")
    };
    for (side, groups) in [(7, 3), (7, 20), (12, 60), (12, 100)] {
        let mut ds = dataset(&grid(side, 1234.5));
        let n = side * side;
        let short: Vec<Option<String>> =
            (0..n).map(|i| (i % 7 != 0).then(|| format!("L{}", i % groups))).collect();
        let names: Vec<String> = (0..n).map(|i| long(i % groups)).collect();
        ds.obs_mut().set_categories("short", &short).unwrap();
        ds.obs_mut().set_text("long", &names).unwrap();
        for name in ["short", "long"] {
            let config = SpatialConfig {
                title: "A title that is much longer than the figure is wide. ".repeat(4),
                ..color(name)
            };
            no_text_over_text(&spatial(&ds, &config).unwrap());
            no_text_over_text(&spatial(&in_um(ds.clone()), &color(name)).unwrap());
        }
    }
    // A thread of spots either way, large and tiny numbers.
    for xy in [
        (0..50).map(|i| [f64::from(i) * 2e7, 5.0]).collect::<Vec<_>>(),
        (0..50).map(|i| [5.0, f64::from(i) * 1e-3]).collect(),
    ] {
        let mut ds = dataset(&xy);
        for scale in [1e-7, 1.0, 3e9] {
            let values: Vec<f64> = (0..50)
                .map(|i| if i % 9 == 0 { f64::NAN } else { scale * (1.0 + 1e-3 * f64::from(i)) })
                .collect();
            ds.obs_mut().set_f64("v", &values).unwrap();
            no_text_over_text(&spatial(&ds, &color("v")).unwrap());
            no_text_over_text(
                &spatial(
                    &in_um(ds.clone()),
                    &SpatialConfig { title: "Short".into(), ..color("v") },
                )
                .unwrap(),
            );
        }
    }
    no_text_over_text(
        &curves(
            &history(200),
            &CurvesConfig { title: "Training".into(), ..CurvesConfig::default() },
        )
        .unwrap(),
    );
    let y = vec!["nll + valid_nll + kl + beta".into(), "kl".into(), "beta".into(), "nll".into()];
    for log in [None, Some(true), Some(false)] {
        no_text_over_text(
            &curves(&history(1000), &CurvesConfig { y: y.clone(), log, ..CurvesConfig::default() })
                .unwrap(),
        );
    }
}

#[test]
fn groups_are_ordered_as_people_count() {
    let mut ds = dataset(&grid(2, 10.0));
    ds.obs_mut().set_text("g", &["D10".into(), "D2".into(), "D1".into(), "D2".into()]).unwrap();
    ds.obs_mut().set_bool("b", &[false, true, false, true]).unwrap();
    ds.obs_mut().set(Column::new("i".into(), [3_i64, 1, 10, 1])).unwrap();
    let names = |config: &SpatialConfig| match spatial(&ds, config)
        .map(|f| map(&f).fill.clone())
        .unwrap()
    {
        Fill::Groups { names, codes, .. } => {
            (names, codes.into_iter().map(Option::unwrap).collect::<Vec<_>>())
        }
        Fill::Numbers { .. } => (Vec::new(), Vec::new()),
    };
    assert_eq!(
        names(&color("g")),
        (vec!["D1".to_owned(), "D2".into(), "D10".into()], vec![2, 1, 0, 1])
    );
    assert_eq!(names(&color("b")), (vec!["false".to_owned(), "true".into()], vec![0, 1, 0, 1]));
    assert_eq!(names(&color("i")).0, Vec::<String>::new());
    assert_eq!(names(&SpatialConfig { groups: true, ..color("i") }).0, ["1", "3", "10"]);
    // Categories in an order that somebody gave them keep it; those that nothing has are left out.
    let ordered = |categories: &[&str], codes: [u32; 4]| {
        let mut ds = ds.clone();
        let categories: Vec<String> = categories.iter().map(|c| (*c).to_owned()).collect();
        ds.obs_mut().set_codes("o", &categories, &codes.map(Some)).unwrap();
        match &map(&spatial(&ds, &color("o")).unwrap()).fill {
            Fill::Groups { names, codes, .. } => (names.join(" "), codes.clone()),
            Fill::Numbers { .. } => panic!("groups"),
        }
    };
    assert_eq!(
        ordered(&["none", "low", "medium", "high"], [3, 1, 2, 1]),
        ("low medium high".into(), vec![Some(2), Some(0), Some(1), Some(0)])
    );
    assert_eq!(ordered(&["D1", "D10", "D2"], [0, 1, 2, 2]).0, "D1 D2 D10");
}

#[test]
fn genes_are_found_by_name_in_x_or_a_layer() {
    let mut ds = dataset(&grid(2, 10.0));
    ds.set_layer("raw", Csr::from_rows(2, (0..4).map(|i| vec![(1, 10.0 * i as f32)]).collect()))
        .unwrap();
    let values = |config: &SpatialConfig| match spatial(&ds, config)
        .map(|f| map(&f).fill.clone())
        .unwrap()
    {
        Fill::Numbers { values, label, .. } => (values, label),
        Fill::Groups { .. } => panic!("numbers"),
    };
    assert_eq!(values(&color("MBP")).0, [0.0, 1.0, 2.0, 3.0].map(Some));
    let raw = values(&SpatialConfig { layer: "raw".into(), ..color("MBP") });
    assert_eq!((raw.0[3], raw.1.as_str()), (Some(30.0), "MBP (raw)"));
    // A gene without counts is one colour, not a division by zero.
    assert!(spatial(&ds, &color("ACTB")).unwrap().to_png(None).is_ok());
    assert!(
        spatial(&ds, &SpatialConfig { layer: "ravv".into(), ..color("MBP") })
            .unwrap_err()
            .to_string()
            .contains("raw")
    );
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let mut ds = dataset(&grid(11, 10.0));
    ds.obs_mut().set_f64("kl", &[f64::NAN; 121]).unwrap();
    ds.obs_mut().set_f64("v", &[1.0; 121]).unwrap();
    ds.obs_mut()
        .set_text("id", &(0..121).map(|i| format!("spot {i}")).collect::<Vec<_>>())
        .unwrap();
    ds.obs_mut().set_categories("none", &vec![None; 121]).unwrap();
    let says = |config: SpatialConfig, words: &[&str]| {
        let e = spatial(&ds, &config).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{words:?} in: {e}");
    };
    says(color("kll"), &["'kl'", "a column of obs or a gene"]);
    says(color("MPB"), &["Did you mean 'MBP'"]);
    says(color("kl"), &["121 missing"]);
    says(color("none"), &["121 missing"]);
    says(color("id"), &["121 different", "identifier"]);
    says(SpatialConfig { limits: Some([2.0, 1.0]), ..color("v") }, &["ascend"]);
    says(SpatialConfig { percentiles: [-1.0, 50.0], ..color("v") }, &["percentiles"]);
    says(SpatialConfig { opacity: 0.0, ..color("v") }, &["opacity"]);
    says(SpatialConfig { spot_size: Some(-1.0), ..color("v") }, &["spot_size"]);
    let bare = Dataset::new(
        Csr::from_rows(1, vec![vec![]]),
        Table::new(vec!["s".into()]),
        Table::new(vec!["g".into()]),
    )
    .unwrap();
    assert_eq!(spatial(&bare, &color("g")).unwrap_err().what(), Kind::Missing);
    let mut broken = spatial(&ds, &color("v")).unwrap();
    if let Body::Map(m) = &mut broken.body {
        m.x.pop();
    }
    assert!(broken.to_png(None).is_err());
}

#[test]
fn save_goes_by_extension_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut ds = dataset(&[[1.0, 1.0]]);
    ds.obs_mut().set_f64("v", &[1.0]).unwrap();
    let figure = spatial(&ds, &color("v")).unwrap();
    figure.save(&folder.path().join("new/one.png")).unwrap();
    figure.save(&folder.path().join("one.SVG")).unwrap();
    assert!(image::open(folder.path().join("new/one.png")).is_ok());
    assert!(std::fs::read_to_string(folder.path().join("one.SVG")).unwrap().starts_with("<svg"));
    for name in ["one.pdf", "one"] {
        let e = figure.save(&folder.path().join(name)).unwrap_err().to_string();
        assert!(e.contains(".png, .svg or .json"), "{e}");
        assert!(!folder.path().join(name).exists());
    }
}

#[test]
fn colours_are_distinct_and_scales_grow_lighter() {
    let all: BTreeSet<[u8; 3]> = palette(48).into_iter().map(|c| c.0).collect();
    assert_eq!(all.len(), 48);
    assert_eq!(palette(2).into_iter().map(|c| c.0).collect::<Vec<_>>(), [ORANGE, BLUE]);
    let light =
        |c: [u8; 3]| 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
    for cmap in [Cmap::Viridis, Cmap::Cividis, Cmap::Magma] {
        let steps: Vec<f64> = (0..=50).map(|i| light(cmap.at(f64::from(i) / 50.0).0)).collect();
        assert!(steps.windows(2).all(|w| w[1] > w[0]), "{cmap:?}: {steps:?}");
        assert_eq!(cmap.at(-3.0), cmap.at(0.0));
    }
    assert_eq!(Cmap::Bluered.at(0.5).0, [247; 3]);
}

/// A made-up history of `n` epochs.
fn history(n: usize) -> DataFrame {
    let epochs: Vec<f64> = (0..n).map(|i| i as f64).collect();
    let column = |name: &str, f: &dyn Fn(f64) -> f64| {
        Column::new(name.into(), epochs.iter().map(|&e| f(e)).collect::<Vec<f64>>())
    };
    DataFrame::new_infer_height(vec![
        column("epoch", &|e| e),
        column("nll", &|e| 812.0 + 400.0 * (-e / 20.0).exp()),
        column("valid_nll", &|e| {
            if e == 3.0 { f64::NAN } else { 830.0 + 390.0 * (-e / 22.0).exp() }
        }),
        column("kl", &|e| 1.8 + 300.0 * (-e / 8.0).exp()),
        column("beta", &|e| (e / 50.0).min(1.0)),
        Column::new("note".into(), vec!["x"; n]),
    ])
    .unwrap()
}

#[test]
fn curves_take_the_columns_asked_for_and_choose_the_axis() {
    let chart = |config: &CurvesConfig| match curves(&history(100), config).unwrap().body {
        Body::Chart(c) => c,
        Body::Map(_) => panic!("not a chart"),
    };
    let all = chart(&CurvesConfig::default());
    let labels: Vec<&str> = all.panels.iter().map(|p| p.label.as_str()).collect();
    assert_eq!(labels, ["nll (nats per spot)", "valid_nll", "kl (nats per spot)", "beta"]);
    assert_eq!(all.panels.iter().map(|p| p.log).collect::<Vec<_>>(), [false, false, true, false]);
    assert_eq!(all.panels[1].series[0].y[3], None);
    let two = chart(&CurvesConfig {
        y: vec!["nll+valid_nll".into(), "kl".into()],
        log: Some(false),
        ..Default::default()
    });
    assert_eq!((two.panels.len(), two.panels[0].series.len(), two.panels[1].log), (2, 2, false));
    assert_eq!(two.panels[0].label, "nll (nats per spot)");
    assert_ne!(two.panels[0].series[0].colour, two.panels[0].series[1].colour);
}

#[test]
fn a_curve_falls_where_the_values_fall_and_breaks_where_one_is_missing() {
    let figure =
        curves(&history(100), &CurvesConfig { y: vec!["beta".into()], ..Default::default() })
            .unwrap();
    let image = decode(&figure, None);
    let ink = palette(5)[4].0;
    let heights: Vec<u32> = [0.2, 0.4, 0.9]
        .iter()
        .map(|part| {
            let x = (80.0 + part * 1080.0) as u32;
            (0..image.height())
                .find(|&y| image.get_pixel(x, y).0 == ink)
                .unwrap_or_else(|| panic!("no curve at {x}"))
        })
        .collect();
    assert!(
        heights[0] > heights[1] + 20 && heights[1] > heights[2] + 20,
        "beta rises: {heights:?}"
    );
    let lines = |y: &str| {
        let figure = curves(
            &history(100),
            &CurvesConfig { y: vec![y.into()], log: Some(false), ..Default::default() },
        )
        .unwrap();
        let stroke = format!("{}", palette(5)[4]).to_uppercase();
        figure
            .to_svg()
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("<polyline") && l.contains(&stroke))
            .count()
    };
    assert_eq!((lines("nll"), lines("valid_nll")), (1, 2));
}

/// The texts of a figure of two columns.
fn curve_texts(x: &[f64], name: &str, y: &[f64]) -> Vec<String> {
    let table = DataFrame::new_infer_height(vec![
        Column::new("epoch".into(), x),
        Column::new(name.into(), y),
    ])
    .unwrap();
    let (boxes, _) = texts(&curves(&table, &CurvesConfig::default()).unwrap().to_svg().unwrap());
    boxes.into_iter().map(|b| b.1).collect()
}

#[test]
fn there_are_no_ticks_between_epochs() {
    let ticks = |x: &[f64], most: usize| {
        let all = curve_texts(x, "nll", &vec![0.5; x.len()]);
        let end = all.iter().position(|t| t == "epoch").unwrap();
        all[end - most..end].join(" ")
    };
    assert_eq!(ticks(&[1.0, 2.0, 3.0], 3), "1 2 3");
    assert_eq!(ticks(&[1.0, 2.0], 2), "1 2");
    assert_eq!(ticks(&[1.0], 1), "1");
    assert_eq!(ticks(&[0.0, 7.0], 8), "0 1 2 3 4 5 6 7");
    assert_eq!(ticks(&[0.0, 100.0], 6), "0 20 40 60 80 100");
    assert_eq!(ticks(&[1.0, 1.5, 2.0], 6), "1.0 1.2 1.4 1.6 1.8 2.0");
}

#[test]
fn a_logarithmic_axis_takes_the_least_and_the_largest_numbers() {
    let all = curve_texts(&[1.0, 2.0, 3.0], "p", &[1e-310, 1e-3, 1.0]);
    assert!(all.iter().any(|t| t == "p, log scale"), "{all:?}");
    assert!(all.iter().filter(|t| t.contains("e-")).count() >= 3 && all.len() < 20, "{all:?}");
    let wide = curve_texts(&[1.0, 2.0], "p", &[f64::MIN_POSITIVE, f64::MAX]);
    assert!(wide.iter().filter(|t| t.contains('e')).count() >= 4, "{wide:?}");
}

#[test]
fn a_column_may_have_a_plus_in_its_name() {
    let table = DataFrame::new_infer_height(vec![
        Column::new("epoch".into(), [1.0, 2.0]),
        Column::new("CD4+ T".into(), [1.0, 2.0]),
        Column::new("B".into(), [1.0, 2.0]),
    ])
    .unwrap();
    let panels = |y: &[&str]| {
        let y = y.iter().map(|y| (*y).to_owned()).collect();
        match curves(&table, &CurvesConfig { y, ..Default::default() }).unwrap().body {
            Body::Chart(c) => c.panels.iter().map(|p| p.series.len()).collect::<Vec<_>>(),
            Body::Map(_) => panic!("not a chart"),
        }
    };
    assert_eq!(panels(&[]), [1, 1]);
    assert_eq!(panels(&["CD4+ T", "B + epoch"]), [1, 2]);
}

#[test]
fn tables_that_cannot_be_drawn_are_refused() {
    let refused = |table: &DataFrame, config: CurvesConfig, word: &str| {
        let e = curves(table, &config).unwrap_err().to_string();
        assert!(e.contains(word), "{word} in: {e}");
    };
    let of = |y: &str| CurvesConfig { y: vec![y.into()], ..Default::default() };
    refused(&history(5), of("nl"), "Did you mean 'nll'");
    refused(&history(5), of("note"), "found texts");
    refused(&history(5), CurvesConfig { x: "step".into(), ..Default::default() }, "'step'");
    refused(&history(0), of("nll"), "rows");
    // Nothing finite is a panel that says so, one epoch is a point.
    let empty = DataFrame::new_infer_height(vec![
        Column::new("epoch".into(), [0.0]),
        Column::new("nll".into(), [f64::NAN]),
    ])
    .unwrap();
    assert!(curves(&empty, &of("nll")).unwrap().to_svg().unwrap().contains("no values"));
    assert!(curves(&history(1), &of("nll")).unwrap().to_svg().unwrap().contains("<circle"));
}

#[test]
fn what_has_no_unit_gets_no_brackets() {
    let titles = |unit: &str| {
        let figure = spots(&[0.0, 1.0], &[0.0, 1.0], &[1.0, 2.0], "v", unit).unwrap();
        figure.to_vega().unwrap().unwrap().to_string()
    };
    assert!(titles("µm").contains("x (µm)") && !titles("").contains("()"), "{}", titles(""));
}

#[test]
fn options_are_read_by_name() {
    let parse = |value| spatia::base::options::parse::<SpatialConfig>(value, "plot::spatial");
    let config = parse(serde_json::json!({ "color": "kl", "limits": [0, 2.5], "cmap": "cividis", "spot_size": 55 })).unwrap();
    let expected = SpatialConfig {
        limits: Some([0.0, 2.5]),
        cmap: Cmap::Cividis,
        spot_size: Some(55.0),
        ..color("kl")
    };
    assert_eq!(config, expected);
    assert!(
        parse(serde_json::json!({ "colour": "kl" })).unwrap_err().to_string().contains("'color'")
    );
    assert!(
        parse(serde_json::json!({ "cmap": "jet" })).unwrap_err().to_string().contains("viridis")
    );
}

#[test]
fn axes_are_labelled_with_round_numbers() {
    let labels = |values: [f64; 2]| {
        let mut ds = in_um(dataset(&grid(2, 10.0)));
        ds.obs_mut().set_f64("v", &[values[0], values[1], values[0], values[1]]).unwrap();
        let (boxes, _) = texts(&spatial(&ds, &color("v")).unwrap().to_svg().unwrap());
        let names: Vec<String> = boxes.into_iter().map(|b| b.1).collect();
        // The last ones are the colour bar's, after the scale bar, the count and the header.
        names[3..].to_vec()
    };
    assert_eq!(labels([0.0, 1.0]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels([-3.0, 12.0]), ["0", "5", "10"]);
    assert_eq!(labels([0.0, 4e-6]), ["0", "1e-6", "2e-6", "3e-6", "4e-6"]);
    assert_eq!(labels([9e8, 1.3e9]), ["9e8", "1e9", "1.1e9", "1.2e9", "1.3e9"]);
}
