//! `-`: standard input to a file of an instance, and a file of an instance to standard output.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use super::session::{Session, pipe};
use super::{EngineError, FailureKind, Result, failed};
use crate::transfer::{InstanceDestination, InstanceSource, Progress, Summary};

/// Standard input becomes a file. It gets its name only when our input has ended by itself.
pub(super) async fn from_stdin(
    session: &Session,
    destination: InstanceDestination,
    _progress: Arc<dyn Progress>,
) -> Result<Summary> {
    let stdin = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(unusable)?;
    let (_nothing, stdout) = pipe()?;
    let ended = session
        .script(destination.receive_stream(), stdin, stdout)
        .await?;
    if ended.code != 0 {
        session.ask(destination.abandon()).await?;
        return Err(failed(destination.failure(ended.code, &ended.stderr)));
    }
    let (named, _) = session.ask(destination.commit_stream()).await?;
    if named.code != 0 {
        return Err(failed(destination.failure(named.code, &named.stderr)));
    }
    Ok(Summary {
        entries: 1,
        files: 1,
        ..Summary::default()
    })
}

/// A file goes to standard output.
pub(super) async fn to_stdout(session: &Session, source: InstanceSource) -> Result<Summary> {
    let stdout: OwnedFd = std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(unusable)?;
    let (stdin, closed) = pipe()?;
    drop(closed);
    let ended = session.script(source.send_stream(), stdin, stdout).await?;
    if ended.code != 0 {
        return Err(failed(source.failure(ended.code, &ended.stderr)));
    }
    Ok(Summary {
        entries: 1,
        files: 1,
        ..Summary::default()
    })
}

fn unusable(error: std::io::Error) -> EngineError {
    EngineError::new(FailureKind::Io, "the standard streams cannot be used").because(error)
}
