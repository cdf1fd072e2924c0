//! Records as tables and as JSON: runs, the tasks of one, a task over many.

use jiff::tz::TimeZone;
use runner_core::id::Timestamp;
use serde_json::{Value, json};

use super::table::Table;
use super::{escape, time};
use crate::history::{RecordResult, RecordRow, RecordTask, TaskHistory, Whole, outcome as word};

/// Of a revision so much is shown.
const REVISION: usize = 10;
/// Lines of what a failed phase said.
const LINES: usize = 20;

/// Outcomes in the order in which they matter.
const ORDER: [&str; 7] = [
    word::FAILED,
    word::ABORTED,
    word::INTERRUPTED,
    "",
    word::SKIPPED,
    word::QUARANTINED,
    word::PASSED,
];

/// Runs, in the order given.
pub fn records_table(records: &[RecordRow], zone: &TimeZone) -> String {
    let mut table = Table::new([
        "run", "started", "took", "project", "revision", "jobs", "passed", "failed", "aborted",
        "flaky", "outcome",
    ]);
    for one in records {
        let count = |outcome| count(one, outcome).to_string();
        table.row([
            one.id.0.to_string(),
            time::local(one.started_at, zone),
            one.ended_at
                .map(|ended| time::span(one.started_at, ended))
                .unwrap_or_default(),
            one.project.clone(),
            revision(one.revision.as_deref(), one.modified),
            one.tasks.to_string(),
            count(word::PASSED),
            count(word::FAILED),
            unfinished(one).to_string(),
            one.flaky.to_string(),
            outcome(one.outcome.as_deref()).to_owned(),
        ]);
    }
    table.render()
}

/// Aborted, and what nobody knows the end of.
fn unfinished(record: &RecordRow) -> u64 {
    count(record, word::ABORTED) + count(record, word::INTERRUPTED)
}

fn count(record: &RecordRow, outcome: &str) -> u64 {
    let found = record.outcomes.iter().find(|(of, _)| of == outcome);
    found.map_or(0, |(_, count)| *count)
}

/// Nothing is said of what still runs, but that it does.
fn outcome(known: Option<&str>) -> &str {
    known.unwrap_or("running")
}

fn revision(revision: Option<&str>, modified: bool) -> String {
    let Some(revision) = revision else {
        return String::new();
    };
    let short = revision.get(..REVISION).unwrap_or(revision);
    if modified {
        format!("{short}+")
    } else {
        short.to_owned()
    }
}

/// Runs as JSON, times in UTC.
pub fn records_json(records: &[RecordRow]) -> Value {
    json!({ "records": records.iter().map(record_json).collect::<Vec<_>>() })
}

fn record_json(one: &RecordRow) -> Value {
    let outcomes: serde_json::Map<String, Value> = one
        .outcomes
        .iter()
        .map(|(outcome, count)| (outcome.clone(), (*count).into()))
        .collect();
    json!({
        "id": one.id.0,
        "kind": one.kind,
        "project": one.project,
        "place": one.place,
        "revision": one.revision,
        "modified": one.modified,
        "owner": serde_json::from_str::<Value>(&one.owner).unwrap_or_default(),
        "started": time::rfc3339(one.started_at),
        "ended": one.ended_at.map(time::rfc3339),
        "outcome": outcome(one.outcome.as_deref()),
        "detail": one.detail,
        "tasks": one.tasks,
        "outcomes": outcomes,
        "flaky": one.flaky,
    })
}

/// A task over records, in the order given.
pub fn history_table(all: &[TaskHistory], zone: &TimeZone) -> String {
    let mut table = Table::new([
        "run", "started", "revision", "system", "task", "outcome", "took", "detail",
    ]);
    for one in all {
        let task = &one.task;
        table.row([
            task.record.0.to_string(),
            time::local(task.started_at.unwrap_or(one.record_started_at), zone),
            revision(one.revision.as_deref(), one.modified),
            task.target.clone(),
            short_name(task),
            told(task),
            took(task.took),
            detail(task),
        ]);
    }
    table.render()
}

/// The same as JSON.
pub fn history_json(all: &[TaskHistory]) -> Value {
    let all: Vec<Value> = all
        .iter()
        .map(|one| {
            let mut value = task_json(&one.task);
            value["record"] = one.task.record.0.into();
            value["revision"] = one.revision.clone().into();
            value["modified"] = one.modified.into();
            value
        })
        .collect();
    json!({ "history": all })
}

/// The name without what it is run on.
fn short_name(task: &RecordTask) -> String {
    let rest = task.name.strip_prefix(&task.target);
    let rest = rest.and_then(|rest| rest.strip_prefix(':'));
    rest.unwrap_or(&task.name).to_owned()
}

fn told(task: &RecordTask) -> String {
    let known = task.outcome.as_deref();
    if is_flaky(task) {
        return format!("flaky ({} attempts)", task.attempts);
    }
    let text = match known {
        None if task.started_at.is_none() => "waiting",
        known => outcome(known),
    };
    text.to_owned()
}

fn is_flaky(task: &RecordTask) -> bool {
    task.outcome.as_deref() == Some(word::PASSED) && task.attempts > 1
}

fn took(took: Option<u64>) -> String {
    took.map_or_else(String::new, |took| {
        time::span(
            Timestamp(0),
            Timestamp(i64::try_from(took).unwrap_or(i64::MAX)),
        )
    })
}

