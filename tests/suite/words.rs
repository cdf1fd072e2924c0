//! Words, codes and formats of the command line, over the real thing. What is right or wrong in an argument is tested
//! beside the parser (`host/src/cli/tests.rs`); here is what a user or a script sees.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use runner_tests::command::kill;
use runner_tests::pty::Terminal;
use runner_tests::{TestEnv, guests};

/// A third party's plugin as a source on the command line: the fake.
fn stranger(env: &TestEnv) -> String {
    let backend = env.path("backend");
    for part in ["live", "homes"] {
        std::fs::create_dir_all(backend.join(part)).unwrap();
    }
    format!("{}:backend={}", guests::fake().display(), backend.display())
}

#[test]
fn crcaches_words() {
    let env = TestEnv::new();
    let head = "source  cached  in-use  max\n------  ------  ------  ---\n";
    let status = |args: &[&str]| env.runner(["status"]).args(args).run().ok();
    assert_eq!(
        status(&[]).out(),
        format!("{head}local   0       0       1\n")
    );
    assert_eq!(status(&["nobody"]).out(), head);
    assert_eq!(
        status(&["-v"]).out(),
        format!("{head}local   0       0       1\n\nsource  instance\n------  --------\n")
    );

    let acquired = env.runner(["acquire"]).run().ok();
    assert_eq!(acquired.out(), "local-0\n");
    assert_eq!(acquired.err(), "");
    assert_eq!(
        status(&["-v"]).out(),
        format!(
            "{head}local   0       1       1\n\nsource  instance\n------  --------\nlocal   local-0\n"
        )
    );
    for (query, answer) in [
        ("cached", "0\n"),
        ("in-use", "1\n"),
        ("max", "1\n"),
        ("available", "0\n"),
    ] {
        assert_eq!(status(&["--query", query]).out(), answer, "{query}");
    }

    env.runner(["acquire"])
        .run()
        .code(3)
        .says(&["local", "maximum of 1", "--wait"]);
    let released = env.runner(["release", "local-0"]).run().ok();
    assert_eq!((released.out(), released.err()), ("", ""));
    env.runner(["release", "local-0"]).run().ok();
    env.runner(["release", "local"])
        .run()
        .code(3)
        .says(&["no instance `local`"]);
    env.runner(["run", "local-0", "true"]).run().code(125);
    env.runner(["acquire", "0"]).run().code(2);
}

#[test]
fn several_ids_are_on_one_line_and_in_order() {
    let env = TestEnv::new();
    env.source("many", "type = \"local\"\nmaximum = 0\n");
    let ids: Vec<String> = (0..11).map(|number| format!("many-{number}")).collect();
    let acquired = env.runner(["acquire", "-s", "many", "11"]).run().ok();
    assert_eq!(acquired.out(), format!("{}\n", ids.join(" ")));
    let status = |args: &[&str]| env.runner(["status", "many"]).args(args).run().ok();
    assert_eq!(status(&["--query", "available"]).out(), "unlimited\n");
    assert_eq!(status(&["--query", "max"]).out(), "0\n");
    assert_eq!(status(&["--json"]).json()["sources"][0]["max"], "unlimited");
}

#[test]
fn who_cannot_be_told_holds_nothing() {
    let env = TestEnv::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut acquire = env.runner(["acquire"]).into_command();
    let output = acquire.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut acquire = env.runner(["acquire"]).into_command();
    let output = acquire.stdout(OwnedFd::from(writer)).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("given back"), "{told}");
    assert_eq!(env.live().len(), 0);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let env = TestEnv::new();
    for verb in ["status", "help", "commands", "log"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = env.runner([verb]).into_command();
        let output = command.stdout(OwnedFd::from(writer)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{verb}");
    }
}

