//! What a session says while it runs and what it asks, as plain data.

use serde_json::{Map, Value};

use crate::base::Result;

/// A value in all the forms it has: MIME type to content, as Jupyter has it. Text and svg are
/// strings, other images base 64, `application/*json` and Vega-Lite are JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    pub data: Map<String, Value>,
    /// By MIME type, as in `{"image/png": {"width": 600}}`.
    pub metadata: Map<String, Value>,
}

impl Bundle {
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().with("text/plain", text.into())
    }

    pub fn with(mut self, mime: &str, content: impl Into<Value>) -> Self {
        self.data.insert(mime.into(), content.into());
        self
    }

    /// What a front end should know of one of the forms: `{"width": 600}`.
    pub fn described(mut self, mime: &str, what: Value) -> Self {
        self.metadata.insert(mime.into(), what);
        self
    }

    /// The form for a terminal.
    pub fn plain(&self) -> &str {
        self.data.get("text/plain").and_then(Value::as_str).unwrap_or_default()
    }

    /// A png's bytes, if that is one of the forms.
    pub fn png(&self) -> Option<Vec<u8>> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        BASE64_STANDARD.decode(self.data.get("image/png")?.as_str()?).ok()
    }
}

/// Something said while code runs; what a cell ends in is not among these.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// With its line ends; `\r` is kept.
    Stdout(String),
    Stderr(String),
    /// `display(x)`; with an id, `update` replaces what was shown under it.
    Display {
        bundle: Bundle,
        id: Option<String>,
        update: bool,
    },
    /// `clear_output()`; `wait`: only when the next output comes.
    Clear {
        wait: bool,
    },
}

/// Where a session's output goes and where `input` is answered: a terminal, a kernel's front end,
/// a notebook file, a test.
pub trait Console: Send + Sync {
    fn output(&self, output: Output);

    /// A line from the user; `secret` is not echoed.
    ///
    /// # Errors
    /// Nobody can answer; the user stopped it.
    fn input(&self, prompt: &str, secret: bool) -> Result<String>;
}
