//! `input`: a question to the client whose cell runs, and its answer.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jupyter_zmq_client::{KernelStdinConnection, RawMessage, RouterSendConnection};
use serde_json::json;
use tokio::runtime::Handle;
use zeromq::SocketRecv as _;

use super::message::{self, Message};
use crate::base::{Error, Kind, Result, interrupt};
use crate::host::capture::Log;

/// How often an interrupt is looked for while the user thinks.
const LOOK: Duration = Duration::from_millis(50);

/// How long a client may need to connect this channel behind the others.
const CONNECTS: Duration = Duration::from_secs(10);

pub struct Stdin {
    runtime: Handle,
    side: Mutex<Side>,
}

/// What a user typed, and the id of the message that it answers, where the client says so.
struct Answer {
    to: Option<String>,
    value: String,
}

struct Side {
    socket: RouterSendConnection,
    answers: Receiver<Answer>,
    /// The cell that runs.
    parent: Option<Arc<Message>>,
}

impl Stdin {
    /// Both directions of the channel; answers come in on the runtime.
    pub fn new(socket: KernelStdinConnection, runtime: &Handle, log: Log) -> Self {
        let (socket, mut receiving) = socket.split();
        let (sender, answers) = channel();
        runtime.spawn(async move {
            while let Ok(parts) = receiving.socket.recv().await {
                match RawMessage::from_multipart(parts, &receiving.mac) {
                    Ok(raw) => hand_on(raw, &sender, &log),
                    Err(e) => log.line(format_args!("a message on stdin is ignored: {e}")),
                }
            }
        });
        Self { runtime: runtime.clone(), side: Side { socket, answers, parent: None }.into() }
    }

    /// Who is asked from now on.
    pub fn begin(&self, parent: Arc<Message>) {
        self.side.lock().unwrap_or_else(PoisonError::into_inner).parent = Some(parent);
    }

    /// Asks and waits.
    ///
    /// # Errors
    /// The client takes no questions; an interrupt.
    pub fn ask(&self, prompt: &str, secret: bool) -> Result<String> {
        let doing = "waiting for a line of input";
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let side = &mut *side;
        let Some(parent) = side.parent.as_ref().filter(|p| message::flag(p, "allow_stdin", false))
        else {
            return Err(Error::new(doing)
                .expected("a front end that lets its user type")
                .found("one that does not (allow_stdin is false)")
                .advice("Set the value in the cell instead, or run the notebook by hand"));
        };
        // An answer to a question that was given up is none to this one. One that comes later says which
        // question it is for, or at least which cell; some clients say neither.
        while side.answers.try_recv().is_ok() {}
        let content = json!({ "prompt": prompt, "password": secret });
        let question = message::to(parent, "input_request", content);
        let ids = [&question.header.msg_id, &parent.header.msg_id];
        let meant = |answer: &Answer| answer.to.as_ref().is_none_or(|id| ids.contains(&id));
        let begun = Instant::now();
        while let Err(e) = self.runtime.block_on(side.socket.send(question.clone())) {
            if begun.elapsed() > CONNECTS {
                return Err(Error::io(doing, e).kind(Kind::Io).advice("The client has left"));
            }
            interrupt::check(doing)?;
            std::thread::sleep(LOOK);
        }
        loop {
            interrupt::check(doing)?;
            match side.answers.recv_timeout(LOOK) {
                Ok(answer) if meant(&answer) => return Ok(answer.value),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(doing).found("the end of the connection"));
                }
            }
        }
    }
}

fn hand_on(raw: RawMessage, answers: &Sender<Answer>, log: &Log) {
    match message::read(raw) {
        Ok(m) if m.header.msg_type == "input_reply" => {
            let to = m.parent_header.as_ref().map(|h| h.msg_id.clone()).filter(|id| !id.is_empty());
            answers.send(Answer { to, value: message::text(&m, "value").to_owned() }).ok();
        }
        Ok(m) => log.line(format_args!("a {} on stdin is ignored", m.header.msg_type)),
        Err(e) => log.line(format_args!("a message on stdin is ignored: {e}")),
    }
}
