//! Making one instance: the provider's `allocate`, then the provision scripts and hooks, then the lease.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use runner_core::id::{Timestamp, Token};
use runner_core::instance::{Event, State};

use super::{Definition, Engine, EngineError, FailureKind, Result, fault};
use runner_core::policy::Millis;

use crate::provider::{Access, Allocated, HookPoint, Provider, Request};
use crate::store::{Durability, InstanceRow, OperationId, StoreError, TicketState, Tx};

impl Engine {
    /// Turns a recorded intent into an instance that its ticket holds, or into an idle one. When anything fails, what may
    /// exist is destroyed again, or stays in the books until it is.
    pub(super) async fn provision(
        &self,
        mut row: InstanceRow,
        operation: OperationId,
    ) -> Result<InstanceRow> {
        let prepared = match self.prepare(&row) {
            Ok(prepared) => self.settle_one(&row).await.map(|()| prepared),
            Err(error) => Err(error),
        };
        let made = match prepared {
            Ok((definition, provider)) => {
                self.try_provision(&mut row, &definition, &*provider).await
            }
            Err(error) => {
                self.end(operation, &Err(chain(&error)));
                let spared = self.withdraw(row.clone(), &error)?;
                return Err(tried(spared, &row, error));
            }
        };
        self.end(operation, &made.as_ref().map(drop).map_err(chain));
        match made {
            Ok(()) => {
                if row.lease.is_none() {
                    // Made ahead, or not wanted any more: somebody else may have waited for it meanwhile.
                    self.settle_waiters(&row.source);
                }
                Ok(row)
            }
            Err(error) if row.handle.is_none() && nothing_was_made(&error) => {
                let spared = self.withdraw(row.clone(), &error)?;
                Err(tried(spared, &row, error))
            }
            Err(error) => {
                let spared = self.give_up(row.clone(), &error).await;
                Err(tried(spared, &row, error))
            }
        }
    }

    /// What is needed before the provider is asked for anything.
    fn prepare(&self, row: &InstanceRow) -> Result<(Arc<Definition>, Arc<dyn Provider>)> {
        let definition = self.definition(row)?;
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

    /// Takes an intent back: the provider was never asked, or nothing of what it did left the host, so there is nothing to destroy.
    /// Answers whether its ticket was spared.
    fn withdraw(&self, mut row: InstanceRow, reason: &EngineError) -> Result<bool> {
        if let Some(path) = &row.workdir
            && let Err(error) = crate::workdir::remove(path)
        {
            tracing::warn!("{error}");
        }
        row.trouble = Some(chain(reason));
        row.worker = None;
        let now = self.now();
        let spared = self
            .store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.save(&mut row, Some(Event::Failed), now)?;
                let spared = self.note_failure(tx, &row, reason, now)?;
                tx.save(&mut row, Some(Event::Doomed), now)?;
                tx.save(&mut row, Some(Event::Confirmed), now)?;
                Ok(spared)
            })?;
        self.settle_waiters(&row.source);
        Ok(spared)
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
        let wants_facts = self.wants_facts(row)?;
        let nothing_to_run = !self.has(HookPoint::Provision, definition)
            && !wants_facts
            && matches!(allocated.access, Access::Plugin);
        self.record(row, definition, allocated, nothing_to_run)?;
        fault::point("provision:recorded");
        if nothing_to_run {
            return Ok(());
        }
        self.await_ready(row, definition).await?;
        self.tell(HookPoint::Provision, definition, row).await?;
        fault::point("provision:hooks-passed");
        if wants_facts {
            self.measure(row, definition).await;
        }

