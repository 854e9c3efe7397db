//! A page of documentation in two forms: wrapped text for terminals, Markdown for notebooks.

use std::fmt::Write;

use crate::script::Bundle;
use crate::script::docs::Choice;

/// Columns of a terminal that lines are wrapped to.
const WIDTH: usize = 88;
/// A left column that is wider stands on a line of its own.
const LEFT: usize = 28;

/// Grows from top to bottom.
pub(super) struct Page {
    plain: String,
    markdown: String,
}

impl Page {
    /// A page about what is written so.
    pub fn new(signature: &str) -> Self {
        Self { plain: signature.to_owned(), markdown: format!("```rhai\n{signature}\n```") }
    }

    /// Another way to write it.
    pub fn signature(mut self, signature: &str) -> Self {
        write!(self.plain, "\n{signature}").ok();
        if let Some(open) = self.markdown.strip_suffix("\n```") {
            self.markdown = format!("{open}\n{signature}\n```");
        }
        self
    }

    pub fn heading(mut self, text: &str) -> Self {
        write!(self.plain, "\n\n{text}").ok();
        write!(self.markdown, "\n\n**{text}**").ok();
        self
    }

    /// A paragraph of Markdown, its lines joined and wrapped.
    pub fn paragraph(mut self, text: &str) -> Self {
        if !text.trim().is_empty() {
            write!(self.plain, "\n\n{}", wrapped(text, 0)).ok();
            write!(self.markdown, "\n\n{}", text.trim()).ok();
        }
        self
    }

    /// Markdown: paragraphs and code between fences.
    pub fn text(mut self, markdown: &str) -> Self {
        for (i, piece) in markdown.split("```").enumerate() {
            if i % 2 == 1 {
                self = self.code(piece.split_once('\n').map_or(piece, |(_, code)| code));
            } else {
                self = piece.split("\n\n").fold(self, Self::paragraph);
            }
        }
        self
    }

    pub fn code(mut self, code: &str) -> Self {
        let code = code.trim_end();
        let indented: Vec<String> = code.lines().map(|l| format!("    {l}")).collect();
        write!(self.plain, "\n\n{}", indented.join("\n")).ok();
        write!(self.markdown, "\n\n```rhai\n{code}\n```").ok();
        self
    }

    /// Names and what each is.
    pub fn rows(mut self, rows: &[(String, String)]) -> Self {
        if rows.is_empty() {
            return self;
        }
        self.plain.push('\n');
        self.markdown += "\n\n| | |\n|---|---|";
        let widths = rows.iter().map(|(name, _)| name.chars().count());
        let width = widths.filter(|w| *w <= LEFT).max().unwrap_or(0);
        for (name, what) in rows {
            let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = wrapped(&what, width + 4);
            if name.chars().count() <= width {
                write!(self.plain, "\n  {name:width$}  {}", text.trim_start()).ok();
            } else {
                write!(self.plain, "\n  {name}\n{text}").ok();
            }
            write!(self.markdown, "\n| `{}` | {} |", cell(name), cell(&what)).ok();
        }
        self
    }

    /// Options with their types and defaults.
    pub fn options(mut self, options: &[Choice]) -> Self {
        self.plain.push('\n');
        self.markdown += "\n\n| option | type | default | |\n|---|---|---|---|";
        let width = options.iter().map(|o| o.key.len()).max().unwrap_or(0).min(LEFT);
        for Choice { key, kind, default, doc } in options {
            let default_is =
                if default.is_empty() { String::new() } else { format!(", default {default}") };
            let text = wrapped(doc, width + 4);
            write!(self.plain, "\n  {key:width$}  {kind}{default_is}\n{text}").ok();
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            write!(self.markdown, "\n| `{key}` | {} | {default} | {} |", cell(kind), cell(doc))
                .ok();
        }
        self
    }

    /// Another page behind this one.
    pub fn append(mut self, other: Self) -> Self {
        write!(self.plain, "\n\n{}", other.plain).ok();
        write!(self.markdown, "\n\n{}", other.markdown).ok();
        self
    }

    pub fn bundle(self) -> Bundle {
        Bundle::text(self.plain).with("text/markdown", self.markdown)
    }
}

/// Text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Words filled into lines that begin with so many spaces.
fn wrapped(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut lines = Vec::new();
    let mut line = margin.clone();
    let mut width = indent;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if width > indent && width + 1 + letters > WIDTH {
            lines.push(std::mem::replace(&mut line, margin.clone()));
            width = indent;
        }
        if width > indent {
            line.push(' ');
            width += 1;
        }
        line += word;
        width += letters;
    }
    lines.push(line);
    lines.join("\n")
}
