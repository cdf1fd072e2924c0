//! Machines of a source of the user's (`--source`): they go back where they came from as they were, or not at all.

use super::{Project, log, wait_until};

/// On a source that keeps one machine.
fn on_fleet() -> Project {
    let project = Project::new();
    project
        .env
        .source("fleet", "type = \"local\"\nreserve = 1\n");
    project
}

const FLEET: &str = "--source=local=fleet";

#[test]
fn that_of_a_killed_run_goes_to_nobody_else() {
    let project = on_fleet()
        .executes("s/a", "pwd > $WHERE")
        .executes("s/b", "touch $UP; until [ -e $GO ]; do sleep 0.02; done");
    let [place, up, go] = ["where", "up", "go"].map(|name| project.path(name));
    let project = project.top(&format!(
        "environment:\n  WHERE: {}\n  UP: {}\n  GO: {}\nexclude: [where, up, go]\n",
        place.display(),
        up.display(),
        go.display()
    ));
    let mut run = project.start(&["--order", FLEET]);
    wait_until(|| up.exists(), || run.out());
    let place = std::fs::read_to_string(place).unwrap();
    let place = std::path::Path::new(place.trim());
    assert!(place.join("task.yaml").exists());
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    // Whoever comes next is given another one, and the first is gone with all that was on it.
    assert_eq!(project.env.acquire("fleet"), "fleet-1");
    let live = project.env.live();
    assert_eq!(live.len(), 1, "{live:?}");
    assert!(!place.exists());
}

#[test]
fn what_is_not_as_it_was_is_not_kept() {
    for (task, args, kept) in [
        ("execute: false\nrestore: 'true'\n", &[][..], true),
        ("execute: 'true'\nrestore: false\n", &[], false),
        ("execute: false\n", &["--abend"], false),
    ] {
        let project = on_fleet().task("s/t", task);
        let mut all = vec![FLEET];
        all.extend(args);
        let outcome = project.run(&all);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        let told = log(&outcome).contains("was restored: it goes to nobody else as it is");
        assert_eq!(told, !kept, "{outcome}");
        let live = project.env.live();
        let states: Vec<_> = live.iter().map(|one| &one["state"]).collect();
        let wanted: &[&str] = if kept { &["ready"] } else { &[] };
        assert_eq!(states, wanted, "{task}");
    }
}

#[test]
fn what_was_kept_with_the_project_on_it_is_destroyed() {
    let project = on_fleet().executes("s/t", "true");
    project.run(&["--reuse", FLEET]).ok();
    assert_eq!(project.env.live()[0]["state"], "leased");
    project.run(&["--reuse", "--discard", FLEET]).ok();
    assert!(project.env.live().is_empty());
}
