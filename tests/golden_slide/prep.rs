use std::collections::HashSet;

use proptest::prelude::*;
use spatia::data::{Csr, Dataset, Table, keys};
use spatia::prep::{
    FilterConfig, HvgConfig, HvgFlavor, PcaConfig, filter, hvg, log1p, normalize_total, pca,
    select_hvg, size_factors,
};

use super::slide::slide;

/// A dataset of dense rows, for cases that fit in a line.
fn tiny(rows: &[&[f32]]) -> Dataset {
    let g = rows[0].len();
    let sparse = |r: &&[f32]| {
        r.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(j, &v)| (j as u32, v)).collect()
    };
    let names = |p: &str, n: usize| Table::new((0..n).map(|i| format!("{p}{i}")).collect());
    Dataset::new(
        Csr::from_rows(g, rows.iter().map(sparse).collect()),
        names("s", rows.len()),
        names("g", g),
    )
    .unwrap()
}

#[track_caller]
fn close(what: &str, found: f64, golden: f64, tolerance: f64) {
    let off = (found - golden).abs() / golden.abs().max(1e-300);
    assert!(off <= tolerance, "{what}: {found} is not {golden}, off by {off:.2e}");
}

#[test]
fn sums_match_scanpy() {
    let Some(slide) = slide() else { return };
    let counts = slide.counts.counts().unwrap().to_csr();
    close("total counts", counts.row_sums().iter().sum(), slide.number("/total_counts"), 1e-12);
    assert_eq!(counts.nnz() as f64, slide.number("/nnz"));
    let ds = slide.logged();
    let x = ds.x().to_csr();
    close("lognorm sum", x.row_sums().iter().sum(), slide.number("/lognorm_sum"), 1e-5);
    for (j, golden) in slide.numbers("/lognorm_row0").into_iter().enumerate() {
        close(&format!("row 0, gene {j}"), f64::from(x.get(0, j)), golden, 1e-5);
    }
    assert_eq!(ds.counts().unwrap().to_csr(), counts);
    assert_eq!(ds.obs().f64(keys::TOTAL_COUNTS).unwrap(), counts.row_sums());
}

#[test]
fn variable_genes_match_scanpy() {
    let Some(slide) = slide() else { return };
    let ds = slide.logged();
    for (flavor, key) in [(HvgFlavor::SeuratV3, "hvg_seurat_v3"), (HvgFlavor::Seurat, "hvg_seurat")]
    {
        let found = hvg(&ds, &HvgConfig { flavor, ..HvgConfig::default() }).unwrap();
        let golden: HashSet<&str> =
            slide.golden[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let shared = found
            .positions
            .iter()
            .filter(|&&j| golden.contains(ds.var().index()[j].as_str()))
            .count();
        let share = shared as f64 / golden.len() as f64;
        println!("{key}: {shared} of {} genes shared, {:.2} %", golden.len(), 100.0 * share);
        assert_eq!(found.positions.len(), 2000);
        assert!(share >= 0.98, "{key}: {share}");
    }
}

#[test]
fn principal_components_match_scanpy() {
    let Some(slide) = slide() else { return };
    let mut ds = slide.logged();
    select_hvg(&mut ds, &HvgConfig { flavor: HvgFlavor::Seurat, ..HvgConfig::default() }).unwrap();
    let golden = slide.numbers("/pca_variance_ratio");
    let config = PcaConfig { n_components: golden.len(), scale: true, ..PcaConfig::default() };
    let found = pca(&ds.x().to_csr(), &config).unwrap();
    for (c, (&f, &g)) in found.variance_ratio.iter().zip(&golden).enumerate() {
        close(&format!("variance ratio {c}"), f, g, 1e-3);
    }
    let worst = found
        .variance_ratio
        .iter()
        .zip(&golden)
        .map(|(f, g)| (f / g - 1.0).abs())
        .fold(0.0, f64::max);
    println!("variance ratios: off by {worst:.1e} at most");
}

#[test]
fn normalising_reports_and_refuses() {
    let mut ds = tiny(&[&[1.0, 3.0], &[0.0, 0.0], &[2.0, 0.0]]);
    normalize_total(&mut ds, 8.0).unwrap();
    assert_eq!(ds.x().to_csr(), tiny(&[&[2.0, 6.0], &[0.0, 0.0], &[8.0, 0.0]]).x().to_csr());
    // Twice is once, and logarithms start again from the counts.
    log1p(&mut ds).unwrap();
    let again = log1p(&mut ds).unwrap_err().to_string();
    assert!(again.contains("uns[\"log1p\"]"), "{again}");
    normalize_total(&mut ds, 8.0).unwrap();
    assert_eq!(ds.x().get(0, 1), 6.0);
    log1p(&mut ds).unwrap();
    assert_eq!(ds.x().get(0, 1), 7f32.ln());

    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let mut ds = tiny(&[&[1.0, 3.0], &[bad, 1.0]]);
        let error = normalize_total(&mut ds, 1e4).unwrap_err().to_string();
        assert!(error.contains("gene g0 in spot s1"), "{error}");
        assert!(ds.layers().is_empty(), "a refused dataset is untouched");
    }
    let mut ds = tiny(&[&[0.5, 3.0]]);
    ds.set_layer("raw", Csr::from_rows(2, vec![vec![(0, 2.0), (1, 12.0)]])).unwrap();
    assert!(normalize_total(&mut ds, 1e4).unwrap_err().to_string().contains("hold counts: raw"));
    assert!(normalize_total(&mut tiny(&[&[1.0]]), 0.0).is_err());
    assert!(log1p(&mut tiny(&[&[-2.0]])).is_err());
}

