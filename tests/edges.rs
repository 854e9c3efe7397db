//! What a user runs into at the edges: sums of nothing, places that must not be replaced, choices
//! that match nothing, files of two samples.

use std::path::Path;

use spatia::base::{Error, files};
use spatia::data::{Csr, Dataset, Table};
use spatia::io::h5ad::{H5adConfig, Spots};
use spatia::io::{self, export, table};
use spatia::prep::{self, FilterConfig, NormalizeConfig, QcConfig, ScoreGenesConfig};

use crate::fixtures;
use crate::io::refused;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}{i}")).collect()
}

/// Four spots, the last of which has nothing, by three genes.
fn small(scale: f32) -> Dataset {
    let x = Csr::from_rows(
        3,
        vec![vec![(0, scale), (2, 2.0 * scale)], vec![(1, 3.0 * scale)], vec![(0, scale)], vec![]],
    );
    Dataset::new(x, Table::new(names("s", 4)), Table::new(names("g", 3))).unwrap()
}

#[test]
fn sums_of_nothing_are_zero_without_a_sign() {
    let mut ds = small(1.0);
    prep::qc(&mut ds, &QcConfig::default()).unwrap();
    for table in [ds.obs(), ds.var()] {
        for name in table.names() {
            let values = table.f64(name).unwrap();
            let minus = |v: &f64| *v == 0.0 && v.is_sign_negative();
            assert!(!values.iter().any(minus), "{name}: {values:?}");
        }
    }
    assert!(ds.x().csr().row_sums()[3].is_sign_positive());
    let config = ScoreGenesConfig { n_bins: 2, ..ScoreGenesConfig::default() };
    let scores = prep::gene_scores(&ds, &["g0".into()], &config).unwrap();
    assert!(scores[3] == 0.0 && scores[3].is_sign_positive());

    let out = folder();
    fixtures::tenx::write(out.path());
    let ds = io::read(&out.path().join("sample.h5")).unwrap();
    for name in ds.obs().names().into_iter().filter(|n| n.starts_with("total_counts_")) {
        assert!(ds.obs().f64(name).unwrap().iter().all(|v| v.is_sign_positive()), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_stays() {
    let out = folder();
    let at = |name: &str| out.path().join(name);
    std::fs::create_dir(at("deep")).unwrap();
    std::fs::write(at("deep/old"), "old").unwrap();
    for (link, to, target) in
        [("a", "deep/old", "deep/old"), ("b", "deep/new", "deep/new"), ("c", "b2", "deep/far")]
    {
        if link == "c" {
            std::os::unix::fs::symlink("deep/far", at("b2")).unwrap();
        }
        std::os::unix::fs::symlink(to, at(link)).unwrap();
        files::write(&at(link), link).unwrap();
        assert!(at(link).symlink_metadata().unwrap().is_symlink(), "{link}");
        assert!(at(target).symlink_metadata().unwrap().is_file(), "{target}");
        assert_eq!(std::fs::read_to_string(at(target)).unwrap(), link);
    }
    std::os::unix::fs::symlink("round", at("round")).unwrap();
    refused(files::write(&at("round"), "x"), &["links in a circle"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let out = folder();
    let at = |name: &str| out.path().join(name);
    let mode = |name: &str| at(name).metadata().unwrap().mode() & 0o7777;
    std::fs::write(at("like-any"), "new").unwrap();
    files::write(&at("new"), "new").unwrap();
    assert_eq!(mode("new"), mode("like-any"), "a new file is as the system makes it");
    for (wanted, kept) in [(0o600, 0o600), (0o664, 0o664), (0o755, 0o755), (0o4755, 0o755)] {
        std::fs::set_permissions(at("new"), PermissionsExt::from_mode(wanted)).unwrap();
        files::write(&at("new"), "again").unwrap();
        assert_eq!(mode("new"), kept, "{wanted:o}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_writable_file_is_not_replaced() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let out = folder();
    let at = |name: &str| out.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    refused(files::write(&at("folder"), "x"), &["a folder of that name"]);
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    refused(files::write(&at("socket"), "x"), &["a device, pipe or socket"]);
    assert!(at("socket").symlink_metadata().unwrap().file_type().is_socket());
    std::os::unix::fs::symlink("socket", at("link")).unwrap();
    refused(files::write(&at("link"), "x"), &["a device, pipe or socket"]);
    std::fs::write(at("kept"), "kept").unwrap();
    std::fs::set_permissions(at("kept"), PermissionsExt::from_mode(0o444)).unwrap();
    refused(files::write(&at("kept"), "x"), &["a file without leave to write"]);
    assert_eq!(std::fs::read_to_string(at("kept")).unwrap(), "kept");
    refused(files::write(Path::new(""), "x"), &["an empty path"]);
    refused(files::writable(Path::new("")), &["output folder", "an empty path"]);
    refused(files::writable(&at("kept")), &["expected a folder", "kept, which is none"]);
    refused(files::write(&at("kept/x"), "x"), &["expected a folder", "kept, which is none"]);
}

#[test]
fn a_part_of_an_h5ad_that_holds_nothing_is_refused() {
    let out = folder();
    let path = out.path().join("a.h5ad");
    io::h5ad::write(&small(1.0), &path).unwrap();
    let read = |config: H5adConfig| io::h5ad::read_with(&path, &config);
    let none = || Some(Vec::new());
    let obs = |s| H5adConfig { obs: Some(s), ..H5adConfig::default() };
    refused(
        read(obs(Spots::Where("_index = 'x'".into()))),
        &["some rows to remain", "_index = 'x'"],
    );
    refused(read(obs(Spots::Names(Vec::new()))), &["choosing spots", "at least one name"]);
    let genes = H5adConfig { genes: none(), ..H5adConfig::default() };
    refused(read(genes), &["choosing genes", "at least one name"]);
    let e = read(obs(Spots::Where("_indx = 'x'".into()))).err().unwrap().to_string();
    assert!(e.contains("rows are the column _index") && !e.contains("plan"), "{e}");
}

#[test]
fn bounds_that_no_count_can_meet_are_refused() {
    for (bad, said) in [(f64::NAN, "NaN"), (-1.0, "-1")] {
        let some = Some(bad);
        for config in [
            FilterConfig { min_counts: some, ..FilterConfig::default() },
            FilterConfig { max_counts: some, ..FilterConfig::default() },
            FilterConfig { min_gene_counts: some, ..FilterConfig::default() },
        ] {
            refused(prep::filter(&mut small(1.0), &config), &["filtering", said]);
        }
    }
}

#[test]
fn a_selection_of_another_section_is_refused() {
    let out = folder();
    fixtures::legacy_st::write(out.path());
    let path = out.path().join("st_selection.tsv");
    let text = std::fs::read_to_string(&path).unwrap();
    let moved = text.replace("\n11\t", "\n51\t").replace("\n12\t", "\n52\t");
    let moved = moved.replace("\t11.012\t", "\t51.012\t").replace("\t12.012\t", "\t52.012\t");
    std::fs::write(&path, moved).unwrap();
    refused(io::read(&out.path().join("st_counts.tsv.gz")), &["3 of 8", "another section"]);
}

#[test]
fn texts_for_missing_values_are_missing() {
    let out = folder();
    let path = out.path().join("t.csv");
    std::fs::write(&path, "a,b\n1,x\nNaN,<NA>\nnan,null\nN/A,NULL\n,\n").unwrap();
    let t = table::read(&path).unwrap();
    assert_eq!((t.column("a").unwrap().null_count(), t.column("b").unwrap().null_count()), (4, 4));
    assert!(t.column("a").unwrap().dtype().is_integer());

    fixtures::xenium::write(out.path());
    let cells = out.path().join("xenium");
    let clusters = walk(&cells).into_iter().find(|p| p.ends_with("clusters.csv")).unwrap();
    let text = std::fs::read_to_string(&clusters).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (id, _) = lines[1].split_once(',').unwrap();
    lines[1] = format!("{id},<NA>");
    std::fs::write(&clusters, lines.join("\n")).unwrap();
    let config = io::xenium::XeniumConfig {
        clusterings: io::xenium::Clusterings::All,
        ..Default::default()
    };
    let ds = io::xenium::read_with(&cells, &config).unwrap();
    let groups: Vec<&str> =
        ds.obs().names().into_iter().filter(|n| ds.obs().is_groups(n)).collect();
    let all: Vec<_> = groups.iter().flat_map(|g| ds.obs().text(g).unwrap()).collect();
    assert!(all.contains(&None) && !all.contains(&Some("<NA>".into())), "{all:?}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path().is_dir() {
            true => all.extend(walk(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all
}

#[test]
fn an_h5ad_is_not_written_under_the_name_of_another_format() {
    let out = folder();
    for name in ["x.csv", "x.zarr", "x.tsv.gz", "x.LOOM"] {
        let path = out.path().join(name);
        refused(io::h5ad::write(&small(1.0), &path), &["ends in .h5ad", "ds.obs.save"]);
        assert!(!path.exists());
    }
}

#[test]
fn values_that_are_no_counts_are_summed_and_scaled_but_no_counts() {
    let mut ds = small(0.3);
    prep::qc(&mut ds, &QcConfig::default()).unwrap();
    assert!((ds.obs().f64("total_counts").unwrap()[0] - 0.9).abs() < 1e-6);
    for config in [
        NormalizeConfig { target_sum: Some(10.0), ..NormalizeConfig::default() },
        NormalizeConfig::default(),
    ] {
        let mut ds = small(0.3);
        prep::normalize(&mut ds, &config).unwrap();
        assert!(!ds.layers().contains_key("counts") && ds.counts().is_err());
    }
    prep::normalize_total(&mut ds, 10.0).unwrap();
    assert!((ds.x().csr().row_sums()[0] - 10.0).abs() < 1e-5);
    assert!(!ds.layers().contains_key("counts") && ds.counts().is_err());
    // What is below zero, not finite or a logarithm is no amount.
    prep::log1p(&mut ds).unwrap();
    refused(prep::normalize_total(&mut ds, 10.0), &["normalising", "whole numbers"]);
    refused(prep::normalize_total(&mut small(-0.5), 10.0), &["whole numbers", "-0.5"]);
    let infinite = &mut small(f32::INFINITY);
    let errors: [Option<Error>; 2] = [
        prep::qc(infinite, &QcConfig::default()).err(),
        prep::normalize_total(infinite, 1.0).err(),
    ];
    assert!(errors.iter().all(Option::is_some));
}

#[test]
fn a_gene_is_found_by_its_name_and_its_other_names_are_told() {
    let mut ds = small(1.0);
    let ids: Vec<_> = (0..3).map(|i| Some(format!("ENSG0000000000{i}"))).collect();
    ds.var_mut().set_categories("gene_ids", &ids).unwrap();
    assert_eq!(ds.gene("g0").unwrap(), [1.0, 0.0, 1.0, 0.0]);
    refused(ds.gene("ENSG00000000001"), &["var[\"gene_ids\"]", "'g1'"]);
    let score = |g: &str| prep::gene_scores(&ds, &[g.into()], &ScoreGenesConfig::default());
    refused(score("ENSG00000000001"), &["none of 1", "var[\"gene_ids\"]", "'g1'"]);
    refused(score("G1"), &["other case", "'g1'"]);
}

#[test]
fn messages_say_what_stands_there() {
    let out = folder();
    fixtures::all(out.path());
    let at = |name: &str| out.path().join(name);
    refused(io::visium::read(&at("sample.h5")), &["a file", "data::read"]);
    refused(io::h5ad::peek(&at("visium")), &["a folder", "peek is for .h5ad"]);
    refused(io::h5ad::peek(&at("sample.zarr")), &["AnnData in zarr", "peek is for .h5ad"]);
    let positions = at("visium/spatial/tissue_positions.csv");
    let text = std::fs::read_to_string(&positions).unwrap();
    std::fs::write(&positions, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    refused(io::read(&at("visium")), &["tissue_positions.csv", "the file is empty"]);
    std::fs::write(&positions, "").unwrap();
    refused(io::read(&at("visium")), &["tissue_positions.csv", "the file is empty"]);
    std::fs::write(&positions, text).unwrap();
    std::fs::write(at("visium/spatial/scalefactors_json.json"), "{\"a\": ").unwrap();
    refused(io::read(&at("visium")), &["scalefactors_json.json", "Copy it again"]);
}

#[test]
fn what_can_be_read_in_a_folder_is_named() {
    let out = folder();
    let at = |name: &str| out.path().join(name);
    std::fs::create_dir_all(at("a/b/c")).unwrap();
    refused(io::read(&at("a")), &["Name the folder of the data itself"]);
    fixtures::legacy_st::write(&at("a/b"));
    refused(io::read(&at("a/b")), &["st_counts.tsv.gz (legacy ST table)"]);
    refused(io::read(&at("a")), &["b/st_counts.tsv.gz (legacy ST table)"]);
    fixtures::visium::write(&at("a/b"));
    refused(io::read(&at("a")), &["b (Visium folder)"]);
    for i in 0..400 {
        std::fs::create_dir(at(&format!("a/{i}"))).unwrap();
    }
    refused(io::read(&at("a")), &["folder"]);
}

#[test]
fn numbers_are_no_groups_for_loupe() {
    let mut table = Table::new(names("AAAC-", 3));
    table.set_f64("kl", &[1.0, 2.0, 3.0]).unwrap();
    table.set(polars::prelude::Column::new("n".into(), [1_i64, 2, 3])).unwrap();
    let out = folder();
    let path = out.path().join("a.csv");
    refused(export::loupe(&table, "kl", &path), &["groups", "quantities"]);
    refused(export::loupe(&table, "n", &path), &["groups", "quantities"]);
}
