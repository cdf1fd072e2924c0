//! What became of the jobs, and the summary of it.

use std::collections::{BTreeMap, BTreeSet};

use runner_core::schedule::{Level, Verb};

use crate::jobs::events::{
    FailureClass, JobNumber, JobResult, Millis, Stream, Summary, What, WorkerNumber,
};

/// The classes of failures, in the order of the summary.
const CLASSES: [(Level, Verb); 9] = [
    (Level::Task, Verb::Execute),
    (Level::Task, Verb::Prepare),
    (Level::Task, Verb::Restore),
    (Level::Suite, Verb::Prepare),
    (Level::Suite, Verb::Restore),
    (Level::Backend, Verb::Prepare),
    (Level::Backend, Verb::Restore),
    (Level::Project, Verb::Prepare),
    (Level::Project, Verb::Restore),
];

/// See the module.
pub(super) struct Results {
    successful: usize,
    aborted: Vec<String>,
    skipped: Vec<String>,
    flaky: BTreeSet<String>,
    failed: BTreeMap<(Level, Verb), Vec<String>>,
    /// Of the last execute of each job.
    took: Vec<Option<Millis>>,
    /// At which attempt each job is, from 1.
    attempts: Vec<u32>,
    /// Which jobs have ended.
    ended: Vec<bool>,
}

impl Results {
    pub(super) fn new(jobs: usize) -> Self {
        Self {
            successful: 0,
            aborted: Vec::new(),
            skipped: Vec::new(),
            flaky: BTreeSet::new(),
            failed: BTreeMap::new(),
            took: vec![None; jobs],
            attempts: vec![1; jobs],
            ended: vec![false; jobs],
        }
    }

    /// At which attempt a job is, from 1.
    pub(super) fn attempt(&self, job: usize) -> u32 {
        self.attempts[job]
    }

    /// An attempt failed, and another one comes: its number.
    pub(super) fn retry(&mut self, job: usize) -> u32 {
        self.attempts[job] += 1;
        self.attempts[job]
    }

    /// How long the job's execute script took.
    pub(super) fn took(&mut self, job: usize, took: Millis) {
        self.took[job] = Some(took);
    }

    pub(super) fn succeed(
        &mut self,
        stream: &Stream,
        job: JobNumber,
        name: String,
        worker: WorkerNumber,
    ) {
        self.successful += 1;
        if self.attempts[job.0] > 1 {
            self.flaky.insert(name.clone());
        }
        self.tell(stream, job, name, Some(worker), JobResult::Passed);
    }

    pub(super) fn skip(
        &mut self,
        stream: &Stream,
        job: JobNumber,
        name: String,
        worker: WorkerNumber,
        reason: &str,
    ) {
        self.skipped.push(name.clone());
        let reason = reason.to_owned();
        self.tell(
            stream,
            job,
            name,
            Some(worker),
            JobResult::Skipped { reason },
        );
    }

    pub(super) fn abort(
        &mut self,
        stream: &Stream,
        job: JobNumber,
        name: String,
        worker: Option<WorkerNumber>,
        cause: &str,
    ) {
        self.aborted.push(name.clone());
        let cause = cause.to_owned();
        self.tell(stream, job, name, worker, JobResult::Aborted { cause });
    }

    /// A script failed; `name` is how the summary calls it.
    pub(super) fn fail(
        &mut self,
        stream: &Stream,
        class: (Level, Verb),
        job: JobNumber,
        name: String,
        worker: WorkerNumber,
    ) {
        self.failed.entry(class).or_default().push(name.clone());
        if class == (Level::Task, Verb::Execute) {
            self.tell(stream, job, name, Some(worker), JobResult::Failed);
        }
    }

    /// The jobs that have not ended.
    pub(super) fn open(&self) -> Vec<usize> {
        let all = self.ended.iter().enumerate();
        all.filter(|(_, ended)| !**ended)
            .map(|(job, _)| job)
            .collect()
    }

    fn tell(
        &mut self,
        stream: &Stream,
        job: JobNumber,
        name: String,
        worker: Option<WorkerNumber>,
        result: JobResult,
    ) {
        if let Some(ended) = self.ended.get_mut(job.0) {
            *ended = true;
        }
        stream.emit(What::JobEnded {
            job,
            name,
            worker,
            result,
            took: self.took.get(job.0).copied().flatten(),
            attempt: self.attempt(job.0),
        });
    }

    pub(super) fn summary(&mut self, error: Option<String>) -> Summary {
        let sorted = |names: &mut Vec<String>| {
            names.sort();
            std::mem::take(names)
        };
        let mut failed = Vec::new();
        for (level, verb) in CLASSES {
            if let Some(names) = self.failed.get_mut(&(level, verb)) {
                failed.push((FailureClass { level, verb }, sorted(names)));
            }
        }
        Summary {
            successful: self.successful,
            aborted: sorted(&mut self.aborted),
            skipped: sorted(&mut self.skipped),
            flaky: std::mem::take(&mut self.flaky).into_iter().collect(),
            failed,
            error,
            interrupted: false,
        }
    }
}
