//! The kernel over its own wire: the real program, driven by the client side of the protocol's
//! crate. Other clients drive it in `clients`.

mod client;

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use client::{Client, has};

#[test]
fn a_cell_gives_its_outputs_in_order_and_a_reply() {
    Client::with(|mut k| async move {
        let ran = k.run("print(\"a\"); eprint(\"b\"); print(\"c\"); 1 + 1").await;
        assert_eq!(
            ran.kinds(),
            ["busy", "execute_input", "stream", "stream", "stream", "execute_result", "idle"]
        );
        let texts: Vec<&str> =
            ran.said.iter().filter_map(|(_, content)| content["text"].as_str()).collect();
        assert_eq!(texts, ["a\n", "b\n", "c\n"]);
        assert_eq!(ran.find("execute_result")["data"]["text/plain"], "2");
        assert_eq!(ran.reply["status"], "ok");
        assert_eq!(ran.reply["execution_count"], 1);
        k
    });
}

#[test]
fn an_error_has_a_name_a_text_and_the_line() {
    Client::with(|mut k| async move {
        let ran = k.run("let x = 1\nnope(x)").await;
        assert_eq!(ran.reply["status"], "error");
        let error = ran.find("error");
        assert!(has(&error["evalue"], "nope(int)"), "{error}");
        assert!(error["traceback"].to_string().contains("[1]"), "{error}");
        // What the cell had done is kept.
        assert_eq!(k.run("x").await.find("execute_result")["data"]["text/plain"], "1");
        k
    });
}

#[test]
fn cells_sent_along_with_a_failing_one_are_aborted_and_later_ones_run() {
    Client::with(|mut k| async move {
        let ids = [k.execute("nope()").await, k.execute("1").await, k.execute("2").await];
        let mut states = Vec::new();
        for id in &ids {
            states.push(k.reply_to(id).await["status"].clone());
        }
        assert_eq!(states, ["error", "aborted", "aborted"]);
        assert_eq!(k.run("3").await.reply["status"], "ok");

        let options = json!({ "stop_on_error": false });
        let failing = k.execute_with("nope()", options).await;
        let next = k.execute("4").await;
        assert_eq!(k.reply_to(&failing).await["status"], "error");
        assert_eq!(k.reply_to(&next).await["status"], "ok");
        k
    });
}

#[test]
fn what_fails_silently_aborts_no_cell() {
    Client::with(|mut k| async move {
        let silent = k.execute_with("nope()", json!({ "silent": true })).await;
        let next = k.execute("1").await;
        assert_eq!(k.reply_to(&silent).await["status"], "error");
        assert_eq!(k.reply_to(&next).await["status"], "ok");
        k
    });
}

#[test]
fn silent_cells_and_expressions_leave_no_trace() {
    Client::with(|mut k| async move {
        let ran = k.run_with("let x = 20; x", json!({ "silent": true })).await;
        assert_eq!(ran.kinds(), ["busy", "idle"]);
        let asked = json!({ "user_expressions": { "good": "x * 2", "bad": "nope" } });
        let ran = k.run_with("x + 1", asked).await;
        assert_eq!(ran.reply["execution_count"], 1);
        let answers = &ran.reply["user_expressions"];
        assert_eq!(answers["good"]["data"]["text/plain"], "40");
        assert_eq!(answers["bad"]["status"], "error");
        k
    });
}

#[test]
fn an_interrupt_ends_a_loop_and_keeps_the_variables() {
    Client::with(|mut k| async move {
        k.run("let n = 7").await;
        let cell = k.execute("loop {}").await;
        k.heard("execute_input").await;
        assert_eq!(k.control("interrupt_request", json!({})).await["status"], "ok");
        let reply = k.reply_to(&cell).await;
        assert_eq!(reply["ename"], "Interrupted");
        assert_eq!(k.run("n").await.find("execute_result")["data"]["text/plain"], "7");

        // By signal, too; and one that meets no cell harms none after it.
        let cell = k.execute("loop {}").await;
        k.heard("execute_input").await;
        k.signal("INT");
        assert_eq!(k.reply_to(&cell).await["ename"], "Interrupted");
        k.signal("INT");
        // The system hands a signal over when it likes, on a busy machine later than the next cell.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(k.control("interrupt_request", json!({})).await["status"], "ok");
        assert_eq!(k.run("n").await.reply["status"], "ok");
        k
    });
}

