//! Making one instance: the provider's `allocate`, then the provision scripts and hooks, then the lease.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use runner_core::id::Timestamp;
use runner_core::instance::Event;

use super::{Definition, Engine, EngineError, FailureKind, Result, fault, parse_definition};
use crate::provider::{Allocated, HookPoint, Provider, Request};
use crate::store::{Durability, InstanceRow, Lease, OperationId, StoreError, Tx};

impl Engine {
    /// Turns a recorded intent into an instance that is leased to this process, unconfirmed. When anything fails,
    /// what may exist is destroyed again, or stays in the books until it is.
    pub(super) async fn provision(
        &self,
        mut row: InstanceRow,
        operation: OperationId,
    ) -> Result<InstanceRow> {
        let made = match self.prepare(&row) {
            Ok((definition, provider)) => {
                self.try_provision(&mut row, &definition, &*provider).await
            }
            Err(error) => {
                self.end(operation, &Err(chain(&error)));
                self.withdraw(row, &error)?;
                return Err(error);
            }
        };
        self.end(operation, &made.as_ref().map(drop).map_err(chain));
        match made {
            Ok(()) => Ok(row),
            Err(error) => {
                self.give_up(row, &error).await;
                Err(error)
            }
        }
    }

    /// What is needed before the provider is asked for anything.
    fn prepare(&self, row: &InstanceRow) -> Result<(Definition, Arc<dyn Provider>)> {
        let definition = parse_definition(&self.store().read(|tx| tx.definition(row.definition))?)?;
        let provider = self.catalogue().provider(&definition)?;
        if let Some(path) = &row.workdir {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| {
                    EngineError::new(
                        FailureKind::Io,
                        format!("cannot make the instance's directory `{}`", path.display()),
                    )
                    .because(error)
                })?;
        }
        fault::point("provision:workdir-made");
        Ok((definition, provider))
    }

    /// Takes an intent back. The provider was never asked, so there is nothing to destroy.
    fn withdraw(&self, mut row: InstanceRow, reason: &EngineError) -> Result<()> {
        row.trouble = Some(chain(reason));
        row.worker = None;
        let now = self.now();
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.save(&mut row, Some(Event::Failed), now)?;
                tx.save(&mut row, Some(Event::Doomed), now)?;
                tx.save(&mut row, Some(Event::Confirmed), now)
            })?;
        self.wake_waiters(&row.source);
        Ok(())
    }

    async fn try_provision(
        &self,
        row: &mut InstanceRow,
        definition: &Definition,
        provider: &dyn Provider,
    ) -> Result<()> {
        let request = Request {
            token: row.token.clone(),
            name: row.name.clone(),
            slot: row.slot,
            workdir: row.workdir.clone(),
        };
        let allocated = provider.allocate(&request).await.map_err(|error| {
            EngineError::provider(
                format!("source `{}` could not make `{}`", row.source, row.name),
                error,
            )
        })?;
        fault::point("provision:allocated");
        let nothing_to_run = !self.has(HookPoint::Provision, definition);
        self.record(row, definition, allocated, nothing_to_run)?;
        fault::point("provision:recorded");
        if nothing_to_run {
            return Ok(());
        }

        self.tell(HookPoint::Provision, definition, row).await?;
        fault::point("provision:hooks-passed");

        let now = self.now();
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| self.lease(tx, row, now))?;
        fault::point("provision:assigned");
        Ok(())
    }

    /// It is usable, and this process' own from its first moment.
    fn lease(
        &self,
        tx: &Tx<'_>,
        row: &mut InstanceRow,
        now: Timestamp,
    ) -> std::result::Result<(), StoreError> {
        tx.save(row, Some(Event::Provisioned), now)?;
        row.lease = Some(Lease {
            owner: self.owner_json(),
            since: now,
            confirmed: false,
        });
        tx.save(row, Some(Event::Assigned), now)
    }

    /// The answer goes onto the row that it was asked for, or nowhere. With nothing left to run, the instance is leased in
    /// the same commit.
    fn record(
        &self,
        row: &mut InstanceRow,
        definition: &Definition,
        allocated: Allocated,
        lease: bool,
    ) -> Result<()> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| {
                EngineError::new(FailureKind::State, "cannot store the provider's answer")
                    .because(error)
            })
        };
        let before = row.clone();
        row.handle = Some(allocated.handle);
        row.access = Some(json(serde_json::to_string(&allocated.access))?);
        row.attributes = Some(json(serde_json::to_string(&allocated.attributes))?);
        let now = self.now();
        let saved = self.store().write::<_, StoreError>(Durability::Full, |tx| {
            tx.save(row, Some(Event::Allocated), now)?;
            if lease {
                self.lease(tx, row, now)
            } else {
                Ok(())
            }
        });
        if let Err(error) = saved {
            // With a handle that is somebody else's, nothing must ever be done.
            *row = before;
            return Err(match error {
                StoreError::DuplicateHandle { .. } => EngineError::new(
                    FailureKind::Provider,
                    format!(
                        "plugin {}, source `{}`, call `allocate`: the answer for `{}` is an instance that is already in use",
                        definition.label, row.source, row.name
                    ),
                )
                .hint("this is a fault of the plugin: report it to its author; nothing was handed out twice")
                .because(error),
                other => other.into(),
            });
        }
        Ok(())
    }

    /// Notes why an instance is of no use, and destroys it. The reason is reported by the caller; a discard that fails
    /// is tried again by later commands.
    async fn give_up(&self, mut row: InstanceRow, reason: &EngineError) {
        row.trouble = Some(chain(reason));
        let now = self.now();
        let noted = self.store().write::<_, StoreError>(Durability::Full, |tx| {
            tx.save(&mut row, Some(Event::Failed), now)
        });
        fault::point("fail:recorded");
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note that `{}` failed", row.name);
            return;
        }
        if let Err(error) = self.discard_row(row).await {
            tracing::warn!("{}", chain(&error));
        }
    }
}

/// An error and its causes in one line.
pub fn chain(error: &EngineError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
