//! What a plugin is bound to when it is loaded for a source: configuration, grant, limits, and the host's services that
//! its imports use. The services are given by the composition root; this room reads no environment and opens
//! nothing by itself.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use runner_core::id::SourceName;

use super::{Books, Capabilities, HttpSettings, Limits, NoBooks, Tap, Uses};
use crate::provider::CallContext;
use crate::transport::SshSessions;

/// A source's use of a plugin.
#[derive(Clone, Debug)]
pub struct Binding {
    pub source: SourceName,
    /// The plugin's own keys, validated, with defaults.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What it may do.
    pub grant: Capabilities,
    /// Bounds of each call.
    pub limits: Limits,
    /// What its imports reach.
    pub services: Services,
}

/// The host's side of the imports.
#[derive(Clone)]
pub struct Services {
    /// Values of granted secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Where uses of rights are counted.
    pub uses: Arc<Uses>,
    /// What is recorded and kept.
    pub books: Arc<dyn Books>,
    /// Where messages go, beside `tracing`.
    pub log: Arc<dyn LogSink>,
    /// OpenSSH sessions; none: the plugin host's own, with the user's `ssh` as it is.
    pub ssh: Option<Arc<SshSessions>>,
    /// What the operator decided about HTTP.
    pub http: HttpSettings,
    /// Where programs are looked for when every program is granted, in the form of `PATH`.
    pub path: OsString,
    /// The directory that holds the private directories of all instances; none: plugins are not told.
    pub work: Option<PathBuf>,
    /// Looks on at the imports; none: nobody.
    pub tap: Option<Arc<dyn Tap>>,
}

impl Default for Services {
    /// No secrets, no books, no programs to find; messages go to `tracing` only.
    fn default() -> Self {
        Self {
            secrets: Arc::new(NoSecrets),
            uses: Arc::default(),
            books: Arc::<NoBooks>::default(),
            log: Arc::new(NoSink),
            ssh: None,
            http: HttpSettings::default(),
            path: OsString::new(),
            work: None,
            tap: None,
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Where secrets come from. Asked only for names that are granted.
pub trait Secrets: Send + Sync {
    /// The value; none when it is not set. The error says why a set one cannot be read, without its value.
    fn get(&self, name: &str) -> Result<Option<String>, String>;

    /// How to set it, for the remedy of an error.
    fn how_to_set(&self, name: &str) -> String {
        format!("set the secret `{name}`")
    }
}

/// No secret is set.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, _name: &str) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Takes the messages that plugins write. Called from any thread, in the middle of a call: it must not wait.
pub trait LogSink: Send + Sync {
    /// One message, already escaped for terminals.
    fn write(&self, context: &CallContext, level: LogLevel, message: &str);
}

/// Drops messages; `tracing` still gets them.
pub struct NoSink;

impl LogSink for NoSink {
    fn write(&self, _context: &CallContext, _level: LogLevel, _message: &str) {}
}