#[test]
fn an_interrupt_of_output_without_end_waits_for_no_client() {
    Client::with(|mut k| async move {
        k.run("let text = \"\"; text.pad(1000000, \"x\"); let n = 0").await;
        let before = k.memory();
        let cell = k.execute("loop { print(`${n} ${text}`); n += 1 }").await;
        k.heard("stream").await;
        // From here on nothing is read: the kernel gets rid of no more than the sockets take.
        tokio::time::sleep(Duration::from_secs(2)).await;
        k.control("interrupt_request", json!({})).await;
        // Clients are hung up on after 20 s.
        let reply = tokio::time::timeout(Duration::from_secs(15), k.reply_to(&cell)).await;
        assert_eq!(reply.expect("a reply in time")["ename"], "Interrupted");
        assert!(k.memory() < before + 200, "{} MB, {before} MB before", k.memory());
        // All of it comes, and in order.
        let said = k.heard_of(&cell).await;
        let texts = said.iter().filter(|(kind, _)| kind == "stream");
        let text: String = texts.filter_map(|(_, content)| content["text"].as_str()).collect();
        let lines = text.lines().map(|l| l.trim_end_matches('x').trim().parse::<usize>().unwrap());
        let lines: Vec<usize> = lines.collect();
        assert_eq!(lines, (0..lines.len()).collect::<Vec<_>>());
        let kinds: Vec<&str> = said.iter().map(|(kind, _)| kind.as_str()).collect();
        assert!(kinds.ends_with(&["error", "idle"]), "{kinds:?}");
        let n = k.run("n").await.find("execute_result")["data"]["text/plain"].clone();
        let n: usize = n.as_str().unwrap().parse().unwrap();
        assert!([n, n + 1].contains(&lines.len()), "{} lines of {n}", lines.len());
        k
    });
}

#[test]
fn an_interrupt_reaches_the_cell_that_is_just_beginning_and_none_after_it() {
    Client::with(|mut k| async move {
        for _ in 0..10 {
            let cell = k.execute("loop {}").await;
            k.taken(&cell).await;
            k.control("interrupt_request", json!({})).await;
            assert_eq!(k.finish(&cell).await.reply["ename"], "Interrupted");
            assert_eq!(k.run("1").await.reply["status"], "ok");
        }
        k
    });
}

#[test]
fn an_interrupt_passes_closures_calls_and_catches() {
    Client::with(|mut k| async move {
        k.run("let caught = 0; fn spin(n) { if n == 0 { loop {} } else { spin(n - 1) } }").await;
        for code in [
            "print(1); try { spin(9) } catch { caught += 1 }",
            "print(1); try { [1, 2].map(|x| { loop { try { throw x } catch {} } }) } catch { caught += 1 }",
            "print(1); try { let f = || sleep(1000); f.call() } catch (e) { caught += 1 }",
        ] {
            let cell = k.execute(code).await;
            k.heard("stream").await;
            k.control("interrupt_request", json!({})).await;
            assert_eq!(k.finish(&cell).await.reply["ename"], "Interrupted", "{code}");
            let left = k.run("caught").await;
            assert_eq!(left.find("execute_result")["data"]["text/plain"], "0", "{code}");
        }
        k
    });
}

#[test]
fn an_interrupt_ends_training_which_can_go_on() {
    Client::with(|mut k| async move {
        k.run(
            "let ds = sim::tissue(#{ spots: 120, genes: 60, domains: 3, seed: 1 })\n\
             let g = graph::knn(ds, #{ k: 6 })\n\
             let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1 })",
        )
        .await;
        let cell =
            k.execute("print(\"begins\"); train::fit(model, ds, g, #{ epochs: 1000000 })").await;
        k.heard("stream").await;
        k.control("interrupt_request", json!({})).await;
        assert_eq!(k.reply_to(&cell).await["ename"], "Interrupted");
        let ran = k.run("train::fit(model, ds, g, #{ epochs: 1 }).history.columns[0]").await;
        assert_eq!(ran.find("execute_result")["data"]["text/plain"], "\"epoch\"");
        k
    });
}

