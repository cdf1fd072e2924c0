//! The rows of instances, changed only by compare-and-set.

use std::path::PathBuf;

use runner_core::id::{
    Fence, Generation, InstanceName, ShelfId, SourceName, TicketId, Timestamp, Token,
};
use runner_core::instance::{Event, State};
use runner_core::plan::RowId;
use runner_core::policy::Millis;
use rusqlite::OptionalExtension as _;

use super::events::NewEvent;
use super::{Result, StoreError, Tx, WorkerId};

/// Who holds an instance, since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// JSON; the engine's `Owner`.
    pub owner: String,
    pub since: Timestamp,
    /// The holder was told. An unconfirmed lease of a dead process is taken back.
    pub confirmed: bool,
    /// Larger than that of every earlier lease.
    pub fence: Fence,
    /// How long it lasts from each renewal; none: until it is released.
    pub ttl: Option<Millis>,
    pub expires_at: Option<Timestamp>,
    /// JSON; the engine's `Holder`: what it ends with.
    pub holder: Option<String>,
}

/// One instance. Texts named JSON are the engine's shapes.
#[derive(Clone, Debug)]
pub struct InstanceRow {
    pub id: RowId,
    pub name: InstanceName,
    pub source: SourceName,
    pub pool: Option<SourceName>,
    pub slot: u32,
    pub token: Token,
    pub state: State,
    pub generation: Generation,
    /// The key of its definition.
    pub definition: i64,
    pub handle: Option<String>,
    /// JSON.
    pub access: Option<String>,
    /// JSON.
    pub attributes: Option<String>,
    /// JSON.
    pub facts: Option<String>,
    pub workdir: Option<PathBuf>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// Who works on it now.
    pub worker: Option<WorkerId>,
    pub trouble: Option<String>,
    /// Discards tried in vain.
    pub attempts: u32,
    /// When to try again.
    pub retry_at: Option<Timestamp>,
    pub lease: Option<Lease>,
    /// It is handed out under this shelf only.
    pub shelf: Option<ShelfId>,
    /// How often it was leased.
    pub uses: u32,
    pub first_leased_at: Option<Timestamp>,
    /// The ticket it is being made for, or whose lease holds it.
    pub ticket: Option<TicketId>,
    pub checked_at: Option<Timestamp>,
    /// Checks failed in a row.
    pub check_failures: u32,
    pub check_due_at: Option<Timestamp>,
}

/// An intent to make an instance.
#[derive(Debug)]
pub struct NewInstance<'a> {
    /// What was asked for: a source or a pool; gives the name.
    pub asked: &'a SourceName,
    pub source: &'a SourceName,
    pub definition: i64,
    pub token: Token,
    pub workdir: Option<PathBuf>,
    pub worker: &'a WorkerId,
    pub ticket: Option<TicketId>,
    pub now: Timestamp,
}

pub(super) const COLUMNS: &str = "id, name, source, pool, slot, token, state, generation, definition, handle, access, attributes, \
     facts, workdir, created_at, changed_at, worker, trouble, attempts, retry_at, lease_owner, lease_since, lease_confirmed, \
     shelf, uses, first_leased_at, ticket, fence, lease_ttl, lease_expires_at, lease_holder, checked_at, check_failures, \
     check_due_at";

/// A row whose words are still text.
pub(super) struct RawState(String);

pub(super) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(InstanceRow, RawState)> {
    use std::os::unix::ffi::OsStringExt as _;

    let source = |text: String| {
        SourceName::new(text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                2,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    };
    let owner: Option<String> = row.get(20)?;
    let since: Option<i64> = row.get(21)?;
    let confirmed = row.get(22)?;
    let fence: Option<i64> = row.get(27)?;
    let ttl: Option<u64> = row.get(28)?;
    let expires_at: Option<i64> = row.get(29)?;
    let holder = row.get(30)?;
    let lease = owner.zip(since).map(|(owner, since)| Lease {
        owner,
        since: Timestamp(since),
        confirmed,
        fence: Fence(fence.unwrap_or(0)),
        ttl: ttl.map(Millis),
        expires_at: expires_at.map(Timestamp),
        holder,
    });
    let instance = InstanceRow {
        id: RowId(row.get(0)?),
        name: InstanceName::typed(row.get::<_, String>(1)?),
        source: source(row.get(2)?)?,
        pool: row.get::<_, Option<String>>(3)?.map(source).transpose()?,
        slot: row.get(4)?,
        token: Token::stored(row.get::<_, String>(5)?),
        state: State::Broken,
        generation: Generation(row.get(7)?),
        definition: row.get(8)?,
        handle: row.get(9)?,
        access: row.get(10)?,
        attributes: row.get(11)?,
        facts: row.get(12)?,
        workdir: row
            .get::<_, Option<Vec<u8>>>(13)?
            .map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))),
        created_at: Timestamp(row.get(14)?),
        changed_at: Timestamp(row.get(15)?),
        worker: row.get::<_, Option<String>>(16)?.map(WorkerId),
        trouble: row.get(17)?,
        attempts: row.get(18)?,
        retry_at: row.get::<_, Option<i64>>(19)?.map(Timestamp),
        lease,
        shelf: row.get::<_, Option<i64>>(23)?.map(ShelfId),
        uses: row.get(24)?,
        first_leased_at: row.get::<_, Option<i64>>(25)?.map(Timestamp),
        ticket: row.get::<_, Option<i64>>(26)?.map(TicketId),
        checked_at: row.get::<_, Option<i64>>(31)?.map(Timestamp),
        check_failures: row.get(32)?,
        check_due_at: row.get::<_, Option<i64>>(33)?.map(Timestamp),
    };
    Ok((instance, RawState(row.get(6)?)))
}

