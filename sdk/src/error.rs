//! The error of every call, in both directions. Its kind decides what the host does next.

use std::fmt;
use std::time::Duration;

use crate::bindings::provider::runner::plugin::types as wit;

/// The answer of every fallible call.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, for a person, and the kind that tells the host what to do about it.
///
/// ```
/// use runner_sdk::{Error, ErrorKind};
/// let error = Error::invalid("`image` names no image").remedy("write `image = \"debian:12\"`");
/// assert_eq!(error.kind, ErrorKind::Invalid);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the host does next.
    pub kind: ErrorKind,
    /// One sentence: what failed. No trailing full stop, no secrets.
    pub message: String,
    /// What the reader can do about it.
    pub remedy: Option<String>,
    /// For `exhausted` and `unavailable`: the backend's own advice on when to try again.
    pub retry_after: Option<Duration>,
}

/// The kinds of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The configuration or the request is wrong. The host stops and asks the operator.
    Invalid,
    /// A grant, or the backend's authorisation, is missing. The host stops and asks the operator.
    Denied,
    /// Quota or capacity is used up. The host tries elsewhere, or later.
    Exhausted,
    /// A passing fault. The host tries again, then elsewhere.
    Unavailable,
    /// The instance does not exist (any more). From `discard` this counts as success.
    Gone,
    /// The plugin does not do this. The host falls back where it can.
    Unsupported,
    /// Permanent for this instance or request. The host gives the instance up.
    Failed,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: None,
            retry_after: None,
        }
    }

    /// The configuration or the request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The backend refuses the user.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message)
    }

    /// Quota or capacity is used up.
    pub fn exhausted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Exhausted, message)
    }

    /// A fault that may pass by itself.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The instance does not exist.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Gone, message)
    }

    /// The plugin does not do this.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Permanent for this instance or request.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds when to try again; only `exhausted` and `unavailable` carry it to the host.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(format!("unexpected JSON: {error}"))
    }
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        let plain = |kind, failure: wit::Failure| Self {
            kind,
            message: failure.message,
            remedy: failure.remedy,
            retry_after: None,
        };
        let passing = |kind, retryable: wit::Retryable| Self {
            kind,
            message: retryable.message,
            remedy: retryable.remedy,
            retry_after: retryable.retry_after.map(Duration::from_millis),
        };
        match error {
            wit::Error::Invalid(failure) => plain(ErrorKind::Invalid, failure),
            wit::Error::Denied(failure) => plain(ErrorKind::Denied, failure),
            wit::Error::Exhausted(retryable) => passing(ErrorKind::Exhausted, retryable),
            wit::Error::Unavailable(retryable) => passing(ErrorKind::Unavailable, retryable),
            wit::Error::Gone(failure) => plain(ErrorKind::Gone, failure),
            wit::Error::Unsupported(failure) => plain(ErrorKind::Unsupported, failure),
            wit::Error::Failed(failure) => plain(ErrorKind::Failed, failure),
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        let Error {
            kind,
            message,
            remedy,
            retry_after,
        } = error;
        let retry_after =
            retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        match kind {
            ErrorKind::Invalid => Self::Invalid(wit::Failure { message, remedy }),
            ErrorKind::Denied => Self::Denied(wit::Failure { message, remedy }),
            ErrorKind::Exhausted => Self::Exhausted(wit::Retryable {
                message,
                remedy,
                retry_after,
            }),
            ErrorKind::Unavailable => Self::Unavailable(wit::Retryable {
                message,
                remedy,
                retry_after,
            }),
            ErrorKind::Gone => Self::Gone(wit::Failure { message, remedy }),
            ErrorKind::Unsupported => Self::Unsupported(wit::Failure { message, remedy }),
            ErrorKind::Failed => Self::Failed(wit::Failure { message, remedy }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_advice_survive_the_border() {
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Denied,
            ErrorKind::Exhausted,
            ErrorKind::Unavailable,
            ErrorKind::Gone,
            ErrorKind::Unsupported,
            ErrorKind::Failed,
        ] {
            let retryable = matches!(kind, ErrorKind::Exhausted | ErrorKind::Unavailable);
            let mut error = Error::new(kind, "it broke").remedy("mend it");
            if retryable {
                error = error.retry_after(Duration::from_secs(3));
            }
            assert_eq!(Error::from(wit::Error::from(error.clone())), error);
        }
    }
}
