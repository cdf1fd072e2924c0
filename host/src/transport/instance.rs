//! The port for an instance that the host reaches itself: commands go through OpenSSH, with no component loaded.
//!
//! Making and destroying stay with the plugin that answered with the target; asking them of this is an error.

use std::sync::Arc;

use async_trait::async_trait;

use super::{SshSessions, TransportError, TransportKind};
use crate::provider::{
    Allocated, CallContext, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts, Instance,
    Listed, Optional, Provider, ProviderError, Request, Result, SshTarget, Stdio,
};

/// One target, reached for one source.
pub struct SshInstance {
    sessions: Arc<SshSessions>,
    target: SshTarget,
    source: String,
}

impl SshInstance {
    /// The instance behind `target`; `source` is named in errors.
    pub fn new(sessions: Arc<SshSessions>, target: SshTarget, source: String) -> Self {
        Self {
            sessions,
            target,
            source,
        }
    }

    fn context(&self, instance: Option<&Instance>, call: &'static str) -> CallContext {
        CallContext {
            plugin: "ssh".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            source: self.source.clone(),
            instance: instance.map(|instance| instance.name.to_string()),
            call,
        }
    }

    fn failed(
        &self,
        instance: &Instance,
        call: &'static str,
        error: &TransportError,
    ) -> ProviderError {
        let kind = match error.kind() {
            TransportKind::Invalid => ErrorKind::Invalid,
            TransportKind::Denied => ErrorKind::Denied,
            TransportKind::Unavailable => ErrorKind::Unavailable { retry_after: None },
            TransportKind::Failed => ErrorKind::Failed,
        };
        ProviderError {
            kind,
            message: with_causes(error),
            remedy: error.hint(),
            context: self.context(Some(instance), call),
            guest_log: Vec::new(),
        }
    }

    fn unsupported(&self, call: &'static str) -> ProviderError {
        ProviderError {
            kind: ErrorKind::Unsupported,
            message: "not a matter of the connection".into(),
            remedy: None,
            context: self.context(None, call),
            guest_log: Vec::new(),
        }
    }
}

/// The port's errors have one line: an error and what caused it.
fn with_causes(error: &TransportError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[async_trait]
impl Provider for SshInstance {
    fn optional(&self) -> Optional {
        Optional {
            liveness: true,
            facts: true,
            ..Optional::default()
        }
    }

    async fn allocate(&self, _request: &Request) -> Result<Allocated> {
        Err(self.unsupported("allocate"))
    }

    async fn run(
        &self,
        instance: &Instance,
        command: &Command,
        stdio: Stdio,
    ) -> Result<ExitStatus> {
        self.sessions
            .exec(&self.target, command, stdio)
            .await
            .map_err(|error| self.failed(instance, "run", &error))
    }

    async fn copy(
        &self,
        _instance: &Instance,
        _direction: &Direction,
        _stdio: Stdio,
    ) -> Result<()> {
        Err(self.unsupported("copy"))
    }

    async fn discard(&self, _doomed: &Doomed) -> Result<()> {
        Err(self.unsupported("discard"))
    }

    async fn check(&self, instance: &Instance) -> Result<()> {
        self.sessions
            .reachable(&self.target)
            .await
            .map_err(|error| self.failed(instance, "check", &error))
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        Err(self.unsupported("list"))
    }

    async fn probe(&self, instance: &Instance) -> Result<Facts> {
        let command = Command {
            argv: ["sh", "-c", "getconf _NPROCESSORS_ONLN; uname -m; uname -n"]
                .map(|word| word.as_bytes().to_vec())
                .to_vec(),
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: "0000000000000000".into(),
        };
        let output = self
            .sessions
            .output(&self.target, &command, Vec::new())
            .await
            .map_err(|error| self.failed(instance, "probe", &error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(Facts {
            cpus: lines.next().and_then(|line| line.parse().ok()),
            arch: lines.next().map(Into::into),
            hostname: lines.next().map(Into::into),
            ..Facts::default()
        })
    }

    async fn reboot(&self, _instance: &Instance) -> Result<()> {
        Err(self.unsupported("reboot"))
    }

    async fn disconnect(&self, instance: &Instance) -> Result<()> {
        self.sessions
            .disconnect(&self.target)
            .await
            .map_err(|error| self.failed(instance, "disconnect", &error))
    }

    async fn signal(&self, _instance: &Instance, _command_id: &str, _signal: u8) -> Result<()> {
        Err(self.unsupported("signal"))
    }
}
