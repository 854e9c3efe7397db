//! The language: statements without semicolons, parameters, errors, documentation, the suite of
//! scripts, and the command line.

mod analyses;
mod bad_input;
mod command_line;
mod documentation;
mod options;
mod source;
mod suite;

use ndarray::{Array3, arr1, arr2};
use spatia::data::Uns;
use spatia::host::Session;
use spatia::io;
use spatia::script::{Failure, Interpreter};
use spatia::sim::{self, TissueConfig};

/// A session whose prints are dropped.
fn session() -> Session {
    Session::new(crate::common::Recorder::new())
}

/// The last value as it is shown, "" for none.
fn shown(text: &str) -> Result<String, Failure> {
    Ok(session().eval(text, "test.rhai")?.map(|s| s.plain().to_owned()).unwrap_or_default())
}

#[test]
fn variables_functions_and_imports_last() {
    let mut s = session();
    s.eval("let a = 1\nfn add(n) { a + n }", "[1]").unwrap();
    assert_eq!(s.eval("add(2)", "[2]").unwrap().unwrap().plain(), "3");
    s.eval("a = 10", "[3]").unwrap();
    assert_eq!(s.eval("add(2)", "[4]").unwrap().unwrap().plain(), "12");
    s.eval("let a = 100", "[5]").unwrap();
    assert_eq!(s.eval("add(2)", "[6]").unwrap().unwrap().plain(), "102");
    s.eval("fn add(n) { a - n }", "[7]").unwrap();
    assert_eq!(s.eval("add(2)", "[8]").unwrap().unwrap().plain(), "98");
    s.eval("oops(1)", "[9]").unwrap_err();
    assert_eq!(s.eval("add(1)", "[10]").unwrap().unwrap().plain(), "99");
}

#[test]
fn functions_see_and_change_variables_but_no_constants() {
    for (text, expected) in [
        ("fn f() { n }\nlet n = 1\nn += 1\nf()", "2"),
        ("let n = 5\nfn f(n) { n }\nf(7)", "7"),
        ("let n = 5\nfn f() { let n = 9; n }\nf() + n", "14"),
        ("let n = 5\nfn f() { g() }\nfn g() { n }\nf()", "5"),
        ("let n = 5\nconst M = 2\nfn f() { n * M }\nf()", "10"),
        ("let a = [1, 2]\nfn f(i) { a[i] }\nfor i in 0..3 { a.push(i) }\nf(4)", "2"),
        ("let n = 1\nfn f(k) { if k == 0 { n } else { f(k - 1) } }\nf(5)", "1"),
        ("let n = 1\nlet add = |x| x + n\nfn twice(g) { g.call(1) + n }\ntwice(add)", "3"),
        ("fn f() { n }\nfor n in 0..3 { }\nlet n = 4\nif true { return f() }\n0", "4"),
        ("let x = 2.5\nfn f() { x + 1 }\nf()", "3.5"),
        ("let n = 1\nfn f() { n = 2 }\nf()\nn", "2"),
        ("let n = 1\nfn f() { n += 2 }\nf()\nn", "3"),
        ("let a = [1]\nfn f() { a.push(2) }\nf()\na", "[1, 2]"),
    ] {
        assert_eq!(shown(text).unwrap(), expected, "{text}");
    }
    let e = shown("const N = 1\nfn f() { N = 2 }\nf()").unwrap_err();
    assert!(e.message.contains("constant"), "{e:?}");
}

