//! Tests of `data` and of the parts of `base` that everything leans on.

use crate::common;
use std::path::Path;

use ndarray::{Array2, array};
use proptest::prelude::*;
use spatia::base::memory::{self, Bound};
use spatia::base::{Error, Kind, files, nearest, progress, seed, text};
use spatia::data::{Csr, Dataset, Matrix, Table, Unit, Uns, keys};

fn names(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}{i}")).collect()
}

fn dense(m: &Csr) -> Array2<f32> {
    Array2::from_shape_vec((m.nrows(), m.ncols()), m.dense_rows(0..m.nrows())).unwrap()
}

prop_compose! {
    /// A small dense matrix with many zeros.
    fn matrix()(n in 1usize..8, g in 1usize..9)
        (n in Just(n), g in Just(g), values in prop::collection::vec(prop_oneof![3 => Just(0u8), 2 => 1u8..200], n * g))
        -> Array2<f32> {
        Array2::from_shape_vec((n, g), values.into_iter().map(f32::from).collect()).unwrap()
    }
}

proptest! {
    #[test]
    fn csr_agrees_with_the_dense_matrix(m in matrix(), pick in prop::collection::vec(0usize..64, 1..6)) {
        let csr = Matrix::Dense(m.clone()).to_csr();
        prop_assert_eq!(&dense(&csr), &m);
        prop_assert_eq!(dense(&csr.transpose().unwrap()), m.t());
        prop_assert_eq!(csr.transpose().unwrap().transpose().unwrap(), csr.clone());
        let rows: Vec<usize> = pick.iter().map(|p| p % m.nrows()).collect();
        prop_assert_eq!(dense(&csr.select_rows(&rows).unwrap()), m.select(ndarray::Axis(0), &rows));
        let mut cols: Vec<usize> = pick.iter().map(|p| p % m.ncols()).collect();
        let mut seen = std::collections::BTreeSet::new();
        cols.retain(|c| seen.insert(*c));
        prop_assert_eq!(dense(&csr.select_cols(&cols).unwrap()), m.select(ndarray::Axis(1), &cols));
        let sums: Vec<f64> = m.rows().into_iter().map(|r| r.iter().map(|&v| f64::from(v)).sum()).collect();
        prop_assert_eq!(csr.row_sums(), sums);
        prop_assert_eq!(csr.transpose().unwrap().row_sums(), csr.col_sums());
        prop_assert_eq!(csr.transpose().unwrap().row_positive(), csr.col_positive());
    }
}

#[test]
fn csr_sorts_rows_and_adds_repeated_entries() {
    let m = Csr::new((2, 4), vec![0, 3, 4], vec![3, 1, 3, 0], vec![1.0, 2.0, 4.0, 5.0]).unwrap();
    assert_eq!(m.row(0), (&[1u32, 3][..], &[2.0f32, 5.0][..]));
    assert_eq!((m.get(0, 3), m.get(0, 0), m.get(1, 0)), (5.0, 0.0, 5.0));
}

#[test]
fn csr_refuses_arrays_that_disagree() {
    let refused = |indptr: Vec<usize>, indices: Vec<u32>, n: usize| {
        Csr::new((2, 3), indptr, indices, vec![1.0; n]).unwrap_err().to_string()
    };
    assert!(refused(vec![0, 1], vec![0], 1).contains("3 entries"));
    assert!(refused(vec![0, 2, 1], vec![0], 1).contains("ascend"));
    assert!(refused(vec![0, 1, 2], vec![0, 3], 2).contains("column 3"));
    assert!(refused(vec![0, 1, 2], vec![0, 1], 3).contains("2 indices"));
    assert!(refused(vec![0, 1, 5], vec![0, 1], 2).contains("5"));
}

