//! What was tried and what came of it: records in the state database, by project and revision.
//!
//! General on purpose: a record has tasks, tasks have results (one for each phase and attempt) and attachments. Runs of spread
//! projects are the first kind (`jobs::recorder` writes them). A record is written while it happens, so that of one whose
//! process was killed everything is there that was known; whoever reads next marks it as interrupted.

mod writer;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::store::{Durability, Result, Store, StoreError, Tx, WorkerId};
pub use crate::store::{
    NewAttachment, NewResult, NewTask, RecordAttachment, RecordFilter, RecordId, RecordResult,
    RecordRow, RecordTask, TaskEnd, TaskHistory,
};
pub use writer::{Change, Writer};

/// What became of a task. The words are kept for ever.
pub mod outcome {
    pub const PASSED: &str = "passed";
    pub const FAILED: &str = "failed";
    /// Its turn came or could not come: it was never run to an end.
    pub const ABORTED: &str = "aborted";
    /// A condition of its own had it left out.
    pub const SKIPPED: &str = "skipped";
    /// It was left out because it is known to fail.
    pub const QUARANTINED: &str = "quarantined";
    /// The process died, or was told to end at once: nobody knows.
    pub const INTERRUPTED: &str = "interrupted";
}

/// How far back durations are looked for.
const RECENT: u32 = 20;
/// Of so many durations the middle one counts.
const SAMPLES: usize = 5;

/// The records of one state. Cheap to clone.
#[derive(Clone)]
pub struct History {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    worker: WorkerId,
    /// JSON; the engine's `Owner`.
    owner: String,
}

/// Which record begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    pub kind: &'static str,
    pub project: String,
    /// Where it lies, and where its revision is looked for.
    pub place: PathBuf,
}

/// Everything about one record.
#[derive(Clone, Debug)]
pub struct Whole {
    pub record: RecordRow,
    pub tasks: Vec<RecordTask>,
    pub results: Vec<RecordResult>,
    pub attachments: Vec<RecordAttachment>,
}

impl Whole {
    /// Only these tasks, and what belongs to them.
    pub fn keep(&mut self, wanted: impl Fn(&RecordTask) -> bool) {
        self.tasks.retain(wanted);
        let own: HashSet<i64> = self.tasks.iter().map(|task| task.id).collect();
        let of = |task: Option<i64>| task.is_some_and(|task| own.contains(&task));
        self.results.retain(|result| of(result.task));
        self.attachments.retain(|file| of(file.task));
    }
}

impl History {
    /// Over a store, for this process.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, worker: WorkerId, owner: String) -> Self {
        Self {
            store,
            clock,
            worker,
            owner,
        }
    }

    /// Begins a record. What is told to the writer is in the books soon after.
    pub fn begin(&self, beginning: Beginning, tasks: Vec<NewTask>) -> Writer {
        Writer::start(self.clone(), beginning, tasks)
    }

    fn write<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        // A record that a power loss takes away is one that can be made again.
        self.store.write::<_, StoreError>(Durability::Process, work)
    }

    /// Ends what nobody works on any more.
    pub fn settle(&self) -> Result<()> {
        let open = self.store.read(|tx| tx.open_records())?;
        let dead: Vec<RecordId> = open
            .into_iter()
            .filter(|(_, worker)| !self.store.workers().is_alive(worker))
            .map(|(record, _)| record)
            .collect();
        if dead.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            dead.iter()
                .try_for_each(|record| tx.cut_record(*record, outcome::INTERRUPTED))
        })
    }

    /// Records, oldest first.
    pub fn records(&self, filter: &RecordFilter) -> Result<Vec<RecordRow>> {
        self.settle()?;
        self.store.read(|tx| tx.records(filter))
    }

    /// One record with everything in it.
    pub fn whole(&self, id: RecordId) -> Result<Option<Whole>> {
        self.settle()?;
        let filter = RecordFilter {
            id: Some(id),
            last: 1,
            ..RecordFilter::default()
        };
        self.store.read(|tx| {
            let Some(record) = tx.records(&filter)?.pop() else {
                return Ok(None);
            };
            Ok(Some(Whole {
                tasks: tx.record_tasks(id)?,
                results: tx.record_results(id)?,
                attachments: tx.record_attachments(id)?,
                record,
            }))
        })
    }

    /// What became of the tasks that `wanted` means by their names: for each at most `last` entries; all together oldest first.
    pub fn of_tasks(
        &self,
        project: Option<&str>,
        last: u32,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<TaskHistory>> {
        self.settle()?;
        self.store.read(|tx| {
            let mut found = Vec::new();
            for name in tx.recorded_names(project)? {
                if wanted(&name) {
                    found.extend(tx.task_history(&name, project, last)?);
                }
            }
            found.sort_by_key(|one| (one.task.record, one.task.id));
            Ok(found)
        })
    }

    /// The last record of a project that has ended, and the names of its tasks that did not come to a good end. Of several
    /// projects of one name the one in this place is preferred.
    pub fn failed(
        &self,
        kind: &str,
        project: &str,
        place: &str,
    ) -> Result<Option<(RecordId, Vec<String>)>> {
        self.settle()?;
        self.store.read(|tx| {
            let Some(record) = tx.last_record(kind, project, place)? else {
                return Ok(None);
            };
            let tasks = tx.record_tasks(record)?.into_iter();
            let failed = tasks.filter(is_bad).map(|task| task.name);
            Ok(Some((record, failed.collect())))
        })
    }

    /// How many milliseconds the tasks of a project usually take, by name.
    pub fn durations(&self, project: &str) -> Result<HashMap<String, u64>> {
        let all = self.store.read(|tx| tx.task_durations(project, RECENT))?;
        let mut by_name: HashMap<String, Vec<u64>> = HashMap::new();
        for (name, took) in all {
            let of = by_name.entry(name).or_default();
            if of.len() < SAMPLES {
                of.push(took);
            }
        }
        let middle = |mut all: Vec<u64>| {
            all.sort_unstable();
            all[all.len() / 2]
        };
        Ok(by_name
            .into_iter()
            .map(|(name, all)| (name, middle(all)))
            .collect())
    }
}

/// It failed, never ended, or could not be restored.
fn is_bad(task: &RecordTask) -> bool {
    let outcome = task.outcome.as_deref().unwrap_or(outcome::INTERRUPTED);
    let bad = matches!(
        outcome,
        outcome::FAILED | outcome::ABORTED | outcome::INTERRUPTED
    );
    bad || task.failed_phases.iter().any(|phase| phase == "restore")
}

#[cfg(test)]
mod tests;
