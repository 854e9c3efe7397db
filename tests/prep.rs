//! Preparation beside scanpy: one run of Python on a slide that Spatia wrote.

use std::sync::OnceLock;

use crate::common;
use proptest::prelude::*;
use serde_json::Value;
use spatia::analysis::{MoranConfig, moran, morans_i};
use spatia::base::seed;
use spatia::data::{Csr, Dataset, Matrix, Table, Uns, keys};
use spatia::graph::{Graph, KnnConfig, knn};
use spatia::prep::{
    Bounds, FilterConfig, HvgConfig, HvgFlavor, NormalizeConfig, PcaConfig, PcaSolver, QcConfig,
    ScaleConfig, ScoreGenesConfig, filter, hvg, log1p, normalize, normalize_total, pca, qc,
    run_pca, scale, score_genes,
};

struct Beside {
    counts: Dataset,
    graph: Graph,
    scanpy: Value,
}

/// The slide with two batches and a graph, and what scanpy says of it; `None` where either is absent.
fn beside() -> Option<&'static Beside> {
    static BOTH: OnceLock<Option<Beside>> = OnceLock::new();
    BOTH.get_or_init(|| {
        let (path, python) = (common::data("dlpfc/151673")?, common::python()?);
        let mut counts = spatia::io::read(&path).unwrap();
        let batch = |i: usize| Some(if i.is_multiple_of(3) { "b" } else { "a" }.to_owned());
        let batches: Vec<_> = (0..counts.n_obs()).map(batch).collect();
        counts.obs_mut().set_categories("batch", &batches).unwrap();
        let graph = knn(&counts.coordinates().unwrap(), &KnnConfig::default()).unwrap();
        counts.set_obsp(keys::SPATIAL_CONNECTIVITIES, graph.to_csr()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("slide.h5ad");
        spatia::io::h5ad::write(&counts, &file).unwrap();
        let said = common::run_python(&python, include_str!("python/prep.py"), &[&file]);
        Some(Beside { counts, graph, scanpy: serde_json::from_str(&said).unwrap() })
    })
    .as_ref()
}

impl Beside {
    fn logged(&self) -> Dataset {
        let mut ds = self.counts.clone();
        normalize_total(&mut ds, 1e4).unwrap();
        log1p(&mut ds).unwrap();
        ds
    }

    #[track_caller]
    fn same(&self, name: &str, found: &[f64], tolerance: f64) {
        same(name, found, &self.scanpy[name], tolerance);
    }

    /// The genes that scanpy selected and we did not.
    fn others(&self, name: &str, ds: &Dataset, positions: &[usize]) -> Vec<usize> {
        let golden: Vec<String> = serde_json::from_value(self.scanpy[name].clone()).unwrap();
        assert_eq!(positions.len(), golden.len(), "{name}");
        let golden = ds.gene_positions(&golden).unwrap();
        golden.into_iter().filter(|j| positions.binary_search(j).is_err()).collect()
    }
}

#[track_caller]
fn same(name: &str, found: &[f64], golden: &Value, tolerance: f64) {
    let golden = golden.as_array().unwrap_or_else(|| panic!("{name}: Python did not say"));
    assert_eq!(found.len(), golden.len(), "{name}");
    for (i, (f, g)) in found.iter().zip(golden).enumerate() {
        let g = g.as_f64().unwrap_or(f64::NAN);
        let near = (f - g).abs() <= tolerance * g.abs().max(1.0) || f.is_nan() && g.is_nan();
        assert!(near, "{name}[{i}]: {f} is not {g}");
    }
}

fn values(m: &Matrix) -> Vec<f64> {
    m.csr().parts().2.iter().map(|&v| f64::from(v)).collect()
}

#[test]
fn quality_figures_are_scanpys() {
    let Some(both) = beside() else { return };
    let mut ds = both.counts.clone();
    // The slide holds no mitochondrial genes.
    let config =
        QcConfig { prefixes: [("mt".into(), vec!["RP".into()])].into(), ..QcConfig::default() };
    qc(&mut ds, &config).unwrap();
    for (table, name) in [(ds.obs(), "qc_obs"), (ds.var(), "qc_var")] {
        let columns = both.scanpy[name].as_object().unwrap();
        assert!(columns.len() >= 6);
        for (column, golden) in columns {
            same(column, &table.f64(column).unwrap(), golden, 2e-6);
        }
    }
    let columns: Vec<&str> = ds.obs().names();
    for name in ["pct_counts_in_top_500_genes", "pct_counts_mt", "log1p_total_counts_mt"] {
        assert!(columns.contains(&name) && !both.scanpy["qc_obs"][name].is_null(), "{name}");
    }
    assert!(ds.var().f64("mt").unwrap().iter().sum::<f64>() > 5.0);
}

