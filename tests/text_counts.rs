//! Counts in text, parquet, NumPy's files and legacy ST tables: real files against Python's reading
//! of them, round trips, and what is said of files that cannot be read.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use spatia::data::{Csr, Dataset, Matrix, Unit};
use spatia::io;
use spatia::io::legacy_st::LegacyStConfig;
use spatia::io::numpy::NumpyConfig;
use spatia::io::text_counts::{CoordinateUnit, Orientation, TextCountsConfig};

use crate::{common, fixtures};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn refused<T>(result: spatia::base::Result<T>, parts: &[&str]) {
    let Err(e) = result else { panic!("not refused") };
    let e = e.to_string();
    println!("{e}");
    parts.iter().for_each(|p| assert!(e.contains(p), "'{p}' is not in: {e}"));
}

fn put(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn rows(ds: &Dataset) -> Vec<Vec<f32>> {
    let m = ds.x().to_csr();
    (0..m.nrows()).map(|r| m.dense_rows(r..r + 1)).collect()
}

const BREAST: &str = r#"
import sys
import anndata as ad, numpy as np, pandas as pd
for source, ours in zip(sys.argv[1::2], sys.argv[2::2]):
    t = pd.read_csv(source, index_col=0)
    a = ad.read_h5ad(ours)
    first = list(t.columns).index("aligned_y") + 1
    genes = t.iloc[:, first:]
    assert a.shape == genes.shape, (a.shape, genes.shape)
    assert list(a.var_names) == list(genes.columns)
    assert (a.X.toarray() == genes.to_numpy()).all()
    name = "barcode" if "barcode" in t else "cell_id"
    assert list(a.obs_names) == list(t[name].astype(str)), a.obs_names[:3]
    assert (a.obsm["spatial"] == t[["aligned_x", "aligned_y"]].to_numpy()).all()
    for c in ("cell_area", "nucleus_area"):
        if c in t: np.testing.assert_allclose(a.obs[c], t[c], rtol=1e-15)
    assert list(a.obs["row_name"]) == list(t.index)
    assert "spatial_unit" not in a.uns
    print(source, a.shape)
"#;

#[test]
fn real_text_tables_equal_pandas_reading() {
    let Some(python) = common::python() else { return };
    let out = folder();
    let mut args = Vec::new();
    for (name, shape) in [("visium_eevee", (709, 18_085)), ("xenium_pikachu", (17_136, 313))] {
        let Some(path) = common::data(&format!("breast_visium_xenium/{name}.csv.gz")) else {
            return;
        };
        let ds = io::read(&path).unwrap();
        assert_eq!((ds.n_obs(), ds.n_vars()), shape);
        assert!(matches!(ds.x(), Matrix::Sparse(_)));
        assert_eq!(ds.coordinates().unwrap().unit, Unit::Unknown);
        let ours = out.path().join(format!("{name}.h5ad"));
        io::h5ad::write(&ds, &ours).unwrap();
        args.extend([path, ours]);
    }
    let args: Vec<&Path> = args.iter().map(PathBuf::as_path).collect();
    println!("{}", common::run_python(&python, BREAST, &args));
}

#[test]
fn xenium_cells_are_no_counts() {
    let Some(path) = common::data("xenium_bone_marrow/cells.parquet") else { return };
    refused(io::read(&path), &["Xenium's table of cells", "folder of the bundle"]);
    assert_eq!(io::table::read(&path).unwrap().height(), 84_518);
}

const HER2ST: &str = r#"
import sys
import anndata as ad, pandas as pd
folder, name, ours = sys.argv[1].rsplit("/", 1)[0], sys.argv[1].rsplit("/", 1)[1], sys.argv[2]
counts = pd.read_csv(f"{folder}/{name}/{name}_counts.tsv.gz", sep="\t", index_col=0)
s = pd.read_csv(f"{folder}/{name}/{name}_selection.tsv", sep="\t")
s.index = s["x"].astype(str) + "x" + s["y"].astype(str)
both = counts.index[counts.index.isin(s.index)]
counts, s = counts.loc[both], s.loc[both]
a = ad.read_h5ad(ours)
assert list(a.obs_names) == list(both) and list(a.var_names) == list(counts.columns)
assert (a.X.toarray() == counts.to_numpy()).all()
assert (a.obsm["spatial"] == s[["pixel_x", "pixel_y"]].to_numpy()).all()
assert (a.obs[["array_col", "array_row"]].to_numpy() == s[["x", "y"]].to_numpy()).all()
assert a.uns["image_path"].endswith(f"{name}_HE.jpg") and a.uns["spatial_unit"] == "px"
print(name, a.shape)
"#;

#[test]
fn legacy_sections_equal_pandas_join() {
    let Some(python) = common::python() else { return };
    let out = folder();
    for (name, spots) in [("C2", 187), ("C3", 180), ("C4", 184)] {
        let Some(path) = common::data(&format!("her2st/{name}")) else { return };
        let counts = path.join(format!("{name}_counts.tsv.gz"));
        let ds = io::read(&counts).unwrap();
        assert_eq!(ds.n_obs(), spots, "{name}");
        assert!(ds.counts().is_ok());
        let c = ds.coordinates().unwrap();
        assert_eq!((c.unit, c.um_per_unit), (Unit::Px, None));
        let ours = out.path().join("ours.h5ad");
        io::h5ad::write(&ds, &ours).unwrap();
        println!("{}", common::run_python(&python, HER2ST, &[&path, &ours]).trim());
        // 32 steps of 200 um span the array, which the image shows whole.
        let config = LegacyStConfig { pitch_um: Some(200.0), ..LegacyStConfig::default() };
        let ds = io::legacy_st::read_with(&counts, &config).unwrap();
        let um = ds.coordinates().unwrap().um_per_unit.unwrap();
        assert!((0.67..0.72).contains(&um), "{um} um a pixel");
    }
}

#[test]
fn a_legacy_section_drops_what_is_not_selected() {
    let out = folder();
    fixtures::legacy_st::write(out.path());
    let path = out.path().join("st_counts.tsv.gz");
    let ds = io::read(&path).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (7, 4));
    assert_eq!(ds.obs().index()[0], "10x20");
    assert!(!ds.obs().index().contains(&"11x21".to_owned()));
    assert_eq!(ds.obs().f64("array_col").unwrap()[1], 11.0);
    assert_eq!(ds.sources.len(), 2);
    let config = LegacyStConfig { pitch_um: Some(200.0), ..LegacyStConfig::default() };
    let um = io::legacy_st::read_with(&path, &config).unwrap().coordinates().unwrap();
    assert!((um.um_per_unit.unwrap() - 200.0 / 290.0).abs() < 1e-3);
    // The three commonest mistakes.
    let selection = out.path().join("st_selection.tsv");
    let text = std::fs::read_to_string(&selection).unwrap();
    std::fs::remove_file(&selection).unwrap();
    refused(io::read(&path), &["st_selection.tsv beside the counts", "option selection"]);
    std::fs::write(&selection, text.replace("pixel_x", "px")).unwrap();
    refused(io::read(&path), &["st_selection.tsv", "columns x, y, pixel_x and pixel_y"]);
    let moved: String =
        text.lines().take(1).map(|l| format!("{l}\n1\t2\t1\t2\t3\t4\t1\n")).collect();
    std::fs::write(&selection, moved).unwrap();
    refused(io::read(&path), &["0 of 8 in it", "another section"]);
    std::fs::write(&selection, text).unwrap();
    let path = put(out.path(), "st_counts.tsv", "\tA\tB\nAAAC-1\t1\t2\n");
    refused(io::legacy_st::read(&path), &["rows named XxY", "'AAAC-1'", "read_counts"]);
    assert_eq!(io::read(&path).unwrap().n_obs(), 1);
}

