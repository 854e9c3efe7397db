//! Tests of Visium and Visium HD: against scanpy's reading of the same folders, the layouts of each
//! version of Space Ranger, and what is said of folders that are not what they should be.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::Array2;
use rand::Rng;
use spatia::base::progress::{self, Sink, Step};
use spatia::data::Dataset;
use spatia::io;
use spatia::io::visium::{Matrix, VisiumConfig};
use spatia::io::visium_hd::VisiumHdConfig;

use crate::common;
use crate::fixtures::{mex, tenx, visium, visium_hd};

/// Compares with scanpy's reading, images included where it can read them.
const COMPARE: &str = r#"
import sys, warnings, json
warnings.simplefilter("ignore")
import anndata as ad, numpy as np, pandas as pd, scanpy as sc
from pathlib import Path
for source, ours in zip(sys.argv[1::2], sys.argv[2::2]):
    source = Path(source)
    b = ad.read_h5ad(ours)
    whole = (source / "spatial/tissue_hires_image.png").exists()
    if whole:
        a = sc.read_visium(source)
        a = a[a.obs["in_tissue"] == 1].copy()
    else:
        a = sc.read_10x_h5(source / "filtered_feature_bc_matrix.h5")
        p = pd.read_csv(source / "spatial/tissue_positions_list.csv", header=None, index_col=0).loc[a.obs_names]
        a.obs = pd.DataFrame({"in_tissue": p[1], "array_row": p[2], "array_col": p[3]})
        a.obsm["spatial"] = p[[5, 4]].to_numpy()
    a.var_names_make_unique()
    assert list(a.obs_names) == list(b.obs_names) and list(a.var_names) == list(b.var_names)
    x, y = a.X.tocsr(), b.X.tocsr()
    x.sort_indices(); y.sort_indices()
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(x, part), getattr(y, part))
    for c in a.var: assert list(a.var[c]) == list(b.var[c]), c
    assert (a.obsm["spatial"].astype(float) == b.obsm["spatial"]).all()
    assert (a.obs == b.obs[list(a.obs)]).all().all()
    (library, v), = b.uns["spatial"].items()
    factors = json.loads((source / "spatial/scalefactors_json.json").read_text())
    assert factors == v["scalefactors"]
    if whole:
        u = a.uns["spatial"][library]
        assert set(u["images"]) == set(v["images"]) and u["scalefactors"] == v["scalefactors"]
        for k in u["images"]:
            assert (np.round(u["images"][k][..., :3] * 255).astype(np.uint8) == v["images"][k]).all(), k
    print(source.name, "equal", a.shape, library, "with images" if whole else "scanpy cannot read it without hires")
"#;

/// Notes while a test runs; tests that look at them run one after the other.
struct Notes(Mutex<Vec<String>>);

impl Sink for Notes {
    fn note(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.into());
    }
    fn step(&self, _: &Step<'_>) {}
    fn end(&self, _: &str) {}
}

static ALONE: Mutex<()> = Mutex::new(());

/// What a function returns, and the notes said meanwhile (those of other tests among them).
fn noted<T>(f: impl FnOnce() -> T) -> (T, String) {
    let _alone: MutexGuard<'_, ()> = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let notes = Arc::new(Notes(Mutex::new(Vec::new())));
    progress::install(Some(notes.clone()));
    let result = f();
    progress::install(None);
    let said = notes.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    (result, said)
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    parts.iter().for_each(|p| assert!(text.contains(p), "'{p}' is not in: {text}"));
}

