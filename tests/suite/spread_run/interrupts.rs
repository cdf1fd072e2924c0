//! The end of a run that somebody wants now: what is known until then is told everywhere.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Project, total, wait_until};

#[test]
fn reports_and_the_history_of_a_run_that_is_ended_at_once() {
    let project = Project::new()
        .executes("s/a", "true")
        .executes(
            "s/b",
            "echo so far; touch $UP; until [ -e $GO ]; do sleep 0.02; done",
        )
        .executes("s/c", "true");
    let (up, go) = (project.path("up"), project.path("go"));
    let project = project.top(&format!(
        "environment:\n  UP: {}\n  GO: {}\nexclude: [up, go]\n",
        up.display(),
        go.display()
    ));
    let at = |name: &str| project.env.path(format!("tmp/{name}"));
    let file = |name: &str| at(name).display().to_string();
    let names = ["r.xml", "r.json", "r.html", "r.jsonl", "logs"];
    let [junit, plus, html, events, logs] = names.map(file);
    let mut run = project.start(&[
        "--order", "-v", "--junit", &junit, "-json", &plus, "--html", &html, "--events", &events,
        "--logs", &logs,
    ]);
    wait_until(|| up.exists(), || run.out());
    run.signal(Signal::INT);
    run.until("Stopping: interrupted by signal 2");
    // The job that runs goes on, and what waited behind it is aborted.
    run.signal(Signal::TERM);
    assert_eq!(
        run.child.wait().unwrap().signal(),
        Some(15),
        "{}",
        run.out()
    );
    let told = run.out();
    for line in [
        "Successful tasks: 1",
        "Aborted tasks: 2",
        "Leaving local:this-machine (local.this-machine-0) at local.this-machine-0; discard it with: runner release local.this-machine-0",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let release = project.env.runner(["release", "local.this-machine-0"]);
    release.current_dir("/").run().ok();
    assert!(project.env.live().is_empty());

    let parsed = Command::new("python3")
        .args([
            "-c",
            "import sys, xml.etree.ElementTree as t\nfor c in t.parse(sys.argv[1]).iter('testcase'): \
             print(c.get('name'), *(e.tag + ': ' + e.get('message') + (' said' if '\\nso far\\n' in (e.text or '') else '') for e in c))",
            &junit,
        ])
        .output()
        .unwrap();
    let cases = String::from_utf8(parsed.stdout).unwrap();
    let lines: Vec<&str> = cases.lines().collect();
    assert_eq!(
        lines,
        [
            "a",
            "b error: interrupted by signal 15 said",
            "c error: interrupted by signal 15"
        ]
    );
    let plus: Value = serde_json::from_slice(&std::fs::read(plus).unwrap()).unwrap();
    let results = &plus["results"];
    assert_eq!(
        [&results["task-passed"], &results["task-aborted"]],
        [&json!(1), &json!(2)],
        "{plus:#}"
    );
    assert!(
        std::fs::read_to_string(html)
            .unwrap()
            .ends_with("</html>\n")
    );
    let events = std::fs::read_to_string(events).unwrap();
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "run-ended");
    assert_eq!(last["summary"]["interrupted"], true);
    let said = std::fs::read_to_string(at("logs/local:this-machine:s/b.execute.log")).unwrap();
    assert!(said.contains("\nso far\n"), "{said}");

    let call = project
        .env
        .runner(["results", "--json", "--run", "last"])
        .run()
        .ok();
    let record = call.json();
    assert_eq!(record["outcome"], "interrupted", "{record:#}");
    assert_eq!(record["outcomes"], json!({ "passed": 1, "aborted": 2 }));
    std::fs::write(go, "").unwrap();
    let outcome = project.call(&["--failed"]).run().ok();
    assert_eq!(total(&outcome, "Successful tasks"), 2);
}

#[test]
fn whoever_waits_for_the_reuse_file_can_be_interrupted() {
    let project =
        Project::new().executes("s/t", "touch $UP; until [ -e $GO ]; do sleep 0.02; done");
    let (up, go) = (project.path("up"), project.path("go"));
    let project = project.top(&format!(
        "environment:\n  UP: {}\n  GO: {}\nexclude: [up, go]\n",
        up.display(),
        go.display()
    ));
    let mut first = project.start(&["--reuse"]);
    wait_until(|| up.exists(), || first.out());
    for args in [&["--reuse"][..], &["--reuse", "--discard"]] {
        let mut second = project.start_into("tmp/second", args);
        second.until("Waiting for another process to release reuse lock.");
        second.signal(Signal::INT);
        assert_eq!(second.child.wait().unwrap().signal(), Some(2));
    }
    std::fs::write(go, "").unwrap();
    assert_eq!(
        first.child.wait().unwrap().code(),
        Some(0),
        "{}",
        first.out()
    );
    project.call(&["--reuse", "--discard"]).run().ok();
}
