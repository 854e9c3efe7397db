//! What all clients hear: outputs, and whether the kernel is busy. One queue keeps the order.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jupyter_zmq_client::{KernelIoPubXPubConnection, PeerIdentity, SubscriptionEvent};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use zeromq::{Socket as _, SocketEvent};

use super::message::{self, Message};
use super::stuck;
use crate::base::interrupt;
use crate::host::capture::Log;

/// Messages, and bytes of their content, that may wait before whoever writes output has to wait, too.
const BACKLOG: usize = 1_000;
const BACKLOG_BYTES: usize = 4 << 20;

/// How often whoever waits looks for an interrupt, which is not to wait for slow clients.
const LOOK: Duration = Duration::from_millis(50);

/// How long a client may take nothing at all before it loses its connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// What clients need to find their way back after that: libzmq tries again every 0.1 s.
const RECONNECTION: Duration = Duration::from_millis(500);

enum Item {
    /// A message, and the bytes that it counts for.
    Message(Box<Message>, usize),
    /// Answered when all before it is sent.
    Mark(Sender<()>),
}

/// Publishes, from any thread and without ever blocking.
#[derive(Clone)]
pub struct IoPub {
    queue: mpsc::UnboundedSender<Item>,
    waiting: Arc<Waiting>,
}

/// What is not yet sent.
#[derive(Default)]
struct Waiting {
    load: Mutex<Load>,
    less: Condvar,
}

#[derive(Default)]
struct Load {
    messages: usize,
    bytes: usize,
}

impl Load {
    fn is_full(&self) -> bool {
        self.messages >= BACKLOG || self.bytes >= BACKLOG_BYTES
    }
}

impl Waiting {
    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, bytes: usize) {
        let mut load = self.load();
        load.messages += 1;
        load.bytes += bytes;
    }

    fn sent(&self, bytes: usize) {
        let mut load = self.load();
        load.messages -= 1;
        load.bytes -= bytes;
        if !load.is_full() {
            self.less.notify_all();
        }
    }
}

impl IoPub {
    /// A queue, and the task that empties it into the socket.
    pub fn new(
        socket: KernelIoPubXPubConnection,
        port: u16,
        log: Log,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, items) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let publisher = Publisher::new(socket, port, log, waiting.clone());
        (Self { queue, waiting }, publisher.run(items))
    }

    /// Publishes a message; after the kernel's end nobody is there to hear it.
    pub fn say(&self, kind: &str, content: Value, parent: Option<&Message>) {
        let bytes = size(&content);
        let message = Box::new(message::published(kind, content, parent));
        self.waiting.add(bytes);
        self.queue.send(Item::Message(message, bytes)).ok();
    }

    /// "busy" when a request is taken up, "idle" when all of its outputs are sent.
    pub fn status(&self, state: &str, parent: Option<&Message>) {
        self.say("status", json!({ "execution_state": state }), parent);
    }

    /// Waits until little is left, so that no cell can fill the memory with output; a cell that is to
    /// stop waits no longer.
    pub fn room(&self) {
        let mut load = self.waiting.load();
        while load.is_full() && !interrupt::requested() {
            let waited = self.waiting.less.wait_timeout(load, LOOK);
            load = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until everything said so far is handed to the system, or the cell that said it is to
    /// stop: what is left then follows. Not for a task of the runtime.
    pub fn flush(&self) {
        let (mark, done) = channel();
        self.queue.send(Item::Mark(mark)).ok();
        while done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) && !interrupt::requested() {
        }
    }
}

/// About how many bytes a content is.
fn size(content: &Value) -> usize {
    match content {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
        _ => 8,
    }
}

struct Publisher {
    socket: KernelIoPubXPubConnection,
    port: u16,
    /// The clients that have come since this was last asked.
    come: Box<dyn FnMut() -> Vec<PeerIdentity> + Send>,
    log: Log,
    waiting: Arc<Waiting>,
}

impl Publisher {
    fn new(
        mut socket: KernelIoPubXPubConnection,
        port: u16,
        log: Log,
        waiting: Arc<Waiting>,
    ) -> Self {
        let mut events = socket.socket.monitor();
        let come = move || {
            let events = std::iter::from_fn(|| events.try_recv().ok());
            let accepted = events.filter_map(|event| match event {
                SocketEvent::Accepted(_, peer) => Some(peer),
                _ => None,
            });
            accepted.collect()
        };
        Self { socket, port, come: Box::new(come), log, waiting }
    }

    async fn run(mut self, mut items: mpsc::UnboundedReceiver<Item>) {
        loop {
            tokio::select! {
                event = self.socket.recv_subscription() => self.subscription(event).await,
                item = items.recv() => match item {
                    Some(Item::Message(message, bytes)) => {
                        self.send(*message).await;
                        self.waiting.sent(bytes);
                    }
                    Some(Item::Mark(done)) => {
                        done.send(()).ok();
                    }
                    None => return,
                },
            }
        }
    }

    /// Tells a client that has subscribed that it hears all from now on.
    async fn subscription(&mut self, event: jupyter_zmq_client::Result<SubscriptionEvent>) {
        // Anything else is a client that leaves.
        if let Ok(SubscriptionEvent::Subscribe(topic)) = event {
            let content = json!({ "subscription": topic });
            let mut hello = message::published("iopub_welcome", content, None);
            hello.zmq_identities = vec![topic.into_bytes().into()];
            self.send(hello).await;
        }
    }

    /// Sends to every client. The socket waits for the slowest; one that has stopped altogether
    /// must not stop the kernel, so it loses its connection. Where it cannot be found all do, and
    /// those alive come back. They may then see this message twice, but miss none.
    async fn send(&mut self, message: Message) {
        let mut again = message.clone();
        let sent = {
            let sending = self.socket.send(message);
            tokio::pin!(sending);
            let mut sent = timeout(PATIENCE, &mut sending).await.ok();
            if sent.is_none() && stuck::hang_up(self.port) > 0 {
                let took = PATIENCE.as_secs();
                self.log.line(format_args!("a client took nothing for {took} s; it is hung up on"));
                sent = timeout(PATIENCE, sending).await.ok();
            }
            sent
        };
        match sent {
            Some(Ok(())) => {}
            Some(Err(e)) => self.log.line(format_args!("publishing: {e}")),
            None => {
                self.log.line(format_args!("a client takes nothing; all reconnect"));
                self.reconnect().await;
                // Clients take a message of the same name for an attack.
                again.header.msg_id = uuid::Uuid::new_v4().to_string();
                timeout(PATIENCE, self.socket.send(again)).await.ok();
            }
        }
    }

    async fn reconnect(&mut self) {
        let backend = self.socket.socket.backend();
        for peer in (self.come)() {
            backend.peer_disconnected(&peer);
        }
        let until = Instant::now() + RECONNECTION;
        while let Ok(event) = timeout_at(until, self.socket.recv_subscription()).await {
            // The welcome is sent at once: nothing else is under way.
            Box::pin(self.subscription(event)).await;
        }
    }
}