#[track_caller]
fn refused<T>(result: spatia::base::Result<T>, parts: &[&str]) {
    let Err(e) = result else { panic!("not refused") };
    println!("{e}");
    contains(&e.to_string(), parts);
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn visium_folders_equal_scanpys_reading() {
    let Some(python) = common::python() else { return };
    let out = folder();
    visium::write(out.path());
    let sample = out.path().join("visium");
    let mut paths = vec![sample];
    paths.extend(
        ["visium_tiny", "dlpfc/151673", "dlpfc/151674"].into_iter().filter_map(common::data),
    );
    let mut pairs = Vec::new();
    for (i, path) in paths.into_iter().enumerate() {
        let ours = out.path().join(format!("ours{i}.h5ad"));
        io::h5ad::write(&io::read(&path).unwrap(), &ours).unwrap();
        pairs.extend([path, ours]);
    }
    let pairs: Vec<&Path> = pairs.iter().map(|p| p.as_path()).collect();
    println!("{}", common::run_python(&python, COMPARE, &pairs));
}

/// Distances between neighbours in a row in `obsm["spatial_um"]`.
fn steps_um(ds: &Dataset, apart: f64) -> Vec<f64> {
    let (rows, cols) = (ds.obs().f64("array_row").unwrap(), ds.obs().f64("array_col").unwrap());
    let um = &ds.obsm()["spatial_um"];
    let mut steps = Vec::new();
    for a in 0..ds.n_obs() {
        let next = (0..ds.n_obs()).find(|&b| rows[b] == rows[a] && cols[b] - cols[a] == apart);
        if let Some(b) = next {
            steps.push((um[[a, 0]] - um[[b, 0]]).hypot(um[[a, 1]] - um[[b, 1]]));
        }
    }
    steps
}

#[test]
fn positions_in_um_are_those_of_the_array() {
    let out = folder();
    visium::write(out.path());
    let mut paths = vec![out.path().join("visium")];
    paths.extend(
        ["visium_tiny", "dlpfc/151673", "dlpfc/151674"].into_iter().filter_map(common::data),
    );
    for path in paths {
        let ds = io::read(&path).unwrap();
        let mut steps = steps_um(&ds, 2.0);
        steps.sort_by(f64::total_cmp);
        let median = steps[steps.len() / 2];
        assert!((median - 100.0).abs() < 1.0, "{}: {median} um", path.display());
        let c = ds.coordinates().unwrap();
        assert_eq!(ds.obsm()["spatial_um"], &c.xy * c.um_per_unit.unwrap());
        assert_eq!(c.unit.name(), "px");
    }
}

/// The sample, changed.
fn changed(change: impl Fn(&Path)) -> tempfile::TempDir {
    let out = folder();
    visium::write(out.path());
    change(&out.path().join("visium"));
    out
}

fn read(out: &tempfile::TempDir, config: VisiumConfig) -> spatia::base::Result<Dataset> {
    io::visium::read_with(&out.path().join("visium"), &config)
}

const CSV: &str = "spatial/tissue_positions.csv";
const LIST: &str = "spatial/tissue_positions_list.csv";
const H5: &str = "filtered_feature_bc_matrix.h5";

#[test]
fn options_choose_counts_spots_and_images() {
    let out = changed(|_| ());
    let usual = VisiumConfig::default;
    let ds = read(&out, usual()).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (20, 6));
    assert_eq!(ds.obsm()["spatial"].row(0).to_vec(), [40.0, 55.0]);
    assert_eq!(ds.tissue_image().unwrap().pixels.dim(), (44, 44, 3));
    let raw = read(&out, VisiumConfig { counts: Matrix::Raw, ..usual() }).unwrap();
    assert_eq!(raw.obs().index(), ds.obs().index());
    let all = VisiumConfig { counts: Matrix::Raw, in_tissue: false, ..usual() };
    let all = read(&out, all).unwrap();
    assert_eq!(all.n_obs(), 30);
    assert_eq!(all.obs().f64("in_tissue").unwrap().iter().sum::<f64>(), 20.0);
    let named = VisiumConfig { images: false, library: Some("s1".into()), ..usual() };
    let named = read(&out, named).unwrap();
    assert!(named.tissue_image().is_none());
    assert!(named.uns().get(&["spatial", "s1", "scalefactors", "tissue_hires_scalef"]).is_some());
    refused(
        read(&out, VisiumConfig { features: "Antibody Capture".into(), ..usual() }),
        &["'Antibody Capture'", "Known: Gene Expression"],
    );
    let only = changed(|d| std::fs::remove_file(d.join("raw_feature_bc_matrix.h5")).unwrap());
    refused(
        read(&only, VisiumConfig { counts: Matrix::Raw, ..usual() }),
        &["raw_feature_bc_matrix.h5", H5, "Leave out counts"],
    );
}

