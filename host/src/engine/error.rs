//! Why a verb did not do what it was asked.

use std::fmt;

use runner_core::id::{InstanceName, SourceName, TicketId};

use crate::provider::ProviderError;
use crate::store::StoreError;

/// What went wrong, for exit codes and JSON (`kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No such source.
    UnknownSource,
    /// No such instance.
    UnknownInstance,
    /// No such ticket.
    UnknownTicket,
    /// No such shelf.
    UnknownShelf,
    /// The instance is not leased (any more).
    NotLeased,
    /// A limit leaves no room; waiting may help.
    Exhausted,
    /// `--wait` ran out.
    TimedOut,
    /// A grant is missing.
    Denied,
    /// Configuration or request is wrong.
    Invalid,
    /// The provider failed.
    Provider,
    /// A hook or script failed.
    Hook,
    /// A registry failed, or has not what may be installed.
    Registry,
    /// The state database failed.
    State,
    /// Reading or writing local files or streams failed.
    Io,
    /// A signal ended the wait.
    Interrupted,
}

impl FailureKind {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown-source",
            Self::UnknownInstance => "unknown-instance",
            Self::UnknownTicket => "unknown-ticket",
            Self::UnknownShelf => "unknown-shelf",
            Self::NotLeased => "not-leased",
            Self::Exhausted => "exhausted",
            Self::TimedOut => "timed-out",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Provider => "provider",
            Self::Hook => "hook",
            Self::Registry => "registry",
            Self::State => "state",
            Self::Io => "io",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A failed verb: one sentence, what can be done, and the cause.
#[derive(Debug)]
pub struct EngineError {
    pub kind: FailureKind,
    pub message: String,
    pub hint: Option<String>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EngineError {
    /// An error of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
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
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// No instance has this name.
    pub fn unknown_instance(name: &InstanceName) -> Self {
        Self::new(
            FailureKind::UnknownInstance,
            format!("there is no instance `{name}`"),
        )
        .hint("`runner status -v` lists the instances in use")
    }

    /// No ticket has this number.
    pub fn unknown_ticket(id: TicketId) -> Self {
        Self::new(
            FailureKind::UnknownTicket,
            format!("there is no ticket {id}"),
        )
        .hint("`runner ticket list --all` shows those of the last days")
    }

    /// No shelf has this name.
    pub fn unknown_shelf(name: &str) -> Self {
        Self::new(
            FailureKind::UnknownShelf,
            format!("there is no shelf `{name}`"),
        )
        .hint("`runner shelf create` makes one, `runner shelf list` shows yours")
    }

    /// No source has this name.
    pub fn unknown_source(name: &SourceName) -> Self {
        Self::new(
            FailureKind::UnknownSource,
            format!("there is no source `{name}`"),
        )
        .hint("`runner source list` shows the sources and where they are defined")
    }

    /// A provider call failed while doing `what`.
    pub fn provider(what: impl Into<String>, error: ProviderError) -> Self {
        let hint = error.remedy.clone();
        Self {
            kind: FailureKind::Provider,
            message: what.into(),
            hint,
            source: Some(Box::new(error)),
        }
    }

    /// What the provider said, where that is the cause.
    pub fn provider_error(&self) -> Option<&ProviderError> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Stale { .. } => FailureKind::NotLeased,
            _ => FailureKind::State,
        };
        let mut message = Self::new(kind, "cannot read or change the state of the instances");
        message.hint = error.hint().map(Into::into);
        message.because(error)
    }
}
