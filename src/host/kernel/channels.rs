//! The loops that serve the sockets: shell, control, heartbeat.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jupyter_zmq_client::{
    KernelHeartbeatConnection, RawMessage, RouterRecvConnection, RouterSendConnection,
};
use tokio::sync::Mutex;
use zeromq::{SocketRecv as _, SocketSend as _};

use super::answer::answer;
use super::execute::Waiting;
use super::message::{self, Message, failed};
use super::{Kernel, Work};
use crate::host::capture::Log;

/// The way back of a channel.
pub struct Replies {
    socket: Mutex<RouterSendConnection>,
    log: Log,
}

impl Replies {
    pub fn new(socket: RouterSendConnection, log: Log) -> Self {
        Self { socket: socket.into(), log }
    }

    /// Sends a reply to whoever asked; a client that has left needs none.
    pub async fn send(&self, reply: Message) {
        let kind = reply.header.msg_type.clone();
        if let Err(e) = self.socket.lock().await.send(reply).await {
            self.log.line(format_args!("{kind} went nowhere: {e}"));
        }
    }
}

/// Cells queue for the session; everything else is answered here, also while a cell runs.
pub async fn shell(kernel: Arc<Kernel>, mut from: RouterRecvConnection) {
    while let Some(request) = receive(&mut from, &kernel).await {
        if request.header.msg_type == "execute_request" {
            kernel.turn.queue();
            let cell = Waiting { request: Arc::new(request), come: Instant::now() };
            kernel.work.send(Work::Cell(cell)).ok();
        } else if request.header.msg_type == "complete_request" {
            // It looks into folders, and no cell waits for a disk that does not answer.
            let kernel = kernel.clone();
            tokio::spawn(async move { respond(&kernel, request, &kernel.shell).await });
        } else {
            respond(&kernel, request, &kernel.shell).await;
        }
    }
}

/// What must not wait behind other requests: interrupts, shutdown.
pub async fn control(kernel: Arc<Kernel>, mut from: RouterRecvConnection, to: Replies) {
    while let Some(request) = receive(&mut from, &kernel).await {
        respond(&kernel, request, &to).await;
    }
}

/// Gives back every beat.
pub async fn heartbeat(mut connection: KernelHeartbeatConnection) {
    loop {
        // A client that leaves amid a beat is no reason to stop.
        if let Ok(beat) = connection.socket.recv().await {
            connection.socket.send(beat).await.ok();
        } else {
            // Nor may it keep a processor busy.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The next message that is whole and rightly signed.
async fn receive(from: &mut RouterRecvConnection, kernel: &Kernel) -> Option<Message> {
    loop {
        let parts = match from.socket.recv().await {
            Ok(parts) => parts,
            Err(e) => {
                kernel.log.line(format_args!("a channel is closed: {e}"));
                return None;
            }
        };
        let read = RawMessage::from_multipart(parts, &from.mac).map_err(|e| e.to_string());
        match read.and_then(|raw| message::read(raw).map_err(|e| e.to_string())) {
            Ok(request) => return Some(request),
            Err(e) => kernel.log.line(format_args!("a message is ignored: {e}")),
        }
    }
}

/// Answers under "busy" and "idle". A cell that runs goes on being busy, whatever a front end
/// makes of the word "idle" in between.
async fn respond(kernel: &Arc<Kernel>, request: Message, to: &Replies) {
    let request = Arc::new(request);
    kernel.iopub.status("busy", Some(&request));
    if request.header.msg_type == "interrupt_request" {
        kernel.turn.interrupt();
    }
    let (answering, asked) = (kernel.clone(), request.clone());
    let content = tokio::task::spawn_blocking(move || answer(&answering, &asked)).await;
    // One request that we cannot take must not end the channel.
    let content =
        content.unwrap_or_else(|_| Some(failed("Panic", "Spatia itself failed to answer this")));
    if let Some(content) = content {
        to.send(message::reply(&request, content)).await;
    }
    kernel.iopub.status("idle", Some(&request));
    kernel.turn.with_running(|cell| kernel.iopub.status("busy", Some(cell)));
    if request.header.msg_type == "shutdown_request" {
        kernel.stop();
    }
}
