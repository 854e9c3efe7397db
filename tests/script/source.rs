//! The pass that ends statements at a line's end.

use proptest::prelude::*;
use spatia::host::Session;
use spatia::script::source::complete;

use super::shown;

#[test]
fn a_line_that_ends_a_statement_gets_a_semicolon() {
    for (text, expected) in [
        ("let a = 1\nlet b = 2", "let a = 1;\nlet b = 2"),
        ("a()\nb()\n", "a();\nb()\n"),
        ("a();\nb()", "a();\nb()"),
        ("a() // says a\nb()", "a(); // says a\nb()"),
        ("a() /* one\n two */ b()", "a(); /* one\n two */ b()"),
        ("\"text\"\nb", "\"text\";\nb"),
        ("let a = [\n1,\n2\n]\nb", "let a = [\n1,\n2\n];\nb"),
        ("let a = #{\nx: 1,\ny: f(\n2)\n}\nb", "let a = #{\nx: 1,\ny: f(\n2)\n};\nb"),
        ("f(1,\n2)\ng()", "f(1,\n2);\ng()"),
        ("ds.filter()\n  .log1p()\nx", "ds.filter()\n  .log1p();\nx"),
        ("let a = 1\n  + 2\nb", "let a = 1\n  + 2;\nb"),
        ("let a = 1 +\n  2\nb", "let a = 1 +\n  2;\nb"),
        ("let a = b\n-c", "let a = b;\n-c"),
        ("let a = b\n- c", "let a = b\n- c"),
        ("let a = b\n!c", "let a = b;\n!c"),
        ("let a = b\n(c)", "let a = b;\n(c)"),
        ("let a = b\n[c]", "let a = b;\n[c]"),
        ("let a = b\n&& c", "let a = b\n&& c"),
        ("if a {\nb\n}\nelse {\nc\n}\nd", "if a {\nb\n}\nelse {\nc\n};\nd"),
        ("if a\n{\nb\n}\nd", "if a\n{\nb\n};\nd"),
        ("fn f(x) {\nlet y = x\ny\n}\nf(1)", "fn f(x) {\nlet y = x;\ny\n};\nf(1)"),
        ("fn f(x)\n{\nx\n}", "fn f(x)\n{\nx\n}"),
        ("try {\na()\n} catch (e) {\nb()\n}\nc", "try {\na()\n} catch (e) {\nb()\n};\nc"),
        ("do {\na()\n}\nwhile b\nc", "do {\na()\n}\nwhile b;\nc"),
        ("while a {\nb\n}\nwhile c {\nd\n}", "while a {\nb\n};\nwhile c {\nd\n}"),
        (
            "switch a {\n1 => b,\n_ => {\nc\nd\n}\n}\ne",
            "switch a {\n1 => b,\n_ => {\nc;\nd\n}\n};\ne",
        ),
        ("let f = |x| {\nlet y = x\ny\n}\nf", "let f = |x| {\nlet y = x;\ny\n};\nf"),
        ("let s = `a ${b} c\nd`\ne", "let s = `a ${b} c\nd`;\ne"),
        ("let s = `${\nlet a = 1\na + 1\n}`\ne", "let s = `${\nlet a = 1;\na + 1\n}`;\ne"),
        ("let s = `a `` ${`in ${1} er`} ; \"`\nb", "let s = `a `` ${`in ${1} er`} ; \"`;\nb"),
        ("let s = #\"a \"b\" \n c\"#\nb", "let s = #\"a \"b\" \n c\"#;\nb"),
        ("let s = \"a // b\"\nlet c = '\"'\nd", "let s = \"a // b\";\nlet c = '\"';\nd"),
        ("/* a /* b */ \n c */ x\ny", "/* a /* b */ \n c */ x;\ny"),
        ("let a = 1..5\nb", "let a = 1..5;\nb"),
        ("let a = x / 2.\nb", "let a = x / 2.;\nb"),
        ("let a = 2.\n  + b\nc", "let a = 2.\n  + b;\nc"),
        ("a(2.)\n1..b\n1.b\n_", "a(2.);\n1..b;\n1.b;\n_"),
        ("let a = 1e-3\nb", "let a = 1e-3;\nb"),
        ("let a = 0x1e\nb", "let a = 0x1e;\nb"),
        ("a[\n0\n]\nb", "a[\n0\n];\nb"),
        ("import \"x\" as y\nexport const A = 1\nb", "import \"x\" as y;\nexport const A = 1;\nb"),
        (
            "for i in 0..3 {\nif i == 1 { continue }\nbreak\n}\na",
            "for i in 0..3 {\nif i == 1 { continue };\nbreak\n};\na",
        ),
        ("fn f() {\nif x {\nreturn\n}\n1\n}", "fn f() {\nif x {\nreturn\n};\n1\n}"),
        ("#!/usr/bin/env spatia\na\nb", "#!/usr/bin/env spatia\na;\nb"),
        ("a\n\n\n// note\nb", "a;\n\n\n// note\nb"),
        ("{\na\nb\n}\nc", "{\na;\nb\n};\nc"),
        ("let a = f(|x| {\nlet b = x\nb\n}, 1)\nc", "let a = f(|x| {\nlet b = x;\nb\n}, 1);\nc"),
        ("let ä = 1\nb", "let ä = 1;\nb"),
        ("a?.b\n?.c\nd", "a?.b\n?.c;\nd"),
        ("a\r\nb\r\n", "a;\r\nb\r\n"),
        ("", ""),
    ] {
        assert_eq!(complete(text), expected, "{text}");
        assert_eq!(complete(expected), expected, "twice: {text}");
    }
}

