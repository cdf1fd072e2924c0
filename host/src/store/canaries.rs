//! Trials of another component for a source: one row each, which side made an instance, and how each side did.

use runner_core::canary::Tally;
use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::plan::RowId;
use runner_core::policy::Millis;
use rusqlite::OptionalExtension as _;

use super::{Result, StoreError, Tx};

/// What became of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryState {
    Running,
    /// The source is made of the candidate from now on.
    Promoted,
    /// The candidate was worse.
    Returned,
    /// The operator ended it.
    Aborted,
    /// The configuration names another component now, or another trial took its place.
    Replaced,
}

impl CanaryState {
    /// As it is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Promoted => "promoted",
            Self::Returned => "returned",
            Self::Aborted => "aborted",
            Self::Replaced => "replaced",
        }
    }

    fn from_word(word: &str) -> Result<Self> {
        let all = [
            Self::Running,
            Self::Promoted,
            Self::Returned,
            Self::Aborted,
            Self::Replaced,
        ];
        all.into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| StoreError::Corrupt {
                what: "state of a canary",
                found: word.to_owned(),
            })
    }
}

/// A trial to begin. Components are named by their digests.
#[derive(Debug)]
pub struct NewCanary<'a> {
    pub source: &'a SourceName,
    pub configured: &'a str,
    pub stable: &'a str,
    pub candidate: &'a str,
    pub plugin: &'a str,
    pub version: &'a str,
    pub percent: u8,
    pub window: Millis,
    pub samples: u32,
    pub by: &'a str,
    pub now: Timestamp,
}

/// A trial.
#[derive(Clone, Debug)]
pub struct CanaryRow {
    pub id: i64,
    pub source: String,
    pub state: CanaryState,
    pub configured: String,
    pub stable: String,
    pub candidate: String,
    pub plugin: String,
    pub version: String,
    pub percent: u8,
    pub window: Millis,
    pub samples: u32,
    pub begun: u64,
    pub shape: Option<String>,
    pub started_at: Timestamp,
    pub started_by: String,
    pub ended_at: Option<Timestamp>,
    pub reason: Option<String>,
}

const COLUMNS: &str = "id, source, state, configured, stable, candidate, plugin, version, percent, window, samples, \
     begun, shape, started_at, started_by, ended_at, reason";

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(CanaryRow, String)> {
    let canary = CanaryRow {
        id: row.get(0)?,
        source: row.get(1)?,
        state: CanaryState::Running,
        configured: row.get(3)?,
        stable: row.get(4)?,
        candidate: row.get(5)?,
        plugin: row.get(6)?,
        version: row.get(7)?,
        percent: row.get(8)?,
        window: Millis(row.get(9)?),
        samples: row.get(10)?,
        begun: row.get(11)?,
        shape: row.get(12)?,
        started_at: Timestamp(row.get(13)?),
        started_by: row.get(14)?,
        ended_at: row.get::<_, Option<i64>>(15)?.map(Timestamp),
        reason: row.get(16)?,
    };
    Ok((canary, row.get(2)?))
}

fn finish((mut canary, word): (CanaryRow, String)) -> Result<CanaryRow> {
    canary.state = CanaryState::from_word(&word)?;
    Ok(canary)
}

fn minute(at: Timestamp) -> i64 {
    at.0.div_euclid(60_000)
}

