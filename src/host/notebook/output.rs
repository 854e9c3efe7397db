//! One output of a cell as nbformat 4 has it.

use serde_json::{Map, Value, json};

use super::file::lines;
use crate::script::Bundle;

/// An output, in the making.
pub enum Piece {
    /// What follows on the same stream is added to it.
    Stream { name: &'static str, text: String },
    /// Shown by `display`, perhaps under an id by which it can be renewed.
    Display { bundle: Bundle, id: Option<String> },
    /// What the cell's last line gave.
    Result { bundle: Bundle, count: usize },
    /// `ename`, `evalue` and `traceback`, as the kernel sends them.
    Error(Value),
}

impl Piece {
    /// Leaves out the interactive form of a figure that has a picture, too.
    pub fn keep_picture(&mut self) {
        let (Self::Display { bundle, .. } | Self::Result { bundle, .. }) = self else { return };
        if bundle.data.contains_key("image/png") {
            bundle.data.retain(|mime, _| !mime.starts_with("application/vnd.vegalite"));
        }
    }

    /// Its fields in the order in which Jupyter writes them: by name.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Stream { name, text } => {
                json!({ "name": name, "output_type": "stream", "text": lines(&settled(text)) })
            }
            Self::Display { bundle, .. } => json!({
                "data": data(&bundle.data),
                "metadata": bundle.metadata,
                "output_type": "display_data",
            }),
            Self::Result { bundle, count } => json!({
                "data": data(&bundle.data),
                "execution_count": count,
                "metadata": bundle.metadata,
                "output_type": "execute_result",
            }),
            Self::Error(error) => json!({
                "ename": error["ename"],
                "evalue": error["evalue"],
                "output_type": "error",
                "traceback": error["traceback"],
            }),
        }
    }
}

/// Texts among the forms of a value are lists of lines in a file.
fn data(forms: &Map<String, Value>) -> Map<String, Value> {
    let is_text = |mime: &str| {
        mime.starts_with("text/") || matches!(mime, "image/svg+xml" | "application/javascript")
    };
    let form = |(mime, content): (&String, &Value)| {
        let content = match content.as_str().filter(|_| is_text(mime)) {
            Some(text) => lines(text),
            None => content.clone(),
        };
        (mime.clone(), content)
    };
    forms.iter().map(form).collect()
}

/// What is left of a text once carriage returns and backspaces have done their work, as nbclient
/// reckons it with `coalesce_streams`: a `\r` takes back its line, unless the line ends there.
fn settled(text: &str) -> String {
    text.split_inclusive('\n').map(settled_line).collect()
}

fn settled_line(line: &str) -> String {
    let body = line.trim_end_matches(['\n', '\r']);
    let shown = body.rsplit('\r').next().unwrap_or(body);
    let mut out = String::with_capacity(line.len());
    for c in shown.chars() {
        if c == '\u{8}' && !out.is_empty() {
            out.pop();
        } else {
            out.push(c);
        }
    }
    out + &line[body.len()..]
}
