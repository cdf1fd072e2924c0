//! A whole run in memory, for reports that are written once it is over: jobs, the scripts of each, and how all of it ended.
//!
//! Of what scripts say only so much is kept that a run of many thousand jobs fits.

use std::collections::{BTreeMap, HashMap};

use runner_core::id::Timestamp;
use runner_core::schedule::{Level, Verb};

use super::events::{
    Event, JobFacts, JobResult, Listener, Millis, Quarantined, Scene, Summary, What, WorkerNumber,
};

/// Of a script that failed, at its beginning and at its end.
const FAILED: usize = 64 << 10;
/// The same of one that passed.
const PASSED: usize = 4 << 10;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub project: String,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub jobs: Vec<JobTally>,
    pub quarantined: Vec<Quarantined>,
    /// In the order in which they ended.
    pub steps: Vec<Step>,
    pub summary: Summary,
}

/// A job.
#[derive(Clone, Debug)]
pub struct JobTally {
    pub facts: JobFacts,
    /// None: nobody knows yet.
    pub result: Option<JobResult>,
    pub ended: Option<Timestamp>,
    pub attempts: u32,
    pub machine: Option<String>,
    /// What it left on its machine, where that was looked at.
    pub leaks: Vec<String>,
}

/// A script, or a look whether something shall be left out.
#[derive(Clone, Debug)]
pub struct Step {
    pub scene: Scene,
    pub kind: Kind,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub took: Millis,
    pub passed: bool,
    /// It was killed because it took too long.
    pub killed: bool,
    /// The run ended in the middle of it: how it would have ended nobody knows.
    pub cut_off: bool,
    /// What it said, as text.
    pub output: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Script,
    Check,
}

impl JobTally {
    /// It worked, but not at first.
    pub fn is_flaky(&self) -> bool {
        self.attempts > 1 && self.result == Some(JobResult::Passed)
    }
}

impl Tally {
    /// The scripts of a job.
    pub fn of_job(&self, job: usize) -> impl Iterator<Item = &Step> {
        let own = move |step: &&Step| {
            step.scene.level == Level::Task && step.scene.job.0 == job && step.kind == Kind::Script
        };
        self.steps.iter().filter(own)
    }

    /// The scripts of all jobs by the number of the job, for who wants them all.
    pub fn by_job(&self) -> HashMap<usize, Vec<&Step>> {
        let mut all: HashMap<usize, Vec<&Step>> = HashMap::new();
        for step in &self.steps {
            if step.scene.level == Level::Task && step.kind == Kind::Script {
                all.entry(step.scene.job.0).or_default().push(step);
            }
        }
        all
    }

    /// Scripts that belong to no job and failed.
    pub fn failed_around(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| {
            !step.passed
                && !step.cut_off
                && step.scene.level != Level::Task
                && step.scene.verb != Verb::Debug
        })
    }

    /// The failed script that the result of a job comes from: of its last attempt, and no restore.
    pub fn cause<'a>(steps: &[&'a Step]) -> Option<&'a Step> {
        let counts = |step: &&&Step| {
            !step.passed && matches!(step.scene.verb, Verb::Prepare | Verb::Execute)
        };
        steps.iter().rev().find(counts).copied()
    }

    /// Of all scripts of its last attempt.
    pub fn took(steps: &[&Step]) -> Millis {
        let last = steps.iter().map(|step| step.scene.attempt).max();
        let own = steps.iter().filter(|step| Some(step.scene.attempt) == last);
        Millis(own.map(|step| step.took.0).sum())
    }

    /// How many jobs came to this.
    pub fn count(&self, is: impl Fn(&JobTally) -> bool) -> usize {
        self.jobs.iter().filter(|job| is(job)).count()
    }

    /// How long all of it took.
    pub fn span(&self) -> Millis {
        let (Some(from), Some(to)) = (self.started, self.ended) else {
            return Millis(0);
        };
        Millis(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
    }
}

