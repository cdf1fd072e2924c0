//! The live view of a run: a line for each worker, one for the whole with an estimate, and what stays on the screen above them.
//!
//! Knows nothing of terminals: events in, lines out.

use std::collections::{BTreeMap, HashMap};

use runner_core::id::Timestamp;
use runner_core::schedule::{Level, Verb};

use super::lines::took;
use crate::jobs::events::{
    Event, JobFacts, JobResult, Late, Scene, ShellWhy, Summary, What, WorkerNumber, class_words,
    verb_word,
};
use crate::report::escape;

/// Of what a script said that failed so many lines stay on the screen; all of it is in the logs and reports.
const LINES: usize = 60;

/// See the module.
#[derive(Debug, Default)]
pub struct View {
    /// Milliseconds that jobs usually take, by name.
    known: HashMap<String, u64>,
    jobs: Vec<Expected>,
    done: usize,
    bad: usize,
    skipped: usize,
    started: Option<Timestamp>,
    workers: BTreeMap<WorkerNumber, Post>,
    loads: HashMap<String, Load>,
    /// Jobs that ended in this run: how many, and how long they took.
    measured: (u64, u64),
    packed: Option<u64>,
    stopping: bool,
}

#[derive(Debug)]
struct Expected {
    system: String,
    took: Option<u64>,
    over: bool,
}

/// What is left to do on one system.
#[derive(Debug, Default)]
struct Load {
    known: u64,
    unknown: u64,
    workers: u64,
}

#[derive(Debug)]
struct Post {
    system: String,
    machine: String,
    doing: String,
    since: Timestamp,
    job_since: Option<Timestamp>,
}

impl View {
    /// With what the history knows.
    pub fn new(known: HashMap<String, u64>) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// What stays on the screen because of this, each without a line break at its end.
    pub fn on(&mut self, event: &Event) -> Vec<String> {
        let at = event.at;
        match &event.what {
            What::RunStarted { jobs, .. } => {
                self.started = Some(at);
                self.jobs = jobs.iter().map(|job| self.expected(job)).collect();
            }
            What::Packed { bytes, .. } => self.packed = Some(*bytes),
            What::WorkerStarted { worker, system } => {
                self.loads.entry(system.clone()).or_default().workers += 1;
                self.workers.insert(
                    *worker,
                    Post {
                        system: system.clone(),
                        machine: String::new(),
                        doing: "starting".into(),
                        since: at,
                        job_since: None,
                    },
                );
            }
            What::Allocating { worker, .. } => self.doing(*worker, "allocating", at),
            What::Allocated {
                worker, machine, ..
            }
            | What::Reusing {
                worker, machine, ..
            } => {
                if let Some(post) = self.workers.get_mut(worker) {
                    post.machine.clone_from(machine);
                }
            }
            What::Connecting { worker, .. } => self.doing(*worker, "connecting", at),
            What::Sending { worker, .. } => self.doing(*worker, "sending the project", at),
            What::Discarding { worker, .. } => self.doing(*worker, "discarding", at),
            What::Checking { scene } => self.scene(scene, "check", at),
            What::ScriptStarted { scene, .. } => self.scene(scene, verb_word(scene.verb), at),
            What::Rebooting { scene } => self.scene(scene, "reboot", at),
            What::FetchingArtifacts { scene } => self.scene(scene, "artifacts", at),
            What::JobEnded { job, result, .. } => self.job_ended(job.0, result, at, &event.what),
            What::WorkerEnded { worker, .. } => {
                if let Some(post) = self.workers.remove(worker)
                    && let Some(load) = self.loads.get_mut(&post.system)
                {
                    load.workers = load.workers.saturating_sub(1);
                }
            }
            What::Stopping { .. } => self.stopping = true,
            _ => {}
        }
        permanent(&event.what)
    }

    fn expected(&mut self, job: &JobFacts) -> Expected {
        let system = format!("{}:{}", job.backend, job.system);
        let took = self.known.get(&job.name).copied();
        let load = self.loads.entry(system.clone()).or_default();
        match took {
            Some(took) => load.known += took,
            None => load.unknown += 1,
        }
        Expected {
            system,
            took,
            over: false,
        }
    }

