//! A run for the tests of reports: one job of each kind, and texts that mean something to every format.

use runner_core::id::Timestamp;
use runner_core::schedule::{Level, Verb};

use crate::jobs::events::{
    FailureClass, JobFacts, JobNumber, JobResult, Millis, Quarantined, Scene, Summary, WorkerNumber,
};
use crate::jobs::tally::{JobTally, Kind, Step, Tally};

/// What breaks out of everything that does not escape it.
pub(super) const NASTY: &str = "+ false\n100% <wrong> & \u{1b}[1m\"so\"::error::";

pub(super) fn facts(task: &str, variant: &str) -> JobFacts {
    let name = match variant {
        "" => format!("b:s-1:{task}"),
        variant => format!("b:s-1:{task}:{variant}"),
    };
    JobFacts {
        name,
        backend: "b".into(),
        system: "s-1".into(),
        suite: "s/".into(),
        task: task.into(),
        variant: variant.into(),
        sample: 0,
    }
}

fn step(level: Level, verb: Verb, job: usize, attempt: u32, passed: bool, output: &str) -> Step {
    let name = match level {
        Level::Task => "b:s-1:s/x",
        Level::Suite => "b:s-1:s/",
        Level::Backend | Level::Project => "b:s-1",
    };
    let scene = Scene {
        worker: WorkerNumber(0),
        system: "b:s-1".into(),
        machine: "m-0".into(),
        level,
        verb,
        name: name.into(),
        job: JobNumber(job),
        attempt,
    };
    Step {
        scene,
        kind: Kind::Script,
        started: Timestamp(1_700_000_001_000),
        ended: Timestamp(1_700_000_002_500),
        took: Millis(1500),
        passed,
        killed: false,
        cut_off: false,
        output: output.into(),
    }
}

/// Passed, failed, aborted, skipped, flaky, in quarantine; and a suite that could not be restored.
pub(super) fn tally() -> Tally {
    let job = |task: &str, variant: &str, result, attempts| JobTally {
        facts: facts(task, variant),
        result: Some(result),
        ended: Some(Timestamp(1_700_000_003_000)),
        attempts,
        machine: Some("m-0".into()),
        leaks: match task {
            "s/good" => vec!["new: process 7 <sleep>".into()],
            _ => Vec::new(),
        },
    };
    let aborted = JobResult::Aborted {
        cause: "b:s-1:s/ <failed>".into(),
    };
    let skipped = JobResult::Skipped {
        reason: "no \"snapd\" & more".into(),
    };
    let class = |level, verb| FailureClass { level, verb };
    Tally {
        project: "demo & <co>".into(),
        started: Some(Timestamp(1_700_000_000_000)),
        ended: Some(Timestamp(1_700_000_010_000)),
        jobs: vec![
            job("s/good", "v", JobResult::Passed, 1),
            job("s/bad", "", JobResult::Failed, 1),
            job("s/late", "", aborted, 1),
            job("s/left", "", skipped, 1),
            job("s/flaky", "", JobResult::Passed, 2),
        ],
        quarantined: vec![Quarantined {
            job: facts("s/known", ""),
            reason: "races <always> (until 2026-12-31)".into(),
        }],
        steps: vec![
            step(Level::Task, Verb::Prepare, 0, 1, true, ""),
            step(Level::Task, Verb::Execute, 0, 1, true, "fine"),
            step(Level::Task, Verb::Execute, 1, 1, false, NASTY),
            step(Level::Task, Verb::Debug, 1, 1, true, "debugged"),
            step(Level::Task, Verb::Restore, 1, 1, false, "no restore"),
            step(Level::Task, Verb::Execute, 4, 1, false, "once\n\n\n\nonly"),
            step(Level::Task, Verb::Execute, 4, 2, true, ""),
            step(Level::Suite, Verb::Restore, 4, 1, false, "suite\n\n\nstays"),
        ],
        summary: Summary {
            successful: 2,
            aborted: vec!["b:s-1:s/late".into()],
            skipped: vec!["b:s-1:s/left".into()],
            failed: vec![
                (
                    class(Level::Task, Verb::Execute),
                    vec!["b:s-1:s/bad".into()],
                ),
                (
                    class(Level::Task, Verb::Restore),
                    vec!["b:s-1:s/bad".into()],
                ),
                (class(Level::Suite, Verb::Restore), vec!["b:s-1:s/".into()]),
            ],
            flaky: vec!["b:s-1:s/flaky".into()],
            error: None,
            interrupted: false,
        },
    }
}
