//! Why an author's command failed: what, where, and what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

/// One sentence, what can be done, and the cause.
#[derive(Debug)]
pub struct AuthorError {
    pub message: String,
    pub hint: Option<String>,
    /// A file could not be read or written, and not: what stands in it is wrong.
    pub io: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AuthorError {
    /// What was given is wrong.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            io: false,
            source: None,
        }
    }

    /// A file that cannot be read or written: `what` is `read` or `write`.
    pub(super) fn file(what: &str, path: &Path, error: io::Error) -> Self {
        Self {
            io: true,
            ..Self::new(format!("cannot {what} `{}`", path.display())).because(error)
        }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub(super) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for AuthorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AuthorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