fn dataset() -> Dataset {
    let x = array![[1.0f32, 0.0, 2.0], [0.0, 3.0, 0.0], [4.0, 0.0, 5.0], [0.0, 0.0, 6.0]];
    let mut ds =
        Dataset::new(x.clone(), Table::new(names("s", 4)), Table::new(names("g", 3))).unwrap();
    ds.set_layer("counts", Matrix::Dense(x).to_csr()).unwrap();
    ds.obs_mut().set_f64("depth", &[3.0, 3.0, 9.0, 6.0]).unwrap();
    ds.obs_mut()
        .set_categories("layer", &[Some("b".into()), None, Some("a".into()), Some("b".into())])
        .unwrap();
    ds.set_obsm(keys::SPATIAL, array![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).unwrap();
    ds.set_obsp(
        "near",
        Csr::new((4, 4), vec![0, 1, 2, 3, 4], vec![1, 0, 3, 2], vec![1.0; 4]).unwrap(),
    )
    .unwrap();
    ds
}

#[test]
fn selecting_spots_keeps_every_part_in_step() {
    let mut ds = dataset();
    ds.select_obs(&[3, 0, 2]).unwrap();
    assert_eq!(ds.obs().index(), ["s3", "s0", "s2"]);
    assert_eq!(ds.obs().f64("depth").unwrap(), [6.0, 3.0, 9.0]);
    assert_eq!(
        ds.obs().text("layer").unwrap(),
        [Some("b".into()), Some("b".into()), Some("a".into())]
    );
    assert_eq!((0..3).map(|r| ds.x().get(r, 2)).collect::<Vec<_>>(), [6.0, 2.0, 5.0]);
    assert_eq!(ds.layer("counts").unwrap().get(2, 0), 4.0);
    assert_eq!(ds.obsm()[keys::SPATIAL], array![[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]);
    // s3 and s2 were neighbours and are now rows 0 and 2; s0's neighbour is gone.
    let near = &ds.obsp()["near"];
    assert_eq!((near.get(0, 2), near.get(2, 0), near.nnz()), (1.0, 1.0, 2));
}

#[test]
fn selecting_genes_keeps_every_part_in_step() {
    let mut ds = dataset();
    ds.select_var(&[2, 0]).unwrap();
    assert_eq!(ds.var().index(), ["g2", "g0"]);
    assert_eq!((ds.x().get(2, 0), ds.x().get(2, 1)), (5.0, 4.0));
    assert_eq!(
        (ds.layer("counts").unwrap().get(0, 0), ds.layer("counts").unwrap().get(0, 1)),
        (2.0, 1.0)
    );
}

#[test]
fn shapes_that_disagree_are_refused_with_both() {
    let mut ds = dataset();
    let e = ds.set_obsm("m", Array2::zeros((3, 2))).unwrap_err().to_string();
    assert!(e.contains("obsm[\"m\"]") && e.contains("[4, 2]") && e.contains("[3, 2]"), "{e}");
    let e = ds.obs_mut().set_f64("depth", &[1.0]).unwrap_err().to_string();
    assert!(e.contains("'depth'") && e.contains("4 values"), "{e}");
    assert_eq!(ds.obs().f64("depth").unwrap()[2], 9.0, "a refused column must leave the old one");
}

#[test]
fn what_is_not_there_is_named_with_the_nearest() {
    let ds = dataset();
    let e = ds.obs().column("dpeth").unwrap_err();
    assert_eq!(e.what(), Kind::Missing);
    assert!(e.to_string().contains("Did you mean 'depth'"), "{e}");
    let e = ds.gene_positions(&["g0".into(), "q1".into()]).unwrap_err().to_string();
    assert!(e.contains("1 missing, the first 'q1'"), "{e}");
}

#[test]
fn counts_are_checked_to_be_counts() {
    let mut ds = dataset();
    ds.set_x(array![[0.5f32, 0.0, 2.0], [0.0, 3.0, 0.0], [4.0, 0.0, 5.0], [0.0, 0.0, 6.0]])
        .unwrap();
    assert!(ds.counts().is_ok(), "layers[\"counts\"] holds them");
    ds.set_layer("raw", ds.layer("counts").unwrap().clone()).unwrap();
    ds.set_layer("counts", ds.x().clone()).unwrap();
    let e = ds.counts().unwrap_err().to_string();
    assert!(e.contains("0.5 for gene g0 in spot s0") && e.contains("raw"), "{e}");
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        ds.set_layer("counts", Matrix::Dense(Array2::from_elem((4, 3), bad))).unwrap();
        assert!(ds.counts().is_err(), "{bad}");
    }
}

#[test]
fn coordinates_carry_their_unit() {
    let mut ds = dataset();
    assert_eq!(ds.coordinates().unwrap().unit, Unit::Unknown);
    ds.uns_mut()
        .set(&["spatial", "lib", "scalefactors", "spot_diameter_fullres"], Uns::Float(110.0));
    let c = ds.coordinates().unwrap();
    assert_eq!((c.unit, c.um_per_unit), (Unit::Px, Some(65.0 / 110.0)));
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text("um".into()));
    assert_eq!(ds.coordinates().unwrap().um_per_unit, Some(1.0));
    ds.set_obsm(keys::SPATIAL, array![[0.0, 0.0], [f64::NAN, 0.0], [0.0, 1.0], [1.0, 1.0]])
        .unwrap();
    let e = ds.coordinates().unwrap_err().to_string();
    assert!(e.contains("spot 1 (s1)"), "{e}");
}

