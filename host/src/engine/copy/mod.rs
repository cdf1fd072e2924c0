//! `cp`: files to, from and between instances.
//!
//! This machine's side is `transfer`; the instance's side is a script with `tar` over `run`, or the provider's own
//! `copy` where its manifest says that it has one. Nothing appears under its final name before both sides have said that
//! it is complete.

mod between;
mod download;
mod session;
mod stream;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;

use runner_core::id::InstanceName;

use super::run::execution_id;
use super::{Endpoint, Engine, EngineError, FailureKind, Result, fault};
use crate::store::{Durability, OperationId};
use crate::transfer::{
    Destination, InstanceSource, LocalSource, Preserve, Progress, Summary, TransferError,
};
use session::Session;

/// What was copied, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct CopySummary {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of file contents.
    pub bytes: u64,
    /// One sentence each, ready for a terminal.
    pub warnings: Vec<String>,
}

impl CopySummary {
    fn add(&mut self, summary: Summary) {
        self.entries += summary.entries;
        self.bytes += summary.bytes;
        self.warnings.extend(summary.warnings);
        if summary.more_warnings > 0 {
            self.warnings
                .push(format!("{} more warnings", summary.more_warnings));
        }
    }
}

impl Engine {
    /// Copies `from` to `to`, as `cp -a` does: an existing directory takes the copy under its own name, anything else is the
    /// copy's new name. Several sources need a directory.
    pub async fn copy(
        &self,
        from: &[Endpoint],
        to: &Endpoint,
        preserve: Preserve,
        progress: Arc<dyn Progress>,
    ) -> Result<CopySummary> {
        let mut summary = CopySummary::default();
        let to = if from.len() > 1 {
            into_directory(to)?
        } else {
            to.clone()
        };
        for source in from {
            let copied = self
                .copy_one(source, &to, preserve, Arc::clone(&progress))
                .await?;
            summary.add(copied);
        }
        Ok(summary)
    }

    async fn copy_one(
        &self,
        from: &Endpoint,
        to: &Endpoint,
        preserve: Preserve,
        progress: Arc<dyn Progress>,
    ) -> Result<Summary> {
        match (from, to) {
            (
                Endpoint::Local(path),
                Endpoint::Remote {
                    instance,
                    path: remote,
                },
            ) => {
                let source = LocalSource::open(path).map_err(failed)?;
                let (session, operation) = self.session(
                    instance,
                    &format!("{} to {}", path.display(), shown(remote)),
                )?;
                let destination = session.destination(remote, source.name(), preserve)?;
                let done = upload::upload(&session, source, destination, preserve, progress).await;
                self.copied(operation, done)
            }
            (
                Endpoint::Remote {
                    instance,
                    path: remote,
                },
                Endpoint::Local(path),
            ) => {
                let source = InstanceSource::new(remote_path(remote));
                let destination = Destination::resolve(path, source.name()).map_err(failed)?;
                let (session, operation) = self.session(
                    instance,
                    &format!("{} to {}", shown(remote), path.display()),
                )?;
                let done =
                    download::download(&session, source, destination, preserve, progress).await;
                self.copied(operation, done)
            }
            (Endpoint::Stream, Endpoint::Remote { instance, path }) => {
                let (session, operation) =
                    self.session(instance, &format!("standard input to {}", shown(path)))?;
                let destination = session.destination(path, None, preserve)?;
                let done = stream::from_stdin(&session, destination, progress).await;
                self.copied(operation, done)
            }
            (Endpoint::Remote { instance, path }, Endpoint::Stream) => {
                let (session, operation) =
                    self.session(instance, &format!("{} to standard output", shown(path)))?;
                let done =
                    stream::to_stdout(&session, InstanceSource::new(remote_path(path))).await;
                self.copied(operation, done)
            }
            (
                Endpoint::Remote {
                    instance: one,
                    path: here,
                },
                Endpoint::Remote {
                    instance: other,
                    path: there,
                },
            ) => {
                let source = InstanceSource::new(remote_path(here));
                let (sender, sending) =
                    self.session(one, &format!("{} to `{other}`", shown(here)))?;
                let (receiver, receiving) =
                    self.session(other, &format!("{} from `{one}`", shown(there)))?;
                let destination = receiver.destination(there, source.name(), preserve)?;
                let done = between::relay_between(
                    &sender,
                    source,
                    &receiver,
                    destination,
                    preserve,
                    progress,
                )
                .await;
                let outcome = done.as_ref().map(drop).map_err(super::chain);
                self.end(receiving, &outcome);
                self.copied(sending, done)
            }
            (Endpoint::Local(_) | Endpoint::Stream, Endpoint::Local(_) | Endpoint::Stream) => {
                Err(EngineError::new(
                    FailureKind::Invalid,
                    "neither side of the copy is an instance",
                )
                .hint("an instance's path is written `NAME:PATH`, such as `local-0:file`"))
            }
        }
    }

    /// The way to an instance, and the operation noted.
    fn session(&self, name: &InstanceName, detail: &str) -> Result<(Session, OperationId)> {
        let row = self.usable(name)?;
        let definition = self.definition(&row)?;
        self.catalogue().still_granted(&definition)?;
        let (provider, instance) = self.reach(&row, &definition)?;
        let operation = self
            .store()
            .write::<_, EngineError>(Durability::Process, |tx| {
                self.begin(tx, "copy", &row, Some(detail))
            })?;
        fault::point("copy:started");
        Ok((Session::new(provider, instance), operation))
    }

    fn copied(&self, operation: OperationId, done: Result<Summary>) -> Result<Summary> {
        self.end(operation, &done.as_ref().map(drop).map_err(super::chain));
        fault::point("copy:ended");
        done
    }
}

/// A failure of this machine's side, or of the script on the instance.
fn failed(error: TransferError) -> EngineError {
    let mut failure = EngineError::new(FailureKind::Io, "the copy failed");
    failure.hint = error.hint().map(Into::into);
    failure.because(error)
}

/// The same place, which must be a directory.
fn into_directory(to: &Endpoint) -> Result<Endpoint> {
    match to {
        Endpoint::Local(path) => {
            let mut text = path.clone().into_os_string();
            text.push("/");
            Ok(Endpoint::Local(PathBuf::from(text)))
        }
        Endpoint::Remote { instance, path } => {
            let mut path = remote_path(path);
            path.push(b'/');
            Ok(Endpoint::Remote {
                instance: instance.clone(),
                path,
            })
        }
        Endpoint::Stream => Err(EngineError::new(
            FailureKind::Invalid,
            "standard output takes one file, and several were named",
        )),
    }
}

/// `NAME:` alone is the directory where commands start.
fn remote_path(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        b".".to_vec()
    } else {
        path.to_vec()
    }
}

fn shown(path: &[u8]) -> String {
    format!("`{}`", String::from_utf8_lossy(&remote_path(path)))
}
