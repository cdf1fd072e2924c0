//! Destroying instances: asked of the provider again and again until it confirms, and only then out of the books.

use std::time::Duration;

use runner_core::id::{InstanceName, Timestamp};
use runner_core::instance::{Event, State};

use super::provision::chain;
use super::release::close_if_empty;
use super::{Engine, EngineError, FailureKind, Reference, ReleaseEnd, Released, Result, fault};
use crate::provider::{Doomed, ErrorKind, HookPoint, Provider};
use crate::store::{Durability, InstanceRow, StoreError};
use crate::workdir;

/// The pause after the first failed discard; it doubles up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Engine {
    /// Destroys instances whatever they are used for. With `forget` a failing discard is given up: the operator says that
    /// the machine is gone.
    pub async fn discard(&self, names: &[InstanceName], forget: bool) -> Result<Vec<Released>> {
        self.repair().await?;
        let rows = self.find_all(names)?;
        let mut ended = Vec::new();
        for (name, row) in rows {
            let Some(row) = row else {
                ended.push(Released {
                    name,
                    end: ReleaseEnd::Already,
                });
                continue;
            };
            self.check_reference(&Reference::parse(name.as_str()), &row)?;
            let row = self.claim(row)?;
            let end = match self.discard_row(row).await {
                Ok(()) => ReleaseEnd::Discarded,
                Err(error) if forget => {
                    self.forget(&Reference::parse(name.as_str()).name, &error)?;
                    ReleaseEnd::Discarded
                }
                Err(error) => ReleaseEnd::Pending(error),
            };
            ended.push(Released { name, end });
        }
        Ok(ended)
    }

    /// The rows of these names, none for those that are discarded already. All are known, or it is an error.
    pub(super) fn find_all(
        &self,
        names: &[InstanceName],
    ) -> Result<Vec<(InstanceName, Option<InstanceRow>)>> {
        self.store().read(|tx| {
            let mut rows = Vec::new();
            for name in names {
                let reference = Reference::parse(name.as_str());
                let row = tx
                    .instance(&reference.name)?
                    .ok_or_else(|| EngineError::unknown_instance(&reference.name))?;
                if reference.fence.is_some() {
                    self.check_reference(&reference, &row)?;
                }
                rows.push((name.clone(), row.state.is_live().then_some(row)));
            }
            Ok(rows)
        })
    }

    /// Makes a row ours to destroy, whatever its state. A row that a living process works on is left to it.
    fn claim(&self, mut row: InstanceRow) -> Result<InstanceRow> {
        let worker = self.worker()?.id().clone();
        if let Some(other) = &row.worker
            && *other != worker
            && row.state != State::Leased
            && self.store().workers().is_alive(other)
        {
            return Err(EngineError::new(
                FailureKind::State,
                format!(
                    "another process is working on `{}` ({})",
                    row.name,
                    row.state.as_str()
                ),
            )
            .hint("wait for it, or end it and try again"));
        }
        let now = self.now();
        let watchers = self
            .store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                row.worker = Some(worker);
                row.lease = None;
                let ticket = row.ticket.take();
                if matches!(
                    row.state,
                    State::Allocating | State::Provisioning | State::Leased
                ) {
                    tx.save(&mut row, Some(Event::Failed), now)?;
                }
                if row.state != State::Discarding {
                    tx.save(&mut row, Some(Event::Doomed), now)?;
                } else {
                    tx.save(&mut row, None, now)?;
                }
                match ticket {
                    Some(ticket) => close_if_empty(tx, ticket, now),
                    None => Ok(Vec::new()),
                }
            })?;
        for watcher in watchers {
            self.store().workers().wake(&watcher);
        }
        Ok(row)
    }

    /// Destroys what this row stands for. The row is ours.
    pub(super) async fn discard_row(&self, mut row: InstanceRow) -> Result<()> {
        if row.state != State::Discarding {
            let now = self.now();
            self.store()
                .write::<_, StoreError>(Durability::Full, |tx| {
                    row.lease = None;
                    tx.save(&mut row, Some(Event::Doomed), now)
                })?;
        }
        fault::point("discard:doomed");
        let operation = self
            .store()
            .write::<_, EngineError>(Durability::Process, |tx| {
                self.begin(tx, "discard", &row, None)
            })?;
        let destroyed = self.destroy(&row).await;
        self.end(operation, &destroyed.as_ref().map(drop).map_err(chain));
        let now = self.now();
        row.worker = None;
        match destroyed {
            Ok(()) => {
                row.retry_at = None;
                self.store()
                    .write::<_, StoreError>(Durability::Full, |tx| {
                        tx.save(&mut row, Some(Event::Confirmed), now)?;
                        if row.attempts > 0 {
                            tx.hasten_discards(&row.source, now)?;
                        }
                        // What was never made is no credit to its maker.
                        match row.handle {
                            Some(_) => self.count_outcome(tx, &row, true, now),
                            None => Ok(()),
                        }
                    })?;
                fault::point("discard:confirmed");
                self.settle_waiters(&row.source);
                self.catalogue().tidy();
                Ok(())
            }
            Err(error) => {
                row.trouble = Some(chain(&error));
                row.attempts += 1;
                row.retry_at = Some(Timestamp(now.0 + pause(row.attempts).as_millis() as i64));
                self.store()
                    .write::<_, StoreError>(Durability::Full, |tx| {
                        tx.save(&mut row, None, now)?;
                        self.count_outcome(tx, &row, false, now)
                    })?;
                Err(error)
            }
        }
    }

    async fn destroy(&self, row: &InstanceRow) -> Result<()> {
        let definition = self.definition(row)?;
        // Only what was told that it exists is told that it goes; and only once, not at each repeated discard.
        if row.handle.is_some() && row.attempts == 0 {
            self.tell(HookPoint::Discard, &definition, row).await?;
        }
        fault::point("discard:hooks-passed");
        let provider = self.catalogue().provider(&definition)?;
        let doomed = Doomed {
            token: row.token.clone(),
            handle: row.handle.clone(),
            name: row.name.clone(),
            workdir: row.workdir.clone(),
        };
        confirm(&*provider, doomed.clone()).await.map_err(|error| {
            EngineError::provider(format!("cannot destroy `{}`", row.name), error)
        })?;
        fault::point("discard:destroyed");
        self.leave(row, &definition, &doomed).await;
        if let Some(path) = &row.workdir {
            workdir::remove(path).map_err(|error| {
                EngineError::new(FailureKind::Io, format!("cannot remove the directory of `{}`", row.name))
                    .hint("what it names must be unmounted or made removable; the discard is tried again then")
                    .because(error)
            })?;
        }
        fault::point("discard:workdir-removed");
        Ok(())
    }

    fn forget(&self, name: &InstanceName, error: &EngineError) -> Result<()> {
        let now = self.now();
        let mut row = self.find(name)?;
        self.store()
            .write::<_, EngineError>(Durability::Full, |tx| {
                row.trouble = Some(format!("forgotten by the operator after: {}", chain(error)));
                row.retry_at = None;
                tx.save(&mut row, Some(Event::Confirmed), now)?;
                let operation = self.begin(tx, "forget", &row, row.trouble.as_deref())?;
                tx.end_operation(operation, "ok", None, now)?;
                Ok(())
            })?;
        self.settle_waiters(&row.source);
        Ok(())
    }
}

