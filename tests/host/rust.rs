//! Cells of Rust, and evcxr's display convention.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use spatia::base::{Kind, interrupt};
use spatia::host::Session;
use spatia::host::rust::content::Content;
use spatia::host::rust::use_program;
use spatia::script::{Bundle, Console, Output};

use crate::common::{self, Recorder};

/// What a stream gives that comes in chunks of so many bytes.
fn split(stream: &str, size: usize) -> Vec<Output> {
    let mut content = Content::default();
    let mut said = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let end = (size..=rest.len()).find(|&n| rest.is_char_boundary(n)).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        said.extend(content.push(chunk));
        rest = after;
    }
    said.extend(content.finish());
    merged(said)
}

/// Neighbouring texts in one, so that outputs do not depend on the chunks.
fn merged(said: Vec<Output>) -> Vec<Output> {
    let mut out: Vec<Output> = Vec::new();
    for output in said {
        match (out.last_mut(), output) {
            (Some(Output::Stdout(last)), Output::Stdout(text)) => last.push_str(&text),
            (_, output) => out.push(output),
        }
    }
    out
}

fn text(text: &str) -> Output {
    Output::Stdout(text.into())
}

fn display(mime: &str, content: Value) -> Output {
    Output::Display { bundle: Bundle::default().with(mime, content), id: None, update: false }
}

#[test]
fn nothing_overtakes_text_that_looks_like_the_start_of_a_block() {
    use spatia::host::flow::Flow;
    let mut flow = Flow::default();
    let mut said = flow.script(Output::Stdout("DONE".into()));
    said.extend(flow.script(Output::Clear { wait: true }));
    said.extend(flow.script(Output::Stdout("EVCXR_BEGIN_CONTENT text/html\n<b>".into())));
    said.extend(flow.script(Output::Stderr("aside".into())));
    said.extend(flow.script(Output::Stdout("</b>\nEVCXR_END_CONTENT\n".into())));
    said.extend(flow.end());
    let kinds: Vec<String> = said
        .iter()
        .map(|o| match o {
            Output::Stdout(t) | Output::Stderr(t) => t.clone(),
            Output::Display { bundle, .. } => bundle.data["text/html"].to_string(),
            Output::Clear { .. } => "clear".into(),
        })
        .collect();
    assert_eq!(kinds, ["DON", "E", "clear", "aside", "\"<b></b>\""]);
}

#[test]
fn content_between_the_markers_is_displayed_and_the_rest_is_text() {
    let stream = "a\nEVCXR_BEGIN_CONTENT text/html\n<b>\u{1f600}</b>\nmore\nEVCXR_END_CONTENT\nb\r\
        EVCXR_BEGIN_CONTENT image/png\niVBORw0K\nGgo=\nEVCXR_END_CONTENT\n\
        EVCXR_BEGIN_CONTENT application/vnd.vegalite.v5+json\n{\"a\": 1}\nEVCXR_END_CONTENT\nc";
    let expected = vec![
        text("a\n"),
        display("text/html", json!("<b>\u{1f600}</b>\nmore")),
        text("b\r"),
        display("image/png", json!("iVBORw0KGgo=")),
        display("application/vnd.vegalite.v5+json", json!({"a": 1})),
        text("c"),
    ];
    for size in [1, 2, 3, 7, 20, 1000] {
        assert_eq!(split(stream, size), expected, "chunks of {size}");
    }
}

#[test]
fn what_is_no_block_stays_text() {
    for stream in [
        "EVCXR_BEGIN_CONTENT text/html\n<b>never closed</b>\n",
        "EVCXR_BEGIN_CONTENT text/html",
        "EVCXR_BEGIN_CONTENT html\nx\nEVCXR_END_CONTENT\n",
        "EVCXR_BEGIN_CONTENT text/html and more\nx\nEVCXR_END_CONTENT\n",
        "EVCXR_BEGIN_CONTENT image/png\nno base 64!\nEVCXR_END_CONTENT\n",
        "EVCXR_BEGIN_CONTENT application/json\n{\nEVCXR_END_CONTENT\n",
        "EVCXR_END_CONTENT\nEVCXR_BEGIN_CONTEN",
    ] {
        for size in [1, 5, 1000] {
            assert_eq!(split(stream, size), [text(stream)], "chunks of {size}");
        }
    }
    let long = format!("EVCXR_BEGIN_CONTENT text/{}", "x".repeat(10_000));
    assert_eq!(split(&long, 100), [text(&long)]);
}

