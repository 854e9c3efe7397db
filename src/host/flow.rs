//! All that a cell says, in one order: prints and displays of the script, and what native code
//! writes to the process's standard output and error, evcxr's blocks in it as rich content.

use std::io::Write;

use super::capture::Pipe;
use super::rust::content::Content;
use crate::script::Output;

/// Hands over what Rust's own buffer keeps back, a line without its end. Not while a flow is locked: the
/// buffer may be held by a thread that waits until its pipe is read.
pub fn flush_own_buffer() {
    std::io::stdout().flush().ok();
}

/// Serves one cell after the other; each method returns what is to be shown now.
#[derive(Default)]
pub struct Flow {
    /// Of the process's standard output and error, where they are led into the cells.
    pipes: Option<[Pipe; 2]>,
    content: Content,
}

impl Flow {
    pub fn of(pipes: [Pipe; 2]) -> Self {
        Self { pipes: Some(pipes), content: Content::default() }
    }

    /// What native code has written.
    pub fn native(&mut self) -> Vec<Output> {
        let Some([out, err]) = &mut self.pipes else { return Vec::new() };
        let (out, err) = (out.take(), err.take());
        self.both(out, err)
    }

    /// What the script says; [`Flow::native`] comes before it.
    pub fn script(&mut self, output: Output) -> Vec<Output> {
        match output {
            Output::Stdout(text) => self.content.push(&text),
            other => {
                let mut all = self.content.release();
                all.push(other);
                all
            }
        }
    }

    /// The cell has ended: what it wrote is all there ([`flush_own_buffer`] comes before), open markers
    /// are text.
    pub fn end(&mut self) -> Vec<Output> {
        let mut all = self.native();
        if let Some([out, err]) = &mut self.pipes {
            let (out, err) = (out.rest(), err.rest());
            all.extend(self.both(out, err));
        }
        all.extend(std::mem::take(&mut self.content).finish());
        all
    }

    fn both(&mut self, out: String, err: String) -> Vec<Output> {
        let mut all = self.content.push(&out);
        if !err.is_empty() {
            all.extend(self.script(Output::Stderr(err)));
        }
        all
    }
}