        let now = self.now();
        self.store()
            .write::<_, EngineError>(Durability::Full, |tx| self.ready(tx, row, definition, now))?;
        fault::point("provision:assigned");
        Ok(())
    }

    /// Whether its ticket weighs facts. Made ahead of demand, it may serve one that does.
    fn wants_facts(&self, row: &InstanceRow) -> Result<bool> {
        let Some(ticket) = row.ticket else {
            return Ok(true);
        };
        let ticket = self.store().read::<_, StoreError>(|tx| tx.ticket(ticket))?;
        Ok(ticket.is_some_and(|ticket| !ticket.requires.is_empty()))
    }

    /// Asks what the instance is like. An answer that does not come leaves it unknown.
    pub(super) async fn measure(&self, row: &mut InstanceRow, definition: &Definition) {
        let Ok((provider, instance)) = self.reach(row, definition) else {
            return;
        };
        if !provider.optional().facts {
            return;
        }
        match provider.probe(&instance).await {
            Ok(facts) => row.facts = serde_json::to_string(&facts).ok(),
            Err(error) => tracing::warn!(%error, "cannot find out what `{}` is like", row.name),
        }
    }

    /// It is usable: its ticket's from the first moment, if that still wants it and it is what it wants.
    fn ready(
        &self,
        tx: &Tx<'_>,
        row: &mut InstanceRow,
        definition: &Definition,
        now: Timestamp,
    ) -> Result<()> {
        self.note_success(tx, row, definition, now)?;
        let ticket = match row.ticket {
            Some(ticket) => tx.ticket(ticket)?,
            None => None,
        };
        let mut ticket = ticket.filter(|ticket| ticket.state == TicketState::Waiting);
        if let Some(wanting) = &ticket
            && !wanting.requires.is_empty()
        {
            let known = super::facts::attributes(
                &self.catalogue().tags(&row.source),
                row.facts.as_deref(),
                row.attributes.as_deref(),
            );
            if let Err(unmet) = super::tickets::requires_of(wanting).check(&known) {
                tx.source_failed(wanting.id, &row.source, &unmet.to_string(), false)?;
                ticket = None;
            }
        }
        let worker = row.worker.take();
        if ticket.is_none() {
            row.ticket = None;
        }
        row.check_due_at = first_check(definition, &row.token, now);
        tx.save(row, Some(Event::Provisioned), now)?;
        if let (Some(ticket), Some(worker)) = (ticket, worker) {
            *row = self.hand_over(tx, row.clone(), &ticket, &worker)?;
            if ticket.worker.is_none() && row.worker.is_some() {
                // Its `acquire` hooks must pass first.
                return Ok(());
            }
            let held = tx.of_ticket(ticket.id)?;
            let held = held.iter().filter(|one| one.state == State::Leased).count();
            if held as u32 == ticket.wanted {
                self.note_served(tx, &ticket, now)?;
            }
        }
        Ok(())
    }

    /// The answer goes onto the row that it was asked for, or nowhere. With nothing left to run, the instance is leased in
    /// the same commit.
    fn record(
        &self,
        row: &mut InstanceRow,
        definition: &Definition,
        allocated: Allocated,
        done: bool,
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
        let mut duplicate = None;
        let saved = self
            .store()
            .write::<_, EngineError>(Durability::Full, |tx| {
                match tx.save(row, Some(Event::Allocated), now) {
                    Err(error @ StoreError::DuplicateHandle { .. }) => {
                        let text = EngineError::from(StoreError::Stale {
                            name: row.name.to_string(),
                        });
                        duplicate = Some(error);
                        return Err(text);
                    }
                    other => other?,
                }
                if done {
                    self.ready(tx, row, definition, now)
                } else {
                    Ok(())
                }
            });
        if let Err(error) = saved {
            // With a handle that is somebody else's, nothing must ever be done.
            *row = before;
            return Err(match duplicate {
                Some(duplicate) => EngineError::new(
                    FailureKind::Provider,
                    format!(
                        "plugin {}, source `{}`, call `allocate`: the answer for `{}` is an instance that is already in use",
                        definition.label, row.source, row.name
                    ),
                )
                .hint("this is a fault of the plugin: report it to its author; nothing was handed out twice")
                .because(duplicate),
                None => error,
            });
        }
        Ok(())
    }

    /// Notes why an instance is of no use, and destroys it. The reason is reported by the caller; a discard that fails
    /// is tried again by later commands. Answers whether its ticket was spared.
    async fn give_up(&self, mut row: InstanceRow, reason: &EngineError) -> bool {
        row.trouble = Some(chain(reason));
        let now = self.now();
        let noted = self.store().write::<_, StoreError>(Durability::Full, |tx| {
            let spared = self.note_failure(tx, &row, reason, now)?;
            tx.save(&mut row, Some(Event::Failed), now)?;
            Ok(spared)
        });
        fault::point("fail:recorded");
        let spared = match noted {
            Ok(spared) => spared,
            Err(error) => {
                tracing::warn!(%error, "cannot note that `{}` failed", row.name);
                return false;
            }
        };
        if let Err(error) = self.discard_row(row).await {
            tracing::warn!("{}", chain(&error));
        }
        spared
    }
}

/// It failed before anything that could make an instance left the host.
fn nothing_was_made(error: &EngineError) -> bool {
    error.provider_error().is_some_and(|cause| cause.untouched)
}

/// What a candidate could not make, its ticket gets of what is there: no error of the one who asked.
fn tried(spared: bool, row: &InstanceRow, error: EngineError) -> EngineError {
    if !spared {
        return error;
    }
    let message = format!(
        "the component that is tried for source `{}` could not make `{}`",
        row.source, row.name
    );
    EngineError::new(FailureKind::Provider, message).because(error)
}

/// When a new instance is checked first: spread over the whole period by its token, so that what was made together is
/// not checked together.
pub(super) fn first_check(
    definition: &Definition,
    token: &Token,
    now: Timestamp,
) -> Option<Timestamp> {
    let period = definition.policy.checks.period?;
    let digits = token.as_str().get(..8).unwrap_or_default();
    let part = u64::from(u32::from_str_radix(digits, 16).unwrap_or_default());
    // Between one and two halves of the period.
    let after = period.0 / 2 + ((period.0 as u128 * u128::from(part)) >> 33) as u64;
    Some(Millis(after).after(now))
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
