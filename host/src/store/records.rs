//! Records: what was tried and what came of it. A record has tasks, tasks have results (one for each phase and attempt), and
//! both may have attachments (files by path, size and digest).
//!
//! Here is what writes them down; `record_queries` reads. Words of outcomes and phases are whoever's who writes them (`history`); here only NULL means something: not ended.

use runner_core::id::Timestamp;

use super::{Result, Tx, WorkerId};

/// The number of a record: larger came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub i64);

/// The beginning of a record.
#[derive(Debug)]
pub struct NewRecord<'a> {
    pub kind: &'a str,
    pub project: &'a str,
    pub place: &'a str,
    /// JSON; the engine's `Owner`.
    pub owner: &'a str,
    pub worker: &'a WorkerId,
    pub now: Timestamp,
}

/// A task that a record will have a result of.
#[derive(Clone, Debug)]
pub struct NewTask {
    pub name: String,
    pub target: String,
    pub task: String,
    pub variant: String,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub struct TaskEnd {
    pub outcome: String,
    pub detail: Option<String>,
    pub attempts: u32,
    pub at: Timestamp,
}

/// A phase that ended.
#[derive(Clone, Debug)]
pub struct NewResult {
    pub scope: String,
    pub phase: String,
    pub attempt: u32,
    pub target: String,
    pub machine: String,
    pub status: String,
    pub started: Timestamp,
    pub took: u64,
    pub detail: Option<String>,
}

/// A file that belongs to a record.
#[derive(Clone, Debug)]
pub struct NewAttachment {
    pub kind: String,
    pub path: String,
    pub size: u64,
    pub digest: String,
}

impl Tx<'_> {
    /// A record begins.
    pub fn begin_record(&self, new: &NewRecord<'_>) -> Result<RecordId> {
        self.connection.execute(
            "INSERT INTO records (kind, project, place, owner, worker, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                new.kind,
                new.project,
                new.place,
                new.owner,
                &new.worker.0,
                new.now.0,
            ),
        )?;
        Ok(RecordId(self.connection.last_insert_rowid()))
    }

    /// What version control said of it.
    pub fn set_record_revision(
        &self,
        record: RecordId,
        revision: &str,
        modified: bool,
    ) -> Result<()> {
        self.connection.execute(
            "UPDATE records SET revision = ?2, modified = ?3 WHERE id = ?1",
            (record.0, revision, modified),
        )?;
        Ok(())
    }

    /// A task of a record, by its place in it; answers its key.
    pub fn add_record_task(&self, record: RecordId, number: usize, new: &NewTask) -> Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO record_tasks (record, number, name, target, task, variant) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                record.0,
                number,
                &new.name,
                &new.target,
                &new.task,
                &new.variant,
            ))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The first of its phases begins.
    pub fn start_record_task(&self, task: i64, at: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE record_tasks SET started_at = ?2 WHERE id = ?1 AND started_at IS NULL",
            )?
            .execute((task, at.0))?;
        Ok(())
    }

    /// It ended; a later end (of another round) counts instead.
    pub fn end_record_task(&self, task: i64, end: &TaskEnd) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE record_tasks SET outcome = ?2, detail = ?3, attempts = ?4, ended_at = ?5 WHERE id = ?1",
            )?
            .execute((task, &end.outcome, &end.detail, end.attempts, end.at.0))?;
        Ok(())
    }

    /// A phase of a task, or of the record, ended; with how long the task took so far.
    pub fn add_record_result(
        &self,
        record: RecordId,
        task: Option<(i64, u64)>,
        new: &NewResult,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO record_results (record, task, scope, phase, attempt, target, machine, status, started_at, took, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute((
                record.0,
                task.map(|(task, _)| task),
                &new.scope,
                &new.phase,
                new.attempt,
                &new.target,
                &new.machine,
                &new.status,
                new.started.0,
                new.took,
                &new.detail,
            ))?;
        if let Some((task, took)) = task {
            self.connection
                .prepare_cached(
                    "UPDATE record_tasks SET took = ?2, attempts = max(attempts, ?3) WHERE id = ?1",
                )?
                .execute((task, took, new.attempt))?;
        }
        Ok(())
    }

    /// A file; the same path again is the newer file.
    pub fn add_record_attachment(
        &self,
        record: RecordId,
        task: Option<i64>,
        new: &NewAttachment,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO record_attachments (record, task, kind, path, size, digest) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((record.0, task, &new.kind, &new.path, new.size, &new.digest))?;
        Ok(())
    }

    /// The record ended; a second end changes nothing.
    pub fn end_record(
        &self,
        record: RecordId,
        outcome: &str,
        detail: Option<&str>,
        at: Timestamp,
    ) -> Result<()> {
        self.connection.execute(
            "UPDATE records SET ended_at = ?4, outcome = ?2, detail = ?3 WHERE id = ?1 AND ended_at IS NULL",
            (record.0, outcome, detail, at.0),
        )?;
        Ok(())
    }

    /// The worker of a record is dead: it ended with the last thing that is known of it, and what had no outcome gets this one.
    pub fn cut_record(&self, record: RecordId, outcome: &str) -> Result<()> {
        self.connection.execute(
            "UPDATE record_tasks SET outcome = ?2 WHERE record = ?1 AND outcome IS NULL",
            (record.0, outcome),
        )?;
        self.connection.execute(
            "UPDATE records SET outcome = ?2, ended_at = max(started_at, \
             coalesce((SELECT max(started_at + took) FROM record_results WHERE record = ?1), 0), \
             coalesce((SELECT max(started_at) FROM record_tasks WHERE record = ?1), 0)) \
             WHERE id = ?1 AND ended_at IS NULL",
            (record.0, outcome),
        )?;
        Ok(())
    }
}
