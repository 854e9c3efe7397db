//! Tests of `io`: real files against Python's reading of them, round trips, and what is said of
//! files that cannot be read.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use ndarray::{Array1, Array2, arr2, arr3};
use polars::prelude::*;
use proptest::prelude::*;
use rand::Rng;
use spatia::data::{Csr, Dataset, Matrix, Raw, Table, Uns};
use spatia::io;

use crate::common;

/// Compares two files as Python reads them, each slot element for element. Only what
/// `io::h5ad` documents may differ: widths of floats and integers, the flag `ordered`, and the
/// places where tables and sparse matrices beside the rows go.
pub const COMPARE: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import anndata as ad, numpy as np, pandas as pd, scipy.sparse as sp
a, b = (ad.read_h5ad(p) for p in sys.argv[1:3])
seen = 0
def same(at, x, y):
    global seen
    seen += 1
    x, y = np.asarray(x), np.asarray(y)
    assert x.shape == y.shape, (at, x.shape, y.shape)
    if x.dtype.kind in "fiu":
        np.testing.assert_array_equal(np.asarray(x, y.dtype), y, err_msg=at)
    else:
        assert x.dtype.kind == y.dtype.kind or {x.dtype.kind, y.dtype.kind} <= set("OUT"), (at, x.dtype, y.dtype)
        assert (x == y).all(), at
def sparse(at, x, y):
    assert sp.issparse(y), (at, type(y))
    x, y = sp.csr_matrix(x), sp.csr_matrix(y)
    assert y.dtype == np.float32 and x.shape == y.shape, (at, x.shape, y.shape, y.dtype)
    x = x.astype(np.float32); x.sort_indices(); x.sum_duplicates(); y.sort_indices()
    for k in ("indptr", "indices", "data"): same(at + "." + k, getattr(x, k), getattr(y, k))
def matrix(at, x, y):
    if x is None: assert y.nnz == 0, at
    elif sp.issparse(x): sparse(at, x, y)
    else: assert isinstance(y, np.ndarray) and y.dtype == np.float32, at; same(at, x, y)
def frame(at, x, y):
    assert list(map(str, x.index)) == list(y.index), at
    assert list(x.columns) == list(y.columns), (at, list(x.columns), list(y.columns))
    assert x.index.name == y.index.name or x.index.name == "index", (at, x.index.name, y.index.name)
    for c in x.columns:
        u, v = x[c], y[c]
        if isinstance(u.dtype, pd.CategoricalDtype):
            assert isinstance(v.dtype, pd.CategoricalDtype) and not v.cat.ordered, (at, c)
            assert list(map(str, u.cat.categories)) == list(v.cat.categories), (at, c)
            same(at + "." + c, u.cat.codes, v.cat.codes)
        else:
            assert u.dtype == v.dtype, (at, c, u.dtype, v.dtype)
            pd.testing.assert_series_equal(u.reset_index(drop=True), v.reset_index(drop=True), check_names=False)
def tree(at, x, y):
    if isinstance(x, dict):
        extra = set(y) - set(x)
        assert set(x) <= set(y) and all(k.endswith("_names") for k in extra), (at, set(x) ^ set(y))
        for k in x: tree(at + "/" + k, x[k], y[k])
    elif sp.issparse(x): sparse(at, x, y)
    elif isinstance(x, pd.DataFrame): frame(at, x, y)
    elif isinstance(x, np.ndarray) and x.dtype.names:
        assert list(x.dtype.names) == list(y.columns), at
        for c in y.columns: same(at + "." + c, [v.decode() if isinstance(v, bytes) else v for v in x[c]], y[c])
    elif isinstance(x, np.ndarray):
        same(at, x, y)
        assert x.dtype == y.dtype or x.dtype.kind in "iuOUS", (at, x.dtype, y.dtype)
    else:
        assert x == y and (type(x) == type(y) or isinstance(x, (str, float, np.floating, np.integer))), (at, type(x), type(y))
def beside(at, x, y):
    assert set(x) == set(y), (at, set(x) ^ set(y))
    for k in x:
        v = x[k]
        if sp.issparse(v): v = v.toarray().astype(np.float32)
        if isinstance(v, pd.DataFrame): v = v.select_dtypes("number")
        assert y[k].dtype == np.float64
        same(at + "." + k, v, y[k])
assert a.shape == b.shape
matrix("X", a.X, b.X)
assert set(a.layers) == set(b.layers), (set(a.layers), set(b.layers))
for k, v in a.layers.items(): matrix("layers." + k, v, b.layers[k])
assert (a.raw is None) == (b.raw is None), (a.raw, b.raw)
if a.raw is not None:
    assert a.raw.shape == b.raw.shape
    matrix("raw.X", a.raw.X, b.raw.X)
    frame("raw.var", a.raw.var, b.raw.var)
    beside("raw.varm", a.raw.varm, b.raw.varm)
frame("obs", a.obs, b.obs)
frame("var", a.var, b.var)
beside("obsm", a.obsm, b.obsm)
beside("varm", a.varm, b.varm)
assert set(a.obsp) == set(b.obsp)
for k in a.obsp: sparse("obsp." + k, a.obsp[k], b.obsp[k])
assert set(a.varp) == set(b.varp)
for k in a.varp: sparse("varp." + k, a.varp[k], b.varp[k])
tree("uns", dict(a.uns), dict(b.uns))
print(f"equal in {seen} arrays")
"#;

