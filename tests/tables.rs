//! Tables: files against pandas and against another reader of parquet, questions to them, and what
//! is said of questions that have no answer.

use std::path::Path;

use polars::prelude::*;
use spatia::base::Kind;
use spatia::data::{Table, frame, table};
use spatia::io;
use spatia::io::export::{self, XeniumGroupsConfig};
use spatia::io::table::TableConfig;

use crate::common;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn refused<T>(result: spatia::base::Result<T>, parts: &[&str]) -> Kind {
    let Err(e) = result else { panic!("not refused") };
    let (kind, e) = (e.what(), e.to_string());
    println!("{e}");
    parts.iter().for_each(|p| assert!(e.contains(p), "'{p}' is not in: {e}"));
    kind
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// Six spots, with categories in an order of their own and values that are missing.
fn spots() -> Table {
    let mut t = Table::new((0..6).map(|i| format!("s{i}-1")).collect());
    let layers = ["L2", "L1", "WM", "L1", "", "WM"].map(|l| l.to_owned());
    let order = ["WM", "L1", "L2"].map(String::from);
    let code = |l: &String| order.iter().position(|o| o == l).map(|i| i as u32);
    t.set_codes("layer", &order, &layers.iter().map(code).collect::<Vec<_>>()).unwrap();
    t.set_f64("kl", &[0.5, 2.0, f64::NAN, 4.0, 1.0, 3.0]).unwrap();
    t.set(Column::new("n".into(), [3i64, 1, 2, 3, 1, 2])).unwrap();
    t.set_bool("dark", &[true, false, true, false, true, false]).unwrap();
    t.set_text("cell type", &list(&["a", "b", "a", "c", "d'x", "a"])).unwrap();
    t
}

fn text(f: &DataFrame, column: &str) -> Vec<String> {
    let all = spatia::data::table::texts(frame::column(f, column).unwrap()).unwrap();
    all.into_iter().map(|t| t.unwrap_or_else(|| "-".into())).collect()
}

#[test]
fn conditions_choose_rows() {
    let t = spots();
    for (condition, rows) in [
        ("kl > 1", &[1, 3, 5][..]),
        ("layer = 'L1'", &[1, 3]),
        ("layer = 'L9'", &[]),
        ("layer IN ('WM', 'L2') AND n = 2", &[2, 5]),
        ("layer IS NULL", &[4]),
        ("kl IS NULL", &[2]),
        ("NOT dark", &[1, 3, 5]),
        ("\"cell type\" = 'a' OR \"cell type\" LIKE 'd%'", &[0, 2, 4, 5]),
        ("\"cell type\" = 'd''x'", &[4]),
        ("_index = 's3-1'", &[3]),
        ("n > avg(n)", &[0, 3]),
        ("kl BETWEEN 1 AND 2", &[1, 4]),
        ("true", &[0, 1, 2, 3, 4, 5]),
        ("kl > 1e0 AND kl < 3.5e0", &[1, 5]),
        ("kl*1E3>2e+3", &[3, 5]),
        ("kl > 5e-1 AND kl < 2e9", &[1, 3, 4, 5]),
        ("n < 99999999999999999999 AND \"cell type\" <> '1e9'", &[0, 1, 2, 3, 4, 5]),
    ] {
        assert_eq!(frame::rows(&t, condition).unwrap(), rows, "{condition}");
    }
    let kept = frame::filter(t.frame(), "layer = 'L1'").unwrap();
    assert!(matches!(kept.column("layer").unwrap().dtype(), DataType::Enum(..)));
}

#[test]
fn conditions_are_checked_before_anything_runs() {
    let t = spots();
    let ask = |c: &str| frame::rows(&t, c);
    assert_eq!(refused(ask("kll > 1"), &["column 'kll'", "Did you mean 'kl'"]), Kind::Missing);
    refused(ask("layer = \"L1\""), &["single quotes: 'L1'"]);
    refused(ask("kl + 1"), &["a condition", "an expression that gives numbers"]);
    refused(ask("sqroot(kl) > 1"), &["a function 'sqroot'", "Did you mean"]);
    refused(ask("kl >"), &["filtering by \"kl >\"", "an expression of SQL", "a part too few"]);
    refused(ask("layer = L1"), &["single quotes: 'L1'", "Known: layer"]);
    refused(ask("kl > 1 && kl < 2"), &["found &&, which is written AND"]);
    refused(ask("kl > 1,5"), &["found ','", "1.5"]);
    refused(ask("layer > 5"), &["found a text compared with a number"]);
    refused(ask("layer + kl > 5"), &["found arithmetic with what is no number"]);
    refused(ask("SELECT * FROM t"), &["an expression of SQL"]);
    refused(ask("kl > 1; DROP TABLE t"), &["an expression of SQL"]);
    refused(ask("\"cell type\" > 3"), &["filtering"]);
    // Row names that have no name in the file are no column that anybody knows.
    let said = [ask("nothing > 1"), ask("kl >")].map(|r| r.unwrap_err().to_string());
    assert!(said[0].contains("Known: layer, kl, n, dark, cell type"), "{}", said[0]);
    assert!(said[1].contains("Columns: layer, kl, n, dark, cell type"), "{}", said[1]);
    refused(ask("index = 's3-1'"), &["The names of the rows are the column _index"]);
    refused(frame::some(&[], "kl > 9"), &["some rows to remain"]);
}

#[test]
fn columns_are_computed_and_kept() {
    let t = spots();
    let f = frame::with(t.frame(), "twice", "2 * kl").unwrap();
    assert_eq!(f.column("twice").unwrap().f64().unwrap().get(3), Some(8.0));
    assert_eq!(f.column("twice").unwrap().null_count(), 1);
    let f = frame::with(&f, "most", "max(n)").unwrap();
    assert_eq!(f.column("most").unwrap().len(), 6);
    let f = frame::with(&f, "kind", "CASE WHEN layer = 'WM' THEN 'white' ELSE 'grey' END").unwrap();
    assert_eq!(text(&f, "kind")[2], "white");
    let g = frame::with(&f, "large", "1e9 + 1.5e1 + 2E-1").unwrap();
    assert_eq!(g.column("large").unwrap().f64().unwrap().get(0), Some(1_000_000_015.2));
    assert_eq!(frame::select(&f, &list(&["n", "kl"])).unwrap().get_column_names(), ["n", "kl"]);
    refused(frame::select(&f, &list(&["n", "kll"])), &["Did you mean 'kl'"]);
    refused(frame::select(&f, &list(&["n", "n"])), &["'n' twice"]);
    assert_eq!(frame::drop(&f, &list(&["kind", "most"])).unwrap().width(), 6);
    assert!(frame::rename(&f, "kl", "n").is_err());
    let d = frame::describe(t.frame()).unwrap();
    assert_eq!(text(&d, "type"), ["categories", "float", "int", "bool", "text"]);
    assert_eq!(text(&d, "missing"), ["1", "1", "0", "0", "0"]);
    assert_eq!(d.column("median").unwrap().f64().unwrap().get(1), Some(2.0));
    assert_eq!(frame::records(t.frame()).unwrap()[4]["cell type"], "d'x");
}

#[test]
fn groups_are_sorted_by_their_keys() {
    let t = spots();
    let values = list(&["mean(kl) AS kl", "count(*) AS n", "max(n) AS most"]);
    let g = frame::group(t.frame(), &list(&["layer"]), &values).unwrap();
    assert_eq!(text(&g, "layer"), ["WM", "L1", "L2", "-"]);
    assert_eq!(text(&g, "kl"), ["3.0", "3.0", "0.5", "1.0"]);
    assert_eq!(text(&g, "n"), ["2", "2", "1", "1"]);
    assert!(matches!(g.column("layer").unwrap().dtype(), DataType::Enum(..)));
    let g = frame::group(t.frame(), &list(&["dark", "layer"]), &[]).unwrap();
    assert_eq!((text(&g, "layer")[0].as_str(), g.width()), ("WM", 3));
    refused(
        frame::group(t.frame(), &list(&["layer"]), &list(&["kl"])),
        &["one value a group", "'kl'"],
    );
    let all = frame::group(t.frame(), &[], &list(&["median(kl) AS m", "count(*) AS n"])).unwrap();
    assert_eq!((text(&all, "m"), text(&all, "n")), (list(&["2.0"]), list(&["6"])));
    refused(frame::group(t.frame(), &[], &list(&["kl"])), &["one value of all rows"]);
    refused(frame::group(t.frame(), &list(&["layr"]), &[]), &["Did you mean 'layer'"]);
}

#[test]
fn measurements_are_no_groups() {
    let of = |values: &[f64]| table::labels(&Column::new("x".into(), values));
    let some = |name: &str| Some(name.to_owned());
    // Whole numbers become floats where some are missing.
    assert_eq!(of(&[2.0, f64::NAN, -1.0]).unwrap(), [some("2"), None, some("-1")]);
    assert_eq!(
        table::labels(&Column::new("x".into(), [Some("a"), None])).unwrap(),
        [some("a"), None]
    );
    refused(of(&[1.0, 0.25]), &["column 'x'", "whole numbers", "0.25", "with_column"]);
    refused(of(&[1.0, f64::INFINITY]), &["inf"]);
}

#[test]
fn tables_are_joined_sorted_and_thinned() {
    let t = spots();
    let sizes = df!("layer" => ["L1", "WM", "L6"], "size" => [10, 20, 30]).unwrap();
    let on = list(&["layer"]);
    let join = |how: &str| frame::join(t.frame(), &sizes, &on, how.parse().unwrap()).unwrap();
    let left = join("left");
    assert_eq!(text(&left, "size"), ["-", "10", "20", "10", "-", "20"]);
    assert!(matches!(left.column("layer").unwrap().dtype(), DataType::Enum(..)));
    assert_eq!((join("inner").height(), join("full").height()), (4, 7));
    assert_eq!((join("semi").height(), join("anti").height()), (4, 2));
    refused("outr".parse::<frame::Join>(), &["left, inner, full"]);
    let numbers = df!("layer" => [1, 2]).unwrap();
    refused(
        frame::join(t.frame(), &numbers, &on, frame::Join::Left),
        &["the same sort of values", "CAST"],
    );
    refused(
        frame::join(t.frame(), &numbers, &list(&["n"]), frame::Join::Left),
        &["the second", "'n'"],
    );
    let sorted = frame::sort(t.frame(), &list(&["layer", "kl"]), false).unwrap();
    assert_eq!(text(&sorted, "layer"), ["WM", "WM", "L1", "L1", "L2", "-"]);
    let sorted = frame::sort(t.frame(), &list(&["n"]), true).unwrap();
    assert_eq!(text(&sorted, "cell type"), ["a", "c", "a", "a", "b", "d'x"]);
    assert_eq!(text(&frame::unique(t.frame(), &list(&["n"])).unwrap(), "n"), ["3", "1", "2"]);
    let draw = |seed| frame::sample(t.frame(), 4, seed).unwrap();
    assert!(draw(1).equals_missing(&draw(1)));
    refused(frame::sample(t.frame(), 7, 1), &["at most 6"]);
}

#[test]
fn a_table_is_joined_to_row_names() {
    let mut t = spots();
    let more = df!("barcode" => ["s5-1", "s1-1", "x"], "score" => [0.5, 0.1, 0.9]).unwrap();
    assert_eq!(frame::attach(&mut t, &more, "barcode").unwrap(), 2);
    assert_eq!(t.f64("score").unwrap()[5], 0.5);
    assert!(t.f64("score").unwrap()[0].is_nan());
    refused(frame::attach(&mut t, &more, "barcode"), &["'score' in both", "t.drop(\"score\")"]);
    refused(frame::attach(&mut t, &more, "barcod"), &["Did you mean 'barcode'"]);
    let twice = df!("b" => ["s1-1", "s1-1"], "z" => [1, 2]).unwrap();
    refused(frame::attach(&mut t, &twice, "b"), &["'s1-1' twice"]);
    let other = df!("b" => ["s1", "s2"], "z" => [1, 2]).unwrap();
    refused(frame::attach(&mut t, &other, "b"), &["no match", "'s0-1'", "'s1'"]);
}

const PANDAS: &str = r#"
import sys
import numpy as np, pandas as pd
for path in sys.argv[1:]:
    t = pd.read_csv(path, sep="," if ".csv" in path else "\t", index_col=0)
    assert list(t.index) == [f"s{i}-1" for i in range(6)] and t.index.name == "_index"
    assert t["kl"].isna().tolist() == [False, False, True, False, False, False]
    assert t["kl"][3] == 4 and t["n"].dtype == np.int64 and t["n"].tolist() == [3, 1, 2, 3, 1, 2]
    assert t["layer"].fillna("-").tolist() == ["L2", "L1", "WM", "L1", "-", "WM"]
    assert t["cell type"].tolist() == ["a", "b", "a", "c", "d'x", "a"]
    assert t["dark"].tolist() == [True, False] * 3
out = sys.argv[1].rsplit("/", 1)[0]
t.to_csv(f"{out}/pandas.csv"); t.to_csv(f"{out}/pandas.tsv.gz", sep="\t"); t.to_csv(f"{out}/bom.csv", encoding="utf-8-sig")
t.to_csv(f"{out}/german.csv", sep=";", decimal=",")
"#;

#[test]
fn obs_goes_to_pandas_and_comes_back() {
    let Some(python) = common::python() else { return };
    let out = folder();
    let whole = spots().with_index().unwrap();
    let paths = ["t.csv", "t.tsv", "t.csv.gz", "t.txt.gz"].map(|n| out.path().join(n));
    for path in &paths {
        io::table::write(path, &whole).unwrap();
    }
    let args: Vec<&Path> = paths.iter().map(|p| p.as_path()).collect();
    common::run_python(&python, PANDAS, &args);
    for name in ["t.csv", "t.txt.gz", "pandas.csv", "pandas.tsv.gz", "bom.csv"] {
        let back = io::table::read(&out.path().join(name)).unwrap();
        assert_eq!(
            back.get_column_names(),
            ["_index", "layer", "kl", "n", "dark", "cell type"],
            "{name}"
        );
        for c in ["_index", "layer", "n", "dark", "cell type"] {
            assert_eq!(text(&back, c), text(&whole, c), "{name} {c}");
        }
        assert_eq!(back.column("kl").unwrap().f64().unwrap().get(1), Some(2.0));
    }
    let german = TableConfig { decimal_comma: true, ..TableConfig::default() };
    let back = io::table::read_with(&out.path().join("german.csv"), &german).unwrap();
    assert_eq!(back.column("kl").unwrap().f64().unwrap().get(0), Some(0.5));
}

#[test]
fn parquet_keeps_types_and_another_reader_agrees() {
    let out = folder();
    let whole = spots().with_index().unwrap();
    let path = out.path().join("t.parquet");
    io::table::write(&path, &whole).unwrap();
    let back = io::table::read(&path).unwrap();
    // Categories come back as text.
    let mut text = whole.clone();
    let layer = whole.column("layer").unwrap().cast(&DataType::String).unwrap();
    text.with_column(layer).unwrap();
    assert_eq!(back.dtypes(), text.dtypes());
    assert!(back.drop("kl").unwrap().equals_missing(&text.drop("kl").unwrap()));
    // pyarrow is not in the tests' Python, so Apache's Rust reader stands in for it.
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = |p: &Path| SerializedFileReader::new(std::fs::File::open(p).unwrap()).unwrap();
    let theirs: Vec<String> = reader(&out.path().join("t.parquet"))
        .get_row_iter(None)
        .unwrap()
        .map(|r| r.unwrap().to_string())
        .collect();
    assert_eq!(theirs.len(), 6);
    assert!(theirs[1].contains("_index: \"s1-1\"") && theirs[1].contains("n: 1"), "{}", theirs[1]);
    assert!(theirs[4].contains("layer: null") && theirs[4].contains("dark: true"), "{}", theirs[4]);
    // What pyarrow wrote, both ways.
    let Some(path) = common::data("xenium_bone_marrow/cells.parquet") else { return };
    let ours = io::table::read(&path).unwrap();
    let sum: f64 = spatia::data::table::numbers(ours.column("transcript_counts").unwrap())
        .unwrap()
        .iter()
        .sum();
    let file = reader(&path);
    let mut theirs = 0.0;
    for row in file.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let (_, value) = row.get_column_iter().find(|(n, _)| *n == "transcript_counts").unwrap();
        theirs += value.to_string().parse::<f64>().unwrap();
    }
    assert_eq!((ours.height(), sum), (84_518, theirs));
}