#[test]
fn columns_are_told_by_name_and_by_options() {
    let out = folder();
    fixtures::text_counts::write(out.path());
    for name in ["counts.csv", "cells.parquet"] {
        let ds = io::read(&out.path().join(name)).unwrap();
        assert_eq!((ds.n_obs(), ds.n_vars()), (12, 6), "{name}");
        assert_eq!(ds.obs().index()[3], "cell03");
        assert_eq!(ds.obs().names(), ["area", "type"]);
        assert_eq!(ds.obs().text("type").unwrap()[0].as_deref(), Some("T cell, CD8"));
        assert_eq!(ds.obsm()["spatial"][[5, 1]], 12.25);
        assert_eq!(ds.var().index()[5], "GeneF");
        assert_eq!(rows(&ds)[1], [3.0, 0.0, 1.0, 2.0, 3.0, 0.0]);
        let config = TextCountsConfig {
            genes: Some(vec!["Gene*".into()]),
            x: Some(String::new()),
            index: Some(String::new()),
            ..TextCountsConfig::default()
        };
        let ds = io::text_counts::read_with(&out.path().join(name), &config).unwrap();
        assert_eq!(ds.obs().names(), ["cell_id", "x", "y", "area", "type"]);
        assert!(ds.obsm().is_empty());
        assert_eq!(ds.obs().index()[3], "3");
        let config = TextCountsConfig {
            unit: Some(CoordinateUnit::Um),
            obs: Some(vec!["type".into()]),
            ..TextCountsConfig::default()
        };
        let ds = io::text_counts::read_with(&out.path().join(name), &config).unwrap();
        assert_eq!((ds.n_vars(), ds.coordinates().unwrap().unit), (7, Unit::Um));
        for (config, parts) in [
            (
                TextCountsConfig {
                    x: Some("xx".into()),
                    y: Some("y".into()),
                    ..Default::default()
                },
                ["column 'xx'", "Did you mean 'x'"],
            ),
            (
                TextCountsConfig { genes: Some(vec!["GeneX".into()]), ..Default::default() },
                ["option genes", "Did you mean 'Gene"],
            ),
            (
                TextCountsConfig { x: Some("x".into()), ..Default::default() },
                ["both options x and y", "one of them"],
            ),
        ] {
            refused(io::text_counts::read_with(&out.path().join(name), &config), &parts);
        }
    }
}

