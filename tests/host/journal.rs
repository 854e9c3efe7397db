//! The journal: what a session that died leaves to the next one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spatia::host::Session;
use spatia::host::journal::{self, Carrier, Journal, State};
use tempfile::TempDir;

use crate::common::Recorder;

fn session(folder: &Path, carrier: Carrier<'_>) -> (Session, Arc<Recorder>) {
    let console = Recorder::new();
    let mut session = Session::new(console.clone());
    session.set_journal(Journal::in_folder(Some(folder.to_owned()), carrier));
    (session, console)
}

fn journals(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|f| f.unwrap().path()).collect();
    all.sort();
    all
}

/// A folder with the journal that a session would leave that runs `cells` and dies in `last`: a
/// copy of a living session's file is neither locked nor closed.
fn crashed(carrier: Carrier<'_>, cells: &[&str], last: Option<&str>) -> TempDir {
    let (living, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut session, _) = session(living.path(), carrier);
    for cell in cells {
        session.cell(cell).outcome.ok();
    }
    if let Some(text) = last {
        session.journal().begin(cells.len() + 1, text);
    }
    let file = journals(living.path()).remove(0);
    std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    folder
}

/// What a restore said first, and what it said of the cells.
fn announced(console: &Recorder) -> (String, String) {
    let said = console.stdout();
    let (whose, cells) = said.split_once('\n').unwrap();
    (whose.to_owned(), cells.to_owned())
}

#[test]
fn a_session_of_another_folder_is_taken_only_where_it_is_named() {
    let cells = ["let a = 20", "let b = a + 1"];
    let state = crashed(Carrier::Repl, &cells, Some("crash(b)"));
    let file = journals(state.path()).remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let here = std::env::current_dir().unwrap().display().to_string();
    std::fs::write(&file, text.replacen(&here, "/somewhere/else", 1)).unwrap();

    let (mut next, silent) = session(state.path(), Carrier::Repl);
    assert_eq!(next.journal().offer(), None);
    let failure = journal::restore(&mut next, "").unwrap_err();
    let path = file.display().to_string();
    for part in [&path, "2 finished cells", "REPL session in /somewhere/else", "other folders"] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    assert_eq!(silent.stdout(), "");
    // One of this folder comes before those of others, whoever's it was, though they are later.
    let kernel = crashed(Carrier::Kernel(Path::new("/run/k.json")), &["let k = 1"], None);
    std::fs::copy(journals(kernel.path()).remove(0), state.path().join("0000000001-1-0.jsonl"))
        .unwrap();
    journal::restore(&mut next, "").unwrap();
    let (whose, _) = announced(&silent);
    assert!(whose.starts_with("Cells of the kernel session here that began"), "{whose}");
    assert!(next.cell("k").outcome.is_ok() && next.cell("a").outcome.is_err());

    let restored = journal::restore(&mut next, &path).unwrap();
    assert!(restored.text.contains("2 cells ran again."), "{}", restored.text);
    assert_eq!(restored.edit.as_deref(), Some("crash(b)"));
    assert!(silent.stdout().contains("Cells of the REPL session in /somewhere/else that"));
    assert!(journal::restore(&mut next, "").is_err(), "all were restored");
}

#[test]
fn cells_that_speak_of_others_by_their_number_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let cells = ["20 + 1", "let b = _ * 2", ":vars", "let c = Out[1] + In.len()", "|_| 1"];
    let state = crashed(Carrier::Repl, &cells, None);
    let (mut session, _) = session(state.path(), Carrier::Repl);
    let restored = journal::restore(&mut session, "").unwrap();
    assert!(restored.text.contains("[4] uses 'Out' and 'In', and cells"), "{}", restored.text);

    let mut session = Session::new(Recorder::new());
    for cell in cells {
        session.cell(cell).outcome.unwrap();
    }
    let saved = |name| journal::save(&session, folder.path().join(name)).unwrap();
    let (script, notebook) = (saved("s.rhai"), saved("s.ipynb"));
    assert!(script.contains("[2] and [4] use '_', 'Out' and 'In', which only"), "{script}");
    assert!(notebook.contains("[4] uses 'Out' and 'In', and cells have other"), "{notebook}");
    assert!(!notebook.contains("[2]"), "{notebook}");

    let mut plain = Session::new(Recorder::new());
    for cell in ["let d = [1, 2]", "for _ in d { }", "d.map(|_| 1)", "let _ = d.len()"] {
        plain.cell(cell).outcome.ok();
    }
    let said = journal::save(&plain, folder.path().join("plain.rhai")).unwrap();
    assert!(!said.contains("use"), "{said}");
}

