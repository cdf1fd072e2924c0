//! `release`: the lease ends first; then the host decides what becomes of the instance.

use std::collections::HashMap;
use std::sync::Arc;

use runner_core::id::{InstanceName, ShelfId, SourceName, TicketId, Timestamp};
use runner_core::instance::{Event, State};
use runner_core::plan::{self, Verdict};
use runner_core::policy::Policy;

use super::{
    Definition, Engine, EngineError, FailureKind, Reference, ReleaseEnd, Released, Result, fault,
};
use crate::provider::{ErrorKind, HookPoint};
use crate::store::{Durability, InstanceRow, NewEvent, StoreError, TicketState, Tx, WorkerId};

/// Where a released instance goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// To the shelf it belongs to; one that belongs to none is kept as the source's `reserve` says.
    #[default]
    Usual,
    /// To this shelf.
    Shelf(String),
    /// As usual where the provider cleans what comes back, else away: something of the holder's is still on it.
    Unclean,
    /// Away: it is destroyed even if it could be kept.
    Nowhere,
}

/// How rows are released.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// They belong to this shelf from now on.
    pub(super) shelf: Option<ShelfId>,
    /// Destroy them whatever the limits say.
    pub(super) discard: bool,
    /// Destroy them unless their provider cleans them.
    pub(super) unclean: bool,
    /// They were made for a shelf and never used.
    pub(super) unused: bool,
}

type Policies = HashMap<SourceName, Option<(Policy, String)>>;

/// A ticket that was served and holds nothing any more is over. Answers who is to be told.
pub(super) fn close_if_empty(
    tx: &Tx<'_>,
    ticket: TicketId,
    now: Timestamp,
) -> std::result::Result<Vec<WorkerId>, StoreError> {
    let served = tx
        .ticket(ticket)?
        .is_some_and(|row| row.state == TicketState::Served);
    // What could not be made for it may still be on its way out.
    let mut held = tx.of_ticket(ticket)?.into_iter();
    if !served || held.any(|row| row.state == State::Leased) {
        return Ok(Vec::new());
    }
    tx.end_ticket(ticket, TicketState::Closed, None, now)?;
    tx.note(&NewEvent {
        ticket: Some(ticket),
        ..NewEvent::new("ticket", "closed", now)
    })?;
    tx.ticket_watchers(ticket)
}

impl Engine {
    /// Ends the leases of these instances. All names are known, or nothing is touched. Those that are not leased are
    /// left as they are.
    pub async fn release(&self, names: &[InstanceName], to: &Destination) -> Result<Vec<Released>> {
        self.repair().await?;
        let mut manner = Manner::default();
        match to {
            Destination::Usual => {}
            Destination::Shelf(name) => manner.shelf = Some(self.own_shelf(name)?.id),
            Destination::Unclean => manner.unclean = true,
            Destination::Nowhere => manner.discard = true,
        }
        let mut ended = Vec::new();
        let mut leased: Vec<InstanceRow> = Vec::new();
        for (name, row) in self.find_all(names)? {
            match row.filter(|row| row.state == State::Leased) {
                Some(row) if !leased.iter().any(|other| other.id == row.id) => {
                    self.check_reference(&Reference::parse(name.as_str()), &row)?;
                    if let (Some(wanted), Some(has)) = (manner.shelf, row.shelf)
                        && wanted != has
                    {
                        return Err(EngineError::new(
                            FailureKind::Invalid,
                            format!("`{}` belongs to another shelf", row.name),
                        )
                        .hint("what was used under a shelf is never used under another one: release it without `--shelf`"));
                    }
                    leased.push(row);
                }
                _ => ended.push(Released {
                    name,
                    end: ReleaseEnd::Already,
                }),
            }
        }
        ended.extend(self.release_as(leased, manner).await?);
        Ok(ended)
    }

    /// Ends these leases, and keeps or destroys each instance.
    pub(super) async fn release_rows(&self, rows: Vec<InstanceRow>) -> Result<Vec<Released>> {
        self.release_as(rows, Manner::default()).await
    }

