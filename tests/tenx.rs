//! Tests of 10x's `.h5` and MEX: against scanpy's reading of the same files, what options choose,
//! and what is said of files that are not what they should be.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rand::Rng;
use spatia::data::{Csr, Dataset, Table};
use spatia::io;
use spatia::io::mex::{self, MexConfig};
use spatia::io::tenx::{self, TenxConfig};

use crate::common;
use crate::fixtures::mex as mex_fixture;
use crate::fixtures::tenx as fixture;

/// Compares X, obs and var of scanpy's reading with ours, written as `.h5ad`; further columns of
/// ours are totals of features left out.
const COMPARE: &str = r#"
import sys, warnings
warnings.simplefilter("ignore")
import anndata as ad, numpy as np, scanpy as sc
from pathlib import Path
for source, ours in zip(sys.argv[1::2], sys.argv[2::2]):
    source = Path(source)
    b = ad.read_h5ad(ours)
    a = sc.read_10x_mtx(source) if source.is_dir() else sc.read_10x_h5(source, genome="mm10" if source.name == "two.h5" else None)
    a.var_names_make_unique()
    assert list(a.obs_names) == list(b.obs_names) and list(a.var_names) == list(b.var_names)
    x, y = a.X.tocsr(), b.X.tocsr()
    assert b.X.dtype == "float32" and x.shape == y.shape, (x.shape, y.shape)
    x.sort_indices(); y.sort_indices()
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(x, part), getattr(y, part))
    assert list(a.var.columns) == list(b.var.columns), (list(a.var.columns), list(b.var.columns))
    for c in a.var: assert list(a.var[c]) == list(b.var[c]), c
    for c in a.obs: assert list(a.obs[c]) == list(b.obs[c]), c
    extra = [c for c in b.obs if c not in a.obs]
    assert all(c.startswith("total_counts_") for c in extra), extra
    if extra:
        every = sc.read_10x_h5(source, gex_only=False)
        for c in extra:
            of = np.array([t.lower().replace(" ", "_") == c[13:] for t in every.var["feature_types"]])
            assert of.any() and (np.asarray(every.X[:, of].sum(1)).ravel() == b.obs[c].to_numpy()).all(), c
    print(source.name, "equal", a.shape, "totals of", extra)
"#;

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

#[test]
fn counts_of_10x_equal_scanpys_reading() {
    let Some(python) = common::python() else { return };
    let out = folder();
    let mut sources: Vec<PathBuf> = [
        "tenx_tiny/v2.h5",
        "tenx_tiny/v3.h5",
        "tenx_tiny/v3_mex",
        "dlpfc/151673/filtered_feature_bc_matrix.h5",
        "dlpfc/151674/filtered_feature_bc_matrix.h5",
        "visium_tiny/filtered_feature_bc_matrix.h5",
        "xenium_bone_marrow/cell_feature_matrix.h5",
    ]
    .into_iter()
    .filter_map(common::data)
    .collect();
    // The samples, which have antibodies, probes and repeated symbols.
    fixture::write(out.path());
    mex_fixture::write(out.path());
    probes(&out.path().join("probes.h5"));
    two_genomes(&out.path().join("two.h5"), 9);
    sources.extend(["sample.h5", "mex", "probes.h5", "two.h5"].map(|n| out.path().join(n)));
    let mut pairs = Vec::new();
    for (i, source) in sources.into_iter().enumerate() {
        let ours = out.path().join(format!("ours{i}.h5ad"));
        let mut ds = if source.ends_with("two.h5") {
            let genome = Some("mm10".into());
            tenx::read_with(&source, &TenxConfig { genome, ..TenxConfig::default() }).unwrap()
        } else {
            io::read(&source).unwrap()
        };
        if source.ends_with("mex") {
            // scanpy's reader of MEX has no way to the totals.
            *ds.obs_mut() = Table::new(ds.obs().index().to_vec());
        }
        io::h5ad::write(&ds, &ours).unwrap();
        pairs.extend([source, ours]);
    }
    let pairs: Vec<&Path> = pairs.iter().map(PathBuf::as_path).collect();
    println!("{}", common::run_python(&python, COMPARE, &pairs));
}

