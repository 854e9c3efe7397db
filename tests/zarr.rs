//! Tests of `io::zarr`: stores of anndata 0.7 and 0.12 against Python's reading of them, chunks and
//! codecs of every kind, and what is said of stores that cannot be read.

use std::io::Write;
use std::path::{Path, PathBuf};

use ndarray::arr2;
use proptest::prelude::*;
use spatia::data::{Dataset, Matrix};
use spatia::io;

use crate::common;
use crate::fixtures::zarr::{store, write};

const ARCHIVE: &str = "anndata_archives/v0.7.8.zarr.zip";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// `io`'s comparison, of a store with the `.h5ad` that we made of it.
fn compare(python: &Path, store: &Path, ds: &Dataset) -> String {
    let at = folder();
    let ours = at.path().join("ours.h5ad");
    io::h5ad::write(ds, &ours).unwrap();
    let both = "(ad.read_h5ad(p) for p in sys.argv[1:3])";
    let zarr = "(ad.read_zarr(zarr.storage.ZipStore(sys.argv[1], mode='r') if sys.argv[1].endswith('.zip') else sys.argv[1]), ad.read_h5ad(sys.argv[2]))";
    assert!(crate::io::COMPARE.contains(both));
    let code = format!(
        "import zarr\n{}",
        crate::io::COMPARE.replace(both, zarr).replace("iuOUS", "iuOUST")
    );
    common::run_python(python, &code, &[store, &ours])
}

#[test]
fn the_archive_of_anndata_0_7_equals_pythons_reading() {
    let (Some(python), Some(path)) = (common::python(), common::data(ARCHIVE)) else { return };
    let ds = io::read(&path).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (30, 20));
    assert_eq!(ds.sources, std::slice::from_ref(&path));
    let (known, codes) = ds.obs().codes("obs_cat").unwrap().unwrap();
    assert_eq!((known.len(), codes.len()), (21, 30));
    println!("{ARCHIVE}: {}", compare(&python, &path, &ds).trim());
    // The same store unpacked.
    let at = folder();
    let mut zip = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    zip.extract(at.path().join("x.zarr")).unwrap();
    let unpacked = io::read(&at.path().join("x.zarr")).unwrap();
    assert_eq!(format!("{:?}", unpacked.uns()), format!("{:?}", ds.uns()));
    compare(&python, &path, &unpacked);
}

/// Every byte of the header of blosc, and of its first block.
#[test]
fn a_broken_chunk_of_blosc_is_refused_or_read() {
    let Some(path) = common::data(ARCHIVE) else { return };
    let at = folder();
    let store = at.path().join("x.zarr");
    zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap().extract(&store).unwrap();
    let chunk = store.join("X/data/0");
    let whole = std::fs::read(&chunk).unwrap();
    for i in 0..28 {
        for value in [0, 1, 2, 7, 0x33, 128, 255] {
            let mut bytes = whole.clone();
            bytes[i] = value;
            std::fs::write(&chunk, bytes).unwrap();
            if let Err(e) = io::read(&store) {
                assert!(e.to_string().contains("X/data"), "{e}");
            }
        }
    }
}

/// Versions 2 and 3; then small chunks with absent ones, shards, Fortran's order, big endians, each
/// codec, half floats, nullable columns.
const WRITE: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import anndata as ad, numpy as np, pandas as pd, scipy.sparse as sp, zarr, numcodecs
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec, BytesCodec, TransposeCodec, Crc32cCodec
out, source = sys.argv[1:3]
for version in (2, 3):
    ad.settings.zarr_write_format = version
    a = ad.read_h5ad(source)
    a.write_zarr(f"{out}/plain{version}.zarr")
    rng = np.random.default_rng(1)
    n = 50
    a = ad.AnnData(sp.random(n, 30, .2, "csr", dtype=np.float32, random_state=1))
    a.obs["group"] = pd.Categorical(rng.choice(["a", "ü", "c"], n))
    a.obs["maybe"] = pd.array([None if i % 7 == 0 else i for i in range(n)], dtype="Int32")
    a.obs["flag"] = pd.array([None if i % 5 == 0 else i % 2 == 0 for i in range(n)], dtype="boolean")
    a.obs["none"] = np.zeros(n, bool)
    a.obs["text"] = ["x" * (i % 4) for i in range(n)]
    a.obsm["spatial"] = rng.normal(size=(n, 2))
    a.layers["dense"] = a.X.toarray()
    a.uns.update(text="ü", number=3, real=.5, yes=True, deep={"deeper": {"list": ["a", "b"]}}, pixels=rng.integers(0, 255, (5, 4, 3), dtype=np.uint8))
    with ad.settings.override(allow_write_nullable_strings=True):
        a.write_zarr(f"{out}/rich{version}.zarr", chunks=(7, 11), convert_strings_to_categoricals=False)
    g = zarr.open_group(f"{out}/rich{version}.zarr", mode="r+")
    full = rng.normal(size=(n, 13)); full[:20] = 0
    def put(name, data, **kw):
        d = g.create_array(f"obsm/{name}", shape=data.shape, dtype=data.dtype, chunks=kw.pop("chunks", (8, 5)), fill_value=0, **kw)
        d[...] = data
        d.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    if version == 2:
        put("fortran", full, order="F")
        put("big", full.astype(">f4"))
        for c in (numcodecs.Zlib(), numcodecs.GZip(), numcodecs.Zstd(), numcodecs.Blosc("zstd", shuffle=2), numcodecs.Blosc("zlib"), numcodecs.Blosc("snappy") if "snappy" in numcodecs.blosc.list_compressors() else numcodecs.Blosc("lz4hc"), numcodecs.Blosc("blosclz"), None):
            put("c_" + (c.codec_id + getattr(c, "cname", "") if c else "none"), full, compressors=c)
    else:
        put("transposed", full, filters=[TransposeCodec(order=(1, 0))])
        put("big", full.astype("f4"), serializer=BytesCodec(endian="big"))
        put("shards", full, chunks=(4, 5), shards=(16, 10))
        put("crc", full, compressors=[ZstdCodec(checksum=True), Crc32cCodec()])
        put("gzip", full, compressors=GzipCodec())
        put("blosc", full, compressors=BloscCodec(cname="zstd", shuffle="bitshuffle"))
    put("half", full.astype("f2"))
    put("u2", (full * 100).astype("u2"), chunks=(50, 13))
    zarr.consolidate_metadata(f"{out}/rich{version}.zarr")
