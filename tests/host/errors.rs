//! What errors say, and where.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spatia::base::Kind;
use spatia::host::Session;
use spatia::script::{Console, Output};

use super::language::{TISSUE, failure, session, shown};

#[test]
fn a_mistyped_name_is_compared_with_what_the_object_has() {
    let (mut s, _) = session();
    shown(&mut s, TISSUE);
    shown(&mut s, "import \"gvae\" as gvae\nfn double(x) { 2 * x }");
    for (cell, parts) in [
        (
            "ds.filterr(#{ })",
            &["a Dataset has no method filterr(map)", "Did you mean Dataset.filter(options: map)"]
                [..],
        ),
        ("ds.obz", &["a Dataset has no property 'obz'", "Did you mean Dataset.obs"]),
        ("ds.copy", &["It is a method: Dataset.copy()"]),
        ("ds.n_obs()", &["'n_obs' is a property"]),
        (
            "ds.filter(3)",
            &["a Dataset has no method filter(int)", "There is: Dataset.filter(options: map)"],
        ),
        ("ds.zzzzzz", &["It has: ", "filter", "n_obs"]),
        ("ds.knn()", &["There is: graph::knn(ds: Dataset"]),
        ("ds.n_obs = 3", &["property 'n_obs' of a Dataset cannot be set to int", "read only"]),
        ("graph::kn(ds)", &["Did you mean graph::knn(ds: Dataset, options: map) -> Graph"]),
        (
            "graph::knn(ds, \"a\")",
            &[
                "no function graph::knn(Dataset, text)",
                "There is: graph::knn(ds: Dataset, options: map)",
            ],
        ),
        ("graph::zzzzzz(ds)", &["graph has: ", "delaunay"]),
        ("knn(ds)", &["There is: graph::knn("]),
        ("grph::knn(ds)", &["no module 'grph'", "Did you mean 'graph'"]),
        ("graph.knn(ds)", &["'graph' is a module: write graph::knn("]),
        ("gvae::mpa(ds)", &["Did you mean gvae::map(ds, n_domains, seed, folder)"]),
        ("gvae::map(ds)", &["There is: gvae::map(ds, n_domains"]),
        ("doubel(1)", &["Did you mean double(x)"]),
        ("double(1, 2)", &["no function double(int, int)", "There is: double(x)"]),
        ("[1].pusj(2)", &["an array has no method pusj(int)", "Did you mean array.push("]),
        ("\"a\" - 1", &["'-' does not go with a text and an int"]),
        ("graph::knn(ds, #{ kk: 2 })", &["kk", "Did you mean 'k'"]),
        ("ds[0]", &["type Dataset cannot be indexed by int"]),
        ("ds.obs[\"purty\"]", &["Did you mean 'purity'"]),
        (
            "ds.layers[\"a\"] = 3",
            &[
                "a part of Layers cannot be set to a whole number",
                "Layers[name: text] = values: Matrix",
            ],
        ),
        ("ds.save(\"a.h5ad\")", &["Write ds.write(\"file.h5ad\")"]),
        ("let n = 1; if n { 2 }", &["expected true or false, found a whole number"]),
        ("if 1 { 2 }", &["a condition (true or false)"]),
        ("parse_int(\"12a\")", &["'12a' is no whole number"]),
        ("parse_float(\"1,5\")", &["'1,5' is no number"]),
        ("[1, \"a\"].sort()", &["elements of different types cannot be sorted"]),
        ("let f = |x| x; f.call(1, 2)", &["takes another number of values", "(int, int)"]),
        ("doubel(1, ())", &["no function doubel(int, ())"]),
    ] {
        let said = failure(&mut s, cell).message;
        for part in parts {
            assert!(said.contains(part), "{cell}: '{part}' is not in: {said}");
        }
    }
}

#[test]
fn what_python_writes_is_explained() {
    let (mut s, _) = session();
    for (cell, part) in [
        ("y = 3", "write: let y = 3"),
        ("import numpy as np", "in quotes"),
        ("import gvae", "import \"gvae\" as gvae"),
        ("import graph", "needs no import"),
        ("from numpy import array", "import \"name\" as name"),
        ("import \"numpi\" as np", "Known: gvae"),
        ("gvae::map(1)", "import \"gvae\" as gvae"),
        ("def f(x):\n    return x", "fn name(x)"),
        ("print \"x\"", "with brackets"),
        ("None", "Nothing is written ()"),
        ("let a = True", "Write true"),
        ("true and false", "Write &&"),
        ("not true", "! for not"),
        ("f\"abc\"", "back-ticks"),
        ("if 1 == 1:\n    2", "braces"),
        ("let a = 'abc'", "double quotes"),
        ("let a = 1; a++", "x += 1"),
        ("let a = 1 # one", "starts with //"),
        ("let m = { \"a\": 1 }", "#{ key: value }"),
        ("[1, 2, 3][1:2]", "a[1..3]"),
        ("lambda x: x", "|x| x + 1"),
        ("str(1)", "x.to_string()"),
        ("[1].extend([2])", "append"),
        ("param(\"n\", 3)", "param(name: text, default: any, doc: text)"),
        ("elif 3", "else if"),
        ("ds.filter(min_counts = 3)", "Options go in a map"),
        ("let f = |x| x + 1; f(3)", "f.call(..)"),
        ("#{ a: 1 }.b.c", "a key that it does not have"),
        ("let größe = 1", "a to z"),
        ("let gr\u{f6}\u{df}e = 1; gro\u{308}\u{df}e", "a to z"),
        ("print(\u{201c}x\u{201d})", "straight double quotes"),
        ("if 1 == 1:", "braces"),
        ("[1, 2].sum()", "reduce"),
    ] {
        let said = failure(&mut s, cell).message;
        assert!(said.contains(part), "{cell}: '{part}' is not in: {said}");
    }
    let e = s.signature("let a = param(\"n\", 3)", "a.rhai").unwrap_err();
    assert!(e.message.contains("it has 2 of the 3"), "{}", e.message);
}

