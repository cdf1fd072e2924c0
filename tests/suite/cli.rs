//! Wiring and words of the command line: what goes to which stream, what is told to programs, what is told to people.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::pty::Terminal;

#[test]
fn help_is_there_at_every_level() {
    let env = TestEnv::new();
    let verbs = env.runner(["commands"]).run().ok();
    for verb in [
        "acquire", "run", "cp", "release", "discard", "status", "source", "plugin", "log",
        "config", "exec",
    ] {
        assert!(verbs.out().contains(verb), "{verbs}");
        for args in [&[verb, "--help"][..], &["help", verb], &[verb, "-h"]] {
            let help = env.runner(args).run().ok();
            assert!(help.out().contains("Usage"), "{help}");
            assert!(help.stderr.is_empty(), "{help}");
        }
    }
    // No word at all: help, as crcache.
    assert!(env.runner([""; 0]).run().ok().out().contains("acquire"));
}

#[test]
fn completions_are_there_for_every_shell() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = env.runner(["completions", shell]).run().ok();
        assert!(script.out().contains("acquire"), "{shell}");
    }
    let script = env.runner(["completions", "bash"]).run().ok();
    let file = env.write("complete.bash", script.out());
    env.program("bash").arg("-n").arg(file).run().ok();
}

#[test]
fn the_source_may_stand_before_and_after_the_verb() {
    let env = TestEnv::new();
    env.source("box", "type = \"local\"\nmaximum = 4\n");
    for args in [
        &["-s", "box", "acquire"][..],
        &["acquire", "-s", "box"],
        &["--source", "box", "acquire", "1"],
        &["acquire", "1", "--source=box"],
    ] {
        assert!(env.runner(args).run().ok().out().starts_with("box-"));
    }
}

#[test]
fn errors_go_to_stderr_with_cause_and_hint() {
    let env = TestEnv::new();
    let outcome = env.runner(["acquire", "-s", "locl"]).run().code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    assert!(
        !outcome.err().contains('\u{1b}'),
        "colour without a terminal: {outcome}"
    );
    outcome.says(&["error:", "locl", "hint:"]);
    let fake = Fake::source(&env, "box", "");
    fake.refuse("allocate", Some("failed"));
    let outcome = env.runner(["acquire", "-s", "box"]).run().code(3);
    outcome.says(&[
        "caused by:",
        "told to fail",
        "plugin `fake`",
        "source `box`",
        "call `allocate`",
        "remove the control file",
    ]);
}

#[test]
fn errors_for_programs_are_one_object() {
    let env = TestEnv::new();
    let kind = |args: &[&str], code: i32| {
        let outcome = env.runner(args).run().code(code);
        let line = outcome.err().trim_end();
        let json: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not one object: {outcome}"));
        let json = json.get("error").cloned().unwrap_or(json);
        json["kind"]
            .as_str()
            .unwrap_or_else(|| panic!("no kind: {outcome}"))
            .to_owned()
    };
    assert_eq!(
        kind(&["acquire", "--json", "-s", "nowhere"], 3),
        "unknown-source"
    );
    assert_eq!(
        kind(&["--json", "release", "nobody-1"], 3),
        "unknown-instance"
    );
    assert_eq!(
        kind(&["--json", "run", "nobody-1", "true"], 125),
        "unknown-instance"
    );
    env.acquire("local");
    assert_eq!(kind(&["--json", "acquire"], 3), "exhausted");
    env.source("kept", "type = \"local\"\nreserve = 1\n");
    let id = env.acquire("kept");
    env.runner(["release", &id]).run().ok();
    assert_eq!(kind(&["--json", "run", &id, "true"], 125), "not-leased");
}

#[test]
fn colour_only_on_a_terminal_that_wants_it() {
    let env = TestEnv::new();
    let seen = |no_color: Option<&str>| {
        let mut call = env.runner(["acquire", "-s", "nowhere"]);
        if let Some(value) = no_color {
            call = call.env("NO_COLOR", value);
        }
        let mut terminal = Terminal::start(&call.into_command(), 100, 30);
        terminal.wait_for("nowhere");
        terminal.wait();
        terminal.seen()
    };
    assert!(seen(None).contains("\u{1b}["), "no colour on a terminal");
    assert!(
        !seen(Some("1")).contains('\u{1b}'),
        "colour against NO_COLOR"
    );
}