const H5AD: [&str; 7] = [
    "anndata_archives/v0.5.0.h5ad",
    "anndata_archives/v0.7.8.h5ad",
    "anndata_archives/v0.11.4.h5ad",
    "squidpy_tiny/test_data.h5ad",
    "starmap_mpfc/starmap_mpfc_BZ5.h5ad",
    "merfish_hypothalamus/merfish_hypothalamus_animal1.h5ad",
    "dlpfc/151673.h5ad",
];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn real_h5ad_files_equal_pythons_reading() {
    let Some(python) = common::python() else { return };
    let out = folder();
    for name in H5AD {
        let Some(path) = common::data(name) else { return };
        let ours = out.path().join("ours.h5ad");
        let ds = io::read(&path).unwrap();
        assert_eq!(ds.sources, std::slice::from_ref(&path));
        io::h5ad::write(&ds, &ours).unwrap();
        let said = common::run_python(&python, COMPARE, &[&path, &ours]);
        println!("{name}: {}", said.trim());
        same(&ds, &io::read(&ours).unwrap());
    }
}

#[test]
fn real_h5ad_files_open_with_the_right_shapes() {
    let shapes =
        [(700, 765), (30, 20), (10, 20), (49, 1999), (1049, 166), (11162, 161), (3639, 8474)];
    for (name, shape) in H5AD.into_iter().zip(shapes) {
        let Some(path) = common::data(name) else { return };
        let ds = io::read(&path).unwrap();
        assert_eq!((ds.n_obs(), ds.n_vars()), shape, "{name}");
    }
    let ds = io::read(&common::data("dlpfc/151673.h5ad").unwrap()).unwrap();
    assert!(ds.counts().is_ok());
    assert_eq!(
        ds.obs().codes("layer").unwrap().unwrap().0,
        ["L1", "L2", "L3", "L4", "L5", "L6", "WM"]
    );
    let image = ds.tissue_image().unwrap();
    assert_eq!((image.pixels.dim(), image.resolution.as_str()), ((600, 600, 3), "lowres"));
    let merfish = io::read(&common::data(H5AD[5]).unwrap()).unwrap();
    let e = merfish.counts().unwrap_err().to_string();
    assert!(e.contains("whole numbers"), "{e}");
    let old = io::read(&common::data(H5AD[0]).unwrap()).unwrap();
    assert_eq!(old.obsm()["X_pca"].dim(), (700, 50));
    assert_eq!(old.varm()["PCs"].dim(), (765, 50));
    assert_eq!(old.obs().text("bulk_labels").unwrap()[0].as_deref(), Some("CD14+ Monocyte"));
    let Uns::Table(ranks) = old.uns().get(&["rank_genes_groups", "names"]).unwrap() else {
        panic!()
    };
    assert_eq!((ranks.len(), ranks.names().len()), (100, 10));
}

/// The folder and the `.h5ad` of one slice hold the same spots in the same order.
#[test]
fn visium_folder_and_h5ad_of_a_slice_agree() {
    let (Some(folder), Some(file)) =
        (common::data("dlpfc/151673"), common::data("dlpfc/151673.h5ad"))
    else {
        return;
    };
    let (a, b) = (io::read(&folder).unwrap(), io::read(&file).unwrap());
    assert_eq!(a.obs().index(), b.obs().index());
    assert_eq!(a.var().index(), b.var().index());
    assert_eq!(a.x().to_csr(), b.x().to_csr());
    assert_eq!(a.obsm()["spatial"], b.obsm()["spatial"]);
    for column in ["in_tissue", "array_row", "array_col"] {
        assert_eq!(a.obs().f64(column).unwrap(), b.obs().f64(column).unwrap());
        assert_eq!(a.obs().column(column).unwrap().dtype(), &DataType::Int64);
    }
    assert_eq!(a.obs().codes("layer").unwrap(), b.obs().codes("layer").unwrap());
    assert_eq!(a.var().text("gene_ids").unwrap(), b.var().text("gene_ids").unwrap());
    for path in [
        &["spatial", "151673", "images", "lowres"],
        &["spatial", "151673", "scalefactors", "tissue_lowres_scalef"],
    ] {
        assert_eq!(format!("{:?}", a.uns().get(path)), format!("{:?}", b.uns().get(path)));
    }
    assert_eq!(a.sources.len(), 5);
}