#[test]
fn a_function_changes_an_object_behind_a_variable() {
    let text = "let ds = sim::tissue(#{ spots: 30, genes: 10, domains: 2 })
        fn mark() { ds.obs[\"again\"] = ds.obs[\"purity\"] }
        mark()
        ds.obs.names().contains(\"again\")";
    assert_eq!(shown(text).unwrap(), "true");
}

/// What files hold in `uns` comes with its shape and type; a picture is a tensor.
#[test]
fn arrays_of_uns_keep_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5ad");
    let mut ds =
        sim::tissue(&TissueConfig { spots: 30, genes: 10, domains: 2, ..Default::default() })
            .unwrap();
    for (name, value) in [
        ("ratio", Uns::Singles(arr1(&[0.5, 0.25]).into_dyn())),
        ("affine", Uns::Floats(arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn())),
        ("mask", Uns::Bytes(arr2(&[[0, 1], [255, 2]]).into_dyn())),
        ("picture", Uns::Bytes(Array3::from_shape_fn((4, 2, 3), |(y, ..)| y as u8).into_dyn())),
    ] {
        ds.uns_mut().set(&[name], value);
    }
    io::h5ad::write(&ds, &path).unwrap();
    let mut s = session();
    s.eval(&format!("let uns = data::read(`{}`).uns", path.display()), "[1]").unwrap();
    for (text, expected) in [
        ("uns[\"ratio\"]", "[0.5, 0.25]"),
        ("uns[\"affine\"]", "[[1.0, 2.0], [3.0, 4.0]]"),
        ("uns[\"mask\"][1]", "[255, 2]"),
        ("uns[\"picture\"].shape", "[4, 2, 3]"),
        ("uns[\"picture\"][3][0].to_array()", "[3, 3, 3]"),
    ] {
        assert_eq!(s.eval(text, "[2]").unwrap().unwrap().plain(), expected, "{text}");
    }
    let npy = folder.path().join("picture.npy");
    s.eval(&format!("uns[\"picture\"].save(`{}`)", npy.display()), "[3]").unwrap();
    assert!(String::from_utf8_lossy(&std::fs::read(&npy).unwrap()).contains("(4, 2, 3)"));
}

#[test]
fn tensors_of_whole_numbers_give_whole_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    // One more than a float holds.
    let large = (1i64 << 53) + 1;
    let ints = arr2(&[[1, 2], [-3, large]]).into_dyn();
    io::exchange::write_array(&path, &io::exchange::Array::I64(ints)).unwrap();
    let mut interpreter = Interpreter::new(crate::common::Recorder::new());
    interpreter.import("t", &path).unwrap();
    let large = large.to_string();
    for (text, expected) in [
        ("t.to_array()", format!("[[1, 2], [-3, {large}]]")),
        ("t[1][1]", large.clone()),
        ("t.max()", large.clone()),
        ("t.min()", "-3".into()),
        ("t.to_json()", format!("\"[[1,2],[-3,{large}]]\"")),
        ("data::table(#{ a: t[1] })[\"a\"].to_array()", format!("[-3, {large}]")),
        (
            "let ds = sim::tissue(#{ spots: 30, genes: 10, domains: 3 }); ds.uns[\"t\"] = t; ds.uns[\"t\"][1][1]",
            large.clone(),
        ),
        ("tensor([1, 2]).to_array()", "[1.0, 2.0]".into()),
        ("tensor([[1, 2]])[0].max()", "2.0".into()),
    ] {
        let found = interpreter.eval(text, "test.rhai").unwrap().unwrap();
        assert_eq!(found.plain(), expected, "{text}");
    }
}

/// Scripts have whole numbers of 63 bits and a sign.
#[test]
fn a_whole_number_too_large_for_scripts_is_refused_and_not_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut interpreter = Interpreter::new(crate::common::Recorder::new());
    let mut import = |text: &str| {
        let path = folder.path().join("n.out.json");
        std::fs::write(&path, text).unwrap();
        interpreter.import("n", &path).map_err(|e| e.to_string())
    };
    assert_eq!(import(&i64::MAX.to_string()), Ok(()));
    assert_eq!(import("1e300"), Ok(()));
    for text in ["18446744073709551615", "{\"a\": [1, 9223372036854775808]}"] {
        let said = import(text).unwrap_err();
        assert!(said.contains("bringing back 'n'"), "{said}");
        assert!(said.contains("at most 9223372036854775807"), "{said}");
        assert!(said.contains("n.to_string()"), "{said}");
    }
}

#[test]
fn an_empty_tensor_is_said_to_be_empty() {
    for call in ["min", "max", "mean"] {
        for tensor in ["tensor([])", "tensor([[], []])"] {
            let said = shown(&format!("{tensor}.{call}()")).unwrap_err().message;
            assert!(said.contains("of a tensor: expected at least one value"), "{said}");
            assert!(said.contains("an empty tensor, of shape ["), "{said}");
            assert!(!said.contains("fault"), "{said}");
        }
    }
    assert_eq!(shown("tensor([[], []]).to_array()").unwrap(), "[[], []]");
    assert_eq!(shown("tensor([]).len()").unwrap(), "0");
}

