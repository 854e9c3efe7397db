//! evcxr's display convention: what a program prints between the lines `EVCXR_BEGIN_CONTENT <mime>`
//! and `EVCXR_END_CONTENT` is shown in that form. All else passes as it came.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::script::{Bundle, Output};

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";

/// Bytes of a block; what is larger comes back as text.
const LIMIT: usize = 64 << 20;

/// Bytes of a MIME type; RFC 6838 allows 127 on either side of the slash.
const MIME_LIMIT: usize = 255;

/// Takes a stream apart, wherever its chunks begin and end. One serves one cell: what is open at
/// the cell's end is text after all.
#[derive(Default)]
pub struct Content {
    /// What may be the start of a marker, or of the line that a marker stands on.
    held: String,
    block: Option<Block>,
}

/// A block that has begun.
struct Block {
    /// The line that opened it, to give back.
    opening: String,
    mime: String,
    /// Whole lines, and the start of the next.
    text: String,
    /// Where in `text` the line begins that is not yet whole.
    line: usize,
}

impl Content {
    /// The outputs that a chunk makes complete, in order. Text is held back only where it may turn
    /// out to be a marker.
    pub fn push(&mut self, text: &str) -> Vec<Output> {
        let mut out = Outputs::default();
        let mut rest = text;
        while !rest.is_empty() {
            rest = match self.block.take() {
                Some(block) => self.inside(block, rest, &mut out),
                None => self.outside(rest, &mut out),
            };
        }
        out.0
    }

    /// What is held back outside of a block, where something else is about to be shown.
    pub fn release(&mut self) -> Vec<Output> {
        let mut out = Outputs::default();
        if self.block.is_none() {
            out.text(&std::mem::take(&mut self.held));
        }
        out.0
    }

    /// The end of the cell: an open block is given back as text.
    pub fn finish(&mut self) -> Vec<Output> {
        let mut out = Outputs::default();
        if let Some(block) = self.block.take() {
            // The marker may be the stream's last line, without a line's end.
            if block.text[block.line..].trim_end() == END {
                block.close(&mut out);
            } else {
                out.text(&block.opening);
                out.text(&block.text);
            }
        }
        out.text(&std::mem::take(&mut self.held));
        out.0
    }

    /// Text up to a marker; returns what follows it.
    fn outside<'a>(&mut self, text: &'a str, out: &mut Outputs) -> &'a str {
        let whole = std::mem::take(&mut self.held) + text;
        let Some(at) = whole.find(BEGIN) else {
            let keep = whole.len() - overlap(&whole, BEGIN);
            out.text(&whole[..keep]);
            self.held = whole[keep..].into();
            return "";
        };
        out.text(&whole[..at]);
        let opening = &whole[at..];
        let Some(end) = opening.find('\n') else {
            if opening.len() > BEGIN.len() + MIME_LIMIT {
                out.text(opening);
            } else {
                self.held = opening.into();
            }
            return "";
        };
        let (opening, after) = opening.split_at(end + 1);
        let mime = opening[BEGIN.len()..].trim_end();
        if is_mime(mime) {
            let (opening, mime) = (opening.to_owned(), mime.to_owned());
            self.block = Some(Block { opening, mime, text: String::new(), line: 0 });
        } else {
            out.text(opening);
        }
        &text[text.len() - after.len()..]
    }

    /// Text up to the end of a block; returns what follows it.
    fn inside<'a>(&mut self, mut block: Block, text: &'a str, out: &mut Outputs) -> &'a str {
        let (line, rest) = text.split_at(text.find('\n').map_or(text.len(), |n| n + 1));
        block.text += line;
        if block.text.len() > LIMIT {
            out.text(&block.opening);
            out.text(&block.text);
        } else if !line.ends_with('\n') {
            self.block = Some(block);
        } else if block.text[block.line..].trim_end() == END {
            block.close(out);
        } else {
            block.line = block.text.len();
            self.block = Some(block);
        }
        rest
    }
}

impl Block {
    /// What stood before the closing line, in the form that its type asks for; as text where it
    /// is not of that type.
    fn close(self, out: &mut Outputs) {
        let inner = &self.text[..self.line];
        let inner = inner.strip_suffix('\n').unwrap_or(inner);
        match form(&self.mime, inner.strip_suffix('\r').unwrap_or(inner)) {
            Some(value) => out.0.push(Output::Display {
                bundle: Bundle::default().with(&self.mime, value),
                id: None,
                update: false,
            }),
            None => {
                out.text(&self.opening);
                out.text(&self.text);
            }
        }
    }
}

/// A bundle of contents by MIME type, as evcxr returns them for a whole cell.
pub fn bundle(contents: impl IntoIterator<Item = (String, String)>) -> Bundle {
    contents.into_iter().fold(Bundle::default(), |bundle, (mime, content)| {
        let value = form(&mime, &content);
        bundle.with(&mime, value.unwrap_or(Value::String(content)))
    })
}

/// A content as a [`Bundle`] holds it, if it is what its type says.
fn form(mime: &str, content: &str) -> Option<Value> {
    if mime.starts_with("application/") && mime.ends_with("json") {
        return serde_json::from_str(content).ok();
    }
    if mime.starts_with("image/") && mime != "image/svg+xml" {
        let packed: String = content.split_whitespace().collect();
        return BASE64_STANDARD.decode(&packed).ok().map(|_| packed.into());
    }
    Some(content.into())
}

/// `type/subtype`, each of the characters that RFC 6838 allows.
fn is_mime(text: &str) -> bool {
    let name = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphanumeric())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    text.len() <= MIME_LIMIT && text.split_once('/').is_some_and(|(a, b)| name(a) && name(b))
}

/// How many bytes at the end of `text` are the start of `marker`.
fn overlap(text: &str, marker: &str) -> usize {
    (1..marker.len()).rev().find(|&n| text.ends_with(&marker[..n])).unwrap_or(0)
}

/// Outputs in order, neighbouring text in one.
#[derive(Default)]
struct Outputs(Vec<Output>);

impl Outputs {
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(Output::Stdout(last)) => last.push_str(text),
            _ => self.0.push(Output::Stdout(text.into())),
        }
    }
}