#[test]
fn text_is_not_held_back() {
    let mut content = Content::default();
    assert_eq!(content.push("epoch 1\repoch 2\r"), [text("epoch 1\repoch 2\r")]);
    assert_eq!(content.push("name? "), [text("name? ")]);
    assert_eq!(content.push("EVCXR_"), []);
    assert_eq!(content.push("x"), [text("EVCXR_x")]);
}

#[test]
fn a_block_too_large_comes_back_as_text() {
    let stream = format!(
        "EVCXR_BEGIN_CONTENT text/plain\n{}\nEVCXR_END_CONTENT\n",
        "0123456789abcdef\n".repeat(4 << 20)
    );
    let said = split(&stream, 1 << 20);
    assert!(said == [text(&stream)], "{} outputs", said.len());
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "EVCXR_BEGIN_CONTENT text/html\n", "EVCXR_END_CONTENT\n", "EVCXR_BEGIN_CONTENT ",
                "EVCXR_", "a\n", "\u{e9}", "\n", "\r\n", "EVCXR_BEGIN_CONTENT x\n", "EVCXR_END_CONTENT",
            ]),
            0..20,
        ),
        size in 1usize..40,
    ) {
        let stream = lines.concat();
        let whole = split(&stream, usize::MAX);
        prop_assert_eq!(split(&stream, size), whole);
    }
}

/// Runs a cell that must succeed; what its value looks like as text.
#[track_caller]
fn run(session: &mut Session, cell: &str) -> String {
    match session.cell(cell).outcome {
        Ok(bundle) => bundle.map(|b| b.plain().to_owned()).unwrap_or_default(),
        Err(e) => panic!("{cell}\n{}", session.traceback(&e)),
    }
}

/// Runs a cell that must fail; the message.
#[track_caller]
fn fails(session: &mut Session, cell: &str) -> String {
    match session.cell(cell).outcome {
        Ok(_) => panic!("did not fail: {cell}"),
        Err(e) => session.traceback(&e),
    }
}

/// Sessions that build crates do so one after another: the second finds what the first has built,
/// where two at once would build everything twice.
#[cfg(feature = "rust-cells")]
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[cfg(feature = "rust-cells")]
fn cells_of_rust() {
    let _turn = one_at_a_time();
    common::alone("host::rust::apart");
}