#[test]
fn tables_of_text_are_read_with_care() {
    let out = folder();
    let read = |text: &str| {
        let path = out.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        io::table::read(&path)
    };
    assert_eq!(
        read("a,a,,b\n1,2,3,4\n").unwrap().get_column_names(),
        ["a", "a-1", "column_3", "b"]
    );
    assert_eq!(read("a b\tc\n1\t2\n").unwrap().get_column_names(), ["a b", "c"]);
    assert_eq!(text(&read("a,b\n\"x,1\",NA\n\"y\"\"z\",\n").unwrap(), "a"), ["x,1", "y\"z"]);
    assert_eq!(read("a,b\n").unwrap().shape(), (0, 2));
    assert_eq!(read("b\tc\nr1\t1\t2\n").unwrap().get_column_names(), ["row_name", "b", "c"]);
    assert_eq!(read("\n\na,b\n1,2").unwrap().shape(), (1, 2));
    refused(read("a,b\n1,2\n1,2,3\n"), &["line 3", "2 columns", "found 3"]);
    refused(read("a,b\n1,2\n1\n"), &["line 3", "found 1"]);
    refused(read(""), &["empty file"]);
    std::fs::write(out.path().join("t.csv"), b"a,b\n1,\xe9\n").unwrap();
    refused(io::table::read(&out.path().join("t.csv")), &["line 2", "UTF-8"]);
    let headless = TableConfig { header: false, ..TableConfig::default() };
    std::fs::write(out.path().join("t.csv"), "1,2\n3,4\n").unwrap();
    let f = io::table::read_with(&out.path().join("t.csv"), &headless).unwrap();
    assert_eq!(f.get_column_names(), ["column_1", "column_2"]);
    assert_eq!(f.height(), 2);
}