#[test]
fn normalised_logged_and_scaled_values_are_scanpys() {
    let Some(both) = beside() else { return };
    let mut ds = both.counts.clone();
    normalize(&mut ds, &NormalizeConfig::default()).unwrap();
    both.same("normalized_median", &values(ds.x()), 1e-6);
    let config =
        NormalizeConfig { exclude_highly_expressed: true, max_fraction: 0.02, target_sum: None };
    normalize(&mut ds, &config).unwrap();
    both.same("normalized_excluded", &values(ds.x()), 1e-6);
    let mut ds = both.logged();
    both.same("log1p", &values(ds.x()), 1e-6);
    // Counts and X hold one pattern between them.
    assert!(ds.x().csr().shares_pattern(&ds.counts().unwrap().csr()));
    scale(&mut ds, &ScaleConfig { max_value: Some(5.0), ..ScaleConfig::default() }).unwrap();
    both.same("scaled", &values(ds.x()), 1e-5);
    let refused = scale(&mut ds, &ScaleConfig { zero_center: true, max_value: None });
    assert!(refused.unwrap_err().to_string().contains("ds.pca(#{ scale: true"));
}

#[test]
fn highly_variable_genes_are_scanpys() {
    let Some(both) = beside() else { return };
    let ds = both.logged();
    for (flavor, name, norm) in [
        (HvgFlavor::Seurat, "seurat", "dispersions_norm"),
        (HvgFlavor::CellRanger, "cell_ranger", "dispersions_norm"),
        (HvgFlavor::SeuratV3, "seurat_v3", "variances_norm"),
    ] {
        for batch_key in [None, Some("batch".to_owned())] {
            let name = format!("{name}{}", if batch_key.is_some() { "_batch" } else { "" });
            let config = HvgConfig { n_top: 1000, flavor, batch_key, ..HvgConfig::default() };
            let found = hvg(&ds, &config).unwrap();
            let column = |of: &str| found.columns.iter().find(|c| c.name() == of).unwrap();
            let numbers = |of: &str| spatia::data::table::numbers(column(of)).unwrap();
            both.same(&format!("{name}_norm"), &numbers(norm), 1e-4);
            let others = both.others(&name, &ds, &found.positions);
            if flavor != HvgFlavor::SeuratV3 {
                assert_eq!(others, [] as [usize; 0], "{name}");
                if config.batch_key.is_some() {
                    both.same(&format!("{name}_n"), &numbers("highly_variable_nbatches"), 0.0);
                }
                continue;
            }
            // Genes of the same few counts score the same, and NumPy ranks equals as it pleases.
            let score = numbers(norm);
            let last = found.positions.iter().map(|&j| score[j]).fold(f64::INFINITY, f64::min);
            assert!(others.len() <= 5, "{name}: {} others", others.len());
            let tied = |j: &usize| (score[*j] - last).abs() < 1e-9;
            assert!(config.batch_key.is_some() || others.iter().all(tied), "{name}");
        }
    }
}

#[test]
fn genes_of_seurat_v3_are_those_of_scikit_misc_but_for_ties() {
    let Some(slide) = crate::golden_slide::slide::slide() else { return };
    let found = hvg(&slide.counts, &HvgConfig::default()).unwrap();
    let golden: Vec<String> =
        serde_json::from_value(slide.golden["hvg_seurat_v3"].clone()).unwrap();
    let golden = slide.counts.gene_positions(&golden).unwrap();
    let score = spatia::data::table::numbers(&found.columns[2]).unwrap();
    let last = found.positions.iter().map(|&j| score[j]).fold(f64::INFINITY, f64::min);
    let others: Vec<usize> =
        golden.into_iter().filter(|j| found.positions.binary_search(j).is_err()).collect();
    assert!(others.len() <= 2, "{}", others.len());
    assert!(others.iter().all(|&j| (score[j] - last).abs() < 1e-9));
}

#[test]
fn principal_components_are_scanpys_by_both_solvers() {
    let Some(both) = beside() else { return };
    let mut ds = both.logged();
    let config =
        HvgConfig { n_top: 1000, flavor: HvgFlavor::Seurat, subset: false, ..HvgConfig::default() };
    spatia::prep::select_hvg(&mut ds, &config).unwrap();
    for (solver, tolerance) in [(PcaSolver::Exact, 1e-4), (PcaSolver::Randomized, 4e-2)] {
        let config = PcaConfig { n_components: 20, solver, ..PcaConfig::default() };
        run_pca(&mut ds, &config).unwrap();
        let floats = |name: &str| match ds.uns().get(&["pca", name]).unwrap() {
            Uns::Floats(a) => a.iter().copied().collect::<Vec<f64>>(),
            other => panic!("{other}"),
        };
        both.same("pca_ratio", &floats("variance_ratio"), tolerance * 0.05);
        both.same("pca_variance", &floats("variance"), tolerance);
        let scores = &ds.obsm()[keys::X_PCA];
        assert_eq!(ds.varm()[keys::PCS].dim(), (ds.n_vars(), 20));
        // Up to sign, and for the clear components.
        for c in 0..3 {
            let golden: Vec<f64> = both.scanpy["pca_scores"][c]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap())
                .collect();
            let golden = ndarray::Array1::from(golden);
            let ours = scores.column(c);
            let cosine = ours.dot(&golden) / (ours.dot(&ours) * golden.dot(&golden)).sqrt();
            assert!(cosine.abs() > 0.9999, "component {c}: {cosine}");
        }
    }
}

