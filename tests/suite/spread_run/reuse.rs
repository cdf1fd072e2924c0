//! Machines that outlive a run: kept, used again, discarded; and what is left of a run that was killed.

use std::time::Instant;

use runner_tests::command::HANG;
use rustix::process::Signal;

use super::{Project, log, total};

#[test]
fn kept_used_again_sent_again_and_discarded() {
    let project = Project::new().executes(
        "s/t",
        "echo $(cat $SPREAD_PATH/mark 2>/dev/null || echo new) >> $SEEN; echo old > $SPREAD_PATH/mark",
    );
    let seen = project.path("seen");
    let project = project.top(&format!(
        "environment:\n  SEEN: {}\nexclude: [seen]\n",
        seen.display()
    ));
    let read = || std::fs::read_to_string(&seen).unwrap();
    let outcome = project.run(&["--reuse"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(
        log(&outcome).contains("Keeping local:this-machine ("),
        "{outcome}"
    );
    assert!(!log(&outcome).contains("Discarding"), "{outcome}");
    let file = std::fs::read_to_string(project.path(".spread-reuse.yaml")).unwrap();
    assert!(
        file.contains("  local:\n    systems:\n    - this-machine:\n"),
        "{file}"
    );
    let outcome = project.run(&["--reuse"]);
    let told = log(&outcome);
    assert!(told.contains("Reusing local:this-machine ("), "{told}");
    assert!(
        told.contains("Reusing project data on local:this-machine"),
        "{told}"
    );
    assert_eq!(read(), "new\nold\n");
    let outcome = project.run(&["--reuse", "--resend"]);
    assert!(
        log(&outcome).contains("Removing project data from"),
        "{outcome}"
    );
    assert_eq!(read(), "new\nold\nnew\n");
    assert_eq!(project.env.live().len(), 1);
    let outcome = project.run(&["--reuse", "--discard"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(
        log(&outcome).contains("Discarding local:this-machine ("),
        "{outcome}"
    );
    assert!(project.env.live().is_empty());
    assert_eq!(
        std::fs::read_to_string(project.path(".spread-reuse.yaml")).unwrap(),
        ""
    );
}

/// A run whose only job waits until somebody lets it go on.
pub(super) struct Waiting {
    pub(super) project: Project,
    pub(super) child: std::process::Child,
}

pub(super) fn waiting(args: &[&str]) -> Waiting {
    let project = Project::new()
        .executes(
            "s/a",
            "echo up > $UP; until [ -e $GO ]; do sleep 0.02; done",
        )
        .executes("s/b", "true");
    let (up, go) = (project.path("up"), project.path("go"));
    let project = project.top(&format!(
        "environment:\n  UP: {}\n  GO: {}\nexclude: [up, go]\nrestore: echo restored > $UP\n",
        up.display(),
        go.display()
    ));
    project.write();
    let mut all = vec!["--order"];
    all.extend(args);
    let mut command = project.call(&all).into_command();
    let out = std::fs::File::create(project.env.path("tmp/out")).unwrap();
    let child = command
        .stdin(std::process::Stdio::null())
        .stdout(out)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !up.exists() {
        assert!(begun.elapsed() < HANG, "the job never began");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Waiting { project, child }
}

impl Waiting {
    fn out(&self) -> String {
        std::fs::read_to_string(self.project.env.path("tmp/out")).unwrap()
    }

    fn until(&self, text: &str) {
        let begun = Instant::now();
        while !self.out().contains(text) {
            assert!(
                begun.elapsed() < HANG,
                "never said `{text}`: {}",
                self.out()
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn interrupted_in_order() {
    let mut run = waiting(&["-v"]);
    runner_tests::command::kill(run.child.id(), Signal::TERM);
    run.until("Stopping: interrupted by signal 15");
    run.project.env.write("work/go", "");
    assert_eq!(run.child.wait().unwrap().code(), Some(1));
    let out = run.out();
    assert!(out.contains("Successful tasks: 1\n"), "{out}");
    assert!(out.contains("Aborted tasks: 1\n"), "{out}");
    assert!(out.contains("Discarding local:this-machine"), "{out}");
    assert_eq!(
        std::fs::read_to_string(run.project.path("up")).unwrap(),
        "restored\n"
    );
    assert!(run.project.env.live().is_empty());
}

#[test]
fn a_second_interrupt_means_now() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut run = waiting(&["-v"]);
    runner_tests::command::kill(run.child.id(), Signal::INT);
    run.until("Stopping: interrupted by signal 2");
    runner_tests::command::kill(run.child.id(), Signal::INT);
    assert_eq!(run.child.wait().unwrap().signal(), Some(2));
    // Whoever comes next cleans up, without knowing the project.
    run.project
        .env
        .runner(["acquire"])
        .current_dir("/")
        .run()
        .ok();
    let live = run.project.env.live();
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(live[0]["source"], "local");
}

#[test]
fn a_killed_run_is_cleaned_up_by_its_number() {
    let mut run = waiting(&[]);
    let pid = run.child.id();
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    let file = run.project.path(&format!(".spread-reuse.{pid}.yaml"));
    assert!(file.exists(), "{}", run.out());
    assert!(
        run.out()
            .contains(&format!("spread -reuse-pid={pid} -discard"))
    );
    let outcome = run
        .project
        .call(&["--discard", &format!("--reuse-pid={pid}")])
        .run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(run.project.env.live().is_empty());
    assert!(!file.exists());
}

#[test]
fn an_ordinary_run_leaves_nothing() {
    let project = Project::new().executes("s/t", "true");
    let outcome = project.run(&[]);
    assert_eq!(total(&outcome, "Successful tasks"), 1);
    assert!(project.env.live().is_empty());
    let left: Vec<_> = std::fs::read_dir(project.env.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".spread-reuse"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