#[test]
fn counts_may_be_mex_and_positions_of_any_version() {
    let known = read(&changed(|_| ()), VisiumConfig::default()).unwrap();
    let same = |out: &tempfile::TempDir| {
        let (ds, said) = noted(|| read(out, VisiumConfig::default()).unwrap());
        assert_eq!((ds.x(), ds.obs().index()), (known.x(), known.obs().index()));
        assert_eq!(ds.obsm()["spatial"], known.obsm()["spatial"]);
        said
    };
    same(&changed(|d| std::fs::remove_file(d.join(H5)).unwrap()));
    // Space Ranger 1: another name and no header; here with counts of version 2.
    let said = same(&changed(|d| {
        std::fs::remove_file(d.join(CSV)).unwrap();
        std::fs::write(d.join(LIST), visium::positions()).unwrap();
    }));
    contains(&said, &["laid out as Space Ranger 1 does, but the counts say spaceranger-2.1.0"]);
    // Columns in another order, by the header.
    same(&changed(|d| {
        let turned = |line: String| {
            let f: Vec<&str> = line.split(',').collect();
            format!("{},{},{},{},{},{},x\n", f[5], f[4], f[0], f[2], f[3], f[1])
        };
        let text = std::fs::read_to_string(d.join(CSV)).unwrap();
        let text: String = text.lines().map(|l| turned(l.to_owned())).collect();
        std::fs::write(d.join(CSV), text).unwrap();
    }));
}

#[test]
fn what_is_wrong_with_a_visium_folder_is_said() {
    let broken = |change: &dyn Fn(&Path), parts: &[&str]| {
        refused(read(&changed(change), VisiumConfig::default()), parts);
    };
    let text = format!(
        "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n{}",
        visium::positions()
    );
    let put = |text: String| move |d: &Path| std::fs::write(d.join(CSV), &text).unwrap();
    // Cut in the middle of a line, and between two lines.
    broken(&put(text[..900].into()), &["line ", CSV, "stops in the middle", "cut short"]);
    let lines: Vec<&str> = text.lines().collect();
    broken(
        &put(lines[..20].join("\n") + "\n"),
        &["19 positions, none for 6 of 20 barcodes, the first '", "cut short"],
    );
    broken(&put(text.replace("array_col", "col")), &["no array_col", "columns barcode, in_tissue"]);
    broken(&put(format!("{text}{}\n", lines[10])), &["each barcode once", "reading row 31"]);
    broken(&put(text.replace("-1,", "-2,")), &["no match", "differ in the suffix only"]);
    broken(
        &put(text
            .replace("A-1,", "AG-1,")
            .replace("C-1,", "CG-1,")
            .replace("G-1,", "GG-1,")
            .replace("T-1,", "TG-1,")),
        &["no match", "same sample"],
    );
    broken(
        &|d| {
            std::fs::remove_file(d.join(CSV)).unwrap();
            visium_hd::parquet(
                &d.join("spatial/tissue_positions.parquet"),
                visium_hd::positions(8),
            );
        },
        &["tissue_positions_list.csv (", "Space Ranger 1", "data::read_visium_hd"],
    );
    broken(&|d| std::fs::remove_dir_all(d.join("spatial")).unwrap(), &["no spatial/"]);
    let no_counts = |d: &Path| {
        for name in [H5, "raw_feature_bc_matrix.h5"] {
            std::fs::remove_file(d.join(name)).unwrap();
        }
        std::fs::remove_dir_all(d.join("filtered_feature_bc_matrix")).unwrap();
    };
    broken(&no_counts, &["spatial/, but no counts", "MEX"]);
    // A picture whose header promises more than its bytes hold.
    let large = |d: &Path| {
        let path = d.join("spatial/tissue_lowres_image.png");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        std::fs::write(path, bytes).unwrap();
    };
    broken(&large, &["tissue_lowres_image.png"]);
}

#[test]
fn counts_of_another_sample_than_the_positions_are_noticed() {
    // The barcodes of all slides are alike; what differs is which spots are under tissue.
    let out = changed(|d| {
        let text = std::fs::read_to_string(d.join(CSV)).unwrap();
        let text = text.replacen("-1,1,2,", "-1,0,2,", 5);
        std::fs::write(d.join(CSV), text).unwrap();
    });
    let e = read(&out, VisiumConfig::default()).err().unwrap().to_string();
    contains(&e, &["5 of 20 not under tissue", "another sample", "in_tissue: false"]);
    let all = VisiumConfig { in_tissue: false, ..VisiumConfig::default() };
    assert_eq!(read(&out, all).unwrap().n_obs(), 20);
    let (_, said) = noted(|| {
        let text = visium::positions();
        let cut = changed(|d| std::fs::write(d.join(CSV), text.trim_end()).unwrap());
        read(&cut, VisiumConfig::default()).unwrap()
    });
    contains(&said, &["30 positions, the last line without an end", "4992 or 14336"]);
}

fn read_hd(path: &Path, bin_um: Option<u32>) -> spatia::base::Result<Dataset> {
    io::visium_hd::read_with(path, &VisiumHdConfig { bin_um, ..VisiumHdConfig::default() })
}