#[test]
fn gene_scores_are_scanpys_where_nothing_is_drawn_and_near_where_it_is() {
    let Some(both) = beside() else { return };
    let mut ds = both.logged();
    let mut genes: Vec<String> = (5..60).step_by(6).map(|j| ds.var().index()[j].clone()).collect();
    genes.push("NOSUCHGENE".into());
    let all = ScoreGenesConfig { ctrl_size: 1_000_000, ..ScoreGenesConfig::default() };
    score_genes(&mut ds, &genes, &all).unwrap();
    both.same("score", &ds.obs().f64("score").unwrap(), 1e-6);
    score_genes(&mut ds, &genes, &ScoreGenesConfig::default()).unwrap();
    let ours = ds.obs().f64("score").unwrap();
    let golden = both.scanpy["score_drawn"].as_array().unwrap();
    let golden: Vec<f64> = golden.iter().map(|v| v.as_f64().unwrap()).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (a, b) = (mean(&ours), mean(&golden));
    let along: f64 = ours.iter().zip(&golden).map(|(x, y)| (x - a) * (y - b)).sum();
    let (p, q): (f64, f64) = ours
        .iter()
        .zip(&golden)
        .map(|(x, y)| ((x - a).powi(2), (y - b).powi(2)))
        .fold((0.0, 0.0), |s, v| (s.0 + v.0, s.1 + v.1));
    let r = along / (p * q).sqrt();
    assert!(r > 0.97 && (a - b).abs() < 0.05, "correlation {r}, means {a} and {b}");
    let none = score_genes(&mut ds, &["MBPP".into()], &all).unwrap_err().to_string();
    assert!(none.contains("Did you mean"), "{none}");
}

#[test]
fn morans_i_is_scanpys() {
    let Some(both) = beside() else { return };
    let ds = both.logged();
    let first: Vec<usize> = (0..300).collect();
    let found = morans_i(&ds.x().csr().select_cols(&first).unwrap(), &both.graph.to_csr()).unwrap();
    both.same("moran", &found, 1e-6);
    let genes = Some(vec!["MBP".to_owned(), ds.var().index()[0].clone()]);
    let table = moran(&ds, &both.graph, &MoranConfig { genes, ..MoranConfig::default() }).unwrap();
    assert_eq!(table.column("gene").unwrap().str().unwrap().get(0), Some("MBP"));
    let wrong = Graph::from_edges(3, &[(0, 1)]).unwrap();
    assert!(moran(&ds, &wrong, &MoranConfig::default()).is_err());
}

#[test]
fn morans_i_of_values_that_alternate_or_agree() {
    let edges: Vec<(u32, u32)> = (0..9).flat_map(|i| [(i, i + 1), (i + 1, i)]).collect();
    let weights = Graph::from_edges(10, &edges).unwrap().to_csr();
    let row = |i: u32| vec![(0, (i % 2) as f32), (1, f32::from(i >= 5)), (2, 3.0)];
    let x = Csr::from_rows(3, (0..10).map(row).collect());
    let found = morans_i(&x, &weights).unwrap();
    assert!((found[0] + 1.0).abs() < 1e-12, "{found:?}");
    assert!((found[1] - 7.0 / 9.0).abs() < 1e-12, "{found:?}");
    assert!(found[2].is_nan(), "{found:?}");
}

fn tiny(rows: &[&[f32]]) -> Dataset {
    let names = |p: &str, n: usize| Table::new((0..n).map(|i| format!("{p}{i}")).collect());
    let (n, g) = (rows.len(), rows[0].len());
    let x = ndarray::Array2::from_shape_fn((n, g), |(i, j)| rows[i][j]);
    Dataset::new(Matrix::Dense(x).to_csr(), names("s", n), names("g", g)).unwrap()
}