/// A dataset with every kind of part.
pub fn everything() -> Dataset {
    let x =
        Csr::from_rows(3, vec![vec![(0, 1.0), (2, 3.5)], vec![], vec![(1, 2.0)], vec![(2, -1.0)]]);
    let obs = Table::new(["a-1", "b-1", "c-1", "d-é"].map(String::from).into());
    let var = Table::new(["G1", "G2", "G3"].map(String::from).into());
    let mut ds = Dataset::new(x.clone(), obs, var).unwrap();
    let obs = ds.obs_mut();
    obs.index_name = "barcode".into();
    let columns = [
        Column::new("i8".into(), [1i8, -2, 3, 4]),
        Column::new("i16".into(), [1i16, -2, 3, 4]),
        Column::new("i32".into(), [1i32, -2, 3, 4]),
        Column::new("i64".into(), [1i64, -2, 3, i64::MAX]),
        Column::new("u8".into(), [1u8, 2, 3, 255]),
        Column::new("u16".into(), [1u16, 2, 3, 4]),
        Column::new("u32".into(), [1u32, 2, 3, 4]),
        Column::new("u64".into(), [1u64, 2, 3, u64::MAX]),
        Column::new("f32".into(), [1f32, 2.5, f32::NAN, 4.0]),
        Column::new("f64".into(), [1f64, 2.5, f64::INFINITY, 4.0]),
        Column::new("bool".into(), [true, false, true, false]),
        Column::new("text".into(), ["x", "", "ü", "日本"]),
        Column::new("no_text".into(), [Some("x"), None, Some(""), None]),
        Column::new("no_int".into(), [Some(1i32), None, Some(3), None]),
        Column::new("no_bool".into(), [Some(true), None, Some(false), None]),
        Column::new("with/slash".into(), [1.0f64, 2.0, 3.0, 4.0]),
        Column::new("no_float".into(), [Some(1.5f64), None, Some(3.0), None]),
    ];
    columns.into_iter().for_each(|c| obs.set(c).unwrap());
    let known = ["z", "a", "unused"].map(String::from);
    obs.set_codes("group", &known, &[Some(1), None, Some(0), Some(1)]).unwrap();
    ds.var_mut().set_bool("highly_variable", &[true, false, true]).unwrap();
    ds.set_layer("counts", x).unwrap();
    ds.set_layer("dense", Array2::from_shape_fn((4, 3), |(r, c)| (r * 3 + c) as f32)).unwrap();
    ds.set_obsm("spatial", Array2::from_shape_fn((4, 2), |(r, c)| r as f64 + c as f64 / 3.0))
        .unwrap();
    // Not in standard order in memory.
    ds.set_varm("PCs", Array2::from_shape_fn((2, 3), |(r, c)| (r * 3 + c) as f64).reversed_axes())
        .unwrap();
    ds.set_obsp(
        "distances",
        Csr::from_rows(4, vec![vec![(1, 0.5)], vec![(0, 0.5)], vec![], vec![]]),
    )
    .unwrap();
    ds.set_varp("correlations", Csr::from_rows(3, vec![vec![(2, 0.5)], vec![], vec![(0, 0.5)]]))
        .unwrap();
    let genes = ["G0", "G1", "G2", "G3"].map(String::from).into();
    let mut raw = Raw::new(Array2::from_elem((4, 4), 2.0), Table::new(genes)).unwrap();
    raw.varm.insert("PCs".into(), Array2::ones((4, 2)));
    ds.set_raw(Some(raw)).unwrap();
    let mut table = Table::new(["r1", "r2"].map(String::from).into());
    table.set_f64("v", &[1.0, 2.0]).unwrap();
    let uns = ds.uns_mut();
    uns.set(
        &["spatial", "s1", "images", "hires"],
        Uns::Bytes(arr3(&[[[1u8, 2, 3], [4, 5, 6]]]).into_dyn()),
    );
    uns.set(
        &["spatial", "s1", "images", "float"],
        Uns::Singles(arr3(&[[[0.5f32, 0.25, 1.0]]]).into_dyn()),
    );
    uns.set(&["spatial", "s1", "scalefactors", "tissue_hires_scalef"], Uns::Float(0.15));
    uns.set(&["empty"], Uns::Map(IndexMap::new()));
    uns.set(&["text"], Uns::Text("ü".into()));
    uns.set(&["int"], Uns::Int(-7));
    uns.set(&["bool"], Uns::Bool(true));
    uns.set(&["texts"], Uns::Texts(arr2(&[["a".to_owned(), "b".to_owned()]]).into_dyn()));
    uns.set(&["ints"], Uns::Ints(Array1::from(vec![1i64, 2]).into_dyn()));
    uns.set(&["floats"], Uns::Floats(Array1::<f64>::zeros(0).into_dyn()));
    uns.set(&["bools"], Uns::Bools(Array1::from(vec![true, false]).into_dyn()));
    uns.set(&["sparse"], Uns::Sparse(Csr::from_rows(2, vec![vec![(1, 2.0)]])));
    uns.set(&["table"], Uns::Table(table));
    ds
}

#[track_caller]
pub fn same(a: &Dataset, b: &Dataset) {
    assert_eq!(a.x(), b.x());
    let sorted = |m: &IndexMap<String, Matrix>| {
        let mut m: Vec<(String, Matrix)> = m.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        m.sort_by(|a, b| a.0.cmp(&b.0));
        m
    };
    assert_eq!(sorted(a.layers()), sorted(b.layers()));
    same_tables(a.obs(), b.obs());
    same_tables(a.var(), b.var());
    for (x, y) in [(a.obsm(), b.obsm()), (a.varm(), b.varm())] {
        assert_eq!(x.len(), y.len());
        for (name, m) in x {
            assert_eq!(m.dim(), y[name].dim());
            // NaN equals NaN here.
            assert!(
                m.iter().zip(&y[name]).all(|(u, v)| u == v || (u.is_nan() && v.is_nan())),
                "{name}"
            );
        }
    }
    assert_eq!(a.obsp(), b.obsp());
    assert_eq!(a.varp(), b.varp());
    match (a.raw(), b.raw()) {
        (Some(x), Some(y)) => {
            assert_eq!(x.x(), y.x());
            same_tables(x.var(), y.var());
            assert_eq!(x.varm, y.varm);
        }
        (x, y) => assert!(x.is_none() && y.is_none()),
    }
    same_uns(a.uns(), b.uns());
}