/// A script that has not ended yet.
struct Running {
    scene: Scene,
    started: Timestamp,
    /// What it said: the beginning, and of the rest the end.
    output: Vec<u8>,
    /// Bytes that are not kept between the two.
    left_out: usize,
}

impl Running {
    fn said(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
        // Now and then, so that what is kept is not moved for each piece.
        if self.output.len() > 4 * FAILED {
            let more = self.output.len() - 2 * FAILED;
            self.output.drain(FAILED..FAILED + more);
            self.left_out += more;
        }
    }

    /// What is known of it when the run ends in the middle of it.
    fn cut_off(self, at: Timestamp) -> Step {
        let took = u64::try_from(at.0.saturating_sub(self.started.0)).unwrap_or(0);
        Step {
            scene: self.scene,
            kind: Kind::Script,
            started: self.started,
            ended: at,
            took: Millis(took),
            passed: false,
            killed: false,
            cut_off: true,
            output: shortened_by(&self.output, FAILED, self.left_out),
        }
    }
}

/// Who wants it, once it is over.
pub type Reader = Box<dyn FnOnce(&Tally) + Send>;

/// Makes a tally of what it hears.
pub struct Collector {
    tally: Tally,
    checking: HashMap<WorkerNumber, (Scene, Timestamp)>,
    running: BTreeMap<WorkerNumber, Running>,
    killed: HashMap<WorkerNumber, ()>,
    readers: Vec<Reader>,
}

impl Collector {
    /// For these readers, in their order.
    pub fn new(readers: Vec<Reader>) -> Self {
        Self {
            tally: Tally::default(),
            checking: HashMap::new(),
            running: BTreeMap::new(),
            killed: HashMap::new(),
            readers,
        }
    }

    fn checked(&mut self, worker: WorkerNumber, at: Timestamp) {
        if let Some((scene, started)) = self.checking.remove(&worker) {
            let took = u64::try_from(at.0.saturating_sub(started.0)).unwrap_or(0);
            self.tally.steps.push(Step {
                scene,
                kind: Kind::Check,
                started,
                ended: at,
                took: Millis(took),
                passed: true,
                killed: false,
                cut_off: false,
                output: String::new(),
            });
        }
    }
}

impl Listener for Collector {
    fn on(&mut self, event: &Event) {
        let at = event.at;
        match &event.what {
            What::RunStarted {
                project,
                jobs,
                quarantined,
                ..
            } => {
                self.tally.project.clone_from(project);
                self.tally.started = Some(at);
                self.tally.quarantined.clone_from(quarantined);
                let job = |facts: &JobFacts| JobTally {
                    facts: facts.clone(),
                    result: None,
                    ended: None,
                    attempts: 1,
                    machine: None,
                    leaks: Vec::new(),
                };
                self.tally.jobs = jobs.iter().map(job).collect();
            }
            What::Checking { scene } => {
                self.checking.insert(scene.worker, (scene.clone(), at));
            }
            What::Skipping { scene, .. } => self.checked(scene.worker, at),
            What::ScriptStarted { scene, .. } => {
                self.checked(scene.worker, at);
                let running = Running {
                    scene: scene.clone(),
                    started: at,
                    output: Vec::new(),
                    left_out: 0,
                };
                self.running.insert(scene.worker, running);
                if scene.level == Level::Task
                    && let Some(job) = self.tally.jobs.get_mut(scene.job.0)
                {
                    job.machine = Some(scene.machine.clone());
                }
            }
            What::Output { worker, bytes } => {
                if let Some(running) = self.running.get_mut(worker) {
                    running.said(bytes);
                }
            }
            What::Killed { scene, .. } => {
                self.killed.insert(scene.worker, ());
            }
            What::ScriptEnded {
                scene,
                passed,
                output,
                took,
            } => {
                let span = i64::try_from(took.0).unwrap_or(0);
                let killed = self.killed.remove(&scene.worker).is_some();
                self.running.remove(&scene.worker);
                self.tally.steps.push(Step {
                    scene: scene.clone(),
                    kind: Kind::Script,
                    started: Timestamp(at.0.saturating_sub(span)),
                    ended: at,
                    took: *took,
                    passed: *passed,
                    killed,
                    cut_off: false,
                    output: shortened(output, if *passed { PASSED } else { FAILED }),
                });
            }
            What::JobEnded {
                job,
                result,
                attempt,
                ..
            } => {
                if let Some(job) = self.tally.jobs.get_mut(job.0) {
                    job.result = Some(result.clone());
                    job.attempts = *attempt;
                    job.ended = Some(at);
                }
            }
            What::Leaked { scene, changes } => {
                if let Some(job) = self.tally.jobs.get_mut(scene.job.0) {
                    job.leaks.clone_from(changes);
                }
            }
            What::RunEnded { summary } => {
                self.tally.ended = Some(at);
                self.tally.summary = summary.clone();
                let cut_off = std::mem::take(&mut self.running).into_values();
                self.tally.steps.extend(cut_off.map(|one| one.cut_off(at)));
                for reader in self.readers.drain(..) {
                    reader(&self.tally);
                }
            }
            _ => {}
        }
    }
}