#[test]
fn filters_bound_genes_and_columns_of_obs() {
    let rows: [&[f32]; 3] = [&[5.0, 1.0, 0.0], &[0.0, 1.0, 0.0], &[4.0, 0.0, 2.0]];
    let kept = |config: FilterConfig| {
        let mut ds = tiny(&rows);
        ds.obs_mut().set_f64("score", &[1.0, f64::NAN, 3.0]).unwrap();
        filter(&mut ds, &config).map(|_| (ds.n_obs(), ds.n_vars()))
    };
    let at = |min, max| [("score".to_owned(), Bounds { min, max })].into();
    assert_eq!(
        kept(FilterConfig { obs: at(None, Some(2.0)), ..FilterConfig::default() }).unwrap(),
        (1, 3)
    );
    assert_eq!(
        kept(FilterConfig { obs: at(Some(0.0), None), ..FilterConfig::default() }).unwrap(),
        (2, 3)
    );
    let counts = FilterConfig { min_gene_counts: Some(3.0), ..FilterConfig::default() };
    assert_eq!(kept(counts).unwrap(), (3, 1));
    let cells = FilterConfig { min_cells: Some(2), max_spots: Some(2), ..FilterConfig::default() };
    assert_eq!(kept(cells).unwrap(), (3, 2));
    let both = FilterConfig { min_cells: Some(2), min_spots: Some(1), ..FilterConfig::default() };
    assert!(kept(both).unwrap_err().to_string().contains("which are the same"));
    let missing = [("scores".to_owned(), Bounds::default())].into();
    let missing = kept(FilterConfig { obs: missing, ..FilterConfig::default() });
    assert!(missing.unwrap_err().to_string().contains("Did you mean 'score'"));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    use rand::RngExt;
    let mut random = seed::rng(5, 0);
    let row = |_| {
        let mut value = |_| (1.0 + 9.0 * random.random::<f64>()) as f32;
        let mut entries: Vec<(u32, f32)> = (0..300u32).map(|j| (j, value(j))).collect();
        entries.retain(|e| e.1 < 4.0);
        entries
    };
    let x = Csr::from_rows(300, (0..2000).map(row).collect());
    let all = || {
        let config = PcaConfig { n_components: 8, ..PcaConfig::default() };
        let random = PcaConfig { solver: PcaSolver::Randomized, ..config.clone() };
        let scores = |c| pca(&x, c).unwrap().scores.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let sums: Vec<u64> = x.col_sums().iter().map(|v| v.to_bits()).collect();
        (sums, scores(&config), scores(&random))
    };
    let with = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(all);
    assert!(with(1) == with(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn selecting_in_place_is_selecting(
        rows in (1usize..9, 1usize..9).prop_flat_map(|(n, g)| {
            prop::collection::vec(prop::collection::vec(prop_oneof![Just(0.0f32), 1.0f32..3.0], g), n)
        }),
        keep in prop::collection::vec(any::<bool>(), 18),
        shared in any::<bool>(),
    ) {
        let dense = rows;
        let mut ds = tiny(&dense.iter().map(Vec::as_slice).collect::<Vec<_>>());
        ds.set_layer("double", ds.x().csr().map(|_, _, v| 2.0 * v)).unwrap();
        let before = ds.clone();
        let rows: Vec<usize> = (0..ds.n_obs()).filter(|&i| keep[i]).collect();
        let cols: Vec<usize> = (0..ds.n_vars()).filter(|&j| keep[9 + j]).collect();
        let kept = shared.then(|| before.clone());
        drop(before);
        let whole = ndarray::Array2::from_shape_fn((ds.n_obs(), ds.n_vars()), |(i, j)| dense[i][j]);
        let golden = Matrix::Dense(
            whole.select(ndarray::Axis(0), &rows).select(ndarray::Axis(1), &cols),
        )
        .to_csr();
        ds.select(Some(&rows), Some(&cols)).unwrap();
        let entries = |m: &Csr| {
            let row = |r| m.row(r).0.iter().copied().zip(m.row(r).1.iter().copied()).filter(|e| e.1 != 0.0).collect::<Vec<_>>();
            (0..m.nrows()).map(row).collect::<Vec<_>>()
        };
        prop_assert_eq!(ds.x().shape(), (rows.len(), cols.len()));
        prop_assert_eq!(entries(&ds.x().csr()), entries(&golden));
        prop_assert_eq!(entries(&ds.layers()["double"].csr()), entries(&golden.map(|_, _, v| 2.0 * v)));
        prop_assert!(ds.x().csr().shares_pattern(&ds.layers()["double"].csr()));
        if let Some(kept) = kept {
            // Who shares the arrays still holds what they held.
            let all = Matrix::Dense(whole).to_csr();
            prop_assert_eq!(kept.x().shape(), (dense.len(), dense[0].len()));
            prop_assert_eq!(entries(&kept.x().csr()), entries(&all));
            prop_assert_eq!(entries(&kept.layers()["double"].csr()), entries(&all.map(|_, _, v| 2.0 * v)));
        }
    }
}
