//! The outputs of a notebook that runs: the console of its session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::output::Piece;
use super::progress::Log;
use crate::base::{Error, Result};
use crate::host::capture::{self, Pipe};
use crate::host::flow::{self, Flow};
use crate::script::{Bundle, Console, Output};

/// The outputs of all cells so far. Those of other cells change, too: a display that has an id can
/// be renewed from anywhere.
pub struct Page(Mutex<State>);

struct State {
    /// By the cell's index in the notebook.
    cells: Vec<Vec<Piece>>,
    current: usize,
    /// `clear_output(true)` waits for the next output.
    clear: bool,
    flow: Flow,
    /// Gets a copy of what native code writes to standard error: last words of a process that dies.
    log: Option<Log>,
}

impl Page {
    /// No outputs, for a notebook of `cells` cells.
    pub fn new(cells: usize) -> Self {
        let cells = (0..cells).map(|_| Vec::new()).collect();
        let flow = Flow::default();
        Self(Mutex::new(State { cells, current: 0, clear: false, flow, log: None }))
    }

    /// Takes what native code writes into the cells, too, for the rest of the process's life.
    pub fn listen(self: &Arc<Self>, pipes: [Pipe; 2], log: Log) {
        let descriptors = [pipes[0].descriptor(), pipes[1].descriptor()];
        let mut state = self.state();
        (state.flow, state.log) = (Flow::of(pipes), Some(log));
        drop(state);
        let page = self.clone();
        // A pipe that nobody empties would stop whoever writes.
        std::thread::spawn(move || {
            loop {
                capture::wait(descriptors);
                page.state().pump();
            }
        });
    }

    /// What is said from now on belongs to the cell at `index`.
    pub fn begin(&self, index: usize) {
        let mut state = self.state();
        state.current = index;
        state.clear = false;
    }

    /// The cell has ended.
    pub fn end(&self) {
        flow::flush_own_buffer();
        let mut state = self.state();
        let rest = state.flow.end();
        state.pass(rest);
    }

    /// Adds what a cell ended in.
    pub fn put(&self, piece: Piece) {
        self.state().put(piece);
    }

    /// Leaves out the interactive forms of figures.
    pub fn keep_pictures(&self) {
        self.state().cells.iter_mut().flatten().for_each(Piece::keep_picture);
    }

    /// The outputs of the cell at `index` as the file holds them.
    pub fn outputs(&self, index: usize) -> Value {
        self.state().cells.get(index).into_iter().flatten().map(Piece::to_json).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Console for Page {
    fn output(&self, output: Output) {
        let mut state = self.state();
        state.pump();
        let outputs = state.flow.script(output);
        state.pass(outputs);
    }

    fn input(&self, prompt: &str, _secret: bool) -> Result<String> {
        Err(Error::new(format!("asking {prompt:?}"))
            .expected("somebody to answer")
            .found("a notebook that runs by itself")
            .advice("Make it a parameter, which spatia notebook run takes as --name value"))
    }
}

impl State {
    /// Takes what native code has written.
    fn pump(&mut self) {
        let native = self.flow.native();
        for output in &native {
            if let (Some(log), Output::Stderr(text)) = (&self.log, output) {
                log.copy(text);
            }
        }
        self.pass(native);
    }

    fn pass(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Stdout(text) => self.stream("stdout", &text),
                Output::Stderr(text) => self.stream("stderr", &text),
                Output::Display { bundle, id, update } => {
                    if let Some(id) = &id {
                        self.renew(id, &bundle);
                    }
                    if !update {
                        self.put(Piece::Display { bundle, id });
                    }
                }
                Output::Clear { wait: true } => self.clear = true,
                Output::Clear { wait: false } => self.now().clear(),
            }
        }
    }

    fn now(&mut self) -> &mut Vec<Piece> {
        if self.current >= self.cells.len() {
            self.cells.resize_with(self.current + 1, Vec::new);
        }
        &mut self.cells[self.current]
    }

    fn put(&mut self, piece: Piece) {
        if std::mem::take(&mut self.clear) {
            self.now().clear();
        }
        self.now().push(piece);
    }

    fn stream(&mut self, name: &'static str, more: &str) {
        let clear = self.clear;
        match self.now().last_mut() {
            Some(Piece::Stream { name: last, text }) if *last == name && !clear => *text += more,
            _ if more.is_empty() => {}
            _ => self.put(Piece::Stream { name, text: more.into() }),
        }
    }

    /// Replaces whatever was shown under an id, in every cell.
    fn renew(&mut self, wanted: &str, with: &Bundle) {
        for piece in self.cells.iter_mut().flatten() {
            if let Piece::Display { bundle, id: Some(id) } = piece
                && id == wanted
            {
                *bundle = with.clone();
            }
        }
    }
}
