//! What a session and its helper say to each other: JSON, a line a message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// From the session.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    Run(String),
    /// What the user typed when the code asked.
    Answer(String),
    /// Stop the compiler, or the code that runs.
    Interrupt,
}

/// From the helper. A line of its standard output that is none of these is text.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    Stdout(String),
    Stderr(String),
    /// A value in its forms, by MIME type.
    Display(BTreeMap<String, String>),
    /// What cargo does at the moment.
    Note(String),
    Ask {
        prompt: String,
        secret: bool,
    },
    Done(Done),
    Failed(Trouble),
}

/// What a cell gave.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// The value of its last expression, by MIME type.
    pub contents: BTreeMap<String, String>,
    /// What the variables are called, and their types.
    pub variables: BTreeMap<String, String>,
    /// Where `:timing` asks for it.
    pub seconds: Option<f64>,
}

/// Why a cell failed.
#[derive(Debug, Serialize, Deserialize)]
pub enum Trouble {
    /// rustc refuses it.
    Faults(Vec<Fault>),
    /// It panicked, or returned an error by `?`; variables are kept. Line and column in the code,
    /// where they are known.
    Raised { message: String, at: Option<(usize, usize)> },
    /// The process that held the variables has ended.
    Lost(String),
    /// evcxr cannot start.
    Start(String),
    /// Anything else that evcxr says.
    Other(String),
    /// The user stopped it; whether the variables are lost.
    Interrupted { lost: bool },
}

/// A message of rustc.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    pub message: String,
    /// "E0308".
    pub code: Option<String>,
    pub labels: Vec<Label>,
    pub help: Vec<String>,
}

/// A place in the cell's code and what is said of it; lines and columns count from 1, the end
/// column is behind the last character.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Label {
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub text: String,
    pub primary: bool,
}