    fn doing(&mut self, worker: WorkerNumber, what: &str, at: Timestamp) {
        if let Some(post) = self.workers.get_mut(&worker) {
            what.clone_into(&mut post.doing);
            post.since = at;
        }
    }

    fn scene(&mut self, scene: &Scene, what: &str, at: Timestamp) {
        let attempt = match scene.attempt {
            1 => String::new(),
            attempt => format!(" (attempt {attempt})"),
        };
        let name = escape::line(&scene.name);
        let name = name.strip_prefix(&*scene.system).unwrap_or(&name);
        let text = format!("{what:<9} {}{attempt}", name.trim_start_matches(':'));
        self.doing(scene.worker, text.trim_end(), at);
        if scene.level == Level::Task
            && matches!(scene.verb, Verb::Prepare | Verb::Execute)
            && let Some(post) = self.workers.get_mut(&scene.worker)
        {
            post.job_since.get_or_insert(at);
        }
    }

    fn job_ended(&mut self, job: usize, result: &JobResult, at: Timestamp, what: &What) {
        let Some(expected) = self.jobs.get_mut(job) else {
            return;
        };
        // With `--repeat` a job ends several times.
        if std::mem::replace(&mut expected.over, true) {
            return;
        }
        self.done += 1;
        match result {
            JobResult::Failed | JobResult::Aborted { .. } => self.bad += 1,
            JobResult::Skipped { .. } => self.skipped += 1,
            JobResult::Passed => {}
        }
        if let Some(load) = self.loads.get_mut(&expected.system) {
            match expected.took {
                Some(took) => load.known = load.known.saturating_sub(took),
                None => load.unknown = load.unknown.saturating_sub(1),
            }
        }
        if let What::JobEnded {
            worker: Some(worker),
            ..
        } = what
            && let Some(post) = self.workers.get_mut(worker)
            && let Some(since) = post.job_since.take()
            && matches!(result, JobResult::Passed | JobResult::Failed)
        {
            self.measured.0 += 1;
            self.measured.1 += span(since, at);
        }
    }

    /// A line for each worker, as wide as it is.
    pub fn workers(&self, now: Timestamp) -> Vec<String> {
        let widest = self
            .workers
            .values()
            .map(|post| post.system.chars().count())
            .max();
        let widest = widest.unwrap_or(0);
        self.workers
            .values()
            .map(|post| {
                format!(
                    "  {:<widest$}  {:>6}  {}",
                    escape::line(&post.system),
                    took(span(post.since, now)),
                    post.doing,
                )
            })
            .collect()
    }

    /// How far all of it is.
    pub fn total(&self, now: Timestamp) -> String {
        let spent = self.started.map_or(0, |started| span(started, now));
        let mut text = format!("{}/{} jobs", self.done, self.jobs.len());
        if self.bad > 0 {
            text.push_str(&format!(", {} failed or aborted", self.bad));
        }
        if self.skipped > 0 {
            text.push_str(&format!(", {} skipped", self.skipped));
        }
        text.push_str(&format!(", {}", took(spent)));
        if self.stopping {
            text.push_str(", stopping: what runs is finished; once more means now");
        } else if let Some(left) = self.left(now) {
            text.push_str(&format!(", about {} left", took(left)));
        }
        text
    }

    /// The system that takes longest decides. None: nothing is known of how long jobs take.
    fn left(&self, now: Timestamp) -> Option<u64> {
        let (count, sum) = self.measured;
        let average = match sum.checked_div(count) {
            Some(average) => Some(average),
            None => {
                let all = self.known.values();
                all.sum::<u64>().checked_div(self.known.len() as u64)
            }
        };
        let mut longest = 0;
        for (system, load) in &self.loads {
            let unknown = match (load.unknown, average) {
                (0, _) => 0,
                (unknown, Some(average)) => unknown * average,
                (_, None) => return None,
            };
            // What is under way has been worked on already.
            let begun = self.workers.values().filter(|post| post.system == *system);
            let begun: u64 = begun
                .filter_map(|post| Some(span(post.job_since?, now)))
                .sum();
            let work = (load.known + unknown).saturating_sub(begun);
            longest = longest.max(work / load.workers.max(1));
        }
        (longest > 0).then_some(longest)
    }
}

