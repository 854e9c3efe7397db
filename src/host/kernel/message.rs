//! Messages of the Jupyter protocol, their content left as JSON: a client may send what no type
//! of ours foresees.

use std::time::Duration;

use jupyter_protocol::{Header, JupyterMessage, JupyterMessageContent, UnknownMessage};
use jupyter_zmq_client::RawMessage;
use serde_json::{Value, json};

/// The protocol that the kernel speaks.
pub const PROTOCOL: &str = "5.5";

/// A message that came in, and what is answered to it.
pub type Message = JupyterMessage;

/// Reads a message whose signature was found right.
///
/// # Errors
/// A part that is not the JSON it must be; a header without `msg_id` or `msg_type`.
pub fn read(raw: RawMessage) -> Result<Message, serde_json::Error> {
    let part = |i: usize| raw.jparts.get(i).map_or(&b"null"[..], |p| p);
    let mut header: Value = serde_json::from_slice(part(0))?;
    // Clients written by hand leave these out; an answer needs none of them.
    for name in ["username", "session", "version"] {
        if let Some(fields) =
            header.as_object_mut().filter(|f| !f.get(name).is_some_and(Value::is_string))
        {
            fields.insert(name.into(), "".into());
        }
    }
    let header: Header = serde_json::from_value(header)?;
    let content = serde_json::from_slice(part(3))?;
    Ok(Message {
        parent_header: serde_json::from_slice(part(1)).ok(),
        metadata: serde_json::from_slice(part(2))?,
        content: UnknownMessage { msg_type: header.msg_type.clone(), content }.into(),
        header,
        zmq_identities: raw.zmq_identities,
        buffers: Vec::new(),
        channel: None,
    })
}

/// What a message that came in holds.
pub fn content(message: &Message) -> &Value {
    match &message.content {
        JupyterMessageContent::UnknownMessage(m) => &m.content,
        _ => &Value::Null,
    }
}

/// A text of the content; empty where there is none.
pub fn text<'a>(message: &'a Message, key: &str) -> &'a str {
    content(message)[key].as_str().unwrap_or_default()
}

/// A switch of the content; some clients leave out what they do not use.
pub fn flag(message: &Message, key: &str, default: bool) -> bool {
    content(message)[key].as_bool().unwrap_or(default)
}

/// A message to whoever sent `parent`, under the identities that it came with.
pub fn to(parent: &Message, kind: &str, content: Value) -> Message {
    new(kind, content, Some(parent))
}

/// The reply to a request: `execute_request` is answered by `execute_reply`.
pub fn reply(request: &Message, content: Value) -> Message {
    let kind = request.header.msg_type.trim_end_matches("_request").to_owned() + "_reply";
    to(request, &kind, content)
}

/// A message for all clients; its kind is the topic that they may subscribe to.
pub fn published(kind: &str, content: Value, parent: Option<&Message>) -> Message {
    let topic = kind.as_bytes().to_vec().into();
    new(kind, content, parent).with_zmq_identities(vec![topic])
}

/// The content of a reply that says what went wrong.
pub fn failed(name: &str, message: &str) -> Value {
    json!({ "status": "error", "ename": name, "evalue": message, "traceback": [message] })
}

fn new(kind: &str, content: Value, parent: Option<&Message>) -> Message {
    let mut message = Message::new(UnknownMessage { msg_type: kind.into(), content }, parent);
    message.header.version = PROTOCOL.into();
    message.header.username = "kernel".into();
    // jupyter_client reads microseconds, and leaves a date with more digits as a text.
    let beyond = message.header.date.timestamp_subsec_nanos() % 1000;
    message.header.date -= Duration::from_nanos(beyond.into());
    message
}
