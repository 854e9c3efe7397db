//! Tests of the loom reader.

use ndarray::{Array2, ArrayView};
use spatia::data::{Unit, Uns};
use spatia::io;
use spatia::io::loom::{self, LoomConfig, LoomUnit};

use crate::common;
use crate::fixtures::loom::{CELLS, GENES, count, file};

/// Writes what h5py reads as an .h5ad would hold it, and compares.
const COMPARE: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import h5py, anndata as ad, numpy as np, pandas as pd, scipy.sparse as sp
f, a = h5py.File(sys.argv[1], "r"), ad.read_h5ad(sys.argv[2])
assert sp.issparse(a.X) and a.X.has_canonical_format
m = f["matrix"][:].T
assert a.shape == m.shape
np.testing.assert_array_equal(a.X.toarray(), m.astype(np.float32))
text = lambda v: np.array([x.decode() for x in v], dtype=object) if v.dtype.kind in "SO" else v
seen = 0
for group, frame, name in [("col_attrs", a.obs, "CellID"), ("row_attrs", a.var, "Gene")]:
    assert list(frame.index) == list(text(f[group][name][:]))
    assert set(frame.columns) == set(f[group]) - {name}, set(frame.columns) ^ set(f[group])
    for c in frame.columns:
        v = text(f[group][c][:])
        if v.dtype == object:
            assert isinstance(frame[c].dtype, pd.CategoricalDtype) or len(set(v)) == len(v), c
            assert list(frame[c].astype(str)) == list(v), c
        else:
            assert frame[c].dtype == v.dtype, (c, frame[c].dtype, v.dtype)
            np.testing.assert_array_equal(frame[c].to_numpy(), v)
        seen += 1
np.testing.assert_array_equal(a.obsm["spatial"], np.c_[f["col_attrs/X"][:], f["col_attrs/Y"][:]])
assert a.uns["loom"]["description"] == "osmFISH dataset of the mouse cortex including all cells"
print(f"equal in {seen} columns")
"#;

#[test]
fn osmfish_equals_pythons_reading() {
    let Some(python) = common::python() else { return };
    let Some(path) = common::data("osmfish/osmFISH_SScortex_mouse_all_cells.loom") else { return };
    let ds = io::read(&path).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (6471, 33));
    assert_eq!(ds.sources, std::slice::from_ref(&path));
    assert_eq!(ds.coordinates().unwrap().unit, Unit::Unknown);
    assert_eq!(ds.obs().codes("Region").unwrap().unwrap().0.len(), 12);
    let out = tempfile::tempdir().unwrap();
    let ours = out.path().join("ours.h5ad");
    io::h5ad::write(&ds, &ours).unwrap();
    let said = common::run_python(&python, COMPARE, &[&path, &ours]);
    assert_eq!(said.trim(), "equal in 13 columns");
}

#[test]
fn a_file_of_format_3_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.loom");
    file(&path);
    let ds = io::read(&path).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (CELLS, GENES));
    for c in 0..CELLS {
        for g in 0..GENES {
            assert_eq!(ds.x().get(c, g), count(g, c));
            assert_eq!(ds.layers()["spliced"].get(c, g), count(g, c) * 0.5);
        }
    }
    assert_eq!(ds.obs().index()[0], format!("cell_{CELLS}"));
    assert_eq!(ds.var().index()[4], "Vip");
    // Entities are unfolded; text that repeats is categorical.
    assert_eq!(ds.var().text("Fluorophore").unwrap()[4].as_deref(), Some("α-Cy5"));
    let (regions, _) = ds.obs().codes("Region").unwrap().unwrap();
    assert_eq!(regions, ["Layer 4", "Layer 6", "Ventricle"]);
    assert_eq!(ds.obsm()["pca"].dim(), (CELLS, 3));
    assert_eq!(ds.obsm()["pca"][[2, 1]], 1.0);
    assert_eq!(ds.obsm()["spatial"][[2, 0]], 21.0);
    assert_eq!(ds.obsp()["knn"].get(4, 3), 2.0);
    assert_eq!(ds.obsp()["knn"].nnz(), CELLS - 1);
    assert_eq!(ds.uns().get(&["loom", "description"]).and_then(Uns::as_str), Some("a sample"));
    assert!(ds.uns().get(&["spatial_unit"]).is_none());
}

#[test]
fn options_choose_names_layer_and_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.loom");
    file(&path);
    let config = LoomConfig {
        obs_names: Some("Region".into()),
        var_names: Some("Fluorophore".into()),
        layer: Some("spliced".into()),
        um_per_unit: Some(0.065),
        ..LoomConfig::default()
    };
    let ds = loom::read_with(&path, &config).unwrap();
    assert_eq!(ds.obs().index()[0], "Layer 6");
    assert_eq!(ds.var().index()[0], "Cy5");
    assert!(ds.obs().has("CellID") && !ds.obs().has("Region"));
    assert_eq!(ds.x().get(0, 0), count(0, 0) * 0.5);
    assert_eq!(ds.layers()["matrix"].get(1, 1), count(1, 1));
    assert_eq!(ds.coordinates().unwrap().unit, Unit::Um);
    assert!((ds.obsm()["spatial"][[2, 0]] - 21.0 * 0.065).abs() < 1e-12);
    let px = LoomConfig { unit: LoomUnit::Px, ..LoomConfig::default() };
    assert_eq!(loom::read_with(&path, &px).unwrap().coordinates().unwrap().unit, Unit::Px);
}