#[test]
fn tables_come_as_their_programs_write_them() {
    let out = folder();
    let read = |name: &str, text: &str| io::read(&put(out.path(), name, text)).unwrap();
    // R's write.table: the header lacks the column of row names. A byte order mark, DOS line ends.
    let r = read("r.txt", "\u{feff}A\tB\r\ncell1\t1\t2\r\n\r\ncell2\t0\t3");
    assert_eq!(r.obs().index(), ["cell1", "cell2"]);
    assert_eq!(rows(&r), [[1.0, 2.0], [0.0, 3.0]]);
    // Names that stand twice, quotes, a line break within.
    let twice = read("twice.csv", "\"\",A,\"A\",\"B\"\"\nC\"\nc1,1,2,3\n");
    assert_eq!(twice.var().index(), ["A", "A-1", "B\"\nC"]);
    // Genes by cells.
    let turned =
        read("t.tsv", "\tAAACAAGTATCTCCCA-1\tAAACACCAATAACTGC-1\nA\t1\t0\nB\t0\t2\nC\t3\t4\n");
    assert_eq!(
        (turned.obs().index().len(), turned.var().index()),
        (2, &["A", "B", "C"].map(String::from)[..])
    );
    assert_eq!(rows(&turned), [[1.0, 0.0, 3.0], [0.0, 2.0, 4.0]]);
    let asked = TextCountsConfig {
        orientation: Some(Orientation::GenesByCells),
        ..TextCountsConfig::default()
    };
    let path = put(out.path(), "asked.csv", "gene,symbol,c1,c2\ng1,A,1,0\ng2,B,0,2\n");
    let turned = io::text_counts::read_with(&path, &asked).unwrap();
    assert_eq!((turned.n_obs(), turned.var().names()), (2, vec!["symbol"]));
    // European.
    let comma = TextCountsConfig { decimal_comma: true, ..TextCountsConfig::default() };
    let path = put(out.path(), "eu.csv", "cell;x;y;A;B\nc1;1,5;2,5;3;0,25\n");
    let eu = io::text_counts::read_with(&path, &comma).unwrap();
    assert_eq!((rows(&eu), eu.obsm()["spatial"][[0, 0]]), (vec![vec![3.0, 0.25]], 1.5));
}

