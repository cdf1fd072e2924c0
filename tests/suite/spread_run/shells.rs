//! Interactive shells, on a real terminal.

use runner_tests::pty::Terminal;

use super::{Project, wait_until};

fn shell(project: &Project, args: &[&str]) -> Terminal {
    project.write();
    Terminal::start(&project.call(args).into_command(), 97, 31)
}

/// Waits for the prompt of a shell that is announced like this. What is typed before it is there may be lost.
#[track_caller]
fn prompted(terminal: &mut Terminal, heading: &str) {
    let prompt = "local:this-machine .../s/t# ";
    let there = || {
        let seen = terminal.seen();
        let announced = seen.find(heading);
        announced.is_some_and(|at| seen[at..].contains(prompt))
    };
    wait_until(there, || terminal.seen());
}

/// Types a command, split in two where the echo of what was typed must not be taken for its answer.
#[track_caller]
fn says(terminal: &mut Terminal, typed: &str, answer: &str) {
    terminal.type_in(typed);
    terminal.wait_for(answer);
}

#[test]
fn to_debug_what_failed() {
    let project = Project::new()
        .task(
            "s/t",
            "environment:\n  VALUE: of the task\nexecute: touch ran; false\n",
        )
        .top("debug-each: touch ../debugged\n");
    let mut terminal = shell(&project, &["--debug"]);
    let before = terminal.settings();
    prompted(
        &mut terminal,
        "a shell after the failure of local:this-machine:s/t on",
    );
    says(
        &mut terminal,
        "ls; echo the va''lue $VALUE\n",
        "the value of the task",
    );
    assert!(terminal.seen().contains("ran"), "{}", terminal.seen());
    says(&mut terminal, "echo si''ze $(stty size)\n", "size 31 97");
    says(
        &mut terminal,
        "echo abc | MATCH a.c && echo mat''ched\n",
        "matched",
    );
    says(
        &mut terminal,
        "type REBOOT 2> /dev/null || echo no re''boot\n",
        "no reboot",
    );
    // A failure in it is no reason to leave.
    says(
        &mut terminal,
        "false; echo $UNSET; echo still he''re\n",
        "still here",
    );
    terminal.type_in("exit\n");
    assert_eq!(terminal.wait(), 1, "{}", terminal.seen());
    assert!(
        terminal.seen().contains("failed tasks: 1"),
        "{}",
        terminal.seen()
    );
    assert_eq!(terminal.settings(), before, "the terminal was left changed");
}

#[test]
fn instead_of_a_task_before_and_after_it() {
    let project = Project::new().executes("s/t", "touch $RAN; echo x >> $RAN");
    let ran = project.path("ran");
    let project = project.top(&format!(
        "environment:\n  RAN: {}\nexclude: [ran]\n",
        ran.display()
    ));
    let look = |terminal: &mut Terminal, heading: &str, wanted: &str| {
        prompted(terminal, heading);
        says(
            terminal,
            "echo it r''an $(cat $RAN 2> /dev/null | wc -l)\n",
            &format!("it ran {wanted}"),
        );
        terminal.type_in("exit 3\n");
    };
    let mut terminal = shell(&project, &["--shell"]);
    look(
        &mut terminal,
        "a shell instead of local:this-machine:s/t on",
        "0",
    );
    assert_eq!(terminal.wait(), 0, "{}", terminal.seen());
    assert!(
        terminal.seen().contains("1 successful"),
        "{}",
        terminal.seen()
    );

    let mut terminal = shell(&project, &["--shell-before", "--shell-after"]);
    look(
        &mut terminal,
        "a shell before local:this-machine:s/t on",
        "0",
    );
    look(
        &mut terminal,
        "a shell after local:this-machine:s/t on",
        "1",
    );
    assert_eq!(terminal.wait(), 0, "{}", terminal.seen());
}