#[test]
fn the_kernel_answers_while_a_cell_runs() {
    Client::with(|mut k| async move {
        k.run("let tissue_of_mine = 1").await;
        let cell = k.execute("loop {}").await;
        k.heard("execute_input").await;
        let found =
            k.shell("complete_request", json!({ "code": "tissue_of", "cursor_pos": 9 })).await;
        assert_eq!(found["matches"], json!(["tissue_of_mine"]));
        assert_eq!((&found["cursor_start"], &found["cursor_end"]), (&json!(0), &json!(9)));
        let asked = json!({ "code": "tissue_of_mine", "cursor_pos": 3, "detail_level": 0 });
        let found = k.shell("inspect_request", asked).await;
        assert_eq!(found["found"], true);
        assert!(has(&found["data"]["text/plain"], "int"), "{found}");
        let asked = json!({ "code": "let x = [" });
        assert_eq!(k.shell("is_complete_request", asked).await["status"], "incomplete");
        // As deep as the language goes, and deeper: on a thread that has less of a stack than cells have.
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("if true {", "}"), ("-", "")] {
            for depth in [120, 255, 5000] {
                let code = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let reply = k.shell("is_complete_request", json!({ "code": code })).await;
                assert_ne!(reply["status"], "error", "{open} {depth}: {reply}");
            }
        }
        let info = k.shell("kernel_info_request", json!({})).await;
        assert_eq!(info["language_info"]["name"], "rhai");
        let history = json!({ "hist_access_type": "tail", "n": 1, "output": false, "raw": true });
        let history = k.shell("history_request", history).await;
        assert_eq!(history["history"][0][2], "let tissue_of_mine = 1");
        assert_eq!(k.shell("comm_info_request", json!({})).await["comms"], json!({}));
        assert_eq!(k.control("kernel_info_request", json!({})).await["status"], "ok");
        k.control("interrupt_request", json!({})).await;
        k.reply_to(&cell).await;
        k
    });
}

#[test]
fn every_request_makes_the_kernel_busy_and_then_idle() {
    Client::with(|mut k| async move {
        for (kind, content) in [
            ("kernel_info_request", json!({})),
            ("complete_request", json!({ "code": "pri", "cursor_pos": 3 })),
            ("inspect_request", json!({ "code": "print", "cursor_pos": 3 })),
            ("is_complete_request", json!({ "code": "1" })),
            ("history_request", json!({ "hist_access_type": "tail", "n": 1 })),
            ("comm_info_request", json!({})),
            ("connect_request", json!({})),
        ] {
            let id = k.tell(kind, content).await;
            let asked = k.finish(&id).await;
            assert_eq!(asked.kinds(), ["busy", "idle"], "{kind}");
            assert_ne!(asked.reply["status"], "error", "{kind}");
        }
        let asked = json!({ "comm_id": "c", "target_name": "t", "data": {} });
        let id = k.tell("comm_open", asked).await;
        let kinds: Vec<String> = k.heard_of(&id).await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["busy", "comm_close", "idle"]);
        for kind in ["kernel_info_request", "interrupt_request", "debug_request"] {
            let (id, _) = k.ask_control(kind, json!({})).await;
            let kinds: Vec<String> =
                k.heard_of(&id).await.into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(kinds, ["busy", "idle"], "{kind}");
        }
        k
    });
}

#[test]
fn texts_are_complete_incomplete_or_invalid() {
    Client::with(|mut k| async move {
        for (code, status) in [
            ("let x = 1", "complete"),
            ("?x", "complete"),
            ("fn f(x) {", "incomplete"),
            ("%%rust", "incomplete"),
            ("%%rust\n1\n", "complete"),
            ("let = 3", "invalid"),
        ] {
            let reply = k.shell("is_complete_request", json!({ "code": code })).await;
            assert_eq!(reply["status"], status, "{code}");
        }
        let reply = k.shell("is_complete_request", json!({ "code": "if x {\n" })).await;
        assert_eq!(reply["indent"], "    ");
        k
    });
}

