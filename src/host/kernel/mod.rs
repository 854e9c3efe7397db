//! The Jupyter kernel: a session carried over ZeroMQ.
//!
//! The session lives on the main thread and runs one cell after another. The channels are served
//! by tokio on threads of their own, so that completion, inspection, history and interrupts are
//! answered while a cell runs. `message` is what goes over the wire, `connection` the sockets,
//! `channels` the loops that serve them, `answer` and `execute` the requests, `turn` the order of
//! cells and their interrupts; `outlet` and `iopub` carry output, `stdin` questions.

mod answer;
mod channels;
mod connection;
pub(super) mod execute;
mod history;
pub(super) mod info;
pub mod install;
mod iopub;
mod message;
mod outlet;
mod stdin;
mod stuck;
mod turn;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Handle};

use self::channels::Replies;
use self::connection::Sockets;
use self::execute::{TOGETHER, Waiting};
use self::history::History;
use self::iopub::IoPub;
use self::outlet::Outlet;
use self::stdin::Stdin;
use self::turn::Turn;
use super::capture::{self, Log};
use super::journal::{Carrier, Latch};
use super::live::Live;
use super::session::Names;
use super::streams::say;
use super::{Exit, Session, signals, state_folder};
use crate::base::{Error, Result, progress};
use crate::script::{Console, Output};

/// How long a cell may take to stop when the kernel is told to end.
const GRACE: Duration = Duration::from_secs(3);

/// How long a thread that has answered stays for the next request: a process at the limit of its memory
/// gets no other, and would not answer any more.
const KEPT: Duration = Duration::from_hours(24 * 365);

/// What the last replies need to get out of the process.
const FAREWELL: Duration = Duration::from_millis(50);

/// What the parts of the kernel share.
struct Kernel {
    iopub: IoPub,
    outlet: Arc<Outlet>,
    stdin: Arc<Stdin>,
    /// Closes the session's journal.
    journal: Latch,
    /// Whether a cell has looked for a session like this one that has crashed.
    offered: AtomicBool,
    /// Ended by the system or the client's death, not by a client's word.
    bereft: AtomicBool,
    turn: Turn,
    names: Names,
    history: History,
    /// The content of `connect_reply`.
    ports: Value,
    log: Log,
    shell: Replies,
    work: Sender<Work>,
    runtime: Handle,
}

/// What the session is given to do.
enum Work {
    Cell(Waiting),
    Stop,
}

/// Serves the connection that a Jupyter client wrote to `file`, until it says to stop.
pub fn run(file: &Path) -> Exit {
    let Err(e) = serve(file);
    say(&format!("error: {e}"));
    Exit::Failure
}

