//! Why a component cannot be used: which file, what is wrong with it, and what to do.

use std::error::Error;
use std::fmt;

/// What kind of fault it is, for exit codes and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// No such plugin or file.
    NotFound,
    /// The file cannot be read or written.
    Unreadable,
    /// The file is not a WebAssembly component, or a damaged one.
    NotAComponent,
    /// The manifest is missing or wrong.
    Manifest,
    /// It is built against another version of the contract, or needs what this host does not offer.
    Incompatible,
    /// A kept or compiled copy is not what it was when it was written, or others can write to it.
    Tampered,
    /// Compiling or linking failed.
    Compile,
}

impl LoadErrorKind {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Unreadable => "unreadable",
            Self::NotAComponent => "not-a-component",
            Self::Manifest => "manifest",
            Self::Incompatible => "incompatible",
            Self::Tampered => "tampered",
            Self::Compile => "compile",
        }
    }
}

/// A component that cannot be used.
#[derive(Debug)]
pub struct LoadError {
    pub kind: LoadErrorKind,
    /// What it is about, as the user knows it: a path, or `plugin NAME`.
    pub subject: String,
    /// What is wrong with it: a fragment that follows the subject. Already escaped for terminals.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl LoadError {
    /// An error about `subject`.
    pub fn new(
        kind: LoadErrorKind,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subject: subject.into(),
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.message)
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
