//! Interactive shells, on a real terminal; however many workers want one, there is one at a time.

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

#[test]
fn closing_the_terminal_ends_the_shell_and_the_run_in_order() {
    let project = Project::new()
        .task("s/t", "execute: false\nrestore: echo x >> $RESTORED\n")
        .executes("s/u", "touch $RAN");
    let [restored, ran, pid] = ["restored", "ran", "pid"].map(|name| project.path(name));
    let project = project.top(&format!(
        "environment:\n  RESTORED: {}\n  RAN: {}\n  PID: {}\nexclude: [restored, ran, pid]\n",
        restored.display(),
        ran.display(),
        pid.display()
    ));
    project
        .env
        .source("fleet", "type = \"local\"\nreserve = 1\n");
    let mut terminal = shell(&project, &["--debug", "--order", "--source", "local=fleet"]);
    prompted(&mut terminal, "a shell after the failure of");
    // Whatever runs in it ends with it.
    terminal.type_in("sleep 100000 & echo $! $$ > $PID.new; mv $PID.new $PID; fg\n");
    wait_until(|| pid.exists(), || terminal.seen());
    terminal.hang_up();
    assert_eq!(terminal.wait(), 1, "{}", terminal.seen());
    for process in std::fs::read_to_string(pid).unwrap().split_whitespace() {
        wait_until(
            || !std::path::Path::new("/proc").join(process).exists(),
            || format!("process {process} goes on"),
        );
    }
    assert_eq!(std::fs::read_to_string(restored).unwrap(), "x\n");
    assert!(!ran.exists(), "a new job was begun");
    let live = project.env.live();
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(live[0]["state"], "ready", "{live:?}");
}

#[test]
fn what_is_exported_is_on_no_command_line() {
    let secret = format!("of-nobody-{}", std::process::id());
    let project = Project::new()
        .task("s/t", "execute: 'true'\n")
        .top(&format!("environment:\n  SECRET: {secret}\n"));
    let mut terminal = shell(&project, &["--shell"]);
    prompted(&mut terminal, "a shell instead of");
    says(
        &mut terminal,
        "echo it i''s $SECRET\n",
        &format!("it is {secret}"),
    );
    for process in std::fs::read_dir("/proc").unwrap() {
        // It may have ended meanwhile.
        let line = std::fs::read(process.unwrap().path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains(&secret), "{line}");
    }
    terminal.type_in("exit\n");
    assert_eq!(terminal.wait(), 0, "{}", terminal.seen());
}

/// What happened to shells, and the ends of prepare scripts, in their order.
fn happened(events: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(events).unwrap_or_default();
    let whole = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let told = whole.filter_map(|event: serde_json::Value| {
        let name = event["name"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str()? {
            "shell-started" => Some(format!("in {name}")),
            "shell-ended" => Some(format!("out {name}")),
            "script-ended" if event["verb"] == "prepare" => Some(format!("ready {name}")),
            _ => None,
        }
    });
    told.collect()
}

#[test]
fn one_at_a_time() {
    let task = "prepare: echo ready\nexecute: false\n";
    let project = Project::new()
        .on("  local:\n    systems:\n      - this-machine:\n          workers: 2\n")
        .task("s/a", task)
        .task("s/b", task);
    let events = project.env.path("tmp/events");
    let file = events.display().to_string();
    let mut terminal = shell(&project, &["--shell", "--events", &file]);
    let entered = |count: usize| {
        let all = happened(&events);
        let shells = all.iter().filter(|one| one.starts_with("in "));
        let ready = all.iter().filter(|one| one.starts_with("ready "));
        (shells.count() >= count && ready.count() == 2).then_some(all)
    };
    let prompts = |terminal: &Terminal| {
        let seen = terminal.seen();
        seen.matches(".../s/a# ").count() + seen.matches(".../s/b# ").count()
    };
    let mut names = Vec::new();
    for number in 1..=2 {
        // Both workers want a shell by now, and one has it.
        wait_until(
            || entered(number).is_some() && prompts(&terminal) > 0,
            || terminal.seen(),
        );
        let all = entered(number).unwrap();
        let mut opened = all.iter().filter_map(|one| one.strip_prefix("in "));
        let name = opened.next_back().unwrap().to_owned();
        let task = name.rsplit('/').next().unwrap();
        let prompt = format!(".../s/{task}# ");
        wait_until(|| terminal.seen().contains(&prompt), || terminal.seen());
        // What is typed is this one's, as often as it is typed.
        for round in 0..3 {
            let typed = format!("echo {number}.{round} of ${{PWD##*''/}}\n");
            says(
                &mut terminal,
                &typed,
                &format!("{number}.{round} of {task}"),
            );
        }
        assert_eq!(
            happened(&events)
                .iter()
                .filter(|one| one.starts_with("in "))
                .count(),
            number,
            "{}",
            terminal.seen()
        );
        names.push(name);
        terminal.type_in("exit\n");
    }
    assert_eq!(terminal.wait(), 0, "{}", terminal.seen());
    let all = happened(&events);
    let shells: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|one| !one.starts_with("ready "))
        .collect();
    let wanted: Vec<String> = names
        .iter()
        .flat_map(|name| [format!("in {name}"), format!("out {name}")])
        .collect();
    assert_eq!(shells, wanted);
    assert!(
        terminal.seen().contains("2 successful"),
        "{}",
        terminal.seen()
    );
}
