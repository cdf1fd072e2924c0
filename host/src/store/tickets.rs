//! Requests: queued, served, failed, closed.

use runner_core::id::{ShelfId, SourceName, TicketId, Timestamp};
use runner_core::policy::Millis;
use rusqlite::OptionalExtension as _;

use super::{Result, StoreError, Tx, WorkerId};

/// Where a ticket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// Not all that it wants is there.
    Waiting,
    /// It holds what it wanted.
    Served,
    /// Its owner is done with it, and its leases have ended.
    Closed,
    /// It will not be served (any more).
    Failed,
}

impl TicketState {
    /// The word in the database, in JSON and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Served => "served",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Served, Self::Closed, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A request to queue. Texts named JSON are the engine's shapes.
#[derive(Debug)]
pub struct NewTicket<'a> {
    /// The source or pool; none when tags alone decide.
    pub asked: Option<&'a SourceName>,
    pub pool: bool,
    /// JSON list.
    pub tags: &'a str,
    /// As text; empty when nothing is required.
    pub requires: &'a str,
    pub shelf: Option<ShelfId>,
    pub fresh: bool,
    pub wanted: u32,
    pub priority: i32,
    /// JSON.
    pub owner: &'a str,
    pub worker: Option<&'a WorkerId>,
    pub custom: bool,
    pub patient: bool,
    pub lease_ttl: Option<Millis>,
    /// JSON.
    pub lease_holder: Option<&'a str>,
    pub deadline: Option<Timestamp>,
    pub now: Timestamp,
}

/// A ticket.
#[derive(Clone, Debug)]
pub struct TicketRow {
    pub id: TicketId,
    pub asked: Option<SourceName>,
    pub pool: bool,
    pub tags: String,
    pub requires: String,
    pub shelf: Option<ShelfId>,
    pub fresh: bool,
    pub wanted: u32,
    pub priority: i32,
    pub owner: String,
    /// The process that waits for it.
    pub worker: Option<WorkerId>,
    /// Only that process can make what it wants.
    pub custom: bool,
    /// It waits for what is not there yet.
    pub patient: bool,
    pub lease_ttl: Option<Millis>,
    pub lease_holder: Option<String>,
    pub state: TicketState,
    pub opened_at: Timestamp,
    pub deadline: Option<Timestamp>,
    pub served_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub reason: Option<String>,
}

/// A source that a waiting ticket may be served from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketSource {
    pub source: SourceName,
    pub rank: i32,
    pub tags: i32,
    /// Why it is out of the question.
    pub ruled_out: Option<String>,
    /// Why it could not make one.
    pub failed: Option<String>,
    /// That failure may pass.
    pub passing: bool,
}

pub(super) const COLUMNS: &str = "id, asked, pool, tags, requires, shelf, fresh, wanted, priority, owner, worker, custom, lease_ttl, \
     lease_holder, state, opened_at, deadline, served_at, ended_at, reason, patient";

pub(super) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(TicketRow, String)> {
    let ticket = TicketRow {
        id: TicketId(row.get(0)?),
        asked: row
            .get::<_, Option<String>>(1)?
            .and_then(|name| SourceName::new(name).ok()),
        pool: row.get(2)?,
        tags: row.get(3)?,
        requires: row.get(4)?,
        shelf: row.get::<_, Option<i64>>(5)?.map(ShelfId),
        fresh: row.get(6)?,
        wanted: row.get(7)?,
        priority: row.get(8)?,
        owner: row.get(9)?,
        worker: row.get::<_, Option<String>>(10)?.map(WorkerId),
        custom: row.get(11)?,
        lease_ttl: row.get::<_, Option<u64>>(12)?.map(Millis),
        lease_holder: row.get(13)?,
        state: TicketState::Failed,
        opened_at: Timestamp(row.get(15)?),
        deadline: row.get::<_, Option<i64>>(16)?.map(Timestamp),
        served_at: row.get::<_, Option<i64>>(17)?.map(Timestamp),
        ended_at: row.get::<_, Option<i64>>(18)?.map(Timestamp),
        reason: row.get(19)?,
        patient: row.get(20)?,
    };
    Ok((ticket, row.get(14)?))
}

