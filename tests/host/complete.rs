//! Completion: texts with the cursor at `|`.

use std::sync::Arc;

use spatia::host::Session;
use spatia::host::complete::{Completions, byte_at, complete, point_at};
use spatia::host::inspect::{Detail, inspect};
use spatia::script::Known;

use crate::common::Recorder;

/// What the session of these tests knows.
pub fn known() -> Arc<Known> {
    let mut session = Session::new(Recorder::new());
    for cell in [
        "let ds = sim::tissue(#{ spots: 60, genes: 40, domains: 3, seed: 1 })
         ds.normalize()
         ds.uns[\"note\"] = \"mine\"
         let g = graph::knn(ds, #{ k: 6 })
         ds.obsp[\"near\"] = g
         let table = ds.obs.table()
         let settings = #{ epochs: 3, inner: #{ depth: 2 } }
         let count = 60
         let label = \"a text\"",
        "/// Doubles a number.\n///\n/// As often as asked.\nfn twice(number) {\n    2 * number\n}",
        "import \"gvae\" as vae",
    ] {
        session.cell(cell).outcome.unwrap();
    }
    session.names().get()
}

/// The text without the `|` and the place of it.
pub fn split(text: &str) -> (String, usize) {
    let at = text.find('¦').unwrap_or_else(|| panic!("{text} has no cursor"));
    (text.replacen('¦', "", 1), at)
}

pub fn at(known: &Known, text: &str) -> Completions {
    let (text, cursor) = split(text);
    let found = complete(known, &text, cursor);
    assert!(found.start <= cursor && cursor <= found.end, "{text}: {}..{}", found.start, found.end);
    assert!(text.is_char_boundary(found.start) && text.is_char_boundary(found.end), "{text}");
    found
}

pub fn texts(found: &Completions) -> Vec<&str> {
    found.matches.iter().map(|m| m.text.as_str()).collect()
}

/// Text with the cursor at `¦`; what must be offered; what must not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("ds.to_js¦", &["to_json"], &[]),
    // Names.
    ("¦", &["ds", "g", "settings", "twice", "vae", "graph", "tensor", "let", "print"], &["knn"]),
    ("co¦", &["count", "const", "continue"], &["ds"]),
    ("let again = tw¦", &["twice"], &["let"]),
    ("fn half(amount) { am¦", &["amount"], &[]),
    ("let mine = 3\nmi¦", &["mine"], &[]),
    ("fn half(x) { x / 2 }\nha¦", &["half"], &[]),
    ("for spot in 0..3 { sp¦ }", &["spot"], &[]),
    ("import \"gvae\" as other\not¦", &["other"], &[]),
    ("let ¦", &[], &["ds"]),
    ("fn ¦", &[], &["ds"]),
    ("fn half(¦", &[], &["ds"]),
    // Modules.
    ("graph::¦", &["knn", "radius", "delaunay"], &["twice", "ds"]),
    ("graph::kn¦(ds)", &["knn"], &["radius"]),
    ("vae::¦", &["keep", "labels"], &["knn"]),
    ("import \"gvae\" as now\nnow::sa¦", &["save_run"], &[]),
    ("import \"gv¦", &["gvae"], &[]),
    ("import \"¦\" as x", &["gvae"], &[]),
    // Members.
    ("ds.¦", &["obs", "filter", "select_hvg", "copy"], &["knn", "ds", "push"]),
    ("ds.sel¦", &["select", "select_genes", "select_hvg"], &["filter"]),
    ("ds.obs.¦", &["names", "table", "index"], &["filter"]),
    ("ds.obs[\"purity\"].me¦", &["mean"], &[]),
    ("graph::knn(ds).¦", &["n_spots", "moran"], &["filter"]),
    ("graph::knn(ds, #{ k: 6 }).mo¦", &["moran"], &[]),
    ("ds.copy().filter(#{ min_counts: 1 }).¦", &["n_obs"], &[]),
    ("(ds).n_¦", &["n_obs", "n_vars"], &[]),
    ("ds\n    .normalize()\n    .lo¦", &["log1p"], &[]),
    ("plot::spatial(ds, \"purity\").¦", &["save"], &["filter"]),
    ("label.¦", &["len", "to_upper", "contains"], &["filter_spots", "n_obs"]),
    ("\"a\".to_¦", &["to_upper"], &["to_tensor"]),
    ("[1, 2].¦", &["push", "len", "map"], &["n_obs"]),
    ("settings.¦", &["epochs", "inner", "keys"], &["n_obs"]),
    ("settings.inner.¦", &["depth"], &["epochs"]),
    ("settings[\"¦", &["epochs", "inner"], &[]),
    ("let fresh = data::read(\"x.h5ad\")\nfresh.n_¦", &["n_obs"], &[]),
    ("let near = graph::knn(ds)\nnear.n_¦", &["n_edges"], &["n_obs"]),
    ("let t = table.filter(\"purity > 0\").sort(\"purity\")\nt.he¦", &["head"], &[]),
    ("fn f(x) { x.sav¦ }", &["save"], &[]),
    // Options.
    ("graph::knn(ds, #{ ¦", &["k", "sample_key"], &["ds", "radius"]),
    ("graph::knn(ds, #{ k: 6, ¦ })", &["sample_key"], &["k"]),
    ("graph::knn(ds, #{ ¦, k: 6 })", &["sample_key"], &["k"]),
    ("ds.select_hvg(#{ n_t¦", &["n_top"], &["flavor"]),
    ("ds.select_hvg(#{ flavor: \"¦", &["seurat", "cell_ranger", "seurat_v3"], &["purity"]),
    ("ds.select_hvg(#{ flavor: ¦ })", &["\"seurat_v3\"", "label"], &["n_top"]),
    ("ds.select_hvg(#{ n_top: co¦", &["count"], &["n_top"]),
    ("models::gvae(ds, #{\n    hidden_dim: 8,\n    lat¦\n})", &["latent_dim"], &[]),
    ("plot::spatial(ds, \"purity\", #{ cmap: \"m¦", &["magma"], &["viridis"]),
    ("let m = #{ ¦", &["ds"], &["k"]),
    ("ds.filter(#{ obs: #{ ¦ } })", &["purity"], &["min_counts"]),
    ("graph::knn(ds, #{ sample_key: \"dom¦", &["domain_true"], &[]),
    // Names of the data.
    ("ds.obs[\"¦", &["purity", "domain_true"], &["Gene01"]),
    ("ds.obs[\"pur¦\"]", &["purity"], &["domain_true"]),
    ("ds.obs[\"true¦\"]", &["domain_true"], &["purity"]),
    ("ds.obsm[\"¦", &["spatial"], &["purity"]),
    ("ds.layers[\"c¦", &["counts"], &["spatial"]),
    ("ds.layers[\"¦", &["counts", "X"], &[]),
    ("ds.obsp[\"¦", &["near"], &["purity"]),
    ("ds.uns[\"¦", &["note"], &["purity"]),
    ("ds.copy().obs[\"¦", &["purity"], &[]),
    ("ds = ds.filter(#{ min_counts: 1 })\nds.obs[\"¦", &["purity"], &[]),
    ("let two = ds.copy()\ntwo.obs[\"¦", &["purity"], &[]),
    ("plot::spatial(ds, \"¦", &["purity", "Gene01"], &["spatial"]),
    ("plot::spatial(ds, \"gene0¦", &["Gene01"], &["purity", "Gene11"]),
    ("ds.gene(\"¦", &["Gene01"], &["purity"]),
    ("ds.score_genes([\"Gene01\", \"¦", &["Gene02"], &["purity"]),
    ("graph::knn(ds).moran(ds, #{ genes: [\"¦", &["Gene01"], &["purity"]),
    ("ds.select(\"pur¦", &["purity"], &["domain_true"]),
    ("ds.select(\"purity > 0.1 AND dom¦", &["domain_true"], &["purity"]),
    ("ds.select(\"domain_true = 'D¦", &["D1", "D2", "D3"], &["domain_true"]),
    ("table[\"¦", &["purity"], &["Gene01"]),
    ("table.sort(\"¦", &["purity"], &[]),
    ("table.select([\"purity\", \"¦", &["domain_true"], &[]),
    ("table.filter(\"¦", &["purity"], &["D1"]),
    ("ds.obs.table()[\"¦", &["purity"], &[]),
    ("ds.obs.table().group(\"dom¦", &["domain_true"], &[]),
    ("models::load(\"x\", \"¦", &["cpu", "cuda"], &[]),
    // Texts, comments, numbers.
    ("// ds.¦", &[], &["obs"]),
    ("/* ds.¦", &[], &["obs"]),
    ("1¦", &[], &["ds"]),
    ("\"just text d¦", &[], &["ds"]),
    ("`spots: ${ds.n_¦}`", &["n_obs"], &[]),
    ("`spots: ${ds.n_obs} and d¦`", &[], &["ds"]),
    ("'c¦", &[], &["ds"]),
    ("\"ds\" /* x */ + co¦", &["count"], &[]),
    // The middle of a text.
    ("ds.fil¦ter(#{})", &["filter"], &["select"]),
    ("let a = co¦\nlet b = 2", &["count"], &[]),
    ("ds.obs[\"𝒳\"]; ds.fi¦", &["filter"], &[]),
    ("ds.obs[\"𝒳¦", &[], &["purity"]),
    // Letters in order, where nothing begins so.
    ("ds.slhvg¦", &["select_hvg"], &["filter"]),
    ("ds.HVG¦", &["select_hvg"], &["filter"]),
    // Commands, magics, questions.
    (":¦", &[":quit", ":dep"], &["ds"]),
    (":qu¦", &[":quit"], &[":dep"]),
    ("%%ru¦", &["%%rust"], &[":quit"]),
    ("?tw¦", &["twice"], &["ds"]),
    ("??ds.fi¦", &["filter"], &[]),
    ("%%rust\nds.¦", &[], &["obs"]),
    ("%%time\nds.fi¦", &["filter"], &[]),
    ("let a = 1\n:q¦", &[], &[":quit"]),
];

#[test]
fn what_can_stand_at_the_cursor_is_offered() {
    let known = known();
    let mut wrong = Vec::new();
    for (text, wanted, unwanted) in CASES {
        let found = at(&known, text);
        let found = texts(&found);
        let shown = &found[..found.len().min(12)];
        for w in wanted.iter().filter(|w| !found.contains(w)) {
            wrong.push(format!("{text:?} lacks {w}: {shown:?}"));
        }
        for u in unwanted.iter().filter(|u| found.contains(u)) {
            wrong.push(format!("{text:?} offers {u}: {shown:?}"));
        }
        if wanted.is_empty() && unwanted.is_empty() {
            wrong.push(format!("{text:?} asks for nothing"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_put_in_replaces_what_was_written() {
    let known = known();
    for (text, chosen, result) in [
        ("ds.fil¦ter(#{})", "filter", "ds.filter(#{})"),
        ("ds.obs[\"pur¦\"].mean()", "purity", "ds.obs[\"purity\"].mean()"),
        ("ds.obs[\"pu¦rity\"]", "purity", "ds.obs[\"purity\"]"),
        ("ds.obs[\"pur¦", "purity", "ds.obs[\"purity"),
        ("ds.select(\"pur¦ > 0.1\")", "purity", "ds.select(\"purity > 0.1\")"),
        ("  %%ru¦", "%%rust", "  %%rust"),
        ("?tw¦", "twice", "?twice"),
        ("𝒳𝒳(gra¦)", "graph", "𝒳𝒳(graph)"),
    ] {
        let found = at(&known, text);
        assert!(texts(&found).contains(&chosen), "{text}: {:?}", texts(&found));
        let (plain, _) = split(text);
        let after = format!("{}{chosen}{}", &plain[..found.start], &plain[found.end..]);
        assert_eq!(after, result);
    }
}

#[test]
fn matches_say_what_they_are() {
    let known = known();
    for (text, name, kind, note) in [
        ("¦", "ds", "variable", "Dataset, 60 spots x 40 genes"),
        ("¦", "twice", "function", "twice(number)  Doubles a number."),
        ("graph::¦", "knn", "function", "graph::knn(ds: Dataset, options: map) -> Graph"),
        ("graph::knn(ds, #{ ¦", "k", "option", "int, default 6"),
        ("ds.select_hvg(#{ ¦", "flavor", "option", "\"seurat\" or \"cell_ranger\""),
        ("ds.obs[\"¦", "domain_true", "column", "3 groups: D1, D2, D3"),
        ("ds.obsm[\"¦", "spatial", "key", "[60, 2]"),
        ("ds.¦", "n_obs", "property", "How many spots"),
        ("ds.¦", "filter", "method", "Drops spots"),
    ] {
        let found = at(&known, text);
        let m = found.matches.iter().find(|m| m.text == name).unwrap_or_else(|| panic!("{text}"));
        assert!(m.kind == kind && m.note.contains(note), "{text}: {m:?}");
    }
}

#[test]
fn paths_are_completed_where_a_path_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("samples")).unwrap();
    for name in ["tissue.h5ad", "notes.rhai", ".hidden"] {
        std::fs::write(root.join(name), "fn f() { 1 }").unwrap();
    }
    let known = Known::default();
    let offered = |text: &str| {
        let found = at(&known, &text.replace('@', &root.display().to_string()));
        texts(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (text, wanted) in [
        ("data::read(\"@/¦", &["notes.rhai", "samples/", "tissue.h5ad"][..]),
        ("data::read(\"@/ti¦\")", &["tissue.h5ad"]),
        ("anything(\"@/ti¦\")", &["tissue.h5ad"]),
        ("ds.write(\"@/samples/../ti¦", &["tissue.h5ad"]),
        ("data::read(\"@/.hi¦", &[".hidden"]),
        ("import \"@/¦\" as n", &["notes", "samples/"]),
        ("data::read(\"@/nowhere/¦", &[]),
    ] {
        assert_eq!(offered(text), wanted, "{text}");
    }
}

#[test]
fn no_text_and_no_place_is_too_much() {
    let known = known();
    let odd = [
        "ds.obs[\"",
        "`${`${",
        "#{#{#{",
        "((((",
        "))))",
        "\"\\",
        "ds..",
        "::::",
        ".",
        "#\"",
        "'",
        "/*/*",
        "𝒳.𝒳",
        "let a = a",
        "let a = b\nlet b = a\na.",
        "fn f(",
        "ds.select('",
        "%",
        ":",
        "?",
        "%% %%\n",
        "|a, b| a",
        "ds?.obs?[\"",
        "switch ds { 1 => ds.",
        "e\u{301}.e\u{301}",
    ];
    for text in odd.iter().copied().chain(CASES.iter().map(|(text, ..)| *text)) {
        for cursor in 0..=text.len() + 2 {
            let found = complete(&known, text, cursor);
            assert!(found.start <= found.end && found.end <= text.len(), "{text:?} at {cursor}");
            assert!(text.get(found.start..found.end).is_some(), "{text:?} at {cursor}");
            inspect(&known, text, cursor, Detail::Whole);
        }
    }
}

/// Each value is found once: were they followed anew at each place, this would never end.
#[test]
fn long_cells_are_read_to_their_last_line() {
    let known = known();
    for (line, ask, wanted) in [
        ("far = far.filter(far, 1)\n", "far.¦", "n_obs"),
        ("far = far.filter(far, far.filter(far.copy(), far))\n", "far.sel¦", "select_hvg"),
        ("far = (far).copy()\nnear = far.copy()\nfar = near.copy()\n", "far.obs[\"pu¦", "purity"),
        ("far = far.filter(twice(far), 1)\n", "graph::knn(far, far.copy(), #{ ¦", "k"),
        ("far = twice(far, far)\n", "ds.sel¦", "select_hvg"),
    ] {
        for lines in [1, 200, 2000] {
            let text = format!("let far = ds.copy()\n{}{ask}", line.repeat(lines));
            let found = at(&known, &text);
            assert!(texts(&found).contains(&wanted), "{line}, {lines}: {:?}", texts(&found));
        }
    }
    // What is nested too deep to follow is unknown, and nothing worse.
    let deep = format!("let far = {}ds{}\nfar.¦", "(".repeat(20_000), ")".repeat(20_000));
    assert!(texts(&at(&known, &deep)).contains(&"n_obs"));
    let deep = format!("let far = ds{}\nfar.¦", ".copy()".repeat(20_000));
    assert!(texts(&at(&known, &deep)).contains(&"n_obs"));
}

#[test]
fn places_are_counted_as_jupyter_counts() {
    let text = "𝒳é.a";
    for (point, byte) in [(0, 0), (1, 4), (2, 6), (3, 7), (4, 8), (9, 8)] {
        assert_eq!(byte_at(text, point), byte);
        assert_eq!(point_at(text, byte), point.min(4));
    }
}

#[test]
fn a_snapshot_shares_the_names_of_genes_and_follows_the_session() {
    let mut session = Session::new(Recorder::new());
    session.cell("let ds = sim::tissue(#{ spots: 30, genes: 20, domains: 2 })").outcome.unwrap();
    let genes = |s: &Session| s.names().get().variable("ds").unwrap().genes.clone().unwrap();
    let first = genes(&session);
    session.cell("1").outcome.unwrap();
    assert!(Arc::ptr_eq(&first, &genes(&session)), "the names were copied");
    session.cell("ds.select_hvg(#{ n_top: 5 })").outcome.unwrap();
    assert_eq!(genes(&session).len(), 5);
    assert_eq!(first.len(), 20, "an earlier snapshot has changed");
    session.cell("let ds = 3\nfn twice(a) { a + a }").outcome.unwrap();
    let now = session.names().get();
    assert_eq!(now.variable("ds").unwrap().kind, "int");
    assert_eq!(now.functions.len(), 1);
    session.cell("fn twice(a) { 2 * a }").outcome.unwrap();
    let now = session.names().get();
    assert_eq!(now.functions.len(), 1);
    assert!(now.functions[0].text.contains("2 * a"), "{}", now.functions[0].text);
}
