use ndarray::Array2;
use proptest::prelude::*;
use spatia::data::{Coordinates, Unit};
use spatia::graph::{Graph, KnnConfig, RadiusConfig, delaunay, knn, radius};

use super::slide::slide;

fn at(points: &[[f64; 2]]) -> Coordinates {
    let xy = Array2::from_shape_fn((points.len(), 2), |(i, j)| points[i][j]);
    Coordinates { xy, unit: Unit::Um, um_per_unit: Some(1.0) }
}

fn directed(k: usize) -> KnnConfig {
    KnnConfig { k, symmetric: false, ..KnnConfig::default() }
}

fn is_symmetric(graph: &Graph) -> bool {
    let m = graph.to_csr();
    m == m.transpose().unwrap()
}

/// Sorted by (target, source), no loops, no duplicates, all in range.
fn is_sound(graph: &Graph) -> bool {
    let edges: Vec<(u32, u32)> =
        graph.targets().iter().copied().zip(graph.sources().iter().copied()).collect();
    edges.windows(2).all(|w| w[0] < w[1])
        && edges.iter().all(|(t, s)| t != s && ((*t).max(*s) as usize) < graph.n_nodes())
}

#[track_caller]
fn degrees_match(graph: &Graph, golden: &serde_json::Value) {
    let degrees = graph.degrees();
    assert_eq!(*degrees.iter().min().unwrap() as f64, golden["degree_min"].as_f64().unwrap());
    assert_eq!(*degrees.iter().max().unwrap() as f64, golden["degree_max"].as_f64().unwrap());
    assert!((graph.mean_degree() - golden["degree_mean"].as_f64().unwrap()).abs() < 1e-12);
    assert!(is_sound(graph));
}

#[test]
fn three_graphs_match_squidpy() {
    let Some(slide) = slide() else { return };
    let (c, golden) = (slide.coordinates(), &slide.golden);
    let one_way = knn(&c, &directed(6)).unwrap();
    assert_eq!(one_way.n_edges(), golden["graph_knn6"]["directed_edges"]);
    degrees_match(&one_way, &golden["graph_knn6"]);
    let both = knn(&c, &KnnConfig::default()).unwrap();
    println!("{both}");
    assert_eq!(both.n_edges(), golden["graph_knn6"]["union_edges"]);
    assert!(is_symmetric(&both) && is_sound(&both));

    let near = radius(&c, &RadiusConfig::of(150.0)).unwrap();
    println!("{near}");
    assert_eq!(near.n_edges(), golden["graph_radius150"]["directed_edges"]);
    degrees_match(&near, &golden["graph_radius150"]);
    assert!(is_symmetric(&near));

    let sides = delaunay(&c).unwrap();
    println!("{sides}");
    assert_eq!(sides.n_edges(), golden["graph_delaunay"]["directed_edges"]);
    degrees_match(&sides, &golden["graph_delaunay"]);
    assert!(is_symmetric(&sides));
}

#[test]
fn many_spots_may_share_a_position() {
    // A hundred on one spot overflow any leaf of a kd-tree; ten stand elsewhere.
    let mut points = vec![[3.0, 4.0]; 100];
    points.extend((0..10).map(|i| [f64::from(i), -0.0]));
    let graph = knn(&at(&points), &directed(5)).unwrap();
    assert!(graph.degrees().iter().all(|&d| d == 5) && is_sound(&graph));
    let everywhere = knn(&at(&[[1.0, 1.0]; 50]), &directed(49)).unwrap();
    assert_eq!(everywhere.n_edges(), 50 * 49);
    assert!(is_sound(&everywhere) && everywhere.median_spacing.is_nan());
    // Beyond the duplicates the nearest position is found.
    let beyond = knn(&at(&[[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]), &directed(2)).unwrap();
    assert_eq!(beyond.sources()[..2], [1, 2]);
}

#[test]
fn equal_distances_go_to_the_first_spots() {
    let cross = at(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]);
    let graph = knn(&cross, &directed(2)).unwrap();
    assert_eq!(graph.sources()[..2], [1, 2]);
}

#[test]
fn one_or_two_spots() {
    assert!(
        knn(&at(&[[0.0, 0.0]]), &directed(1)).unwrap_err().to_string().contains("at least 2 spots")
    );
    assert!(delaunay(&at(&[])).is_err());
    let pair = at(&[[0.0, 0.0], [3.0, 4.0]]);
    let graph = knn(&pair, &directed(1)).unwrap();
    assert_eq!(
        (graph.sources(), graph.targets(), graph.median_spacing),
        (&[1, 0][..], &[0, 1][..], 5.0)
    );
    assert_eq!(radius(&pair, &RadiusConfig::of(5.0)).unwrap().n_edges(), 2);
    assert!(delaunay(&pair).unwrap_err().to_string().contains("three positions"));
}

