//! What cells say, on its way to the clients. Text is gathered for a moment, so that 100,000 prints
//! are not 100,000 messages.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::iopub::IoPub;
use super::message::Message;
use crate::host::capture::{self, Pipe};
use crate::host::flow::{self, Flow};
use crate::script::{Bundle, Output};

/// How long text may wait for more.
const GATHER: Duration = Duration::from_millis(30);

/// Bytes of text that are sent without waiting.
const ENOUGH: usize = 64 << 10;

/// Where the outputs of cells pass through.
pub struct Outlet {
    iopub: IoPub,
    state: Mutex<State>,
    /// There is text that waits.
    gathering: Condvar,
}

struct State {
    /// What the outputs belong to: the present cell, or the last one.
    parent: Option<Arc<Message>>,
    flow: Flow,
    /// Text of one stream that is not yet sent.
    text: String,
    stream: Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Outlet {
    /// An outlet with its two threads: one reads the pipes, one sends text that has waited.
    pub fn new(iopub: IoPub, pipes: [Pipe; 2]) -> Arc<Self> {
        let descriptors = [pipes[0].descriptor(), pipes[1].descriptor()];
        let (flow, text) = (Flow::of(pipes), String::new());
        let state = State { parent: None, flow, text, stream: Stream::Stdout };
        let outlet = Arc::new(Self { iopub, state: state.into(), gathering: Condvar::new() });
        let reader = outlet.clone();
        std::thread::spawn(move || {
            loop {
                capture::wait(descriptors);
                reader.iopub.room();
                reader.pump(&mut reader.state());
            }
        });
        let sender = outlet.clone();
        std::thread::spawn(move || {
            loop {
                sender.wait_for_text();
                std::thread::sleep(GATHER);
                sender.send(&mut sender.state());
            }
        });
        outlet
    }

    /// Says something as part of the present cell, behind all that was written before.
    pub fn say(&self, output: Output) {
        self.iopub.room();
        let mut state = self.state();
        self.pump(&mut state);
        let outputs = state.flow.script(output);
        self.pass(&mut state, outputs);
    }

    /// What is said from now on belongs to `parent`.
    pub fn begin(&self, parent: Arc<Message>) {
        self.drain();
        self.state().parent = Some(parent);
    }

    /// Sends everything that was said or written so far.
    pub fn drain(&self) {
        flow::flush_own_buffer();
        let mut state = self.state();
        let rest = state.flow.end();
        self.pass(&mut state, rest);
        self.send(&mut state);
    }

    /// The same, and waits until it is handed to the system; see [`IoPub::flush`].
    pub fn flush(&self) {
        self.drain();
        self.iopub.flush();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_text(&self) {
        let state = self.state();
        let waiting = self.gathering.wait_while(state, |s| s.text.is_empty());
        drop(waiting.unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes what native code has written.
    fn pump(&self, state: &mut State) {
        let native = state.flow.native();
        self.pass(state, native);
    }

    fn pass(&self, state: &mut State, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Stdout(text) => self.gather(state, Stream::Stdout, &text),
                Output::Stderr(text) => self.gather(state, Stream::Stderr, &text),
                Output::Display { bundle, id, update } => {
                    self.send(state);
                    let kind = if update { "update_display_data" } else { "display_data" };
                    self.iopub.say(kind, shown(bundle, id), state.parent.as_deref());
                }
                Output::Clear { wait } => {
                    self.send(state);
                    self.iopub.say(
                        "clear_output",
                        json!({ "wait": wait }),
                        state.parent.as_deref(),
                    );
                }
            }
        }
    }

    fn gather(&self, state: &mut State, stream: Stream, text: &str) {
        if text.is_empty() {
            return;
        }
        if state.stream != stream {
            self.send(state);
            state.stream = stream;
        }
        state.text += text;
        if state.text.len() >= ENOUGH {
            self.send(state);
        } else {
            self.gathering.notify_one();
        }
    }

    fn send(&self, state: &mut State) {
        if state.text.is_empty() {
            return;
        }
        let content =
            json!({ "name": state.stream.name(), "text": std::mem::take(&mut state.text) });
        self.iopub.say("stream", content, state.parent.as_deref());
    }
}

/// The content of `display_data`.
fn shown(bundle: Bundle, id: Option<String>) -> Value {
    let transient: Map<String, Value> =
        id.map(|id| ("display_id".into(), id.into())).into_iter().collect();
    json!({ "data": bundle.data, "metadata": bundle.metadata, "transient": transient })
}
