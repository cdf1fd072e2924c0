//! Everything that happens in a run, as one stream of typed events: the ancestor's log, live views, reports and histories are
//! listeners, and nothing else tells anybody anything.
//!
//! An event says what happened and to whom; no event has to be kept to understand another, except that a worker's number
//! stands for what its `WorkerStarted` said.

use std::time::Duration;

use runner_core::id::Timestamp;
use runner_core::schedule::{Level, Verb};
use serde::Serialize;

pub use super::stream::{Listener, Stream};

/// The number of a worker, from 0, unique in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WorkerNumber(pub usize);

/// A job by its place in [`What::RunStarted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct JobNumber(pub usize);

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub at: Timestamp,
    #[serde(flatten)]
    pub what: What,
}

/// A job as listeners need it; the order of the list is the one in which jobs were selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobFacts {
    pub name: String,
    pub backend: String,
    pub system: String,
    pub suite: String,
    pub task: String,
    pub variant: String,
    /// 0 where there is only one.
    pub sample: u32,
}

/// A job that is not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Quarantined {
    #[serde(flatten)]
    pub job: JobFacts,
    pub reason: String,
}

/// What is worked on, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scene {
    pub worker: WorkerNumber,
    /// `BACKEND:SYSTEM`.
    pub system: String,
    /// The machine's label.
    pub machine: String,
    #[serde(serialize_with = "level")]
    pub level: Level,
    #[serde(serialize_with = "verb")]
    pub verb: Verb,
    /// As log lines name it: `BACKEND:SYSTEM` for projects and backends, `BACKEND:SYSTEM:SUITE/`, or the job.
    pub name: String,
    /// The job whose environment it has; the one that it is about, where the level is `Task`.
    pub job: JobNumber,
    /// Of the job, from 1; always 1 for what is no job's.
    pub attempt: u32,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum JobResult {
    Passed,
    /// Its execute script failed.
    Failed,
    /// It could not be run, and why.
    Aborted {
        cause: String,
    },
    Skipped {
        reason: String,
    },
}

/// A moment of an interactive shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShellWhy {
    /// After a failure.
    Debug,
    Before,
    Instead,
    After,
}

/// Of how many there are how many ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Rounds that worked.
    pub successful: usize,
    /// Names of jobs that were never run to an end.
    pub aborted: Vec<String>,
    pub skipped: Vec<String>,
    /// Names by what failed, in the order of the ancestor's summary.
    pub failed: Vec<(FailureClass, Vec<String>)>,
    /// Names of jobs that worked, but not at the first attempt.
    pub flaky: Vec<String>,
    /// What was wrong with the run as a whole, whatever became of its jobs.
    pub error: Option<String>,
    /// It was ended before its end: what was under way was left as it was.
    pub interrupted: bool,
}

impl Summary {
    /// Nothing failed, and nothing was left out that should have been run.
    pub fn is_success(&self) -> bool {
        self.error.is_none() && self.failed.is_empty() && self.aborted.is_empty()
    }
}

/// A class of failures, as the summary groups them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureClass {
    #[serde(serialize_with = "level")]
    pub level: Level,
    #[serde(serialize_with = "verb")]
    pub verb: Verb,
}

