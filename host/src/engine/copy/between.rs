//! From one instance to another, every entry looked at on its way.

use std::sync::Arc;

use super::session::{Session, broken, last_words, pipe};
use super::upload::{judge, ready};
use super::{Result, failed};
use crate::transfer::{
    InstanceDestination, InstanceSource, Preserve, Progress, Summary, TransferError, relay,
};

/// Sends `source` of the one to `destination` on the other.
pub(super) async fn relay_between(
    sender: &Session,
    source: InstanceSource,
    receiver: &Session,
    destination: InstanceDestination,
    preserve: Preserve,
    progress: Arc<dyn Progress>,
) -> Result<Summary> {
    let (archive, sent) = pipe()?;
    let (received, parcel) = pipe()?;
    let (mut answer, said) = pipe()?;
    let (nothing, closed) = pipe()?;
    drop(closed);
    let top = source.top();
    // The last entry of the parcel is held back until the sender has said that the archive is right.
    let (right, is_right) = std::sync::mpsc::channel::<bool>();
    let passing = tokio::task::spawn_blocking(move || {
        let Some(kind) = ready(&mut answer) else {
            return Ok(None);
        };
        let relayed = relay(archive, &top, preserve, kind, parcel, &*progress)?;
        if !is_right.recv().unwrap_or(false) {
            return Ok(None);
        }
        let summary = relayed.finish()?;
        last_words(&mut answer);
        Ok(Some(summary))
    });
    let sending = async {
        let ended = sender.script(source.send(), nothing, sent).await;
        // Nobody listens any more when the receiver has given up.
        let _ = right.send(ended.as_ref().is_ok_and(|ended| ended.code == 0));
        ended
    };
    let receiving = receiver.script(destination.receive(), received, said);
    let (sent, ended, passed) = tokio::join!(sending, receiving, passing);
    let (sent, ended, passed) = (sent?, ended?, passed.map_err(broken)?);
    let hostile = matches!(passed, Err(TransferError::Refused { .. }));
    if sent.code != 0 && !hostile && !matches!(passed, Err(TransferError::Send(_))) {
        return Err(failed(source.failure(sent.code, &sent.stderr)));
    }
    judge(&destination, &ended, passed)
}
