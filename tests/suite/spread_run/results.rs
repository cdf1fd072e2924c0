//! What remains of a run: reports in every form, log files, the history, and running again what failed.

use std::path::Path;

use runner_tests::command::Outcome;
use runner_tests::pty::Terminal;
use serde_json::Value;

use super::reuse::{Waiting, waiting};
use super::{Project, log, total};

/// A job of each kind. What `flaky` and `bad` come to is decided by files of the world.
fn project() -> Project {
    let project = Project::new()
        .executes("s/good", "echo fine; echo $API_TOKEN; echo kept > out.txt")
        .executes("s/bad", "echo \"<b>&'\" $API_TOKEN\n[ -e $WORLD/mended ]")
        .executes(
            "s/flaky",
            "[ -e $WORLD/tried ] || { touch $WORLD/tried; exit 3; }",
        )
        .executes("s/known", "false");
    let world = project.env.path("tmp");
    project.top(&format!(
        "environment:\n  WORLD: {}\n  API_TOKEN: '$(HOST: echo hunter2hunter2)'\n",
        world.display()
    ))
}

fn with_artifacts(mut project: Project) -> Project {
    project.tasks[0].1.push_str("artifacts: ['*.txt']\n");
    project
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn results(project: &Project, args: &[&str]) -> Value {
    let call = project.env.runner(["results", "--json"]).args(args);
    call.run().ok().json()
}

#[test]
fn every_report_of_one_run() {
    let project = with_artifacts(project());
    project.env.write(
        "tmp/quarantine.toml",
        "[[quarantine]]\njob = \"s/known\"\nreason = \"a <known> bug\"\n",
    );
    project.write();
    let at = |name: &str| {
        project
            .env
            .path(format!("tmp/{name}"))
            .display()
            .to_string()
    };
    let summary = project.env.path("tmp/summary.md");
    let outcome = project
        .call(&[
            "--order",
            "--retries",
            "1",
            "--quarantine",
            &at("quarantine.toml"),
        ])
        .args([
            "--junit",
            &at("r.xml"),
            "-json",
            &at("r.json"),
            "--html",
            &at("r.html"),
        ])
        .args([
            "--events",
            &at("r.jsonl"),
            "--logs",
            &at("logs"),
            "--artifacts",
            &at("artifacts"),
        ])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_WORKSPACE", project.env.work())
        .run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(total(&outcome, "Flaky tasks"), 1);
    assert!(
        log(&outcome).contains("Retrying local:this-machine:s/flaky ("),
        "{outcome}"
    );
    let out = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(
        out.contains(
            "\n::error file=s/bad/task.yaml,line=3,title=local%3Athis-machine%3As/bad failed::"
        ),
        "{out}"
    );
    // Parsed by others than those who wrote them.
    let checked = project
        .env
        .program("python3")
        .args([
            "-c",
            READERS,
            &at("r.xml"),
            &at("r.json"),
            &at("r.jsonl"),
            &at("r.html"),
        ])
        .run()
        .ok();
    let told: Value = serde_json::from_str(checked.out()).unwrap();
    assert_eq!(
        told["cases"],
        serde_json::json!({
            "good": [], "bad": ["failure", "rerunFailure"], "flaky": ["flakyFailure"],
            "known": ["skipped: in quarantine: a <known> bug"],
        })
    );
    assert_eq!(told["results"]["task-passed"], 2);
    assert_eq!(told["results"]["task-failed"], 1);
    assert_eq!(told["results"]["task-quarantined"], 1);
    let events: Vec<&str> = told["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(events.first().copied(), Some("run-started"));
    assert_eq!(events.last().copied(), Some("run-ended"));
    assert_eq!(
        told["links"], told["ids"],
        "every job has a cell in the matrix"
    );
    assert!(
        told["said"].as_str().unwrap().contains("<b>&' ***"),
        "{told:#}"
    );
    // One file for each job and phase, and for each attempt.
    let logs = project.env.path("tmp/logs");
    let bad = logs.join("local:this-machine:s/bad.execute.log");
    assert!(read(&bad).contains("<b>&' ***"), "{}", read(&bad));
    assert!(
        logs.join("local:this-machine:s/flaky.execute.2.log")
            .exists()
    );
    assert!(
        read(&summary).contains("| 2 | 1 | 0 | 0 | 1 | 1 |"),
        "{}",
        read(&summary)
    );
    // Nobody is told a secret.
    for file in ["r.xml", "r.json", "r.jsonl", "r.html", "summary.md"] {
        assert!(!read(at(file)).contains("hunter2"), "{file}");
    }
    assert!(!out.contains("hunter2"), "{out}");
    // The history has it all.
    let run = results(&project, &["--run", "last"]);
    assert!(!run.to_string().contains("hunter2"), "{run:#}");
    assert_eq!(run["outcomes"]["quarantined"], 1);
    let task = |name: &str| -> Value {
        let name = format!("local:this-machine:{name}");
        let tasks = run["task-list"].as_array().unwrap();
        tasks
            .iter()
            .find(|task| task["name"] == name.as_str())
            .unwrap()
            .clone()
    };
    assert_eq!(task("s/flaky")["flaky"], true);
    assert_eq!(task("s/bad")["attempts"], 2);
    let good = task("s/good");
    let kinds: Vec<_> = good["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["artifact", "log"]);
    assert_eq!(good["attachments"][0]["size"], 5);
    let digest = good["attachments"][0]["digest"].as_str().unwrap();
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{digest}"
    );
}

/// Reads a report of each kind, and tells what is in them.
const READERS: &str = r#"
import json, sys, xml.etree.ElementTree as tree
from html.parser import HTMLParser
cases = {}
for case in tree.parse(sys.argv[1]).iter("testcase"):
    told = []
    for one in case:
        told.append(one.tag + (": " + one.get("message") if one.tag == "skipped" else ""))
    cases[case.get("name")] = told
report = json.load(open(sys.argv[2]))
for item in report["items"]:
    assert item["start"] <= item["end"], item
events = [json.loads(line)["event"] for line in open(sys.argv[3])]
class Page(HTMLParser):
    links, ids, said, pre = set(), set(), "", False
    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert tag not in ("script", "img", "link", "b"), tag
        if attributes.get("href"):
            self.links.add(attributes["href"][1:])
        if attributes.get("id"):
            self.ids.add(attributes["id"])
        self.pre = tag == "pre"
    def handle_data(self, data):
        if self.pre:
            self.said += data
page = Page()
page.feed(open(sys.argv[4]).read())
print(json.dumps({"cases": cases, "results": report["results"], "events": events,
    "links": sorted(page.links), "ids": sorted(page.ids), "said": page.said}))
"#;

fn names(outcome: &Outcome) -> Vec<String> {
    outcome.out().lines().map(str::to_owned).collect()
}

#[test]
fn what_failed_is_run_again_until_nothing_does() {
    let project = project();
    project.write();
    let list = || project.call(&["--failed", "--list"]).run();
    // Nothing is known yet.
    let outcome = list().code(1);
    assert!(
        outcome.err().contains("there is no record of a run"),
        "{outcome}"
    );
    project.call(&["s/bad", "s/good"]).run().code(1);
    assert_eq!(names(&list().ok()), ["local:this-machine:s/bad"]);
    project.env.write("tmp/mended", "");
    let outcome = project.call(&["--failed"]).run().ok();
    assert_eq!(total(&outcome, "Successful tasks"), 1);
    let outcome = project.call(&["--failed"]).run().ok();
    assert!(
        outcome.err().contains("nothing failed in run 2"),
        "{outcome}"
    );
    // The history balances parts, too: all of them together are everything.
    let part = |part: &str| {
        let call = project.call(&["--list", "--durations", "history", "--shard", part]);
        names(&call.run().ok())
    };
    let mut parts = [part("1/2"), part("2/2")].concat();
    parts.sort();
    assert_eq!(parts, names(&project.call(&["--list"]).run().ok()));
    // A task over runs, with the revision if there is one.
    let history = results(&project, &["s/bad"]);
    let told: Vec<_> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["record"].as_u64().unwrap(),
                one["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(1, "failed"), (2, "passed")]);
    let table = project.env.runner(["results"]).run().ok();
    let rows: Vec<Vec<&str>> = table
        .out()
        .lines()
        .skip(2)
        .map(|row| row.split_whitespace().collect())
        .collect();
    assert_eq!(
        (rows.len(), rows[0].last(), rows[1].last()),
        (2, Some(&"failed"), Some(&"passed"))
    );
    let shown = project
        .env
        .runner(["results", "--run", "1", "s/bad"])
        .run()
        .ok();
    assert!(
        shown
            .out()
            .contains("execute of local:this-machine:s/bad: failed\n"),
        "{shown}"
    );
    project.env.runner(["results", "--run", "9"]).run().code(3);
    project.env.runner(["results", "s/nothing"]).run().code(3);
}

#[test]
fn a_killed_run_leaves_what_was_known() {
    let Waiting { project, mut run } = waiting(&[]);
    // It was begun, and the history has it soon, and before it ends.
    let begun = || {
        let call = project.env.runner(["results", "--json", "--run", "last"]);
        let run: Value = serde_json::from_slice(&call.run().stdout).unwrap_or_default();
        let started = run["task-list"][0]["started"].is_string();
        (run["outcome"].clone(), started)
    };
    let started = std::time::Instant::now();
    while begun() != ("running".into(), true) {
        assert!(
            started.elapsed() < runner_tests::command::HANG,
            "{:?}",
            begun()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    let record = results(&project, &[])["records"][0].clone();
    assert_eq!(record["outcome"], "interrupted");
    assert_eq!(record["outcomes"], serde_json::json!({ "interrupted": 2 }));
    assert!(record["ended"].is_string(), "{record:#}");
    project.env.write("work/go", "");
    let outcome = project.call(&["--failed"]).run().ok();
    assert_eq!(total(&outcome, "Successful tasks"), 2);
}

#[test]
fn output_while_it_runs_and_with_clocks() {
    let project = Project::new()
        .executes("s/a", "echo one; printf two")
        .executes("s/b", "echo three");
    project.write();
    let outcome = project.call(&["--live", "--order"]).run().ok();
    let told = log(&outcome);
    for line in ["s/a | one", "s/a | two", "s/b | three"] {
        assert!(
            told.contains(&format!("local:this-machine:{line}\n")),
            "{told}"
        );
    }
    let outcome = project.call(&["--perf", "s/b"]).run().ok();
    let told = log(&outcome);
    let line = told
        .lines()
        .find(|line| line.ends_with(" | three"))
        .expect("a line");
    let clock = line.split(' ').nth(1).unwrap();
    assert!(clock.parse::<f64>().is_ok(), "{line}");
    // Events alone, for programs.
    let outcome = project.call(&["--events", "-", "s/b"]).run().ok();
    let events: Vec<Value> = outcome
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "job-ended" && event["result"] == "passed")
    );
}

#[test]
fn a_line_for_each_worker_on_a_terminal() {
    let project = Project::new()
        .executes("s/a", "echo said; until [ -e $GO ]; do sleep 0.02; done")
        .executes("s/b", "echo why; false");
    let go = project.path("go");
    let top = format!("environment:\n  GO: {}\nexclude: [go]\n", go.display());
    let project = project.top(&top);
    project.write();
    let call = project.call(&["--order", "--live"]).into_command();
    let mut terminal = Terminal::start(&call, 100, 30);
    terminal.wait_for("local:this-machine:s/a | said");
    terminal.wait_for("execute   s/a");
    terminal.wait_for("0/2 jobs");
    project.env.write("work/go", "");
    terminal.wait_for("ok      local:this-machine:s/a");
    terminal.wait_for("FAILED  local:this-machine:s/b");
    terminal.wait_for("1 successful, 0 aborted, 0 skipped");
    assert_eq!(terminal.wait(), 1);
    // The ancestor's lines are for who reads them.
    assert!(
        !terminal.seen().contains("Executing"),
        "{}",
        terminal.seen()
    );
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_runs() {
    let project = Project::new().executes("s/t", "true");
    project.write();
    let outcome = project.call(&["--junit", "missing/r.xml"]).run();
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.err().contains("missing/r.xml"), "{outcome}");
    assert!(!log(&outcome).contains("Executing"), "{outcome}");
}

#[test]
fn what_a_job_leaves_behind_is_told_and_fails_nothing() {
    let project = Project::new()
        .task("s/clean", "prepare: touch $WORLD/a\nrestore: rm $WORLD/a\n")
        .task(
            "s/leaky",
            "execute: echo more >> $WORLD/b; mkdir $WORLD/c\n",
        );
    let world = project.env.path("tmp/world");
    project.env.write("tmp/world/b", "");
    let project = project.top(&format!("environment:\n  WORLD: {}\n", world.display()));
    project.write();
    let directory = world.display().to_string();
    let outcome = project
        .call(&["--leak-directory", &directory, "--order"])
        .run()
        .ok();
    let told = log(&outcome);
    let of = |job: &str| {
        let mut blocks = told.split("WARNING: ").skip(1);
        let block = blocks.find(|block| block.contains(job)).unwrap_or_default();
        block.split("\n.\n").next().unwrap().to_owned()
    };
    let leaky = of("(local:this-machine:s/leaky) is not as it was:");
    assert!(
        leaky.contains(&format!("changed: file {directory}/b\n")),
        "{told}"
    );
    assert!(
        leaky.contains(&format!("new: file {directory}/c/\n")),
        "{told}"
    );
    // Others work on this machine, too; but not there.
    assert!(
        !of("s/clean) is not as it was:").contains(&directory),
        "{told}"
    );
    let run = results(&project, &["--run", "last"]);
    assert_eq!(run["outcome"], "passed");
}
