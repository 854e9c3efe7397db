//! `.h5ad` beyond the basics of `tests/io.rs`: arrays packed in every way, `raw`, chosen parts, and
//! damage.

use std::path::Path;

use ndarray::Array2;
use proptest::prelude::*;
use rand::Rng;
use spatia::data::{Csr, Dataset, Matrix, Raw, Table, Uns};
use spatia::io::{
    self,
    h5ad::{H5adConfig, Spots},
};

use crate::common;
use crate::io::{COMPARE, everything, refused, same};

fn names(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}{i}")).collect()
}

/// Counts of a tissue whose every tenth entry is not zero.
fn counts(n: usize, g: usize) -> Csr {
    let mut rng = spatia::base::seed::rng(3, 0);
    let mut row = |_| {
        let of =
            |c: usize, r: u32| (r.is_multiple_of(10)).then_some((c as u32, (r % 7 + 1) as f32));
        (0..g).filter_map(|c| of(c, rng.next_u32())).collect()
    };
    Csr::from_rows(g, (0..n).map(&mut row).collect())
}

/// A dataset whose arrays take several chunks.
fn large(n: usize, g: usize) -> Dataset {
    let x = counts(n, g);
    let mut ds =
        Dataset::new(x.clone(), Table::new(names("s", n)), Table::new(names("g", g))).unwrap();
    let groups: Vec<_> = (0..n).map(|i| Some(["L1", "L2", "WM"][i * 3 / n].to_owned())).collect();
    ds.obs_mut().set_categories("layer", &groups).unwrap();
    let total: Vec<f64> = x.row_sums();
    ds.obs_mut().set_f64("total counts", &total).unwrap();
    ds.set_layer("counts", x.clone()).unwrap();
    ds.set_layer("dense", Array2::from_shape_fn((n, g), |(r, c)| (r * g + c) as f32)).unwrap();
    ds.set_obsm("spatial", Array2::from_shape_fn((n, 2), |(r, c)| r as f64 + c as f64 / 3.0))
        .unwrap();
    ds.set_varm("PCs", Array2::from_shape_fn((g, 3), |(r, c)| (r * 3 + c) as f64)).unwrap();
    let ring = |i: usize, n: usize| vec![(((i + 1) % n) as u32, i as f32 + 1.0)];
    ds.set_obsp("ring", Csr::from_rows(n, (0..n).map(|i| ring(i, n)).collect())).unwrap();
    ds.set_varp("ring", Csr::from_rows(g, (0..g).map(|i| ring(i, g)).collect())).unwrap();
    let raw = Raw::new(counts(n, g + 7), Table::new(names("g", g + 7))).unwrap();
    ds.set_raw(Some(raw)).unwrap();
    ds.uns_mut().set(&["a"], Uns::Int(1));
    ds.uns_mut().set(&["b"], Uns::Int(2));
    ds
}

const PACKED: &str = r#"
import sys, h5py, numpy as np, anndata as ad, scipy.sparse as sp
out = sys.argv[1]
rng = np.random.default_rng(1)
n, g = 1200, 40
x = sp.random(n, 400, .2, "csr", np.float64, rng, lambda k: rng.integers(1, 2**20, k).astype(float))
ways = dict(
    plain={}, gzip=dict(compression="gzip"), shuffled=dict(compression="gzip", shuffle=True), lzf=dict(compression="lzf"),
    summed=dict(compression="gzip", fletcher32=True), only_shuffled=dict(shuffle=True),
)
for way, options in ways.items():
    a = ad.AnnData(x.copy(), layers=dict(csc=x.tocsc(), f32=x.astype(np.float32), dense=x[:, :].toarray()))
    path = f"{out}/{way}.h5ad"
    a.write_h5ad(path, **({k: v for k, v in options.items() if k.startswith("compression")}))
    with h5py.File(path, "r+") as f:
        for t in "i1 i2 i4 i8 u1 u2 u4 f4 f8 >i4 >f8 f2".split():
            for i, chunks in enumerate([(n, g), (50, 13), (512, g), (1000, 1)]):
                v = rng.integers(0, 100, (n, g)).astype(t)
                if "f" in t: v = (v / 4).astype(t)
                extra = {k: v for k, v in options.items()}
                if options: extra["chunks"] = chunks
                d = f["obsm"].create_dataset(f"{t.replace('>', 'big_')}_{i}", data=v, **extra)
                d.attrs["encoding-type"] = "array"; d.attrs["encoding-version"] = "0.2.0"
        # Chunks that were never written hold the fill value.
        d = f["obsm"].create_dataset("sparse_chunks", (n, g), "f4", chunks=(100, g), fillvalue=7, maxshape=(None, g), **({k: v for k, v in options.items()}))
        d[250:300] = 3
        d.attrs["encoding-type"] = "array"; d.attrs["encoding-version"] = "0.2.0"
