//! `execute_request`: one cell of the session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Kernel;
use super::message::{self, Message};
use crate::base::{Kind, text};
use crate::host::cell::Cell;
use crate::host::session::Effect;
use crate::host::{Session, report};
use crate::script::{Bundle, Failure, Output};

/// How long requests that were sent together with one before them may need to get here.
pub const TOGETHER: Duration = Duration::from_millis(10);

/// A cell that came in.
pub struct Waiting {
    pub request: Arc<Message>,
    pub come: Instant,
}

/// A cell that has run: the reply's content, and whether it asks the kernel to end.
struct Done {
    content: Value,
    quit: bool,
}

/// Runs a cell and answers; returns whether the kernel goes on.
pub(super) fn execute(kernel: &Kernel, session: &mut Session, cell: &Waiting) -> bool {
    let request = &cell.request;
    kernel.iopub.status("busy", Some(request));
    let started = message::reply(request, Value::Null);
    let runs = kernel.turn.begin(request, cell.come);
    let done = if runs {
        run(kernel, session, request)
    } else {
        Done { content: json!({ "status": "aborted" }), quit: false }
    };
    let failed = done.content["status"] == "error";
    kernel.outlet.flush();
    // What a front end asks behind the user's back takes none of the user's cells with it.
    let heeded = message::flag(request, "stop_on_error", true);
    if failed && heeded && !message::flag(request, "silent", false) {
        // Whoever sent more cells along with this one did so before seeing it fail.
        std::thread::sleep(TOGETHER);
        kernel.turn.abort_waiting();
    }
    let mut reply = message::reply(request, done.content);
    reply.metadata = json!({ "started": started.header.date });
    // Before anybody can know of the end and mean the next cell.
    kernel.turn.end();
    kernel.runtime.block_on(kernel.shell.send(reply));
    kernel.iopub.status("idle", Some(request));
    !done.quit
}

fn run(kernel: &Kernel, session: &mut Session, request: &Arc<Message>) -> Done {
    let code = message::text(request, "code");
    let silent = message::flag(request, "silent", false);
    let stored = !silent && message::flag(request, "store_history", true);
    kernel.outlet.begin(request.clone());
    kernel.stdin.begin(request.clone());
    let number = session.count() + 1;
    if !silent {
        let content = json!({ "code": code, "execution_count": number });
        kernel.iopub.say("execute_input", content, Some(request));
    }
    if !silent && let Some(offer) = kernel.offer(session) {
        kernel.outlet.say(Output::Stderr(offer + "\n"));
    }
    let said = if stored { session.cell(code) } else { session.quietly(code) };
    kernel.outlet.drain();
    let (quit, next) = match said.effect {
        Some(Effect::Quit(_)) => (true, None),
        Some(Effect::NextInput(text)) => (false, Some(text)),
        None => (false, None),
    };
    let content = match said.outcome {
        Ok(shown) => {
            if stored {
                kernel.history.add(number, code, shown.as_ref().map(Bundle::plain));
            }
            let mut payload = Vec::new();
            if let Some(bundle) = shown.filter(|_| !silent) {
                // Documentation is to be read now; it is no result of the notebook.
                if matches!(Cell::parse(code), Cell::Question { .. }) {
                    payload.push(json!({ "source": "page", "data": bundle.data, "start": 0 }));
                } else {
                    kernel.iopub.say("execute_result", result(bundle, number), Some(request));
                }
            }
            if let Some(text) = next {
                payload.push(json!({ "source": "set_next_input", "text": text, "replace": false }));
            }
            if quit {
                payload.push(json!({ "source": "ask_exit", "keepkernel": false }));
            }
            json!({
                "status": "ok",
                "execution_count": number,
                "payload": payload,
                "user_expressions": expressions(session, request),
            })
        }
        Err(failure) => {
            if stored {
                kernel.history.add(number, code, None);
            }
            let mut content = error(session, &failure);
            kernel.iopub.say("error", content.clone(), Some(request));
            content["status"] = "error".into();
            content["execution_count"] = number.into();
            content["payload"] = json!([]);
            content
        }
    };
    Done { content, quit }
}

fn result(bundle: Bundle, number: usize) -> Value {
    json!({ "execution_count": number, "data": bundle.data, "metadata": bundle.metadata })
}

/// What front ends evaluate behind a cell that succeeded, each with an answer of its own.
fn expressions(session: &mut Session, request: &Message) -> Value {
    let asked = message::content(request)["user_expressions"].as_object();
    let mut answers = Map::new();
    for (name, code) in asked.into_iter().flatten() {
        let said = session.quietly(code.as_str().unwrap_or_default());
        let answer = match said.outcome {
            Ok(shown) => {
                let bundle = shown.unwrap_or_default();
                json!({ "status": "ok", "data": bundle.data, "metadata": bundle.metadata })
            }
            Err(failure) => {
                let mut content = error(session, &failure);
                content["status"] = "error".into();
                content
            }
        };
        answers.insert(name.clone(), answer);
    }
    answers.into()
}

/// The content of `error`.
pub fn error(session: &Session, failure: &Failure) -> Value {
    let name = match failure.kind {
        Kind::Interrupted => "Interrupted",
        Kind::Missing => "Missing",
        Kind::Io => "InputOutput",
        Kind::Numeric => "Numeric",
        Kind::Resource => "Resource",
        Kind::Invalid if failure.message.starts_with("syntax error") => "Syntax",
        Kind::Invalid => "Error",
    };
    let coloured = report::coloured(&session.traceback(failure));
    let traceback: Vec<&str> = coloured.lines().collect();
    json!({ "ename": name, "evalue": text::readable(&failure.message), "traceback": traceback })
}
