//! What a script sees, what it can say, and how its end is told.

use super::{Project, entry, log, total};

#[test]
fn failures_as_the_log_has_them() {
    let project = Project::new()
        .executes("s/empty", "{ set +x; } 2>/dev/null\nexit 7")
        .executes("s/block", "echo a; echo b >&2; false")
        .executes("s/killed", "{ set +x; } 2>/dev/null; kill -9 $BASHPID")
        .executes("s/error", "echo noise; ERROR a b")
        .executes("s/fine", "echo never shown");
    let outcome = project.run(&[]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(outcome.err(), "error: unsuccessful run\n");
    let inline = |name: &str| {
        let entry = entry(
            &outcome,
            &format!("Error executing local:this-machine:s/{name} ("),
        );
        entry.split_once(" : ").unwrap().1.to_owned()
    };
    assert_eq!(inline("empty"), "Process exited with status 7");
    assert_eq!(
        inline("block"),
        "\n-----\n+ echo a\na\n+ echo b\nb\n+ false"
    );
    assert_eq!(inline("error"), "a b");
    assert!(inline("killed").contains("Killed"), "{outcome}");
    assert!(!log(&outcome).contains("never shown"));
    assert_eq!(total(&outcome, "Successful tasks"), 1);
    assert!(log(&outcome).starts_with("Project content is packed for delivery ("));
}

#[test]
fn what_a_script_is_given() {
    let project = Project::new()
        .top("environment:\n  A: project\n  Z: zed\n  B: '$Z-$SPREAD_SYSTEM'\n  C/x: of x\n  RAW: \"'$A'\"\n  OUT: $(HOST:echo host)\n  HERE: $(echo there)\n")
        .task(
            "s/t",
            "environment:\n  A/x: task\n  V/x: 1\n  V/y: 2\nexecute: |\n    \
             { set +x; } 2>/dev/null\n    \
             echo \"$A|$B|${C-none}|$RAW|$OUT|$HERE|$V|$SPREAD_TASK|$SPREAD_VARIANT|$SPREAD_SAMPLE|$SPREAD_REBOOT|$DEBIAN_FRONTEND\"\n    \
             echo ${PWD#$SPREAD_PATH/} $(basename $SPREAD_PATH); read x || echo end; cat f; false\n",
        );
    project.env.write("work/s/t/f", "content");
    let outcome = project.run(&[":x"]);
    let line = "task|zed-this-machine|of x|$A|host|there|1|s/t|x|1|0|noninteractive\ns/t demo\nend\ncontent";
    assert!(
        entry(&outcome, "Error executing").ends_with(line),
        "{outcome}"
    );
    let project = Project::new()
        .top("environment:\n  A: '$UNSET'\n")
        .executes("s/t", "echo not reached");
    let outcome = project.run(&[]);
    let told = entry(&outcome, "Error executing");
    assert!(told.contains("UNSET: unbound variable"), "{told}");
    assert!(!told.contains("not reached"));
}

#[test]
fn timeouts_warn_and_kill_the_whole_tree() {
    let project = Project::new().task(
        "s/t",
        "warn-timeout: 100ms\nkill-timeout: 450ms\nexecute: |\n    \
         { set +x; } 2>/dev/null\n    seq 1 29\n    sleep 1000 & echo $! > $PIDS; sleep 1000\n",
    );
    let pids = project.path("pids");
    let project = project.top(&format!("environment:\n  PIDS: {}\n", pids.display()));
    let outcome = project.run(&[]);
    let told = log(&outcome);
    assert!(
        told.contains("running late. Current output:\n-----\n(... 19 lines above ...)\n20\n"),
        "{told}"
    );
    assert!(told.contains("running late. Output unchanged.\n"), "{told}");
    assert!(
        entry(&outcome, "Error executing").ends_with("29\n<kill-timeout reached>"),
        "{told}"
    );
    let pid = std::fs::read_to_string(pids).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(
        stat.is_err() || stat.unwrap().contains(") Z"),
        "a child survived"
    );
}

#[test]
fn what_runs_in_the_background_and_prints_nothing_serves_the_next_script() {
    let outcome = Project::new()
        .top("kill-timeout: 60s\n")
        .task(
            "s/t",
            "prepare: nohup sleep 4321 > /dev/null 2>&1 < /dev/null & echo $! > pid\n\
             execute: kill -0 $(cat pid)\nrestore: kill $(cat pid)\n",
        )
        .run(&[])
        .ok();
    assert_eq!(total(&outcome, "Successful tasks"), 1);
}

#[test]
fn skipped_with_a_reason() {
    let project = Project::new()
        .top("suites:\n  s/:\n    summary: s\n  z/:\n    summary: z\n    skip:\n      - if: 'true'\n        reason: not today\n    restore: exit 1\n")
        .task("s/a", "skip:\n  - if: 'false'\n    reason: no\n  - if: '[ $SPREAD_TASK = s/a ]'\n    reason: it is a\nexecute: exit 1\n")
        .executes("s/b", "true")
        .executes("z/c", "exit 1")
        .executes("z/d", "exit 1");
    let outcome = project.run(&["--dialect=plus"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let told = log(&outcome);
    assert!(told.contains("Checking local:this-machine:s/a ("), "{told}");
    assert!(entry(&outcome, "Skipping local:this-machine:s/a").ends_with(": it is a"));
    assert!(entry(&outcome, "Skipping local:this-machine:z/").ends_with(": not today"));
    assert_eq!(total(&outcome, "Skipped tasks"), 3);
    assert_eq!(total(&outcome, "Successful tasks"), 1);
}

#[test]
fn artifacts_of_every_level() {
    let project = Project::new()
        .top("artifacts: [top.txt]\nsuites:\n  s/:\n    summary: s\n    artifacts: [suite.txt]\n")
        .task(
            "s/t",
            "artifacts: [logs/*.log, dir, nothing, 'a b']\nexecute: |\n    \
             mkdir -p logs dir/deep; echo one > logs/1.log; echo no > logs/2.txt; echo deep > dir/deep/file\n    \
             echo blank > 'a b'; echo suite > ../suite.txt; echo top > $SPREAD_PATH/top.txt\n    exit 1\nrestore: rm -rf logs\n",
        );
    let outcome = project.run(&["--dialect=plus", "--artifacts=out"]);
    let read = |path: &str| {
        std::fs::read_to_string(project.path(path))
            .unwrap_or_else(|error| panic!("{path}: {error}\n{outcome}"))
    };
    let job = "out/local:this-machine:s/t";
    assert_eq!(read(&format!("{job}/logs/1.log")), "one\n");
    assert_eq!(read(&format!("{job}/dir/deep/file")), "deep\n");
    assert_eq!(read(&format!("{job}/a b")), "blank\n");
    assert!(!project.path(&format!("{job}/logs/2.txt")).exists());
    assert_eq!(read("out/local:this-machine:s/suite.txt"), "suite\n");
    assert_eq!(read("out/top.txt"), "top\n");
    // Nothing without the option.
    let outcome = project.run(&["--dialect=plus"]);
    assert!(!log(&outcome).contains("Fetching artifacts"), "{outcome}");
}

#[test]
fn packing_rules() {
    let project = Project::new()
        .top("exclude: ['*.o']\nrename: ['s,^old,new,']\nrepack: |\n  d=$(mktemp -d); tar x -C $d <&3; echo $SPREAD_BACKENDS ${SPREAD_JOB-none} > $d/added\n  tar c -C $d . >&4; rm -r $d\n")
        .executes("s/t", "cd $SPREAD_PATH; [ -e new ] && [ ! -e old ] && [ ! -e x.o ]; ERROR $(cat added)");
    for file in ["old", "x.o"] {
        project.env.write(format!("work/{file}"), "");
    }
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").ends_with(" : local none"),
        "{outcome}"
    );
    let project = Project::new()
        .top("repack: echo oops; false\n")
        .executes("s/t", "true");
    let outcome = project.run(&[]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.err(),
        "error: cannot pack project content for delivery\n"
    );
    assert!(
        log(&outcome).contains("cannot pack project tree: + echo oops\noops\n"),
        "{outcome}"
    );
    assert_eq!(total(&outcome, "Aborted tasks"), 1);
}

#[test]
fn workers_share_the_jobs_and_seeds_reproduce() {
    let mut project =
        Project::new().on("  local:\n    systems:\n      - this-machine:\n          workers: 3\n");
    // Nobody goes on before all three have begun: one alone would be done before the others have a machine.
    let begun = project.env.path("tmp/begun");
    std::fs::create_dir(&begun).unwrap();
    let meet = "touch $BEGUN/of${SPREAD_PATH//\\//.}; until [ $(ls $BEGUN | wc -l) -ge 3 ]; do sleep 0.02; done";
    for number in 0..8 {
        project = project.executes(&format!("s/t{number}"), meet);
    }
    project = project.task("z/first", "priority: 5\nexecute: 'true'\n");
    let project = project.top(&format!("environment:\n  BEGUN: {}\n", begun.display()));
    let outcome = project.run(&["--seed=7"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let told = log(&outcome);
    assert_eq!(told.matches("Allocated local:this-machine").count(), 3);
    assert_eq!(told.matches("Discarding local:this-machine").count(), 3);
    assert!(told.contains("Sequence of jobs produced with -seed=7\n"));
    assert_eq!(total(&outcome, "Successful tasks"), 9);
    assert!(told.contains("(9/9)..."), "{told}");
    let order = |seed: &str| {
        let outcome = project.run(&[seed, "--workers=1"]);
        let told = log(&outcome);
        let names = told
            .lines()
            .filter_map(|line| line.strip_prefix("Executing "));
        names
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let once = order("--seed=7");
    assert_eq!(once[0], "local:this-machine:z/first");
    assert_eq!(once, order("--seed=7"));
    assert_ne!(once, order("--seed=8"));
}

#[test]
fn without_a_terminal_a_shell_is_an_error_and_the_run_goes_on() {
    let project = Project::new().executes("s/t", "false");
    let outcome = project.run(&["--debug"]);
    let told = log(&outcome);
    assert!(told.contains("Starting shell to debug...\n"), "{told}");
    assert!(told.contains("cannot get local terminal size"), "{told}");
    assert_eq!(total(&outcome, "Failed tasks"), 1);
}