#[track_caller]
fn same_tables(a: &Table, b: &Table) {
    assert_eq!(a.index(), b.index());
    assert_eq!(a.names(), b.names());
    for name in a.names() {
        let (x, y) = (a.column(name).unwrap(), b.column(name).unwrap());
        assert_eq!(x.dtype(), y.dtype(), "{name}");
        assert_eq!(a.codes(name).unwrap(), b.codes(name).unwrap());
        let filled =
            |c: &Column| format!("{:?}", c.as_materialized_series().iter().collect::<Vec<_>>());
        // A missing float is NaN in AnnData.
        assert_eq!(
            filled(x).replace("Null", "NaN"),
            filled(y).replace("Null", "NaN").replace("Float64(NaN)", "NaN"),
            "{name}"
        );
    }
}

#[track_caller]
fn same_uns(a: &Uns, b: &Uns) {
    match (a, b) {
        (Uns::Map(x), Uns::Map(y)) => {
            assert_eq!(x.len(), y.len());
            x.iter().for_each(|(k, v)| same_uns(v, &y[k]));
        }
        (Uns::Table(x), Uns::Table(y)) => same_tables(x, y),
        _ => assert_eq!(format!("{a:?}"), format!("{b:?}")),
    }
}

#[test]
fn every_part_survives_writing_and_reading() {
    let out = folder();
    let path = out.path().join("deep/er/all.h5ad");
    let ds = everything();
    io::h5ad::write(&ds, &path).unwrap();
    let back = io::read(&path).unwrap();
    same(&ds, &back);
    assert_eq!(back.obs().index_name, "barcode");
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file stays"
    );
    // Written over itself, it is the same again.
    io::h5ad::write(&back, &path).unwrap();
    same(&ds, &io::read(&path).unwrap());
}

const EVERYTHING: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import anndata as ad, numpy as np, pandas as pd, scanpy as sc, scipy.sparse as sp, h5py
a = ad.read_h5ad(sys.argv[1])
assert sp.isspmatrix_csr(a.X) and a.X.dtype == np.float32
assert a.X.toarray().tolist() == [[1, 0, 3.5], [0, 0, 0], [0, 2, 0], [0, 0, -1]]
assert a.obs_names.tolist() == ["a-1", "b-1", "c-1", "d-é"] and a.obs_names.name == "barcode"
o = a.obs
for t, d in dict(i8="int8", i16="int16", i32="int32", i64="int64", u8="uint8", u16="uint16", u32="uint32", u64="uint64", f32="float32", f64="float64").items():
    assert o[t].dtype == d, (t, o[t].dtype)
assert o.i64.tolist() == [1, -2, 3, 2**63 - 1] and o.u64.tolist() == [1, 2, 3, 2**64 - 1]
assert np.isnan(o.f32.iloc[2]) and np.isinf(o.f64.iloc[2])
assert o["bool"].dtype == bool and o["bool"].tolist() == [True, False, True, False]
assert o.text.tolist() == ["x", "", "ü", "日本"]
assert o.no_text.isna().tolist() == [False, True, False, True] and o.no_text.iloc[2] == ""
assert o.no_int.dtype == "Int32" and o.no_int.isna().tolist() == [False, True, False, True]
assert o.no_bool.dtype == "boolean" and o.no_bool.iloc[0] == True and o.no_bool.isna().sum() == 2
assert o["with/slash"].tolist() == [1, 2, 3, 4]
assert np.isnan(o.no_float).sum() == 2
assert o.group.cat.categories.tolist() == ["z", "a", "unused"] and o.group.cat.codes.tolist() == [1, -1, 0, 1]
assert o.group.cat.ordered is False
assert a.var.highly_variable.dtype == bool
assert sp.issparse(a.layers["counts"]) and a.layers["dense"].tolist() == np.arange(12.).reshape(4, 3).tolist()
assert a.obsm["spatial"].dtype == float and a.obsm["spatial"][1, 1] == 1 + 1 / 3
assert a.varm["PCs"].tolist() == [[0, 3], [1, 4], [2, 5]]
assert a.varp["correlations"].toarray()[2].tolist() == [.5, 0, 0]
assert a.raw.shape == (4, 4) and a.raw.var_names.tolist() == ["G0", "G1", "G2", "G3"]
assert a.raw.X.tolist() == [[2] * 4] * 4 and a.raw.varm["PCs"].shape == (4, 2)
assert a.obsp["distances"].toarray()[0].tolist() == [0, .5, 0, 0]
u = a.uns
s = u["spatial"]["s1"]
assert s["images"]["hires"].dtype == np.uint8 and s["images"]["hires"].tolist() == [[[1, 2, 3], [4, 5, 6]]]
assert s["images"]["float"].dtype == np.float32 and s["scalefactors"]["tissue_hires_scalef"] == .15
assert u["empty"] == {} and u["text"] == "ü" and u["int"] == -7 and u["bool"] == True and isinstance(u["bool"], (bool, np.bool_))
assert u["texts"].tolist() == [["a", "b"]] and u["ints"].tolist() == [1, 2]
assert u["floats"].shape == (0,) and u["bools"].tolist() == [True, False]
assert u["sparse"].toarray().tolist() == [[0, 2]] and u["table"]["v"].tolist() == [1, 2] and u["table"].index.tolist() == ["r1", "r2"]
with h5py.File(sys.argv[1]) as f:
    assert f["X/data"].compression == "gzip" and f["X/data"].compression_opts == 4
    assert f.attrs["encoding-type"] == "anndata"
