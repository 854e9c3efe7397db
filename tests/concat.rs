//! Several samples as one, beside anndata.

use crate::common;
use ndarray::array;
use spatia::batch::image::{EncodeConfig, encode};
use spatia::data::{ConcatConfig, Dataset, Join, Matrix, Table, Uns, concat, keys};
use spatia::graph::{KnnConfig, RadiusConfig, delaunay, knn, per_sample};
use spatia::plot::SpatialConfig;

fn config(join: Join) -> ConcatConfig {
    ConcatConfig { join, names: vec!["a".into(), "b".into()], ..ConcatConfig::default() }
}

#[test]
fn slices_join_as_anndata_joins_them() {
    let paths = ["dlpfc/151673", "dlpfc/151674"].map(common::data);
    let ([Some(a), Some(b)], Some(python)) = (paths, common::python()) else { return };
    let (a, b) = (spatia::io::read(&a).unwrap(), spatia::io::read(&b).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    spatia::io::h5ad::write(&a, &file("a.h5ad")).unwrap();
    spatia::io::h5ad::write(&b, &file("b.h5ad")).unwrap();
    for (join, name) in [(Join::Inner, "inner.h5ad"), (Join::Outer, "outer.h5ad")] {
        spatia::io::h5ad::write(&concat(&[&a, &b], &config(join)).unwrap(), &file(name)).unwrap();
    }
    let said = common::run_python(
        &python,
        r#"
import sys, warnings; warnings.filterwarnings("ignore")
import anndata, numpy as np
a, b = (anndata.read_h5ad(p) for p in sys.argv[1:3])
for join, path in zip(("inner", "outer"), sys.argv[3:5]):
    ours = anndata.read_h5ad(path)
    theirs = anndata.concat({"a": a, "b": b}, join=join, label="sample", index_unique="-", uns_merge="unique")
    assert set(theirs.var_names) == set(ours.var_names) and theirs.n_vars == ours.n_vars
    assert list(theirs.obs_names) == list(ours.obs_names), (theirs.obs_names[:3], ours.obs_names[:3])
    theirs = theirs[:, ours.var_names]
    d = abs(theirs.X - ours.X)
    assert d.max() == 0, d.max()
    assert list(theirs.obs.columns) == [c for c in ours.obs.columns], (theirs.obs.columns, ours.obs.columns)
    for c in theirs.obs.columns:
        x, y = theirs.obs[c].astype(object), ours.obs[c].astype(object)
        assert ((x == y) | (x.isna() & y.isna())).all(), c
    assert (theirs.obsm["spatial"] == ours.obsm["spatial"]).all()
    # A library a sample, under the sample's name, as squidpy's library_key wants it.
    assert list(ours.uns["spatial"]) == ["a", "b"], ours.uns["spatial"].keys()
    assert list(ours.obs["sample"].cat.categories) == ["a", "b"]
print("same")
"#,
        &[&file("a.h5ad"), &file("b.h5ad"), &file("inner.h5ad"), &file("outer.h5ad")],
    );
    assert_eq!(said.trim(), "same");
}

/// Spots on a small square, with a column that says so.
fn sample(genes: &[&str], unit: Option<&str>) -> Dataset {
    let names = |p: &str, n: usize| (0..n).map(|i| format!("{p}{i}")).collect();
    let x = ndarray::Array2::from_shape_fn((4, genes.len()), |(i, j)| (i * genes.len() + j) as f32);
    let var = Table::new(genes.iter().map(|g| (*g).to_owned()).collect());
    let mut ds = Dataset::new(Matrix::Dense(x).to_csr(), Table::new(names("s", 4)), var).unwrap();
    ds.obs_mut().set_categories("kind", &[Some("x".into()), None, Some("y".into()), None]).unwrap();
    ds.set_obsm(keys::SPATIAL, array![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.1, 1.2]]).unwrap();
    if let Some(unit) = unit {
        ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text(unit.into()));
    }
    ds
}