#[test]
fn catch_gets_a_message_and_a_kind_of_every_error() {
    let (mut s, _) = session();
    shown(&mut s, TISSUE);
    shown(
        &mut s,
        "fn inner() { foo(1) }\nfn tell(f) { try { f.call() } catch (e) { return `${e.kind}: ${e.message}` } }",
    );
    for (body, parts) in [
        ("foo(1)", &["missing: ", "no function foo(int)"][..]),
        ("inner()", &["missing: ", "no function foo(int)"]),
        ("ds.obz", &["missing: ", "Dataset.obs"]),
        ("[1][7]", &["invalid: ", "index 7 of array with 1 element"]),
        ("graph::knn(ds, #{ k: 1000 })", &["invalid: ", "k = 1000"]),
        ("data::read(\"nowhere\")", &["missing: ", "nowhere"]),
        ("throw \"mine\"", &["thrown: mine"]),
        ("1 / 0", &["invalid: ", "division by zero"]),
        ("let n = 1; if n { 2 }", &["invalid: ", "expected true or false, found a whole number"]),
        ("parse_int(\"12a\")", &["invalid: ", "'12a' is no whole number"]),
        ("ds + 1", &["missing: ", "'+' does not go with a Dataset and an int"]),
        ("cluster::kmeans(1, 2)", &["missing: ", "no function cluster::kmeans(int, int)"]),
    ] {
        let said = shown(&mut s, &format!("tell(|| {{ {body} }})"));
        for part in parts {
            assert!(said.contains(part), "{body}: '{part}' is not in {said}");
        }
        // Directly as well: there the caught name is a variable of the session.
        let direct = shown(
            &mut s,
            &format!(
                "let t = \"\"\ntry {{ {body} }} catch (e) {{ t = `${{e.kind}}: ${{e.message}}` }}\nt"
            ),
        );
        assert!(parts.iter().all(|p| direct.contains(p)), "{body}: {direct}");
    }
    assert_eq!(
        shown(&mut s, "let r = 0\ntry { throw #{ mine: 3 } } catch (e) { r = e.mine }\nr"),
        "3"
    );
    let e = failure(&mut s, "try { foo(1) } catch (e) { throw e }");
    assert!(e.kind == Kind::Missing && e.message.contains("no function foo(int)"), "{}", e.message);
}

