//! Every option of every function, given values of wrong types: what is said is in words of scripts.

use spatia::script::docs::{self, Choice, PRELUDE};

use super::session;

/// Words of Rust, of serde and of JSON.
const FOREIGN: [&str; 31] = [
    "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize", "f32", "f64", "bool", "boolean",
    "enum", "struct", "object", "string", "str", "String", "sequence", "integer", "null",
    "variant", "newtype", "untagged", "Option", "Vec", "tuple", "float", "int", "JSON",
];

#[test]
fn options_of_wrong_types_are_refused_in_words_of_scripts() {
    let folder = tempfile::tempdir().unwrap();
    crate::fixtures::all(folder.path());
    let slide = folder.path().join("slide.ome.tif");
    let mut s = session();
    s.eval(PRELUDE, "prelude").unwrap();
    s.eval(
        &format!(
            "let slide = image::open(`{}`)
            ds.layers[\"counts\"] = ds.x
            let model = models::gvae(ds, #{{ device: \"cpu\", hidden_dim: 4, latent_dim: 2 }})",
            slide.display()
        ),
        "prelude",
    )
    .unwrap();
    let (mut tried, mut wrong) = (0, Vec::new());
    for e in docs::entries() {
        for choice in &e.options {
            for value in unfit(choice) {
                let code = call(e, &format!("#{{ {}: {value} }}", choice.key));
                let Err(f) = s.eval(&code, "test.rhai") else {
                    wrong.push(format!("{code}: taken"));
                    continue;
                };
                tried += 1;
                let said = &f.message;
                let mut words = said.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                if words.any(|w| FOREIGN.contains(&w)) || !said.contains(&choice.key) {
                    wrong.push(format!("{code}: {said}"));
                }
            }
        }
    }
    assert!(tried > 800, "{tried}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A call with these options, of values that its other parameters take.
fn call(e: &docs::Entry, options: &str) -> String {
    let arguments = e.params.iter().map(|(name, kind)| match (name.as_str(), kind.as_str()) {
        ("options", _) => options,
        (_, "Dataset") => "ds",
        (_, "Graph") => "g",
        (_, "Model") => "model",
        (_, "Slide") => "slide",
        (_, "Table") => "ds.obs.table()",
        (_, "array") => "[ds]",
        (_, "int") => "2",
        (_, "text") => "`x`",
        _ => "ds.obsm[\"spatial\"]",
    });
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    let object = match e.owner.as_str() {
        "Dataset" => "ds.",
        "Rows" => "ds.obs.",
        "Graph" => "g.",
        "Slide" => "slide.",
        owner => return format!("{owner}::{}({arguments})", e.bare),
    };
    format!("{object}{}({arguments})", e.bare)
}

/// Values that an option does not take.
fn unfit(choice: &Choice) -> Vec<&'static str> {
    let takes = |kind: &str| choice.kind.split(" or ").any(|k| k == kind);
    let texts = choice.kind.contains('"');
    let mut values = vec!["#{ zzz: #{ max: `x`, zzz: 1 } }", "[#{}]", "[[[`x`]]]", "|x| x", "ds"];
    if !takes("map") {
        values.extend(["#{}", "#{ zzz: 1 }"]);
    } else {
        values.extend(["#{ zzz: 3 }", "#{ zzz: |x| x }"]);
    }
    if !takes("array") {
        values.extend(["[]", "[1]", "[`six`]"]);
    }
    if !takes("int") && !takes("float") {
        values.push("3");
    }
    if !takes("float") {
        values.push("2.5");
    }
    if takes("int") {
        values.extend(["-1", "6.0"]);
    }
    if takes("float") || takes("int") {
        values.push("0.0 / 0.0");
    }
    if !takes("bool") {
        values.push("true");
    }
    if !takes("text") {
        values.extend(if texts { ["`no such`", "``"] } else { ["`six`", "`6`"] });
    }
    values
}

#[test]
fn what_an_option_takes_is_said_with_what_was_found() {
    let mut s = session();
    s.eval(PRELUDE, "prelude").unwrap();
    for (code, expected) in [
        (
            "graph::knn(ds, #{ k: \"six\" })",
            "option knn.k: expected a whole number, found the text \"six\"",
        ),
        ("graph::knn(ds, #{ k: 6.0 })", "expected a whole number, found 6.0. Write 6"),
        ("graph::knn(ds, #{ k: () })", "expected a whole number, found () (nothing)"),
        ("graph::knn(ds, #{ symmetric: 1 })", "expected true or false, found 1"),
        ("ds.select_hvg(#{ flavor: 3 })", "select_hvg.flavor: expected \""),
        (
            "models::prepare(ds, #{ normalize_total: \"x\" })",
            "expected true or false or a number, found the text \"x\"",
        ),
        ("models::gvae(ds, #{ data: \"x\" })", "expected a map, found the text \"x\""),
        ("ds.filter(#{ obs: #{ purity: 3 } })", "filter.obs.purity: expected a map, found 3"),
        ("ds.qc(#{ prefixes: #{ mt: [1] } })", "qc.prefixes.mt[0]: expected a text, found 1"),
        (
            "plot::spatial(ds, \"purity\", #{ limits: [1] })",
            "expected an array of 2 numbers, found an array of 1 value",
        ),
        ("data::read_h5ad(\"x\", #{ obs: 3 })", "expected a text or an array of texts, found 3"),
        ("data::read_visium_hd(\"x\", #{ bin_um: 5000000000 })", "expected at most 4294967295"),
        (
            "graph::knn(ds, #{ k: [ds] })",
            "reading knn.k: expected numbers, texts, true and false, arrays and maps of them, found a Dataset",
        ),
        ("tensor(3)", "there is no function tensor(int)"),
        ("tensor([1, \"a\"])", "of equal length, found the text \"a\" in it"),
        ("tensor([[1], 2])", "found 2 beside rows"),
        ("ds.obs[\"a\"] = [1, \"a\"]", "found 1 among the values"),
        ("ds.obs[\"a\"] = 5", "'a' as one value a row: expected"),
        ("ds.score_genes([1], #{})", "expected an array of texts, found 1 in it"),
        ("data::concat([1])", "an array of datasets, found 1"),
    ] {
        let f = s.eval(code, "test.rhai").unwrap_err();
        assert!(f.message.contains(expected), "{code}\n  {}\n  {expected}", f.message);
    }
}