    pub(super) async fn release_as(
        &self,
        rows: Vec<InstanceRow>,
        manner: Manner,
    ) -> Result<Vec<Released>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let worker = self.worker()?.id().clone();
        let policies = self.policies_of(&rows);
        let now = self.now();
        let mut rung = Vec::new();
        let decided = self.store().write(Durability::Full, |tx| {
            let mut decided = Vec::new();
            for mut row in rows {
                let definition = self.definition_in(tx, &row)?;
                let ticket = row.ticket.take();
                row.worker = Some(worker.clone());
                row.lease = None;
                row.shelf = row.shelf.or(manner.shelf);
                if manner.unused {
                    row.uses = 0;
                    row.first_leased_at = None;
                }
                tx.save(&mut row, Some(Event::Released), now)?;
                if let Some(ticket) = ticket {
                    rung.extend(close_if_empty(tx, ticket, now)?);
                }
                let mut manner = manner;
                let busy = self.still_busy(tx, &row)?;
                // What cleaning is for.
                if !definition.cleans {
                    manner.discard |= manner.unclean || busy.is_some();
                    row.trouble = busy.or(row.trouble.take());
                }
                let operation = self.begin(tx, "release", &row, None)?;
                let cleans = self.cleans(&definition, &row);
                let verdict = if cleans {
                    None
                } else {
                    Some(self.decide(tx, &mut row, &policies, manner)?)
                };
                let detail = match verdict {
                    Some(Verdict::Keep) => "kept",
                    Some(Verdict::Discard) => "to be discarded",
                    None => "to be cleaned",
                };
                tx.end_operation(operation, "ok", Some(detail), now)?;
                decided.push((row, definition, verdict, manner));
            }
            Ok::<_, EngineError>(decided)
        })?;
        for worker in rung {
            self.store().workers().wake(&worker);
        }
        fault::point("release:decided");