/// One session for all that needs a compiler: each step of it costs seconds.
#[test]
#[ignore = "run by cells_of_rust"]
#[cfg(feature = "rust-cells")]
fn apart() {
    use_program(env!("CARGO_BIN_EXE_spatia").into());
    // What goes over to cells lies here meanwhile.
    let temporary = tempfile::tempdir().unwrap();
    // SAFETY: no other thread of this process looks at its environment yet.
    unsafe { std::env::set_var("TMPDIR", temporary.path()) };
    let console = Recorder::new();
    let mut s = Session::new(console.clone());
    // Set before the helper starts, it is there for all of them.
    s.quietly(":env SPATIA_TEST_ONE=1").outcome.unwrap();
    let start = Instant::now();
    let lap = |what: &str| eprintln!("{:6.2} s  {what}", start.elapsed().as_secs_f64());

    // Values are shown, variables and functions stay, and what is printed comes in order.
    assert_eq!(run(&mut s, "%%rust\nlet mut k = 20;\nfn twice(n: i32) -> i32 { 2 * n }\n"), "");
    lap("the first cell");
    assert_eq!(run(&mut s, "%%rust\nprintln!(\"k is {k}\");\nk += 1;\ntwice(k)"), "42");
    assert_eq!(console.stdout(), "k is 20\n");
    lap("another");

    // An error of rustc stands at the cell's line.
    let said = fails(&mut s, "%%rust\nlet a = 1;\nlet b: i64 = \"x\";\n");
    assert!(said.contains("mismatched types [E0308]"), "{said}");
    assert!(said.contains("[3]:3:14") && said.contains("3 | let b: i64 = \"x\";"), "{said}");
    assert!(said.contains("  |              ^^^ expected `i64`, found `&str`"), "{said}");
    let said = fails(&mut s, "%pwd\n// why\n%%rust\nlet b: i64 = \"x\";\n");
    assert!(said.contains("[4]:4:14") && said.contains("4 | let b: i64"), "{said}");
    lap("an error");

    // A panic and an error by `?` are errors of the cell; the variables are kept.
    let said =
        fails(&mut s, "%%rust\nlet v: Vec<i32> = vec![];\nprintln!(\"before\");\nv[k as usize]");
    assert!(said.contains("panicked: index out of bounds"), "{said}");
    assert!(said.contains("[5]:4:") && said.contains("4 | v[k as usize]"), "{said}");
    let said = fails(&mut s, "%%rust\nlet n: i32 = \"x\".parse()?;\nn");
    assert!(said.contains("returned an error: invalid digit"), "{said}");
    assert_eq!(run(&mut s, "%%rust\nk"), "21");
    assert!(console.stdout().ends_with("before\n"), "{}", console.stdout());
    lap("a panic");

    // Variables of the session, and back.
    run(
        &mut s,
        "let n = 7; let name = \"a\\\"b\"; let w = [1.5, -2.0]; let words = [\"x\", \"y\"]; let m = #{ a: [1, #{ b: true }] };",
    );
    run(
        &mut s,
        "%%rust -i n,name,w,words,m -o sum,both,halves,inf,m2\nlet sum = w.iter().sum::<f64>() + n as f64;\n\
         let both = format!(\"{name}{}\", words.join(\"+\"));\nlet halves = vec![f64::NAN, 0.5 * n as f64];\n\
         let inf = -f64::INFINITY;\nlet m2 = m[\"a\"][1].clone();",
    );
    lap("values");
    assert_eq!(
        run(&mut s, "[sum, halves[1], m2.b, inf, halves[0]]"),
        "[6.5, 3.5, true, -inf, NaN]"
    );
    assert_eq!(run(&mut s, "both == \"a\\\"bx+y\""), "true");

    // Tensors and sparse matrices keep their kind, tables their columns; a dataset goes as a whole.
    run(
        &mut s,
        "let ds = sim::tissue(#{ spots: 60, genes: 40, domains: 3, seed: 1 }); let xy = ds.obsm[\"spatial\"]; \
         let x = ds.x; let obs = ds.obs; ds.obsm[\"old\"] = xy;",
    );
    run(
        &mut s,
        "%%rust -i xy,x -o far,back,sums\nlet far = xy.map(|v| v * 2.0);\nlet back = x.clone();\n\
         let sums = x.row_sums();",
    );
    lap("tensors");
    assert_eq!(run(&mut s, "far.shape == xy.shape && far.max() == 2.0 * xy.max()"), "true");
    assert_eq!(run(&mut s, "back.shape == x.shape && back.nonzero == x.nonzero"), "true");
    run(
        &mut s,
        "%%rust -i ds,obs -o t,n\nlet purity = obs.f64(\"purity\")?;\n\
         let t = spatia_tables::Table::new().with(\"domain\", ds.obs.text(\"domain_true\")?)?.with(\"purity\", purity)?;\n\
         let n = ds.x.shape.1 + ds.obsm[\"spatial\"].ncols();",
    );
    lap("tables");
    assert_eq!(run(&mut s, "n"), "42");
    assert_eq!(run(&mut s, "t[\"purity\"].mean() == ds.obs[\"purity\"].mean()"), "true");
    assert_eq!(run(&mut s, "t[\"domain\"].unique() == ds.obs[\"domain_true\"].unique()"), "true");

    // A dataset goes anew each time, its keys can be any text, and whole numbers keep each digit.
    run(
        &mut s,
        "ds = sim::tissue(#{ spots: 60, genes: 40, domains: 3 }); ds.obsm[\"../x/y\"] = xy; let ids = []; \
         for i in 0..60 { ids.push(9007199254740993) } ds.obs[\"id\"] = ids; ids = ds.obs[\"id\"];",
    );
    run(
        &mut s,
        "%%rust -i ds,ids -o keys,id\nlet keys = ds.obsm.keys().cloned().collect::<Vec<String>>();\n\
         let id = ids.iter().copied().max().unwrap();",
    );
    assert_eq!(run(&mut s, "keys.contains(\"../x/y\") && !keys.contains(\"old\")"), "true");
    assert_eq!(run(&mut s, "id == 9007199254740993"), "true");
    lap("a dataset again");

    // What cannot go either way says so.
    let said = fails(&mut s, "%%rust -i nn\n1");
    assert!(said.contains("handing 'nn'") && said.contains("'n'"), "{said}");
    let said = fails(&mut s, "%%rust -o odd\nstruct Odd;\nlet odd = Odd;");
    assert!(said.contains("odd: Odd") && said.contains("numbers, texts"), "{said}");
    let said = fails(&mut s, "%%rust -x\n1");
    assert!(said.contains("'-x'"), "{said}");

    // Truth values and missing ones go both ways as what they are, NaN is no missing one, and a
    // dataset can go twice in a row.
    run(
        &mut s,
        "ds.obs[\"flag\"] = ds.obs[\"purity\"].to_array().map(|p| p > 0.5); let flag = ds.obs[\"flag\"]; \
         let holes = [1, (), 3]; let t = data::table(#{ a: [true, (), false], b: [0.5, (), 0.25], c: [7, (), 9007199254740993] }); \
         let a = t[\"a\"]; let b = t[\"b\"]; let rows = tensor([[1.0, 0.0 / 0.0], [3, 4]]);",
    );
    run(
        &mut s,
        "%%rust -i ds,flag,holes,a,b,rows -o many,there,half,back,deep,filled\nlet many = flag.iter().filter(|&&f: &&bool| f).count() as i64;\n\
         assert_eq!(ds.obs.bool(\"flag\")?, flag);\nlet there: Vec<bool> = holes.iter().map(Option::is_some).collect();\n\
         let half: Vec<Option<f64>> = b.iter().map(|v| v.map(|v| 2.0 * v)).chain([Some(f64::NAN)]).collect();\n\
         assert_eq!(a, [Some(true), None, Some(false)]);\nlet back = &rows * 2.0;\n\
         let deep = std::collections::HashMap::from([(String::from(\"x\"), vec![f64::NAN, 1.0]), (String::from(\"y\"), vec![])]);\n\
         let filled: Vec<f64> = flag.iter().map(|&f| if f { 1.0 } else { f64::NAN }).collect();",
    );
    assert_eq!(run(&mut s, "there"), "[true, false, true]");
    assert_eq!(run(&mut s, "half"), "[1.0, (), 0.5, NaN]");
    assert_eq!(
        run(&mut s, "[back.to_array()[0][1], back.to_array()[1], deep.x, deep.y]"),
        "[NaN, [6.0, 8.0], [NaN, 1.0], []]"
    );
    // Back into the dataset, where a NaN stays what it is.
    run(
        &mut s,
        "ds.obs[\"filled\"] = filled; ds.obsm[\"rows\"] = tensor(filled.map(|v| [v, 1.0]));",
    );
    assert_eq!(
        run(&mut s, "ds.obs[\"filled\"].to_array().filter(|v| v == 1.0).len() == many && many > 0"),
        "true"
    );
    run(
        &mut s,
        "%%rust -i ds,t -o again,exact,u\nlet again = ds.obs.f64(\"filled\")?.iter().filter(|v| !v.is_nan()).count() as i64;\n\
         assert_eq!(ds.obsm[\"rows\"].iter().filter(|v| v.is_nan()).count() as i64, 60 - again);\n\
         let exact = t.maybe_i64(\"c\")?;\nlet u = t.clone().with(\"d\", t.maybe_bool(\"a\")?)?.with(\"e\", exact.clone())?;",
    );
    assert_eq!(run(&mut s, "again == many && exact == [7, (), 9007199254740993]"), "true");
    assert_eq!(run(&mut s, "u[\"d\"].to_array() == u[\"a\"].to_array()"), "true");
    lap("missing values");

    // An interrupt stops the code, and that alone: the next cell runs at once in what evcxr has put
    // in its place, and knows the functions. The message names what is lost.
    let said = interrupted(&mut s, &console, "loop { std::hint::spin_loop(); }");
    assert!(said.contains("Lost with the process") && said.contains("halves"), "{said}");
    assert!(said.contains("functions") && said.contains("still there"), "{said}");
    let next = Instant::now();
    assert_eq!(run(&mut s, "%%rust\ntwice(4)"), "8");
    eprintln!("the next cell took {:?}", next.elapsed());
    assert_eq!(run(&mut s, "n"), "42");
    let said = fails(&mut s, "%%rust\nhalves.len()");
    assert!(said.contains("cannot find value `halves`"), "{said}");
    lap("an interrupt");

    // What the code has started ends with it.
    interrupted(
        &mut s,
        &console,
        "std::process::Command::new(\"sleep\").arg(\"600\").status().unwrap();",
    );
    assert_eq!(run(&mut s, "%%rust\ntwice(5)"), "10");
    lap("a process of the code");

    // Whenever the interrupt comes, while it is compiled or at the moment it dies by itself, the
    // next cell runs.
    run(&mut s, "%%rust\nlet kept = 11;");
    for (i, after) in [0, 2, 50, 200, 400, 700, 1000].into_iter().enumerate() {
        let pause = Duration::from_millis(after);
        let asked = std::thread::spawn(move || {
            std::thread::sleep(pause);
            interrupt::request();
        });
        if after == 0 {
            while !interrupt::requested() {
                std::thread::yield_now();
            }
        }
        let cell = format!(
            "%%rust\nlet round{i} = 1;\nstd::thread::sleep(std::time::Duration::from_millis(300));\nstd::process::abort();"
        );
        let failure = s.cell(&cell).outcome.unwrap_err();
        let aborted = failure.message.contains("SIGABRT") && after > 0;
        assert!(failure.kind == Kind::Interrupted || aborted, "{after}: {}", failure.message);
        asked.join().unwrap();
        interrupt::clear();
        assert_eq!(run(&mut s, &format!("%%rust\ntwice({i})")), (2 * i).to_string());
    }
    lap("interrupts at any time");

    // A cell that prints without end, and faster than it is looked at, fills no memory.
    let slow = Arc::new(Slow::default());
    let mut other = Session::new(slow.clone());
    let before = memory_of_all();
    let asked = std::thread::spawn(move || {
        let patience = Instant::now() + Duration::from_secs(240);
        while slow.lines.load(Ordering::SeqCst) < 500 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        let grown = memory_of_all().saturating_sub(before);
        interrupt::request();
        grown
    });
    let prints = "%%rust\nlet line = \"x\".repeat(10_000);\nloop { println!(\"{line}\"); }";
    assert_eq!(other.cell(prints).outcome.unwrap_err().kind, Kind::Interrupted);
    let grown = asked.join().unwrap();
    interrupt::clear();
    assert!(grown < 1 << 30, "{} MB", grown >> 20);
    assert_eq!(run(&mut other, "%%rust\nlet line = 2; line"), "2");
    drop(other);
    lap("printing without end");

    // The end of the process that runs the code is an error, and the next cell has another.
    run(&mut s, "%%rust\nlet gone = 5;");
    let said = fails(&mut s, "%%rust\nprintln!(\"last words\");\nstd::process::abort();");
    assert!(said.contains("SIGABRT") && said.contains("ran the code: gone"), "{said}");
    assert!(console.stdout().ends_with("last words\n"), "{}", console.stdout());
    assert_eq!(run(&mut s, "%%rust\nlet k = 3; k"), "3");

    // The session lists Rust's variables, and forgets its own only.
    assert!(run(&mut s, ":vars").lines().any(|l| l.starts_with("k ") && l.contains("i32")));
    assert!(run(&mut s, ":clear").contains("Rust cells keep theirs"));
    assert_eq!(run(&mut s, ":vars").lines().count(), 2);
    assert_eq!(run(&mut s, "%%rust\nk"), "3");

    // A question gets its answer; where it gets none, the code does not go on.
    let asks = "%%rust\nlet mut name = String::new();\nprintln!(\"EVCXR_INPUT_REQUEST:name? \");\n\
                std::io::stdin().read_line(&mut name)?;\nprintln!(\"went on with {}\", name.trim());";
    console.answers.lock().unwrap().push("Ada".into());
    run(&mut s, asks);
    assert!(console.stdout().ends_with("went on with Ada\n"), "{}", console.stdout());
    let said = fails(&mut s, asks);
    assert!(said.contains("nobody to answer") && said.contains("ran the code: k"), "{said}");
    assert!(console.stdout().ends_with("went on with Ada\n"), "{}", console.stdout());
    lap("questions");

    // Spatia started by a cell is Spatia and no second runtime.
    let binary = env!("CARGO_BIN_EXE_spatia");
    let said = run(
        &mut s,
        &format!(
            "%%rust\nlet out = std::process::Command::new({binary:?}).arg(\"--version\").output()?;\n\
             String::from_utf8_lossy(&out.stdout).starts_with(\"spatia \")"
        ),
    );
    assert_eq!(said, "true");

    // A variable of the environment comes with the next process, and outlives it.
    let said = run(&mut s, ":env SPATIA_TEST_TWO=a b");
    assert!(said.contains(":restart rust"), "{said}");
    run(&mut s, ":restart rust");
    let both = "std::env::var(\"SPATIA_TEST_ONE\")? + &std::env::var(\"SPATIA_TEST_TWO\")?";
    assert_eq!(run(&mut s, &format!("%%rust\n{both}")), "\"1a b\"");
    lap("the environment");

    // Nothing of what has gone over is left.
    let left = std::fs::read_dir(temporary.path()).unwrap().map(|f| f.unwrap().file_name());
    let left: Vec<_> = left.filter(|f| f.to_string_lossy().starts_with("spatia-rust-")).collect();
    assert!(left.is_empty(), "{left:?}");

    // All that is displayed is shown, in order; the last is the cell's value.
    console.said.lock().unwrap().clear();
    let shown = s.cell(
        "%%rust\nfn show(s: &str) { println!(\"EVCXR_BEGIN_CONTENT text/html\\n{s}\\nEVCXR_END_CONTENT\"); }\n\
         show(\"1\");\nprintln!(\"between\");\nshow(\"2\");\nshow(\"3\");",
    );
    assert_eq!(shown.outcome.unwrap().unwrap().data["text/html"], "3");
    let html = |s: &str| display("text/html", json!(s));
    let said = console.said.lock().unwrap().clone();
    let shown: Vec<Output> = said.into_iter().filter(|o| !matches!(o, Output::Stderr(_))).collect();
    assert_eq!(shown, [html("1"), text("between\n"), html("2")]);
    lap("the end");
}