/// A matrix of probes, as `raw_probe_bc_matrix.h5` of Space Ranger 2 and later.
fn probes(path: &Path) {
    fixture::file(path, &fixture::barcodes(), 6, None);
    let file = hdf5::File::open_rw(path).unwrap();
    let m = file.group("matrix").unwrap();
    let features = m.group("features").unwrap();
    let ids = |f: fn(usize) -> String| (0..6).map(f).collect::<Vec<_>>();
    fixture::texts(&features, "gene_id", &ids(|i| format!("ENSG0{}", i / 2)));
    fixture::texts(&features, "probe_region", &ids(|i| ["spliced", "unspliced"][i % 2].into()));
    fixture::array(&features, "filtered_probes", &[true, true, false, true, true, true]);
    fixture::array(&m, "filtered_barcodes", &[true; 12]);
    features.create_group("target_sets").unwrap();
}

#[test]
fn probes_keep_what_is_known_of_them() {
    let out = folder();
    let path = out.path().join("probes.h5");
    probes(&path);
    let ds = tenx::read(&path).unwrap();
    assert_eq!(
        ds.var().names(),
        ["gene_ids", "probe_ids", "feature_types", "filtered_probes", "genome", "probe_region"]
    );
    assert_eq!(ds.var().text("gene_ids").unwrap()[3].as_deref(), Some("ENSG01"));
    assert_eq!(ds.var().text("probe_ids").unwrap()[3].as_deref(), Some("ENSG04"));
    assert!(ds.var().column("filtered_probes").unwrap().dtype().is_bool());
    assert!(ds.obs().column("filtered_barcodes").unwrap().dtype().is_bool());
}

#[test]
fn features_are_chosen_by_their_type() {
    let out = folder();
    fixture::write(out.path());
    mex_fixture::write(out.path());
    let read = |features: &str| {
        let features = features.to_owned();
        let config = TenxConfig { features: features.clone(), ..TenxConfig::default() };
        let ds = tenx::read_with(&out.path().join("sample.h5"), &config).unwrap();
        let mex = mex::read_with(&out.path().join("mex"), &MexConfig { features }).unwrap();
        assert_eq!((ds.x(), ds.obs().index()), (mex.x(), mex.obs().index()));
        assert_eq!(ds.var().index(), mex.var().index());
        assert_eq!(ds.obs().names(), mex.obs().names());
        ds
    };
    let genes = read("Gene Expression");
    assert_eq!(genes.var().index(), ["NPY", "PLP1", "MBP", "TBCE", "TBCE-1", "SNAP25"]);
    assert_eq!(genes.obs().names(), ["total_counts_antibody_capture"]);
    let antibodies = read("Antibody Capture");
    assert_eq!(antibodies.var().index(), ["CD3_TotalSeqB", "CD19_TotalSeqB"]);
    assert_eq!(antibodies.obs().names(), ["total_counts_gene_expression"]);
    let all = read("all");
    assert_eq!((all.n_vars(), all.obs().names().len()), (8, 0));
    for cell in 0..12 {
        let total: i32 = [6, 7].map(|f| fixture::count(cell, f)).iter().sum();
        let column = genes.obs().f64("total_counts_antibody_capture").unwrap();
        assert_eq!(column[cell], f64::from(total));
        for f in 0..8 {
            assert_eq!(all.x().get(cell, f), fixture::count(cell, f) as f32);
        }
    }
    let sample = out.path().join("sample.h5");
    let with = |genome: Option<&str>, features: &str| {
        let (genome, features) = (genome.map(str::to_owned), features.to_owned());
        tenx::read_with(&sample, &TenxConfig { genome, features })
    };
    refused(
        with(None, "Antibody capture"),
        &["sample.h5", "features by their type", "Did you mean 'Antibody Capture'"],
    );
    refused(with(Some("GRCh37"), "all"), &["choosing a genome", "Did you mean 'GRCh38'"]);
    // Antibodies are of no genome and stay.
    assert_eq!(with(Some("GRCh38"), "all").unwrap().n_vars(), 8);
}

/// A file of format 2 with two genomes, the second with `cells` cells.
fn two_genomes(path: &Path, cells: usize) {
    let file = hdf5::File::create(path).unwrap();
    for (genome, cells, features) in [("hg19", 12, 5), ("mm10", cells, 3)] {
        let g = file.create_group(genome).unwrap();
        let column = |k: usize| {
            fixture::FEATURES[..features].iter().map(|f| format!("{genome}_{}", f[k])).collect()
        };
        let (ids, names): (Vec<String>, Vec<String>) = (column(0), column(1));
        fixture::texts(&g, "genes", &ids);
        fixture::texts(&g, "gene_names", &names);
        fixture::texts(&g, "barcodes", &fixture::barcodes()[..cells]);
        let (indptr, indices, data) = fixture::counts(cells, features);
        fixture::array(&g, "indptr", &indptr);
        fixture::array(&g, "indices", &indices);
        fixture::array(&g, "data", &data);
        fixture::array(&g, "shape", &[features as i32, cells as i32]);
    }
}