/// Clusters in a file of pandas are floats where one of them is missing.
#[test]
fn known_labels_are_written_as_integers() {
    let folder = tempfile::tempdir().unwrap();
    for (labels, expected) in [
        ("[1.0, 5.0, 0.0 / 0.0]", [1i64, 5, -1]),
        ("[1, 5, ()]", [1, 5, -1]),
        ("[\"b\", \"a\", ()]", [1, 0, -1]),
    ] {
        let text = format!(
            "import \"gvae\" as gvae
            let ds = sim::tissue(#{{ spots: 30, genes: 10, domains: 3 }})
            let three = {labels}
            let i = -1
            ds.obs[\"layer\"] = ds.obs.index().map(|_| {{ i += 1; three[i % 3] }})
            ds.obs[\"domain\"] = ds.obs[\"domain_true\"]
            gvae::compare(ds, \"layer\", `{}`)",
            folder.path().display()
        );
        session().eval(&text, "test.rhai").unwrap();
        let bytes = std::fs::read(folder.path().join("true_labels.npy")).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("<i8"), "{labels}");
        let values: Vec<u8> = expected.repeat(10).into_iter().flat_map(i64::to_le_bytes).collect();
        assert!(bytes.ends_with(&values), "{labels}");
    }
}

#[test]
fn integers_are_taken_where_floats_are_meant() {
    let tissue =
        "let ds = sim::tissue(#{ spots: 30, genes: 10, domains: 2, library_size: 1000 })\n";
    for text in
        ["ds.normalize(1000)", "ds.normalize(1000.0)", "graph::radius(ds, #{ radius: 150 })"]
    {
        assert!(shown(&format!("{tissue}{text}")).is_ok(), "{text}");
    }
}

#[test]
fn an_error_says_where_and_keeps_its_kind() {
    use spatia::base::Kind;
    for (text, line, column, kind, message) in [
        ("let a = 1\nb + a", 2, 1, Kind::Missing, "no variable 'b'"),
        ("let wonder = 1\nwunder", 2, 1, Kind::Missing, "Did you mean 'wonder'"),
        ("let a = [1\nlet b = 2", 2, 1, Kind::Invalid, "syntax error"),
        ("\n  data::read(\"nowhere.h5ad\")", 2, 9, Kind::Missing, "nowhere.h5ad"),
        ("sim::tissue(#{ spot: 3 })", 1, 6, Kind::Invalid, "Did you mean 'spots'"),
        ("throw \"mine\"", 1, 1, Kind::Invalid, "mine"),
        ("nothing(1)", 1, 1, Kind::Missing, "no function nothing(int)"),
    ] {
        let e = shown(text).unwrap_err();
        assert_eq!(
            (e.place.line, e.place.column, e.kind),
            (line, column, kind),
            "{text}: {}",
            e.message
        );
        assert!(e.message.contains(message), "{text}: {}", e.message);
    }
}

#[test]
fn a_failure_inside_functions_names_the_calls() {
    let e = shown("fn inner() {\n  [1][5]\n}\nfn outer() {\n  inner()\n}\nouter()").unwrap_err();
    assert_eq!(e.place.line, 2);
    let calls: Vec<(&str, usize)> = e.calls.iter().map(|(n, p)| (n.as_str(), p.line)).collect();
    assert_eq!(calls, [("inner", 5), ("outer", 7)]);
}

#[test]
fn a_panic_in_native_code_is_an_error_and_the_session_goes_on() {
    let mut s = session();
    s.eval("let t = tensor([1])", "[1]").unwrap();
    // libtorch has no tensor of that size, and says so by a panic of tch.
    let large =
        "models::gvae(sim::tissue(), #{ hidden_dim: 9223372036854775807, device: \"cpu\" })";
    let e = s.eval(large, "[2]").unwrap_err();
    assert!(e.message.contains("calling models::gvae"), "{}", e.message);
    assert!(e.message.contains("smaller layers"), "{}", e.message);
    assert!(e.message.len() < 300, "{}", e.message);
    assert_eq!(s.eval("t.len()", "[3]").unwrap().unwrap().plain(), "1");
}
