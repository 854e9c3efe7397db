//! Inspection, and the definitions that editors read.

use spatia::host::Session;
use spatia::host::inspect::{Detail, inspect};

use super::complete::{at, known, split, texts};
use crate::common::Recorder;

#[test]
fn inspection_shows_what_the_cursor_is_on() {
    let known = known();
    let mut wrong = Vec::new();
    for (text, detail, wanted) in [
        (
            "graph::knn(¦",
            Detail::Summary,
            &["graph::knn(ds: Dataset", "Joins each spot", "sample_key", "default 6"][..],
        ),
        ("graph::knn(ds, #{ k: 6¦ })", Detail::Summary, &["graph::knn(ds: Dataset"]),
        ("graph::kn¦n(ds)", Detail::Summary, &["graph::knn(ds: Dataset"]),
        ("graph::knn¦", Detail::Whole, &["must be below the number of spots"]),
        (
            "graph::knn(ds, #{ k¦: 6 })",
            Detail::Summary,
            &["k, an option of graph::knn", "int", "default 6"],
        ),
        ("ds¦", Detail::Summary, &["ds: Dataset", "60 spots x 40 genes", "obsm"]),
        ("ds¦", Detail::Whole, &["Dataset.filter(options: map) -> Dataset"]),
        ("d¦s.filter()", Detail::Summary, &["ds: Dataset"]),
        ("ds.filter¦", Detail::Summary, &["Dataset.filter(options: map)", "min_counts"]),
        (
            "ds.normalize(¦)",
            Detail::Summary,
            &["Dataset.normalize()", "Dataset.normalize(target: float)"],
        ),
        ("Dataset.filter¦", Detail::Summary, &["Dataset.filter(options: map)"]),
        ("Dataset¦", Detail::Summary, &["Spots by genes", "Dataset.filter"]),
        (
            "ds.obs[\"domain_true¦\"]",
            Detail::Summary,
            &["domain_true: Column", "3 groups: D1, D2, D3"],
        ),
        ("ds.obs[\"domain¦_true\"]", Detail::Summary, &["domain_true: Column"]),
        ("settings.inner¦", Detail::Summary, &["inner: map", "depth"]),
        ("twice(¦3)", Detail::Summary, &["twice(number)", "Doubles a number."]),
        ("twice¦", Detail::Whole, &["2 * number"]),
        ("vae::keep¦", Detail::Summary, &["keep(ds, seen, folder)", "Puts what a model saw"]),
        ("vae::keep¦", Detail::Whole, &["ds.obsm[\"X_gvae\"]"]),
        ("vae¦::keep", Detail::Summary, &["module vae", "save_run"]),
        ("graph¦", Detail::Summary, &["module graph", "graph::delaunay"]),
        ("import \"gva¦e\" as x", Detail::Summary, &["graph VAE"]),
        (":qui¦t", Detail::Summary, &[":quit", "Ends the session"]),
        (":quit¦", Detail::Summary, &[":quit"]),
        ("?ds.filter¦", Detail::Summary, &["Dataset.filter"]),
        ("if¦", Detail::Summary, &["if condition"]),
        ("label.to_upper¦", Detail::Summary, &["to_upper", "upper"]),
        ("let mine = graph::knn(ds)\nmine¦", Detail::Summary, &["mine: Graph"]),
    ] {
        let (plain, cursor) = split(text);
        let Some(found) = inspect(&known, &plain, cursor, detail) else {
            wrong.push(format!("{text:?}: nothing"));
            continue;
        };
        let markdown = found.data["text/markdown"].as_str().unwrap();
        for w in wanted.iter().filter(|w| !found.plain().contains(**w)) {
            wrong.push(format!("{text:?} lacks {w:?}:\n{}", found.plain()));
        }
        assert_eq!(markdown.matches("```").count() % 2, 0, "{markdown}");
        // A line is longer only where it is a signature or code.
        let prose = found.plain().lines().filter(|l| !l.contains('(') && !l.starts_with("    "));
        for long in prose.filter(|l| l.chars().count() > 88) {
            wrong.push(format!("{text:?} has a long line: {long}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for nothing in ["¦", "1 + ¦1", "// ds¦", "unheard_of¦"] {
        let (plain, cursor) = split(nothing);
        assert_eq!(inspect(&known, &plain, cursor, Detail::Summary), None, "{nothing}");
    }
}

#[test]
fn what_cells_have_shown_is_known_by_its_number() {
    let mut session = Session::new(Recorder::new());
    session.cell("sim::tissue(#{ spots: 30, genes: 20, domains: 2 })").outcome.unwrap();
    let known = session.names().get();
    for (text, wanted) in [
        ("Out[1].n_o¦", "n_obs"),
        ("Out[1].obs[\"¦", "purity"),
        ("_.fil¦", "filter"),
        ("Out[¦", "1"),
        ("O¦", "Out"),
    ] {
        let found = at(&known, text);
        assert!(texts(&found).contains(&wanted), "{text}: {:?}", texts(&found));
    }
}

#[test]
fn a_question_answers_in_the_session() {
    let mut session = Session::new(Recorder::new());
    session.cell("let ds = sim::tissue(#{ spots: 30, genes: 20, domains: 2 })").outcome.unwrap();
    for (question, answer) in [
        ("?ds", "30 spots x 20 genes"),
        ("??graph::knn", "must be below"),
        ("ds.filter?", "min_counts"),
    ] {
        let said = session.cell(question).outcome.unwrap().unwrap();
        assert!(said.plain().contains(answer), "{question}: {}", said.plain());
    }
    assert!(session.cell("?nothing_at_all").outcome.is_err());
}

/// The lines of a definition file that are no comments, as the language server's grammar has them:
/// `module NAME;`, `fn [get|set] NAME(NAME: TYPE, ..) -> TYPE;`, `op SIGN(TYPE, ..) -> TYPE;`.
fn misread(text: &str) -> Vec<&str> {
    let name = |t: &str| {
        t.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let kind = |t: &str| {
        t == "?"
            || t == "()"
            || t.split(['<', '>', ',', ' ']).filter(|t| !t.is_empty()).all(|t| name(t) || t == "?")
    };
    let call = |line: &str, params: &dyn Fn(&str) -> bool| {
        let Some((head, rest)) = line.split_once('(') else { return false };
        let (inside, result) =
            rest.rsplit_once(") -> ").unwrap_or((rest.trim_end_matches(')'), "?"));
        let fine = inside.is_empty() || split_params(inside).iter().all(|p| params(p));
        !head.trim().is_empty() && fine && kind(result)
    };
    let fine = |line: &&str| {
        if line.is_empty() || line.trim_start().starts_with("//") {
            return true;
        }
        let Some(line) = line.strip_suffix(';') else { return false };
        if let Some(module) = line.strip_prefix("module ") {
            return name(module.trim_matches('"'));
        }
        let param = |p: &str| {
            p.split_once(": ").is_some_and(|(n, t)| name(n.trim_start_matches("...")) && kind(t))
        };
        match (line.strip_prefix("fn "), line.strip_prefix("op ")) {
            (Some(f), _) => {
                let f = f.strip_prefix("get ").or_else(|| f.strip_prefix("set ")).unwrap_or(f);
                name(f.split('(').next().unwrap_or("")) && call(f, &param)
            }
            (_, Some(op)) => call(op, &|t: &str| kind(t)),
            _ => false,
        }
    };
    text.lines().filter(|l| !fine(&l.trim())).collect()
}

/// Parameters parted by commas that are not inside `<..>`.
fn split_params(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|c: char| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        c == ',' && depth == 0
    });
    parts.map(str::trim).collect()
}

#[test]
fn definition_files_hold_the_language_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("editor");
    assert_eq!(spatia::host::definitions::write(&place), spatia::host::Exit::Success);
    let read = |name: &str| std::fs::read_to_string(place.join(name)).unwrap();
    for (file, wanted) in [
        ("graph.d.rhai", "fn knn(ds: Dataset, options: map) -> Graph;"),
        ("graph.d.rhai", "/// Joins each spot with its nearest others"),
        ("graph.d.rhai", "/// | `k` | int | 6 |"),
        ("__static__.d.rhai", "fn get n_obs(dataset: Dataset) -> int;"),
        ("__static__.d.rhai", "fn select(dataset: Dataset, condition: text) -> Dataset;"),
        ("gvae.d.rhai", "module \"gvae\";"),
        ("gvae.d.rhai", "fn keep(ds: ?, seen: ?, folder: ?) -> ?;"),
        ("README.md", "VS Code"),
    ] {
        assert!(read(file).contains(wanted), "{file} lacks {wanted}");
    }
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&place).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".d.rhai") {
            let text = read(&name);
            wrong.extend(misread(&text).into_iter().map(|line| format!("{name}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(misread("fn index$get$(a: int) -> int;\nfn f(a) -> int;\nlet;").len(), 3);
    // A second time replaces the files, and a folder that cannot be is refused.
    assert_eq!(spatia::host::definitions::write(&place), spatia::host::Exit::Success);
    assert_eq!(
        spatia::host::definitions::write(&place.join("README.md")),
        spatia::host::Exit::Failure
    );
}