/// What happened. Levels and verbs of scripts are in their [`Scene`].
#[derive(Clone, Debug, Serialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum What {
    RunStarted {
        project: String,
        jobs: Vec<JobFacts>,
        /// How many workers there will be.
        workers: usize,
        /// The order follows from it.
        seed: Option<i64>,
        /// There are more jobs than workers, so the order matters.
        ordered: bool,
        /// Jobs that were left out because they are known to fail.
        quarantined: Vec<Quarantined>,
    },
    /// If this process is killed, this is how the machines are discarded: by the number in the reuse file's name.
    Recoverable {
        pid: u32,
    },
    Packed {
        /// Compressed.
        bytes: u64,
        /// What tar had to say without failing.
        warnings: Vec<String>,
    },
    PackFailed {
        error: String,
    },
    WorkerStarted {
        worker: WorkerNumber,
        system: String,
    },
    Allocating {
        worker: WorkerNumber,
        system: String,
    },
    AllocationFailed {
        worker: WorkerNumber,
        system: String,
        error: String,
        /// It is tried again.
        again: bool,
    },
    Allocated {
        worker: WorkerNumber,
        system: String,
        machine: String,
    },
    /// A machine of an earlier run.
    Reusing {
        worker: WorkerNumber,
        system: String,
        machine: String,
    },
    Connecting {
        worker: WorkerNumber,
        system: String,
        machine: String,
    },
    ConnectionFailed {
        worker: WorkerNumber,
        system: String,
        machine: String,
        error: String,
    },
    Connected {
        worker: WorkerNumber,
        system: String,
        machine: String,
        /// Where it is.
        address: String,
    },
    Sending {
        worker: WorkerNumber,
        machine: String,
    },
    /// Sent; so many bytes of so many had to be.
    Sent {
        worker: WorkerNumber,
        machine: String,
        bytes: u64,
        took: Millis,
    },
    SendFailed {
        worker: WorkerNumber,
        machine: String,
        error: String,
    },
    /// What an earlier run sent is still there.
    ReusingData {
        worker: WorkerNumber,
        machine: String,
    },
    RemovingData {
        worker: WorkerNumber,
        machine: String,
        path: String,
    },
    Checking {
        #[serde(flatten)]
        scene: Scene,
    },
    Skipping {
        #[serde(flatten)]
        scene: Scene,
        reason: String,
    },
    ScriptStarted {
        #[serde(flatten)]
        scene: Scene,
        /// Of an execute: in which place of how many.
        number: Option<(usize, usize)>,
    },
    /// As it comes, in pieces of any size.
    Output {
        worker: WorkerNumber,
        #[serde(serialize_with = "lossy")]
        bytes: Vec<u8>,
    },
    /// It takes longer than it should.
    Late {
        #[serde(flatten)]
        scene: Scene,
        news: Late,
    },
    /// It took too long and was killed.
    Killed {
        #[serde(flatten)]
        scene: Scene,
        after: Millis,
    },
    ScriptEnded {
        #[serde(flatten)]
        scene: Scene,
        passed: bool,
        /// All that it printed, or, when it failed, what is to be shown of that: perhaps only the reason it gave.
        #[serde(serialize_with = "lossy")]
        output: Vec<u8>,
        took: Millis,
    },
    Rebooting {
        #[serde(flatten)]
        scene: Scene,
    },
    /// The reboot takes long.
    RebootLate {
        #[serde(flatten)]
        scene: Scene,
    },
    ShellStarted {
        #[serde(flatten)]
        scene: Scene,
        why: ShellWhy,
    },
    ShellEnded {
        #[serde(flatten)]
        scene: Scene,
        /// There was none, and why.
        error: Option<String>,
    },
    FetchingArtifacts {
        #[serde(flatten)]
        scene: Scene,
    },
    FetchedArtifacts {
        #[serde(flatten)]
        scene: Scene,
        directory: String,
        /// Their paths in it.
        files: Vec<String>,
    },
    ArtifactsFailed {
        #[serde(flatten)]
        scene: Scene,
        error: String,
    },
    /// An attempt of a job failed, and there will be another one.
    Retrying {
        #[serde(flatten)]
        scene: Scene,
        /// The attempt that comes, of at most so many.
        attempt: u32,
        of: u32,
    },
    /// After its restore something is not as it was before its prepare.
    Leaked {
        #[serde(flatten)]
        scene: Scene,
        changes: Vec<String>,
    },
    /// A round of a job, or the whole of it, came to this.
    JobEnded {
        job: JobNumber,
        name: String,
        worker: Option<WorkerNumber>,
        #[serde(flatten)]
        result: JobResult,
        /// Of the execute script.
        took: Option<Millis>,
        /// Which attempt this is the end of, from 1.
        attempt: u32,
    },
    Discarding {
        worker: WorkerNumber,
        machine: String,
    },
    DiscardFailed {
        worker: WorkerNumber,
        machine: String,
        error: String,
    },
    Keeping {
        worker: WorkerNumber,
        machine: String,
        address: String,
    },
    /// The run ends now, and this machine stays until somebody gives it back: by its name, or with the next command of anybody's.
    LeftBehind {
        worker: WorkerNumber,
        machine: String,
        address: String,
    },
    WorkerEnded {
        worker: WorkerNumber,
        /// Why it took no more jobs, if that was not for want of them.
        error: Option<String>,
    },
    /// Somebody, or something, ends the run: what runs is finished, and nothing else is begun.
    Stopping {
        reason: String,
    },
    /// Good to know.
    Note {
        text: String,
    },
    RunEnded {
        summary: Summary,
    },
}

/// What is new of a script that runs late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum Late {
    Nothing,
    /// It has printed nothing at all.
    Empty,
    /// The last lines of what it printed since the last warning.
    Output {
        lines: Vec<String>,
        /// So many lines before them were new, too.
        above: usize,
        /// They continue what was shown before.
        continued: bool,
    },
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The word of a level.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Project => "project",
        Level::Backend => "backend",
        Level::Suite => "suite",
        Level::Task => "task",
    }
}

fn level<S: serde::Serializer>(level: &Level, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(level_word(*level))
}

/// The word of a verb.
pub fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Prepare => "prepare",
        Verb::Execute => "execute",
        Verb::Restore => "restore",
        Verb::Debug => "debug",
    }
}

/// How a summary calls a class: `tasks`, `task restore`, `suite prepare`.
pub fn class_words(class: FailureClass) -> String {
    match (class.level, class.verb) {
        (Level::Task, Verb::Execute) => "tasks".to_owned(),
        (level, Verb::Restore) => format!("{} restore", level_word(level)),
        (level, _) => format!("{} prepare", level_word(level)),
    }
}

fn verb<S: serde::Serializer>(verb: &Verb, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(verb_word(*verb))
}

fn lossy<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(bytes))
}