fn detail(task: &RecordTask) -> String {
    match (&task.detail, task.failed_phases.is_empty()) {
        (Some(detail), _) => detail.clone(),
        (None, false) => {
            let words = task.failed_phases.iter().map(|phase| match phase.as_str() {
                "leak-check" => "something leaked".to_owned(),
                phase => format!("{phase} failed"),
            });
            words.collect::<Vec<_>>().join(", ")
        }
        (None, true) => String::new(),
    }
}

fn task_json(task: &RecordTask) -> Value {
    json!({
        "name": task.name,
        "target": task.target,
        "task": task.task,
        "variant": task.variant,
        "started": task.started_at.map(time::rfc3339),
        "ended": task.ended_at.map(time::rfc3339),
        "outcome": task.outcome,
        "detail": task.detail,
        "attempts": task.attempts,
        "flaky": is_flaky(task),
        "took-ms": task.took,
        "failed-phases": task.failed_phases,
    })
}

/// One run: what it was, then its tasks, the bad ones first.
pub fn run(whole: &Whole, zone: &TimeZone) -> String {
    let record = &whole.record;
    let mut out = format!(
        "run {} of {}, {}, {}{}\n\n",
        record.id.0,
        escape::line(&record.project),
        time::local(record.started_at, zone),
        outcome(record.outcome.as_deref()),
        match revision(record.revision.as_deref(), record.modified) {
            none if none.is_empty() => String::new(),
            revision => format!(", revision {revision}"),
        },
    );
    if let Some(detail) = &record.detail {
        out.push_str(&format!("{}\n\n", escape::block(detail, "  ")));
    }
    let mut tasks: Vec<&RecordTask> = whole.tasks.iter().collect();
    tasks.sort_by_key(|task| {
        let outcome = task.outcome.as_deref().unwrap_or("");
        ORDER.iter().position(|one| *one == outcome)
    });
    let mut table = Table::new(["system", "task", "outcome", "took", "detail"]);
    for task in tasks {
        table.row([
            task.target.clone(),
            short_name(task),
            told(task),
            took(task.took),
            detail(task),
        ]);
    }
    out.push_str(&table.render());
    let shared = |result: &&RecordResult| result.task.is_none() && result.result.detail.is_some();
    for one in whole.results.iter().filter(shared) {
        out.push_str(&said(one));
    }
    out
}

/// Tasks of one run: every phase, what failed ones said, and files.
pub fn phases(whole: &Whole, zone: &TimeZone) -> String {
    let mut table = Table::new([
        "started", "took", "task", "phase", "attempt", "machine", "status",
    ]);
    for RecordResult { result, .. } in &whole.results {
        table.row([
            time::local(result.started, zone),
            took(Some(result.took)),
            result.scope.clone(),
            result.phase.clone(),
            result.attempt.to_string(),
            result.machine.clone(),
            result.status.clone(),
        ]);
    }
    let mut out = table.render();
    for one in &whole.results {
        if one.result.detail.is_some() {
            out.push_str(&said(one));
        }
    }
    if !whole.attachments.is_empty() {
        let mut table = Table::new(["kind", "size", "file"]);
        for file in &whole.attachments {
            let file = &file.attachment;
            table.row([file.kind.as_str(), &file.size.to_string(), &file.path]);
        }
        out.push_str(&format!("\n{}", table.render()));
    }
    out
}

/// The end of what a phase said.
fn said(one: &RecordResult) -> String {
    let result = &one.result;
    let detail = result.detail.as_deref().unwrap_or_default();
    let lines: Vec<&str> = detail.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    let mut out = format!(
        "\n{} of {}: {}\n",
        result.phase,
        escape::line(&result.scope),
        result.status
    );
    if from > 0 {
        out.push_str(&format!("  (... {from} lines above ...)\n"));
    }
    for line in &lines[from..] {
        out.push_str(&format!("  {}\n", escape::line(line)));
    }
    out
}

/// One run with everything in it.
pub fn run_json(whole: &Whole) -> Value {
    let mut value = record_json(&whole.record);
    let phases = |task: Option<i64>| -> Vec<Value> {
        let of = whole.results.iter().filter(|one| one.task == task);
        of.map(|RecordResult { result, .. }| {
            json!({
                "scope": result.scope,
                "phase": result.phase,
                "attempt": result.attempt,
                "target": result.target,
                "machine": result.machine,
                "status": result.status,
                "started": time::rfc3339(result.started),
                "took-ms": result.took,
                "detail": result.detail,
            })
        })
        .collect()
    };
    let files = |task: Option<i64>| -> Vec<Value> {
        let of = whole.attachments.iter().filter(|one| one.task == task);
        of.map(|one| {
            let file = &one.attachment;
            json!({ "kind": file.kind, "path": file.path, "size": file.size, "digest": file.digest })
        })
        .collect()
    };
    let tasks: Vec<Value> = whole
        .tasks
        .iter()
        .map(|task| {
            let mut value = task_json(task);
            value["phases"] = phases(Some(task.id)).into();
            value["attachments"] = files(Some(task.id)).into();
            value
        })
        .collect();
    value["task-list"] = tasks.into();
    value["phases"] = phases(None).into();
    value["attachments"] = files(None).into();
    value
}
