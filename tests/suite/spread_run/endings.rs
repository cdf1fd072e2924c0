//! What happens beside the scripts when something fails: artifacts, machines, processes that were left behind.

use runner_tests::backends::machine::Machine;

use super::{Project, entry, log, total, wait_until};

/// What is in the log in this order, each behind the other.
#[track_caller]
fn in_order(log: &str, wanted: &[&str]) {
    let mut rest = log;
    for one in wanted {
        let at = rest
            .find(one)
            .unwrap_or_else(|| panic!("`{one}` does not come where it should in:\n{log}"));
        rest = &rest[at + one.len()..];
    }
}

#[test]
fn artifacts_that_cannot_be_fetched_end_the_run() {
    let project = Project::new()
        .task(
            "s/a",
            "artifacts: [f]\nexecute: touch f\nrestore: echo restored\n",
        )
        .executes("s/b", "true")
        .executes("z/c", "true")
        .top("restore: echo restored\n");
    // Where the directory of a job should be made there is a file.
    project
        .env
        .write("work/out/local:this-machine:s", "in the way");
    let project = project.top("exclude: [out]\n");
    let outcome = project.run(&["--artifacts=out", "--order"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(
        outcome.err(),
        "error: cannot fetch artifacts of local:this-machine:s/a\n"
    );
    let told = log(&outcome);
    in_order(
        &told,
        &[
            "Executing local:this-machine:s/a",
            "Fetching artifacts of local:this-machine:s/a",
            "Restoring local:this-machine:s/a",
            "Restoring local:this-machine ",
            "Discarding local:this-machine",
        ],
    );
    assert!(!told.contains("Executing local:this-machine:s/b"), "{told}");
    assert_eq!(total(&outcome, "Successful tasks"), 1);
    assert_eq!(total(&outcome, "Aborted tasks"), 2);
}

#[test]
fn artifacts_are_fetched_once_and_before_anything_is_restored() {
    let project = Project::new()
        .task(
            "s/prepare",
            "artifacts: [f]\nprepare: echo prepared > f; exit 1\nexecute: rm f\nrestore: rm f\n",
        )
        .task(
            "s/repeat",
            "artifacts: [f]\nexecute: echo x >> f\nrestore: echo restored > f\n",
        );
    let outcome = project.run(&["--artifacts=out", "--repeat=2", "--order"]);
    let told = log(&outcome);
    let read = |task: &str| {
        let path = format!("out/local:this-machine:s/{task}/f");
        std::fs::read_to_string(project.path(&path)).unwrap_or_else(|_| panic!("{path}: {told}"))
    };
    assert_eq!(read("prepare"), "prepared\n");
    // Of the last round.
    assert_eq!(read("repeat"), "restored\nx\n");
    assert_eq!(told.matches("Fetching artifacts of ").count(), 2, "{told}");
    assert_eq!(total(&outcome, "Successful tasks"), 3);
}

#[test]
fn stopped_at_the_first_failure_a_machine_can_still_be_kept() {
    let project = Project::new()
        .task(
            "s/a",
            "artifacts: [f]\nexecute: touch f; exit 1\nrestore: touch restored\n",
        )
        .executes("s/b", "[ -e ../a/f ]; [ ! -e ../a/restored ]");
    let outcome = project.run(&["--abend", "--order", "--artifacts=out"]);
    let told = log(&outcome);
    assert!(!told.contains("Fetching"), "{told}");
    assert!(!told.contains("Restoring"), "{told}");
    assert!(told.contains("Discarding local:this-machine"), "{told}");
    assert!(project.env.live().is_empty());

    let outcome = project.run(&["--abend", "--order", "--reuse"]);
    assert!(
        log(&outcome).contains("Keeping local:this-machine"),
        "{outcome}"
    );
    assert_eq!(total(&outcome, "Aborted tasks"), 1);
    // It is as the failure left it.
    project.run(&["--reuse", "s/b"]).ok();
    project.call(&["--reuse", "--discard"]).run().ok();
}

#[test]
fn a_worker_without_a_machine_leaves_the_jobs_to_others() {
    let mut project = Project::new();
    let Some(machine) = Machine::start(&project.env, "m", "secret") else {
        return;
    };
    let (first, go) = (project.env.path("tmp/first"), project.path("go"));
    // Whoever asks second is told never to come back, and the first one's jobs wait for that.
    let allocate = format!(
        "exec 9> {0}.lock; flock 9\n      if [ -e {0} ]; then FATAL no more of these; fi\n      \
         : > {0}; ADDRESS {1}",
        first.display(),
        machine.address()
    );
    project.env.keep(machine);
    let mut project = project.on(&format!(
        "  adhoc:\n    allocate: |\n      {allocate}\n    systems:\n      - box-1:\n          workers: 2\n          \
         username: root\n          password: secret\n"
    ));
    for number in 0..4 {
        let wait = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
        project = project.executes(&format!("s/t{number}"), &wait);
    }
    let mut run = project.start(&[]);
    run.until("Cannot allocate adhoc:box-1: no more of these\n");
    project.env.write("work/go", "");
    assert_eq!(run.child.wait().unwrap().code(), Some(0), "{}", run.out());
    assert!(run.out().contains("Successful tasks: 4\n"), "{}", run.out());
}

#[test]
fn a_timeout_takes_daemons_along_and_nobody_elses() {
    // The second one is nobody's child: whoever started it is gone. The third was left by an earlier script, on purpose.
    let project = Project::new().task(
        "s/t",
        "kill-timeout: 5s\nprepare: |\n    (setsid sleep 1003 > /dev/null 2>&1 & echo $! > $PIDS.kept)\nexecute: |\n    \
         setsid sleep 1001 & echo $! >> $PIDS\n    \
         (setsid bash -c 'echo $$ >> $PIDS; trap \"\" TERM HUP; sleep 1002' > /dev/null 2>&1 &)\n    \
         until [ $(wc -l < $PIDS) = 2 ]; do sleep 0.01; done\n    sleep 1000\n",
    );
    let pids = project.path("pids");
    let project = project.top(&format!(
        "environment:\n  PIDS: {}\nexclude: ['pids*']\n",
        pids.display()
    ));
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").ends_with("<kill-timeout reached>"),
        "{outcome}"
    );
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let alive = |pid: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
    };
    let killed = read(&pids);
    let killed: Vec<&str> = killed.lines().collect();
    assert_eq!(killed.len(), 2, "{outcome}");
    for pid in killed {
        wait_until(|| !alive(pid), || format!("{pid} survived: {outcome}"));
    }
    let kept = read(&project.path("pids.kept"));
    assert!(alive(kept.trim()), "{outcome}");
    runner_tests::command::kill(kept.trim().parse().unwrap(), rustix::process::Signal::KILL);
}