#[test]
fn waiting_ends_when_there_is_room_or_when_it_was_enough() {
    let env = TestEnv::new();
    let held = env.acquire("local");
    let begun = std::time::Instant::now();
    let outcome = env.runner(["acquire", "--wait=1s"]).run().code(3);
    assert!(begun.elapsed().as_millis() >= 1000, "{outcome}");
    assert!(outcome.stdout.is_empty(), "{outcome}");
    // Without the option it fails at once and names the limit.
    env.runner(["acquire"]).run().code(3).says(&["local", "1"]);
    let waiting = env
        .runner(["acquire", "--wait"])
        .into_command()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    env.runner(["release", &held]).run().ok();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"local-"));
    env.runner(["acquire", "--wait=soon"]).run().code(2);
}

#[test]
fn an_interrupted_wait_leaves_nothing() {
    let env = TestEnv::new();
    let held = env.acquire("local");
    let mut waiting = env
        .runner(["acquire", "--wait"])
        .into_command()
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It waits when it has opened its ticket; the log does not say, so give it the time to start.
    while runner_tests::command::peak_kib(waiting.id()).is_none() {}
    std::thread::sleep(std::time::Duration::from_millis(500));
    runner_tests::command::kill(waiting.id(), rustix::process::Signal::INT);
    assert!(!waiting.wait().unwrap().success());
    env.runner(["release", &held]).run().ok();
    env.acquire("local");
}

#[test]
fn the_log_tells_who_did_what_and_how_it_ended() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let id = env.acquire("box");
    env.runner(["run", &id, "--", "sh", "-c", "exit 4"])
        .run()
        .code(4);
    env.runner(["release", &id]).run().ok();
    fake.refuse("allocate", Some("failed"));
    env.runner(["acquire", "-s", "box"]).run().code(3);
    let log = env.runner(["log"]).run().ok();
    for part in ["acquire", "run", "release", &id, "tester", "failed", "ok"] {
        assert!(log.out().contains(part), "no `{part}`: {log}");
    }
    let json = env.runner(["log", "--json"]).run().ok().json();
    assert!(json.to_string().contains("told to fail"), "{json}");
    let one = env.runner(["log", &id]).run().ok();
    assert!(one.out().contains("release"), "{one}");
}

#[test]
fn a_closed_stdout_gives_the_instances_back() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    // Nobody can have read the ids.
    let outcome = env
        .program("sh")
        .args(["-c", "exec runner acquire -s box 2 > /dev/full"])
        .run();
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(fake.live().is_empty(), "{:?}", env.live());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = env.runner(["acquire", "-s", "box"]).into_command();
    command
        .stdout(writer)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    env.acquire("box");
    assert_eq!(fake.live().len(), 1, "{:?}", env.live());
}

#[test]
fn exec_is_released_when_it_is_interrupted() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    for signal in [
        rustix::process::Signal::INT,
        rustix::process::Signal::TERM,
        rustix::process::Signal::HUP,
    ] {
        let ready = env.path("ready");
        let script = format!(": > {}; exec sleep 4567", ready.display());
        let mut child = env
            .runner(["exec", "-s", "box", "--", "sh", "-c", &script])
            .into_command()
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !ready.exists() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        runner_tests::command::kill(child.id(), signal);
        let status = child.wait().unwrap();
        assert!(!status.success());
        assert!(fake.live().is_empty(), "{signal:?}");
        assert!(env.live().is_empty(), "{signal:?}");
        std::fs::remove_file(ready).unwrap();
    }
    let left = env.processes();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn state_survives_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::with_own_cache();
    let _fake = Fake::source(&env, "box", "");
    env.acquire("box");
    for name in ["state/runner", "cache/compiled"] {
        let path = env.path(name);
        let mode = std::fs::metadata(&path)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "others may look into {name}: {mode:o}");
    }
}

#[test]
fn compiled_code_that_was_damaged_is_made_again() {
    let env = TestEnv::with_own_cache();
    let _fake = Fake::source(&env, "box", "");
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    let files = || -> Vec<_> {
        std::fs::read_dir(env.path("cache/compiled"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    };
    assert!(!files().is_empty());
    for damage in ["cut", "empty", "flipped"] {
        for file in files() {
            let mut bytes = std::fs::read(&file).unwrap();
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                "empty" => bytes.clear(),
                _ => {
                    let middle = bytes.len() / 2;
                    for byte in bytes.iter_mut().skip(middle).take(64) {
                        *byte = !*byte;
                    }
                }
            }
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, bytes).unwrap();
        }
        let id = env.acquire("box");
        env.runner(["run", &id, "--", "true"]).run().ok();
        env.runner(["release", &id]).run().ok();
    }
}