"#;

/// Arrays packed in every way h5py has, of every type, equal Python's reading of them.
#[test]
fn arrays_packed_in_any_way_equal_pythons_reading() {
    let Some(python) = common::python() else { return };
    let out = tempfile::tempdir().unwrap();
    common::run_python(&python, PACKED, &[out.path()]);
    for way in ["plain", "gzip", "shuffled", "lzf", "summed", "only_shuffled"] {
        let path = out.path().join(format!("{way}.h5ad"));
        let ours = out.path().join("ours.h5ad");
        let ds = io::read(&path).unwrap();
        io::h5ad::write(&ds, &ours).unwrap();
        let said = common::run_python(&python, COMPARE, &[&path, &ours]);
        println!("{way}: {}", said.trim());
        same(&ds, &io::read(&ours).unwrap());
        parts_equal_the_whole(&path, &ds, &[1199, 5, 6, 7, 600, 0], &[399, 3, 4, 200]);
    }
}

const LARGE: &str = r#"
import sys, h5py, numpy as np, anndata as ad
a = ad.read_h5ad(sys.argv[1])
n, g = a.shape
assert (a.layers["dense"] == np.arange(n * g, dtype=np.float32).reshape(n, g)).all()
assert (a.X != a.layers["counts"]).nnz == 0 and a.X.has_canonical_format
assert np.allclose(a.obs["total counts"], np.asarray(a.X.sum(1)).ravel())
assert a.raw.shape == (n, g + 7) and a.raw.X.shape == (n, g + 7)
assert a.varp["ring"].nnz == g and a.obsp["ring"][0, 1] == 1
with h5py.File(sys.argv[1]) as f:
    for k, shuffle in (("X/data", False), ("X/indices", True), ("layers/dense", False)):
        d = f[k]
        raw = int(np.prod(d.chunks)) * d.dtype.itemsize
        assert d.compression == "gzip" and d.compression_opts == 4 and d.shuffle == shuffle, k
        assert d.id.get_num_chunks() > 1 and raw <= 2**20, (k, d.chunks)
print("equal")
"#;

#[test]
fn large_arrays_are_ordinary_gzip_to_python() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("large.h5ad");
    let ds = large(9000, 500);
    io::h5ad::write(&ds, &path).unwrap();
    same(&ds, &io::read(&path).unwrap());
    if let Some(python) = common::python() {
        common::run_python(&python, LARGE, &[&path]);
    }
}