pub(super) fn finish((mut row, word): (InstanceRow, RawState)) -> Result<InstanceRow> {
    row.state = State::from_word(&word.0).ok_or(StoreError::Corrupt {
        what: "state",
        found: word.0,
    })?;
    Ok(row)
}

/// Rows that somebody must be working on, by the index that holds just these.
const UNFINISHED: &str = "instances INDEXED BY instances_unfinished \
     WHERE state NOT IN ('ready', 'leased', 'discarded') OR (state = 'leased' AND lease_confirmed = 0)";

impl Tx<'_> {
    /// Records the intent to make an instance: its name, its slot, its token, in state `allocating`.
    pub fn insert_intent(&self, new: NewInstance<'_>) -> Result<InstanceRow> {
        use std::os::unix::ffi::OsStrExt as _;

        let number: u64 = self
            .connection
            .prepare_cached(
                "INSERT INTO counters (asked, next) VALUES (?1, 1) \
                 ON CONFLICT (asked) DO UPDATE SET next = next + 1 RETURNING next - 1",
            )?
            .query_row([new.asked.as_str()], |row| row.get(0))?;
        let slot = self.free_slot(new.source)?;
        let name = InstanceName::numbered(new.asked, number);
        let pool = (new.asked != new.source).then_some(new.asked.as_str());
        self.connection
            .prepare_cached(
                "INSERT INTO instances (name, source, pool, slot, token, state, generation, definition, workdir, \
                 created_at, changed_at, worker, ticket) VALUES (?1, ?2, ?3, ?4, ?5, 'allocating', 0, ?6, ?7, ?8, ?8, ?9, ?10)",
            )?
            .execute((
                name.as_str(),
                new.source.as_str(),
                pool,
                slot,
                new.token.as_str(),
                new.definition,
                new.workdir.as_ref().map(|path| path.as_os_str().as_bytes()),
                new.now.0,
                &new.worker.0,
                new.ticket.map(|ticket| ticket.0),
            ))?;
        let id = self.connection.last_insert_rowid();
        self.note(&NewEvent {
            source: Some(new.source),
            instance: Some(&name),
            ticket: new.ticket,
            ..NewEvent::new("instance", "allocating", new.now)
        })?;
        self.instance_by_id(RowId(id))
    }

    /// The smallest number that no live instance of a source has.
    fn free_slot(&self, source: &SourceName) -> Result<u32> {
        let (live, highest): (u32, Option<u32>) = self
            .connection
            .prepare_cached(
                "SELECT (SELECT coalesce(sum(count), 0) FROM instance_counts WHERE source = ?1), \
                 (SELECT max(slot) FROM instances WHERE source = ?1 AND state <> 'discarded')",
            )?
            .query_row([source.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let next = highest.map_or(0, |highest| highest + 1);
        if next == live {
            // No gap: nothing to look for, however many there are.
            return Ok(next);
        }
        let slot = self
            .connection
            .prepare_cached(
                "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM instances WHERE source = ?1 AND slot = 0 AND state <> 'discarded') \
                 THEN 0 ELSE (SELECT slot + 1 FROM instances AS low WHERE source = ?1 AND state <> 'discarded' \
                 AND NOT EXISTS (SELECT 1 FROM instances WHERE source = ?1 AND slot = low.slot + 1 AND state <> 'discarded') \
                 ORDER BY slot LIMIT 1) END",
            )?
            .query_row([source.as_str()], |row| row.get(0))?;
        Ok(slot)
    }

    /// Writes `row` back after `event`, if nobody changed it since it was read. The state is this method's to set.
    pub fn save(&self, row: &mut InstanceRow, event: Option<Event>, now: Timestamp) -> Result<()> {
        let state = match event {
            None => row.state,
            Some(event) => row
                .state
                .apply(event)
                .map_err(|source| StoreError::Illegal {
                    name: row.name.to_string(),
                    source,
                })?,
        };
        let changed_at = if state == row.state {
            row.changed_at
        } else {
            now
        };
        let lease = row.lease.as_ref();
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE instances SET state = ?3, generation = generation + 1, handle = ?4, access = ?5, attributes = ?6, \
                 facts = ?7, changed_at = ?8, worker = ?9, trouble = ?10, attempts = ?11, retry_at = ?12, \
                 lease_owner = ?13, lease_since = ?14, lease_confirmed = ?15, pool = ?16, shelf = ?17, uses = ?18, \
                 first_leased_at = ?19, ticket = ?20, fence = ?21, lease_ttl = ?22, lease_expires_at = ?23, \
                 lease_holder = ?24, checked_at = ?25, check_failures = ?26, check_due_at = ?27 \
                 WHERE id = ?1 AND generation = ?2",
            )?
            .execute(rusqlite::params![
                row.id.0,
                row.generation.0,
                state.as_str(),
                row.handle,
                row.access,
                row.attributes,
                row.facts,
                changed_at.0,
                row.worker.as_ref().map(|worker| &worker.0),
                row.trouble,
                row.attempts,
                row.retry_at.map(|at| at.0),
                lease.map(|lease| &lease.owner),
                lease.map(|lease| lease.since.0),
                lease.is_some_and(|lease| lease.confirmed),
                row.pool.as_ref().map(SourceName::as_str),
                row.shelf.map(|shelf| shelf.0),
                row.uses,
                row.first_leased_at.map(|at| at.0),
                row.ticket.map(|ticket| ticket.0),
                lease.map(|lease| lease.fence.0),
                lease.and_then(|lease| lease.ttl).map(|ttl| ttl.0),
                lease
                    .and_then(|lease| lease.expires_at)
                    .map(|at| at.0),
                lease.and_then(|lease| lease.holder.as_ref()),
                row.checked_at.map(|at| at.0),
                row.check_failures,
                row.check_due_at.map(|at| at.0),
            ]);
        match changed {
            Ok(1) => {
                if state != row.state {
                    self.note(&NewEvent {
                        source: Some(&row.source),
                        instance: Some(&row.name),
                        ticket: row.ticket,
                        detail: row.trouble.as_deref().filter(|_| state == State::Broken),
                        ..NewEvent::new("instance", state.as_str(), now)
                    })?;
                }
                row.state = state;
                row.changed_at = changed_at;
                row.generation = Generation(row.generation.0 + 1);
                Ok(())
            }
            Ok(_) => Err(StoreError::Stale {
                name: row.name.to_string(),
            }),
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                Err(self.duplicate_handle(row)?.unwrap_or_else(|| error.into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn duplicate_handle(&self, row: &InstanceRow) -> Result<Option<StoreError>> {
        let holder = self
            .connection
            .prepare_cached(
                "SELECT name FROM instances WHERE source = ?1 AND handle = ?2 AND state <> 'discarded' AND id <> ?3",
            )?
            .query_row((row.source.as_str(), &row.handle, row.id.0), |found| found.get(0))
            .optional()?;
        Ok(holder.map(|holder| StoreError::DuplicateHandle {
            name: row.name.to_string(),
            holder,
        }))
    }

    /// The instance with this name, discarded ones too.
    pub fn instance(&self, name: &InstanceName) -> Result<Option<InstanceRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM instances WHERE name = ?1"))?
            .query_row([name.as_str()], from_row)
            .optional()?
            .map(finish)
            .transpose()
    }

    /// The instance with this key.
    pub fn instance_by_id(&self, id: RowId) -> Result<InstanceRow> {
        finish(
            self.connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM instances WHERE id = ?1"))?
                .query_row([id.0], from_row)?,
        )
    }

    /// Everything that exists, of one source or of all, by source and number.
    pub fn live_instances(&self, source: Option<&SourceName>) -> Result<Vec<InstanceRow>> {
        let filter = if source.is_some() {
            "source = ?1 AND"
        } else {
            "?1 IS NULL AND"
        };
        self.rows(
            &format!("SELECT {COLUMNS} FROM instances WHERE {filter} state <> 'discarded' ORDER BY source, id"),
            [source.map(SourceName::as_str)],
        )
    }

    /// Who works on unfinished rows, each once; none: nobody does. The index alone answers it, before every verb.
    pub fn at_work(&self) -> Result<Vec<Option<WorkerId>>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT DISTINCT worker FROM {UNFINISHED}"))?;
        let workers =
            statement.query_map([], |row| Ok(row.get::<_, Option<String>>(0)?.map(WorkerId)))?;
        Ok(workers.collect::<rusqlite::Result<_>>()?)
    }

    /// Rows that somebody must be working on: making, destroying, or handing out. Whether that somebody lives is for
    /// [`super::Workers`] to say.
    pub fn unfinished(&self) -> Result<Vec<InstanceRow>> {
        self.rows(&format!("SELECT {COLUMNS} FROM {UNFINISHED}"), [])
    }

    pub(super) fn rows(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<InstanceRow>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, from_row)?;
        rows.map(|row| finish(row?)).collect()
    }
}