print("written")
"#;

#[test]
fn stores_of_anndata_0_12_equal_pythons_reading() {
    let (Some(python), Some(source)) =
        (common::python(), common::data("anndata_archives/v0.7.8.h5ad"))
    else {
        return;
    };
    let at = folder();
    common::run_python(&python, WRITE, &[at.path(), &source]);
    for name in ["plain2.zarr", "plain3.zarr", "rich2.zarr", "rich3.zarr"] {
        let path = at.path().join(name);
        let ds = io::read(&path).unwrap();
        println!("{name}: {}", compare(&python, &path, &ds).trim());
        assert!(ds.sources.iter().all(|s| s.is_file() && s.starts_with(&path)));
    }
}

#[test]
fn the_sample_reads_alike_in_both_versions() {
    let at = folder();
    write(at.path());
    let (a, b) = (
        io::read(&at.path().join("sample.zarr")).unwrap(),
        io::read(&at.path().join("sample.zarr.zip")).unwrap(),
    );
    for ds in [&a, &b] {
        let Matrix::Sparse(x) = ds.x() else { panic!() };
        assert_eq!(x.parts().2, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ds.obs().index(), ["a", "b", "c", "d"]);
        assert_eq!(ds.obs().index_name, "cell");
        assert_eq!(ds.obs().codes("group").unwrap().unwrap().1, [Some(0), Some(1), None, Some(0)]);
        let spatial = arr2(&[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]);
        assert_eq!(ds.obsm()["spatial"], spatial);
    }
    assert_eq!(format!("{:?}", a.uns()), format!("{:?}", b.uns()));
}