#[test]
fn history_is_searched_and_outlives_the_kernel() {
    let home = tempfile::tempdir().unwrap();
    Client::with_home(home.path(), |mut k| async move {
        for code in ["let a = 1", "let b = 2", "let a = 1", "a + b"] {
            k.run(code).await;
        }
        let asked = json!({ "hist_access_type": "search", "pattern": "let ? = *", "unique": true });
        let found = k.shell("history_request", asked).await["history"].clone();
        assert_eq!(found, json!([[1, 2, "let b = 2"], [1, 3, "let a = 1"]]));
        let asked = json!({ "hist_access_type": "range", "session": 0, "start": 4, "stop": 5,
                            "output": true });
        let found = k.shell("history_request", asked).await["history"].clone();
        assert_eq!(found, json!([[1, 4, ["a + b", "3"]]]));
        k
    });
    Client::with_home(home.path(), |mut k| async move {
        let asked = json!({ "hist_access_type": "range", "session": -1, "start": 1, "stop": 2 });
        let found = k.shell("history_request", asked).await["history"].clone();
        assert_eq!(found, json!([[1, 1, "let a = 1"]]));
        k
    });
}

#[test]
fn kernels_that_run_at_once_have_a_number_each() {
    let home = tempfile::tempdir().unwrap();
    Client::with_home(home.path(), |mut k| async {
        let mut other = Client::start(home.path()).await;
        let asked = json!({ "hist_access_type": "range", "session": 0, "start": 1, "stop": 2 });
        for (kernel, session) in [(&mut k, 1), (&mut other, 2)] {
            kernel.run("let a = 1").await;
            let found = kernel.shell("history_request", asked.clone()).await["history"].clone();
            assert_eq!(found, json!([[session, 1, "let a = 1"]]));
        }
        other.control("shutdown_request", json!({ "restart": false })).await;
        other.ended().await;
        k
    });
}

#[test]
fn no_cell_waits_for_a_history_that_another_holds() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("spatia");
    std::fs::create_dir_all(&folder).unwrap();
    // As a kernel does that was stopped amid its start.
    let lock = std::fs::File::create(folder.join("kernel_history.lock")).unwrap();
    lock.lock().unwrap();
    Client::with_home(home.path(), |mut k| async {
        k.run("let a = 1").await;
        k.run("let b = 2").await;
        let asked = json!({ "hist_access_type": "tail", "n": 9 });
        let found = k.shell("history_request", asked).await["history"].clone();
        assert_eq!(found, json!([[1, 1, "let a = 1"], [1, 2, "let b = 2"]]));
        lock.unlock().unwrap();
        k.run("let c = 3").await;
        k
    });
    let text = std::fs::read_to_string(folder.join("kernel_history.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let inputs: Vec<&str> = lines.iter().filter_map(|l| l["input"].as_str()).collect();
    assert_eq!(inputs, ["let a = 1", "let b = 2", "let c = 3"]);
}

#[test]
fn a_long_history_is_cut_and_loses_no_cell_of_kernels_that_run() {
    use std::os::unix::fs::MetadataExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("spatia/kernel_history.jsonl");
    Client::with_home(home.path(), |mut k| async {
        k.run("let early = 1").await;
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let line = "{\"session\":1,\"line\":1,\"input\":\"1\"}\n";
        file.write_all(line.repeat(20_000).as_bytes()).unwrap();
        // As a full disk leaves it.
        file.write_all(b"{\"session\":1,\"line\":2,\"input\":\"\xc3").unwrap();
        let mut other = Client::start(home.path()).await;
        k.run("let late = 1").await;
        other.run("let s = \"\"; s.pad(100000, \"y\"); s").await;
        other.control("shutdown_request", json!({ "restart": false })).await;
        other.ended().await;
        k
    });
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    assert!((10_000..10_010).contains(&lines.len()), "{}", lines.len());
    let of = |session: i64| lines.iter().filter(move |l| l["session"] == session);
    assert!(of(1).any(|l| l["input"] == "let late = 1"));
    let output = of(2).find_map(|l| l["output"].as_str()).unwrap();
    assert!(output.len() < 5000 && output.ends_with('…'), "{}", output.len());
}

#[test]
fn a_crash_is_offered_by_the_first_cell_that_shows_anything() {
    let home = tempfile::tempdir().unwrap();
    let sessions = home.path().join("spatia/sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let opened = json!({ "event": "opened", "time": 1, "carrier": "kernel", "pid": 1,
                         "keys": ["connection.json"] });
    let began = json!({ "event": "began", "time": 1, "cell": 1, "text": "abort()" });
    std::fs::write(sessions.join("0000000001-1-0.jsonl"), format!("{opened}\n{began}\n")).unwrap();
    // Restarted once more before anybody looked.
    Client::with_home(home.path(), |mut k| async {
        k.run_with("1", json!({ "silent": true })).await;
        k
    });
    Client::with_home(home.path(), |mut k| async {
        assert!(k.run("1").await.text("stderr").contains("died in cell [1]"));
        assert_eq!(k.run("1").await.text("stderr"), "");
        k
    });
    Client::with_home(home.path(), |mut k| async {
        assert_eq!(k.run("1").await.text("stderr"), "");
        k
    });
}