#[test]
fn options_out_of_range() {
    let c = at(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
    for k in [0, 3, 99] {
        let error = knn(&c, &directed(k)).unwrap_err().to_string();
        assert!(
            error.contains("below the 3 spots") && error.contains(&format!("k = {k}")),
            "{error}"
        );
    }
    for reach in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(radius(&c, &RadiusConfig::of(reach)).is_err(), "{reach}");
    }
    for bad in [f64::NAN, f64::INFINITY] {
        let c = at(&[[0.0, 0.0], [1.0, bad], [0.0, 1.0]]);
        assert!(knn(&c, &directed(1)).unwrap_err().to_string().contains("spot 1"));
        assert!(delaunay(&c).is_err() && radius(&c, &RadiusConfig::default()).is_err());
    }
}

#[test]
fn collinear_spots_have_no_triangles() {
    for points in [
        (0..20).map(|i| [f64::from(i), 2.0 * f64::from(i)]).collect::<Vec<_>>(),
        vec![[1.0, 1.0]; 9],
    ] {
        assert!(delaunay(&at(&points)).unwrap_err().to_string().contains("Use the kNN graph"));
    }
}

#[test]
fn delaunay_keeps_duplicates_and_small_scales() {
    let square = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.1]];
    let mut points: Vec<[f64; 2]> =
        square.iter().map(|p| [1e6 + p[0] * 1e-3, p[1] * 1e-3]).collect();
    assert_eq!(delaunay(&at(&points)).unwrap().n_edges(), 10);
    points.push(points[0]);
    let graph = delaunay(&at(&points)).unwrap();
    assert_eq!((graph.n_edges(), graph.isolated), (12, 0));
    assert!(is_sound(&graph) && is_symmetric(&graph));
}

#[test]
fn an_empty_or_absurd_graph_names_a_radius_that_works() {
    let grid: Vec<[f64; 2]> =
        (0..900).map(|i| [f64::from(i % 30) * 100.0, f64::from(i / 30) * 100.0]).collect();
    let c = at(&grid);
    for reach in [5.0, 1e5] {
        let error = radius(&c, &RadiusConfig::of(reach)).unwrap_err().to_string();
        let advised: f64 =
            error.split("a radius of ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(error.contains("spacing of spots is 100 um"), "{error}");
        let graph = radius(&c, &RadiusConfig::of(advised)).unwrap();
        assert!(graph.isolated == 0 && graph.mean_degree() < 12.0, "{advised}: {graph}");
    }
    assert!(knn(&c, &directed(500)).unwrap_err().to_string().contains("at most 200 neighbours"));
}

#[test]
fn isolated_spots_are_counted() {
    let c = at(&[[0.0, 0.0], [1.0, 0.0], [50.0, 0.0]]);
    let graph = radius(&c, &RadiusConfig::of(2.0)).unwrap();
    assert_eq!((graph.isolated, graph.degrees()), (1, vec![1, 1, 0]));
    assert!(graph.to_string().contains("1 without any"), "{graph}");
}

#[test]
fn given_edges_are_checked() {
    let graph = Graph::from_edges(3, &[(2, 0), (1, 0), (2, 0)]).unwrap();
    assert_eq!((graph.sources(), graph.targets()), (&[1, 2][..], &[0, 0][..]));
    assert!(Graph::from_edges(3, &[(1, 1)]).is_err() && Graph::from_edges(3, &[(0, 3)]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against the definition, on a lattice that is full of ties and duplicates.
    #[test]
    fn knn_and_radius_agree_with_all_pairs(
        cells in prop::collection::vec((0i32..6, 0i32..6), 2..90), k in 1usize..12, reach in 1u32..5
    ) {
        let points: Vec<[f64; 2]> = cells.iter().map(|&(x, y)| [f64::from(x), f64::from(y)]).collect();
        let (c, n) = (at(&points), points.len());
        let k = k.min(n - 1);
        let squared = |i: usize, j: usize| (cells[i].0 - cells[j].0).pow(2) + (cells[i].1 - cells[j].1).pow(2);
        let graph = knn(&c, &directed(k)).unwrap();
        let mut expected = Vec::new();
        for i in 0..n {
            let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            others.sort_by_key(|&j| (squared(i, j), j));
            others.truncate(k);
            others.sort_unstable();
            expected.extend(others.iter().map(|&j| j as u32));
        }
        prop_assert_eq!(graph.sources(), &expected[..]);
        prop_assert!(is_sound(&graph));
        let both = knn(&c, &KnnConfig { k, symmetric: true, ..KnnConfig::default() }).unwrap();
        prop_assert!(is_symmetric(&both) && is_sound(&both));

        let within = |i: usize, j: usize| i != j && squared(i, j) <= (reach * reach) as i32;
        let count = (0..n).map(|i| (0..n).filter(|&j| within(i, j)).count()).sum::<usize>();
        match radius(&c, &RadiusConfig::of(f64::from(reach))) {
            Ok(graph) => prop_assert!(graph.n_edges() == count && is_symmetric(&graph) && is_sound(&graph)),
            Err(_) => prop_assert_eq!(count, 0),
        }
    }
}