/// A store as files in a folder, changed.
fn changed(
    version: u8,
    change: impl Fn(&mut Vec<(String, Vec<u8>)>),
) -> (tempfile::TempDir, PathBuf) {
    let at = folder();
    let path = at.path().join("x.zarr");
    let mut files = store(version);
    change(&mut files);
    for (name, bytes) in files {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    (at, path)
}

fn replace(files: &mut [(String, Vec<u8>)], name: &str, from: &str, to: &str) {
    let (_, bytes) = files.iter_mut().find(|f| f.0 == name).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *bytes = text.replace(from, to).into_bytes();
}

#[track_caller]
fn refused(path: &Path, says: &[&str]) {
    let e = io::read(path).err().unwrap_or_else(|| panic!("{} opens", path.display())).to_string();
    says.iter().for_each(|s| assert!(e.contains(s), "'{s}' is not in: {e}"));
}

#[test]
fn the_wrong_level_of_folder_names_the_right_one() {
    let (at, path) = changed(2, |_| {});
    let right = format!("Name the folder above: {}", path.display());
    refused(&path.join("obs"), &["a part of one (dataframe", &right]);
    refused(&path.join("obs/area"), &["a single array", &right]);
    refused(at.path(), &["x.zarr"]);
    let e = io::zarr::read(at.path()).unwrap_err().to_string();
    assert!(e.contains(&format!("Name the store in it: {}", path.display())), "{e}");
}

#[test]
fn a_spatialdata_store_names_its_tables() {
    let at = folder();
    let root = at.path().join("x.zarr");
    for (version, name) in [(3, "table"), (2, "other")] {
        for (file, bytes) in store(version) {
            let file = root.join("tables").join(name).join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
    }
    std::fs::create_dir_all(root.join("images")).unwrap();
    let group = r#"{"zarr_format": 3, "node_type": "group", "attributes": {"spatialdata_attrs": {"version": "0.2"}}}"#;
    std::fs::write(root.join("zarr.json"), group).unwrap();
    let table = root.join("tables/table");
    refused(&root, &["a SpatialData store, with images, tables", &table.display().to_string()]);
    assert_eq!(io::read(&table).unwrap().n_obs(), 4);
}

#[test]
fn chunks_that_are_absent_hold_the_fill_value() {
    let (_at, path) = changed(2, |files| {
        files.retain(|f| f.0 != "obs/area/0");
        replace(files, "obs/area/.zarray", r#""fill_value":0"#, r#""fill_value":"NaN""#);
    });
    let ds = io::read(&path).unwrap();
    assert!(ds.obs().f64("area").unwrap().iter().all(|v| v.is_nan()));
}

#[test]
fn what_is_damaged_or_not_read_is_named() {
    let (_at, path) = changed(2, |f| replace(f, "X/data/.zarray", "blosc", "lzma"));
    refused(&path, &["X/data", "compressor", "lzma"]);
    // What is not needed is left out.
    let (_at, path) = changed(2, |f| replace(f, "uns/note/.zarray", "vlen-utf8", "pickle"));
    assert!(io::read(&path).unwrap().uns().get(&["note"]).is_none());
    let (_at, path) =
        changed(2, |f| f.iter_mut().find(|f| f.0 == "X/data/0").unwrap().1.truncate(20));
    refused(&path, &["X/data", "no blosc"]);
    let (_at, path) =
        changed(3, |f| f.iter_mut().find(|f| f.0 == "obsm/spatial/c/0/0").unwrap().1.truncate(9));
    refused(&path, &["obsm/spatial", "index"]);
    let (_at, path) = changed(2, |f| f.retain(|f| !f.0.starts_with("var/")));
    refused(&path, &["a store without var"]);
    let (_at, path) = changed(2, |f| replace(f, "obs/.zgroup", "{", ""));
    assert!(io::read(&path).is_ok(), "what .zgroup says is not needed");
}

#[test]
fn sizes_that_the_store_cannot_hold_are_refused() {
    for n in ["5000000000000", "300000000"] {
        let (_at, path) = changed(2, |f| {
            replace(f, "X/data/.zarray", r#""chunks":[4]"#, &format!(r#""chunks":[{n}]"#));
        });
        refused(&path, &["X/data", "at most"]);
        let (_at, path) = changed(2, |f| {
            replace(f, "X/data/.zarray", r#""shape":[4]"#, &format!(r#""shape":[{n}]"#));
        });
        refused(&path, &["X/data"]);
    }
    let (_at, path) =
        changed(2, |f| replace(f, "X/data/.zarray", r#""chunks":[4]"#, r#""chunks":[0]"#));
    refused(&path, &["X/data", "none of them 0"]);
    // Folders within folders.
    let (_at, path) = changed(2, |_| {});
    let deep: PathBuf = std::iter::repeat_n("d", 100).collect();
    std::fs::create_dir_all(path.join("uns").join(deep)).unwrap();
    refused(&path, &["64 levels"]);
}

#[test]
fn a_zip_bomb_is_refused() {
    let at = folder();
    let path = at.path().join("x.zarr.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, mut bytes) in store(3) {
        // Deflate packs the zeros 1000 to 1; the array is of 16 bytes.
        if name == "X/data/c/0" {
            bytes = vec![0; 200 << 20];
        }
        if name == "X/data/zarr.json" {
            let text = String::from_utf8(bytes).unwrap();
            bytes =
                text.replace(r#",{"name":"gzip","configuration":{"level":5}}"#, "").into_bytes();
        }
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    refused(&path, &["X/data"]);
    std::fs::write(&path, b"PK\x05\x06 and nothing more").unwrap();
    refused(&path, &["zip file"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// A byte set, bytes cut off, or a number in the metadata changed: a dataset or an error.
    #[test]
    fn broken_files_neither_panic_nor_hang(
        version in 2u8..4,
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in 0..3,
    ) {
        let (_at, path) = changed(version, |files| {
            let (_, bytes) = file.get_mut(files);
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => {
                    let digit = (0..bytes.len()).map(|i| (at + i) % bytes.len()).find(|i| bytes[*i].is_ascii_digit());
                    let Some(i) = digit else { return };
                    let number = ["0", "-1", "99999999", "18446744073709551615", "1e300", "null"][byte as usize % 6];
                    bytes.splice(i..=i, number.bytes());
                }
            }
        });
        let begun = std::time::Instant::now();
        if let Ok(ds) = io::read(&path) {
            prop_assert!(!ds.to_string().is_empty());
        }
        prop_assert!(begun.elapsed().as_secs() < 10);
    }
}
