//! Machines behind ssh with a password: `adhoc`, reboots, and what goes wrong on the way to a machine.

use runner_tests::backends::machine::Machine;
use runner_tests::pty::Terminal;

use super::{Project, entry, log, total, wait_until};

const PASSWORD: &str = "pass word$1";

/// A project on machines of its own, whose addresses `allocate` hands out in turn.
fn on_machines(count: usize, workers: usize) -> Option<Project> {
    let mut project = Project::new();
    let mut addresses = String::new();
    for number in 0..count {
        let machine = Machine::start(&project.env, &number.to_string(), PASSWORD)?;
        addresses.push_str(&machine.address());
        addresses.push('\n');
        project.env.keep(machine);
    }
    project.env.write("tmp/addresses", addresses);
    let file = project.env.path("tmp/addresses");
    let file = file.display();
    Some(project.on(&format!(
        "  adhoc:\n    allocate: |\n      echo \"allocate $SPREAD_SYSTEM\" >> {file}.log\n      \
         exec 9>{file}.lock; flock 9\n      address=$(head -1 {file}); sed -i 1d {file}\n      ADDRESS $address\n    \
         discard: |\n      echo \"discard $SPREAD_SYSTEM_ADDRESS\" >> {file}.log\n    systems:\n      - box-1:\n          \
         username: root\n          password: '{PASSWORD}'\n          workers: {workers}\n"
    )))
}

#[test]
fn adhoc_from_allocate_to_discard() {
    let Some(project) = on_machines(2, 2) else {
        return;
    };
    // Each waits for the other, so that no worker does the work of both.
    let met = project.env.path("tmp/met");
    let met = met.display();
    let meet = |own: &str, other: &str| {
        format!("touch {met}.{own}; until [ -e {met}.{other} ]; do sleep 0.02; done\n")
    };
    let (a, b) = (meet("a", "b"), meet("b", "a"));
    let project = project
        .executes(
            "s/a",
            &format!("{a}[ $(whoami) = root ]; [ $HOME = /root ]"),
        )
        .executes("s/b", &format!("{b}grep -q adhoc ../../spread.yaml"));
    let outcome = project.run(&[]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(total(&outcome, "Successful tasks"), 2);
    let told = log(&outcome);
    assert_eq!(
        told.matches("Connected to adhoc:box-1 (").count(),
        2,
        "{told}"
    );
    let calls = std::fs::read_to_string(project.env.path("tmp/addresses.log")).unwrap();
    assert_eq!(calls.matches("allocate box-1\n").count(), 2);
    assert_eq!(calls.matches("discard 127.0.0.1:").count(), 2);
}

#[test]
fn reboots_count_and_keys() {
    let Some(project) = on_machines(1, 1) else {
        return;
    };
    let project = project.executes(
        "s/t",
        "cat /proc/sys/kernel/random/boot_id >> /root/boots\n\
         case \"$SPREAD_REBOOT\" in\n\
         0) REBOOT;;\n1) (REBOOT foo);;\nfoo) REBOOT 'two words';;\n\
         *) ERROR \"$SPREAD_REBOOT $(sort -u /root/boots | wc -l)\";;\nesac",
    );
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").ends_with(" : two words 4"),
        "{outcome}"
    );
    assert_eq!(log(&outcome).matches("Rebooting on ").count(), 3);
}

#[test]
fn not_for_ever() {
    let Some(project) = on_machines(1, 1) else {
        return;
    };
    let project = project.executes("s/t", "REBOOT");
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").contains("more than 10 times"),
        "{outcome}"
    );
    assert_eq!(log(&outcome).matches("Rebooting on ").count(), 11);
}

/// A project whose `allocate` is this script, with no machine at all.
fn allocating(script: &str) -> Project {
    let project = Project::new();
    let count = project.env.path("tmp/count");
    let count = count.display();
    project
        .on(&format!(
            "  adhoc:\n    allocate: |\n      echo x >> {count}; n=$(wc -l < {count})\n      {script}\n    \
             discard: 'true'\n    systems: [box-1]\n"
        ))
        .executes("s/t", "true")
}

#[test]
fn what_allocate_says() {
    let project = allocating("FATAL no way");
    let outcome = project.run(&[]);
    assert_eq!(
        entry(&outcome, "Cannot allocate"),
        "Cannot allocate adhoc:box-1: no way"
    );
    assert_eq!(total(&outcome, "Aborted tasks"), 1);
    let Some(project) = on_machines(1, 1) else {
        return;
    };
    let file = project.env.path("tmp/addresses");
    let backend = project.backend.replace(
        "      ADDRESS $address",
        &format!(
            "      if [ ! -e {0}.twice ]; then : > {0}.twice; echo $address > {0}; ERROR not yet; fi\n      ADDRESS $address",
            file.display()
        ),
    );
    let project = project.on(&backend).executes("s/t", "true");
    let outcome = project.run(&[]);
    assert_eq!(
        entry(&outcome, "Cannot allocate"),
        "Cannot allocate adhoc:box-1: not yet"
    );
    assert_eq!(outcome.code, Some(0), "{outcome}");
}

#[test]
fn a_machine_that_is_in_use_already() {
    let Some(project) = on_machines(3, 1) else {
        return;
    };
    for number in 0..3 {
        let home = project.env.path(format!("machines/{number}/root/demo"));
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("in-the-way"), "").unwrap();
    }
    let project = project.executes("s/t", "true");
    let outcome = project.run(&[]);
    let told = log(&outcome);
    assert_eq!(
        told.matches("remote directory /root/demo is not empty")
            .count(),
        3,
        "{told}"
    );
    assert!(
        told.contains("Cannot allocate adhoc:box-1: after too many retries"),
        "{told}"
    );
    assert_eq!(total(&outcome, "Aborted tasks"), 1);
    // What was in the way is still there.
    assert!(project.env.path("machines/0/root/demo/in-the-way").exists());
}

