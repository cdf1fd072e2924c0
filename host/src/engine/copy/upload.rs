//! From this machine to an instance.

use std::io::{PipeReader, PipeWriter, Read as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::session::{Ended, Session, broken, last_words, pipe};
use super::{Result, failed};
use crate::provider::{Direction, ErrorKind};
use crate::transfer::{
    InstanceDestination, LocalSource, PackOptions, Preserve, Progress, Receiver, Summary,
    TransferError, pack, receiver,
};

/// Sends `source` to `destination`.
pub(super) async fn upload(
    session: &Session,
    source: LocalSource,
    destination: InstanceDestination,
    preserve: Preserve,
    progress: Arc<dyn Progress>,
) -> Result<Summary> {
    let source = Arc::new(source);
    if session.provider.optional().copy
        && let Some(summary) = native(
            session,
            &source,
            &destination,
            preserve,
            Arc::clone(&progress),
        )
        .await?
    {
        return Ok(summary);
    }
    let (stdin, archive) = pipe()?;
    let (mut answer, stdout) = pipe()?;
    let packing = tokio::task::spawn_blocking(move || {
        let Some(receiver) = ready(&mut answer) else {
            return Ok(None);
        };
        let summary = pack(
            &source,
            PackOptions { preserve, receiver },
            archive,
            &*progress,
        )?;
        last_words(&mut answer);
        Ok(Some(summary))
    });
    let (ended, packed) = tokio::join!(
        session.script(destination.receive(), stdin, stdout),
        packing
    );
    judge(&destination, &ended?, packed.map_err(broken)?)
}

/// What a copy to an instance came to: our own trouble first, since the other side only sees that we stopped.
pub(super) fn judge(
    destination: &InstanceDestination,
    ended: &Ended,
    packed: std::result::Result<Option<Summary>, TransferError>,
) -> Result<Summary> {
    let theirs = || failed(destination.failure(ended.code, &ended.stderr));
    match packed {
        Err(error @ TransferError::Send(_)) => Err(if ended.code == 0 {
            failed(error)
        } else {
            theirs()
        }),
        Err(error) => Err(failed(error)),
        Ok(Some(summary)) if ended.code == 0 => Ok(summary),
        Ok(_) => Err(theirs()),
    }
}

/// Waits for the script to say that it takes an archive, and of which kind. None: it says something else, or nothing.
pub(super) fn ready(answer: &mut PipeReader) -> Option<Receiver> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 64 && matches!(answer.read(&mut byte), Ok(1)) {
        if byte[0] == b'\n' {
            return receiver(&line);
        }
        line.push(byte[0]);
    }
    None
}

/// By the provider's own `copy`, into a directory made for it. None: it does not do this after all.
async fn native(
    session: &Session,
    source: &Arc<LocalSource>,
    destination: &InstanceDestination,
    preserve: Preserve,
    progress: Arc<dyn Progress>,
) -> Result<Option<Summary>> {
    let (prepared, directory) = session.ask(destination.prepare()).await?;
    if prepared.code != 0 {
        return Err(failed(destination.failure(prepared.code, &prepared.stderr)));
    }
    let (stdin, archive): (PipeReader, PipeWriter) = pipe()?;
    let (mut ignored, stdout) = pipe()?;
    let (mut words, stderr) = pipe()?;
    let quiet = tokio::task::spawn_blocking(move || last_words(&mut ignored));
    let listening = tokio::task::spawn_blocking(move || last_words(&mut words));
    let packing = {
        let source = Arc::clone(source);
        let options = PackOptions {
            preserve,
            receiver: Receiver::Any,
        };
        tokio::task::spawn_blocking(move || pack(&source, options, archive, &*progress))
    };
    let direction = Direction::Into(directory);
    let stdio = session.stdio(OwnedFd::from(stdin), OwnedFd::from(stdout), stderr);
    let (copied, packed) = tokio::join!(
        session.provider.copy(&session.instance, &direction, stdio),
        packing
    );
    drop(quiet.await);
    let words = listening.await.unwrap_or_default();
    let outcome = match (copied, packed.map_err(broken)?) {
        (Ok(()), Ok(summary)) => {
            let (ended, _) = session.ask(destination.commit()).await?;
            if ended.code == 0 {
                return Ok(Some(summary));
            }
            Err(failed(destination.failure(ended.code, &ended.stderr)))
        }
        (Err(error), _) if error.kind == ErrorKind::Unsupported => Ok(None),
        (_, Err(error)) if !matches!(error, TransferError::Send(_)) => Err(failed(error)),
        (Err(error), _) => {
            let words = String::from_utf8_lossy(&words).trim().to_owned();
            tracing::debug!(words, "the provider's copy failed");
            Err(super::EngineError::provider(
                format!("cannot copy to `{}`", session.instance.name),
                error,
            ))
        }
        (Ok(()), Err(error)) => Err(failed(error)),
    };
    session.ask(destination.abandon()).await?;
    outcome
}