impl Tx<'_> {
    /// Begins a trial. Another one that runs for this source must have been ended.
    pub fn start_canary(&self, new: &NewCanary<'_>) -> Result<CanaryRow> {
        self.connection
            .prepare_cached(
                "INSERT INTO canaries (source, state, configured, stable, candidate, plugin, version, percent, window, \
                 samples, started_at, started_by) VALUES (?1, 'running', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(rusqlite::params![
                new.source.as_str(),
                new.configured,
                new.stable,
                new.candidate,
                new.plugin,
                new.version,
                new.percent,
                new.window.0,
                new.samples,
                new.now.0,
                new.by,
            ])?;
        let id = self.connection.last_insert_rowid();
        self.canary("id = ?1", [id])?
            .ok_or_else(|| StoreError::Corrupt {
                what: "canary",
                found: id.to_string(),
            })
    }

    /// The trial that runs for a source.
    pub fn running_canary(&self, source: &SourceName) -> Result<Option<CanaryRow>> {
        self.canary("source = ?1 AND state = 'running'", [source.as_str()])
    }

    /// The last trial of a source, whatever became of it.
    pub fn last_canary(&self, source: &SourceName) -> Result<Option<CanaryRow>> {
        self.canary("source = ?1 ORDER BY id DESC LIMIT 1", [source.as_str()])
    }

    /// The trial whose candidate a source is made of instead of what is configured.
    pub fn promotion(&self, source: &SourceName) -> Result<Option<CanaryRow>> {
        self.canary(
            "source = ?1 AND state = 'promoted' ORDER BY id DESC LIMIT 1",
            [source.as_str()],
        )
    }

    fn canary(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Option<CanaryRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM canaries WHERE {condition}"))?
            .query_row(parameters, from_row)
            .optional()?
            .map(finish)
            .transpose()
    }

    /// Changes with every promotion that begins or ends.
    pub fn promotions(&self) -> Result<(i64, i64)> {
        let sums = self
            .connection
            .prepare_cached(
                "SELECT count(*), coalesce(sum(id), 0) FROM canaries WHERE state = 'promoted'",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(sums)
    }

    /// The shape that fits a source beside its own: the candidate's, while it is tried.
    pub(super) fn canary_shape(&self, source: &SourceName) -> Result<Option<String>> {
        let shape = self
            .connection
            .prepare_cached("SELECT shape FROM canaries WHERE source = ?1 AND state = 'running'")?
            .query_row([source.as_str()], |row| row.get(0))
            .optional()?;
        Ok(shape.flatten())
    }

    /// Counts one more instance that is begun, and notes whose it is, and for which ticket.
    pub fn begin_in_canary(
        &self,
        canary: i64,
        instance: RowId,
        candidate: bool,
        ticket: Option<TicketId>,
    ) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE canaries SET begun = begun + 1 WHERE id = ?1")?
            .execute([canary])?;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO canary_instances (instance, canary, candidate, ticket) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((instance.0, canary, candidate, ticket.map(|ticket| ticket.0)))?;
        Ok(())
    }

    /// What the candidate's instances are like now.
    pub fn set_canary_shape(&self, canary: i64, shape: &str) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE canaries SET shape = ?2 WHERE id = ?1 AND shape IS NOT ?2")?
            .execute((canary, shape))?;
        Ok(())
    }

    /// The trial that an instance was made in, and whether by the candidate.
    pub fn canary_of(&self, instance: RowId) -> Result<Option<(i64, bool)>> {
        let found = self
            .connection
            .prepare_cached("SELECT canary, candidate FROM canary_instances WHERE instance = ?1")?
            .query_row([instance.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found)
    }

    /// The candidate could not make this one.
    pub fn fail_in_canary(&self, instance: RowId) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE canary_instances SET failed = 1 WHERE instance = ?1")?
            .execute([instance.0])?;
        Ok(())
    }

    /// The candidate could not serve this ticket before.
    pub fn failed_in_canary(&self, canary: i64, ticket: TicketId) -> Result<bool> {
        let failed = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM canary_instances WHERE ticket = ?2 AND failed AND canary = ?1)",
            )?
            .query_row((canary, ticket.0), |row| row.get(0))?;
        Ok(failed)
    }

    /// The trial with this key.
    pub fn canary_by_id(&self, id: i64) -> Result<Option<CanaryRow>> {
        self.canary("id = ?1", [id])
    }

    /// The trial with this key, if it still runs.
    pub fn canary_if_running(&self, id: i64) -> Result<Option<CanaryRow>> {
        self.canary("id = ?1 AND state = 'running'", [id])
    }

    /// Ends a trial, or a promotion.
    pub fn end_canary(
        &self,
        id: i64,
        state: CanaryState,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE canaries SET state = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1",
            )?
            .execute((id, state.word(), reason, now.0))?;
        Ok(())
    }

    /// Counts an outcome of one side.
    pub fn count_canary(
        &self,
        canary: &CanaryRow,
        candidate: bool,
        well: bool,
        now: Timestamp,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO canary_outcomes (canary, candidate, minute, well, failed) VALUES (?1, ?2, ?3, ?4, 1 - ?4) \
                 ON CONFLICT DO UPDATE SET well = well + excluded.well, failed = failed + excluded.failed",
            )?
            .execute((canary.id, candidate, minute(now), well))?;
        self.connection
            .prepare_cached("DELETE FROM canary_outcomes WHERE canary = ?1 AND minute < ?2")?
            .execute((canary.id, window_start(canary, now)))?;
        Ok(())
    }

    /// How the two sides did within the window that ends now, or when the trial ended: the stable one, then the candidate.
    pub fn canary_tallies(&self, canary: &CanaryRow, now: Timestamp) -> Result<(Tally, Tally)> {
        let end = canary.ended_at.unwrap_or(now);
        let mut statement = self.connection.prepare_cached(
            "SELECT candidate, sum(well), sum(failed) FROM canary_outcomes WHERE canary = ?1 AND minute >= ?2 GROUP BY candidate",
        )?;
        let mut rows = statement.query((canary.id, window_start(canary, end)))?;
        let (mut stable, mut candidate) = (Tally::default(), Tally::default());
        while let Some(row) = rows.next()? {
            let tally = Tally {
                well: row.get(1)?,
                failed: row.get(2)?,
            };
            match row.get(0)? {
                true => candidate = tally,
                false => stable = tally,
            }
        }
        Ok((stable, candidate))
    }

    /// How many instances exist that the candidate of this trial made.
    pub fn canary_live(&self, canary: i64) -> Result<u32> {
        let count = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM canary_instances JOIN instances ON instances.id = instance \
                 WHERE canary = ?1 AND candidate AND state <> 'discarded'",
            )?
            .query_row([canary], |row| row.get(0))?;
        Ok(count)
    }

    /// The components that trials and promotions need, by digest.
    pub fn canary_components(&self) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT candidate FROM canaries WHERE state IN ('running', 'promoted')",
        )?;
        let digests = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(digests)
    }
}

fn window_start(canary: &CanaryRow, end: Timestamp) -> i64 {
    let window = i64::try_from(canary.window.0).unwrap_or(i64::MAX);
    minute(Timestamp(end.0.saturating_sub(window)))
}