b = a.copy(); sc.pp.filter_genes(b, min_cells=1)
ad.settings.allow_write_nullable_strings = True
a.write_h5ad(sys.argv[1] + ".again", convert_strings_to_categoricals=False)
print("equal")
"#;

#[test]
fn python_reads_every_part_equal_and_writes_it_back() {
    let Some(python) = common::python() else { return };
    let out = folder();
    let path = out.path().join("all.h5ad");
    let ds = everything();
    io::h5ad::write(&ds, &path).unwrap();
    common::run_python(&python, EVERYTHING, &[&path]);
    same(&ds, &io::h5ad::read(&out.path().join("all.h5ad.again")).unwrap());
}

/// What Python writes and our writer does not: CSC, other widths, 0-d and fixed texts, ordered
/// categories, categories of numbers, blosc-free filters, missing texts.
const OTHERS: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import anndata as ad, numpy as np, pandas as pd, scipy.sparse as sp, h5py
ad.settings.allow_write_nullable_strings = True
m = sp.random(40, 30, .2, format="csc", random_state=0); m.data = np.round(m.data * 100)
obs = pd.DataFrame({
    "ordered": pd.Categorical(["lo", "hi"] * 20, ["lo", "mid", "hi"], ordered=True),
    "numbers": pd.Categorical([3, 1] * 20), "Int": pd.array([1, None] * 20, "Int16"),
    "Bool": pd.array([True, None] * 20, "boolean"), "Text": pd.array(["a", None] * 20, "string"),
    "f2": np.arange(40).astype(np.float16),
}, [f"s{i}" for i in range(40)])
for name, x in {"csc": m, "i64": m.astype(np.int64).tocsr(), "u16": m.astype(np.uint16).toarray(), "f64": m.toarray()}.items():
    a = ad.AnnData(x, obs, pd.DataFrame(index=[f"g{i}" for i in range(30)]))
    a.uns["half"] = np.arange(3).astype(np.float16)
    a.uns["f32"] = np.float32(.5)
    a.uns["fixed"] = np.array([b"ab", b"c"])
    a.uns["cat"] = pd.Categorical(["q", "p"])
    a.obsm["frame"] = pd.DataFrame({"u": np.arange(40.), "t": "x"}, a.obs_names)
    a.write_h5ad(f"{sys.argv[1]}/{name}.h5ad", compression={"csc": "lzf", "i64": "gzip"}.get(name))
big = np.array([[2**24, 2**24 + 1], [-1, 0]])
ad.AnnData(big).write_h5ad(f"{sys.argv[1]}/big.h5ad")
ad.AnnData(big * 1e300).write_h5ad(f"{sys.argv[1]}/huge.h5ad")
np.save(f"{sys.argv[1]}/x.npy", m.toarray().astype("<f4"))
"#;

#[test]
fn what_python_writes_is_read_equal() {
    let Some(python) = common::python() else { return };
    let out = folder();
    common::run_python(&python, OTHERS, &[out.path()]);
    let x = io::npy::read2(&out.path().join("x.npy")).unwrap();
    // Whole numbers beyond 2^24 are rounded, with a note; what is beyond f32 is refused.
    let big = io::read(&out.path().join("big.h5ad")).unwrap();
    assert_eq!((big.x().get(0, 1), big.x().get(1, 0)), (16_777_216.0, -1.0));
    refused(io::read(&out.path().join("huge.h5ad")), &["/X", "single precision", "1.6777216e307"]);
    for name in ["csc", "i64", "u16", "f64"] {
        let ds = io::read(&out.path().join(format!("{name}.h5ad"))).unwrap();
        assert_eq!(ds.x().to_csr(), Matrix::Dense(x.clone()).to_csr(), "{name}");
        assert_eq!(matches!(ds.x(), Matrix::Dense(_)), name == "u16" || name == "f64");
        let (known, codes) = ds.obs().codes("ordered").unwrap().unwrap();
        assert_eq!(
            (known, &codes[..2]),
            (vec!["lo".into(), "mid".into(), "hi".into()], &[Some(0), Some(2)][..])
        );
        assert_eq!(ds.obs().codes("numbers").unwrap().unwrap().0, ["1", "3"]);
        assert_eq!(ds.obs().column("Int").unwrap().dtype(), &DataType::Int16);
        for missing in ["Int", "Bool", "Text"] {
            assert_eq!(ds.obs().column(missing).unwrap().null_count(), 20, "{missing}");
        }
        assert_eq!(ds.obs().f64("f2").unwrap()[39], 39.0);
        assert_eq!(ds.uns().get(&["f32"]).unwrap().as_f64(), Some(0.5));
        assert_eq!(ds.uns().get(&["half"]).unwrap().to_string(), "floats [3]");
        assert_eq!(
            format!("{:?}", ds.uns().get(&["cat"]).unwrap()),
            format!("{:?}", Uns::Texts(Array1::from(vec!["q".to_owned(), "p".into()]).into_dyn()))
        );
        assert_eq!(
            ds.obsm()["frame"].column(0).to_vec(),
            (0..40).map(f64::from).collect::<Vec<_>>()
        );
        assert_eq!(
            format!("{:?}", ds.uns().get(&["frame_names"]).unwrap()),
            format!("{:?}", Uns::Texts(Array1::from(vec!["u".to_owned()]).into_dyn()))
        );
    }
}