/// A console that takes a line every ten milliseconds.
#[derive(Default)]
#[cfg(feature = "rust-cells")]
struct Slow {
    lines: AtomicUsize,
}

#[cfg(feature = "rust-cells")]
impl Console for Slow {
    fn output(&self, output: Output) {
        if let Output::Stdout(_) = output {
            std::thread::sleep(Duration::from_millis(10));
            self.lines.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn input(&self, _prompt: &str, _secret: bool) -> spatia::base::Result<String> {
        Ok(String::new())
    }
}

/// The memory of this process and of those below it.
#[cfg(feature = "rust-cells")]
fn memory_of_all() -> u64 {
    let of = |pid: &str, what: &str| -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix(what))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let pids =
        std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().into_string().ok());
    let own = u64::from(std::process::id());
    let below = |pid: &String| {
        std::iter::successors(pid.parse::<u64>().ok(), |pid| of(&pid.to_string(), "PPid:"))
            .any(|pid| pid == own)
    };
    pids.filter(below).filter_map(|pid| of(&pid, "VmRSS:")).sum::<u64>() << 10
}

/// Runs code as a cell and interrupts it once it runs.
#[track_caller]
#[cfg(feature = "rust-cells")]
fn interrupted(session: &mut Session, console: &Arc<Recorder>, code: &str) -> String {
    let (heard, before) = (console.clone(), console.stdout().len());
    let asked = std::thread::spawn(move || {
        let patience = Instant::now() + Duration::from_secs(240);
        while heard.stdout().len() == before && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        // The line comes before what follows it.
        std::thread::sleep(Duration::from_millis(200));
        interrupt::request();
        Instant::now()
    });
    let cell = format!("%%rust\nprintln!(\"it runs\");\n{code}\nprintln!(\"it went on\");");
    let failure = session.cell(&cell).outcome.unwrap_err();
    let took = asked.join().unwrap().elapsed();
    interrupt::clear();
    assert_eq!(failure.kind, Kind::Interrupted, "{}", failure.message);
    // The goal of 500 ms is `benches/interrupt.py`'s; here others compute beside it.
    assert!(took < Duration::from_secs(5), "stopped within {took:?}");
    failure.message
}