#[test]
fn what_is_no_table_of_counts_is_explained() {
    let out = folder();
    let read = |name: &str, text: &str| io::read(&put(out.path(), name, text));
    refused(read("a.csv", "cell,A,B\nc1,1,2\nc2,1\n"), &["a.csv, line 3", "3 columns", "found 2"]);
    let long = format!("cell,A,B\n{}", "c1,1,2\n".repeat(200));
    refused(
        read("b.csv", &format!("{long}c2,1,many\n")),
        &["line 202", "column 3 ('B')", "'many'", "option obs"],
    );
    refused(read("c.csv", "cell,A,B\nc1,1,2\nc2,,1\n"), &["line 3", "nothing", "write 0"]);
    refused(read("d.csv", "1,2,3\n4,5,6\n"), &["line 1", "numbers", "header: false"]);
    refused(
        read("e.csv", "cell;A;B\nc1;1,5;2\nc2;2,5;0\n"),
        &["line 2", "'1,5'", "decimal_comma: true"],
    );
    refused(
        read(
            "f.csv",
            "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\nA,1,2,3,4,5\n",
        ),
        &["Visium's positions"],
    );
    refused(
        read("g.csv", "barcode,cluster\nA,1\nB,2\n"),
        &["columns of genes", "'cluster'", "read_table"],
    );
    refused(read("h.csv", ""), &["empty file"]);
    refused(read("i.csv", "a,b"), &["table of counts", "no row"]);
    refused(read("j.csv", "cell,A\n\"c1,1\n"), &["line 2", "closing quote"]);
    refused(read("k.csv", "cell A B\nc1 1 2\n"), &["one column", "separator"]);
    std::fs::write(out.path().join("l.csv"), b"\xff\xfec\0e\0").unwrap();
    refused(io::read(&out.path().join("l.csv")), &["UTF-16", "CSV UTF-8"]);
    std::fs::write(out.path().join("m.csv.gz"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c").unwrap();
    refused(io::read(&out.path().join("m.csv.gz")), &["m.csv.gz", "cut short"]);
    std::fs::write(out.path().join("n.parquet"), b"PAR1 and nothing more").unwrap();
    refused(io::read(&out.path().join("n.parquet")), &["n.parquet"]);
}

const NUMPY: &str = r#"
import sys, os
import numpy as np, scipy.sparse as sp
out = sys.argv[1]
m = np.arange(12).reshape(3, 4) % 5
for t in ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"):
    np.save(f"{out}/c_{t}.npy", m.astype(t))
    np.save(f"{out}/f_{t}.npy", np.asfortranarray(m.astype(t)))
np.save(f"{out}/neg.npy", np.array([[-1.5, 65504, 6e-8]], "float16"))
np.save(f"{out}/big.npy", m.astype(">i4"))
np.save(f"{out}/complex.npy", m.astype(complex))
np.save(f"{out}/object.npy", m.astype(object), allow_pickle=True)
np.save(f"{out}/line.npy", np.arange(5))
np.save(f"{out}/records.npy", np.zeros(3, [("a", "f4"), ("b", "i4")]))
s = sp.random(50, 30, 0.1, random_state=1, format="csr", dtype=np.float32)
for f in ("csr", "csc", "coo"):
    sp.save_npz(f"{out}/s_{f}.npz", s.asformat(f))
    sp.save_npz(f"{out}/p_{f}.npz", s.asformat(f), compressed=False)
sp.save_npz(f"{out}/s_bsr.npz", sp.random(4, 4, 0.5).tobsr((2, 2)))
np.save(f"{out}/s.npy", s.toarray())
names = np.array(["c%d" % i for i in range(3)])
np.savez_compressed(f"{out}/z.npz", X=m, obs_names=names, var_names=np.array([b"A", b"B", b"C", b"D"]), spatial=np.asfortranarray([[1., 2], [3, 4], [5, 6]]), other=m.T, emb=np.asfortranarray(m[:, :3]), also=m)
np.savez(f"{out}/two.npz", a=m, b=m)
np.savez(f"{out}/one.npz", m)
np.savez(f"{out}/pickled.npz", a=m.astype(object))
"#;

#[test]
fn what_numpy_and_scipy_save_is_read() {
    let Some(python) = common::python() else { return };
    let out = folder();
    common::run_python(&python, NUMPY, &[out.path()]);
    let at = |name: &str| out.path().join(name);
    let wanted: Vec<Vec<f32>> =
        (0..3).map(|r| (0..4).map(|c| ((r * 4 + c) % 5) as f32).collect()).collect();
    for t in
        "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split(' ')
    {
        for order in ["c", "f"] {
            let found = rows(&io::read(&at(&format!("{order}_{t}.npy"))).unwrap());
            let one = |v: &f32| if t == "bool" { f32::from(*v != 0.0) } else { *v };
            let wanted: Vec<Vec<f32>> =
                wanted.iter().map(|r| r.iter().map(one).collect()).collect();
            assert_eq!(found, wanted, "{order} {t}");
        }
    }
    assert_eq!(rows(&io::read(&at("neg.npy")).unwrap()), [[-1.5, 65504.0, 5.9604645e-8]]);
    let dense = io::read(&at("s.npy")).unwrap();
    assert!(matches!(dense.x(), Matrix::Sparse(_)));
    for f in ["csr", "csc", "coo"] {
        for kind in ["s", "p"] {
            let ds = io::read(&at(&format!("{kind}_{f}.npz"))).unwrap();
            assert_eq!(ds.x().to_csr(), dense.x().to_csr(), "{kind} {f}");
        }
    }
    let z = io::read(&at("z.npz")).unwrap();
    assert_eq!(
        (rows(&z), z.obs().index()[2].as_str(), z.var().index()[3].as_str()),
        (wanted.clone(), "c2", "D")
    );
    assert_eq!(z.obsm()["spatial"][[1, 0]], 3.0);
    assert_eq!(
        z.obsm()["emb"].rows().into_iter().map(|r| r[1]).collect::<Vec<_>>(),
        [1.0, 0.0, 4.0]
    );
    assert_eq!(z.obsm().keys().collect::<Vec<_>>(), ["emb", "spatial"]);
    assert_eq!(rows(&io::read(&at("one.npz")).unwrap()), wanted);
    let config = NumpyConfig {
        key: Some("b".into()),
        var_names: Some("w x y z".split(' ').map(str::to_owned).collect()),
        ..NumpyConfig::default()
    };
    assert_eq!(io::numpy::read_with(&at("two.npz"), &config).unwrap().var().index()[0], "w");
    // What is refused, by name.
    refused(io::read(&at("big.npy")), &["big-endian", "newbyteorder"]);
    refused(io::read(&at("complex.npy")), &["complex"]);
    refused(io::read(&at("object.npy")), &["pickled objects"]);
    refused(io::read(&at("records.npy")), &["fields"]);
    refused(io::read(&at("line.npy")), &["two axes", "[5]"]);
    refused(io::read(&at("s_bsr.npz")), &["format bsr", "tocsr"]);
    refused(io::read(&at("two.npz")), &["a, b", "option key"]);
    refused(io::read(&at("pickled.npz")), &["pickled objects"]);
    let wrong = NumpyConfig { var_names: Some(vec!["a".into()]), ..NumpyConfig::default() };
    refused(io::numpy::read_with(&at("one.npz"), &wrong), &["4 names", "var_names"]);
    let wrong = NumpyConfig { key: Some("aa".into()), ..NumpyConfig::default() };
    refused(io::numpy::read_with(&at("two.npz"), &wrong), &["aa", "Did you mean 'a'"]);
}

#[test]
fn what_we_write_scipy_opens() {
    let Some(python) = common::python() else { return };
    let out = folder();
    let m = Csr::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.5, 3.0]).unwrap();
    let path = out.path().join("m.npz");
    io::numpy::write(&path, &Matrix::Sparse(m.clone())).unwrap();
    let code = "import sys, scipy.sparse as sp\nm = sp.load_npz(sys.argv[1])\nassert sp.issparse(m) and m.format == 'csr' and m.has_canonical_format\nprint(m.toarray().tolist(), m.dtype)";
    let said = common::run_python(&python, code, &[&path]);
    assert_eq!(
        said.trim(),
        "[[1.0, 0.0, 0.0, 2.5], [0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0]] float32"
    );
    assert_eq!(io::read(&path).unwrap().x().to_csr(), m);
    let path = out.path().join("a.npz");
    let arrays = [
        ("x".into(), ndarray::arr2(&[[1f32, 2.0], [3.0, 4.0]]).into_dyn()),
        ("y".into(), ndarray::arr1(&[5f32]).into_dyn()),
    ];
    io::npz::write_arrays(&path, &arrays).unwrap();
    let code = "import sys, numpy as np\na = np.load(sys.argv[1])\nprint(a['x'].tolist(), a['y'].tolist(), a['x'].dtype)";
    assert_eq!(
        common::run_python(&python, code, &[&path]).trim(),
        "[[1.0, 2.0], [3.0, 4.0]] [5.0] float32"
    );
    assert_eq!(rows(&io::read(&path).unwrap()), [[1.0, 2.0], [3.0, 4.0]]);
    refused(io::numpy::write(&out.path().join("m.npy"), &Matrix::Sparse(m)), &[".npz"]);
}