#[test]
fn of_several_genomes_in_format_2_one_is_chosen_or_all_are_joined() {
    let out = folder();
    let path = out.path().join("two.h5");
    two_genomes(&path, 12);
    let read = |genome: &str| {
        tenx::read_with(&path, &TenxConfig { genome: Some(genome.into()), ..Default::default() })
    };
    refused(io::read(&path), &["one genome", "hg19, mm10", "genome: \"hg19\"", "\"all\""]);
    refused(read("hg18"), &["choosing a genome", "Did you mean 'hg19'"]);
    assert_eq!((read("hg19").unwrap().n_vars(), read("mm10").unwrap().n_vars()), (5, 3));
    let both = read("all").unwrap();
    assert_eq!((both.n_obs(), both.n_vars()), (12, 8));
    assert_eq!(both.var().text("genome").unwrap()[5].as_deref(), Some("mm10"));
    for cell in 0..12 {
        let row: Vec<f32> = (0..8).map(|g| both.x().get(cell, g)).collect();
        let known = (0..5).chain(0..3).map(|f| fixture::count(cell, f) as f32);
        assert_eq!(row, known.collect::<Vec<_>>());
    }
    two_genomes(&path, 9);
    refused(read("all"), &["the same barcodes", "12 of hg19 and 9 of mm10"]);
}

#[test]
fn files_that_are_no_counts_are_named() {
    let out = folder();
    let path = out.path().join("molecule_info.h5");
    let file = hdf5::File::create(&path).unwrap();
    for name in ["barcode_idx", "umi", "count"] {
        fixture::array(&file, name, &[1, 2]);
    }
    file.create_group("features").unwrap();
    drop(file);
    refused(tenx::read(&path), &["/matrix", "molecule_info", "filtered_feature_bc_matrix.h5"]);
    let h5ad = out.path().join("a.h5");
    let x = Csr::from_rows(1, vec![vec![(0, 1.0)]]);
    let named = |n: &str| Table::new(vec![n.into()]);
    io::h5ad::write(&Dataset::new(x, named("c"), named("g")).unwrap(), &h5ad).unwrap();
    refused(tenx::read(&h5ad), &["This is AnnData", "data::read"]);
    fixture::write(out.path());
    let whole = std::fs::read(out.path().join("sample.h5")).unwrap();
    std::fs::write(&h5ad, &whole[..whole.len() / 2]).unwrap();
    refused(tenx::read(&h5ad), &["cut short"]);
}

#[test]
fn genes_under_another_name_are_pointed_out() {
    let out = folder();
    fixture::write(out.path());
    let ds = tenx::read(&out.path().join("sample.h5")).unwrap();
    let ask =
        |names: &[&str]| ds.gene_positions(&names.iter().map(|n| (*n).into()).collect::<Vec<_>>());
    refused(
        ask(&["MBP", "ENSG02", "ENSG01"]),
        &["2 missing", "'ENSG02' stands in var[\"gene_ids\"] (and 1 more)", "'PLP1'"],
    );
    refused(ask(&["Mbp"]), &["'Mbp' is there in other case", "'MBP'"]);
    refused(ask(&["PLP2"]), &["Did you mean 'PLP1'"]);
}

/// The sample in a folder, changed.
fn changed(change: impl Fn(&Path)) -> tempfile::TempDir {
    let out = folder();
    mex_fixture::triple(out.path(), &fixture::barcodes(), 8);
    change(out.path());
    out
}

fn rename(folder: &Path, from: &str, to: &str) {
    std::fs::rename(folder.join(from), folder.join(to)).unwrap();
}

