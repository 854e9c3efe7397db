//! The words, signs and literals of a text, each with its place.

use std::ops::Range;

/// A text's tokens, for those who look at code and do not run it.
pub struct Scan<'a> {
    pub tokens: Vec<Token<'a>>,
    /// In bytes of the text.
    pub comments: Vec<Range<usize>>,
    /// A string or a comment has no end.
    pub open: bool,
}

/// Never fails: what is no token of the language is a symbol.
pub fn scan(text: &str) -> Scan<'_> {
    let Scanner { tokens, comments, open, .. } = Scanner::scan(text);
    Scan { tokens, comments, open }
}

/// What stands between a pair of brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Statements.
    Block,
    /// The arms of a `switch`.
    Switch,
    /// Anything else: arguments, arrays, maps.
    Values,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    /// A number, a character, a string or the last piece of an interpolated one.
    Literal,
    /// The piece of an interpolated string before a `${`, or of a string that is not closed.
    TextStart,
    Symbol,
    Open(Context),
    Close,
}

/// A piece of code with its place.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// In bytes of the text.
    pub end: usize,
    /// From 1, as the column, which counts characters.
    pub line: usize,
    pub column: usize,
    pub(super) last_line: usize,
    /// No space between this token and what follows.
    pub(super) touches_next: bool,
}

