//! Systems where root may not log in: scripts become root by sudo, over a real sshd, an account of the test's own, and the real
//! sudo.

use runner_tests::backends::machine::{Machine, USER};
use runner_tests::pty::Terminal;

use super::{Project, entry, log, total, wait_until};

const PASSWORD: &str = "pass word$1";

/// A project on a machine whose account has this line in sudoers.
fn on_machine(sudoers: &str) -> Option<(Project, std::path::PathBuf)> {
    let mut project = Project::new();
    let machine = Machine::start_with_user(&project.env, "m", PASSWORD, sudoers)?;
    let (address, home) = (machine.address(), machine.home(""));
    project.env.keep(machine);
    let project = project.on(&format!(
        "  adhoc:\n    allocate: ADDRESS {address}\n    systems:\n      - box-1:\n          username: {USER}\n          \
         password: '{PASSWORD}'\n"
    ));
    Some((project, home))
}

#[test]
fn scripts_are_roots_whoever_logs_in() {
    let Some((project, home)) = on_machine(&format!("{USER} ALL=(ALL:ALL) NOPASSWD: ALL")) else {
        return;
    };
    let project = project
        .top("environment:\n  WORDS: it's $HOME and \\$HOME\n")
        .task(
            "s/a",
            "artifacts: ['*.log']\nprepare: |\n    [ $(id -un):$(id -u) = root:0 ]\n    [ $HOME:$USER:$LOGNAME = /root:root:root ]\n    \
             [ -z \"$(env | grep ^SUDO_)\" ]\n    [ \"$WORDS\" = \"it's /root and \\$HOME\" ]\n    \
             [ $(stat -c %u $SPREAD_PATH/spread.yaml) = 0 ]\n    if read line; then exit 1; fi\n\
             execute: |\n    if [ $SPREAD_REBOOT = 0 ]; then echo x > /root/before; REBOOT; fi\n    \
             umask 077; cp /root/before one.log\n    echo foo | MATCH '^foo$'\n",
        )
        .task(
            "s/b",
            "kill-timeout: 1s\nexecute: |\n    setsid sleep 1000 & echo $! > /root/daemon\n    sleep 1000 & echo $! > /root/child\n    \
             wait\nrestore: |\n    for one in daemon child; do\n        if kill -0 $(cat /root/$one) 2> /dev/null; then exit 1; fi\n    done\n",
        )
        .executes("s/c", "ERROR $(pwd) $(tty)");
    let outcome = project.run(&["--order", "--artifacts=out", "--reuse"]);
    assert_eq!(total(&outcome, "Successful tasks"), 1, "{outcome}");
    assert_eq!(total(&outcome, "Failed tasks"), 2, "{outcome}");
    assert!(!log(&outcome).contains("Failed task restore"), "{outcome}");
    assert!(
        entry(&outcome, "Error executing adhoc:box-1:s/b").ends_with("<kill-timeout reached>"),
        "{outcome}"
    );
    assert!(
        entry(&outcome, "Error executing adhoc:box-1:s/c").ends_with(" : /root/demo/s/c not a tty"),
        "{outcome}"
    );
    let fetched = project.path("out/adhoc:box-1:s/a/one.log");
    assert_eq!(std::fs::read_to_string(fetched).unwrap(), "x\n");
    assert!(home.join("demo/spread.yaml").exists());

    // The same machine, with what changed.
    let project = project.executes("s/d", "ERROR $(ls ..)");
    let outcome = project.run(&["--reuse", "--resend", "s/d"]);
    assert!(
        entry(&outcome, "Error executing adhoc:box-1:s/d").ends_with(" : a b c d"),
        "{outcome}"
    );

    // A shell is root's, too, in the place and with the environment of the task.
    let mut terminal = Terminal::start(
        &project.call(&["--reuse", "--shell", "s/c"]).into_command(),
        97,
        31,
    );
    let prompted = |terminal: &Terminal| terminal.seen().contains("adhoc:box-1 .../s/c# ");
    wait_until(|| prompted(&terminal), || terminal.seen());
    terminal.type_in("echo I a''m $(whoami) $HOME \"$WORDS\" $(stty size)\n");
    terminal.wait_for("I am root /root it's /root and $HOME 31 97");
    terminal.type_in("exit\n");
    assert_eq!(terminal.wait(), 0, "{}", terminal.seen());
    project.call(&["--reuse", "--discard"]).run().ok();
}

#[test]
fn who_may_not_become_root_is_told_so() {
    let Some((project, _)) = on_machine(&format!("{USER} ALL=(ALL:ALL) ALL")) else {
        return;
    };
    let project = project.executes("s/t", "true");
    let outcome = project.run(&[]);
    let told = entry(&outcome, "Cannot connect to adhoc:box-1 (");
    for part in ["sudo: a password is required", "NOPASSWD"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(total(&outcome, "Aborted tasks"), 1, "{outcome}");
}
