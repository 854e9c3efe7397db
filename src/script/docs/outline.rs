//! The functions that a text of the language defines, read off it without running it.

use crate::script::source::{self, Kind, Token};

/// A function written in the language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub params: Vec<String>,
    /// Its doc comment, without the slashes.
    pub doc: String,
    /// The whole of it, doc comment and all.
    pub text: String,
    /// Not seen from outside of its module.
    pub private: bool,
}

impl Function {
    /// "add(a, b)".
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.params.join(", "))
    }

    /// The first paragraph of its doc comment.
    pub fn summary(&self) -> &str {
        self.doc.split("\n\n").next().unwrap_or("")
    }
}

/// The functions of a text, in its order; what is not finished is left out.
pub fn functions(text: &str) -> Vec<Function> {
    let scan = source::scan(text);
    let tokens = &scan.tokens;
    let found = tokens.iter().enumerate().filter(|(_, t)| t.kind == Kind::Word && t.text == "fn");
    found
        .filter_map(|(i, _)| {
            let private = i > 0 && tokens[i - 1].text == "private";
            let first = &tokens[i - usize::from(private)];
            let name = tokens.get(i + 1).filter(|t| t.kind == Kind::Word)?;
            tokens.get(i + 2).filter(|t| t.text == "(")?;
            let names = tokens[i + 3..].iter().take_while(|t| t.text != ")");
            let params: Vec<String> =
                names.filter(|t| t.kind == Kind::Word).map(|t| t.text.to_owned()).collect();
            let last = body_end(&tokens[i + 3..])?;
            let above = doc_start(text, &scan.comments, first);
            let doc = super::comments(text[above..first.start()].lines());
            let text = text[above..last].to_owned();
            Some(Function { name: name.text.to_owned(), params, doc, text, private })
        })
        .collect()
}

/// The end of the first block in braces.
fn body_end(tokens: &[Token<'_>]) -> Option<usize> {
    let open = tokens.iter().position(|t| t.text == "{")?;
    let mut depth = 0;
    for t in &tokens[open..] {
        match t.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(t.end);
        }
    }
    None
}

/// Where the `///` lines right above a token begin, or the token.
fn doc_start(text: &str, comments: &[std::ops::Range<usize>], token: &Token<'_>) -> usize {
    let mut start = token.start();
    for c in comments.iter().rev().filter(|c| c.end <= token.start()) {
        let between = &text[c.end..start];
        if !between.trim().is_empty() || !text[c.clone()].starts_with("///") {
            break;
        }
        start = c.start;
    }
    start
}