#[test]
fn genes_columns_and_names_are_joined() {
    let (mut a, mut b) =
        (sample(&["g1", "g2", "g3"], Some("um")), sample(&["g3", "g1", "g4"], Some("um")));
    a.var_mut().set_text("id", &["i1".into(), "i2".into(), "i3".into()]).unwrap();
    b.var_mut().set_text("id", &["i3".into(), "i1".into(), "i4".into()]).unwrap();
    b.var_mut().set_f64("other", &[1.0, 2.0, 3.0]).unwrap();
    b.obs_mut().set_f64("depth", &[1.0, 2.0, 3.0, 4.0]).unwrap();
    b.obs_mut().set_categories("kind", &[Some("z".into()), None, None, None]).unwrap();
    let inner = concat(&[&a, &b], &config(Join::Inner)).unwrap();
    assert_eq!(inner.var().index(), ["g1", "g3"]);
    assert_eq!(inner.var().text("id").unwrap(), [Some("i1".into()), Some("i3".into())]);
    assert_eq!(inner.obs().names(), ["kind", "sample"]);
    assert_eq!(inner.obs().codes("kind").unwrap().unwrap().0, ["x", "y", "z"]);
    assert_eq!(
        (inner.obs().index()[0].as_str(), inner.obs().index()[7].as_str()),
        ("s0-a", "s3-b")
    );
    // Row 5 is spot 1 of b, where g3 comes before g1.
    assert_eq!((inner.x().get(5, 0), inner.x().get(5, 1)), (4.0, 3.0));
    let outer = concat(&[&a, &b], &config(Join::Outer)).unwrap();
    assert_eq!(outer.var().index(), ["g1", "g2", "g3", "g4"]);
    assert_eq!((outer.x().get(3, 3), outer.x().get(4, 1), outer.x().get(7, 3)), (0.0, 0.0, 11.0));
    let depth = outer.obs().f64("depth").unwrap();
    assert!(depth[..4].iter().all(|v| v.is_nan()) && depth[4..] == [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(outer.uns().get(&[keys::SPATIAL_UNIT]).and_then(Uns::as_str), Some("um"));
}

#[test]
fn no_graph_joins_two_samples() {
    let (a, b) = (sample(&["g1"], Some("um")), sample(&["g1"], Some("um")));
    let both = concat(&[&a, &b], &config(Join::Inner)).unwrap();
    let near = KnnConfig { k: 2, ..KnnConfig::default() };
    let graphs = [
        per_sample(&both, None, |at| knn(at, &near)).unwrap(),
        per_sample(&both, Some("sample"), delaunay).unwrap(),
    ];
    for graph in graphs {
        assert_eq!(graph.n_nodes(), 8);
        let across =
            graph.sources().iter().zip(graph.targets()).filter(|(s, t)| (**s < 4) != (**t < 4));
        assert_eq!((across.count(), graph.isolated), (0, 0), "{graph}");
    }
    let wrong = per_sample(&both, Some("samples"), delaunay).unwrap_err().to_string();
    assert!(wrong.contains("Did you mean 'sample'"), "{wrong}");
    let most = KnnConfig { k: 4, ..KnnConfig::default() };
    let few = per_sample(&both, None, |at| knn(at, &most)).unwrap_err().to_string();
    assert!(few.contains("sample 'a'") && few.contains("4 spots"), "{few}");

    let apart = ConcatConfig { side_by_side: true, ..config(Join::Inner) };
    let xy = concat(&[&a, &b], &apart).unwrap().obsm()[keys::SPATIAL].clone();
    assert!(xy[[4, 0]] > 1.1 && xy[[4, 1]] == 0.0, "{xy}");
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let say =
        |a: &Dataset, b: &Dataset, c: &ConcatConfig| concat(&[a, b], c).unwrap_err().to_string();
    let (um, px) = (sample(&["g1"], Some("um")), sample(&["g1"], Some("px")));
    let units = say(&um, &px, &config(Join::Inner));
    assert!(units.contains("um in 'a' and px in 'b'"), "{units}");
    let genes = say(&um, &sample(&["ENSG1"], Some("um")), &config(Join::Inner));
    assert!(genes.contains("g1, ENSG1") && genes.contains("by id"), "{genes}");
    let names = ConcatConfig { names: vec!["a".into(), "a".into()], ..ConcatConfig::default() };
    assert!(say(&um, &um, &names).contains("2 different names"));
    let mut logged = um.clone();
    spatia::prep::log1p(&mut logged).unwrap();
    assert!(say(&um, &logged, &config(Join::Inner)).contains("logarithms in 'b'"));
    assert!(concat(&[], &ConcatConfig::default()).is_err());
}

#[test]
fn each_sample_keeps_its_picture_and_its_scale() {
    let read = |name| common::data(name).map(|path| spatia::io::read(&path).unwrap());
    let (Some(a), Some(b)) = (read("dlpfc/151673"), read("dlpfc/151674")) else { return };
    let plain = EncodeConfig { standardize: false, ..EncodeConfig::default() };
    let of = |ds: &Dataset| encode(ds, &plain).unwrap();
    let (of_a, of_b) = (of(&a), of(&b));
    let scale = |ds: &Dataset| ds.coordinates().unwrap().um_per_unit.unwrap();
    let within = RadiusConfig { radius_um: Some(160.0), ..RadiusConfig::default() };
    let edges = |ds: &Dataset| {
        per_sample(ds, None, |at| spatia::graph::radius(at, &within)).unwrap().n_edges()
    };
    for side_by_side in [false, true] {
        let config = ConcatConfig { side_by_side, ..config(Join::Inner) };
        let mut both = concat(&[&a, &b], &config).unwrap();
        let features = of(&both);
        assert_eq!(features.slice(ndarray::s![..a.n_obs(), ..]), of_a);
        assert_eq!(features.slice(ndarray::s![a.n_obs().., ..]), of_b);
        let mean = (scale(&a) + scale(&b)) / 2.0;
        assert!((scale(&both) / mean - 1.0).abs() < 1e-9, "{}", scale(&both));
        assert!(edges(&both).abs_diff(edges(&a) + edges(&b)) < 100, "{}", edges(&both));
        let drawn = spatia::plot::spatial(
            &both,
            &SpatialConfig { color: "layer".into(), ..SpatialConfig::default() },
        );
        assert_eq!(drawn.is_ok(), side_by_side);
        let of_second: Vec<usize> = (a.n_obs()..both.n_obs()).collect();
        both.select_obs(&of_second).unwrap();
        assert_eq!(of(&both), of_b);
        assert_eq!(both.tissue_image().unwrap().pixels, b.tissue_image().unwrap().pixels);
        assert!((scale(&both) / scale(&b) - 1.0).abs() < 1e-12);
    }
}
