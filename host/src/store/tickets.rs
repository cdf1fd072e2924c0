//! Requests that wait, in order.

use runner_core::id::{SourceName, Timestamp};

use super::{Result, Tx, WorkerId};

/// The place of a request: smaller came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TicketId(pub i64);

/// A request that waits.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub id: TicketId,
    pub worker: WorkerId,
}

impl Tx<'_> {
    /// Queues a request for any of these sources.
    pub fn open_ticket(
        &self,
        asked: &SourceName,
        sources: &[SourceName],
        wanted: u32,
        worker: &WorkerId,
        now: Timestamp,
    ) -> Result<TicketId> {
        self.connection
            .prepare_cached(
                "INSERT INTO tickets (asked, wanted, worker, created_at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((asked.as_str(), wanted, &worker.0, now.0))?;
        let id = self.connection.last_insert_rowid();
        for source in sources {
            self.connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO ticket_sources (ticket, source) VALUES (?1, ?2)",
                )?
                .execute((id, source.as_str()))?;
        }
        Ok(TicketId(id))
    }

    /// Takes a request out of the queue.
    pub fn close_ticket(&self, ticket: TicketId) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM tickets WHERE id = ?1")?
            .execute([ticket.0])?;
        Ok(())
    }

    /// How many wait for this source and came before; all of them, for somebody who does not wait yet.
    pub(super) fn tickets_ahead(&self, source: &SourceName, own: Option<TicketId>) -> Result<u32> {
        let before = own.map_or(i64::MAX, |ticket| ticket.0);
        let count = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM ticket_sources WHERE source = ?1 AND ticket < ?2",
            )?
            .query_row((source.as_str(), before), |row| row.get(0))?;
        Ok(count)
    }

    /// Everybody who waits for this source, first come first.
    pub fn tickets_for(&self, source: &SourceName) -> Result<Vec<Ticket>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, worker FROM ticket_sources JOIN tickets ON id = ticket WHERE source = ?1 ORDER BY id",
        )?;
        let tickets = statement
            .query_map([source.as_str()], |row| {
                Ok(Ticket {
                    id: TicketId(row.get(0)?),
                    worker: WorkerId(row.get(1)?),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(tickets)
    }
}
