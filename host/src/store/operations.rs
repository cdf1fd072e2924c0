//! The operation log: who did what to which instance, when, and how it ended.
//!
//! A running command is an operation without an end; that is also how `concurrency` is counted.

use runner_core::id::{InstanceName, SourceName, Timestamp};

use super::{Result, Tx, WorkerId};

/// The number of an operation: larger came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationId(pub i64);

/// The beginning of an operation.
#[derive(Debug)]
pub struct Operation<'a> {
    pub verb: &'a str,
    pub instance: Option<&'a InstanceName>,
    pub source: Option<&'a SourceName>,
    /// JSON; the engine's `Owner`.
    pub owner: &'a str,
    pub worker: &'a WorkerId,
    pub detail: Option<&'a str>,
    pub now: Timestamp,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct OperationRow {
    pub id: OperationId,
    pub verb: String,
    pub instance: Option<String>,
    pub source: Option<String>,
    pub owner: String,
    pub worker: WorkerId,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub detail: Option<String>,
}

/// Which entries to show.
#[derive(Clone, Debug, Default)]
pub struct OperationFilter {
    pub instance: Option<InstanceName>,
    pub source: Option<SourceName>,
    /// The newest this many; none: all.
    pub last: Option<u32>,
}

const COLUMNS: &str =
    "id, verb, instance, source, owner, worker, started_at, ended_at, outcome, detail";

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<OperationRow> {
    Ok(OperationRow {
        id: OperationId(row.get(0)?),
        verb: row.get(1)?,
        instance: row.get(2)?,
        source: row.get(3)?,
        owner: row.get(4)?,
        worker: WorkerId(row.get(5)?),
        started_at: Timestamp(row.get(6)?),
        ended_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        outcome: row.get(8)?,
        detail: row.get(9)?,
    })
}

impl Tx<'_> {
    /// Notes that an operation begins.
    pub fn begin_operation(&self, operation: &Operation<'_>) -> Result<OperationId> {
        self.connection
            .prepare_cached(
                "INSERT INTO operations (verb, instance, source, owner, worker, started_at, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                operation.verb,
                operation.instance.map(InstanceName::as_str),
                operation.source.map(SourceName::as_str),
                operation.owner,
                &operation.worker.0,
                operation.now.0,
                operation.detail,
            ))?;
        Ok(OperationId(self.connection.last_insert_rowid()))
    }

    /// Notes how it ended; a second end changes nothing.
    pub fn end_operation(
        &self,
        id: OperationId,
        outcome: &str,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE operations SET ended_at = ?2, outcome = ?3, detail = coalesce(?4, detail) \
                 WHERE id = ?1 AND ended_at IS NULL",
            )?
            .execute((id.0, now.0, outcome, detail))?;
        Ok(())
    }

    /// Operations of this verb on this instance that have no end yet, first come first. Their processes may be dead.
    pub fn running(&self, instance: &InstanceName, verb: &str) -> Result<Vec<OperationRow>> {
        self.operation_rows(
            &format!(
                "SELECT {COLUMNS} FROM operations WHERE instance = ?1 AND verb = ?2 AND ended_at IS NULL ORDER BY id"
            ),
            (instance.as_str(), verb),
        )
    }

    /// The log, oldest first.
    pub fn operations(&self, filter: &OperationFilter) -> Result<Vec<OperationRow>> {
        let last = filter.last.map_or(-1, i64::from);
        let mut rows = self.operation_rows(
            &format!(
                "SELECT {COLUMNS} FROM operations WHERE (?1 IS NULL OR instance = ?1) AND (?2 IS NULL OR source = ?2) \
                 ORDER BY id DESC LIMIT ?3"
            ),
            (
                filter.instance.as_ref().map(InstanceName::as_str),
                filter.source.as_ref().map(SourceName::as_str),
                last,
            ),
        )?;
        rows.reverse();
        Ok(rows)
    }

    fn operation_rows(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<OperationRow>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map(parameters, from_row)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }
}