/// A `spatia` that is given a cell of Rust on a machine without what that takes.
#[cfg(feature = "rust-cells")]
fn start_without_rust(path: &str, home: &std::path::Path, cell: &str) -> Child {
    let mut spatia = Command::new(env!("CARGO_BIN_EXE_spatia"));
    spatia.arg("repl").env("PATH", path).env("HOME", home).env("XDG_STATE_HOME", home);
    for name in ["RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "XDG_CACHE_HOME"] {
        spatia.env_remove(name);
    }
    spatia.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = common::heeding(&mut spatia, true).spawn().unwrap();
    write!(child.stdin.take().unwrap(), "{cell}\n\n").unwrap();
    child
}

/// What it says.
#[cfg(feature = "rust-cells")]
fn without_rust(path: &str, home: &std::path::Path, cell: &str) -> String {
    let child = start_without_rust(path, home, cell);
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned()
}

/// rustup's stand-ins fetch a toolchain first where none is there.
#[test]
#[cfg(feature = "rust-cells")]
fn ctrl_c_ends_a_compiler_that_is_slow_to_answer() {
    let home = tempfile::tempdir().unwrap();
    let cargo = home.path().join("cargo");
    let (began, ended) = (home.path().join("began"), home.path().join("ended"));
    let script =
        format!("#!/bin/sh\n: >{}\n/bin/sleep 30\n: >{}\n", began.display(), ended.display());
    std::fs::write(&cargo, script).unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, runs).unwrap();
    let mut child = start_without_rust(home.path().to_str().unwrap(), home.path(), "%%rust\n1 + 1");
    while !began.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!ended.exists(), "it was waited for");
}