/// Asks for the discard. Where the answer to `allocate` was lost, there is only the token to go by: a provider that lists
/// is asked what carries it, and is not believed while something does.
async fn confirm(provider: &dyn Provider, mut doomed: Doomed) -> crate::provider::Result<()> {
    let lists = doomed.handle.is_none() && provider.optional().inventory;
    if lists {
        // The token alone must do where the list is broken; whether it did is asked again below.
        doomed.handle = find(provider, &doomed).await.ok().flatten();
    }
    match provider.discard(&doomed).await {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::Gone => {}
        Err(error) => return Err(error),
    }
    if lists && let Some(handle) = find(provider, &doomed).await? {
        doomed.handle = Some(handle);
        match provider.discard(&doomed).await {
            Err(error) if error.kind != ErrorKind::Gone => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What carries the token, if the provider can tell. A listing that fails for a while is asked again with the next
/// discard; one that the plugin cannot give at all leaves the token to go by, which the contract says is enough.
async fn find(provider: &dyn Provider, doomed: &Doomed) -> crate::provider::Result<Option<String>> {
    match provider.list().await {
        Ok(entries) => Ok(entries
            .into_iter()
            .find(|entry| entry.token == doomed.token)
            .map(|entry| entry.handle)),
        Err(error) => match error.kind {
            ErrorKind::Unavailable { .. } | ErrorKind::Exhausted { .. } | ErrorKind::Deadline => {
                Err(error)
            }
            _ => {
                tracing::warn!(
                    "what carries the token of `{}` cannot be listed: {error}",
                    doomed.name
                );
                Ok(None)
            }
        },
    }
}

fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(LONGEST_PAUSE)
}