#[test]
fn the_cells_of_a_session_that_died_run_again_in_the_next() {
    let cells = ["let a = 20", "fn twice(x) { 2 * x }", "nothing", "?a", "a += 1"];
    let folder = crashed(Carrier::Repl, &cells, Some("crash(a)\nand_burn()"));
    let (mut session, console) = session(folder.path(), Carrier::Repl);
    let offer = session.journal().offer().unwrap();
    for part in
        ["The REPL session here", "died in cell [6] (crash(a) ...)", ":restore", "3 finished cells"]
    {
        assert!(offer.contains(part), "{offer}");
    }
    assert_eq!(session.journal().offer(), None, "a crash is offered once");

    let restored = journal::restore(&mut session, "").unwrap();
    assert!(restored.text.starts_with("3 cells ran again."), "{}", restored.text);
    assert!(restored.text.contains("    and_burn()"), "{}", restored.text);
    assert_eq!(restored.edit.as_deref(), Some("crash(a)\nand_burn()"));
    let (whose, cells) = announced(&console);
    assert!(whose.starts_with("Cells of the REPL session here that began"), "{whose}");
    assert_eq!(cells, "[1] let a = 20\n[2] fn twice(x) { 2 * x }\n[5] a += 1\n");
    let value = session.cell("twice(a)").outcome.unwrap().unwrap();
    assert_eq!(value.plain(), "42");
    assert!(journal::restore(&mut session, "").is_err(), "it is restored once");
}

#[test]
fn a_line_cut_within_a_letter_costs_that_line_only() {
    let folder = crashed(Carrier::Repl, &["let a = 1"], Some("crash()"));
    let file = journals(folder.path()).remove(0);
    let mut text = std::fs::read(&file).unwrap();
    text.extend(b"{\"event\":\"began\",\"time\":1,\"cell\":3,\"text\":\"\xc3");
    std::fs::write(&file, &text).unwrap();
    let (mut session, _) = session(folder.path(), Carrier::Repl);
    assert!(session.journal().offer().unwrap().contains("died in cell [2]"));
    assert_eq!(session.journal().offer(), None, "that it was offered is a line of its own");
    journal::restore(&mut session, file.to_str().unwrap()).unwrap();
    assert_eq!(session.cell("a").outcome.unwrap().unwrap().plain(), "1");
}

#[test]
fn cells_that_forget_all_and_go_on_are_kept() {
    let cells = ["let gone = 1", ":clear\nlet x = 5", "let y = x"];
    let folder = crashed(Carrier::Repl, &cells, Some(":restart\ncrash()"));
    let (mut session, console) = session(folder.path(), Carrier::Repl);
    session.cell("let mine = 2").outcome.unwrap();
    assert!(session.journal().offer().unwrap().contains("its 2 finished cells"));
    journal::restore(&mut session, "").unwrap();
    assert_eq!(announced(&console).1, "[2] :clear ...\n[3] let y = x\n");
    assert_eq!(session.cell("mine + y").outcome.unwrap().unwrap().plain(), "7");
    assert!(session.cell("gone").outcome.is_err());

    session.cell(":clear\nlet z = 3").outcome.unwrap();
    let entries = session.journal().entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].text.as_str(), entries[0].state),
        (":clear\nlet z = 3", State::Succeeded)
    );
}

