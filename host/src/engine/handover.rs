//! What becomes of a ticket in the books: it is given an instance, it is served, it fails.

use runner_core::id::{TicketId, Timestamp};
use runner_core::instance::Event;

use super::{Engine, Result};
use crate::provider::HookPoint;
use crate::store::{
    InstanceRow, Lease, NewEvent, StoreError, TicketRow, TicketState, Tx, WorkerId,
};

impl Engine {
    /// Leases a usable instance to a ticket, as part of a transaction. A ticket without a process has its lease at once,
    /// unless hooks must pass first.
    pub(super) fn hand_over(
        &self,
        tx: &Tx<'_>,
        mut row: InstanceRow,
        ticket: &TicketRow,
        worker: &WorkerId,
    ) -> Result<InstanceRow> {
        let now = self.now();
        let idle = row.uses > 0 || row.ticket.is_none();
        let definition = self.definition_in(tx, &row)?;
        let ttl = ticket.lease_ttl.or(definition.policy.lease_ttl);
        let detached = ticket.worker.is_none();
        let confirmed = detached && !self.has(HookPoint::Acquire, &definition);
        row.worker = match &ticket.worker {
            Some(waiting) => Some(waiting.clone()),
            None if confirmed => None,
            None => Some(worker.clone()),
        };
        row.lease = Some(Lease {
            owner: ticket.owner.clone(),
            since: now,
            confirmed,
            fence: tx.next_fence()?,
            ttl,
            expires_at: ttl.map(|ttl| ttl.after(now)),
            holder: ticket.lease_holder.clone(),
        });
        row.ticket = Some(ticket.id);
        row.uses += 1;
        row.first_leased_at.get_or_insert(now);
        if let Some(asked) = &ticket.asked
            && *asked != row.source
        {
            row.pool = Some(asked.clone());
        }
        if let Some(shelf) = ticket.shelf {
            if let Some(shelf) = tx.shelf_by_id(shelf)? {
                let hit = row.shelf == Some(shelf.id);
                let counter = if hit {
                    "shelf_hits_total"
                } else {
                    "shelf_misses_total"
                };
                tx.count(counter, &shelf.name, 1.0)?;
            }
            row.shelf = Some(shelf);
        }
        tx.save(&mut row, Some(Event::Assigned), now)?;
        if idle {
            let operation = self.begin(tx, "acquire", &row, Some("idle instance"))?;
            tx.end_operation(operation, "ok", None, now)?;
        }
        Ok(row)
    }

    /// The ticket has what it wanted.
    pub(super) fn note_served(
        &self,
        tx: &Tx<'_>,
        row: &TicketRow,
        now: Timestamp,
    ) -> std::result::Result<(), StoreError> {
        tx.serve_ticket(row.id, now)?;
        tx.count("tickets_served_total", "", 1.0)?;
        let waited = (now.0 - row.opened_at.0).max(0) as f64 / 1000.0;
        tx.count("ticket_wait_seconds_total", "", waited)?;
        tx.note(&NewEvent {
            ticket: Some(row.id),
            ..NewEvent::new("ticket", "served", now)
        })
    }

    /// The ticket will not be served.
    pub(super) fn note_failed(
        &self,
        tx: &Tx<'_>,
        ticket: TicketId,
        text: &str,
        now: Timestamp,
    ) -> std::result::Result<(), StoreError> {
        tx.end_ticket(ticket, TicketState::Failed, Some(text), now)?;
        tx.count("tickets_failed_total", "", 1.0)?;
        tx.note(&NewEvent {
            ticket: Some(ticket),
            detail: Some(text),
            ..NewEvent::new("ticket", "failed", now)
        })
    }
}