#[test]
fn visium_hd_is_read_at_each_size_of_bin() {
    let out = folder();
    visium_hd::write(out.path());
    let outs = out.path().join("visium_hd");
    for (um, bins) in [(2, 254), (8, 14), (16, 4)] {
        let ds = read_hd(&outs, Some(um)).unwrap();
        assert_eq!((ds.n_obs(), ds.n_vars()), (bins, 6), "{um} um");
        let c = ds.coordinates().unwrap();
        assert_eq!((c.unit.name(), c.um_per_unit), ("px", Some(visium_hd::UM_PER_PX)));
        assert_eq!(ds.obsm()["spatial_um"], &c.xy * visium_hd::UM_PER_PX);
        let steps = steps_um(&ds, 1.0);
        assert!(steps.iter().all(|s| (s - f64::from(um)).abs() < 0.01), "{um} um: {steps:?}");
        assert_eq!(ds.spot_diameter(), Some(f64::from(um) / visium_hd::UM_PER_PX));
        // The images of the bins are lost; the central ones stand in.
        let image = ds.tissue_image().unwrap();
        assert_eq!((image.pixels.dim(), image.scale), ((32, 32, 3), 0.5));
        let (row, col) = (ds.obs().f64("array_row").unwrap(), ds.obs().f64("array_col").unwrap());
        assert_eq!(ds.obs().index()[3], format!("s_{um:03}um_{:05}_{:05}-1", row[3], col[3]));
        let px = |i: f64| (i + 0.5) * f64::from(um) / visium_hd::UM_PER_PX;
        let xy = [px(col[3]) - 0.01 * px(row[3]), px(row[3]) + 0.01 * px(col[3])];
        assert_eq!(ds.obsm()["spatial"].row(3).to_vec(), xy);
    }
    let own = outs.join("binned_outputs/square_016um/spatial/tissue_hires_image.png");
    visium::picture(&own, 30, 30);
    let image = read_hd(&outs, Some(16)).unwrap().tissue_image().unwrap();
    assert_eq!(image.pixels.dim(), (30, 30, 3));
    // From every level, told by its content.
    let usual = io::read(&outs).unwrap();
    assert_eq!(usual.n_obs(), 14);
    let levels = [
        ("", 14),
        ("binned_outputs", 14),
        ("binned_outputs/square_008um", 14),
        ("binned_outputs/square_016um", 4),
        ("binned_outputs/square_016um/spatial", 4),
    ];
    for (level, bins) in levels {
        assert_eq!(io::read(&outs.join(level)).unwrap().n_obs(), bins, "{level}");
    }
    std::fs::rename(&outs, out.path().join("outs")).unwrap();
    assert_eq!(io::read(out.path()).unwrap().n_obs(), 14);
    // Counts in MEX.
    let square = out.path().join("outs/binned_outputs/square_008um");
    std::fs::remove_file(square.join(H5)).unwrap();
    mex::triple(&square.join("filtered_feature_bc_matrix"), usual.obs().index(), 6);
    assert_eq!(io::read(&square).unwrap().x(), usual.x());
    // All bins, those beside the tissue too, need the counts of all.
    let bins: Vec<String> = {
        let positions = visium_hd::positions(8);
        let barcodes = positions.column("barcode").unwrap().str().unwrap();
        barcodes.iter().flatten().map(str::to_owned).collect()
    };
    tenx::file(&square.join("raw_feature_bc_matrix.h5"), &bins, 6, None);
    let config = VisiumHdConfig { counts: Matrix::Raw, in_tissue: false, ..Default::default() };
    assert_eq!(io::visium_hd::read_with(&square, &config).unwrap().n_obs(), 16);
}