fn span(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

/// What is worth a line that stays.
fn permanent(what: &What) -> Vec<String> {
    let line = match what {
        What::RunStarted { quarantined, .. } if !quarantined.is_empty() => {
            format!("{} in quarantine", quarantined.len())
        }
        What::PackFailed { error } => block("the project cannot be packed:", error),
        What::AllocationFailed {
            system,
            error,
            again,
            ..
        } => {
            let again = if *again { ", again" } else { "" };
            format!("cannot allocate {system}{again}: {}", escape::line(error))
        }
        What::ConnectionFailed { machine, error, .. } => {
            format!("cannot connect to {machine}: {}", escape::line(error))
        }
        What::SendFailed { machine, error, .. } => {
            format!(
                "cannot send the project to {machine}: {}",
                escape::line(error)
            )
        }
        What::Skipping { scene, reason } => {
            format!("skip    {}: {}", scene.name, escape::line(reason))
        }
        What::Late { scene, news } => return late(scene, news),
        What::RebootLate { scene } => format!("late    {} is rebooting", scene.machine),
        What::ScriptEnded {
            scene,
            passed,
            output,
            ..
        } => return ended(scene, *passed, output),
        What::Leaked { scene, changes } => {
            block(&format!("leak    {}", scene.name), &changes.join("\n"))
        }
        What::Retrying { scene, attempt, of } => {
            format!("again   {} (attempt {attempt} of {of})", scene.name)
        }
        What::ShellStarted { scene, why } => {
            let when = match why {
                ShellWhy::Debug => "after the failure of",
                ShellWhy::Before => "before",
                ShellWhy::Instead => "instead of",
                ShellWhy::After => "after",
            };
            format!("a shell {when} {} on {}", scene.name, scene.machine)
        }
        What::ShellEnded {
            error: Some(error), ..
        } => format!("there is no shell: {}", escape::line(error)),
        What::ArtifactsFailed { scene, error } => {
            format!(
                "cannot fetch artifacts of {}: {}",
                scene.name,
                escape::line(error)
            )
        }
        What::JobEnded {
            name,
            result,
            took: time,
            attempt,
            ..
        } => {
            let time = time.map_or_else(String::new, |time| format!("  {}", took(time.0)));
            match result {
                JobResult::Passed if *attempt > 1 => format!("flaky   {name}{time}"),
                JobResult::Passed => format!("ok      {name}{time}"),
                JobResult::Failed => format!("FAILED  {name}{time}"),
                JobResult::Aborted { cause } => {
                    format!("aborted {name}: {}", escape::line(cause))
                }
                JobResult::Skipped { .. } => return Vec::new(),
            }
        }
        What::DiscardFailed { machine, error, .. } => {
            format!("cannot discard {machine}: {}", escape::line(error))
        }
        What::Keeping {
            machine, address, ..
        } => format!("keeping {machine} at {address}"),
        What::LeftBehind {
            machine, address, ..
        } => {
            format!("left    {machine} at {address}; discard it with: runner release {machine}")
        }
        What::Stopping { reason } => format!("stopping: {}", escape::line(reason)),
        What::Note { text } => escape::block(text, "  "),
        What::RunEnded { summary } => return totals(summary),
        _ => return Vec::new(),
    };
    vec![line]
}

fn late(scene: &Scene, news: &Late) -> Vec<String> {
    let head = format!("late    {} {}", verb_word(scene.verb), scene.name);
    match news {
        Late::Nothing => vec![format!("{head}: nothing new")],
        Late::Empty => vec![format!("{head}: no output yet")],
        Late::Output { lines, above, .. } => {
            let mut all = vec![format!("{head}, which said:")];
            if *above > 0 {
                all.push(format!("  (... {above} lines above ...)"));
            }
            all.extend(lines.iter().map(|line| format!("  {}", escape::line(line))));
            all
        }
    }
}

fn ended(scene: &Scene, passed: bool, output: &[u8]) -> Vec<String> {
    let output = String::from_utf8_lossy(output);
    let output = output.trim_end();
    let title = match (scene.verb, passed) {
        (Verb::Debug, true) if output.is_empty() => return Vec::new(),
        (Verb::Debug, true) => format!("debug of {}:", scene.name),
        (_, true) => return Vec::new(),
        (verb, false) => format!("{} of {} failed:", verb_word(verb), scene.name),
    };
    vec![block(&title, output)]
}

fn block(title: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    let mut out = title.to_owned();
    if from > 0 {
        out.push_str(&format!("\n  (... {from} lines above ...)"));
    }
    for line in &lines[from..] {
        out.push_str(&format!("\n  {}", escape::line(line)));
    }
    out
}

fn totals(summary: &Summary) -> Vec<String> {
    let mut all = vec![format!(
        "{} successful, {} aborted, {} skipped",
        summary.successful,
        summary.aborted.len(),
        summary.skipped.len()
    )];
    let mut list = |title: String, names: &[String]| {
        if !names.is_empty() {
            all.push(format!("{title}: {}", names.len()));
            all.extend(names.iter().map(|name| format!("  - {name}")));
        }
    };
    list("flaky".to_owned(), &summary.flaky);
    for (class, names) in &summary.failed {
        list(format!("failed {}", class_words(*class)), names);
    }
    list("aborted".to_owned(), &summary.aborted);
    all
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::jobs::events::{JobNumber, Millis};

    fn scene(job: usize, name: &str) -> Scene {
        Scene {
            worker: WorkerNumber(0),
            system: "b:s-1".into(),
            machine: "m-0".into(),
            level: Level::Task,
            verb: Verb::Execute,
            name: name.into(),
            job: JobNumber(job),
            attempt: 1,
        }
    }

    fn ends(job: usize, name: &str, result: JobResult) -> What {
        What::JobEnded {
            job: JobNumber(job),
            name: name.into(),
            worker: Some(WorkerNumber(0)),
            result,
            took: Some(Millis(4000)),
            attempt: 1,
        }
    }

    #[test]
    fn workers_progress_and_estimate() {
        let known = HashMap::from([("b:s-1:s/a".to_owned(), 10_000)]);
        let mut view = View::new(known);
        let mut tell = |at, what| {
            view.on(&Event {
                at: Timestamp(at),
                what,
            })
        };
        let jobs = vec![
            sample::facts("s/a", ""),
            sample::facts("s/b", ""),
            sample::facts("s/c", ""),
        ];
        tell(
            0,
            What::RunStarted {
                project: "p".into(),
                jobs,
                workers: 1,
                seed: None,
                ordered: false,
                quarantined: Vec::new(),
            },
        );
        let (worker, system) = (WorkerNumber(0), "b:s-1".to_owned());
        tell(0, What::WorkerStarted { worker, system });
        let started = |job, name| What::ScriptStarted {
            scene: scene(job, name),
            number: None,
        };
        tell(1000, started(0, "b:s-1:s/a"));
        let lines = tell(5000, ends(0, "b:s-1:s/a", JobResult::Passed));
        assert_eq!(lines, ["ok      b:s-1:s/a  4.0s"]);
        tell(5000, started(1, "b:s-1:s/b"));
        let lines = tell(
            6000,
            What::ScriptEnded {
                scene: scene(1, "b:s-1:s/b"),
                passed: false,
                output: b"one\n\x1b[1mtwo\n".to_vec(),
                took: Millis(1),
            },
        );
        assert_eq!(
            lines,
            ["execute of b:s-1:s/b failed:\n  one\n  \\x1b[1mtwo"]
        );
        // Two of 4 s each are left, and the first of them was begun a second ago.
        assert_eq!(
            view.total(Timestamp(6000)),
            "1/3 jobs, 6.0s, about 7.0s left"
        );
        assert_eq!(
            view.workers(Timestamp(6000)),
            ["  b:s-1    1.0s  execute   s/b"]
        );
    }
}