impl Token<'_> {
    /// In bytes of the text.
    pub fn start(&self) -> usize {
        self.end - self.text.len()
    }

    /// Whether an expression can end with it.
    pub fn can_end(&self) -> bool {
        match self.kind {
            Kind::Literal | Kind::Close => true,
            Kind::Word => !matches!(
                self.text,
                "let"
                    | "const"
                    | "if"
                    | "else"
                    | "while"
                    | "until"
                    | "for"
                    | "in"
                    | "loop"
                    | "do"
                    | "fn"
                    | "private"
                    | "import"
                    | "export"
                    | "as"
                    | "switch"
                    | "try"
                    | "catch"
            ),
            Kind::Symbol => self.text == ";",
            Kind::Open(_) | Kind::TextStart => false,
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'a>>,
    comments: Vec<Range<usize>>,
    /// A string or a comment has no end.
    open: bool,
    /// For every open `{`, whether its `}` goes back into a string.
    braces: Vec<bool>,
    /// Where the last token began, in bytes of the text and characters of its line.
    last: (usize, usize),
}

impl<'a> Scanner<'a> {
    fn scan(text: &'a str) -> Self {
        let mut s = Self {
            text,
            at: 0,
            line: 1,
            tokens: Vec::new(),
            comments: Vec::new(),
            open: false,
            braces: Vec::new(),
            last: (0, 0),
        };
        // The first line of an executable script names its interpreter.
        if text.starts_with("#!") {
            s.skip_until("\n");
        }
        while let Some(c) = s.peek() {
            s.token(c);
        }
        s
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn token(&mut self, c: char) {
        let (start, line) = (self.at, self.line);
        if c.is_whitespace() {
            self.advance(c);
        } else if self.rest().starts_with("//") {
            self.skip_until("\n");
            self.comments.push(start..self.at);
        } else if self.rest().starts_with("/*") {
            self.comment();
            self.comments.push(start..self.at);
        } else if c.is_ascii_alphabetic() || c == '_' {
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            self.push(Kind::Word, start, line);
        } else if c.is_ascii_digit() {
            self.number();
            self.push(Kind::Literal, start, line);
        } else if let Some(hashes) = self.raw_string() {
            self.at += hashes + 1;
            self.skip_past(&format!("\"{}", "#".repeat(hashes)));
            self.push(Kind::Literal, start, line);
        } else if c == '"' || c == '\'' {
            self.advance(c);
            let closed = self.quoted(c);
            self.push(if closed { Kind::Literal } else { Kind::TextStart }, start, line);
        } else if c == '`' {
            self.advance(c);
            self.template(start, line);
        } else {
            self.symbol(c, start, line);
        }
    }

    fn symbol(&mut self, c: char, start: usize, line: usize) {
        const LONG: [&str; 22] = [
            "..=", "<<=", ">>=", "**=", "#{", "?.", "?[", "??", "..", "::", "=>", "==", "!=", "<=",
            ">=", "&&", "||", "+=", "-=", "*=", "/=", "**",
        ];
        let width =
            LONG.iter().find(|l| self.rest().starts_with(**l)).map_or(c.len_utf8(), |l| l.len());
        self.at += width;
        let kind = match &self.text[start..self.at] {
            "(" | "[" | "?[" => Kind::Open(Context::Values),
            "{" | "#{" => {
                self.braces.push(false);
                Kind::Open(if c == '#' { Context::Values } else { Context::Block })
            }
            ")" | "]" => Kind::Close,
            "}" => {
                let into_text = self.braces.pop() == Some(true);
                self.push(Kind::Close, start, line);
                if into_text {
                    let (start, line) = (self.at, self.line);
                    self.template(start, line);
                }
                return;
            }
            _ => Kind::Symbol,
        };
        self.push(kind, start, line);
    }

    /// The rest of a back-tick string, to its end or to the next `${`.
    fn template(&mut self, start: usize, line: usize) {
        while let Some(c) = self.peek() {
            if self.rest().starts_with("${") {
                self.push(Kind::TextStart, start, line);
                let (start, line) = (self.at, self.line);
                self.at += 2;
                self.braces.push(true);
                return self.push(Kind::Open(Context::Block), start, line);
            }
            if self.rest().starts_with("``") {
                self.at += 2;
                continue;
            }
            self.advance(c);
            if c == '`' {
                return self.push(Kind::Literal, start, line);
            }
        }
        self.open = true;
        self.push(Kind::TextStart, start, line);
    }

    /// The rest of a string in quotes, and whether it is closed before the line ends; a backslash
    /// takes what follows it.
    fn quoted(&mut self, quote: char) -> bool {
        while let Some(c) = self.peek() {
            if c == '\n' {
                return false;
            }
            self.advance(c);
            if c == quote {
                return true;
            }
            if c == '\\'
                && let Some(next) = self.peek()
            {
                self.advance(next);
            }
        }
        self.open = true;
        false
    }

    /// The number of hashes when a raw string (`#"..."#`) starts here.
    fn raw_string(&self) -> Option<usize> {
        let hashes = self.rest().bytes().take_while(|&b| b == b'#').count();
        (hashes > 0 && self.rest()[hashes..].starts_with('"')).then_some(hashes)
    }

    fn number(&mut self) {
        let start = self.at;
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let whole = self.text[start..self.at].bytes().all(|b| b.is_ascii_digit() || b == b'_');
        let mut after = self.rest().chars();
        // As Rhai has it: `2.` is a float, unless it is a range or what follows could be a method.
        let is_name = |c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '_');
        if whole && after.next() == Some('.') && !after.next().is_some_and(is_name) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        }
        let hexadecimal = self.text[..self.at]
            .rsplit(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .is_some_and(|n| n.starts_with("0x"));
        if !hexadecimal
            && self.text[..self.at].ends_with(['e', 'E'])
            && self.rest().starts_with(['-', '+'])
        {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
    }

    /// A block comment; they nest.
    fn comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.advance(c);
            }
        }
        self.open = true;
    }

    fn skip_until(&mut self, end: &str) {
        self.at += self.rest().find(end).unwrap_or(self.rest().len());
    }

    fn skip_past(&mut self, end: &str) {
        match self.rest().find(end) {
            Some(n) => {
                self.line += self.rest()[..n].matches('\n').count();
                self.at += n + end.len();
            }
            None => {
                self.at = self.text.len();
                self.open = true;
            }
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) {
        self.at += self.rest().find(|c| !wanted(c)).unwrap_or(self.rest().len());
    }

    fn advance(&mut self, c: char) {
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
    }

    fn push(&mut self, kind: Kind, start: usize, line: usize) {
        let touches_next = self.peek().is_some_and(|c| !c.is_whitespace());
        let text = &self.text[start..self.at];
        let column = self.column(start);
        self.tokens.push(Token {
            kind,
            text,
            end: self.at,
            line,
            column,
            last_line: self.line,
            touches_next,
        });
    }

    /// The column of a byte behind the last token's start; counting on from there takes the time of
    /// one look at the text, whatever its lines are.
    fn column(&mut self, at: usize) -> usize {
        let (from, before) = self.last;
        let between = &self.text[from..at];
        let characters = match between.rsplit_once('\n') {
            Some((_, line)) => line.chars().count(),
            None => before + between.chars().count(),
        };
        self.last = (at, characters);
        characters + 1
    }
}