pub(super) fn finish((mut ticket, word): (TicketRow, String)) -> Result<TicketRow> {
    ticket.state = TicketState::from_word(&word).ok_or(StoreError::Corrupt {
        what: "ticket state",
        found: word,
    })?;
    Ok(ticket)
}

impl Tx<'_> {
    /// Queues a request for these sources, in order of preference.
    pub fn open_ticket(&self, new: &NewTicket<'_>, sources: &[TicketSource]) -> Result<TicketRow> {
        self.connection
            .prepare_cached(
                "INSERT INTO tickets (asked, pool, tags, requires, shelf, fresh, wanted, priority, owner, worker, custom, \
                 lease_ttl, lease_holder, state, opened_at, deadline, patient) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'waiting', ?14, ?15, ?16)",
            )?
            .execute(rusqlite::params![
                new.asked.map(SourceName::as_str),
                new.pool,
                new.tags,
                new.requires,
                new.shelf.map(|shelf| shelf.0),
                new.fresh,
                new.wanted,
                new.priority,
                new.owner,
                new.worker.map(|worker| &worker.0),
                new.custom,
                new.lease_ttl.map(|ttl| ttl.0),
                new.lease_holder,
                new.now.0,
                new.deadline.map(|at| at.0),
                new.patient,
            ])?;
        let id = TicketId(self.connection.last_insert_rowid());
        self.name_sources(id, sources)?;
        self.ticket(id)?.ok_or(StoreError::Corrupt {
            what: "ticket",
            found: id.to_string(),
        })
    }

    fn name_sources(&self, id: TicketId, sources: &[TicketSource]) -> Result<()> {
        for (position, source) in sources.iter().enumerate() {
            self.connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO ticket_sources (ticket, source, position, rank, tags, ruled_out, failed, passing) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute((
                    id.0,
                    source.source.as_str(),
                    position,
                    source.rank,
                    source.tags,
                    &source.ruled_out,
                    &source.failed,
                    source.passing,
                ))?;
        }
        Ok(())
    }

    /// The ticket with this number.
    pub fn ticket(&self, id: TicketId) -> Result<Option<TicketRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM tickets WHERE id = ?1"))?
            .query_row([id.0], from_row)
            .optional()?
            .map(finish)
            .transpose()
    }

    /// Tickets, oldest first: all that wait or hold something, and with `ended` those of the history too.
    pub fn tickets(&self, ended: bool) -> Result<Vec<TicketRow>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM tickets WHERE ?1 OR ended_at IS NULL ORDER BY id"
        ))?;
        let rows = statement.query_map([ended], from_row)?;
        rows.map(|row| finish(row?)).collect()
    }

    /// Where a waiting ticket may be served from, in order.
    pub fn ticket_sources(&self, id: TicketId) -> Result<Vec<TicketSource>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source, rank, tags, ruled_out, failed, passing FROM ticket_sources WHERE ticket = ?1 ORDER BY position",
        )?;
        let rows = statement.query_map([id.0], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        })?;
        let mut sources = Vec::new();
        for row in rows {
            let (source, rank, tags, ruled_out, failed, passing) = row?;
            let Ok(source) = SourceName::new(source) else {
                continue;
            };
            sources.push(TicketSource {
                source,
                rank,
                tags,
                ruled_out,
                failed,
                passing,
            });
        }
        Ok(sources)
    }

    /// A source could not make one for this ticket, or what it made does not do.
    pub fn source_failed(
        &self,
        id: TicketId,
        source: &SourceName,
        text: &str,
        passing: bool,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE ticket_sources SET failed = ?3, passing = ?4 WHERE ticket = ?1 AND source = ?2",
            )?
            .execute((id.0, source.as_str(), text, passing))?;
        Ok(())
    }

    /// The ticket waits no more: it is served.
    pub fn serve_ticket(&self, id: TicketId, now: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE tickets SET state = 'served', served_at = ?2 WHERE id = ?1 AND state = 'waiting'")?
            .execute((id.0, now.0))?;
        self.forget_sources(id)
    }

    /// The ticket is over. One that is over already stays as it is.
    pub fn end_ticket(
        &self,
        id: TicketId,
        state: TicketState,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE tickets SET state = ?2, reason = coalesce(?3, reason), ended_at = ?4, worker = NULL \
                 WHERE id = ?1 AND ended_at IS NULL",
            )?
            .execute((id.0, state.as_str(), reason, now.0))?;
        self.forget_sources(id)
    }

    /// What it was served with is gone before anybody saw it: it waits again.
    pub fn reopen_ticket(&self, id: TicketId, sources: &[TicketSource]) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE tickets SET state = 'waiting', served_at = NULL WHERE id = ?1 AND state = 'served'")?
            .execute([id.0])?;
        self.name_sources(id, sources)
    }

    /// Nobody in particular waits for it any more: its leases are whole as soon as they are given.
    pub fn detach_ticket(&self, id: TicketId) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE tickets SET worker = NULL WHERE id = ?1")?
            .execute([id.0])?;
        Ok(())
    }

    fn forget_sources(&self, id: TicketId) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM ticket_sources WHERE ticket = ?1")?
            .execute([id.0])?;
        Ok(())
    }

    /// This process wants to hear of the ticket.
    pub fn watch_ticket(&self, id: TicketId, worker: &WorkerId) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO ticket_watchers (ticket, worker) VALUES (?1, ?2)",
            )?
            .execute((id.0, &worker.0))?;
        Ok(())
    }

    /// The processes that want to hear of the ticket.
    pub fn ticket_watchers(&self, id: TicketId) -> Result<Vec<WorkerId>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT worker FROM ticket_watchers WHERE ticket = ?1")?;
        let watchers = statement
            .query_map([id.0], |row| row.get(0).map(WorkerId))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(watchers)
    }

    /// The processes that wait for something of this source, in the order of their tickets.
    pub fn waiting_for(&self, source: &SourceName) -> Result<Vec<(TicketId, Option<WorkerId>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT tickets.id, worker FROM ticket_sources JOIN tickets ON tickets.id = ticket \
             WHERE source = ?1 AND state = 'waiting' ORDER BY priority DESC, tickets.id",
        )?;
        let waiting = statement
            .query_map([source.as_str()], |row| {
                Ok((
                    TicketId(row.get(0)?),
                    row.get::<_, Option<String>>(1)?.map(WorkerId),
                ))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(waiting)
    }

    /// Waiting tickets of processes, and whose they are.
    pub fn waiting_workers(&self) -> Result<Vec<(TicketId, WorkerId)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, worker FROM tickets INDEXED BY tickets_waiting WHERE state = 'waiting' AND worker IS NOT NULL",
        )?;
        let waiting = statement
            .query_map([], |row| Ok((TicketId(row.get(0)?), WorkerId(row.get(1)?))))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(waiting)
    }

    /// The pools that waiting tickets ask for.
    pub fn pools_in_question(&self) -> Result<Vec<SourceName>> {
        self.source_names(
            "SELECT DISTINCT asked FROM tickets INDEXED BY tickets_waiting WHERE state = 'waiting' AND pool AND asked IS NOT NULL",
        )
    }

    /// The sources that waiting tickets name, starting from these: everything that a decision over them touches.
    pub fn sources_in_question(&self, start: &[SourceName]) -> Result<Vec<SourceName>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT other.source FROM ticket_sources AS one \
             JOIN ticket_sources AS other ON other.ticket = one.ticket WHERE one.source = ?1",
        )?;
        let mut known: Vec<SourceName> = start.to_vec();
        let mut next = 0;
        while next < known.len() {
            let found = statement
                .query_map([known[next].as_str()], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for name in found {
                if let Ok(name) = SourceName::new(name)
                    && !known.contains(&name)
                {
                    known.push(name);
                }
            }
            next += 1;
        }
        Ok(known)
    }
}
