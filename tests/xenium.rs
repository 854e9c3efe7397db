//! Tests of Xenium bundles and of the counting of transcripts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};
use polars::prelude::{ParquetReader, SerReader};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use spatia::data::{Dataset, Unit, Uns};
use spatia::io;
use spatia::io::transcripts::{self, BinConfig, By};
use spatia::io::xenium::{self, Clusterings, XeniumConfig};

use crate::common;
use crate::fixtures::xenium::{
    self as sample, CELLS, FEATURES, TRANSCRIPTS, Values, cell_columns, cells, centroid, count,
    packed, table, transcript,
};

fn bundle() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    sample::write(folder.path());
    let path = folder.path().join("xenium");
    (folder, path)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: spatia::base::Result<T>, parts: &[&str]) {
    let said = result.unwrap_err().to_string();
    for part in parts {
        assert!(said.contains(part), "no '{part}' in: {said}");
    }
}

/// Each cell has its own counts, place and columns.
#[track_caller]
fn check(ds: &Dataset, names: &[String]) {
    assert_eq!((ds.n_obs(), ds.n_vars()), (CELLS, 4));
    assert_eq!(ds.obs().index(), names);
    let areas = ds.obs().f64("cell_area").unwrap();
    for c in 0..CELLS {
        let xy = &ds.obsm()["spatial"];
        assert_eq!([xy[[c, 0]], xy[[c, 1]]], centroid(c));
        assert_eq!(areas[c], 40.0 + c as f64);
        for g in 0..4 {
            assert_eq!(ds.x().get(c, g), count(c, g) as f32);
        }
    }
    let place = ds.coordinates().unwrap();
    assert_eq!((place.unit, place.um_per_unit), (Unit::Um, Some(1.0)));
}

#[test]
fn a_bundle_is_joined_by_the_cells_names() {
    let (_folder, path) = bundle();
    let ds = io::read(&path).unwrap();
    check(&ds, &cells());
    assert_eq!(ds.var().index(), ["EPCAM", "CD3E", "ACTA2", "PECAM1"]);
    // Controls are totals of a cell.
    // The instrument counts controls in its total; that is no library size.
    assert!(!ds.obs().has("total_counts") && ds.obs().has("total_counts_with_controls"));
    let control = ds.obs().f64("total_counts_negative_control_probe").unwrap();
    assert_eq!(control[3], f64::from(count(3, 4)));
    assert_eq!(ds.obs().f64("control_probe_counts").unwrap(), control);
    // Text is categorical, numbers of clusters go by number.
    let (methods, _) = ds.obs().codes("segmentation_method").unwrap().unwrap();
    assert_eq!(methods.len(), 2);
    let (clusters, codes) = ds.obs().codes("graphclust").unwrap().unwrap();
    assert_eq!(clusters, ["1", "2", "3"]);
    assert_eq!(codes[4], Some(1));
    assert!(!ds.obs().has("kmeans_2") && !ds.obs().has("x_centroid") && !ds.obs().has("cell_id"));
    let at = |path: &[&str]| ds.uns().get(&[&["xenium"], path].concat()).cloned();
    assert_eq!(at(&["pixel_size_um"]).unwrap().as_f64(), Some(0.2225));
    let texts = [
        (&["run_name"][..], "Sample run"),
        (&["analysis_sw_version"], "xenium-2.0.0.10"),
        (&["images", "he"], "Sample_he_image.ome.tif"),
        (&["images", "morphology"], "morphology.ome.tif"),
        (&["images", "dapi"], "morphology_focus/morphology_focus_0000.ome.tif"),
        (&["transcripts"], "transcripts.parquet"),
    ];
    for (key, text) in texts {
        assert_eq!(at(key).unwrap().as_str(), Some(text));
    }
    let Some(Uns::Floats(affine)) = at(&["alignments", "he"]) else { panic!("no alignment") };
    assert_eq!(affine.shape(), [3, 3]);
    assert_eq!(
        affine.iter().copied().collect::<Vec<_>>(),
        [1.5, 0.25, -120.5, -0.25, 1.5, 33.0, 0.0, 0.0, 1.0]
    );
    let name = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
    let sources: Vec<String> = ds.sources.iter().map(name).collect();
    assert_eq!(
        sources,
        ["cell_feature_matrix.h5", "cells.parquet", "clusters.csv", "experiment.xenium"]
    );
    // What is noted survives the writing.
    let copy = path.join("copy.h5ad");
    io::h5ad::write(&ds, &copy).unwrap();
    let again = io::read(&copy).unwrap();
    assert_eq!(again.uns().get(&["xenium", "pixel_size_um"]).unwrap().as_f64(), Some(0.2225));
}