#[test]
fn mex_is_read_under_all_its_names() {
    let known = mex::read(changed(|_| ()).path()).unwrap();
    assert_eq!((known.n_obs(), known.n_vars(), known.sources.len()), (12, 6, 3));
    let same = |ds: &Dataset| {
        assert_eq!((ds.x(), ds.obs().index()), (known.x(), known.obs().index()));
        assert_eq!(ds.var().index(), known.var().index());
    };
    let plain = |d: &Path| {
        std::fs::write(d.join("matrix.mtx"), mex_fixture::matrix(12, 6)).unwrap();
        // Line ends of Windows, and what Cell Ranger 2 called the features.
        let genes = mex_fixture::features(6).replace("\tGene Expression", "").replace('\n', "\r\n");
        std::fs::write(d.join("genes.tsv"), genes).unwrap();
        std::fs::write(d.join("barcodes.tsv"), fixture::barcodes().join("\n")).unwrap();
        for name in ["matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"] {
            std::fs::remove_file(d.join(name)).unwrap();
        }
    };
    let old = changed(plain);
    same(&io::read(old.path()).unwrap());
    same(&io::read(&old.path().join("matrix.mtx")).unwrap());
    let prefixed = changed(|d| {
        for name in ["matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"] {
            rename(d, name, &format!("GSM123_a_{name}"));
        }
    });
    same(&io::read(prefixed.path()).unwrap());
    // A second sample beside the first: the file is named.
    mex_fixture::triple(&prefixed.path().join("b"), &fixture::barcodes(), 8);
    for name in ["matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"] {
        rename(prefixed.path(), &format!("b/{name}"), &format!("GSM124_b_{name}"));
    }
    refused(
        mex::read(prefixed.path()),
        &["GSM123_a_matrix.mtx.gz, GSM124_b_matrix.mtx.gz", "Name the file"],
    );
    same(&mex::read(&prefixed.path().join("GSM123_a_matrix.mtx.gz")).unwrap());
    // The folder above; packed files under a plain name.
    let above = folder();
    mex_fixture::triple(&above.path().join("filtered_feature_bc_matrix"), &fixture::barcodes(), 8);
    same(&io::read(above.path()).unwrap());
    rename(&above.path().join("filtered_feature_bc_matrix"), "matrix.mtx.gz", "matrix.mtx");
    same(&io::read(above.path()).unwrap());
    mex_fixture::triple(&above.path().join("raw_feature_bc_matrix"), &fixture::barcodes(), 8);
    refused(
        mex::read(above.path()),
        &["filtered_feature_bc_matrix, raw_feature_bc_matrix", "the one you mean"],
    );
}