/// Its beginning and its end, each of at most so many bytes.
fn shortened(output: &[u8], most: usize) -> String {
    shortened_by(output, most, 0)
}

/// The same, where so many bytes were left out already, behind the first `most`.
fn shortened_by(output: &[u8], most: usize, left_out: usize) -> String {
    let output = output.trim_ascii_end();
    if left_out == 0 && output.len() <= 2 * most {
        return String::from_utf8_lossy(output).into_owned();
    }
    let left_out = left_out + output.len().saturating_sub(2 * most);
    let most = most.min(output.len());
    let start = String::from_utf8_lossy(&output[..most]);
    let end = String::from_utf8_lossy(&output[most.max(output.len() - most)..]);
    format!("{start}\n(... {left_out} bytes left out here ...)\n{end}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::jobs::events::JobNumber;

    #[test]
    fn what_the_run_ended_in_the_middle_of_is_kept() {
        let told = Arc::new(Mutex::new(Tally::default()));
        let into = Arc::clone(&told);
        let reader: Reader = Box::new(move |tally| *into.lock().unwrap() = tally.clone());
        let mut collector = Collector::new(vec![reader]);
        let scene = Scene {
            worker: WorkerNumber(0),
            system: "b:s-1".into(),
            machine: "m-0".into(),
            level: Level::Task,
            verb: Verb::Execute,
            name: "b:s-1:s/t".into(),
            job: JobNumber(0),
            attempt: 1,
        };
        let mut tell = |at, what| {
            collector.on(&Event {
                at: Timestamp(at),
                what,
            });
        };
        tell(
            1000,
            What::ScriptStarted {
                scene,
                number: None,
            },
        );
        let said = |bytes: &[u8]| What::Output {
            worker: WorkerNumber(0),
            bytes: bytes.into(),
        };
        tell(1001, said(b"first\n"));
        for _ in 0..200 {
            tell(1002, said(&[b'x'; 4096]));
        }
        tell(1003, said(b"\nlast\n"));
        let summary = Summary::default();
        tell(4000, What::RunEnded { summary });
        let tally = told.lock().unwrap().clone();
        let [step] = &tally.steps[..] else {
            panic!("{:?}", tally.steps)
        };
        assert_eq!(
            (step.cut_off, step.passed, step.took),
            (true, false, Millis(3000))
        );
        assert!(step.output.starts_with("first\nxxx"));
        assert!(step.output.ends_with("xxx\nlast"));
        let left_out = 6 + 200 * 4096 + 5 - 2 * FAILED;
        let told = format!("\n(... {left_out} bytes left out here ...)\n");
        assert!(step.output.contains(&told), "{left_out}");
        assert!(step.output.len() < 2 * FAILED + 100);
    }
}