#[test]
fn tracebacks_unwrap_calls_with_lines_and_carets() {
    let (mut s, _) = session();
    shown(&mut s, TISSUE);
    shown(
        &mut s,
        "fn inner(n) {\n  let x = 1\n  graph::knn(ds, #{ k: n })\n}\nfn outer() {\n\tinner(1000)\n}",
    );
    let e = failure(&mut s, "let a = 1\nouter()");
    let text = s.traceback(&e);
    let expected = [
        " --> [2]:3:10\n  |\n3 |   graph::knn(ds, #{ k: n })\n  |          ^^^",
        "in inner\n --> [2]:6:2\n  |\n6 | \tinner(1000)\n  | \t^^^^^",
        "in outer\n --> [3]:2:1\n  |\n2 | outer()\n  | ^^^^^",
    ];
    for part in expected {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    let frames = s.frames(&e);
    let lines: Vec<(Option<&str>, usize)> =
        frames.iter().map(|f| (f.call.as_deref(), f.place.line)).collect();
    assert_eq!(lines, [(None, 3), (Some("inner"), 6), (Some("outer"), 2)]);
    assert!(!text.contains('\u{1b}'), "no colour");

    // A wide character before the caret, and one beyond the basic plane.
    let e = failure(&mut s, "let t = \"细胞🧬𝔘\"; nowhere");
    assert_eq!(e.place.column, 17);
    let text = s.traceback(&e);
    let caret = text.lines().last().unwrap();
    assert!(caret.ends_with("^^^^^^^") && caret.matches('\u{3000}').count() == 3, "{text}");

    // The standard library has its source lines too.
    let e = failure(&mut s, "import \"gvae\" as gvae\ngvae::check_domains(ds, 1000)");
    let text = s.traceback(&e);
    assert!(text.contains("<gvae>:") && text.contains("throw `--n_domains"), "{text}");
    assert!(text.contains("in check_domains\n --> [5]:2:7"), "{text}");

    // A recursion is told once.
    shown(&mut s, "fn down(n) { if n == 0 { ds.obz } else { down(n - 1) } }");
    let e = failure(&mut s, "down(40)");
    let text = s.traceback(&e);
    assert!(text.contains("40 times in each other") && text.lines().count() < 20, "{text}");
}

#[test]
fn lines_are_right_where_semicolons_were_put_in() {
    let (mut s, _) = session();
    for (cell, line, column) in [
        ("let a = 1\nlet b = [\n  1,\n  2\n]\nlet c = (1\n", 6, 11),
        ("let a = 1\n// comment\nlet b = 2\nlet = 3", 4, 5),
        ("let a = 1\r\nlet b = 2\r\nb + nowhere\r\n", 3, 5),
        ("fn f() {\n  let x = 1\n  x +\n}\n", 4, 1),
        ("let a = 1\nlet b = (1\n\n", 2, 11),
    ] {
        let e = failure(&mut s, cell);
        assert_eq!(e.place.line, line, "{cell}: {}", s.traceback(&e));
        assert_eq!(e.place.column, column, "{cell}: {}", s.traceback(&e));
    }
}

/// A name or a line of any length, and whatever bytes stand in a cell, must not fill or move a
/// terminal.
#[test]
fn what_messages_quote_is_short_and_visible() {
    let (mut s, _) = session();
    let name = "a".repeat(1_000_000);
    for cell in [
        name.clone(),
        format!("{name} = 3"),
        format!("{name}(1)"),
        format!("\"x\".{name}()"),
        format!("graph::{name}(1)"),
        format!("import \"{name}\" as m"),
        format!("throw \"{name}\""),
        format!("let x = {name} let"),
        format!("%{name}"),
        format!("?{name}"),
    ] {
        let e = failure(&mut s, &cell);
        let text = s.traceback(&e);
        let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
        assert!(text.len() < 6_000 && widest < 2_500, "{widest}: {}", &text[..text.len().min(900)]);
    }
    let said = failure(&mut s, &name);
    let text = s.traceback(&said);
    assert!(text.contains("'aaaa") && text.contains(" characters …aaaa"), "{text}");
    for cell in
        ["\x1b[31m\0\u{9b}nothing", "throw \"\x1b]0;mine\x07\"", "%\x1b[2J", "let \u{202e}x"]
    {
        let e = failure(&mut s, cell);
        let text = s.traceback(&e);
        let bad = |c: char| c.is_control() && !"\n\t".contains(c) || c == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
    }
    // The caret stands under its place, a control character being one column wide.
    let e = failure(&mut s, "let t = \"\x01\"; nowhere");
    let text = s.traceback(&e);
    let lines: Vec<&str> = text.lines().rev().take(2).collect();
    let column = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
    assert_eq!(column(lines[0], "^^^"), column(lines[1], "nowhere"), "{text}");
}

#[test]
fn a_long_line_with_a_syntax_error_is_read_once() {
    let (mut s, _) = session();
    let long = "let x = 1; ".repeat(64_000);
    let began = std::time::Instant::now();
    for end in ["let = 2", "_ + + 2", "foo bar", "'abc'"] {
        failure(&mut s, &format!("{long}{end}"));
    }
    let took = began.elapsed().as_secs_f64();
    assert!(took < 20.0, "{took} s for what takes 2");
}

/// A console that fails as no code of ours should.
#[derive(Default)]
struct Fragile {
    is_broken: AtomicBool,
}

impl Console for Fragile {
    fn output(&self, _: Output) {
        assert!(!self.is_broken.load(Ordering::SeqCst), "the console broke");
    }

    fn input(&self, _: &str, _: bool) -> spatia::base::Result<String> {
        Ok(String::new())
    }
}

#[test]
fn a_panic_is_an_error_of_its_cell_and_modules_load_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("talks");
    std::fs::write(module.with_extension("rhai"), "print(\"hello\");\nfn two() { 2 }\n").unwrap();
    let import = format!("import \"{}\" as talks\ntalks::two() + kept", module.display());
    let console = Arc::new(Fragile::default());
    let mut s = Session::new(console.clone());
    shown(&mut s, "let kept = 40");

    console.is_broken.store(true, Ordering::SeqCst);
    for cell in [import.as_str(), "print(kept)"] {
        s.cell(cell);
    }
    let said = failure(&mut s, &import);
    assert!(said.message.contains("Spatia itself failed: the console broke"), "{}", said.message);
    assert!(s.traceback(&said).starts_with("error: Spatia itself failed"));
    assert_eq!(s.count(), 4);

    console.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(shown(&mut s, &import), "42");
    assert!(s.names().get().variables.iter().any(|v| v.name == "kept"));
}