fn serve(file: &Path) -> Result<Infallible> {
    let info = connection::read(file)?;
    let starting = |e| Error::io("starting the kernel", e);
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(KEPT)
        .build()
        .map_err(starting)?;
    let session_id = uuid::Uuid::new_v4().to_string();
    let sockets = runtime.block_on(Sockets::bind(&info, &session_id))?;
    let captured = capture::begin().map_err(starting)?;
    let log = captured.log;

    let ports = json!({
        "status": "ok", "shell_port": info.shell_port, "iopub_port": info.iopub_port,
        "stdin_port": info.stdin_port, "control_port": info.control_port, "hb_port": info.hb_port,
    });
    let (iopub, publishing) = IoPub::new(sockets.iopub, info.iopub_port, log.clone());
    runtime.spawn(publishing);
    runtime.spawn(channels::heartbeat(sockets.heartbeat));
    iopub.status("starting", None);
    let outlet = Outlet::new(iopub.clone(), captured.pipes);
    let stdin = Arc::new(Stdin::new(sockets.stdin, runtime.handle(), log.clone()));

    let console = Arc::new(Front { outlet: outlet.clone(), stdin: stdin.clone() });
    progress::install(Some(Arc::new(Live::new(console.clone()))));
    let mut session = Session::new(console);
    session.keep_journal(Carrier::Kernel(file));
    let (to_shell, from_shell) = sockets.shell.split();
    let (to_control, from_control) = sockets.control.split();
    let (work, works) = channel();
    let kernel = Arc::new(Kernel {
        iopub,
        outlet,
        stdin,
        journal: session.journal().latch(),
        offered: false.into(),
        bereft: false.into(),
        turn: Turn::default(),
        names: session.names(),
        history: History::open(state_folder().as_deref()),
        ports,
        shell: Replies::new(to_shell, log.clone()),
        log: log.clone(),
        work,
        runtime: runtime.handle().clone(),
    });
    signals::tell_of_aborts();
    runtime.spawn(channels::shell(kernel.clone(), from_shell));
    runtime.spawn(channels::control(kernel.clone(), from_control, Replies::new(to_control, log)));
    runtime.spawn(watch_signals(kernel.clone()));
    runtime.spawn(watch_parent(kernel.clone()));

    while let Ok(Work::Cell(cell)) = works.recv() {
        if !execute::execute(&kernel, &mut session, &cell) {
            break;
        }
    }
    kernel.turn.close();
    // Whoever waits for a cell that is not run any more is told so.
    while let Ok(work) = works.recv_timeout(TOGETHER) {
        if let Work::Cell(cell) = work {
            execute::execute(&kernel, &mut session, &cell);
        }
    }
    if kernel.bereft.load(Ordering::Relaxed) {
        session.journal().leave_open();
    }
    // Its helper processes end with it, its journal is closed.
    drop(session);
    kernel.history.close();
    kernel.outlet.flush();
    std::thread::sleep(FAREWELL);
    signals::leave(Exit::Success.code());
}

/// SIGINT is an interrupt, SIGTERM the end.
async fn watch_signals(kernel: Arc<Kernel>) {
    let (interrupted, stopped) = (kernel.clone(), kernel.clone());
    let Err(e) = signals::watch(|| interrupted.turn.interrupt(), || stopped.stop_bereft()).await;
    kernel.log.line(format_args!("signals are not heard: {e}"));
}

/// A kernel whose client was killed would stay for ever.
async fn watch_parent(kernel: Arc<Kernel>) {
    if std::env::var_os("JPY_PARENT_PID").is_none() {
        return;
    }
    let parent = std::os::unix::process::parent_id();
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    kernel.log.line(format_args!("the client that started this kernel is gone"));
    kernel.stop_bereft();
}

impl Kernel {
    /// What the first cell says besides that the user sees.
    fn offer(&self, session: &mut Session) -> Option<String> {
        let first = !self.offered.swap(true, Ordering::Relaxed);
        first.then(|| session.journal().offer()).flatten()
    }

    /// The same where no client has asked for it: the next session offers the cells of this one.
    fn stop_bereft(self: &Arc<Self>) {
        // Jupyter sends SIGTERM to kernels that it has asked to end.
        if !self.turn.is_closed() {
            self.bereft.store(true, Ordering::Relaxed);
        }
        self.stop();
    }

    /// Ends the process as soon as the cell that runs has stopped, or [`GRACE`] is over.
    fn stop(self: &Arc<Self>) {
        self.turn.close();
        self.turn.interrupt();
        self.work.send(Work::Stop).ok();
        let kernel = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            if !kernel.bereft.load(Ordering::Relaxed) {
                kernel.journal.close();
            }
            signals::leave(Exit::Success.code());
        });
    }
}

/// The session's console: the front end whose cell runs.
struct Front {
    outlet: Arc<Outlet>,
    stdin: Arc<Stdin>,
}

impl Console for Front {
    fn output(&self, output: Output) {
        self.outlet.say(output);
    }

    fn input(&self, prompt: &str, secret: bool) -> Result<String> {
        // The prompt's own line stands in front of the question.
        self.outlet.flush();
        self.stdin.ask(prompt, secret)
    }
}
