//! Scripts on one instance, connected to pipes of ours.

use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{EngineError, FailureKind, Result, execution_id, remote_path};
use crate::provider::{Command, Instance, Provider, Stdio};
use crate::transfer::{InstanceDestination, Preserve};

/// What is kept of a script's standard error: its last words.
const LAST_WORDS: usize = 8 << 10;

/// An instance that files are copied to or from.
pub(super) struct Session {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) instance: Instance,
}

/// How a script ended.
pub(super) struct Ended {
    /// As a shell says it.
    pub(super) code: u8,
    pub(super) stderr: Vec<u8>,
}

impl Session {
    pub(super) fn new(provider: Arc<dyn Provider>, instance: Instance) -> Self {
        Self { provider, instance }
    }

    /// A destination on it, with a token of its own.
    pub(super) fn destination(
        &self,
        path: &[u8],
        name: Option<&[u8]>,
        preserve: Preserve,
    ) -> Result<InstanceDestination> {
        Ok(InstanceDestination::new(
            remote_path(path),
            name,
            execution_id()?,
            preserve,
        ))
    }

    /// Runs a script connected to these two.
    pub(super) async fn script(
        &self,
        argv: Vec<Vec<u8>>,
        stdin: impl Into<OwnedFd>,
        stdout: impl Into<OwnedFd>,
    ) -> Result<Ended> {
        let (mut words, stderr) = pipe()?;
        let listening = tokio::task::spawn_blocking(move || last_words(&mut words));
        let command = Command {
            argv,
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: execution_id()?,
        };
        let stdio = self.stdio(stdin.into(), stdout.into(), stderr);
        let status = self
            .provider
            .run(&self.instance, &command, stdio)
            .await
            .map_err(|error| {
                EngineError::provider(format!("cannot copy with `{}`", self.instance.name), error)
            })?;
        let stderr = listening.await.unwrap_or_default();
        Ok(Ended {
            code: status.shell_code(),
            stderr,
        })
    }

    /// Runs a script that needs no input and says little.
    pub(super) async fn ask(&self, argv: Vec<Vec<u8>>) -> Result<(Ended, Vec<u8>)> {
        let (stdin, closed) = pipe()?;
        drop(closed);
        let (mut answer, stdout) = pipe()?;
        let listening = tokio::task::spawn_blocking(move || last_words(&mut answer));
        let ended = self.script(argv, stdin, stdout).await?;
        Ok((ended, listening.await.unwrap_or_default()))
    }

    /// Streams for a call that is not the user's: signals for us are not for it.
    pub(super) fn stdio(&self, stdin: OwnedFd, stdout: OwnedFd, stderr: PipeWriter) -> Stdio {
        Stdio::apart(stdin, stdout, stderr.into())
    }
}

/// A pipe of this machine.
pub(super) fn pipe() -> Result<(PipeReader, PipeWriter)> {
    io::pipe()
        .map_err(|error| EngineError::new(FailureKind::Io, "cannot make a pipe").because(error))
}

/// Reads to the end and keeps the last of it.
pub(super) fn last_words(stream: &mut PipeReader) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    // A broken stream ends it just as well.
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..length]);
        if kept.len() > 2 * LAST_WORDS {
            kept.drain(..kept.len() - LAST_WORDS);
        }
    }
    kept
}

/// A blocking part of a copy came to an end that it should not have.
pub(super) fn broken(error: tokio::task::JoinError) -> EngineError {
    EngineError::new(FailureKind::Io, "the copy ended unexpectedly").because(error)
}