#[test]
fn what_outlives_a_clear_or_a_restart_is_restored() {
    let cells = ["%cd sub", ":dep a = \"1\"\nlet x = 1", "%%rust\nlet k = 1;", "let gone = 1"];
    let left = |command: &str, more: &[&str]| {
        let (living, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut session, _) = session(living.path(), Carrier::Repl);
        for (i, cell) in cells.iter().chain(more).enumerate() {
            session.journal().begin(90 + i, cell);
            session.journal().end(90 + i, State::Succeeded);
        }
        session.journal().begin(99, "%%rust\nfailed");
        session.journal().end(99, State::Failed);
        session.cell(command).outcome.unwrap();
        let file = journals(living.path()).remove(0);
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        let (mut next, _) = self::session(folder.path(), Carrier::Repl);
        let crashed = next.journal().crashed().unwrap();
        assert_eq!(crashed.entries(), session.journal().entries());
        crashed.entries().iter().map(|e| e.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(left(":clear", &[]), ["%cd sub", ":dep a = \"1\"", "%%rust\nlet k = 1;", ":clear"]);
    assert_eq!(left(":restart", &[]), ["%cd sub", ":restart"]);
    // What Rust was given is needed to do it again.
    let handed = "// all\n:dep b = \"1\"\n%%rust -i gone -o got\nlet got = gone;";
    assert_eq!(left(":clear", &[handed]).len(), 7);
    assert_eq!(left(":restart", &[handed]), ["%cd sub", ":restart"]);
}

#[test]
fn a_restore_writes_files_that_are_gone_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, gone) = (folder.path().join("kept.rhai"), folder.path().join("gone.txt"));
    let cells = [
        format!("%%file {}\nfn one() {{ 1 }}", kept.display()),
        format!("%%file {}\nfirst", gone.display()),
        format!("%%writefile -a {}\nsecond", gone.display()),
        "let a = 1".to_owned(),
    ];
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let state = crashed(Carrier::Repl, &cells, None);
    std::fs::write(&kept, "edited").unwrap();
    std::fs::remove_file(&gone).unwrap();
    let (mut session, console) = session(state.path(), Carrier::Repl);
    let offer = session.journal().offer().unwrap();
    assert!(offer.contains("runs its 3 finished cells"), "as many as run: {offer}");
    let restored = journal::restore(&mut session, "").unwrap();
    assert!(restored.text.starts_with("3 cells ran again."), "{}", restored.text);
    assert!(
        console.stdout().contains("(left out: the file is there)\n[2]"),
        "{}",
        console.stdout()
    );
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "edited");
    assert_eq!(std::fs::read_to_string(&gone).unwrap(), "first\nsecond\n");
}

#[test]
fn what_sets_up_rust_cells_is_run_again_and_what_shows_is_not() {
    let mut session = Session::new(Recorder::new());
    let cells = [
        ":offline 1",
        ":dep a = \"1\"",
        ":toolchain nightly",
        ":build_env A=b",
        ":linker lld",
        ":opt 2",
        ":preserve_vars_on_panic 1",
        ":sccache 1",
        ":fmt {}",
        ":show_deps",
        ":explain",
        ":vars",
        "%who",
    ];
    for (i, cell) in cells.iter().enumerate() {
        session.journal().begin(i + 1, cell);
        session.journal().end(i + 1, State::Succeeded);
    }
    let entries = session.journal().entries();
    let kept: Vec<&str> = entries.iter().filter(|e| e.is_kept()).map(|e| e.text.as_str()).collect();
    assert_eq!(kept, cells[..9]);
}

#[test]
fn a_restore_stops_at_a_cell_that_fails_now_and_can_stop_before() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone.rhai");
    std::fs::write(&gone, "fn one() { 1 }").unwrap();
    let import = format!("import {:?} as gone", gone.with_extension("").display().to_string());
    let state = crashed(Carrier::Repl, &["let a = 1", &import, "let b = 2"], None);
    std::fs::remove_file(&gone).unwrap();
    let (mut first, _) = session(state.path(), Carrier::Repl);
    assert!(first.journal().offer().unwrap().contains("between two cells"));
    let failure = journal::restore(&mut first, "").unwrap_err();
    assert!(failure.message.contains("gone"), "{}", failure.message);
    assert!(first.cell("a").outcome.is_ok() && first.cell("b").outcome.is_err());

    let (mut second, _) = session(state.path(), Carrier::Repl);
    assert!(journal::restore(&mut second, "1").unwrap().text.starts_with("1 cell ran again."));
    assert!(second.cell("a").outcome.is_ok());
}

#[test]
fn sessions_that_live_or_were_closed_are_not_offered() {
    let folder = tempfile::tempdir().unwrap();
    let (mut living, _) = session(folder.path(), Carrier::Repl);
    living.cell("let a = 1").outcome.unwrap();
    let (mut other, _) = session(folder.path(), Carrier::Repl);
    assert!(other.journal().crashed().is_none());
    drop(living);
    assert!(other.journal().crashed().is_none());
    assert!(other.journal().offer().is_none());
    // Without a cell there is no file.
    assert_eq!(journals(folder.path()).len(), 1);
}

