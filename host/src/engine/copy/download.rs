//! From an instance to this machine.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::session::{Session, broken, last_words, pipe};
use super::{EngineError, Result, failed};
use crate::provider::{Direction, ErrorKind};
use crate::transfer::{
    Destination, InstanceSource, Preserve, Progress, Summary, TransferError, unpack,
};

/// Fetches `source` to `destination`.
pub(super) async fn download(
    session: &Session,
    source: InstanceSource,
    destination: Destination,
    preserve: Preserve,
    progress: Arc<dyn Progress>,
) -> Result<Summary> {
    let (archive, stdout) = pipe()?;
    let top = source.top();
    let unpacking = tokio::task::spawn_blocking(move || {
        unpack(archive, &top, destination, preserve, &*progress)
    });
    let sending = async {
        if session.provider.optional().copy && source.suits_native_copy() {
            native(session, &source, stdout.try_clone().map_err(cannot_copy)?)
                .await
                .map(|done| (done, stdout))
        } else {
            Ok((None, stdout))
        }
    };
    let (done, stdout) = sending.await?;
    let ended = match done {
        Some(()) => {
            drop(stdout);
            None
        }
        None => {
            let (stdin, closed) = pipe()?;
            drop(closed);
            Some(session.script(source.send(), stdin, stdout).await?)
        }
    };
    let unpacked = unpacking.await.map_err(broken)?;
    match (ended, unpacked) {
        // What is wrong with the archive follows from what is wrong over there, unless the archive is hostile.
        (
            _,
            Err(
                error @ (TransferError::Refused { .. }
                | TransferError::Local { .. }
                | TransferError::Place { .. }),
            ),
        ) => Err(failed(error)),
        (Some(ended), _) if ended.code != 0 => {
            Err(failed(source.failure(ended.code, &ended.stderr)))
        }
        (_, Err(error)) => Err(failed(error)),
        (_, Ok(unpacked)) => tokio::task::spawn_blocking(move || unpacked.commit())
            .await
            .map_err(broken)?
            .map_err(failed),
    }
}

/// By the provider's own `copy`. None: it does not do this after all, and has written nothing.
async fn native(
    session: &Session,
    source: &InstanceSource,
    stdout: std::io::PipeWriter,
) -> Result<Option<()>> {
    let (stdin, closed) = pipe()?;
    drop(closed);
    let (mut words, stderr) = pipe()?;
    let listening = tokio::task::spawn_blocking(move || last_words(&mut words));
    let direction = Direction::OutOf(source.path().to_vec());
    let stdio = session.stdio(OwnedFd::from(stdin), OwnedFd::from(stdout), stderr);
    let copied = session
        .provider
        .copy(&session.instance, &direction, stdio)
        .await;
    drop(listening.await);
    match copied {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(EngineError::provider(
            format!("cannot copy from `{}`", session.instance.name),
            error,
        )),
    }
}

fn cannot_copy(error: std::io::Error) -> EngineError {
    EngineError::new(super::FailureKind::Io, "cannot make a pipe").because(error)
}
