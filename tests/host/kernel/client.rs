//! A client of the kernel: starts the program, sends, and sorts what comes back.

use std::collections::VecDeque;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use jupyter_protocol::{ConnectionInfo, Header, JupyterMessage, Transport, UnknownMessage};
use jupyter_zmq_client::{
    ClientControlConnection, ClientIoPubConnection, ClientShellConnection, ClientStdinConnection,
    RawMessage, create_client_control_connection, create_client_iopub_connection,
    create_client_shell_connection_with_identity, create_client_stdin_connection_with_identity,
    peek_ports_with_listeners, peer_identity_for_session,
};
use serde_json::{Value, json};
use zeromq::{SocketRecv, SocketSend, ZmqMessage};

/// A test must end; nothing here takes nearly as long, also where others share the processor.
const LONG: Duration = Duration::from_secs(240);

pub struct Client {
    process: Child,
    shell: ClientShellConnection,
    control: ClientControlConnection,
    stdin: ClientStdinConnection,
    iopub: ClientIoPubConnection,
    /// Replies that came while another was waited for.
    replies: VecDeque<Received>,
    /// Outputs that nobody has asked for yet.
    said: VecDeque<Received>,
    /// The question that is to be answered.
    asked: Option<Received>,
    pub was_welcomed: bool,
}

#[derive(Debug)]
struct Received {
    id: String,
    kind: String,
    parent: String,
    content: Value,
}

/// A cell that has run.
pub struct Ran {
    /// Kind and content of what all clients heard of it; of "status" the state is the kind.
    pub said: Vec<(String, Value)>,
    pub reply: Value,
}

impl Ran {
    pub fn kinds(&self) -> Vec<&str> {
        self.said.iter().map(|(kind, _)| kind.as_str()).collect()
    }

    #[track_caller]
    pub fn find(&self, kind: &str) -> &Value {
        let found = self.said.iter().find(|(k, _)| k == kind);
        &found.unwrap_or_else(|| panic!("no {kind} in {:?}; {}", self.said, self.reply)).1
    }

    /// All text of a stream.
    pub fn text(&self, stream: &str) -> String {
        let of = self.said.iter().filter(|(_, content)| content["name"] == stream);
        of.filter_map(|(_, content)| content["text"].as_str()).collect()
    }
}

/// Whether a text holds another.
pub fn has(text: &Value, part: &str) -> bool {
    text.as_str().is_some_and(|t| t.contains(part))
}

impl Client {
    /// A test with a kernel of its own, in a home of its own.
    pub fn with<F: Future<Output = Self>>(test: impl FnOnce(Self) -> F) {
        let home = tempfile::tempdir().unwrap();
        Self::with_home(home.path(), test);
    }