        let mut ended = Vec::new();
        let mut tasks = tokio::task::JoinSet::new();
        for (row, definition, verdict, manner) in decided {
            let name = row.name.clone();
            if verdict == Some(Verdict::Keep) {
                self.settle_waiters(&row.source);
                ended.push(Released {
                    name,
                    end: ReleaseEnd::Kept,
                });
                continue;
            }
            let engine = self.clone();
            tasks.spawn(async move {
                let end = engine
                    .finish_release(row, definition, verdict, manner)
                    .await;
                (name, end)
            });
        }
        while let Some(finished) = tasks.join_next().await {
            let (name, end) = finished.map_err(|error| {
                EngineError::new(
                    FailureKind::Provider,
                    "releasing an instance ended unexpectedly",
                )
                .because(error)
            })?;
            let end = match end {
                Ok(end) => end,
                Err(error) => ReleaseEnd::Pending(error),
            };
            ended.push(Released { name, end });
        }
        Ok(ended)
    }

    /// The limits of these rows' sources as they are now. A source whose configuration is broken or gone keeps nothing.
    fn policies_of(&self, rows: &[InstanceRow]) -> Policies {
        let mut policies = Policies::new();
        for row in rows {
            if !policies.contains_key(&row.source) {
                let current = self.catalogue().current(&row.source).unwrap_or_else(|error| {
                    tracing::warn!(%error, "source `{}` is not usable now: its instances are not kept", row.source);
                    None
                });
                policies.insert(row.source.clone(), current);
            }
        }
        policies
    }

    /// A command of the holder's never ended, as far as the books know: it may run there for as long as the instance exists. Nor
    /// did the holder of a [`Machine`](super::Machine) put it in order, whose commands are not noted one by one.
    fn still_busy(
        &self,
        tx: &Tx<'_>,
        row: &InstanceRow,
    ) -> std::result::Result<Option<String>, StoreError> {
        let now = self.now();
        let mut busy = None;
        for verb in ["run", super::machine::VERB] {
            for one in tx.running(&row.name, verb)? {
                tx.end_operation(one.id, "interrupted", None, now)?;
                let shown = one.detail.as_deref().unwrap_or("a command");
                busy.get_or_insert_with(|| format!("`{shown}` may still run on it"));
            }
        }
        Ok(busy)
    }

    /// Something must run between two holders.
    fn cleans(&self, definition: &Definition, row: &InstanceRow) -> bool {
        row.handle.is_some() && (self.has(HookPoint::Release, definition) || definition.cleans)
    }

    /// Keeps a releasing row, or dooms it, as part of a transaction.
    fn decide(
        &self,
        tx: &Tx<'_>,
        row: &mut InstanceRow,
        policies: &Policies,
        manner: Manner,
    ) -> Result<Verdict> {
        let now = self.now();
        let pool = row
            .pool
            .as_ref()
            .and_then(|pool| self.catalogue().pool(pool));
        let source = policies.get(&row.source).cloned().flatten();
        // What failed its last check is no gift to the next holder.
        let verdict = if manner.discard || row.handle.is_none() || row.check_failures > 0 {
            Verdict::Discard
        } else {
            plan::release(tx.release_view(row, source, pool, now)?)
        };
        let shelf = match row.shelf {
            None => None,
            Some(shelf) => tx.shelf_by_id(shelf)?,
        };
        match verdict {
            Verdict::Keep => {
                row.worker = None;
                tx.save(row, Some(Event::Kept), now)?;
                if let Some(shelf) = shelf {
                    tx.count("shelf_stored_total", &shelf.name, 1.0)?;
                    tx.note(&NewEvent {
                        instance: Some(&row.name),
                        source: Some(&row.source),
                        shelf: Some(&shelf.name),
                        ..NewEvent::new("shelf", "stored", now)
                    })?;
                }
            }
            Verdict::Discard => tx.save(row, Some(Event::Doomed), now)?,
        }
        Ok(verdict)
    }

    async fn finish_release(
        &self,
        mut row: InstanceRow,
        definition: Arc<Definition>,
        verdict: Option<Verdict>,
        manner: Manner,
    ) -> Result<ReleaseEnd> {
        if verdict.is_none() {
            let policies = self.policies_of(std::slice::from_ref(&row));
            let cleaned = self.clean(&definition, &row).await;
            let mut manner = manner;
            if let Err(error) = cleaned {
                tracing::error!(
                    "{}; `{}` is not used again",
                    super::provision::chain(&error),
                    row.name
                );
                row.trouble = Some(super::provision::chain(&error));
                manner.discard = true;
            }
            let verdict = self.store().write(Durability::Full, |tx| {
                self.decide(tx, &mut row, &policies, manner)
            })?;
            if verdict == Verdict::Keep {
                self.settle_waiters(&row.source);
                return Ok(ReleaseEnd::Kept);
            }
        }
        self.discard_row(row).await?;
        Ok(ReleaseEnd::Discarded)
    }

    /// Makes an instance fit for the next holder. An error means that it is not.
    async fn clean(&self, definition: &Definition, row: &InstanceRow) -> Result<()> {
        self.tell(HookPoint::Release, definition, row).await?;
        if !definition.cleans {
            return Ok(());
        }
        let provider = self.catalogue().provider(definition)?;
        match provider.clean(&super::instance_of(row)).await {
            Err(error) if error.kind != ErrorKind::Unsupported => Err(EngineError::provider(
                format!("cannot clean `{}`", row.name),
                error,
            )),
            _ => Ok(()),
        }
    }

    /// Takes an instance out of service at once, whoever holds it, and destroys it.
    pub(super) async fn condemn(&self, mut row: InstanceRow, why: &EngineError) -> Result<()> {
        let worker: WorkerId = self.worker()?.id().clone();
        let now = self.now();
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                row.worker = Some(worker);
                row.lease = None;
                row.ticket = None;
                row.trouble = Some(super::provision::chain(why));
                tx.save(&mut row, Some(Event::Failed), now)
            })?;
        self.discard_row(row).await
    }

    /// A ticket without a process gets its instance once the hooks have passed.
    pub(super) async fn confirm_detached(&self, row: InstanceRow) -> Result<()> {
        let Some(id) = row.ticket else { return Ok(()) };
        let ticket = self.store().read::<_, StoreError>(|tx| tx.ticket(id))?;
        let Some(ticket) =
            ticket.filter(|ticket| ticket.worker.is_none() && ticket.state == TicketState::Waiting)
        else {
            return Ok(());
        };
        let definition = self.definition(&row)?;
        if let Err(error) = self.tell(HookPoint::Acquire, &definition, &row).await {
            self.condemn(row, &error).await?;
            return Err(error);
        }
        let now = self.now();
        let mut row = row;
        self.store()
            .write::<_, StoreError>(Durability::Full, |tx| {
                row.worker = None;
                if let Some(lease) = &mut row.lease {
                    lease.confirmed = true;
                }
                tx.save(&mut row, None, now)?;
                let held = tx.of_ticket(id)?;
                let whole = held
                    .iter()
                    .filter(|one| one.lease.as_ref().is_some_and(|lease| lease.confirmed));
                if whole.count() as u32 == ticket.wanted {
                    self.note_served(tx, &ticket, now)?;
                }
                Ok(())
            })?;
        self.ring(id);
        Ok(())
    }
}
