//! What happened, in order: for `events`, and for whoever follows it.

use runner_core::id::{InstanceName, SourceName, TicketId, Timestamp};

use super::{Result, Tx};

/// Something to note. `kind` is what it is about, `what` what happened to it.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// `instance`, `ticket`, `lease`, `shelf`, `check`, `orphan`, `source`, `serve`.
    pub kind: &'a str,
    pub what: &'a str,
    pub source: Option<&'a SourceName>,
    pub instance: Option<&'a InstanceName>,
    pub ticket: Option<TicketId>,
    pub shelf: Option<&'a str>,
    pub detail: Option<&'a str>,
    pub now: Timestamp,
}

impl<'a> NewEvent<'a> {
    /// With nothing but these.
    pub fn new(kind: &'a str, what: &'a str, now: Timestamp) -> Self {
        Self {
            kind,
            what,
            source: None,
            instance: None,
            ticket: None,
            shelf: None,
            detail: None,
            now,
        }
    }
}

/// An entry. Numbers grow; an entry is never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    pub id: i64,
    pub at: Timestamp,
    /// `KIND.WHAT`, such as `instance.ready`.
    pub kind: String,
    pub source: Option<String>,
    pub instance: Option<String>,
    pub ticket: Option<TicketId>,
    pub shelf: Option<String>,
    pub detail: Option<String>,
}

/// Which entries to read.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only later ones than this.
    pub after: i64,
    pub source: Option<SourceName>,
    pub instance: Option<InstanceName>,
    pub ticket: Option<TicketId>,
    /// At most so many, the newest ones; none: all.
    pub last: Option<u32>,
}

impl Tx<'_> {
    /// Notes an event, as part of what it tells of.
    pub fn note(&self, event: &NewEvent<'_>) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO events (at, kind, source, instance, ticket, shelf, detail) \
                 VALUES (?1, ?2 || '.' || ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                event.now.0,
                event.kind,
                event.what,
                event.source.map(SourceName::as_str),
                event.instance.map(InstanceName::as_str),
                event.ticket.map(|ticket| ticket.0),
                event.shelf,
                event.detail,
            ))?;
        Ok(())
    }

    /// Events, oldest first.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, at, kind, source, instance, ticket, shelf, detail FROM events WHERE id > ?1 \
             AND (?2 IS NULL OR source = ?2) AND (?3 IS NULL OR instance = ?3) AND (?4 IS NULL OR ticket = ?4) \
             ORDER BY id DESC LIMIT ?5",
        )?;
        let mut rows: Vec<EventRow> = statement
            .query_map(
                (
                    filter.after,
                    filter.source.as_ref().map(SourceName::as_str),
                    filter.instance.as_ref().map(InstanceName::as_str),
                    filter.ticket.map(|ticket| ticket.0),
                    filter.last.map_or(-1, i64::from),
                ),
                |row| {
                    Ok(EventRow {
                        id: row.get(0)?,
                        at: Timestamp(row.get(1)?),
                        kind: row.get(2)?,
                        source: row.get(3)?,
                        instance: row.get(4)?,
                        ticket: row.get::<_, Option<i64>>(5)?.map(TicketId),
                        shelf: row.get(6)?,
                        detail: row.get(7)?,
                    })
                },
            )?
            .collect::<rusqlite::Result<_>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// The number of the newest event; 0 when there is none.
    pub fn newest_event(&self) -> Result<i64> {
        Ok(self
            .connection
            .prepare_cached("SELECT coalesce(max(id), 0) FROM events")?
            .query_row([], |row| row.get(0))?)
    }
}
