//! Requests that are answered at once, also while a cell runs.

use serde_json::{Value, json};

use super::message::{self, Message, failed};
use super::{Kernel, info};
use crate::host::Session;
use crate::host::cell::Cell;
use crate::host::complete::{byte_at, complete, point_at};
use crate::host::inspect::{Detail, inspect};
use crate::script::source::{self, Completeness};
use crate::script::syntax;

/// The content of the reply; none where the protocol has none.
pub fn answer(kernel: &Kernel, request: &Message) -> Option<Value> {
    let content = match request.header.msg_type.as_str() {
        "kernel_info_request" => info::reply(),
        "complete_request" => completions(kernel, request),
        "inspect_request" => inspection(kernel, request),
        "is_complete_request" => completeness(message::text(request, "code")),
        "history_request" => kernel.history.answer(request),
        "comm_info_request" => json!({ "status": "ok", "comms": {} }),
        "connect_request" => kernel.ports.clone(),
        "comm_open" => {
            let id = message::text(request, "comm_id");
            kernel.iopub.say("comm_close", json!({ "comm_id": id, "data": {} }), Some(request));
            return None;
        }
        "comm_msg" | "comm_close" => return None,
        "interrupt_request" => json!({ "status": "ok" }),
        "shutdown_request" => shutdown(kernel, request),
        "debug_request" => no_debugger(request),
        other if other.ends_with("_request") => {
            failed("NotImplemented", &format!("this kernel has no answer to {other}"))
        }
        other => {
            kernel.log.line(format_args!("a message of kind {other:?} is ignored"));
            return None;
        }
    };
    Some(content)
}

/// All clients hear of the end.
fn shutdown(kernel: &Kernel, request: &Message) -> Value {
    let restart = message::flag(request, "restart", false);
    let content = json!({ "status": "ok", "restart": restart });
    kernel.iopub.say("shutdown_reply", content.clone(), Some(request));
    content
}

fn completions(kernel: &Kernel, request: &Message) -> Value {
    let code = message::text(request, "code");
    let found = complete(&kernel.names.get(), code, cursor(request, code));
    let (start, end) = (point_at(code, found.start), point_at(code, found.end));
    let texts: Vec<&str> = found.matches.iter().map(|m| m.text.as_str()).collect();
    let typed: Vec<Value> = found
        .matches
        .iter()
        .map(|m| {
            json!({ "start": start, "end": end, "text": m.text, "type": m.kind,
                    "signature": m.note })
        })
        .collect();
    json!({
        "status": "ok",
        "matches": texts,
        "cursor_start": start,
        "cursor_end": end,
        "metadata": { "_jupyter_types_experimental": typed },
    })
}

fn inspection(kernel: &Kernel, request: &Message) -> Value {
    let code = message::text(request, "code");
    let whole = message::content(request)["detail_level"].as_u64().unwrap_or(0) > 0;
    let detail = if whole { Detail::Whole } else { Detail::Summary };
    let found = inspect(&kernel.names.get(), code, cursor(request, code), detail);
    let (known, bundle) = (found.is_some(), found.unwrap_or_default());
    json!({ "status": "ok", "found": known, "data": bundle.data, "metadata": bundle.metadata })
}

fn completeness(code: &str) -> Value {
    let state = match Cell::parse(code) {
        Cell::Code(code) => match source::completeness(code) {
            Completeness::Incomplete => "incomplete",
            Completeness::Complete if syntax::is_valid(code) => "complete",
            Completeness::Complete => "invalid",
        },
        _ if Session::is_complete(code) => "complete",
        _ => "incomplete",
    };
    match state {
        "incomplete" => json!({ "status": state, "indent": indent(code) }),
        _ => json!({ "status": state }),
    }
}

/// The spaces that the next line begins with: one step more behind an open bracket.
fn indent(code: &str) -> String {
    let last = code.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default();
    let own = &last[..last.len() - last.trim_start().len()];
    let opens = last.trim_end().ends_with(['{', '(', '[']);
    format!("{own}{}", if opens { "    " } else { "" })
}

/// A debugger's own form of a refusal.
fn no_debugger(request: &Message) -> Value {
    let asked = message::content(request);
    json!({
        "type": "response",
        "success": false,
        "command": asked["command"],
        "request_seq": asked["seq"],
        "seq": 0,
        "message": "this kernel has no debugger",
    })
}

/// The byte of the cursor; the end where none is said.
fn cursor(request: &Message, code: &str) -> usize {
    let point = message::content(request)["cursor_pos"].as_u64();
    point.map_or(code.len(), |point| byte_at(code, point as usize))
}