#[test]
fn a_kernel_that_is_ended_amid_a_cell_has_not_crashed() {
    let home = tempfile::tempdir().unwrap();
    let pipe = home.path().join("nobody_writes.rhai");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    Client::with_home(home.path(), |mut k| async {
        k.run("let a = 1").await;
        // Nothing ends a read of a pipe: the kernel leaves in the middle of it.
        k.execute(&format!(":load {}", pipe.display())).await;
        k.heard("execute_input").await;
        k.control("shutdown_request", json!({ "restart": true })).await;
        assert!(k.ended().await.success());
        k
    });
    Client::with_home(home.path(), |mut k| async {
        assert_eq!(k.run("a").await.text("stderr"), "");
        k
    });
}

#[test]
fn it_is_installed_for_a_user_or_into_the_environment_that_is_active() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let within = |name: &str| home.join(name).display().to_string();
    let install = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut install = std::process::Command::new(env!("CARGO_BIN_EXE_spatia"));
        install.args(["kernel", "install"]).args(arguments).env("HOME", home);
        for name in ["JUPYTER_DATA_DIR", "XDG_DATA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX"] {
            install.env_remove(name);
        }
        install.envs(variables.iter().map(|(name, value)| (name, within(value)))).output().unwrap()
    };
    let set = ["JUPYTER_DATA_DIR", "XDG_DATA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX"];
    let [jupyter, data, venv, conda] = set.map(|name| (name, name));
    for (arguments, variables, folder) in [
        (&["--user"][..], &[venv, conda][..], ".local/share/jupyter/kernels/spatia"),
        (&[], &[data, venv], "XDG_DATA_HOME/jupyter/kernels/spatia"),
        (&["--user", "--name", "mine"], &[data, jupyter], "JUPYTER_DATA_DIR/kernels/mine"),
        (&["--sys-prefix"], &[venv, conda, jupyter], "VIRTUAL_ENV/share/jupyter/kernels/spatia"),
        (&["--sys-prefix"], &[conda], "CONDA_PREFIX/share/jupyter/kernels/spatia"),
    ] {
        let spec = home.join(folder).join("kernel.json");
        assert!(!spec.exists(), "{folder}");
        let out = install(arguments, variables);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(said.trim_end().ends_with(&within(folder)), "{said} {:?}", out.stderr);
        let spec: serde_json::Value =
            serde_json::from_slice(&std::fs::read(spec).unwrap()).unwrap();
        assert_eq!(spec["argv"][0], env!("CARGO_BIN_EXE_spatia"), "{folder}");
    }
    let out = install(&["--sys-prefix"], &[jupyter]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("Activate the environment"));
}

