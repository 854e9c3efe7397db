use ndarray::{Array2, s};
use proptest::prelude::*;
use rand::RngExt;
use spatia::analysis::{GmmConfig, KmeansConfig, gmm, kmeans, neighbour_mean, score};
use spatia::base::seed;
use spatia::graph::{Graph, KnnConfig, knn};
use spatia::prep::{HvgConfig, HvgFlavor, PcaConfig, pca, select_hvg};

use super::slide::{Slide, slide};

/// 15 components of HVG (`seurat`), scaled and clipped: what the golden fits were made on.
fn components(slide: &Slide) -> Array2<f64> {
    let mut ds = slide.logged();
    select_hvg(&mut ds, &HvgConfig { flavor: HvgFlavor::Seurat, ..HvgConfig::default() }).unwrap();
    pca(&ds.x().to_csr(), &PcaConfig { n_components: 15, scale: true, ..PcaConfig::default() })
        .unwrap()
        .scores
}

/// `per` points around each of `k` centres that lie far apart, [k * per, 2], and their centres.
fn islands(k: usize, per: usize) -> (Array2<f64>, Vec<usize>) {
    let mut rng = seed::rng(7, 0);
    let truth: Vec<usize> = (0..k * per).map(|i| i % k).collect();
    let x = Array2::from_shape_fn((k * per, 2), |(i, j)| {
        let centre = [(truth[i] * 20) as f64, (truth[i] * truth[i] * 15) as f64][j];
        centre + rng.random_range(-1.0..1.0)
    });
    (x, truth)
}

#[test]
fn mixture_and_kmeans_fit_as_well_as_scikit_learn() {
    let Some(slide) = slide() else { return };
    let x = components(slide);
    let fit = gmm(x.view(), &GmmConfig::default()).unwrap();
    let golden = slide.number("/gmm_tied_mean_loglik");
    println!(
        "tied mixture: mean log-likelihood {:.4}, golden {golden:.4}; BIC {:.0}",
        fit.mean_log_likelihood, fit.bic
    );
    assert!(fit.mean_log_likelihood >= golden - 0.001 * golden.abs());
    let bic = slide.number("/gmm_tied_bic");
    assert!(fit.bic <= bic + 0.001 * bic.abs(), "{} {bic}", fit.bic);

    let fit = kmeans(x.view(), &KmeansConfig { k: 7, ..KmeansConfig::default() }).unwrap();
    let golden = slide.number("/kmeans_inertia");
    println!("k-means: inertia {:.1}, golden {golden:.1}", fit.inertia);
    assert!(fit.inertia <= 1.001 * golden);
}

#[test]
fn scores_match_scikit_learn() {
    let Some(slide) = slide() else { return };
    let labels = |key: &str| {
        slide.numbers(&format!("/scores/{key}")).iter().map(|&v| v as usize).collect::<Vec<_>>()
    };
    let (truth, found) = (labels("labels_true"), labels("labels_pred"));
    let pairs = [
        ("ari", score::ari(&truth, &found)),
        ("nmi", score::nmi(&truth, &found)),
        ("hom", score::homogeneity(&truth, &found)),
        ("com", score::completeness(&truth, &found)),
    ];
    for (name, value) in pairs {
        let golden = slide.number(&format!("/scores/{name}"));
        assert!((value.unwrap() - golden).abs() < 1e-6, "{name}");
    }
}

/// What is known of the slide without training: printed for the record, and held to a floor.
#[test]
fn baselines_on_the_layers() {
    let Some(slide) = slide() else { return };
    let graph =
        knn(&slide.coordinates(), &KnnConfig { k: 18, symmetric: false, ..KnnConfig::default() })
            .unwrap();
    let ari = |x: &Array2<f64>, seed: u64| {
        let fit = gmm(x.view(), &GmmConfig { seed, ..GmmConfig::default() }).unwrap();
        let domain: Vec<Option<String>> = fit.labels.iter().map(|l| Some(l.to_string())).collect();
        let pairs = score::pairs(&slide.layers, &domain).unwrap();
        score::ari(&pairs.a, &pairs.b).unwrap()
    };
    let mut best = 0.0f64;
    for (genes, n_top) in [("all genes", 0), ("2000 HVG (seurat_v3)", 2000)] {
        let mut ds = slide.logged();
        if n_top > 0 {
            select_hvg(&mut ds, &HvgConfig { n_top, ..HvgConfig::default() }).unwrap();
        }
        let x = pca(&ds.x().to_csr(), &PcaConfig { n_components: 15, ..PcaConfig::default() })
            .unwrap()
            .scores;
        let smooth = neighbour_mean(x.view(), &graph, true).unwrap();
        let (plain, averaged) = (ari(&x, 0), ari(&smooth, 0));
        println!("{genes}: ARI of 15 PCs {plain:.3}, averaged over 18 neighbours {averaged:.3}");
        assert!(averaged > plain);
        best = best.max(averaged);
    }
    assert!(best > 0.4, "{best}");
}

