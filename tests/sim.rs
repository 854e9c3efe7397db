//! The synthetic tissue holds what it promises: shares, moments, connected patches, the same bits.

use std::collections::BTreeSet;

use ndarray::Axis;
use spatia::data::{Csr, Dataset, Matrix, keys};
use spatia::sim::{TissueConfig, tissue};

fn small() -> TissueConfig {
    TissueConfig { spots: 400, genes: 150, image_features: 16, ..TissueConfig::default() }
}

fn counts(ds: &Dataset) -> &Csr {
    match ds.x() {
        Matrix::Sparse(m) => m,
        Matrix::Dense(_) => panic!("X of simulated tissue is sparse"),
    }
}

fn text(ds: &Dataset, name: &str) -> Vec<String> {
    ds.obs().text(name).unwrap().into_iter().map(Option::unwrap).collect()
}

fn discordant(ds: &Dataset) -> Vec<bool> {
    ds.obs().f64(keys::DISCORDANT).unwrap().into_iter().map(|v| v == 1.0).collect()
}

/// Pairs of spots within 1.3 spacings, as lists.
fn beside(ds: &Dataset, spacing: f64) -> Vec<Vec<usize>> {
    let xy = &ds.obsm()[keys::SPATIAL];
    let near = |i: usize, j: usize| {
        (xy[[i, 0]] - xy[[j, 0]]).hypot(xy[[i, 1]] - xy[[j, 1]]) < 1.3 * spacing
    };
    (0..ds.n_obs()).map(|i| (0..ds.n_obs()).filter(|&j| j != i && near(i, j)).collect()).collect()
}

#[test]
fn the_default_tissue_is_what_the_demo_needs() {
    let ds = tissue(&TissueConfig::default()).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (1000, 2000));
    assert_eq!(ds.obsm()[keys::IMAGE_FEATURES].dim(), (1000, 64));
    assert_eq!(text(&ds, "domain_true").into_iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(ds.var().index()[0], "Gene0001");
    assert!(ds.counts().is_ok());
    let c = ds.coordinates().unwrap();
    assert_eq!((c.unit.name(), c.um_per_unit), ("um", Some(1.0)));
    let zeros = 1.0 - ds.x().nonzero() as f64 / 2e6;
    assert!((0.3..0.9).contains(&zeros), "{zeros}");
    assert_eq!(discordant(&ds).iter().filter(|&&d| d).count(), 80);
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let bits = |ds: &Dataset| {
        let m = counts(ds).clone();
        let f: Vec<u64> = ds.obsm().values().flat_map(|m| m.iter().map(|v| v.to_bits())).collect();
        (m, f, text(ds, "expression_domain"), discordant(ds))
    };
    let a = bits(&tissue(&small()).unwrap());
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert!(a == bits(&one.install(|| tissue(&small())).unwrap()));
    let other = bits(&tissue(&TissueConfig { seed: 43, ..small() }).unwrap());
    assert!(a.0 != other.0 && a.1 != other.1 && a.3 != other.3);
}

#[test]
fn every_asked_share_of_spots_is_discordant_in_connected_patches_of_one_domain() {
    for (share, seed) in [(0.0, 1), (0.05, 2), (0.1, 3), (0.3, 4), (0.5, 5)] {
        let config = TissueConfig { discordant: share, seed, ..small() };
        let ds = tissue(&config).unwrap();
        let (place, image, genes) = (
            text(&ds, "domain_true"),
            text(&ds, "morphology_domain"),
            text(&ds, "expression_domain"),
        );
        let marked = discordant(&ds);
        assert_eq!(
            marked.iter().filter(|&&d| d).count(),
            (share * 400.0) as usize,
            "share {share}"
        );
        for i in 0..ds.n_obs() {
            assert_eq!(marked[i], image[i] != genes[i], "spot {i}");
            assert!(image[i] == place[i] || genes[i] == place[i]);
        }
        if share != 0.05 {
            continue;
        }
        // 20 spots are nearest to two patches of 13: ten each, connected and alike.
        let near = beside(&ds, config.spacing_um);
        let mut sizes = Vec::new();
        let mut seen = vec![false; ds.n_obs()];
        for start in (0..ds.n_obs()).filter(|&i| marked[i]) {
            if seen[start] {
                continue;
            }
            let (mut stack, mut size) = (vec![start], 0);
            seen[start] = true;
            while let Some(i) = stack.pop() {
                size += 1;
                assert_eq!((&image[i], &genes[i]), (&image[start], &genes[start]));
                stack.extend(
                    near[i]
                        .iter()
                        .copied()
                        .filter(|&j| marked[j] && !std::mem::replace(&mut seen[j], true)),
                );
            }
            sizes.push(size);
        }
        sizes.sort_unstable();
        assert_eq!(sizes, [10, 10]);
    }
}

