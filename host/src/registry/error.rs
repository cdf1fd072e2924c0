//! Why something could not be fetched, published or believed: which registry and reference, what happened, what to do.

use std::error::Error;
use std::fmt;

/// What kind of fault it is, for exit codes and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryErrorKind {
    /// A reference, a range or a file of ours is wrong.
    Invalid,
    /// No answer, or one that says to come back later.
    Unreachable,
    /// The registry wants to know who asks, or says no.
    Unauthorized,
    /// There is no such repository, version or blob.
    NotFound,
    /// The answer is not what the protocol says, or points somewhere that is not followed.
    Protocol,
    /// More than any plugin needs.
    TooLarge,
    /// The content is not what its digest says.
    Digest,
    /// It is not a plugin, or not the one that its name promises.
    Layout,
    /// Nobody whose word counts has signed it.
    Untrusted,
    /// An older, withdrawn or changed version, which is not taken unasked.
    Version,
    /// Local files.
    Io,
}

/// Something about a registry, a repository or a file of ours went wrong.
#[derive(Debug)]
pub struct RegistryError {
    pub kind: RegistryErrorKind,
    /// What it is about: a reference, a host, a file.
    pub subject: String,
    /// A fragment that follows the subject. Raw: it may hold what a registry said.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The room's results.
pub(super) type Result<T> = std::result::Result<T, RegistryError>;

impl RegistryError {
    /// An error about `subject`.
    pub fn new(
        kind: RegistryErrorKind,
        subject: impl fmt::Display,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subject: subject.to_string(),
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

    /// The same about something else.
    #[must_use]
    pub(super) fn about(mut self, subject: impl fmt::Display) -> Self {
        self.subject = subject.to_string();
        self
    }

    /// What is known of a registry only, said of what was wanted there.
    #[must_use]
    pub(super) fn on_the_way_to(self, registry: &str, wanted: &str) -> Self {
        match self.subject == registry {
            true => self.about(wanted),
            false => self,
        }
    }

    /// The cause alone, for whoever tells the rest in words of their own.
    pub fn into_source(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.source
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.message)
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Foreign text of bounded length.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 200;
    let text = text.trim();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_registry_is_said_of_what_was_wanted() {
        let of = |subject: &str| {
            let error = RegistryError::new(RegistryErrorKind::Protocol, subject, "no");
            error
                .on_the_way_to("reg:5000", "oci://reg:5000/box")
                .to_string()
        };
        assert_eq!(of("reg:5000"), "`oci://reg:5000/box`: no");
        assert_eq!(of("/home/me/config.json"), "`/home/me/config.json`: no");
    }
}
