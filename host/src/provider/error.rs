//! What a provider call can answer instead of a result, and where it came from.

use std::fmt;
use std::time::Duration;

/// The kind decides what the engine does next. The first seven are the plugin's own words (`wit/types.wit`), the rest
/// are the host's about the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Configuration or request is wrong; the operator must act.
    Invalid,
    /// A grant or the backend's authorisation is missing; the operator must act.
    Denied,
    /// No quota or capacity: try elsewhere or later.
    Exhausted { retry_after: Option<Duration> },
    /// Passing: try again.
    Unavailable { retry_after: Option<Duration> },
    /// The instance does not exist.
    Gone,
    /// The plugin does not do this.
    Unsupported,
    /// Permanent for this instance.
    Failed,
    /// The plugin trapped (panic, unreachable, out of bounds).
    Trapped,
    /// The call took longer than its deadline.
    Deadline,
    /// The call ran into a limit; the name is its configuration key, such as `memory`.
    LimitReached { limit: &'static str },
    /// The answer is not one the contract allows (oversized, duplicate handle, empty handle, …).
    Malformed,
    /// The component cannot be loaded or linked.
    Load,
}

/// Which call of which plugin for what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallContext {
    /// The plugin's name, from its manifest.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The source it serves.
    pub source: String,
    /// The instance concerned, if there is one.
    pub instance: Option<String>,
    /// `allocate`, `run`, ….
    pub call: &'static str,
}

/// A failed call. Texts from the plugin are already escaped for terminals.
#[derive(Clone, Debug)]
pub struct ProviderError {
    pub kind: ErrorKind,
    pub message: String,
    pub remedy: Option<String>,
    pub context: CallContext,
    /// The last lines that the plugin wrote to its standard error, escaped.
    pub guest_log: Vec<String>,
    /// Nothing that could change something left the host in this call: of an instance that was to be made, nothing exists.
    pub untouched: bool,
}

impl ErrorKind {
    /// The word for reports and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Exhausted { .. } => "exhausted",
            Self::Unavailable { .. } => "unavailable",
            Self::Gone => "gone",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::Deadline => "deadline",
            Self::LimitReached { .. } => "limit",
            Self::Malformed => "malformed",
            Self::Load => "load",
        }
    }
}

impl fmt::Display for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "plugin `{}` {}, source `{}`",
            self.plugin, self.version, self.source
        )?;
        if let Some(instance) = &self.instance {
            write!(f, ", instance `{instance}`")?;
        }
        write!(f, ", call `{}`", self.call)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.message, self.context)?;
        if let ErrorKind::LimitReached { limit } = &self.kind {
            write!(f, ", limit `{limit}`")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for ProviderError {}