#[test]
fn the_end_of_a_command_is_told_on_a_descriptor() {
    let env = TestEnv::new();
    let id = env.acquire("local");
    let told = |args: &[&str], code: i32| {
        let file = env.path("status");
        let line = format!("exec \"$@\" 7>'{}'", file.display());
        env.program("sh")
            .args(["-c", &line, "sh", "runner"])
            .args(args)
            .run()
            .code(code);
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let run = |words: &[&'static str]| -> Vec<String> {
        let mut args = vec![
            "run".to_owned(),
            "--status-fd".into(),
            "7".into(),
            id.clone(),
        ];
        args.extend(words.iter().map(|word| (*word).to_owned()));
        args
    };
    let end = |words: &[&'static str], code| {
        let args = run(words);
        told(&args.iter().map(String::as_str).collect::<Vec<_>>(), code)
    };
    assert_eq!(end(&["sh", "-c", "exit 3"], 3)["code"], 3);
    assert_eq!(end(&["sh", "-c", "kill -9 $$"], 137)["signal"], 9);
    assert_eq!(end(&["sh", "-c", "exit 125"], 125)["event"], "exited");
    let error = told(&["run", "--status-fd", "7", "nobody-1", "true"], 125);
    assert_eq!(
        (&error["event"], &error["kind"]),
        (&"runner-error".into(), &"unknown-instance".into())
    );
    // The command does not inherit it.
    assert_eq!(end(&["sh", "-c", "true >&7"], 2)["event"], "exited");
    env.runner(["run", "--status-fd", "99", &id, "true"])
        .run()
        .code(125)
        .says(&["99", "not open"]);
}

#[test]
fn errors_have_a_kind_a_hint_and_no_colour() {
    let env = TestEnv::new();
    let plain = env.runner(["release", "nobody-1"]).run().code(3);
    assert_eq!(
        plain.err(),
        "error: there is no instance `nobody-1`\nhint: `runner status -v` lists the instances in use\n"
    );
    let object = env.runner(["--json", "release", "nobody-1"]).run().code(3);
    let object: serde_json::Value = serde_json::from_str(object.err()).unwrap();
    assert_eq!(object["kind"], "unknown-instance");
    let usage = env.runner(["release", "--json", "--frob"]).run().code(2);
    let usage: serde_json::Value = serde_json::from_str(usage.err()).unwrap();
    assert_eq!(usage["kind"], "usage");
    env.runner(["frob"]).run().code(1);
    assert!(
        env.runner(Vec::<&str>::new())
            .run()
            .ok()
            .out()
            .contains("Usage: runner")
    );
}

#[test]
fn without_a_terminal_a_missing_grant_is_refused_with_the_command_that_grants_it() {
    let env = TestEnv::new();
    let source = stranger(&env);
    let refused = env.runner(["acquire", "-s", &source]).run().code(3);
    let told = refused.err().to_owned();
    assert_eq!(refused.out(), "");
    let command = told
        .split('`')
        .find(|part| part.starts_with("runner plugin grant"))
        .unwrap();
    assert!(told.contains("--grant"), "{told}");
    // Once, and nothing stays.
    let once = env.runner(["acquire", "--grant", "-s", &source]).run().ok();
    env.runner(["release"]).args(once.words()).run().ok();
    env.runner(["acquire", "-s", &source]).run().code(3);
    // The very words of the hint.
    let granted = env.program("sh").args(["-c", command]).run().ok();
    assert!(
        granted.out().starts_with("granted to plugin `"),
        "{granted}"
    );
    let id = env
        .runner(["acquire", "-s", &source])
        .run()
        .ok()
        .words()
        .remove(0);
    env.runner(["run", &id, "true"]).run().ok();
    env.runner(["plugin", "revoke", "-s", &source]).run().ok();
    env.runner(["run", &id, "true"]).run().code(125);
    env.runner(["release", &id]).run().ok();
    assert_eq!(env.live().len(), 0);
}

#[test]
fn on_a_terminal_the_user_is_asked() {
    let env = TestEnv::new();
    let source = stranger(&env);
    for (key, code) in [("n\r", 3), ("\r", 3), ("o\r", 0), ("maybe\ry\r", 0)] {
        let acquire = env
            .runner(["exec", "-s", &source, "--", "true"])
            .into_command();
        let mut terminal = Terminal::start(&acquire, 100, 40);
        terminal.wait_for("[y]es / [o]nce / [N]o");
        assert!(
            terminal.seen().contains("It asks to"),
            "{}",
            terminal.seen()
        );
        terminal.type_in(key);
        let code = if code == 3 { 125 } else { code };
        assert_eq!(terminal.wait(), code, "{key:?}");
    }
    // The last answer was yes, so nobody is asked any more.
    env.runner(["exec", "-s", &source, "--", "true"]).run().ok();
}

#[test]
fn exec_gives_back_on_every_way_out() {
    let env = TestEnv::new();
    for (words, code) in [
        (&["sh", "-c", "exit 4"][..], 4),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["/no/such/program"], 127),
    ] {
        env.runner(["exec", "--"]).args(words).run().code(code);
        assert_eq!(env.live().len(), 0, "{words:?}");
    }
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let mut exec = env
            .runner(["exec", "--", "sh", "-c", "echo started; exec sleep 600"])
            .into_command();
        let mut child = exec.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert_eq!(line, "started\n");
        kill(child.id(), signal);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(128 + signal.as_raw()));
        assert_eq!(env.live().len(), 0);
    }
    // Even dead without a word: the next command that changes something takes it back.
    let mut exec = env
        .runner(["exec", "--", "sh", "-c", "echo started; exec sleep 600"])
        .into_command();
    let mut child = exec.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    kill(child.id(), rustix::process::Signal::KILL);
    child.wait().unwrap();
    env.runner(["exec", "--", "true"]).run().ok();
    assert_eq!(env.live().len(), 0);
}