#[test]
fn options_choose_features_and_clusterings() {
    let (_folder, path) = bundle();
    let config = XeniumConfig { features: "all".into(), clusterings: Clusterings::All };
    let ds = xenium::read_with(&path, &config).unwrap();
    assert_eq!(ds.n_vars(), FEATURES.len());
    assert!(ds.obs().has("kmeans_2") && ds.obs().has("graphclust"));
    let config = XeniumConfig { clusterings: Clusterings::None, ..XeniumConfig::default() };
    assert!(!xenium::read_with(&path, &config).unwrap().obs().has("graphclust"));
}

#[test]
fn the_manifest_the_folder_above_and_one_inside_lead_to_the_bundle() {
    let (folder, path) = bundle();
    for place in [path.join("experiment.xenium"), folder.path().to_owned()] {
        check(&io::read(&place).unwrap(), &cells());
    }
    check(&xenium::read(&path.join("morphology_focus")).unwrap(), &cells());
}

/// Version 1 names cells by whole numbers, and its table may be text.
#[test]
fn cells_of_version_1_are_joined_by_text() {
    let (_folder, path) = bundle();
    let names: Vec<String> = (1..=CELLS).map(|i| i.to_string()).collect();
    sample::matrix(&path.join("cell_feature_matrix.h5"), &names);
    let order: Vec<usize> = (0..CELLS).map(|i| i * 3 % CELLS).collect();
    let ids: Vec<i32> = order.iter().map(|&i| i as i32 + 1).collect();
    for optional in [false, true] {
        let columns = cell_columns(&order, Values::Int(ids.clone()));
        table(&path.join("cells.parquet"), &columns, 4, optional, packed());
        check(&io::read(&path).unwrap(), &names);
    }
    // Bytes that are not declared to be text.
    let bytes = ids.iter().map(i32::to_string).collect();
    table(
        &path.join("cells.parquet"),
        &cell_columns(&order, Values::Bytes(bytes)),
        4,
        true,
        packed(),
    );
    check(&io::read(&path).unwrap(), &names);
    fs::remove_file(path.join("cells.parquet")).unwrap();
    let mut text = String::from("\"cell_id\",\"x_centroid\",\"y_centroid\",\"cell_area\"\n");
    for (&c, id) in order.iter().zip(&ids) {
        let [x, y] = centroid(c);
        text += &format!("{id},{x},{y},{}\n", 40 + c);
    }
    let file = fs::File::create(path.join("cells.csv.gz")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap();
    check(&io::read(&path).unwrap(), &names);
}

#[test]
fn counts_as_mex_are_read_where_there_is_no_h5() {
    let (_folder, path) = bundle();
    fs::remove_file(path.join("cell_feature_matrix.h5")).unwrap();
    let mex = path.join("cell_feature_matrix");
    fs::create_dir(&mex).unwrap();
    let tsv = |f: &[&str; 3]| format!("{}\t{}\t{}\n", f[0], f[1], f[2]);
    fs::write(mex.join("features.tsv"), FEATURES.iter().map(tsv).collect::<String>()).unwrap();
    fs::write(mex.join("barcodes.tsv"), cells().join("\n") + "\n").unwrap();
    let mut entries = Vec::new();
    for c in 0..CELLS {
        entries.extend(
            (0..FEATURES.len())
                .filter(|&f| count(c, f) > 0)
                .map(|f| format!("{} {} {}", f + 1, c + 1, count(c, f))),
        );
    }
    let head = format!(
        "%%MatrixMarket matrix coordinate integer general\n%\n{} {CELLS} {}\n",
        FEATURES.len(),
        entries.len()
    );
    fs::write(mex.join("matrix.mtx"), format!("{head}{}\n", entries.join("\n"))).unwrap();
    check(&io::read(&path).unwrap(), &cells());
}

#[test]
fn cells_without_a_match_are_left_out() {
    let (_folder, path) = bundle();
    let order = [4, 2, 9];
    let mut ids: Vec<String> = order.iter().map(|&c| cells()[c].clone()).collect();
    ids[2] = "zzzzzzzz-1".into();
    table(&path.join("cells.parquet"), &cell_columns(&order, Values::Text(ids)), 9, true, packed());
    let ds = io::read(&path).unwrap();
    assert_eq!(ds.obs().index(), [cells()[2].as_str(), &cells()[4]]);
    assert_eq!(ds.obsm()["spatial"][[1, 0]], centroid(4)[0]);
}

#[test]
fn mistakes_have_their_own_message() {
    let (folder, path) = bundle();
    // The folder of a run, with several regions in it.
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::copy(path.join("experiment.xenium"), other.join("experiment.xenium")).unwrap();
    refused(
        io::read(folder.path()),
        &["several bundles inside it: other, xenium", "Name the one you mean"],
    );
    // A region of which only what Xenium Explorer needs was copied.
    refused(io::read(&other), &["cells.parquet or cells.csv.gz", "Copy the whole output folder"]);
    fs::write(other.join("cells.zarr.zip"), "").unwrap();
    refused(io::read(&other), &["only cells.zarr.zip", "a zarr archive is not read"]);
    fs::copy(path.join("cells.parquet"), other.join("cells.parquet")).unwrap();
    refused(
        io::read(&other),
        &["cell_feature_matrix.h5 or cell_feature_matrix", "whole output folder"],
    );
    // Cells of another run.
    let names: Vec<String> = (0..CELLS).map(|i| format!("bbbbbbb{i}-1")).collect();
    sample::matrix(&other.join("cell_feature_matrix.h5"), &names);
    refused(
        io::read(&other),
        &["joining the counts", "the counts have 'bbbbbbb0-1', the table 'aaaakjbp-1'", "same run"],
    );
    // A table of several regions.
    let order = [0, 1, 0];
    let ids = order.iter().map(|&c| cells()[c].clone()).collect();
    table(&path.join("cells.parquet"), &cell_columns(&order, Values::Text(ids)), 9, true, packed());
    refused(io::read(&path), &["each cell once", "'aaaabjbp-1' twice"]);
    // A table of something else.
    let columns =
        [("barcode", Values::Text(cells())), ("x_centroid", Values::Double(vec![0.0; CELLS]))];
    table(&path.join("cells.parquet"), &columns, 9, true, packed());
    refused(
        io::read(&path),
        &["cells.parquet", "expected 'cell_id'", "Known: barcode, x_centroid"],
    );
    fs::write(path.join("cells.parquet"), "cell_id,x_centroid").unwrap();
    refused(io::read(&path), &["a parquet file, which starts with PAR1", "another kind"]);
    fs::write(path.join("experiment.xenium"), "<!DOCTYPE html>").unwrap();
    refused(io::read(&path), &["experiment.xenium", "the JSON that the instrument writes"]);
    fs::write(path.join("experiment.xenium"), r#"{"pixel_size": 0}"#).unwrap();
    refused(io::read(&path), &["a pixel_size above 0 um, found 0"]);
    refused(xenium::read(&folder.path().join("nowhere")), &["nothing there"]);
}

/// The counts and obs of our reading, written, against scanpy's reading of the matrix.
const COMPARE: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import scanpy as sc, anndata as ad, numpy as np, pandas as pd
a, b = sc.read_10x_h5(sys.argv[1], gex_only=True), ad.read_h5ad(sys.argv[2])
assert list(a.obs_names) == list(b.obs_names) and list(a.var_names) == list(b.var_names)
x, y = a.X.tocsr(), b.X.tocsr()
x.sort_indices()
for k in ("indptr", "indices", "data"):
    np.testing.assert_array_equal(getattr(x, k), getattr(y, k))
assert isinstance(b.obs["cluster"].dtype, pd.CategoricalDtype)
# The matrix and the table of cells tell of the same cells.
np.testing.assert_array_equal(np.asarray(b.X.sum(1)).ravel(), b.obs["transcript_counts"])
assert b.uns["spatial_unit"] == "um"
print(b.shape, len(b.obs["cluster"].cat.categories))
"#;

#[test]
fn the_bone_marrow_equals_pythons_reading() {
    let Some(path) = common::data("xenium_bone_marrow") else { return };
    let ds = io::read(&path).unwrap();
    assert_eq!((ds.n_obs(), ds.n_vars()), (84_518, 477));
    assert_eq!(ds.coordinates().unwrap().unit, Unit::Um);
    assert_eq!(ds.obs().names().last(), Some(&"y_dapi_px"));
    assert_eq!(
        ds.uns().get(&["xenium", "images", "dapi"]).and_then(Uns::as_str),
        Some("dapi_level14_scale1over2.jpg")
    );
    assert!(ds.uns().get(&["xenium", "pixel_size_um"]).is_none());
    // Every cell has the values of its own row, as polars reads the table.
    let frame =
        ParquetReader::new(fs::File::open(path.join("cells.parquet")).unwrap()).finish().unwrap();
    let of = |name: &str| frame.column(name).unwrap();
    let row: BTreeMap<&str, usize> =
        of("cell_id").str().unwrap().iter().flatten().zip(0..).collect();
    assert_eq!(row.len(), 84_518);
    let (x, y) = (of("x_centroid").f64().unwrap(), of("y_centroid").f64().unwrap());
    let (dapi, cluster) = (of("x_dapi_px").f64().unwrap(), of("cluster").str().unwrap());
    let (ours, clusters) = (ds.obs().f64("x_dapi_px").unwrap(), ds.obs().text("cluster").unwrap());
    for (i, name) in ds.obs().index().iter().enumerate() {
        let r = row[name.as_str()];
        let xy = &ds.obsm()["spatial"];
        assert_eq!((Some(xy[[i, 0]]), Some(xy[[i, 1]])), (x.get(r), y.get(r)));
        // "<NA>" is how pandas wrote that a cell is in no cluster.
        let cluster = cluster.get(r).filter(|c| *c != "<NA>");
        assert_eq!((Some(ours[i]), clusters[i].as_deref()), (dapi.get(r), cluster));
    }
    let Some(python) = common::python() else { return };
    let out = tempfile::tempdir().unwrap();
    let copy = out.path().join("ours.h5ad");
    io::h5ad::write(&ds, &copy).unwrap();
    let matrix = path.join("cell_feature_matrix.h5");
    println!("{}", common::run_python(&python, COMPARE, &[&matrix, &copy]));
}

/// What counting must give, by the sample's own definition.
fn expected(
    side: f64,
    min_qv: f64,
    features: std::ops::Range<usize>,
) -> BTreeMap<(i64, i64, usize), u32> {
    let mut counts = BTreeMap::new();
    for (feature, [x, y], qv, _) in (0..TRANSCRIPTS).map(transcript) {
        if qv as f32 >= min_qv as f32 && features.contains(&feature) {
            let at = |v: f64| (f64::from(v as f32) / side).floor() as i64;
            *counts.entry((at(y), at(x), feature)).or_default() += 1;
        }
    }
    counts
}

fn counted(ds: &Dataset) -> BTreeMap<(i64, i64, usize), u32> {
    let place = |name: &str| ds.obs().f64(name).unwrap();
    let (rows, cols) = (place("array_row"), place("array_col"));
    let feature = |g: usize| FEATURES.iter().position(|f| f[1] == ds.var().index()[g]).unwrap();
    let mut counts = BTreeMap::new();
    for i in 0..ds.n_obs() {
        for g in (0..ds.n_vars()).filter(|&g| ds.x().get(i, g) > 0.0) {
            counts.insert((rows[i] as i64, cols[i] as i64, feature(g)), ds.x().get(i, g) as u32);
        }
    }
    counts
}

#[test]
fn transcripts_are_binned() {
    let (_folder, path) = bundle();
    for (side, min_qv) in [(8.0, 20.0), (20.0, 0.0), (1e6, 33.0), (0.37, 20.0)] {
        let config = BinConfig { bin_um: side, min_qv, ..BinConfig::default() };
        let ds = transcripts::bin(&path, &config).unwrap();
        assert_eq!(counted(&ds), expected(side, min_qv, 0..4), "{side} um, {min_qv}");
        assert!(ds.var().index().is_sorted());
        let (row, col) = (ds.obs().f64("array_row").unwrap(), ds.obs().f64("array_col").unwrap());
        assert!(row.iter().zip(&col).is_sorted());
        let xy = &ds.obsm()["spatial"];
        assert!((0..ds.n_obs()).all(|i| xy[[i, 0]] == (col[i] + 0.5) * side && xy[[i, 1]] == (row[i] + 0.5) * side));
        assert_eq!(ds.coordinates().unwrap().unit, Unit::Um);
    }
    let config = BinConfig { features: "all".into(), ..BinConfig::default() };
    let ds = transcripts::bin(&path.join("transcripts.parquet"), &config).unwrap();
    assert_eq!(counted(&ds), expected(8.0, 20.0, 0..6));
    assert_eq!(
        ds.var().text("feature_types").unwrap()[3].as_deref(),
        Some("Negative Control Probe")
    );
    let config = BinConfig { features: "Unassigned Codeword".into(), ..BinConfig::default() };
    assert_eq!(counted(&transcripts::bin(&path, &config).unwrap()), expected(8.0, 20.0, 5..6));
}

#[test]
fn transcripts_are_counted_by_cell() {
    let (_folder, path) = bundle();
    let config = BinConfig { by: By::Cell, ..BinConfig::default() };
    let ds = transcripts::bin(&path, &config).unwrap();
    let mut sums: BTreeMap<String, (Vec<f64>, BTreeMap<&str, f32>)> = BTreeMap::new();
    for (feature, [x, _], qv, cell) in (0..TRANSCRIPTS).map(transcript) {
        if let (Some(cell), true) = (cell, qv >= 20.0 && feature < 4) {
            let (xs, counts) = sums.entry(cells()[cell].clone()).or_default();
            xs.push(f64::from(x as f32));
            *counts.entry(FEATURES[feature][1]).or_default() += 1.0;
        }
    }
    assert_eq!(ds.obs().index(), sums.keys().cloned().collect::<Vec<_>>());
    for (i, (xs, counts)) in sums.values().enumerate() {
        let mean = xs.iter().sum::<f64>() / xs.len() as f64;
        assert!((ds.obsm()["spatial"][[i, 0]] - mean).abs() < 1e-9);
        for (g, gene) in ds.var().index().iter().enumerate() {
            assert_eq!(ds.x().get(i, g), counts.get(gene.as_str()).copied().unwrap_or(0.0));
        }
    }
}

#[test]
fn a_table_of_transcripts_is_described() {
    let (_folder, path) = bundle();
    let told = transcripts::summary(&path, &BinConfig::default()).unwrap();
    let all: Vec<_> = (0..TRANSCRIPTS).map(transcript).collect();
    assert_eq!(told.transcripts, TRANSCRIPTS as u64);
    assert_eq!(told.genes, 4);
    assert_eq!(told.below_qv, all.iter().filter(|t| t.2 < 20.0).count() as u64);
    assert_eq!(told.controls, all.iter().filter(|t| t.0 >= 4).count() as u64);
    assert_eq!(told.counted, all.iter().filter(|t| t.2 >= 20.0 && t.0 < 4).count() as u64);
    assert!(
        (told.mean_qv - all.iter().map(|t| t.2).sum::<f64>() / TRANSCRIPTS as f64).abs() < 1e-9
    );
    assert_eq!(told.types.iter().map(|t| t.1).sum::<u64>(), TRANSCRIPTS as u64);
}

/// Version 1: no category, no flag, cells by number, types told by names; any writer's layout.
#[test]
fn every_layout_of_the_table_gives_the_same() {
    let (folder, path) = bundle();
    let want = counted(&transcripts::bin(&path, &BinConfig::default()).unwrap());
    let old = || -> Vec<(&'static str, Values)> {
        let all: Vec<_> = (0..TRANSCRIPTS).map(transcript).collect();
        vec![
            (
                "cell_id",
                Values::Int(all.iter().map(|t| t.3.map_or(-1, |c| c as i32 + 1)).collect()),
            ),
            ("feature_name", Values::Bytes(all.iter().map(|t| FEATURES[t.0][1].into()).collect())),
            ("x_location", Values::Double(all.iter().map(|t| f64::from(t.1[0] as f32)).collect())),
            ("y_location", Values::Double(all.iter().map(|t| f64::from(t.1[1] as f32)).collect())),
            ("qv", Values::Double(all.iter().map(|t| t.2).collect())),
        ]
    };
    let builder = WriterProperties::builder;
    let layouts = [
        builder().set_compression(Compression::ZSTD(Default::default())).build(),
        builder().set_compression(Compression::GZIP(Default::default())).build(),
        builder()
            .set_compression(Compression::LZ4_RAW)
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .build(),
        builder()
            .set_dictionary_enabled(false)
            .set_data_page_size_limit(64)
            .set_write_batch_size(8)
            .build(),
        builder()
            .set_dictionary_enabled(false)
            .set_column_encoding("feature_name".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
            .set_column_encoding("cell_id".into(), Encoding::DELTA_BINARY_PACKED)
            .set_column_encoding("x_location".into(), Encoding::BYTE_STREAM_SPLIT)
            .build(),
    ];
    for (i, layout) in layouts.into_iter().enumerate() {
        let file = folder.path().join(format!("{i}.parquet"));
        table(&file, &old(), 7 + 50 * i, i % 2 == 0, layout);
        assert_eq!(counted(&transcripts::bin(&file, &BinConfig::default()).unwrap()), want, "{i}");
        let cells = BinConfig { by: By::Cell, ..BinConfig::default() };
        assert_eq!(transcripts::bin(&file, &cells).unwrap().obs().index()[0], "10");
    }
}

#[test]
fn mistakes_with_transcripts_have_their_own_message() {
    let (folder, path) = bundle();
    let bin = |path: &Path, config: BinConfig| transcripts::bin(path, &config);
    let default = BinConfig::default;
    refused(
        bin(folder.path(), default()),
        &["a folder with xenium", "Name the file transcripts.parquet"],
    );
    fs::write(folder.path().join("transcripts.csv.gz"), "").unwrap();
    refused(bin(folder.path(), default()), &["a folder with transcripts.csv.gz", "copy that too"]);
    refused(
        bin(&folder.path().join("transcripts.csv.gz"), default()),
        &["found text", "transcripts.parquet"],
    );
    refused(bin(&path.join("cells.parquet"), default()), &["'x_location'", "x_centroid"]);
    let config = BinConfig { x: "x_locatoin".into(), ..default() };
    refused(bin(&path, config), &["Did you mean 'x_location'"]);
    refused(bin(&path, BinConfig { bin_um: 0.0, ..default() }), &["bin_um", "above 0 um"]);
    refused(
        bin(&path, BinConfig { min_qv: 90.0, ..default() }),
        &["qv of at least 90", "300 below the quality"],
    );
    refused(
        bin(&path, BinConfig { features: "Genes".into(), ..default() }),
        &["Types there are: Gene Expression, Negative"],
    );
    refused(bin(&path.join("experiment.xenium"), default()), &["PAR1"]);
    let bytes = fs::read(path.join("transcripts.parquet")).unwrap();
    fs::write(path.join("transcripts.parquet"), &bytes[..bytes.len() - 9]).unwrap();
    refused(bin(&path, default()), &["cut short or damaged"]);
}

/// A file whose bytes were changed is refused or read, at once and within memory. More rounds by
/// `SPATIA_TEST_ROUNDS`.
#[test]
fn damaged_files_are_refused_without_a_panic() {
    let (_folder, path) = bundle();
    let rounds = std::env::var("SPATIA_TEST_ROUNDS").ok().and_then(|n| n.parse().ok());
    let plain = || WriterProperties::builder().set_dictionary_enabled(false);
    let version_2 = plain().set_writer_version(WriterVersion::PARQUET_2_0).build();
    let delta = plain()
        .set_column_encoding("feature_name".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .set_column_encoding("transcript_id".into(), Encoding::DELTA_BINARY_PACKED)
        .build();
    let bin = |file: &Path| transcripts::bin(file, &BinConfig::default()).map(drop);
    let read = |file: &Path| io::read(file.parent().unwrap()).map(drop);
    let table = |layout| {
        table(&path.join("transcripts.parquet"), &sample::transcripts(), 128, true, layout)
    };
    table(version_2);
    mutate(&path.join("transcripts.parquet"), rounds.unwrap_or(300), bin);
    table(delta);
    mutate(&path.join("transcripts.parquet"), rounds.unwrap_or(300), bin);
    table(packed());
    mutate(&path.join("transcripts.parquet"), rounds.unwrap_or(300), bin);
    mutate(&path.join("cells.parquet"), rounds.unwrap_or(100), read);
    mutate(&path.join("experiment.xenium"), rounds.unwrap_or(30), read);
    mutate(&path.join("Sample_he_imagealignment.csv"), rounds.unwrap_or(30), read);
}

/// Reads a file again and again with a few of its bytes changed; leaves it whole.
pub fn mutate(file: &Path, rounds: usize, read: impl Fn(&Path) -> spatia::base::Result<()>) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let whole = fs::read(file).unwrap();
    let mut taken = 0;
    for _ in 0..rounds {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        if rng.random_range(0..20) == 0 {
            bytes.truncate(rng.random_range(0..whole.len()));
        }
        fs::write(file, &bytes).unwrap();
        taken += usize::from(read(file).is_ok());
    }
    println!("{}: {taken} of {rounds} were read", file.display());
    fs::write(file, whole).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Tables written by polars, with missing values, come back the same.
    #[test]
    fn tables_of_polars_are_read(
        rows in prop::collection::vec((prop::option::of(-1e6f64..1e6), prop::option::of(any::<i64>()), prop::option::of("[a-cé]{0,3}"), any::<bool>(), any::<u32>()), 1..200),
        group in 1usize..300,
    ) {
        use polars::prelude::*;
        let n = rows.len();
        let names: Vec<String> = (0..n).map(|i| format!("c{i}-1")).collect();
        let mut frame = df!(
            "cell_id" => names.iter().rev().cloned().collect::<Vec<_>>(),
            "x_centroid" => (0..n).map(|i| i as f64).collect::<Vec<_>>(),
            "y_centroid" => vec![1.0f32; n],
            "float" => rows.iter().map(|r| r.0).collect::<Vec<_>>(),
            "int" => rows.iter().map(|r| r.1).collect::<Vec<_>>(),
            "text" => rows.iter().map(|r| r.2.clone()).collect::<Vec<_>>(),
            "flag" => rows.iter().map(|r| r.3).collect::<Vec<_>>(),
            "unsigned" => rows.iter().map(|r| r.4).collect::<Vec<_>>(),
        ).unwrap();
        let (_folder, path) = bundle();
        let file = fs::File::create(path.join("cells.parquet")).unwrap();
        ParquetWriter::new(file).with_row_group_size(Some(group)).finish(&mut frame).unwrap();
        sample::matrix(&path.join("cell_feature_matrix.h5"), &names);
        fs::remove_dir_all(path.join("analysis")).unwrap();
        let ds = io::read(&path).unwrap();
        prop_assert_eq!(ds.obs().index(), &names);
        let backwards = IdxCa::new("".into(), (0..n as IdxSize).rev().collect::<Vec<_>>());
        let want: DataFrame = frame.take(&backwards).unwrap();
        for name in ["float", "int", "flag", "unsigned"] {
            let (a, b) = (ds.obs().column(name).unwrap(), want.column(name).unwrap());
            prop_assert!(a.equals_missing(b), "{:?} {:?}", a, b);
        }
        let texts: Vec<Option<String>> = want.column("text").unwrap().str().unwrap().iter().map(|t| t.map(str::to_owned)).collect();
        prop_assert_eq!(ds.obs().text("text").unwrap(), texts);
        prop_assert_eq!(ds.obsm()["spatial"][[0, 0]], (n - 1) as f64);
    }
}

/// Writes a table of transcripts of random places, which do not pack, a group after the other.
fn random_transcripts(path: &Path, rows: usize) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let group = 250_000;
    let mut place = || (0..group).map(|_| rng.random_range(0.0..2000.0f32)).collect::<Vec<_>>();
    let (x, y, z) = (place(), place(), place());
    let ids: Vec<i64> = (0..group).map(|_| rng.random::<i64>()).collect();
    let columns = [
        ("transcript_id", Values::Long(ids)),
        (
            "cell_id",
            Values::Text(
                (0..group)
                    .map(|i| format!("{:08x}-1", i as u32 * 2_654_435_761 % 100_003))
                    .collect(),
            ),
        ),
        (
            "feature_name",
            Values::Text((0..group).map(|i| format!("GENE{}", i * 7919 % 300)).collect()),
        ),
        ("x_location", Values::Float(x)),
        ("y_location", Values::Float(y)),
        ("z_location", Values::Float(z)),
        ("qv", Values::Float((0..group).map(|i| (i % 41) as f32).collect())),
    ];
    sample::repeated(path, &columns, rows / group, packed());
}

/// Run in a process of its own by the test below, with a limit on its memory.
#[test]
fn a_child_that_bins_within_a_limit() {
    let Some(path) = std::env::var_os("SPATIA_TEST_TRANSCRIPTS").map(PathBuf::from) else { return };
    let status = |name: &str| -> u64 {
        let text = fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    };
    let bytes = fs::metadata(&path).unwrap().len();
    fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak starts anew
    let (data, resident) = (status("VmData:"), status("VmRSS:"));
    // With the limit set the table cannot stand in memory whole: that the limit holds is shown.
    let whole = Vec::<u8>::new().try_reserve_exact(bytes as usize).is_ok();
    let config = BinConfig { bin_um: 50.0, ..BinConfig::default() };
    let start = std::time::Instant::now();
    let ds = transcripts::bin(&path, &config).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let sum: f64 = match ds.x() {
        spatia::data::Matrix::Sparse(x) => x.row_sums().iter().sum(),
        spatia::data::Matrix::Dense(_) => unreachable!(),
    };
    println!(
        "CHILD {data} {} {bytes} {whole} {sum} {seconds:.2}",
        status("VmHWM:").saturating_sub(resident)
    );
}

/// A table larger than the memory that the process may take is binned.
#[test]
fn a_table_larger_than_the_memory_limit_is_binned() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transcripts.parquet");
    let rows = std::env::var("SPATIA_TEST_TRANSCRIPT_ROWS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3_000_000);
    random_transcripts(&file, rows);
    let run = |limit: Option<u64>| {
        let limit = limit.map_or(String::new(), |kb| format!("ulimit -d {kb} && "));
        let out = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("{limit}exec \"$0\" --exact xenium::a_child_that_bins_within_a_limit --nocapture --test-threads 1"))
            .arg(std::env::current_exe().unwrap())
            .env("SPATIA_TEST_TRANSCRIPTS", &file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
        let line = said.lines().find_map(|l| l.split_once("CHILD ")).unwrap().1.to_owned();
        line.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let free = run(None);
    let (data, grown, bytes): (u64, u64, u64) =
        (free[0].parse().unwrap(), free[1].parse().unwrap(), free[2].parse().unwrap());
    println!(
        "{rows} transcripts, {bytes} bytes of table: {grown} of growth without a limit, {} s",
        free[5]
    );
    assert_eq!(free[3], "true");
    let allowed = 48 << 20;
    assert!(bytes > allowed + (16 << 20), "the table of {bytes} is too small to show anything");
    let limited = run(Some((data + allowed) / 1024));
    println!("limit {} over the start: {} of growth", allowed, limited[1]);
    assert_eq!(limited[3], "false", "the limit does not hold");
    assert_eq!(limited[4], free[4]);
    let kept = (0..250_000).filter(|i| i % 41 >= 20).count() * (rows / 250_000);
    assert_eq!(free[4].parse::<f64>().unwrap(), kept as f64);
}