#[test]
fn what_is_wrong_with_a_visium_hd_folder_is_said() {
    let out = folder();
    visium_hd::write(out.path());
    let outs = out.path().join("visium_hd");
    let bins = outs.join("binned_outputs");
    refused(
        read_hd(&outs, Some(4)),
        &["bins of 4 um", "bins of 2, 8, 16 um", "bin_um: 2 or 8 or 16"],
    );
    refused(
        read_hd(&bins.join("square_016um"), Some(8)),
        &["bins of 8 um", "the folder of those of 16 um", "leave out bin_um"],
    );
    let parquet = "spatial/tissue_positions.parquet";
    // Positions of other bins than the counts.
    std::fs::copy(bins.join("square_016um").join(parquet), bins.join("square_008um").join(parquet))
        .unwrap();
    refused(
        read_hd(&outs, None),
        &["no match", "counts are of bins of 008um, the positions of 016um"],
    );
    let without = visium_hd::positions(8).drop("pxl_row_in_fullres").unwrap();
    visium_hd::parquet(&bins.join("square_008um").join(parquet), without);
    refused(read_hd(&outs, None), &["no pxl_row_in_fullres", "there is barcode, in_tissue"]);
    let few = visium_hd::positions(8).head(Some(9));
    visium_hd::parquet(&bins.join("square_008um").join(parquet), few);
    refused(read_hd(&outs, None), &["9 positions, none for 6 of 14 barcodes"]);
    let whole = std::fs::read(bins.join("square_016um").join(parquet)).unwrap();
    std::fs::write(bins.join("square_008um").join(parquet), &whole[..whole.len() / 2]).unwrap();
    refused(read_hd(&outs, None), &["tissue_positions.parquet", "cut short"]);
    std::fs::remove_file(bins.join("square_008um").join(parquet)).unwrap();
    refused(read_hd(&outs, None), &["positions", parquet, "scalefactors_json.json"]);
    // Another folder, a packed one, cells instead of bins.
    std::fs::remove_dir_all(&bins).unwrap();
    refused(read_hd(&outs, None), &["square_008um", "found spatial", "outs/, its binned_outputs/"]);
    std::fs::create_dir(outs.join("segmented_outputs")).unwrap();
    refused(
        io::read(&outs),
        &["segmented_outputs/ are not read", "binned_outputs/ of the same run"],
    );
    std::fs::write(outs.join("Mouse_binned_outputs.tar.gz"), b"").unwrap();
    refused(io::read(&outs), &["Unpack binned_outputs.tar.gz"]);
}

/// Files with some bytes changed or cut are read or refused, never worse.
#[test]
fn damaged_positions_do_not_panic() {
    let files = std::env::var("SPATIA_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let out = folder();
    visium_hd::write(out.path());
    visium::write(out.path());
    let square = out.path().join("visium_hd/binned_outputs/square_016um");
    let slide = out.path().join("visium");
    for (root, file) in [
        (&square, "spatial/tissue_positions.parquet"),
        (&square, "spatial/scalefactors_json.json"),
        (&slide, CSV),
        (&slide, "spatial/tissue_lowres_image.png"),
    ] {
        let path = root.join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut rng = spatia::base::seed::rng(13, 0);
        let mut refusals = 0;
        for _ in 0..files {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.next_u32() % 8 {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] = rng.next_u32() as u8;
            }
            if rng.next_u32().is_multiple_of(8) {
                bytes.truncate(rng.next_u32() as usize % bytes.len());
            }
            std::fs::write(&path, bytes).unwrap();
            refusals += usize::from(io::read(root).is_err());
        }
        println!("{file}: {refusals} of {files} refused");
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn the_scale_of_a_slide_is_the_files_own_first() {
    let table = |n: usize| spatia::data::Table::new((0..n).map(|i| i.to_string()).collect());
    let x = spatia::data::Csr::from_rows(1, vec![vec![]; 2]);
    let mut ds = Dataset::new(x, table(2), table(1)).unwrap();
    ds.set_obsm("spatial", Array2::from_shape_fn((2, 2), |(i, _)| i as f64 * 10.0)).unwrap();
    let um = |ds: &Dataset| ds.coordinates().unwrap().um_per_unit;
    let set = |ds: &mut Dataset, name: &str, v: f64| {
        ds.uns_mut().set(&["spatial", "s", "scalefactors", name], spatia::data::Uns::Float(v));
    };
    assert_eq!(um(&ds), None);
    set(&mut ds, "spot_diameter_fullres", 16.0);
    assert_eq!(um(&ds), Some(65.0 / 16.0));
    for (col, known) in [(5, 100.0 / 200f64.sqrt()), (4, 65.0 / 16.0)] {
        let places = [(1, 3), (1, col)].map(|(r, c)| (r as f64, c as f64));
        ds.obs_mut().set_f64("array_row", &places.map(|p| p.0)).unwrap();
        ds.obs_mut().set_f64("array_col", &places.map(|p| p.1)).unwrap();
        assert_eq!(um(&ds), Some(known), "column {col}");
    }
    set(&mut ds, "bin_size_um", 8.0);
    assert_eq!(um(&ds), Some(0.5));
    set(&mut ds, "microns_per_pixel", 0.25);
    assert_eq!(um(&ds), Some(0.25));
}