#[test]
fn groups_go_to_the_viewers() {
    let out = folder();
    let t = spots();
    let path = out.path().join("layer.csv");
    export::loupe(&t, "layer", &path).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "Barcode,layer\ns0-1,L2\ns1-1,L1\ns2-1,WM\ns3-1,L1\ns5-1,WM\n"
    );
    let mut config = XeniumGroupsConfig::default();
    refused(export::xenium(&t, "n", &path, &config), &["groups", "quantities", "CAST(n AS"]);
    let mut named = t.clone();
    let numbers = frame::with(&t.with_index().unwrap(), "n", "CAST(n AS VARCHAR)").unwrap();
    named.set(numbers.column("n").unwrap().clone()).unwrap();
    export::xenium(&named, "n", &path, &config).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("cell_id,group\ns0-1,3\n"));
    config.colors.insert("WM".into(), "#aabbcc".into());
    export::xenium(&t, "layer", &path, &config).unwrap();
    let said = std::fs::read_to_string(&path).unwrap();
    assert!(
        said.starts_with("cell_id,group,color\ns0-1,L2,\n") && said.contains("s2-1,WM,#aabbcc")
    );
    refused(export::loupe(&t, "kl", &path), &["groups", "quantities"]);
    refused(export::loupe(&t, "layer", &out.path().join("layer.txt")), &["a file .csv"]);
    config.colors.insert("L7".into(), "red".into());
    refused(export::xenium(&t, "layer", &path, &config), &["'red' for 'L7'"]);
    config.colors.insert("L7".into(), "#000000".into());
    refused(export::xenium(&t, "layer", &path, &config), &["a group 'L7'", "Did you mean"]);
}
