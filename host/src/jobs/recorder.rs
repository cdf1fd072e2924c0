//! A run in the history: what of its events is written into the books, as it happens.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use runner_core::id::Timestamp;
use runner_core::schedule::{Level, Verb};

use super::events::{
    Event, JobFacts, JobResult, Listener, Millis, Scene, Summary, What, WorkerNumber, verb_word,
};
use super::logs;
use crate::history::{Beginning, Change, History, NewResult, NewTask, TaskEnd, Writer, outcome};

/// The kind of these records.
pub const KIND: &str = "spread";

/// Of what a script said that failed so much is kept: its end.
const DETAIL: usize = 4096;

/// See the module.
pub struct Recorder {
    history: History,
    place: PathBuf,
    /// Where log files are written, if they are.
    logs: Option<PathBuf>,
    writer: Option<Writer>,
    /// Milliseconds of the phases of the attempt that each job is at.
    took: HashMap<usize, u64>,
    killed: HashSet<WorkerNumber>,
}

impl Recorder {
    /// For a project in this place.
    pub fn new(history: History, place: PathBuf, logs: Option<PathBuf>) -> Self {
        Self {
            history,
            place,
            logs,
            writer: None,
            took: HashMap::new(),
            killed: HashSet::new(),
        }
    }

    fn tell(&self, change: Change) {
        if let Some(writer) = &self.writer {
            writer.tell(change);
        }
    }

    fn script_ended(
        &mut self,
        scene: &Scene,
        passed: bool,
        output: &[u8],
        took: Millis,
        at: Timestamp,
    ) {
        let killed = self.killed.remove(&scene.worker);
        let status = match (passed, killed) {
            (true, _) => outcome::PASSED,
            (false, true) => "timeout",
            (false, false) => outcome::FAILED,
        };
        let started = Timestamp(at.0.saturating_sub(i64::try_from(took.0).unwrap_or(0)));
        let result = NewResult {
            scope: scene.name.clone(),
            phase: verb_word(scene.verb).to_owned(),
            attempt: scene.attempt,
            target: scene.system.clone(),
            machine: scene.machine.clone(),
            status: status.to_owned(),
            started,
            took: took.0,
            detail: (!passed).then(|| tail(output)),
        };
        let task = own(scene).map(|job| {
            let sum = self.took.entry(job).or_default();
            *sum += took.0;
            (job, *sum)
        });
        self.tell(Change::Phase { task, result });
        if let Some(directory) = &self.logs {
            let path = directory.join(logs::file_name(scene));
            self.attach(own(scene), "log", &path);
        }
    }

    fn attach(&self, task: Option<usize>, kind: &'static str, path: &Path) {
        self.tell(Change::Attached {
            task,
            kind,
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        });
    }
}

impl Listener for Recorder {
    fn on(&mut self, event: &Event) {
        let at = event.at;
        match &event.what {
            What::RunStarted {
                project,
                jobs,
                quarantined,
                ..
            } => {
                let left_out = quarantined.iter().map(|one| &one.job);
                let tasks = jobs.iter().chain(left_out).map(task).collect();
                let beginning = Beginning {
                    kind: KIND,
                    project: project.clone(),
                    place: self.place.clone(),
                };
                self.writer = Some(self.history.begin(beginning, tasks));
                for (number, one) in quarantined.iter().enumerate() {
                    let end = TaskEnd {
                        outcome: outcome::QUARANTINED.into(),
                        detail: Some(one.reason.clone()),
                        attempts: 1,
                        at,
                    };
                    let task = jobs.len() + number;
                    self.tell(Change::TaskEnded { task, end });
                }
            }
            What::ScriptStarted { scene, .. } => {
                if let Some(task) = own(scene) {
                    if matches!(scene.verb, Verb::Prepare) {
                        self.took.remove(&task);
                    }
                    self.tell(Change::TaskStarted { task, at });
                }
            }
            What::Retrying { scene, .. } => {
                // Its restore still belongs to it, and is no part of the next one.
                if let Some(task) = own(scene) {
                    self.took.remove(&task);
                }
            }
            What::Killed { scene, .. } => {
                self.killed.insert(scene.worker);
            }
            What::ScriptEnded {
                scene,
                passed,
                output,
                took,
            } => self.script_ended(scene, *passed, output, *took, at),
            What::Leaked { scene, changes } => {
                let result = NewResult {
                    scope: scene.name.clone(),
                    phase: "leak-check".into(),
                    attempt: scene.attempt,
                    target: scene.system.clone(),
                    machine: scene.machine.clone(),
                    status: "changed".into(),
                    started: at,
                    took: 0,
                    detail: Some(changes.join("\n")),
                };
                let took = |job: usize| (job, self.took.get(&job).copied().unwrap_or(0));
                let task = own(scene).map(took);
                self.tell(Change::Phase { task, result });
            }
            What::FetchedArtifacts {
                scene,
                directory,
                files,
            } => {
                for file in files {
                    self.attach(own(scene), "artifact", &Path::new(directory).join(file));
                }
            }
            What::JobEnded {
                job,
                result,
                attempt,
                ..
            } => {
                let end = end(result, *attempt, at);
                self.tell(Change::TaskEnded { task: job.0, end });
            }
            What::RunEnded { summary } => {
                self.tell(ended(summary, at));
                // Everything is written before anybody hears that it is over.
                self.writer = None;
            }
            _ => {}
        }
    }
}

/// The job that a script is of; None for what many jobs share.
fn own(scene: &Scene) -> Option<usize> {
    (scene.level == Level::Task).then_some(scene.job.0)
}

fn task(job: &JobFacts) -> NewTask {
    NewTask {
        name: job.name.clone(),
        target: format!("{}:{}", job.backend, job.system),
        task: job.task.clone(),
        variant: job.variant.clone(),
    }
}

fn end(result: &JobResult, attempts: u32, at: Timestamp) -> TaskEnd {
    let (outcome, detail) = match result {
        JobResult::Passed => (outcome::PASSED, None),
        JobResult::Failed => (outcome::FAILED, None),
        JobResult::Aborted { cause } => (outcome::ABORTED, Some(cause.clone())),
        JobResult::Skipped { reason } => (outcome::SKIPPED, Some(reason.clone())),
    };
    TaskEnd {
        outcome: outcome.to_owned(),
        detail: detail.filter(|detail| !detail.is_empty()),
        attempts,
        at,
    }
}

fn ended(summary: &Summary, at: Timestamp) -> Change {
    let outcome = if summary.interrupted {
        outcome::INTERRUPTED
    } else if summary.is_success() {
        outcome::PASSED
    } else {
        outcome::FAILED
    };
    let detail = summary.error.clone();
    Change::Ended {
        outcome,
        detail,
        at,
    }
}

/// The end of a text, from the beginning of a line if there is one.
fn tail(output: &[u8]) -> String {
    let start = output.len().saturating_sub(DETAIL);
    let mut end = &output[start..];
    if start > 0
        && let Some(line) = end.iter().position(|byte| *byte == b'\n')
    {
        end = &end[line + 1..];
    }
    String::from_utf8_lossy(end).trim_end().to_owned()
}