#[test]
fn separated_clusters_are_found() {
    let (x, truth) = islands(4, 60);
    let fit = gmm(x.view(), &GmmConfig { k: 4, n_init: 3, ..GmmConfig::default() }).unwrap();
    assert_eq!(score::ari(&truth, &fit.labels).unwrap(), 1.0);
    assert!(fit.converged && (fit.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    // Uniform on -1..1: a variance of a third, and no covariance.
    assert!(
        (fit.covariance[[0, 0]] - 1.0 / 3.0).abs() < 0.06 && fit.covariance[[0, 1]].abs() < 0.06,
        "{}",
        fit.covariance
    );
    let fit = kmeans(x.view(), &KmeansConfig { k: 4, ..KmeansConfig::default() }).unwrap();
    assert_eq!(score::ari(&truth, &fit.labels).unwrap(), 1.0);
}

#[test]
fn one_component_is_the_normal_distribution() {
    let (x, _) = islands(3, 50);
    let fit = gmm(x.view(), &GmmConfig { k: 1, n_init: 1, reg_covar: 0.0, ..GmmConfig::default() })
        .unwrap();
    let mean = x.mean_axis(ndarray::Axis(0)).unwrap();
    assert!((&fit.means.row(0) - &mean).iter().all(|d| d.abs() < 1e-9));
    // With the maximum-likelihood covariance, E|L^-1(x - m)|^2 is D exactly.
    let c = &fit.covariance;
    let log_det = (c[[0, 0]] * c[[1, 1]] - c[[0, 1]] * c[[1, 0]]).ln();
    let expected = -(std::f64::consts::TAU.ln()) - 0.5 * log_det - 1.0;
    assert!((fit.mean_log_likelihood - expected).abs() < 1e-9);
    assert!((fit.bic - (5.0 * 150f64.ln() - 300.0 * expected)).abs() < 1e-6);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let (x, _) = islands(5, 40);
    let x = x.mapv(|v| v / 10.0);
    let config = GmmConfig { k: 7, n_init: 4, seed: 3, ..GmmConfig::default() };
    let (a, b) = (gmm(x.view(), &config).unwrap(), gmm(x.view(), &config).unwrap());
    assert_eq!(
        (a.labels, a.mean_log_likelihood.to_bits()),
        (b.labels, b.mean_log_likelihood.to_bits())
    );
    let config = KmeansConfig { k: 7, n_init: 4, seed: 3, ..KmeansConfig::default() };
    let (a, b) = (kmeans(x.view(), &config).unwrap(), kmeans(x.view(), &config).unwrap());
    assert_eq!((a.labels, a.inertia.to_bits()), (b.labels, b.inertia.to_bits()));
}

#[test]
fn clusterings_refuse_what_they_cannot_do() {
    let (x, _) = islands(2, 10);
    let both = |x: &Array2<f64>, k: usize| {
        let a = gmm(x.view(), &GmmConfig { k, ..GmmConfig::default() }).unwrap_err().to_string();
        let b = kmeans(x.view(), &KmeansConfig { k, ..KmeansConfig::default() })
            .unwrap_err()
            .to_string();
        (a, b)
    };
    for k in [0, 21] {
        let (a, b) = both(&x, k);
        assert!(a.contains("1 to 20 clusters") && b.contains("1 to 20 clusters"), "{a} {b}");
    }
    let mut hole = x.clone();
    hole[[3, 1]] = f64::NAN;
    let (a, b) = both(&hole, 2);
    assert!(a.contains("row 3, column 1") && b.contains("row 3, column 1"));
    let (a, b) = both(&Array2::from_shape_fn((9, 2), |(i, _)| (i % 2) as f64), 3);
    assert!(a.contains("at most 2 clusters") && b.contains("at most 2 clusters"));
    assert!(kmeans(x.slice(s![..0, ..]), &KmeansConfig::default()).is_err());

    let refused = |x: &Array2<f64>, reg_covar| {
        gmm(x.view(), &GmmConfig { k: 2, reg_covar, ..GmmConfig::default() })
            .unwrap_err()
            .to_string()
    };
    let mut constant = x.clone();
    constant.column_mut(1).fill(4.0);
    assert!(refused(&constant, 1e-6).contains("column 1, which is 4 everywhere"));
    let mut twice = x.clone();
    let first = x.column(0).to_owned();
    twice.column_mut(1).assign(&first);
    assert!(refused(&twice, 0.0).contains("positive definite"));
    assert!(refused(&x, f64::NAN).contains("reg_covar"));
}

#[test]
fn auroc_counts_ties_half() {
    let marks = [false, false, true, true];
    assert_eq!(score::auroc(&[1.0, 2.0, 3.0, 4.0], &marks).unwrap(), 1.0);
    assert_eq!(score::auroc(&[4.0, 3.0, 2.0, 1.0], &marks).unwrap(), 0.0);
    assert_eq!(score::auroc(&[1.0, 1.0, 1.0, 1.0], &marks).unwrap(), 0.5);
    // scikit-learn's example: 0.75.
    assert_eq!(score::auroc(&[0.1, 0.4, 0.35, 0.8], &marks).unwrap(), 0.75);
    assert_eq!(score::auroc(&[0.0, -0.0, 0.0, 1.0], &marks).unwrap(), 0.75);
    assert!(score::auroc(&[1.0, 2.0], &[true, true]).is_err());
    assert!(score::auroc(&[1.0, f64::NAN], &[true, false]).is_err());
    assert!(score::auroc(&[1.0], &marks).is_err());
}

#[test]
fn missing_labels_drop_out_in_pairs() {
    let text = |v: &[Option<&str>]| v.iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>();
    let a = text(&[Some("L2"), None, Some("L1"), Some("NA"), Some("L2")]);
    let b = text(&[Some("x"), Some("x"), Some("y"), Some("y"), None]);
    let found = score::pairs(&a, &b).unwrap();
    assert_eq!((found.a, found.b, found.dropped), (vec![1, 0], vec![0, 1], 3));
    assert_eq!(found.a_names, ["L1", "L2"]);
    assert!(score::pairs(&a, &b[..2]).is_err() && score::pairs(&a[3..4], &b[3..4]).is_err());
}

#[test]
fn scores_at_their_ends() {
    let (one, each) = ([0, 0, 0, 0], [0, 1, 2, 3]);
    for f in [score::ari, score::nmi, score::homogeneity, score::completeness] {
        assert_eq!(f(&one, &one).unwrap(), 1.0);
        assert!((f(&each, &each).unwrap() - 1.0).abs() < 1e-12);
        assert!(f(&one, &each[..2]).is_err() && f(&[], &[]).is_err());
    }
    assert_eq!((score::ari(&one, &each).unwrap(), score::nmi(&one, &each).unwrap()), (0.0, 0.0));
    assert_eq!(
        (score::homogeneity(&one, &each).unwrap(), score::completeness(&one, &each).unwrap()),
        (1.0, 0.0)
    );
}

#[test]
fn neighbour_means_keep_the_lonely() {
    let x = ndarray::arr2(&[[1.0], [3.0], [8.0]]);
    let graph = Graph::from_edges(3, &[(0, 1), (1, 0)]).unwrap();
    assert_eq!(
        neighbour_mean(x.view(), &graph, false).unwrap(),
        ndarray::arr2(&[[3.0], [1.0], [8.0]])
    );
    assert_eq!(
        neighbour_mean(x.view(), &graph, true).unwrap(),
        ndarray::arr2(&[[2.0], [2.0], [8.0]])
    );
    assert!(neighbour_mean(x.slice(s![..2, ..]), &graph, true).is_err());
}

proptest! {
    #[test]
    fn scores_ignore_names_and_order(
        pairs in prop::collection::vec((0usize..5, 0usize..4), 2..80), shift in 1usize..9
    ) {
        let (a, b): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
        let renamed: Vec<usize> = a.iter().map(|l| (4 - l) * 7 + shift).collect();
        let (mut c, mut d) = (renamed.clone(), b.clone());
        c.rotate_left(shift % pairs.len());
        d.rotate_left(shift % pairs.len());
        for f in [score::ari, score::nmi] {
            let value = f(&a, &b).unwrap();
            prop_assert!((f(&renamed, &b).unwrap() - value).abs() < 1e-9);
            prop_assert!((f(&c, &d).unwrap() - value).abs() < 1e-9);
            prop_assert!((f(&b, &a).unwrap() - value).abs() < 1e-9);
            prop_assert!((f(&a, &renamed).unwrap() - 1.0).abs() < 1e-9);
            prop_assert!(value <= 1.0 + 1e-9);
        }
    }
}