#[test]
fn what_is_shown_about_sources_and_plugins() {
    let env = TestEnv::new();
    let file = env.source("web", "type = \"local\"\nmaximum = 2\n");
    let shown = env.runner(["config", "show", "web"]).run().ok();
    let place = format!("{}:2:1", file.display());
    let row = ["maximum", "2", place.as_str()];
    let said = |line: &str| line.split_whitespace().eq(row);
    assert!(shown.out().lines().any(said), "{shown}");
    let listed = env.runner(["source", "list"]).run().ok();
    assert!(
        listed.out().starts_with("source  type   defined in\n"),
        "{listed}"
    );
    let plugins = env.runner(["plugin", "list", "--json"]).run().ok().json();
    let names: Vec<_> = plugins["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    for expected in ["adhoc", "container", "ec2", "local", "qemu", "retry"] {
        assert!(names.iter().any(|name| **name == expected), "{names:?}");
    }
    let inspected = env
        .runner(["plugin", "inspect", "local", "--json"])
        .run()
        .ok()
        .json();
    assert_eq!(inspected["manifest"]["name"], "local");
    env.runner(["source", "show", "web"]).run().ok();
    env.source("broken", "type = 3\n");
    env.runner(["source", "list"])
        .run()
        .ok()
        .says(&["source.toml:1"]);
    env.runner(["config", "show"])
        .run()
        .code(3)
        .says(&["source.toml:1"]);
    env.runner(["source", "show", "wep"])
        .run()
        .code(3)
        .says(&["did you mean `web`"]);
}

#[test]
fn the_log_says_who_did_what() {
    let env = TestEnv::new();
    let id = env.acquire("local");
    env.runner(["run", &id, "sh", "-c", "exit 2"]).run().code(2);
    env.runner(["release", &id]).run().ok();
    let log = env.runner(["log", &id, "--json"]).run().ok().json();
    let verbs: Vec<_> = log["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["verb"])
        .collect();
    assert_eq!(verbs, ["acquire", "run", "release", "discard"]);
    assert_eq!(log["operations"][0]["owner"]["user"], "tester");
    assert_eq!(log["operations"][1]["outcome"], "failed");
    let last = env.runner(["log", "-n", "1"]).run().ok();
    assert_eq!(last.out().lines().count(), 3, "{last}");
    env.runner(["log", "--source", "./x.wasm"]).run().code(2);
}

#[test]
fn here_is_as_if_started_there() {
    let env = TestEnv::new();
    env.write(
        "project/.runner/sources/there/source.toml",
        "type = \"local\"\n",
    );
    let project = env.path("project");
    let listed = env
        .runner(["source", "list", "-d"])
        .arg(&project)
        .run()
        .ok();
    assert!(listed.out().contains("\nthere "), "{listed}");
    env.runner(["-d", "/no/such/place", "status"]).run().code(2);
}

#[test]
fn cp_speaks_of_files_and_keeps_quiet() {
    let env = TestEnv::new();
    let id = env.acquire("local");
    env.write("work/a:b", "colon");
    let there = |path: &str| format!("{id}:{path}");
    let quiet = env.runner(["cp", "./a:b", &there("x")]).run().ok();
    assert_eq!((quiet.out(), quiet.err()), ("", ""));
    let out = env.runner(["cp", &there("x"), "-"]).run().ok();
    assert_eq!(out.out(), "colon");
    env.runner(["cp", "-", &there("y")])
        .stdin("piped")
        .run()
        .ok();
    let told = env.runner(["cp", "--json", &there("y"), "back"]).run().ok();
    assert_eq!(told.json()["bytes"], 5);
    assert_eq!(std::fs::read(env.work().join("back")).unwrap(), b"piped");
    env.runner(["cp", "a:b", &there("z")])
        .run()
        .code(3)
        .says(&["no instance `a`"]);
    env.runner(["cp", "one"]).run().code(1);
}

#[test]
fn a_shell_has_a_terminal_and_ours_is_as_it_was() {
    let env = TestEnv::new();
    let id = env.acquire("local");
    let shell = env
        .runner(["run", &id])
        .env("SHELL", "/bin/sh")
        .into_command();
    let mut terminal = Terminal::start(&shell, 91, 33);
    let before = terminal.settings();
    terminal.type_in("stty size; echo end-\"\"of-size\r");
    terminal.wait_for("end-of-size");
    assert!(terminal.seen().contains("33 91"), "{}", terminal.seen());
    terminal.type_in("exit 6\r");
    assert_eq!(terminal.wait(), 6);
    assert_eq!(terminal.settings(), before);

    let sleeper = env
        .runner([
            "run",
            &id,
            "sh",
            "-c",
            "trap 'echo heard; exit 5' INT; echo ready; while :; do sleep 0.05; done",
        ])
        .into_command();
    let mut terminal = Terminal::start(&sleeper, 80, 24);
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    terminal.wait_for("heard");
    assert_eq!(terminal.wait(), 5);
    assert_eq!(
        terminal.seen().matches("heard").count(),
        1,
        "{}",
        terminal.seen()
    );
}