#[test]
fn a_restarted_kernel_hears_of_its_own_crash_only() {
    let (mine, other) = (Path::new("/run/kernel-1.json"), Path::new("/run/kernel-2.json"));
    let folder = crashed(Carrier::Kernel(mine), &["let a = 1"], Some("abort()"));
    let (mut repl, _) = session(folder.path(), Carrier::Repl);
    let (mut stranger, _) = session(folder.path(), Carrier::Kernel(other));
    let (mut restarted, _) = session(folder.path(), Carrier::Kernel(mine));
    assert_eq!(repl.journal().offer(), None);
    // Under Jupyter all kernels of this process have the same JPY_SESSION_NAME, if any.
    if std::env::var_os("JPY_SESSION_NAME").is_none() {
        assert_eq!(stranger.journal().offer(), None);
    }
    assert!(restarted.journal().offer().is_some());
    let crashed = restarted.journal().crashed().unwrap();
    assert_eq!(crashed.running().unwrap().text, "abort()");
    assert_eq!(crashed.finished().count(), 1);
}

#[test]
fn checkpoints_of_the_cell_that_died_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let train = format!(
        "let ds = sim::tissue(#{{ spots: 40, genes: 20, domains: 2 }})
        let g = models::prepare(ds)
        let model = models::gvae(ds, #{{ hidden_dim: 4, latent_dim: 2, num_heads: 1, device: \"cpu\" }})
        train::fit(model, ds, g, #{{ epochs: 2, checkpoints: {:?} }})",
        run.display().to_string()
    );
    let living = tempfile::tempdir().unwrap();
    let (mut session, _) = session(living.path(), Carrier::Repl);
    session.cell(&train).outcome.unwrap();
    let entry = session.journal().entries().remove(0);
    assert_eq!(entry.state, State::Succeeded);
    assert!(entry.checkpoints[0].contains("checkpoint_epoch_0002"), "{:?}", entry.checkpoints);

    // As if the process had died before the cell's end.
    let text = std::fs::read_to_string(journals(living.path()).remove(0)).unwrap();
    let cut = text.find("{\"event\":\"ended\"").unwrap();
    let dead = tempfile::tempdir().unwrap();
    std::fs::write(dead.path().join("0000000001-1-0.jsonl"), &text[..cut + 9]).unwrap();
    let (mut next, _) = self::session(dead.path(), Carrier::Repl);
    assert!(next.journal().offer().unwrap().contains("checkpoint_epoch_0002"));
    let restored = journal::restore(&mut next, "").unwrap();
    assert!(restored.text.contains("resume: \""), "{}", restored.text);
}

#[test]
fn a_restore_goes_on_behind_a_cell_that_fails_and_frees_what_there_is() {
    let (ran, stopped) = (State::Succeeded, State::Interrupted);
    let folder = interrupted(&[
        ("let a = 20", ran),
        (STOPPED, stopped),
        (":free run", ran),
        ("let out = nothing", ran),
        ("let c = 7", ran),
    ]);
    let (mut session, console) = session(folder.path(), Carrier::Repl);
    let failure = journal::restore(&mut session, "").unwrap_err();
    assert!(failure.message.contains("nothing"), "{}", failure.message);
    let advice = "Those before it have; :restore 5.. runs those behind it.";
    assert!(console.stderr().contains(advice), "{}", console.stderr());
    let restored = journal::restore(&mut session, "5..").unwrap();
    assert!(restored.text.starts_with("1 cell ran again."), "{}", restored.text);
    assert_eq!(session.cell("a + c").outcome.unwrap().unwrap().plain(), "27");
}

/// Ends every cell that says so, as Ctrl-C would: nothing else runs in this thread.
const STOPPED: &str = "let run = 1; let unused = 2; stop()";

/// As [`crashed`], with a cell among them that was interrupted and had saved a checkpoint.
fn interrupted(cells: &[(&str, State)]) -> TempDir {
    let (living, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut session, _) = session(living.path(), Carrier::Repl);
    for (i, (cell, state)) in cells.iter().enumerate() {
        session.journal().begin(i + 1, cell);
        session.journal().end(i + 1, *state);
    }
    let file = journals(living.path()).remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let checkpoint = folder.path().join("checkpoint_epoch_0002.safetensors");
    std::fs::write(&checkpoint, "").unwrap();
    let saved = serde_json::json!({ "event": "saved", "cell": 2, "checkpoint": checkpoint });
    std::fs::write(folder.path().join(file.file_name().unwrap()), format!("{text}{saved}\n"))
        .unwrap();
    folder
}

#[test]
fn what_was_interrupted_is_left_out_and_missed_aloud() {
    let (ran, stopped) = (State::Succeeded, State::Interrupted);
    let folder = interrupted(&[
        ("let a = 20", ran),
        (STOPPED, stopped),
        ("let b = 1\nnothing", State::Failed),
        ("let c = 1; nothing", State::Failed),
        ("let out = b", ran),
    ]);
    let (mut session, console) = session(folder.path(), Carrier::Repl);
    let offer = session.journal().offer().unwrap();
    assert!(offer.contains("its 2 finished cells again, and leaves out 2 cells"), "{offer}");

    // `b` was made by a cell that failed behind it; the one that needs it says so.
    let failure = journal::restore(&mut session, "").unwrap_err();
    assert!(failure.message.contains("no variable 'b'"), "{}", failure.message);
    assert!(failure.message.contains("which makes 'b', failed"), "{}", failure.message);
    assert!(console.stdout().contains(&format!("[2] {STOPPED}  (left out)\n[3] let b")));

    let restored = journal::restore(&mut session, "2").unwrap();
    assert!(restored.text.contains("was interrupted"), "{}", restored.text);
    assert!(restored.text.contains("resume: \""), "{}", restored.text);
    assert_eq!(restored.edit.as_deref(), Some(STOPPED), "it is put before the user");
    let failure = session.cell("run + 1").outcome.unwrap_err();
    for part in ["no variable 'run'", "which makes 'run', was interrupted", "resume: \""] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    // What is made anew is not missed any more.
    session.cell("let run = 3").outcome.unwrap();
    session.forget("run");
    let failure = session.cell("run").outcome.unwrap_err();
    assert!(!failure.message.contains("interrupted"), "{}", failure.message);
}

#[test]
fn a_cell_that_is_stopped_is_interrupted_in_the_journal_and_in_what_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(Recorder::new());
    session.cell("let a = 1").outcome.unwrap();
    session.journal().begin(90, STOPPED);
    session.journal().end(90, State::Interrupted);
    session.cell("let b = \"run\" // run\nlet run = 2").outcome.unwrap();
    session.cell("let unused = unused + run").outcome.ok();
    session.journal().begin(91, "unused + 1");
    session.journal().end(91, State::Succeeded);
    for name in ["new/folder/s.rhai", "s.ipynb"] {
        let path = folder.path().join(name);
        let said = journal::save(&session, path.to_str().unwrap()).unwrap();
        assert!(said.contains("1 interrupted in comments"), "{said}");
        assert_eq!(said.contains("new/folder was made"), name.starts_with("new"), "{said}");
        assert!(said.contains("[91] uses 'unused', which it makes"), "{said}");
        assert!(!said.contains("'run'"), "a text and a comment are no use of a name: {said}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("interrupted") && text.contains("// let run = 1"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn journals_are_private_and_few_and_never_in_the_way() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state/sessions");
    for _ in 0..25 {
        let (mut session, _) = session(&state, Carrier::Repl);
        session.cell("1").outcome.unwrap();
    }
    let all = journals(&state);
    assert_eq!(all.len(), 20);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&all[0]), mode(&state)), (0o600, 0o700));

    let (mut session, _) = session(Path::new("/proc/nowhere"), Carrier::Repl);
    session.cell("let a = 1").outcome.unwrap();
    assert_eq!(session.cell("a").outcome.unwrap().unwrap().plain(), "1");
    assert_eq!(session.journal().entries().len(), 2);
}