#[test]
fn totals_over_more_genes_are_kept() {
    let mut ds = tiny(&[&[1.0, 3.0, 5.0], &[2.0, 0.0, 1.0]]);
    normalize_total(&mut ds, 10.0).unwrap();
    ds.select_var(&[0, 1]).unwrap();
    normalize_total(&mut ds, 10.0).unwrap();
    assert_eq!(ds.obs().f64(keys::TOTAL_COUNTS).unwrap(), [9.0, 3.0]);
}

#[test]
fn size_factors_average_to_one() {
    assert_eq!(size_factors(&[1.0, 2.0, 3.0]).unwrap(), [0.5, 1.0, 1.5]);
    for bad in [0.0, -1.0, f64::NAN] {
        assert!(size_factors(&[1.0, bad]).unwrap_err().to_string().contains("spot 1"));
    }
}

#[test]
fn filters_drop_spots_then_genes() {
    let rows: [&[f32]; 3] = [&[5.0, 1.0, 0.0], &[0.0, 1.0, 0.0], &[4.0, 0.0, 2.0]];
    let mut ds = tiny(&rows);
    let config =
        FilterConfig { min_counts: Some(2.0), min_spots: Some(2), ..FilterConfig::default() };
    assert_eq!(filter(&mut ds, &config).unwrap(), (1, 2));
    assert_eq!(
        (ds.obs().index(), ds.var().index()),
        (&["s0".into(), "s2".into()][..], &["g0".into()][..])
    );
    assert_eq!(filter(&mut tiny(&rows), &FilterConfig::default()).unwrap(), (0, 0));
    let most =
        FilterConfig { max_counts: Some(5.0), max_genes: Some(1), ..FilterConfig::default() };
    assert_eq!(filter(&mut tiny(&rows), &most).unwrap(), (2, 0));

    let nothing = [
        FilterConfig { min_genes: Some(4), ..FilterConfig::default() },
        FilterConfig { min_spots: Some(4), ..FilterConfig::default() },
        FilterConfig { min_counts: Some(9.0), max_counts: Some(1.0), ..FilterConfig::default() },
    ];
    for config in nothing {
        let mut ds = tiny(&rows);
        assert!(filter(&mut ds, &config).is_err(), "{config:?}");
        assert_eq!((ds.n_obs(), ds.n_vars()), (3, 3));
    }
}

