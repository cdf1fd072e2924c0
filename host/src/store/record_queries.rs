//! Reading records: runs, the tasks of one, a task over many.

use runner_core::id::Timestamp;
use rusqlite::OptionalExtension;

use super::records::{NewAttachment, NewResult, RecordId};
use super::{Result, Tx, WorkerId};

/// A record and how many of its tasks ended how.
#[derive(Clone, Debug)]
pub struct RecordRow {
    pub id: RecordId,
    pub kind: String,
    pub project: String,
    pub place: String,
    pub revision: Option<String>,
    pub modified: bool,
    pub owner: String,
    pub worker: WorkerId,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub detail: Option<String>,
    pub tasks: u64,
    /// By outcome; those without one are left out.
    pub outcomes: Vec<(String, u64)>,
    /// Passed, but not at the first attempt.
    pub flaky: u64,
}

/// A task of a record.
#[derive(Clone, Debug)]
pub struct RecordTask {
    /// Its key, for its results.
    pub id: i64,
    pub record: RecordId,
    pub name: String,
    pub target: String,
    pub task: String,
    pub variant: String,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub detail: Option<String>,
    pub attempts: u32,
    pub took: Option<u64>,
    /// Phases of its last attempt that did not pass.
    pub failed_phases: Vec<String>,
}

/// A task over records.
#[derive(Clone, Debug)]
pub struct TaskHistory {
    pub task: RecordTask,
    pub revision: Option<String>,
    pub modified: bool,
    pub record_started_at: Timestamp,
}

/// A phase.
#[derive(Clone, Debug)]
pub struct RecordResult {
    /// None: not of one task.
    pub task: Option<i64>,
    pub result: NewResult,
}

/// A file.
#[derive(Clone, Debug)]
pub struct RecordAttachment {
    pub task: Option<i64>,
    pub attachment: NewAttachment,
}

/// Which records.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    pub project: Option<String>,
    pub place: Option<String>,
    pub id: Option<RecordId>,
    /// The newest so many.
    pub last: u32,
}

const RECORD: &str = "id, kind, project, place, revision, modified, owner, worker, started_at, ended_at, outcome, detail";

const TASK: &str = "t.id, t.record, t.name, t.target, t.task, t.variant, t.started_at, t.ended_at, t.outcome, t.detail, \
     t.attempts, t.took, (SELECT group_concat(phase) FROM record_results r \
     WHERE r.task = t.id AND r.attempt = t.attempts AND r.status <> 'passed')";

fn task_from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RecordTask> {
    let phases: Option<String> = row.get(12)?;
    Ok(RecordTask {
        id: row.get(0)?,
        record: RecordId(row.get(1)?),
        name: row.get(2)?,
        target: row.get(3)?,
        task: row.get(4)?,
        variant: row.get(5)?,
        started_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        ended_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        outcome: row.get(8)?,
        detail: row.get(9)?,
        attempts: row.get(10)?,
        took: row.get(11)?,
        failed_phases: phases
            .iter()
            .flat_map(|all| all.split(',').map(str::to_owned))
            .collect(),
    })
}

