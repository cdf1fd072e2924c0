//! The JSON report of spread-plus: an item for each script, one for each job that was never run, and counters.
//!
//! What its tools read is as they expect it; `attempt`, `flaky`, `cause` and `quarantined` are more than there.

use jiff::tz::TimeZone;
use runner_core::id::Timestamp;
use runner_core::schedule::{Level, Verb};
use serde_json::{Value, json};

use crate::jobs::events::{JobFacts, JobResult, level_word};
use crate::jobs::tally::{Kind, Step, Tally};

/// The whole report; times are those of this zone, with milliseconds.
pub fn plus(tally: &Tally, zone: &TimeZone) -> Value {
    let mut items: Vec<Value> = tally
        .steps
        .iter()
        .filter(|step| step.scene.verb != Verb::Debug)
        .map(|step| script(tally, step, zone))
        .collect();
    let end = tally.ended.or(tally.started).unwrap_or(Timestamp(0));
    for job in &tally.jobs {
        let (aborted, why) = match &job.result {
            Some(JobResult::Aborted { cause }) => (true, cause.as_str()),
            Some(JobResult::Skipped { reason }) => (false, reason.as_str()),
            None => (true, "the run ended before the job did"),
            Some(JobResult::Passed | JobResult::Failed) => continue,
        };
        let at = moment(job.ended.unwrap_or(end), zone);
        let mut item = without_run(&job.facts, &at, aborted, why);
        item["instance"] = job.machine.clone().unwrap_or_default().into();
        items.push(item);
    }
    for one in &tally.quarantined {
        let mut item = without_run(&one.job, &moment(end, zone), false, &one.reason);
        item["quarantined"] = true.into();
        items.push(item);
    }
    json!({ "items": items, "results": counters(tally) })
}

fn script(tally: &Tally, step: &Step, zone: &TimeZone) -> Value {
    let scene = &step.scene;
    let job = tally.jobs.get(scene.job.0).map(|job| &job.facts);
    let of = |get: fn(&JobFacts) -> &str| job.map(get).unwrap_or_default();
    let (name, variant) = match scene.level {
        Level::Task => (of(|job| &job.task), of(|job| &job.variant)),
        Level::Suite => (of(|job| &job.suite), ""),
        Level::Backend => (of(|job| &job.backend), ""),
        Level::Project => (tally.project.as_str(), ""),
    };
    let verb = match (step.kind, scene.verb) {
        (Kind::Check, _) => "checking",
        (Kind::Script, Verb::Prepare) => "preparing",
        (Kind::Script, Verb::Execute) => "executing",
        (Kind::Script, Verb::Restore) => "restoring",
        (Kind::Script, Verb::Debug) => "debugging",
    };
    let mut item = json!({
        "start": moment(step.started, zone),
        "end": moment(step.ended, zone),
        "verb": verb,
        "backend": of(|job| &job.backend),
        "system": of(|job| &job.system),
        "level": level_word(scene.level),
        "name": name,
        "variant": variant,
        "instance": scene.machine,
        "success": step.passed,
        "aborted": step.cut_off,
        "skipped": false,
        "attempt": scene.attempt,
    });
    let flaky = tally
        .jobs
        .get(scene.job.0)
        .is_some_and(|job| job.is_flaky());
    if scene.level == Level::Task && flaky {
        item["flaky"] = true.into();
    }
    let leaks = tally.jobs.get(scene.job.0).map(|job| &job.leaks);
    if let (Level::Task, Verb::Execute, Some(leaks)) = (scene.level, scene.verb, leaks)
        && !leaks.is_empty()
    {
        item["leaks"] = leaks.clone().into();
    }
    item
}

fn without_run(job: &JobFacts, at: &str, aborted: bool, why: &str) -> Value {
    json!({
        "start": at,
        "end": at,
        "verb": "",
        "backend": job.backend,
        "system": job.system,
        "level": "task",
        "name": job.task,
        "variant": job.variant,
        "instance": "",
        "success": false,
        "aborted": aborted,
        "skipped": !aborted,
        "cause": why,
    })
}

/// Local time, to the millisecond.
fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let local = at.to_zoned(zone.clone());
    local.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn counters(tally: &Tally) -> Value {
    let summary = &tally.summary;
    let failed = |level: Level, verb: Verb| {
        let mut classes = summary.failed.iter();
        let of = classes.find(|(class, _)| (class.level, class.verb) == (level, verb));
        of.map_or(0, |(_, names)| names.len())
    };
    let mut counters = json!({
        "task-passed": summary.successful,
        "task-failed": failed(Level::Task, Verb::Execute),
        "task-aborted": summary.aborted.len(),
        "task-skipped": summary.skipped.len(),
        "task-flaky": summary.flaky.len(),
        "task-quarantined": tally.quarantined.len(),
    });
    for level in [Level::Task, Level::Suite, Level::Backend, Level::Project] {
        for (verb, word) in [(Verb::Prepare, "prepare"), (Verb::Restore, "restore")] {
            let key = format!("{}-{word}-failed", level_word(level));
            counters[key] = failed(level, verb).into();
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn items_and_counters() {
        let report = plus(&sample::tally(), &TimeZone::UTC);
        let items = report["items"].as_array().unwrap();
        let find = |name: &str, verb: &str| {
            items
                .iter()
                .find(|item| item["name"] == name && item["verb"] == verb)
                .unwrap_or_else(|| panic!("no {verb} {name} in {report:#}"))
        };
        let good = find("s/good", "executing");
        assert_eq!(good["start"], "2023-11-14 22:13:21.000");
        assert_eq!(good["end"], "2023-11-14 22:13:22.500");
        assert_eq!(
            (&good["success"], &good["variant"]),
            (&true.into(), &"v".into())
        );
        assert_eq!(good["instance"], "m-0");
        assert_eq!(find("s/bad", "restoring")["success"], false);
        let late = find("s/late", "");
        assert_eq!(
            (&late["aborted"], &late["skipped"]),
            (&true.into(), &false.into())
        );
        assert_eq!(find("s/left", "")["skipped"], true);
        assert_eq!(find("s/known", "")["quarantined"], true);
        assert_eq!(find("s/", "restoring")["level"], "suite");
        assert!(!items.iter().any(|item| item["verb"] == "debugging"));
        let results = &report["results"];
        for (key, count) in [
            ("task-passed", 2),
            ("task-failed", 1),
            ("task-aborted", 1),
            ("task-skipped", 1),
            ("task-restore-failed", 1),
            ("task-prepare-failed", 0),
            ("suite-restore-failed", 1),
            ("backend-prepare-failed", 0),
            ("project-restore-failed", 0),
        ] {
            assert_eq!(results[key], count, "{key}");
        }
    }
}