#[test]
fn counts_follow_the_negative_binomial() {
    // One domain, one library size, nothing lost: spots are draws of one distribution a gene.
    let config = TissueConfig {
        spots: 4000,
        genes: 60,
        domains: 1,
        library_log_sd: 0.0,
        library_size: 600.0,
        dropout: 0.0,
        discordant: 0.0,
        image_features: 0,
        ..TissueConfig::default()
    };
    let ds = tissue(&config).unwrap();
    assert!(!ds.obsm().contains_key(keys::IMAGE_FEATURES));
    let theta = ds.var().f64("inverse_dispersion").unwrap();
    let n = ds.n_obs() as f64;
    let squares = counts(&ds).map(|_, _, v| v * v).col_sums();
    let mut ratios = Vec::new();
    for (g, sum) in counts(&ds).col_sums().into_iter().enumerate() {
        let mean = sum / n;
        let variance = squares[g] / n - mean * mean;
        ratios.push(variance / (mean + mean * mean / theta[g]));
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
    assert!(ratios.iter().all(|r| (0.75..1.3).contains(r)), "{ratios:?}");
    let total = counts(&ds).row_sums().iter().sum::<f64>() / n;
    assert!((total / 600.0 - 1.0).abs() < 0.02, "{total}");
}

#[test]
fn dropout_and_library_sizes_are_as_asked() {
    let total = |config: &TissueConfig| {
        let sums = counts(&tissue(config).unwrap()).row_sums();
        let n = sums.len() as f64;
        let mean = sums.iter().sum::<f64>() / n;
        let logs: Vec<f64> = sums.iter().map(|s| s.ln()).collect();
        let centre = logs.iter().sum::<f64>() / n;
        (mean, (logs.iter().map(|l| (l - centre).powi(2)).sum::<f64>() / n).sqrt())
    };
    let base = TissueConfig { spots: 1500, ..small() };
    let (kept, sd) = total(&TissueConfig { dropout: 0.0, ..base.clone() });
    let (less, _) = total(&TissueConfig { dropout: 0.4, ..base.clone() });
    assert!((kept / 3000.0 - 1.0).abs() < 0.06, "{kept}");
    assert!((less / kept - 0.6).abs() < 0.02, "{}", less / kept);
    // The gamma noise of 150 genes adds a little to the 0.4 of the library sizes.
    assert!((0.37..0.5).contains(&sd), "{sd}");
}

#[test]
fn domains_can_be_told_from_either_modality() {
    let ds = tissue(&TissueConfig::default()).unwrap();
    // Leave-one-out nearest centroid: how often is the planted domain found again?
    let found = |points: &ndarray::Array2<f64>, label: &[String]| {
        let names: Vec<&String> = label.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let right = (0..points.nrows()).filter(|&i| {
            let distance = |name: &&String| {
                let rows: Vec<usize> =
                    (0..label.len()).filter(|&j| j != i && &label[j] == *name).collect();
                let centre = points.select(Axis(0), &rows).mean_axis(Axis(0)).unwrap();
                (&points.row(i) - &centre).mapv(|d| d * d).sum()
            };
            let best = names.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
            **best == label[i]
        });
        right.count() as f64 / label.len() as f64
    };
    let picks: Vec<usize> = (0..300).map(|i| i * 3).collect();
    let pick =
        |labels: Vec<String>| -> Vec<String> { picks.iter().map(|&i| labels[i].clone()).collect() };
    let image = ds.obsm()[keys::IMAGE_FEATURES].select(Axis(0), &picks);
    let m = counts(&ds);
    let totals = m.row_sums();
    let logs = m.map(|r, _, v| (f64::from(v) / totals[r] * 1e4).ln_1p() as f32);
    let dense =
        ndarray::Array2::from_shape_fn((300, 2000), |(i, g)| f64::from(logs.get(picks[i], g)));
    let by_image = found(&image, &pick(text(&ds, "morphology_domain")));
    let by_genes = found(&dense, &pick(text(&ds, "expression_domain")));
    assert!(by_image > 0.7 && by_genes > 0.8, "image {by_image}, genes {by_genes}; chance is 0.2");
    // The labels of the other modality fit worse by about the discordant share.
    assert!(found(&dense, &pick(text(&ds, "morphology_domain"))) < by_genes - 0.03);
}

#[test]
fn domains_are_regions_with_soft_borders() {
    let config = small();
    let ds = tissue(&config).unwrap();
    let (label, purity) = (text(&ds, "domain_true"), ds.obs().f64("purity").unwrap());
    let near = beside(&ds, config.spacing_um);
    let (mut alike, mut pairs, mut core, mut rim) = (0, 0, Vec::new(), Vec::new());
    for i in 0..ds.n_obs() {
        let same = near[i].iter().filter(|&&j| label[j] == label[i]).count();
        (alike, pairs) = (alike + same, pairs + near[i].len());
        if same == near[i].len() { core.push(purity[i]) } else { rim.push(purity[i]) }
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    assert!(alike as f64 / pairs as f64 > 0.75, "{alike} of {pairs}");
    assert!(mean(&core) > mean(&rim) + 0.15, "core {}, rim {}", mean(&core), mean(&rim));
    let sharp = tissue(&TissueConfig { border_um: 0.0, ..config }).unwrap();
    assert!(sharp.obs().f64("purity").unwrap().iter().all(|&p| p == 1.0));
}

#[test]
fn programmes_are_raised_where_they_belong() {
    let ds = tissue(&TissueConfig { discordant: 0.0, border_um: 0.0, ..TissueConfig::default() })
        .unwrap();
    let programme = ds.var().text("programme").unwrap();
    let share = |wanted: &str| programme.iter().filter(|p| p.as_deref() == Some(wanted)).count();
    assert_eq!(share("housekeeping"), 1300);
    assert_eq!((1..=5).map(|k| share(&format!("D{k}"))).sum::<usize>(), 500);
    assert_eq!(programme.iter().flatten().filter(|p| p.contains('+')).count(), 200);
    let place = text(&ds, "domain_true");
    let inside: Vec<usize> = (0..1000).filter(|&i| place[i] == "D1").collect();
    let outside: Vec<usize> = (0..1000).filter(|&i| place[i] != "D1").collect();
    let rate = |rows: &[usize]| {
        let m = counts(&ds).select_rows(rows).unwrap();
        let sums = m.col_sums();
        let own: f64 =
            (0..2000).filter(|&g| programme[g].as_deref() == Some("D1")).map(|g| sums[g]).sum();
        own / sums.iter().sum::<f64>()
    };
    assert!(rate(&inside) > 1.5 * rate(&outside), "{} against {}", rate(&inside), rate(&outside));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let cases: [(TissueConfig, &str); 9] = [
        (TissueConfig { spots: 0, ..small() }, "spots"),
        (TissueConfig { domains: 41, ..small() }, "domains"),
        (TissueConfig { jitter: f64::NAN, ..small() }, "jitter"),
        (TissueConfig { programme_genes: 0.8, shared_genes: 0.4, ..small() }, "shared_genes"),
        (TissueConfig { dropout: 1.0, ..small() }, "dropout"),
        (TissueConfig { inverse_dispersion: 0.0, ..small() }, "inverse_dispersion"),
        (TissueConfig { image_noise: -1.0, ..small() }, "image_noise"),
        (TissueConfig { discordant: 0.6, ..small() }, "discordant"),
        (TissueConfig { domains: 1, ..small() }, "discordant"),
    ];
    for (config, name) in cases {
        let e = tissue(&config).unwrap_err().to_string();
        assert!(e.contains(name) && e.contains("expected"), "{name}: {e}");
    }
}

#[test]
fn the_smallest_tissue_still_works() {
    let config = TissueConfig {
        spots: 10,
        genes: 1,
        domains: 1,
        discordant: 0.0,
        image_features: 1,
        ..TissueConfig::default()
    };
    assert_eq!(tissue(&config).unwrap().n_obs(), 10);
}