#[test]
fn arrays_that_lie_about_their_size_are_refused() {
    let out = folder();
    let npy = |shape: &str, values: usize| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{header:<117}\n").bytes());
        bytes.resize(bytes.len() + values, 0);
        bytes
    };
    for (shape, parts) in [
        ("(1000000, 1000000)", ["fewer", "cut short"]),
        ("(9999999999, 9999999999)", ["beyond all memory", "header"]),
        ("(9999999999, 0)", ["a shape that the file can hold", "9999999999"]),
    ] {
        let path = out.path().join("x.npy");
        std::fs::write(&path, npy(shape, 64)).unwrap();
        refused(io::read(&path), &parts);
    }
    // A zip whose directory says a terabyte.
    fixtures::numpy::write(out.path());
    let path = out.path().join("counts.npz");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[at + 24..at + 28].copy_from_slice(&0xfff0_0000u32.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    refused(io::read(&path), &["counts.npz"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any counts, any names, any separator: written by polars, read by us.
    #[test]
    fn any_table_of_counts_is_read_as_it_was_written(
        cells in prop::collection::vec("[ -~]{1,8}", 1..6),
        genes in prop::collection::btree_set("[A-Z][ -~]{0,6}[A-Z]", 1..7),
        values in prop::collection::vec(prop_oneof![2 => Just(0u16), 1 => any::<u16>()], 36),
        tabs in any::<bool>(), zipped in any::<bool>(),
    ) {
        use polars::prelude::{Column, DataFrame};
        let genes: Vec<String> = genes.into_iter().collect();
        let cells: Vec<String> = cells.iter().map(|c| format!("c{c}")).collect();
        let at = |r: usize, g: usize| values[(r * 7 + g) % 36];
        let mut columns = vec![Column::new("".into(), &cells)];
        for (g, name) in genes.iter().enumerate() {
            let counts: Vec<u32> = (0..cells.len()).map(|r| u32::from(at(r, g))).collect();
            columns.push(Column::new(name.as_str().into(), counts));
        }
        let frame = DataFrame::new(cells.len(), columns).unwrap();
        let out = folder();
        let name = format!("t.{}{}", if tabs { "tsv" } else { "csv" }, if zipped { ".gz" } else { "" });
        let path = out.path().join(name);
        io::table::write(&path, &frame).unwrap();
        let config = TextCountsConfig {
            x: Some(String::new()), obs: Some(Vec::new()),
            orientation: Some(Orientation::CellsByGenes),
            separator: Some(if tabs { "\\t" } else { "," }.into()), ..Default::default()
        };
        let ds = io::text_counts::read_with(&path, &config).unwrap();
        prop_assert_eq!(ds.obs().index(), &cells[..]);
        prop_assert_eq!(ds.var().index(), &genes[..]);
        for (r, row) in rows(&ds).iter().enumerate() {
            for (g, v) in row.iter().enumerate() {
                prop_assert_eq!(*v, f32::from(at(r, g)));
            }
        }
    }

    /// Damage is refused or read, but nothing panics.
    #[test]
    fn damaged_tables_do_not_panic(
        which in 0usize..6, at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()
    ) {
        let out = folder();
        fixtures::text_counts::write(out.path());
        fixtures::legacy_st::write(out.path());
        fixtures::numpy::write(out.path());
        let name = ["counts.csv", "cells.parquet", "st_counts.tsv.gz", "st_selection.tsv", "counts.npz", "counts.npy"][which];
        let path = out.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let i = at.index(bytes.len());
        if cut { bytes.truncate(i) } else { bytes[i] = to }
        std::fs::write(&path, bytes).unwrap();
        io::read(&if which == 3 { out.path().join("st_counts.tsv.gz") } else { path.clone() }).ok();
        io::table::read(&path).ok();
    }
}
