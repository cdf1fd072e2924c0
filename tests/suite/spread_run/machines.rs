//! Machines behind ssh with a password: `adhoc`, reboots, and what goes wrong on the way to a machine.
//!
//! Left out until the transport logs in with passwords that a provider keeps; `cargo nextest run --run-ignored all` tries.

use runner_tests::backends::machine::Machine;

use super::{Project, entry, log, total};

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
#[ignore = "logging in with a password is the transport's to bring"]
fn adhoc_from_allocate_to_discard() {
    let Some(project) = on_machines(2, 2) else {
        return;
    };
    let project = project
        .executes("s/a", "[ $(whoami) = root ]; pwd; [ $HOME = /root ]")
        .executes("s/b", "grep -q adhoc ../../spread.yaml");
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
#[ignore = "logging in with a password is the transport's to bring"]
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
#[ignore = "logging in with a password is the transport's to bring"]
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
    assert_eq!(log(&outcome).matches("Rebooting on ").count(), 10);
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
#[ignore = "logging in with a password is the transport's to bring"]
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
    let backend = project.backend.replace(
        "      exec 9>",
        "      [ $(wc -l < $0.count 2>/dev/null || echo 0) ] || :\n      exec 9>",
    );
    let file = project.env.path("tmp/addresses");
    let backend = backend.replace(
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
#[ignore = "logging in with a password is the transport's to bring"]
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
#[ignore = "logging in with a password is the transport's to bring"]
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
