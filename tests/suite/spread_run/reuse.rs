//! Machines that outlive a run: kept, used again, discarded; and what is left of a run that was killed.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::{Background, Project, log, total, wait_until};

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

/// A run whose first job waits until somebody lets it go on.
pub(super) struct Waiting {
    pub(super) project: Project,
    pub(super) run: Background,
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
    let mut all = vec!["--order"];
    all.extend(args);
    let run = project.start(&all);
    wait_until(|| up.exists(), || format!("it never began: {}", run.out()));
    Waiting { project, run }
}

#[test]
fn interrupted_in_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let Waiting { project, mut run } = waiting(&["-v"]);
        run.signal(signal);
        run.until("Stopping: interrupted by signal");
        project.env.write("work/go", "");
        assert_eq!(run.child.wait().unwrap().code(), Some(1));
        let out = run.out();
        assert!(out.contains("Successful tasks: 1\n"), "{out}");
        assert!(out.contains("Aborted tasks: 1\n"), "{out}");
        assert!(out.contains("Discarding local:this-machine"), "{out}");
        assert_eq!(
            std::fs::read_to_string(project.path("up")).unwrap(),
            "restored\n"
        );
        assert!(project.env.live().is_empty());
    }
}

#[test]
fn a_second_interrupt_means_now() {
    use std::os::unix::process::ExitStatusExt as _;
    let Waiting { project, mut run } = waiting(&["-v"]);
    run.signal(Signal::INT);
    run.until("Stopping: interrupted by signal 2");
    run.signal(Signal::INT);
    assert_eq!(run.child.wait().unwrap().signal(), Some(2));
    // Whoever comes next cleans up, without knowing the project.
    let acquire = project.env.runner(["acquire"]);
    acquire.current_dir("/").run().ok();
    let live = project.env.live();
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(live[0]["source"], "local");
}

#[test]
fn a_killed_run_is_cleaned_up_by_its_number() {
    let Waiting { project, mut run } = waiting(&[]);
    let pid = run.child.id();
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    let file = project.path(&format!(".spread-reuse.{pid}.yaml"));
    assert!(file.exists(), "{}", run.out());
    let told = format!("runner test --reuse-pid={pid} --discard");
    assert!(run.out().contains(&told), "{}", run.out());
    let pid = format!("--reuse-pid={pid}");
    let outcome = project.call(&["--discard", &pid]).run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(project.env.live().is_empty());
    assert!(!file.exists());
}

/// When anything happened to a file: a number of a file that is gone may be given to the next one, this is not.
fn changed(path: &std::path::Path) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).unwrap();
    (metadata.ctime(), metadata.ctime_nsec())
}

#[test]
fn what_is_sent_again_is_what_differs() {
    let project = Project::new().executes(
        "s/t",
        "cd $SPREAD_PATH; pwd > $WHERE\n\
         [ ! -e left ]; [ $(readlink link) = there ]; [ $(cat spoilt) = whole! ]\n\
         touch left; ln -sfn elsewhere link; echo spoilt > spoilt; touch -d @1000000000 spoilt same",
    );
    let place = project.path("where");
    let project = project.top(&format!(
        "environment:\n  WHERE: {}\nexclude: [where]\n",
        place.display()
    ));
    for (file, text) in [
        ("kept", "k"),
        ("grown", "g"),
        ("gone/deep", "d"),
        ("spoilt", "whole!\n"),
    ] {
        project.env.write(format!("work/{file}"), text);
    }
    std::os::unix::fs::symlink("there", project.path("link")).unwrap();
    project.run(&["--reuse"]).ok();
    let there = PathBuf::from(std::fs::read_to_string(&place).unwrap().trim());
    let kept = changed(&there.join("kept"));
    assert_eq!(
        std::fs::read_to_string(there.join("spoilt")).unwrap(),
        "spoilt\n"
    );

    project.env.write("work/grown", "grown");
    std::fs::remove_dir_all(project.path("gone")).unwrap();
    project.env.write("work/new/file", "n");
    // As long as what was sent, and as old as what it became: only its digest tells.
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = std::fs::File::options()
        .write(true)
        .open(project.path("spoilt"));
    file.unwrap().set_modified(old).unwrap();
    let outcome = project.run(&["--reuse", "--resend"]).ok();
    assert!(
        log(&outcome).contains("Removing project data from"),
        "{outcome}"
    );
    let read = |path: &str| std::fs::read_to_string(there.join(path)).unwrap();
    assert_eq!(
        (read("grown"), read("new/file")),
        ("grown".into(), "n".into())
    );
    assert!(!there.join("gone").exists());
    let now = changed(&there.join("kept"));
    assert_eq!(now, kept, "it was sent again");
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