#[test]
fn what_the_ancestor_kept_is_used_and_discarded() {
    let Some(project) = on_machines(1, 1) else {
        return;
    };
    let address = std::fs::read_to_string(project.env.path("tmp/addresses")).unwrap();
    let address = address.trim();
    let project = project.executes("s/t", "true");
    project.env.write(
        "work/.spread-reuse.yaml",
        format!("backends:\n  adhoc:\n    systems:\n    - box-1:\n        username: root\n        password: {PASSWORD}\n        address: {address}\n"),
    );
    let outcome = project.run(&["--reuse"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(log(&outcome).contains("Reusing adhoc:box-1 ("), "{outcome}");
    let calls = project.env.path("tmp/addresses.log");
    assert!(!calls.exists(), "it was neither allocated nor discarded");
    let outcome = project.run(&["--reuse", "--discard"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(
        std::fs::read_to_string(calls).unwrap(),
        format!("discard {address}\n")
    );
}

#[test]
fn a_kept_machine_that_lets_nobody_in_is_not_replaced() {
    let Some(project) = on_machines(1, 1) else {
        return;
    };
    let addresses = project.env.path("tmp/addresses");
    let address = std::fs::read_to_string(&addresses).unwrap();
    let address = address.trim();
    let project = project.executes("s/t", "true");
    // A new machine may still be on its way to its password, so nobody gives up at once.
    let settings = project.env.path("config/runner/config.toml");
    project.env.write(settings, "[limits]\nready = 2\n");
    project.env.write(
        "work/.spread-reuse.yaml",
        format!("backends:\n  adhoc:\n    systems:\n    - box-1:\n        username: root\n        password: wrong\n        address: {address}\n"),
    );
    let outcome = project.run(&["--reuse"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(total(&outcome, "Aborted tasks"), 1);
    assert!(log(&outcome).contains("adhoc:box-1"), "{outcome}");
    let calls = project.env.path("tmp/addresses.log");
    assert!(!calls.exists(), "it was neither allocated nor discarded");
    // It is still known to whoever has the right password.
    let kept = std::fs::read_to_string(project.path(".spread-reuse.yaml")).unwrap();
    assert!(kept.contains(address), "{kept}");
}

#[test]
fn what_scripts_of_machines_see_and_a_discard_that_fails() {
    let mut project = Project::new();
    let Some(machine) = Machine::start(&project.env, "m", "of-the-run") else {
        return;
    };
    let (address, seen) = (machine.address(), project.env.path("tmp/seen"));
    project.env.keep(machine);
    let seen = seen.display();
    let project = project
        .on(&format!(
            "  adhoc:\n    environment:\n      OWN: of the backend\n    allocate: |\n      \
             echo \"$SPREAD_BACKEND $SPREAD_SYSTEM $SPREAD_SYSTEM_USERNAME $SPREAD_PASSWORD ${{OWN-}} $PWD\" > {seen}\n      \
             ADDRESS 127.0.0.1:1; ADDRESS {address}\n    discard: |\n      \
             echo \"$SPREAD_SYSTEM_ADDRESS $SPREAD_SYSTEM_PASSWORD\" >> {seen}\n      exit 4\n    \
             systems:\n      - box-1:\n          username: root\n"
        ))
        .executes("s/t", "true");
    let outcome = project.run(&["--pass=of-the-run"]);
    // The jobs are what counts.
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let told = entry(&outcome, "Error discarding adhoc:box-1 (");
    assert!(
        told.contains("`discard` script ended with code 4"),
        "{told}"
    );
    let work = project.env.work();
    let text = std::fs::read_to_string(project.env.path("tmp/seen")).unwrap();
    let mut lines = text.lines();
    let wanted = format!("adhoc box-1 root of-the-run  {}", work.display());
    assert_eq!(lines.next(), Some(&*wanted), "{text}");
    assert_eq!(
        lines.next(),
        Some(&*format!("{address} of-the-run")),
        "{text}"
    );
}

#[test]
fn closing_the_terminal_ends_a_shell_over_there() {
    let Some(project) = on_machines(1, 1) else {
        return;
    };
    let [restored, begun] = ["tmp/restored", "tmp/begun"].map(|name| project.env.path(name));
    let restore = format!(
        "execute: false\nrestore: echo x >> {}\n",
        restored.display()
    );
    let project = project.task("s/t", &restore);
    project.write();
    let mut terminal = Terminal::start(&project.call(&["--debug"]).into_command(), 97, 31);
    wait_until(|| terminal.seen().contains("s/t# "), || terminal.seen());
    // A number of its own, by which it is known: the machine has other process ids than we see.
    let asleep = format!("sleep\0{}\0", 100_000 + std::process::id());
    let typed = asleep.trim_end_matches('\0').replace('\0', " ");
    terminal.type_in(&format!("touch {}; {typed}\n", begun.display()));
    let goes_on = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        // It may have ended meanwhile.
        let mut lines =
            processes.map(|one| std::fs::read(one.path().join("cmdline")).unwrap_or_default());
        lines.any(|line| line == asleep.as_bytes())
    };
    wait_until(|| begun.exists() && goes_on(), || terminal.seen());
    terminal.hang_up();
    assert_eq!(terminal.wait(), 1, "{}", terminal.seen());
    assert_eq!(std::fs::read_to_string(restored).unwrap(), "x\n");
    let calls = std::fs::read_to_string(project.env.path("tmp/addresses.log")).unwrap();
    assert_eq!(calls.matches("discard 127.0.0.1:").count(), 1);
    wait_until(|| !goes_on(), || format!("{typed} goes on"));
}