#[test]
fn a_session_is_saved_as_a_script_and_as_a_notebook() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(Recorder::new());
    let cells = [
        "%%time\nlet a = 20",
        "nothing",
        "?a",
        "fn twice(x) {\n    2 * x\n}",
        "%time print(twice(a + 1))",
        "%cd .",
    ];
    for cell in cells {
        session.cell(cell).outcome.ok();
    }
    for name in ["s.rhai", "s.ipynb"] {
        let path = folder.path().join(name);
        let said = journal::save(&session, path.to_str().unwrap()).unwrap();
        let (kept, outside) =
            if name == "s.rhai" { (3, ", 1 for sessions only in") } else { (4, "") };
        assert!(said.starts_with(&format!("{kept} cells are in")), "{said}");
        assert!(said.contains("1 failed in comments") && said.contains(outside), "{said}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("// nothing") && !text.contains("?a"), "{text}");
        let console = Recorder::new();
        let mut other = Session::new(console.clone());
        journal::restore(&mut other, path.to_str().unwrap()).unwrap();
        assert!(console.stdout().contains("\n42\n"), "{}", console.stdout());
    }
    for path in ["", "s", "s.txt", "/proc/nowhere/s.rhai"] {
        assert!(journal::save(&session, path).is_err(), "{path}");
    }
}