#[test]
fn neighbours_on_a_visium_slide_are_100_um_apart() {
    for slide in ["dlpfc/151673", "dlpfc/151673.h5ad", "visium_tiny"] {
        let Some(path) = common::data(slide) else { return };
        let ds = spatia::io::read(&path).unwrap();
        let c = ds.coordinates().unwrap();
        let (rows, cols) = (ds.obs().f64("array_row").unwrap(), ds.obs().f64("array_col").unwrap());
        let mut steps = Vec::new();
        for a in 0..ds.n_obs() {
            // The neighbour in the next row: half a pitch along, and the height of a triangle up.
            let next = |b: &usize| rows[*b] - rows[a] == 1.0 && cols[*b] - cols[a] == 1.0;
            if let Some(b) = (0..ds.n_obs()).find(next) {
                let d = (c.xy[[a, 0]] - c.xy[[b, 0]]).hypot(c.xy[[a, 1]] - c.xy[[b, 1]]);
                steps.push(d * c.um_per_unit.unwrap());
            }
        }
        steps.sort_by(f64::total_cmp);
        let median = steps[steps.len() / 2];
        assert!((median - 100.0).abs() < 2.0, "{slide}: {median} um");
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_and_no_rubbish() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.txt");
    files::write(&path, "old").unwrap();
    let e = files::atomic(&path, |tmp| {
        std::fs::write(tmp, "half").unwrap();
        Err(Error::new("writing").found("a full disk"))
    });
    assert!(e.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    files::write(&path, "new").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
}

/// The temporary name says nothing to whoever asked for the file.
#[test]
fn a_failed_write_names_the_file_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.txt");
    let library = |tmp: &Path| Error::io("creating it", format!("no room for {}", tmp.display()));
    let long = dir.path().join(format!("{}.h5ad", "x".repeat(300)));
    let said = [
        files::atomic(&path, |tmp| Err(library(tmp))).unwrap_err(),
        files::write(Path::new("/proc/result.txt"), "a").unwrap_err(),
        files::writable(Path::new("/proc")).unwrap_err(),
        files::write(&long, "a").unwrap_err(),
        spatia::io::h5ad::write(&dataset(), &long).unwrap_err(),
    ]
    .map(|e| e.to_string());
    for said in &said {
        assert!(!said.contains(".writing-"), "{said}");
    }
    assert!(said[0].ends_with(&format!("no room for {}", path.display())), "{}", said[0]);
    assert!(said[1].starts_with("writing /proc/result.txt: No such file"), "{}", said[1]);
    assert!(said[4].contains(&format!("{}", long.display())), "{}", said[4]);
}

#[test]
fn the_nearest_name_is_offered_only_when_it_is_near() {
    assert_eq!(
        nearest::nearest("learning_rte", ["epochs", "learning_rate"]),
        Some("learning_rate")
    );
    assert_eq!(nearest::nearest("zebra", ["epochs", "learning_rate"]), None);
}

#[test]
fn quoted_text_is_cut_at_words_and_cannot_move_a_terminal() {
    assert_eq!(text::clip("one two three", 13), "one two three");
    assert_eq!(text::clip("one two three", 12), "one two …");
    assert_eq!(text::clip("one two three", 9), "one two …");
    assert_eq!(text::clip("one two three", 8), "one …");
    assert_eq!(text::clip("abcdefgh", 5), "abc …");
    assert_eq!(text::readable("a\tb\n\u{1b}[0m\r\u{202e}"), "a\tb\n␛[0m␍\u{fffd}");
    let long = text::readable(&format!("no '{}'. Advice", "é".repeat(300)));
    let end = format!("… 303 characters …{}'. Advice", "é".repeat(18));
    assert!(long.ends_with(&end), "{long}");
    assert!(text::readable(&"a b ".repeat(100_000)).ends_with(" … 400000 characters"));
}

#[test]
fn streams_of_a_seed_differ_and_repeat() {
    use rand::RngExt;
    let draw = |s, t| seed::rng(s, t).random::<u64>();
    assert_eq!(draw(1, 2), draw(1, 2));
    assert!(draw(1, 2) != draw(1, 3) && draw(1, 2) != draw(2, 2));
}

#[test]
fn memory_is_what_the_machine_the_groups_and_the_limits_all_leave() {
    const KB: u64 = 1024;
    let left = |files: &[(&str, &str)]| {
        let root = tempfile::tempdir().unwrap();
        let usual = [
            (
                "proc/self/status",
                "VmHWM:\t 300 kB\nVmSize:\t 5000 kB\nVmRSS:\t 200 kB\nVmData:\t 1000 kB\n",
            ),
            ("proc/meminfo", "MemTotal: 900000 kB\nMemFree: 1 kB\nMemAvailable: 700000 kB\n"),
            (
                "proc/self/limits",
                "Max data size   unlimited  unlimited  bytes\nMax address space  unlimited  unlimited  bytes\n",
            ),
        ];
        for (path, text) in usual.iter().chain(files) {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let m = memory::of(root.path());
        assert_eq!((m.resident, m.peak, m.total), (200 * KB, 300 * KB, 900_000 * KB));
        (m.available, m.bound)
    };
    assert_eq!(left(&[]), (700_000 * KB, Bound::Machine));
    // The second version: an outer group has the narrower limit; copies of files can be dropped.
    let mount = (
        "proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
    );
    let second = |outer: &str| {
        left(&[
            mount,
            ("proc/self/cgroup", "0::/job/step\n"),
            ("sys/fs/cgroup/job/step/memory.max", "max\n"),
            ("sys/fs/cgroup/job/step/memory.current", "100\n"),
            ("sys/fs/cgroup/job/memory.max", outer),
            ("sys/fs/cgroup/job/memory.current", "90000\n"),
            (
                "sys/fs/cgroup/job/memory.stat",
                "anon 20000\nfile 70000\ninactive_file 40000\nactive_file 10000\n",
            ),
        ])
    };
    assert_eq!(second("100000\n"), (60_000, Bound::Group));
    assert_eq!(second("max\n"), (700_000 * KB, Bound::Machine));
    assert_eq!(second("30000\n"), (1, Bound::Group));
    // A container whose own group is mounted as the top.
    let own = left(&[
        ("proc/self/mountinfo", "31 23 0:28 /docker/1a /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
        ("proc/self/cgroup", "0::/docker/1a\n"),
        ("sys/fs/cgroup/memory.max", "5000\n"),
        ("sys/fs/cgroup/memory.current", "1000\n"),
    ]);
    assert_eq!(own, (4000, Bound::Group));
    // The first version, beside an empty second one; its top says that it has no limit in a number.
    let first = left(&[
        (
            "proc/self/mountinfo",
            "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
             36 31 0:33 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        ),
        ("proc/self/cgroup", "5:cpu:/a\n4:memory:/slurm/job_7\n0::/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "800000000\n"),
        ("sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "9000\n"),
        ("sys/fs/cgroup/memory/slurm/job_7/memory.usage_in_bytes", "4000\n"),
        (
            "sys/fs/cgroup/memory/slurm/job_7/memory.stat",
            "inactive_file 1\ntotal_inactive_file 500\n",
        ),
    ]);
    assert_eq!(first, (5500, Bound::Group));
    let limited = |limits| left(&[("proc/self/limits", limits)]);
    assert_eq!(
        limited("Max address space   6144000   unlimited  bytes\n"),
        (1000 * KB, Bound::Process)
    );
    assert_eq!(limited("Max data size   1024001   unlimited  bytes\n"), (1, Bound::Process));
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(memory::of(nothing.path()), memory::Memory::default());
}

#[test]
fn the_time_that_is_left_is_told_where_a_clock_can_tell_it() {
    let second = std::time::Duration::from_secs(1);
    assert_eq!(progress::eta(10 * second, 5, 20), Some(40 * second));
    assert_eq!(progress::eta(second, 0, 20), None);
    assert_eq!(progress::eta(3 * second, 1, i64::MAX as u64), None);
}

#[test]
fn what_parts_of_a_dataset_share_is_counted_once() {
    let table = |n| Table::new(names("a", n));
    let x = Csr::from_rows(3, vec![vec![(0, 1.0), (2, 2.0)], vec![(1, 3.0)]]);
    let (pattern, values) = (x.pattern_bytes(), 12);
    assert_eq!(x.bytes(), pattern + values);
    let mut ds = Dataset::new(x.clone(), table(2), table(3)).unwrap();
    let before = ds.bytes_of_all();
    ds.set_layer("same", x.clone()).unwrap();
    assert_eq!(ds.bytes(), pattern + values);
    let mut scaled = x;
    scaled.edit_rows(|_, _, v| v.iter_mut().for_each(|v| *v *= 2.0));
    ds.set_layer("scaled", scaled).unwrap();
    assert_eq!(ds.bytes(), pattern + 2 * values);
    for picture in ["hires", "lowres"] {
        let pixels = ndarray::ArrayD::zeros(vec![10, 10, 3]);
        ds.uns_mut().set(&["spatial", "a", "images", picture], Uns::Bytes(pixels));
    }
    assert!(ds.bytes_of_all() >= before + values + 600, "{} {before}", ds.bytes_of_all());
}