#[test]
fn what_is_wrong_with_a_mex_folder_is_said() {
    let broken = |change: &dyn Fn(&Path), parts: &[&str]| {
        refused(mex::read(changed(change).path()), parts);
    };
    let remove = |name: &'static str| move |d: &Path| std::fs::remove_file(d.join(name)).unwrap();
    broken(
        &remove("features.tsv.gz"),
        &["the features of", "features.tsv.gz or features.tsv or genes.tsv", "barcodes.tsv.gz"],
    );
    broken(&remove("barcodes.tsv.gz"), &["the barcodes of", "fetch all three"]);
    broken(&remove("matrix.mtx.gz"), &["one matrix.mtx", "barcodes.tsv.gz, features.tsv.gz"]);
    let text = mex_fixture::matrix(12, 8);
    let put = |text: String| move |d: &Path| mex_fixture::pack(&d.join("matrix.mtx.gz"), &text);
    let lines: Vec<&str> = text.lines().collect();
    let turned: Vec<String> = lines[3..]
        .iter()
        .map(|l| {
            let f: Vec<&str> = l.split(' ').collect();
            format!("{} {} {}", f[1], f[0], f[2])
        })
        .collect();
    let entries = turned.len();
    broken(
        &put(format!("{}\n12 8 {entries}\n{}\n", lines[0], turned.join("\n"))),
        &[
            "8 x 12, the lines of features.tsv.gz and barcodes.tsv.gz",
            "12 x 8",
            "other way round",
            "m.T",
        ],
    );
    broken(&put(lines[..lines.len() - 3].join("\n")), &["as its header says", "cut short"]);
    broken(&put(text[..text.len() - 3].into()), &["line", "row, column and a value", "cut short"]);
    broken(&put(format!("{text}1 1 1\n")), &["another entry"]);
    broken(&put(text.replace("\n8 12 ", "\n8 10 ")), &["same sample, and whole"]);
    broken(
        &put(text.replace("general", "symmetric")),
        &["symmetric", "write the matrix as general"],
    );
    broken(&put(text.replace("coordinate", "array")), &["array", "write it sparse"]);
    broken(&put(text.replace("integer", "complex")), &["integer, real or pattern"]);
    broken(&put("<html>".into()), &["line 1", "no matrix in Matrix Market's format"]);
    let many = text.replace(&format!("\n8 12 {entries}\n"), "\n8 12 99999999999\n");
    broken(&put(many), &["at most 96 entries", "99999999999", "header is damaged"]);
    let header = format!("id\tname\ttype\n{}", mex_fixture::features(8));
    broken(
        &move |d| mex_fixture::pack(&d.join("features.tsv.gz"), &header),
        &["9 x 12", "features.tsv.gz has a line too many"],
    );
    broken(
        &|d| {
            let bytes = std::fs::read(d.join("matrix.mtx.gz")).unwrap();
            std::fs::write(d.join("matrix.mtx.gz"), &bytes[..bytes.len() / 2]).unwrap();
        },
        &["matrix.mtx.gz", "cut short"],
    );
    broken(&put(text.replacen("\n8 1 ", "\n9 1 ", 1)), &["from (1, 1) to (8, 12)"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Entries in any order, of any field, are read as what they are; those that stand twice are
    /// added, as scipy does.
    #[test]
    fn mex_reads_what_was_written(
        entries in prop::collection::vec((0usize..7, 0usize..5, 1u32..1000), 0..35),
        field in prop::sample::select(vec!["integer", "real", "pattern"]),
    ) {
        let out = folder();
        let mut text = format!("%%MatrixMarket matrix coordinate {field} general\n%\n\n5 7 {}\n", entries.len());
        let mut known = vec![vec![0.0f32; 5]; 7];
        for &(cell, gene, value) in &entries {
            let shown = match field { "pattern" => String::new(), "real" => format!("{}.5", value), _ => value.to_string() };
            text += &format!(" {}\t{} {shown}\n", gene + 1, cell + 1);
            known[cell][gene] += shown.parse().unwrap_or(1.0);
        }
        std::fs::write(out.path().join("matrix.mtx"), text).unwrap();
        std::fs::write(out.path().join("features.tsv"), mex_fixture::features(5)).unwrap();
        std::fs::write(out.path().join("barcodes.tsv"), fixture::barcodes()[..7].join("\n")).unwrap();
        let ds = mex::read(out.path()).unwrap();
        for (cell, row) in known.iter().enumerate() {
            for (gene, &value) in row.iter().enumerate() {
                prop_assert_eq!(ds.x().get(cell, gene), value);
            }
        }
    }
}

/// Files with some bytes changed or cut are read or refused, never worse.
#[test]
fn damaged_10x_files_do_not_panic() {
    let files = std::env::var("SPATIA_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let out = folder();
    let (old, probe) = (out.path().join("two.h5"), out.path().join("probes.h5"));
    two_genomes(&old, 12);
    probes(&probe);
    fixture::write(out.path());
    let all = TenxConfig { genome: Some("all".into()), ..TenxConfig::default() };
    for path in [out.path().join("sample.h5"), old, probe] {
        let whole = std::fs::read(&path).unwrap();
        let mut rng = spatia::base::seed::rng(17, 0);
        let mut refusals = 0;
        for _ in 0..files {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.next_u32() % 32 {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] =
                    if rng.next_u32().is_multiple_of(4) { 0xff } else { rng.next_u32() as u8 };
            }
            std::fs::write(&path, bytes).unwrap();
            refusals += usize::from(tenx::read_with(&path, &all).is_err());
        }
        println!("{}: {refusals} of {files} refused", path.display());
        assert!(refusals > 0);
    }
}

/// Files with some bytes changed or cut are read or refused, never worse.
#[test]
fn damaged_mex_files_do_not_panic() {
    let files = std::env::var("SPATIA_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let out = changed(|d| {
        std::fs::write(d.join("matrix.mtx"), mex_fixture::matrix(12, 8)).unwrap();
        std::fs::remove_file(d.join("matrix.mtx.gz")).unwrap();
    });
    let names = ["matrix.mtx", "features.tsv.gz", "barcodes.tsv.gz"];
    let paths: Vec<PathBuf> = names.iter().map(|n| out.path().join(n)).collect();
    let wholes: Vec<Vec<u8>> = paths.iter().map(|p| std::fs::read(p).unwrap()).collect();
    let mut rng = spatia::base::seed::rng(11, 0);
    let mut refusals = 0;
    for i in 0..files {
        let which = i % 3;
        let mut bytes = wholes[which].clone();
        for _ in 0..1 + rng.next_u32() % 4 {
            let at = rng.next_u32() as usize % bytes.len();
            bytes[at] = rng.next_u32() as u8;
        }
        if rng.next_u32().is_multiple_of(8) {
            bytes.truncate(rng.next_u32() as usize % bytes.len());
        }
        std::fs::write(&paths[which], bytes).unwrap();
        refusals += usize::from(mex::read(out.path()).is_err());
        std::fs::write(&paths[which], &wholes[which]).unwrap();
    }
    println!("{refusals} of {files} refused");
    assert!(refusals > files / 4);
}