#[test]
fn a_program_whose_path_is_no_utf8_is_not_installed_as_a_kernel() {
    use std::os::unix::ffi::OsStrExt;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_spatia"));
    // Beside it, because a link cannot lead to another disk.
    let folder = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
    let other = folder.path().join(std::ffi::OsStr::from_bytes(b"spatia-\xff"));
    std::fs::hard_link(program, &other).unwrap();
    let mut install = std::process::Command::new(&other);
    let out = install.args(["kernel", "install", "--prefix"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("UTF-8") && !folder.path().join("share").exists(), "{said}");
}

#[test]
fn input_asks_the_client_and_waits_no_longer_than_it_is_wanted() {
    Client::with(|mut k| async move {
        let cell = k.execute("let name = input(\"name? \"); name.len()").await;
        let asked = k.question().await;
        assert_eq!(asked["prompt"], "name? ");
        assert_eq!(asked["password"], false);
        k.answer("Ada").await;
        assert_eq!(k.finish(&cell).await.find("execute_result")["data"]["text/plain"], "3");

        let cell = k.execute("input(\"again? \")").await;
        k.question().await;
        let given_up = k.asked();
        k.control("interrupt_request", json!({})).await;
        assert_eq!(k.reply_to(&cell).await["ename"], "Interrupted");

        // The box of that question is still there, and no answer to the next one.
        let cell = k.execute("input(\"and now? \")").await;
        k.question().await;
        let asked = k.asked();
        k.answer_to(&given_up, "the old one").await;
        k.answer_to(&asked, "the new one").await;
        let ran = k.finish(&cell).await;
        assert_eq!(ran.find("execute_result")["data"]["text/plain"], "\"the new one\"");

        let ran = k.run_with("input(\"nobody? \")", json!({ "allow_stdin": false })).await;
        assert!(has(&ran.reply["evalue"], "allow_stdin"), "{}", ran.reply);
        k
    });
}

#[test]
fn a_question_comes_behind_what_was_said_before_it() {
    Client::with(|mut k| async move {
        let code = "let s = \"\"; s.pad(32000000, \"x\"); print(s); input(\"more? \")";
        let cell = k.execute(code).await;
        // More than the sockets take: the question waits until it is read.
        let early = tokio::time::timeout(Duration::from_secs(1), k.question()).await;
        assert!(early.is_err(), "{early:?}");
        k.heard("stream").await;
        k.question().await;
        k.answer("no").await;
        assert_eq!(k.finish(&cell).await.reply["status"], "ok");
        k
    });
}

#[test]
fn what_native_code_writes_reaches_the_cell() {
    Client::with(|mut k| async move {
        let cell = k.execute("loop {}").await;
        k.heard("execute_input").await;
        // What a descriptor holds is open to others: as libtorch would, and amid a character.
        let mut out = k.descriptor(1);
        out.write_all(b"native \xf0\x9f").unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        out.write_all("\u{1f600}".as_bytes()[2..].as_ref()).unwrap();
        out.write_all(b" 50%\r100%\nEVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT\n")
            .unwrap();
        k.descriptor(2).write_all(b"warning\n").unwrap();
        k.control("interrupt_request", json!({})).await;
        let ran = k.finish(&cell).await;
        assert_eq!(ran.text("stdout"), "native \u{1f600} 50%\r100%\n");
        assert_eq!(ran.text("stderr"), "warning\n");
        assert_eq!(ran.find("display_data")["data"]["text/html"], "<b>x</b>");
        k
    });
}

#[test]
fn much_output_is_neither_lost_nor_mixed_up() {
    Client::with(|mut k| async move {
        let ran = k.run("for i in 0..20000 { print(i) }").await;
        let expected: String = (0..20000).map(|i| format!("{i}\n")).collect();
        assert_eq!(ran.text("stdout"), expected);
        assert!(ran.said.len() < 200, "{} messages", ran.said.len());
        let ran = k.run("let s = \"x\"; for i in 0..23 { s += s }\nprint(s)").await;
        assert_eq!(ran.text("stdout").len(), (8 << 20) + 1);
        k
    });
}

#[test]
fn a_client_that_subscribes_is_welcomed() {
    Client::with(|k| async move {
        assert!(k.was_welcomed);
        k
    });
}

#[test]
fn what_is_no_message_is_passed_over() {
    Client::with(|mut k| async move {
        k.junk().await;
        assert_eq!(k.shell("no_such_request", json!({})).await["status"], "error");
        k.tell("comm_open", json!({ "comm_id": "c", "target_name": "t", "data": {} })).await;
        assert_eq!(k.heard("comm_close").await["comm_id"], "c");
        let reply = k.control("debug_request", json!({ "command": "attach", "seq": 1 })).await;
        assert_eq!(reply["success"], false);
        assert_eq!(k.run("1").await.reply["status"], "ok");
        k
    });
}

#[test]
fn shutdown_is_answered_and_the_process_ends_even_amid_a_cell() {
    Client::with(|mut k| async move {
        k.execute("loop {}").await;
        k.heard("execute_input").await;
        let reply = k.control("shutdown_request", json!({ "restart": false })).await;
        assert_eq!(reply, json!({ "status": "ok", "restart": false }));
        assert!(k.ended().await.success());
        k
    });
    // Older clients ask on the shell channel.
    Client::with(|mut k| async move {
        k.run("let a = 1").await;
        let reply = k.shell("shutdown_request", json!({ "restart": true })).await;
        assert_eq!(reply, json!({ "status": "ok", "restart": true }));
        assert_eq!(k.heard("shutdown_reply").await, reply);
        assert!(k.ended().await.success());
        k
    });
    Client::with(|mut k| async move {
        let ran = k.run(":quit").await;
        assert_eq!(ran.reply["payload"][0]["source"], "ask_exit");
        assert!(k.ended().await.success());
        k
    });
    Client::with(|mut k| async move {
        // Once it has answered it listens to signals too.
        k.run("1").await;
        k.signal("TERM");
        assert!(k.ended().await.success());
        k
    });
}

#[test]
fn cells_that_wait_when_the_kernel_is_told_to_quit_are_answered() {
    for quit in [":quit", "exit()"] {
        Client::with(|mut k| async move {
            k.execute("input(\"now? \")").await;
            let quitting = k.execute(quit).await;
            let waiting = [k.execute("1").await, k.execute("2").await];
            // Its answer comes behind them: all of them have arrived.
            k.shell("kernel_info_request", json!({})).await;
            k.question().await;
            k.answer("yes").await;
            assert_eq!(k.finish(&quitting).await.reply["status"], "ok");
            for id in &waiting {
                let ran = k.finish(id).await;
                assert_eq!(
                    (ran.reply["status"].as_str(), ran.kinds()),
                    (Some("aborted"), vec!["busy", "idle"])
                );
            }
            assert!(k.ended().await.success());
            k
        });
    }
}

#[test]
fn a_loaded_file_is_the_next_cell_and_a_restart_forgets_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("step.rhai");
    std::fs::write(&file, "let a = 5\na + 1\n").unwrap();
    Client::with(|mut k| async move {
        let ran = k.run(&format!("%load {}", file.display())).await;
        let next =
            json!({ "source": "set_next_input", "text": "let a = 5\na + 1", "replace": false });
        assert_eq!(ran.reply["payload"], json!([next]));
        assert_eq!(ran.kinds(), ["busy", "execute_input", "idle"], "it is not run");
        assert_eq!(k.run("a").await.reply["status"], "error");

        k.run("let kept = 1\nfn twice(x) { 2 * x }").await;
        assert_eq!(k.run("twice(kept)").await.find("execute_result")["data"]["text/plain"], "2");
        let ran = k.run(":restart").await;
        assert!(has(&ran.find("execute_result")["data"]["text/plain"], "afresh"));
        for gone in ["kept", "twice(1)"] {
            assert_eq!(k.run(gone).await.reply["status"], "error", "{gone}");
        }
        // The cells go on counting: the kernel is the same.
        assert_eq!(k.run("6 * 7").await.reply["execution_count"], 8);
        k
    });
}