#[test]
#[cfg(feature = "rust-cells")]
fn a_machine_without_rust_is_told_what_it_lacks() {
    let home = tempfile::tempdir().unwrap();
    let empty = home.path().join("bin");
    std::fs::create_dir(&empty).unwrap();
    for cell in ["%%rust\n1 + 1", ":dep serde = \"1\""] {
        let said = without_rust(empty.to_str().unwrap(), home.path(), cell);
        assert!(said.contains("found no cargo, no rustc, no cc"), "{said}");
        assert!(said.contains("https://rustup.rs"), "{said}");
    }

    // rustup's stand-ins, which find no toolchain in this home.
    for tool in ["cargo", "rustc"] {
        let text = "#!/bin/sh\necho 'error: rustup could not choose a version of rustc to run' >&2\nexit 1\n";
        std::fs::write(empty.join(tool), text).unwrap();
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(empty.join(tool), runs).unwrap();
    }
    let said = without_rust(empty.to_str().unwrap(), home.path(), "%%rust\n1 + 1");
    assert!(said.contains("a rustc that fails: \"rustup could not choose a version"), "{said}");
    assert!(said.contains("rustup default stable"), "{said}");

    // Rust that lies where rustup puts it, beside the PATH.
    let cargo = home.path().join(".cargo/bin");
    std::fs::create_dir_all(&cargo).unwrap();
    std::fs::rename(empty.join("cargo"), cargo.join("cargo")).unwrap();
    std::fs::remove_file(empty.join("rustc")).unwrap();
    let said = without_rust(empty.to_str().unwrap(), home.path(), "%%rust\n1 + 1");
    assert!(said.contains(".cargo/bin: put that folder on the PATH"), "{said}");

    // A variable that is not there is refused before anything starts.
    let said =
        without_rust(empty.to_str().unwrap(), home.path(), "let counts = 1\n%%rust -i count\n1");
    assert!(said.contains("handing 'count'") && said.contains("'counts'"), "{said}");
}