#[test]
fn hvg_takes_what_there_is_and_refuses_the_wrong_values() {
    let rows: [&[f32]; 4] = [
        &[5.0, 1.0, 7.0, 0.0],
        &[0.0, 2.0, 7.0, 1.0],
        &[4.0, 1.0, 7.0, 0.0],
        &[9.0, 1.0, 7.0, 8.0],
    ];
    let mut ds = tiny(&rows);
    let v3 = HvgConfig { n_top: 100, ..HvgConfig::default() };
    // Gene 2 does not vary and is never selected.
    assert_eq!(hvg(&ds, &v3).unwrap().positions, [0, 1, 3]);
    let seurat =
        HvgConfig { flavor: HvgFlavor::Seurat, n_top: 2, subset: false, ..HvgConfig::default() };
    assert!(hvg(&ds, &seurat).unwrap_err().to_string().contains("log1p"));
    assert!(hvg(&ds, &HvgConfig { n_top: 0, ..v3.clone() }).is_err());
    assert!(hvg(&tiny(&[&[1.0, 2.0], &[1.0, 2.0]]), &v3).unwrap_err().to_string().contains("vary"));
    assert!(hvg(&tiny(&[&[0.5, 2.0], &[1.0, 2.0]]), &v3).is_err());

    normalize_total(&mut ds, 10.0).unwrap();
    log1p(&mut ds).unwrap();
    assert_eq!(select_hvg(&mut ds, &seurat).unwrap(), 2);
    assert_eq!(ds.n_vars(), 4);
    let rank = ds.var().f64("highly_variable_rank").unwrap();
    let marked = ds.var().f64(keys::HIGHLY_VARIABLE).unwrap();
    assert!(rank.iter().zip(marked).all(|(r, m)| r.is_finite() == (m == 1.0)));
    for name in ["means", "dispersions", "dispersions_norm"] {
        assert!(ds.var().has(name), "{name}");
    }
    assert_eq!(select_hvg(&mut ds, &HvgConfig { n_top: 1, ..v3 }).unwrap(), 1);
    assert_eq!((ds.n_vars(), ds.layers()[keys::COUNTS].shape().1), (1, 1));
}

/// Eigenvalues of the covariance of dense values, the textbook way.
fn dense_eigenvalues(rows: &[Vec<f32>]) -> Vec<f64> {
    let (n, g) = (rows.len(), rows[0].len());
    let m = nalgebra::DMatrix::from_fn(n, g, |i, j| f64::from(rows[i][j]));
    let centred = nalgebra::DMatrix::from_fn(n, g, |i, j| m[(i, j)] - m.column(j).mean());
    let mut values: Vec<f64> = (centred.transpose() * &centred / (n as f64 - 1.0))
        .symmetric_eigenvalues()
        .iter()
        .copied()
        .collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pca_agrees_with_a_dense_decomposition(
        rows in (2usize..12, 1usize..9).prop_flat_map(|(n, g)| {
            prop::collection::vec(prop::collection::vec(prop_oneof![Just(0.0f32), -3.0f32..3.0], g), n)
        })
    ) {
        let (n, g) = (rows.len(), rows[0].len());
        let golden = dense_eigenvalues(&rows);
        let total: f64 = golden.iter().sum();
        prop_assume!(total > 1e-6);
        let ds = tiny(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let k = (n - 1).min(g);
        let found = pca(&ds.x().to_csr(), &PcaConfig { n_components: k, ..PcaConfig::default() }).unwrap();
        for c in 0..k {
            prop_assert!((found.variance_ratio[c] - golden[c].max(0.0) / total).abs() < 1e-9, "{:?} {golden:?}", found.variance_ratio);
            let along = found.scores.column(c);
            prop_assert!((along.dot(&along) / (n as f64 - 1.0) - golden[c].max(0.0)).abs() < 1e-8);
            for d in 0..k {
                let product = found.components.row(c).dot(&found.components.row(d));
                prop_assert!((product - f64::from(u8::from(c == d))).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn pca_refuses_what_it_cannot_do() {
    let ds = tiny(&[&[1.0, 2.0], &[3.0, 1.0], &[0.0, 5.0]]);
    let x = ds.x().to_csr();
    for k in [0, 3] {
        let error = pca(&x, &PcaConfig { n_components: k, ..PcaConfig::default() })
            .unwrap_err()
            .to_string();
        assert!(error.contains("1 to 2 components"), "{error}");
    }
    let one = PcaConfig { n_components: 1, ..PcaConfig::default() };
    assert!(pca(&tiny(&[&[1.0, 2.0], &[1.0, 2.0]]).x().to_csr(), &one).is_err());
    assert!(pca(&tiny(&[&[f32::NAN, 2.0], &[1.0, 2.0]]).x().to_csr(), &one).is_err());
    assert!(pca(&x, &PcaConfig { scale: true, max_value: 0.0, ..one }).is_err());
}