fn any_dataset() -> impl Strategy<Value = Dataset> {
    (1..20usize, 1..12usize, any::<bool>()).prop_flat_map(|(n, g, dense)| {
        let values =
            proptest::collection::vec(prop_oneof![3 => Just(0f32), 2 => -1e6f32..1e6], n * g);
        let names = proptest::collection::vec("[^\0]{0,8}", n + g);
        let numbers = proptest::collection::vec(proptest::option::of(any::<i32>()), n);
        let texts = proptest::collection::vec(proptest::option::of("[^\0]{0,6}"), n);
        (values, names, numbers, texts, "[a-zA-Z0-9 _.()é-]{2,12}").prop_map(
            move |(values, names, numbers, texts, key)| {
                let x = Array2::from_shape_vec((n, g), values).unwrap();
                let m = Matrix::Dense(x.clone());
                let (obs, var) = (Table::new(names[..n].to_vec()), Table::new(names[n..].to_vec()));
                let x = if dense { m } else { Matrix::Sparse(m.to_csr()) };
                let mut ds = Dataset::new(x.clone(), obs, var).unwrap();
                ds.set_layer(&key, x).unwrap();
                let obs = ds.obs_mut();
                obs.set(Column::new("number".into(), &numbers)).unwrap();
                obs.set(Column::new("text".into(), &texts)).unwrap();
                obs.set_categories(&key, &texts).unwrap();
                ds.uns_mut().set(&[&key, "x"], Uns::Int(3));
                ds
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_dataset_survives_writing_and_reading(ds in any_dataset()) {
        let out = folder();
        let path = out.path().join("any.h5ad");
        io::h5ad::write(&ds, &path).unwrap();
        same(&ds, &io::read(&path).unwrap());
    }
}

#[test]
fn npy_is_numpys_and_depends_on_the_values_only() {
    let out = folder();
    let (a, b, c) = (out.path().join("a.npy"), out.path().join("b.npy"), out.path().join("c.npy"));
    let m = Array2::from_shape_fn((5, 3), |(r, c)| r as f32 - c as f32 / 7.0);
    io::npy::write(&a, m.view()).unwrap();
    // The same values, transposed in memory.
    let other = m.t().as_standard_layout().into_owned();
    io::npy::write(&b, other.t()).unwrap();
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    assert_eq!(io::npy::read2(&a).unwrap(), m);
    io::npy::write(&c, ndarray::aview1(&[1.0, f32::MIN_POSITIVE])).unwrap();
    assert_eq!(io::npy::read1(&c).unwrap(), [1.0, f32::MIN_POSITIVE]);
    refused(io::npy::read1(&a), &["reading", "a.npy", "one axis"]);
    io::npy::write(&c, ndarray::Array3::from_elem((2, 3, 4), 1.5).view()).unwrap();
    let header = String::from_utf8_lossy(&std::fs::read(&c).unwrap()).into_owned();
    assert!(header.contains("(2, 3, 4)"), "{header}");
    let bytes = std::fs::read(&a).unwrap();
    std::fs::write(&a, &bytes[..bytes.len() - 4]).unwrap();
    refused(io::npy::read2(&a), &["a.npy", "little-endian f32"]);
    if let Some(python) = common::python() {
        common::run_python(
            &python,
            "import sys, numpy as np; a = np.load(sys.argv[1]); assert a.dtype == '<f4' and a.flags.c_contiguous and a.shape == (5, 3) and a[4, 0] == 4",
            &[&b],
        );
    }
}

#[test]
fn text_tables_survive_writing_and_reading() {
    let out = folder();
    let ds = everything();
    for name in ["t.csv", "t.tsv"] {
        let path = out.path().join(name);
        // Numbers beyond i64 are no part of a text table.
        io::table::write(&path, &ds.obs().frame().drop("u64").unwrap()).unwrap();
        let back = io::table::read(&path).unwrap();
        assert_eq!(back.shape(), (4, 17));
        assert_eq!(back.column("i64").unwrap().i64().unwrap().get(3), Some(i64::MAX));
        assert_eq!(
            back.column("group").unwrap().str().unwrap().iter().collect::<Vec<_>>(),
            [Some("a"), None, Some("z"), Some("a")]
        );
    }
    refused(io::table::read(&out.path().join("t.cvs")), &["t.cvs", "Did you mean 't.csv'"]);
    refused(
        io::table::write(&out.path().join("t.xls"), ds.obs().frame()),
        &["separator", ".tsv", ".xls"],
    );
}

#[track_caller]
pub fn refused<T>(result: spatia::base::Result<T>, parts: &[&str]) {
    let Err(e) = result else { panic!("not refused") };
    let e = e.to_string();
    parts.iter().for_each(|p| assert!(e.contains(p), "'{p}' is not in: {e}"));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(std::fs::write(target, std::fs::read(entry.path()).unwrap()))
        }
    }
}

#[test]
fn a_visium_folder_is_found_one_level_up_and_down() {
    let Some(tiny) = common::data("visium_tiny") else { return };
    let out = folder();
    let outs = out.path().join("sample/outs");
    copy(&tiny, &outs);
    let ds = io::read(&tiny).unwrap();
    assert_eq!(ds.obs().f64("in_tissue").unwrap(), vec![1.0; ds.n_obs()]);
    assert_eq!(ds.uns().get(&["spatial_unit"]).unwrap().as_str(), Some("px"));
    for path in ["sample/outs", "sample", "sample/outs/spatial"] {
        same(&ds, &io::read(&out.path().join(path)).unwrap());
    }
    // Raw counts instead of the filtered ones; a header and fractions, as Space Ranger 2 writes.
    std::fs::rename(
        outs.join("filtered_feature_bc_matrix.h5"),
        outs.join("raw_feature_bc_matrix.h5"),
    )
    .unwrap();
    let list = outs.join("spatial/tissue_positions_list.csv");
    let rows = std::fs::read_to_string(&list).unwrap();
    let header = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n";
    std::fs::write(outs.join("spatial/tissue_positions.csv"), format!("{header}{rows}")).unwrap();
    std::fs::remove_file(list).unwrap();
    std::fs::remove_file(outs.join("spatial/tissue_hires_image.png")).unwrap();
    let later = io::read(&outs).unwrap();
    assert_eq!((later.x(), &later.obsm()["spatial"]), (ds.x(), &ds.obsm()["spatial"]));
    assert_eq!(later.tissue_image().unwrap().resolution, "lowres");
    // A second sample beside the first.
    copy(&tiny, &out.path().join("sample/other"));
    refused(
        io::read(&out.path().join("sample")),
        &["several inside it", "other", "outs", "Name the one you mean"],
    );
}

#[test]
fn tables_in_a_visium_folder_become_obs_by_barcode() {
    let Some(tiny) = common::data("visium_tiny") else { return };
    let out = folder();
    copy(&tiny, out.path());
    let names = io::read(&tiny).unwrap().obs().index().to_vec();
    let rows: Vec<String> = names
        .iter()
        .rev()
        .skip(1)
        .enumerate()
        .map(|(i, n)| format!("{n},Cluster {},{i}\n", i % 3))
        .collect();
    std::fs::write(
        out.path().join("loupe.csv"),
        format!("Barcode,Graph-based,score\n{}", rows.concat()),
    )
    .unwrap();
    std::fs::write(out.path().join("strange.csv"), "a,b\n1,2\n").unwrap();
    let ds = io::read(out.path()).unwrap();
    let n = ds.n_obs();
    let groups = ds.obs().text("Graph-based").unwrap();
    assert_eq!(
        (groups[n - 1].as_deref(), groups[n - 2].as_deref(), groups[n - 3].as_deref()),
        (None, Some("Cluster 0"), Some("Cluster 1"))
    );
    assert_eq!(ds.obs().codes("Graph-based").unwrap().unwrap().0.len(), 3);
    assert_eq!(ds.obs().f64("score").unwrap()[n - 2], 0.0);
    assert!(!ds.obs().has("a"));
}

#[test]
fn what_cannot_be_read_is_explained() {
    let (Some(tiny), Some(h5ad)) =
        (common::data("visium_tiny"), common::data("squidpy_tiny/test_data.h5ad"))
    else {
        return;
    };
    let out = folder();
    let at = |name: &str| out.path().join(name);
    let put = |name: &str, bytes: &[u8]| -> PathBuf {
        std::fs::write(at(name), bytes).unwrap();
        at(name)
    };
    refused(
        io::read(&h5ad.with_file_name("test_dat.h5ad")),
        &["nothing there", "Did you mean 'test_data.h5ad'"],
    );
    refused(io::read(&at("no/such/file.h5ad")), &["The folder", "does not exist either"]);
    let bytes = std::fs::read(&h5ad).unwrap();
    refused(
        io::read(&put("cut.h5ad", &bytes[..bytes.len() / 2])),
        &["cut.h5ad", "cut short or damaged"],
    );
    refused(io::read(&put("cut.h5", &bytes[..40])), &["cut.h5", "cut short or damaged"]);
    refused(io::read(&put("empty.h5ad", b"")), &["an empty file"]);
    refused(io::read(&put("page.h5ad", b"<html>not found</html>")), &["does not start as HDF5"]);
    refused(
        io::read(&put("notes.md", b"# hello")),
        &["a format that is understood", "AnnData .h5ad, 10x .h5, loom file"],
    );
    refused(io::read(&put("counts.csv", b"a,b")), &["table of counts", "no row"]);
    refused(
        io::h5ad::read(&tiny.join("filtered_feature_bc_matrix.h5")),
        &["an AnnData file", "matrix"],
    );
    refused(io::tenx::read(&h5ad), &["/matrix", "obs"]);
    std::fs::create_dir(at("empty")).unwrap();
    refused(
        io::read(&at("empty")),
        &["a folder of a format that is understood", "nothing in it", "Visium folder"],
    );
    refused(
        io::visium::read(&at("empty")),
        &["Space Ranger's outs/", "nothing in it", "one level up or down"],
    );

    let broken = |change: &dyn Fn(&Path), parts: &[&str]| {
        let dir = folder();
        copy(&tiny, dir.path());
        change(dir.path());
        refused(io::read(dir.path()), parts);
    };
    broken(
        &|d| std::fs::remove_file(d.join("filtered_feature_bc_matrix.h5")).unwrap(),
        &["spatial/, but no counts"],
    );
    broken(
        &|d| std::fs::remove_dir_all(d.join("spatial")).unwrap(),
        &["no spatial/", "read the .h5 alone"],
    );
    let list = "spatial/tissue_positions_list.csv";
    broken(
        &|d| std::fs::remove_file(d.join(list)).unwrap(),
        &["tissue_positions.csv or tissue_positions_list.csv", "tissue_lowres_image.png"],
    );
    broken(
        &|d| std::fs::write(d.join(list), "AAA-1,1,2\n").unwrap(),
        &["line 1 of", "pxl_row_in_fullres", "AAA-1,1,2"],
    );
    broken(
        &|d| std::fs::write(d.join(list), "AAA-1,1,2,3,4,5\n").unwrap(),
        &["no match", "AAA-1", "same sample"],
    );
    let outside = |d: &Path| {
        let text = std::fs::read_to_string(d.join(list)).unwrap().replace("-1,1,", "-1,0,");
        std::fs::write(d.join(list), text).unwrap();
    };
    broken(&outside, &["spots under tissue"]);
    broken(
        &|d| std::fs::write(d.join("spatial/tissue_lowres_image.png"), b"\x89PNG").unwrap(),
        &["tissue_lowres_image.png", "cut short"],
    );
    broken(
        &|d| std::fs::write(d.join("spatial/scalefactors_json.json"), "{").unwrap(),
        &["scalefactors_json.json"],
    );
}

#[test]
fn what_cannot_be_written_is_explained_and_leaves_nothing() {
    let out = folder();
    let path = out.path().join("x.h5ad");
    io::h5ad::write(&everything(), &path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let refuse = |change: &dyn Fn(&mut Dataset), parts: &[&str]| {
        let mut ds = everything();
        change(&mut ds);
        refused(io::h5ad::write(&ds, &path), parts);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1);
    };
    refuse(
        &|d| d.set_obsm("a/b", Array2::zeros((4, 1))).unwrap(),
        &["writing", "'a/b'", "without '/'"],
    );
    refuse(
        &|d| d.obs_mut().set_f64("a//b", &[0.0; 4]).unwrap(),
        &["obs", "at least one character"],
    );
    refuse(&|d| d.uns_mut().set(&["a", "b/c"], Uns::Int(1)), &["'b/c'", "Rename"]);
    refuse(&|d| d.uns_mut().set(&["", "b"], Uns::Int(1)), &["at least one character"]);
    refuse(&|d| d.uns_mut().set(&["t"], Uns::Text("a\0b".into())), &["no zero byte"]);
    refuse(
        &|d| {
            d.obs_mut()
                .set_f64("_index", &[0.0; 4])
                .and_then(|()| d.obs_mut().set_f64("barcode", &[0.0; 4]))
                .unwrap()
        },
        &["'_index'"],
    );
    refuse(&|d| *d.uns_mut() = Uns::Int(1), &["uns", "a map"]);
    refused(io::h5ad::write(&everything(), &path.join("below/x.h5ad")), &["writing"]);
}

/// Files with some bytes changed or cut are read or refused, never worse. `SPATIA_FUZZ` sets how
/// many of each.
#[test]
fn damaged_files_do_not_panic() {
    let out = folder();
    let path = out.path().join("all.h5ad");
    io::h5ad::write(&everything(), &path).unwrap();
    let mut sources = vec![path.clone()];
    sources.extend(
        ["tenx_tiny/v3.h5", "anndata_archives/v0.7.8.h5ad"].into_iter().filter_map(common::data),
    );
    let files = std::env::var("SPATIA_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let wholes: Vec<Vec<u8>> = sources.iter().map(|s| std::fs::read(s).unwrap()).collect();
    for (source, whole) in sources.iter().zip(wholes) {
        let mut rng = spatia::base::seed::rng(7, 0);
        let mut refusals = 0;
        for _ in 0..files {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.next_u32() % 64 {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] =
                    if rng.next_u32().is_multiple_of(4) { 0xff } else { rng.next_u32() as u8 };
            }
            if rng.next_u32().is_multiple_of(8) {
                bytes.truncate(rng.next_u32() as usize % bytes.len());
            }
            std::fs::write(&path, bytes).unwrap();
            refusals += usize::from(io::read(&path).is_err());
            io::h5ad::peek(&path).ok();
        }
        println!("{}: {refusals} of {files} refused", source.display());
        assert!(refusals > 0);
    }
}
