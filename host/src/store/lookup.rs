//! Finding instances by what is due, by whom they belong to, and by what a backend calls them.

use runner_core::id::{Fence, ShelfId, SourceName, TicketId, Timestamp, Token};
use rusqlite::OptionalExtension as _;

use super::instances::{COLUMNS, InstanceRow, finish, from_row};
use super::{Result, Tx};

impl Tx<'_> {
    /// Leases whose time is over.
    pub fn expired(&self, now: Timestamp) -> Result<Vec<InstanceRow>> {
        self.rows(
            &format!(
                "SELECT {COLUMNS} FROM instances WHERE state = 'leased' AND lease_expires_at IS NOT NULL \
                 AND lease_expires_at <= ?1"
            ),
            [now.0],
        )
    }

    /// Leases that end with a process or a connection.
    pub fn watched(&self) -> Result<Vec<InstanceRow>> {
        self.rows(
            &format!(
                "SELECT {COLUMNS} FROM instances INDEXED BY instances_holder \
                 WHERE state = 'leased' AND lease_holder IS NOT NULL"
            ),
            [],
        )
    }

    /// Idle and leased instances whose check is due, the longest due first; of each source at most so many.
    pub fn due_checks(&self, now: Timestamp, most: u32) -> Result<Vec<InstanceRow>> {
        self.rows(
            &format!(
                "SELECT {COLUMNS} FROM (SELECT *, row_number() OVER (PARTITION BY source ORDER BY check_due_at) AS turn \
                 FROM instances WHERE state IN ('ready', 'leased') AND check_due_at IS NOT NULL \
                 AND check_due_at <= ?1) WHERE turn <= ?2 ORDER BY check_due_at"
            ),
            (now.0, most),
        )
    }

    /// The period of a source's checks became shorter: none is later than this.
    pub fn hasten_checks(&self, source: &SourceName, latest: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE instances SET check_due_at = ?2 WHERE source = ?1 AND state IN ('ready', 'leased') \
                 AND check_due_at > ?2",
            )?
            .execute((source.as_str(), latest.0))?;
        Ok(())
    }

    /// A source's backend answers again: what it has not confirmed yet is due now.
    pub fn hasten_discards(&self, source: &SourceName, now: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE instances SET retry_at = ?2 WHERE source = ?1 AND state = 'discarding' AND worker IS NULL \
                 AND retry_at > ?2",
            )?
            .execute((source.as_str(), now.0))?;
        Ok(())
    }

    /// When the next lease ends or the next check is due.
    pub fn next_deadline(&self) -> Result<Option<Timestamp>> {
        let next: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT min(at) FROM (SELECT min(lease_expires_at) AS at FROM instances \
                 WHERE state = 'leased' AND lease_expires_at IS NOT NULL UNION ALL \
                 SELECT min(check_due_at) FROM instances WHERE state IN ('ready', 'leased') AND check_due_at IS NOT NULL)",
            )?
            .query_row([], |row| row.get(0))?;
        Ok(next.map(Timestamp))
    }

    /// Usable instances that were never given a time for their check.
    pub fn unscheduled(&self, source: &SourceName) -> Result<Vec<InstanceRow>> {
        self.rows(
            &format!(
                "SELECT {COLUMNS} FROM instances WHERE source = ?1 AND state IN ('ready', 'leased') AND check_due_at IS NULL"
            ),
            [source.as_str()],
        )
    }

    /// The live instances of a ticket.
    pub fn of_ticket(&self, ticket: TicketId) -> Result<Vec<InstanceRow>> {
        self.rows(
            &format!("SELECT {COLUMNS} FROM instances WHERE ticket = ?1 AND state <> 'discarded' ORDER BY id"),
            [ticket.0],
        )
    }

    /// The live instances that belong to a shelf.
    pub fn of_shelf(&self, shelf: ShelfId) -> Result<Vec<InstanceRow>> {
        self.rows(
            &format!("SELECT {COLUMNS} FROM instances WHERE shelf = ?1 AND state <> 'discarded' ORDER BY id"),
            [shelf.0],
        )
    }

    /// The next fencing number.
    pub fn next_fence(&self) -> Result<Fence> {
        let fence = self
            .connection
            .prepare_cached(
                "INSERT INTO counters (asked, next) VALUES ('*fence', 2) \
                 ON CONFLICT (asked) DO UPDATE SET next = next + 1 RETURNING next - 1",
            )?
            .query_row([], |row| row.get(0))?;
        Ok(Fence(fence))
    }

    /// Tokens and handles of everything of a source that exists, to compare with what its provider lists.
    pub fn known_tokens(&self, source: &SourceName) -> Result<Vec<(Token, Option<String>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT token, handle FROM instances WHERE source = ?1 AND state <> 'discarded'",
        )?;
        let known = statement
            .query_map([source.as_str()], |row| {
                Ok((Token::stored(row.get::<_, String>(0)?), row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(known)
    }

    /// Whether an instance with this token was ever made by this state, and of which source.
    pub fn token_of(&self, token: &Token) -> Result<Option<InstanceRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM instances WHERE token = ?1"))?
            .query_row([token.as_str()], from_row)
            .optional()?
            .map(finish)
            .transpose()
    }
}