/// Any layout of the matrix gives the same: contiguous, chunks by rows, by columns, of any type.
#[test]
fn every_layout_gives_the_same_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let (genes, cells) = (37, 211);
    let value =
        |(g, c): (usize, usize)| if (g * 31 + c * 17) % 13 < 3 { (g + c) as i64 } else { 0 };
    let matrix = Array2::from_shape_fn((genes, cells), value);
    for (i, chunk) in
        [None, Some((1, 211)), Some((37, 1)), Some((64, 64)), Some((5, 7))].into_iter().enumerate()
    {
        let path = folder.path().join(format!("{i}.loom"));
        let file = hdf5::File::create(&path).unwrap();
        let builder = file.new_dataset_builder();
        match chunk {
            Some((h, w)) => builder
                .deflate(1)
                .chunk((h.min(genes), w.min(cells)))
                .with_data(&matrix)
                .create("matrix")
                .unwrap(),
            None => builder.with_data(&matrix.mapv(|v| v as u16)).create("matrix").unwrap(),
        };
        file.create_group("row_attrs").unwrap();
        let cols = file.create_group("col_attrs").unwrap();
        let names: Vec<i64> = (0..cells as i64).collect();
        cols.new_dataset_builder().with_data(&ArrayView::from(&names)).create("CellID").unwrap();
        let rows = file.group("row_attrs").unwrap();
        let names: Vec<i64> = (0..genes as i64).collect();
        rows.new_dataset_builder().with_data(&ArrayView::from(&names)).create("Gene").unwrap();
        drop((cols, rows, file));
        let ds = io::read(&path).unwrap();
        assert_eq!(ds.obs().index()[7], "7");
        for g in 0..genes {
            for c in 0..cells {
                assert_eq!(ds.x().get(c, g), matrix[[g, c]] as f32, "{chunk:?} at {g}, {c}");
            }
        }
    }
}

#[track_caller]
fn refused(e: spatia::base::Error, parts: &[&str]) {
    let said = e.to_string();
    for part in parts {
        assert!(said.contains(part), "no '{part}' in: {said}");
    }
}

#[test]
fn mistakes_have_their_own_message() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Another kind of file under the name.
    let ds = spatia::sim::tissue(&spatia::sim::TissueConfig {
        spots: 20,
        genes: 30,
        domains: 2,
        ..Default::default()
    })
    .unwrap();
    io::h5ad::write(&ds, &at("a.h5ad")).unwrap();
    std::fs::rename(at("a.h5ad"), at("a.loom")).unwrap();
    refused(loom::read(&at("a.loom")).unwrap_err(), &["an AnnData file", "data::read"]);
    // Cells x genes instead of genes x cells.
    file(&at("turned.loom"));
    let f = hdf5::File::open_rw(at("turned.loom")).unwrap();
    f.unlink("matrix").unwrap();
    let turned = Array2::<f32>::zeros((CELLS, GENES));
    f.new_dataset_builder().with_data(&turned).create("matrix").unwrap();
    drop(f);
    refused(
        io::read(&at("turned.loom")).unwrap_err(),
        &["[70, 5]", "genes x cells", "the other way round"],
    );
    // Names that are not there.
    file(&at("b.loom"));
    let wrong = |config| loom::read_with(&at("b.loom"), &config).unwrap_err();
    let default = LoomConfig::default;
    refused(
        wrong(LoomConfig { obs_names: Some("CellId".into()), ..default() }),
        &["names of the cells", "Did you mean 'CellID'"],
    );
    refused(
        wrong(LoomConfig { layer: Some("splice".into()), ..default() }),
        &["layer 'splice'", "Did you mean 'spliced'"],
    );
    let pair = ["x".to_owned(), "y".to_owned()];
    refused(
        wrong(LoomConfig { coordinates: pair, ..default() }),
        &["coordinates", "Did you mean 'X'"],
    );
    refused(wrong(LoomConfig { um_per_unit: Some(0.0), ..default() }), &["um_per_unit", "above 0"]);
    // Part of a file.
    let bytes = std::fs::read(at("b.loom")).unwrap();
    std::fs::write(at("cut.loom"), &bytes[..bytes.len() / 2]).unwrap();
    refused(io::read(&at("cut.loom")).unwrap_err(), &["cut short or damaged"]);
}

/// A header that promises a matrix which the file cannot hold.
#[test]
fn an_empty_matrix_of_a_million_cells_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.loom");
    let file = hdf5::File::create(&path).unwrap();
    file.new_dataset::<f32>()
        .chunk((64, 64))
        .shape((1_000_000, 1_000_000))
        .create("matrix")
        .unwrap();
    file.create_group("row_attrs").unwrap();
    file.create_group("col_attrs").unwrap();
    drop(file);
    refused(io::read(&path).unwrap_err(), &["can unfold to", "damaged"]);
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.loom");
    file(&path);
    let rounds = std::env::var("SPATIA_TEST_ROUNDS").ok().and_then(|n| n.parse().ok());
    crate::xenium::mutate(&path, rounds.unwrap_or(200), |p| loom::read(p).map(drop));
}