impl Tx<'_> {
    /// Records without an end, and who works on them.
    pub fn open_records(&self) -> Result<Vec<(RecordId, WorkerId)>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, worker FROM records WHERE ended_at IS NULL ORDER BY id")?;
        let rows =
            statement.query_map([], |row| Ok((RecordId(row.get(0)?), WorkerId(row.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Records, oldest first.
    pub fn records(&self, filter: &RecordFilter) -> Result<Vec<RecordRow>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {RECORD} FROM records WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR place = ?2) \
             AND (?3 IS NULL OR id = ?3) ORDER BY id DESC LIMIT ?4"
        ))?;
        let rows = statement.query_map(
            (
                &filter.project,
                &filter.place,
                filter.id.map(|id| id.0),
                filter.last,
            ),
            |row| {
                Ok(RecordRow {
                    id: RecordId(row.get(0)?),
                    kind: row.get(1)?,
                    project: row.get(2)?,
                    place: row.get(3)?,
                    revision: row.get(4)?,
                    modified: row.get(5)?,
                    owner: row.get(6)?,
                    worker: WorkerId(row.get(7)?),
                    started_at: Timestamp(row.get(8)?),
                    ended_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
                    outcome: row.get(10)?,
                    detail: row.get(11)?,
                    tasks: 0,
                    outcomes: Vec::new(),
                    flaky: 0,
                })
            },
        )?;
        let mut records: Vec<RecordRow> = rows.collect::<rusqlite::Result<_>>()?;
        records.reverse();
        for record in &mut records {
            self.count_tasks(record)?;
        }
        Ok(records)
    }

    fn count_tasks(&self, record: &mut RecordRow) -> Result<()> {
        let mut statement = self.connection.prepare_cached(
            "SELECT outcome, count(*), sum(attempts > 1) FROM record_tasks WHERE record = ?1 GROUP BY outcome ORDER BY outcome",
        )?;
        let mut rows = statement.query([record.id.0])?;
        while let Some(row) = rows.next()? {
            let (outcome, count): (Option<String>, u64) = (row.get(0)?, row.get(1)?);
            record.tasks += count;
            if let Some(outcome) = outcome {
                if outcome == "passed" {
                    record.flaky = row.get(2)?;
                }
                record.outcomes.push((outcome, count));
            }
        }
        Ok(())
    }

    /// The tasks of a record, in their order.
    pub fn record_tasks(&self, record: RecordId) -> Result<Vec<RecordTask>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {TASK} FROM record_tasks t WHERE t.record = ?1 ORDER BY t.number"
        ))?;
        let rows = statement.query_map([record.0], task_from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The names that tasks of a project have had.
    pub fn recorded_names(&self, project: Option<&str>) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT t.name FROM record_tasks t JOIN records r ON r.id = t.record \
             WHERE (?1 IS NULL OR r.project = ?1) ORDER BY t.name",
        )?;
        let rows = statement.query_map([project], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What became of the tasks of this name, newest first.
    pub fn task_history(
        &self,
        name: &str,
        project: Option<&str>,
        last: u32,
    ) -> Result<Vec<TaskHistory>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {TASK}, r.revision, r.modified, r.started_at FROM record_tasks t JOIN records r ON r.id = t.record \
             WHERE t.name = ?1 AND (?2 IS NULL OR r.project = ?2) ORDER BY t.record DESC, t.number DESC LIMIT ?3"
        ))?;
        let rows = statement.query_map((name, project, last), |row| {
            Ok(TaskHistory {
                task: task_from_row(row)?,
                revision: row.get(13)?,
                modified: row.get(14)?,
                record_started_at: Timestamp(row.get(15)?),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How long tasks took in the last records of a project, the newest first.
    pub fn task_durations(&self, project: &str, records: u32) -> Result<Vec<(String, u64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, took FROM record_tasks WHERE record IN \
             (SELECT id FROM records WHERE project = ?1 ORDER BY id DESC LIMIT ?2) \
             AND took IS NOT NULL AND outcome IN ('passed', 'failed') ORDER BY record DESC",
        )?;
        let rows = statement.query_map((project, records), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The phases of a record, in the order in which they ended.
    pub fn record_results(&self, record: RecordId) -> Result<Vec<RecordResult>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT task, scope, phase, attempt, target, machine, status, started_at, took, detail \
             FROM record_results WHERE record = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([record.0], |row| {
            Ok(RecordResult {
                task: row.get(0)?,
                result: NewResult {
                    scope: row.get(1)?,
                    phase: row.get(2)?,
                    attempt: row.get(3)?,
                    target: row.get(4)?,
                    machine: row.get(5)?,
                    status: row.get(6)?,
                    started: Timestamp(row.get(7)?),
                    took: row.get(8)?,
                    detail: row.get(9)?,
                },
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The files of a record.
    pub fn record_attachments(&self, record: RecordId) -> Result<Vec<RecordAttachment>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT task, kind, path, size, digest FROM record_attachments WHERE record = ?1 ORDER BY path",
        )?;
        let rows = statement.query_map([record.0], |row| {
            Ok(RecordAttachment {
                task: row.get(0)?,
                attachment: NewAttachment {
                    kind: row.get(1)?,
                    path: row.get(2)?,
                    size: row.get(3)?,
                    digest: row.get(4)?,
                },
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The newest record of a project: of those of this kind that lay in this place, else of all.
    pub fn last_record(&self, kind: &str, project: &str, place: &str) -> Result<Option<RecordId>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM records WHERE kind = ?1 AND project = ?2 AND ended_at IS NOT NULL ORDER BY place = ?3 DESC, id DESC LIMIT 1",
        )?;
        let found = statement
            .query_row((kind, project, place), |row| row.get(0))
            .optional()?;
        Ok(found.map(RecordId))
    }
}