    pub fn with_home<F: Future<Output = Self>>(home: &Path, test: impl FnOnce(Self) -> F) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let run = async { test(Self::start(home).await).await };
            let mut client = tokio::time::timeout(LONG, run).await.expect("a test in time");
            if client.process.try_wait().unwrap().is_none() {
                client.control("shutdown_request", json!({ "restart": false })).await;
                client.ended().await;
            }
        });
    }

    pub async fn start(home: &Path) -> Self {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (ports, listeners) = peek_ports_with_listeners(ip, 5).await.unwrap();
        drop(listeners);
        let info = ConnectionInfo {
            ip: ip.to_string(),
            transport: Transport::TCP,
            shell_port: ports[0],
            iopub_port: ports[1],
            stdin_port: ports[2],
            control_port: ports[3],
            hb_port: ports[4],
            key: "a key".into(),
            signature_scheme: "hmac-sha256".into(),
            kernel_name: None,
        };
        let file = home.join("connection.json");
        std::fs::write(&file, serde_json::to_string(&info).unwrap()).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_spatia"))
            .args(["kernel", "run", "-f"])
            .arg(&file)
            .env("XDG_STATE_HOME", home)
            .env_remove("JPY_PARENT_PID")
            .env_remove("JPY_SESSION_NAME")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect((ip, info.hb_port)).is_err() {
            assert_eq!(process.try_wait().unwrap(), None, "the kernel ended at its start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let session = uuid::Uuid::new_v4().to_string();
        let who = || peer_identity_for_session(&session).unwrap();
        let mut iopub = create_client_iopub_connection(&info, "", &session).await.unwrap();
        let shell = create_client_shell_connection_with_identity(&info, &session, who());
        let stdin = create_client_stdin_connection_with_identity(&info, &session, who());
        let control = create_client_control_connection(&info, &session);
        let (shell, stdin, control) =
            (shell.await.unwrap(), stdin.await.unwrap(), control.await.unwrap());
        let first = tokio::time::timeout(LONG, receive(&mut iopub)).await.expect("a welcome");
        let was_welcomed = first.kind == "iopub_welcome" && first.content["subscription"] == "";
        let (replies, said) = (VecDeque::new(), VecDeque::new());
        Self { process, shell, control, stdin, iopub, replies, said, asked: None, was_welcomed }
    }

    /// Sends a cell; the id that its reply names.
    pub async fn execute(&mut self, code: &str) -> String {
        self.execute_with(code, json!({})).await
    }

    pub async fn execute_with(&mut self, code: &str, options: Value) -> String {
        let mut content = json!({ "code": code, "silent": false, "store_history": true,
            "user_expressions": {}, "allow_stdin": true, "stop_on_error": true });
        content.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.tell("execute_request", content).await
    }

    /// Runs a cell to its end.
    pub async fn run(&mut self, code: &str) -> Ran {
        self.run_with(code, json!({})).await
    }

    pub async fn run_with(&mut self, code: &str, options: Value) -> Ran {
        let id = self.execute_with(code, options).await;
        self.finish(&id).await
    }

    /// What is left of a cell, to its end.
    pub async fn finish(&mut self, id: &str) -> Ran {
        let said = self.heard_of(id).await;
        Ran { said, reply: self.reply_to(id).await }
    }

    /// What all clients hear of a request, to "idle".
    pub async fn heard_of(&mut self, id: &str) -> Vec<(String, Value)> {
        let mut said = Vec::new();
        loop {
            let Received { kind, parent, content, .. } = match self.said.pop_front() {
                Some(earlier) => earlier,
                None => receive(&mut self.iopub).await,
            };
            if parent != id {
                continue;
            }
            let state = content["execution_state"].as_str().map(str::to_owned);
            let kind = state.unwrap_or(kind);
            let idle = kind == "idle";
            said.push((kind, content));
            if idle {
                return said;
            }
        }
    }

    /// The reply to a request on the shell channel.
    pub async fn reply_to(&mut self, id: &str) -> Value {
        if let Some(at) = self.replies.iter().position(|r| r.parent == id) {
            return self.replies.remove(at).unwrap().content;
        }
        loop {
            let reply = receive(&mut self.shell).await;
            if reply.parent == id {
                return reply.content;
            }
            self.replies.push_back(reply);
        }
    }

    /// Asks on the shell channel.
    pub async fn shell(&mut self, kind: &str, content: Value) -> Value {
        let id = self.tell(kind, content).await;
        self.reply_to(&id).await
    }

    /// Says something on the shell channel.
    pub async fn tell(&mut self, kind: &str, content: Value) -> String {
        let message = message(kind, content);
        let id = message.header.msg_id.clone();
        self.shell.send(message).await.unwrap();
        id
    }

    /// Asks on the control channel.
    pub async fn control(&mut self, kind: &str, content: Value) -> Value {
        self.ask_control(kind, content).await.1
    }

    /// The same, with the request's id.
    pub async fn ask_control(&mut self, kind: &str, content: Value) -> (String, Value) {
        let message = message(kind, content);
        let id = message.header.msg_id.clone();
        self.control.send(message).await.unwrap();
        loop {
            let reply = receive(&mut self.control).await;
            if reply.parent == id {
                return (id, reply.content);
            }
        }
    }

    /// Waits until all clients are told something of a kind; what came before is kept.
    pub async fn heard(&mut self, kind: &str) -> Value {
        loop {
            let next = receive(&mut self.iopub).await;
            let (found, content) = (next.kind == kind, next.content.clone());
            self.said.push_back(next);
            if found {
                return content;
            }
        }
    }

    /// Waits for the first word about a cell, "busy"; it is kept.
    pub async fn taken(&mut self, id: &str) {
        loop {
            let next = receive(&mut self.iopub).await;
            let of_cell = next.parent == id;
            self.said.push_back(next);
            if of_cell {
                return;
            }
        }
    }

    /// Waits for a question to the user.
    pub async fn question(&mut self) -> Value {
        let asked = receive(&mut self.stdin).await;
        assert_eq!(asked.kind, "input_request");
        let content = asked.content.clone();
        self.asked = Some(asked);
        content
    }

    pub async fn answer(&mut self, text: &str) {
        assert!(self.asked.take().is_some(), "nothing was asked");
        self.stdin.send(message("input_reply", json!({ "value": text }))).await.unwrap();
    }

    /// The id of the question that is to be answered.
    pub fn asked(&self) -> String {
        self.asked.as_ref().unwrap().id.clone()
    }

    /// Answers one question and no other.
    pub async fn answer_to(&mut self, id: &str, text: &str) {
        let mut answer = message("input_reply", json!({ "value": text }));
        answer.parent_header = Some(Header { msg_id: id.into(), ..answer.header.clone() });
        self.stdin.send(answer).await.unwrap();
    }

    /// Sends what is no message, or not one of ours.
    pub async fn junk(&mut self) {
        let frames: [&[&str]; 4] = [
            &["junk"],
            &["<IDS|MSG>"],
            &["<IDS|MSG>", "0000", "{}", "{}", "{}", "{}"],
            &["<IDS|MSG>", "not hexadecimal", "{", "", "{}", "[]"],
        ];
        for parts in frames {
            let mut message = ZmqMessage::from(parts[0]);
            for part in &parts[1..] {
                message.push_back(part.as_bytes().to_vec().into());
            }
            self.shell.socket.send(message).await.unwrap();
        }
    }

    /// The memory that the kernel takes, in MB.
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let text = std::fs::read_to_string(status).unwrap();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    }

    /// The kernel's own descriptor, as its native code has it.
    pub fn descriptor(&self, number: u32) -> File {
        let path = format!("/proc/{}/fd/{number}", self.process.id());
        File::options().write(true).open(path).unwrap()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), process]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A test that failed leaves no kernel behind.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn message(kind: &str, content: Value) -> JupyterMessage {
    JupyterMessage::new(UnknownMessage { msg_type: kind.into(), content }, None)
}

async fn receive<S: SocketRecv>(from: &mut jupyter_zmq_client::Connection<S>) -> Received {
    let parts = from.socket.recv().await.unwrap();
    // The crate finds out whether the signature is right.
    let raw = RawMessage::from_multipart(parts, &from.mac).unwrap();
    let part = |i: usize| serde_json::from_slice::<Value>(&raw.jparts[i]).unwrap();
    let (header, parent) = (part(0), part(1));
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (id, kind) = (text(&header["msg_id"]), text(&header["msg_type"]));
    Received { id, kind, parent: text(&parent["msg_id"]), content: part(3) }
}