#[test]
fn programs_without_semicolons_run() {
    for (text, expected) in [
        ("let a = 1\nlet b = a\n  + 2\nb", "3"),
        ("let s = 0\nfor i in 0..4 {\n  if i == 2 {\n    continue\n  }\n  s += i\n}\ns", "4"),
        ("fn f(x) {\n  let y = x * 2\n  y + 1\n}\nf(3)", "7"),
        ("let x = if true {\n  1\n} else {\n  2\n}\nx", "1"),
        (
            "let x = switch 2 {\n  1 => \"a\",\n  2 => {\n    let b = \"b\"\n    b + \"c\"\n  }\n  _ => \"z\"\n}\nx",
            "\"bc\"",
        ),
        ("let n = 0\ndo {\n  n += 1\n}\nwhile n < 5\nn", "5"),
        ("let n = 0\nwhile n < 3 {\n  n += 1\n}\nn", "3"),
        ("let m = #{\n  a: 1,\n  b: [1,\n      2]\n}\nm.b[1] + m.a", "3"),
        ("let f = |x| {\n  let y = x\n  y * y\n}\nf.call(4)", "16"),
        ("let t = `one ${\n  let a = 1\n  a + 1\n} three`\nt", "\"one 2 three\""),
        ("let r = 0\ntry {\n  throw 1\n}\ncatch (e) {\n  r = e + 1\n}\nr", "2"),
        ("[3, 1, 2]\n  .filter(|x| x > 1)\n  .len()", "2"),
        ("let x = 5\nlet y = x\n-x", "-5"),
        ("let x = 5 / 2.\nlet y = x\ny", "2.5"),
        ("5 / 2.", "2.5"),
        ("#!/usr/bin/env spatia\n//! Says it.\nlet x = 1\nx", "1"),
        ("fn f(x) { let y = x\n  [x, y] }\nf(1)", "[1, 1]"),
        ("let x = 1\n[2, x].len()\nfor i in 0..2 {\n  x += i\n  -x\n}\nx", "2"),
        ("fn f() {\n  if true {\n    return 3\n  }\n  4\n}\nf()", "3"),
    ] {
        assert_eq!(shown(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_line_that_rhai_would_take_to_the_one_before_is_refused_where_that_could_be_meant() {
    for (text, line, column, words) in [
        ("let a = 1\nlet d = a\n    -a\nd", 3, 5, "begins with - is a statement of its own"),
        ("let a = 1\nlet d = a\n    -a", 3, 5, "at that line's end"),
        ("let a = [1]\nlet d = a\n  [0];\nd", 3, 3, "begins with ["),
        ("let a = [1]; let d = a\n  [0]", 2, 3, "begins with ["),
        ("fn f(x) { x }\nlet d = Fn(\"f\")\n  (1)", 3, 3, "begins with ("),
        ("let a = 1\nlet d = a\n-a\nd", 3, 1, "no effect"),
        ("let a = 1\nlet d = a\n+a;", 3, 1, "write a space behind the sign"),
        ("if true {\n  let a = 1\n  -a;\n}", 3, 3, "no effect"),
    ] {
        let e = shown(text).unwrap_err();
        assert_eq!((e.place.line, e.place.column), (line, column), "{text}: {}", e.message);
        assert!(e.message.contains(words), "{words} in: {}", e.message);
    }
    // What is wrong in another way says so.
    assert!(shown("let d = 1\n  -d\nlet = 3").unwrap_err().message.contains("name"));
}

#[test]
fn a_console_knows_when_more_is_to_come() {
    for (text, complete) in [
        ("let a = 1", true),
        ("f(1,", false),
        ("let a = #{", false),
        ("fn f() {\n  1", false),
        ("fn f() {\n  1\n}", true),
        ("if a", false),
        ("let a =", false),
        ("let a = 2.", true),
        ("let a = 2.\n", true),
        ("a.", false),
        ("a +", false),
        ("`open ${1}", false),
        ("/* open", false),
        ("\"closed\"", true),
        ("a // [", true),
        ("", true),
        (")", true),
    ] {
        assert_eq!(Session::is_complete(text), complete, "{text}");
    }
}

proptest! {
    /// Whatever the text is, the pass only adds semicolons, never on a new line, and adds none the
    /// second time.
    #[test]
    fn only_semicolons_are_added(text in "[a-c1(){}\\[\\]#$`\"'/*+.,; \n-]{0,60}") {
        let out = complete(&text);
        prop_assert_eq!(out.lines().count(), text.lines().count());
        prop_assert_eq!(complete(&out), out.clone());
        let mut rest = out.chars();
        for c in text.chars() {
            prop_assert!(rest.by_ref().find(|&o| o == c || o != ';') == Some(c));
        }
        prop_assert!(rest.all(|c| c == ';'));
    }

    /// A program of whole statements means the same with semicolons and with line ends.
    #[test]
    fn semicolons_may_be_left_out(parts in prop::collection::vec(0..STATEMENTS.len(), 1..12)) {
        let with: String = parts.iter().map(|&i| format!("{};\n", STATEMENTS[i])).collect();
        let without: String = parts.iter().map(|&i| format!("{}\n", STATEMENTS[i])).collect();
        let start = "let a = 1\nlet b = 2\nlet m = #{ x: 0 }\nlet s = \"\"\n";
        let end = "`${a} ${b} ${m.x} ${s}`";
        prop_assert_eq!(
            shown(&format!("{start}{with}{end}")).unwrap(),
            shown(&format!("{start}{without}{end}")).unwrap()
        );
    }
}

const STATEMENTS: &[&str] = &[
    "a = a + 1",
    "a +=\n  b",
    "let c = [a,\n  b][0]",
    "if a > b {\n  a = 0\n} else {\n  b = 0\n}",
    "if a == 1 { b = 4 }\nelse { b = 5 }",
    "for i in 0..2 {\n  b += i\n  a += 1\n}",
    "do {\n  a += 1\n} while a < 3",
    "m.x = #{\n  y: a\n}.y",
    "s += `<${\n  let q = a\n  q\n}>`",
    "switch a {\n  1 => b = 7,\n  _ => {\n    b += 1\n    b += 1\n  }\n}",
    "b = -a",
    "b = (|x| {\n  let y = x\n  y\n}).call(a)",
    "try {\n  throw 1\n} catch (e) {\n  a += e\n}",
    "a = [1, 2, 3]\n  .filter(|x| x > 1)\n  .len()",
];