#[track_caller]
fn parts_equal_the_whole(path: &Path, whole: &Dataset, rows: &[usize], cols: &[usize]) {
    let of = |t: &Table, places: &[usize]| places.iter().map(|&i| t.index()[i].clone()).collect();
    for (r, c) in [(Some(rows), None), (None, Some(cols)), (Some(rows), Some(cols))] {
        let mut expected = whole.clone();
        if let Some(r) = r {
            expected.select_obs(r).unwrap();
        }
        if let Some(c) = c {
            expected.select_var(c).unwrap();
        }
        let config = H5adConfig {
            obs: r.map(|r| Spots::Names(of(whole.obs(), r))),
            genes: c.map(|c| of(whole.var(), c)),
            ..H5adConfig::default()
        };
        same(&expected, &io::h5ad::read_with(path, &config).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_part_equals_the_whole_cut(
        n in 100..400usize, g in 60..200usize,
        rows in proptest::collection::btree_set(0..100usize, 1..40), step in 1..60usize,
    ) {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("any.h5ad");
        let ds = large(n, g);
        io::h5ad::write(&ds, &path).unwrap();
        let mut rows: Vec<usize> = rows.into_iter().collect();
        rows.reverse();
        let cols: Vec<usize> = (0..g).step_by(step).collect();
        parts_equal_the_whole(&path, &ds, &rows, &cols);
    }
}

#[test]
fn a_condition_chooses_spots() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("t.h5ad");
    let ds = large(300, 50);
    io::h5ad::write(&ds, &path).unwrap();
    let read = |condition: &str| {
        let obs = Some(Spots::Where(condition.into()));
        io::h5ad::read_with(&path, &H5adConfig { obs, ..H5adConfig::default() })
    };
    let mut expected = ds.clone();
    expected.select_obs(&(100..200).collect::<Vec<_>>()).unwrap();
    same(&expected, &read("layer = 'L2'").unwrap());
    assert_eq!(read("_index IN ('s3', 's299')").unwrap().obs().index(), ["s3", "s299"]);
    let some = read("layer <> 'WM' AND \"total counts\" > 20").unwrap();
    let total = some.obs().f64("total counts").unwrap();
    assert!(some.n_obs() > 0 && total.iter().all(|&t| t > 20.0));
    refused(read("layer = 'nowhere'"), &["layer = 'nowhere'", "some rows to remain"]);
    refused(read("layre = 'L2'"), &["a column 'layre'", "Did you mean 'layer'"]);
    refused(read("\"total counts\""), &["a condition", "gives numbers"]);
    refused(read("layer = "), &["layer = ", "single quotes"]);

    let with = |config: H5adConfig| io::h5ad::read_with(&path, &config);
    let list = |n: &[&str]| Some(n.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
    let none = H5adConfig::default;
    let e = with(H5adConfig { genes: list(&["g1", "gg2"]), ..none() });
    refused(e, &["genes by name", "1 missing, the first 'gg2'", "Did you mean"]);
    let e = with(H5adConfig { layers: list(&["count"]), ..none() });
    refused(e, &["layers[\"count\"]", "counts, dense", "Did you mean 'counts'"]);
    let e = with(H5adConfig { genes: list(&["g1", "g1"]), ..none() });
    refused(e, &["each name once"]);
    let obs = Some(Spots::Names(vec!["s1-1".into()]));
    refused(with(H5adConfig { obs, ..none() }), &["1 spots in the file", "'s1-1'"]);
    let little = with(H5adConfig {
        layers: list(&["counts"]),
        obsm: list(&[]),
        obsp: list(&[]),
        uns: list(&["b"]),
        raw: false,
        ..none()
    });
    let little = little.unwrap();
    assert_eq!(little.layers().keys().collect::<Vec<_>>(), ["counts"]);
    assert!(little.obsm().is_empty() && little.obsp().is_empty() && little.raw().is_none());
    assert_eq!(little.uns().as_map().unwrap().keys().collect::<Vec<_>>(), ["b"]);

    let peek = io::h5ad::peek(&path).unwrap();
    assert_eq!((peek.n_obs, peek.n_vars, peek.raw_vars, peek.x.as_str()), (300, 50, 57, "csr"));
    assert_eq!(peek.obs, ["layer", "total counts"]);
    assert_eq!((peek.layers, peek.varm), (names_of(&["counts", "dense"]), names_of(&["PCs"])));
    if let Some(old) = common::data("anndata_archives/v0.5.0.h5ad") {
        let (peek, ds) = (io::h5ad::peek(&old).unwrap(), io::read(&old).unwrap());
        assert_eq!((peek.n_obs, peek.n_vars), (ds.n_obs(), ds.n_vars()));
        assert_eq!(peek.obs, ds.obs().names());
        assert_eq!(peek.raw_vars, ds.raw().map_or(0, |r| r.var().len()));
    }
}

fn names_of(n: &[&str]) -> Vec<String> {
    n.iter().map(|&n| n.to_owned()).collect()
}

/// Places and sizes of the chunks of an array.
fn chunks(path: &Path, name: &str) -> Vec<(usize, usize)> {
    let d = hdf5::File::open(path).unwrap().dataset(name).unwrap();
    let n = d.num_chunks().unwrap();
    let info = (0..n).map(|i| d.chunk_info(i).unwrap());
    info.map(|c| (c.addr as usize, c.size as usize)).collect()
}

/// What is not asked for is not read: it may be damaged.
#[test]
fn the_rest_of_a_file_is_not_touched() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("t.h5ad");
    let ds = large(9000, 500);
    io::h5ad::write(&ds, &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let mut spoilt = 0;
    for name in ["X/data", "X/indices", "layers/counts/data", "layers/dense", "raw/X/indices"] {
        let chunks = chunks(&path, name);
        assert!(chunks.len() > 1, "{name}");
        for &(at, size) in &chunks[1..] {
            bytes[at..at + size].fill(0xaa);
            spoilt += size;
        }
    }
    assert!(spoilt > bytes.len() / 2, "{spoilt} of {}", bytes.len());
    std::fs::write(&path, &bytes).unwrap();
    let obs = Some(Spots::Names(names("s", 50)));
    let config = H5adConfig { obs, ..H5adConfig::default() };
    let part = io::h5ad::read_with(&path, &config).unwrap();
    let mut expected = ds;
    expected.select_obs(&(0..50).collect::<Vec<_>>()).unwrap();
    same(&expected, &part);
    refused(io::read(&path), &["/X", "chunk from row", "damaged"]);
}

#[test]
fn raw_keeps_its_genes() {
    let mut ds = everything();
    let mut halves = ds.layer("dense").unwrap().to_csr();
    halves = halves.map(|_, _, v| v / 2.0);
    ds.set_x(halves).unwrap();
    assert!(ds.to_string().contains("raw     4 genes, counts"), "{ds}");
    ds.select_obs(&[3, 1]).unwrap();
    ds.select_var(&[2, 0]).unwrap();
    assert_eq!(ds.raw().unwrap().x().shape(), (2, 4));
    assert_eq!(ds.varp()["correlations"].get(0, 1), 0.5);
    let whole = ds.of_raw().unwrap();
    assert_eq!((whole.n_obs(), whole.n_vars()), (2, 4));
    assert_eq!((whole.obs().index(), whole.varm()["PCs"].dim()), (ds.obs().index(), (4, 2)));
    let raw = Array2::from_shape_fn((2, 4), |(r, c)| (10 * r + c) as f32);
    let var = ds.raw().unwrap().var().clone();
    ds.set_raw(Some(Raw::new(raw, var).unwrap())).unwrap();
    let mut lacking = ds.clone();
    ds.counts_from_raw().unwrap();
    let expected = Matrix::Dense(ndarray::arr2(&[[3.0, 1.0], [13.0, 11.0]]));
    assert_eq!(ds.counts().unwrap(), &expected);

    let other = |genes: &[&str], v: f32| {
        Raw::new(Array2::from_elem((2, genes.len()), v), Table::new(names_of(genes))).unwrap()
    };
    lacking.layers().get("counts").unwrap();
    lacking.set_layer("counts", Array2::from_elem((2, 2), 0.5)).unwrap();
    refused(lacking.counts().map(|_| ()), &["ds.counts_from_raw()"]);
    lacking.set_raw(Some(other(&["G1", "G9"], 1.0))).unwrap();
    refused(lacking.counts_from_raw(), &["no 'G3'"]);
    lacking.set_raw(Some(other(&["G1", "G3"], 0.5))).unwrap();
    refused(lacking.counts_from_raw(), &["whole numbers", "0.5 at [0, 0]"]);
    lacking.set_raw(Some(other(&["G1", "G1"], 1.0))).unwrap();
    refused(lacking.counts_from_raw(), &["'G1' several times"]);
    lacking.set_raw(None).unwrap();
    refused(lacking.counts_from_raw(), &["looking up raw"]);
    let odd = Raw::new(Array2::zeros((3, 1)), Table::new(names("g", 1))).unwrap();
    refused(lacking.set_raw(Some(odd)), &["raw", "[2, 1]", "[3, 1]"]);
}

const ODD: &str = r#"
import sys, h5py, numpy as np, anndata as ad
a = ad.AnnData(np.ones((5, 3), np.float32), obsm=dict(pca=np.ones((5, 2))))
a.write_h5ad(sys.argv[1])
with h5py.File(sys.argv[1], "r+") as f:
    for g in (f["obsm"].create_group("ragged"), f["uns"].create_group("ragged")):
        g.attrs["encoding-type"] = "awkward-array"; g.attrs["encoding-version"] = "0.1.0"
        g.attrs["form"] = "{}"; g.attrs["length"] = 5
    f["uns"]["elsewhere"] = h5py.ExternalLink(sys.argv[2], "/obs")
"#;

#[test]
fn awkward_arrays_are_left_out_and_links_elsewhere_refused() {
    let Some(python) = common::python() else { return };
    let out = tempfile::tempdir().unwrap();
    let (path, other) = (out.path().join("a.h5ad"), out.path().join("b.h5ad"));
    common::run_python(&python, ODD, &[&path, &other]);
    io::h5ad::write(&everything(), &other).unwrap();
    refused(io::read(&path), &["link", "b.h5ad", "Copy"]);
    std::fs::remove_file(&other).unwrap();
    let uns = Some(vec!["ragged".to_owned()]);
    let ds = io::h5ad::read_with(&path, &H5adConfig { uns, ..H5adConfig::default() }).unwrap();
    assert_eq!(ds.obsm().keys().collect::<Vec<_>>(), ["pca"]);
    assert!(ds.uns().as_map().unwrap().is_empty());
}

#[test]
fn a_null_is_left_out_so_that_every_anndata_reads_the_file() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("t.h5ad");
    let mut ds = everything();
    ds.uns_mut().set(&["nothing"], Uns::Null);
    io::h5ad::write(&ds, &path).unwrap();
    same(&everything(), &io::read(&path).unwrap());
}

/// Entries of heaps of texts that lead nowhere: the HDF5 library would look for the next for ever.
fn break_heaps(bytes: &mut [u8], wrap: bool) -> usize {
    let starts: Vec<usize> =
        (0..bytes.len() - 16).filter(|&i| &bytes[i..i + 4] == b"GCOL").collect();
    for &start in &starts {
        let number = |b: &[u8]| u64::from_le_bytes(b.try_into().unwrap()) as usize;
        let end = start + number(&bytes[start + 8..start + 16]);
        let mut at = start + 16;
        while !wrap && at + 16 <= end && bytes[at..at + 2] != [0, 0] {
            at += 16 + number(&bytes[at + 8..at + 16]).next_multiple_of(8);
        }
        // The free space at the end, or a text whose size wraps around.
        let size: u64 = if wrap { 0u64.wrapping_sub(16) } else { 0 };
        bytes[at + 8..at + 16].copy_from_slice(&size.to_le_bytes());
    }
    starts.len()
}

#[test]
fn a_heap_of_texts_without_an_end_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("t.h5ad");
    for (ds, large) in [(everything(), false), (large(20000, 500), true)] {
        io::h5ad::write(&ds, &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        // Beyond 8 MB only what is no array of numbers is searched.
        assert_eq!(whole.len() > 8 << 20, large, "{}", whole.len());
        for wrap in [false, true] {
            let mut bytes = whole.clone();
            assert!(break_heaps(&mut bytes, wrap) > 0);
            std::fs::write(&path, &bytes).unwrap();
            refused(io::read(&path), &["t.h5ad", "entry without an end", "damaged"]);
            refused(io::h5ad::peek(&path), &["entry without an end"]);
        }
    }
}

/// Damaged chunks are refused by name, whichever way they are damaged.
#[test]
fn damaged_chunks_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("t.h5ad");
    io::h5ad::write(&large(2000, 300), &path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for name in ["X/data", "X/indices", "layers/dense", "raw/X/data"] {
        let (at, size) = chunks(&path, name)[0];
        assert!(size > 1 << 14, "{name}: {size}");
        for damage in 0..3 {
            let mut bytes = whole.clone();
            let chunk = &mut bytes[at..at + size];
            match damage {
                // No deflate at all; an end that is missing; a stream that ends too early.
                0 => chunk.fill(0x55),
                1 => chunk[size / 2..].fill(0),
                _ => chunk[..12].copy_from_slice(b"\x78\x9c\x03\x00\x00\x00\x00\x01zzzz"),
            }
            let broken = out.path().join("broken.h5ad");
            std::fs::write(&broken, &bytes).unwrap();
            let (place, _) = name.split_once('/').unwrap();
            refused(io::read(&broken), &[place, "chunk from row 0"]);
        }
    }
}

/// The index of the chunks, the sizes in it among them, and the chunks changed at random.
#[test]
fn damage_anywhere_in_large_arrays_does_not_panic() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("t.h5ad");
    io::h5ad::write(&large(700, 200), &path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let trees: Vec<usize> = (0..whole.len() - 4).filter(|&i| &whole[i..i + 4] == b"TREE").collect();
    let mut rng = spatia::base::seed::rng(11, 0);
    let mut refusals = 0;
    for round in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.next_u32() % 8 {
            let at = rng.next_u32() as usize;
            let at = if round % 2 == 0 {
                trees[at % trees.len()] + 4 + at % 200
            } else {
                at % bytes.len()
            };
            bytes[at] = if at % 3 == 0 { 0xff } else { rng.next_u32() as u8 };
        }
        std::fs::write(&path, &bytes).unwrap();
        let genes = Some(names("g", 3));
        let part = io::h5ad::read_with(&path, &H5adConfig { genes, ..H5adConfig::default() });
        refusals += usize::from(io::read(&path).is_err()) + usize::from(part.is_err());
    }
    assert!(refusals > 20, "{refusals}");
}
