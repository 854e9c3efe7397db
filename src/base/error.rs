//! The one error type: what was being done, what was expected, what was found, what to do.

use std::fmt;

use super::interrupt;

/// A result whose error explains itself.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is; callers branch on this, people read the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The input or an option is not what it must be.
    #[default]
    Invalid,
    /// Something named is not there.
    Missing,
    /// The operating system or a file format failed.
    Io,
    /// A number stopped being one (NaN, infinity).
    Numeric,
    /// There is not enough memory, or not the device that was asked for.
    Resource,
    /// The user asked to stop.
    Interrupted,
}

/// An error in four parts; see [`Error::new`].
pub struct Error(Box<Parts>);

struct Parts {
    kind: Kind,
    doing: String,
    expected: String,
    found: String,
    advice: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Starts an error with what was being done, as in "reading the h5ad file a.h5ad".
    ///
    /// ```
    /// # use spatia::base::Error;
    /// let e = Error::new("building the kNN graph").expected("k below 50 spots").found("k = 60").advice("Ask for a smaller k.");
    /// assert_eq!(e.to_string(), "building the kNN graph: expected k below 50 spots, found k = 60. Ask for a smaller k.");
    /// ```
    pub fn new(doing: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind: Kind::default(),
            doing: doing.into(),
            expected: String::new(),
            found: String::new(),
            advice: String::new(),
            source: None,
        }))
    }

    /// A failure of the operating system or of a library, kept as the source.
    pub fn io(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        let mut e = Self::new(doing).kind(Kind::Io).found(source.to_string());
        e.0.source = Some(source);
        e
    }

    /// The user asked to stop while this was being done.
    pub fn interrupted(doing: impl Into<String>) -> Self {
        let found = format!("an interrupt ({})", interrupt::by());
        Self::new(doing).kind(Kind::Interrupted).found(found)
    }

    pub fn kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.0.expected = expected.into();
        self
    }

    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.0.found = found.into();
        self
    }

    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = advice.into();
        self
    }

    /// Says what the caller was doing, in front of what this error says.
    pub fn within(mut self, doing: impl fmt::Display) -> Self {
        self.0.doing = format!("{doing}: {}", self.0.doing);
        self
    }

    /// Has one text in place of another wherever it stands, such as the path that the user knows.
    pub fn replacing(mut self, text: &str, by: &str) -> Self {
        let Parts { doing, expected, found, advice, .. } = &mut *self.0;
        for part in [doing, expected, found, advice] {
            *part = part.replace(text, by);
        }
        self
    }

    pub fn what(&self) -> Kind {
        self.0.kind
    }

    pub fn is_interrupt(&self) -> bool {
        self.0.kind == Kind::Interrupted
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { doing, expected, found, advice, .. } = &*self.0;
        f.write_str(doing)?;
        match (expected.is_empty(), found.is_empty()) {
            (true, true) => {}
            (false, true) => write!(f, ": expected {expected}")?,
            (true, false) => write!(f, ": {found}")?,
            (false, false) => write!(f, ": expected {expected}, found {found}")?,
        }
        if !advice.is_empty() {
            write!(f, ". {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{:?}]", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
    }
}
