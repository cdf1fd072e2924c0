//! Nothing that a plugin asks for is given without the user's word: asked once, per source, for exactly this component.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::guests;
use runner_tests::pty::Terminal;

/// A world with an ungranted fake source.
fn world() -> (TestEnv, Fake) {
    let env = TestEnv::new();
    let fake = Fake::ungranted(&env, "box", "");
    (env, fake)
}

#[test]
fn without_a_terminal_the_first_use_is_refused_with_the_exact_command() {
    let (env, fake) = world();
    let outcome = env.runner(["acquire", "-s", "box"]).run().code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    assert!(fake.journal().is_empty(), "it was called all the same");
    // The command in the hint is one that works when it is pasted into a shell.
    let text = outcome.err().to_owned();
    let start = text
        .find("runner plugin grant")
        .unwrap_or_else(|| panic!("no command: {outcome}"));
    let command = text[start..].split(['`', '\n']).next().unwrap();
    env.program("sh").args(["-c", command]).run().ok();
    env.acquire("box");
}

#[test]
fn a_file_on_the_command_line_is_granted_by_the_command_it_names() {
    let (env, fake) = world();
    let given = format!(
        "{}:backend={}",
        guests::fake().display(),
        fake.directory().display()
    );
    let outcome = env.runner(["acquire", "--source", &given]).run().code(3);
    let text = outcome.err().to_owned();
    let start = text
        .find("runner plugin grant")
        .unwrap_or_else(|| panic!("no command: {outcome}"));
    let command = text[start..].split(['`', '\n']).next().unwrap();
    env.program("sh").args(["-c", command]).run().ok();
    env.runner(["acquire", "--source", &given]).run().ok();
}

#[test]
fn a_grant_for_one_call_is_not_remembered_but_its_instances_stay_usable() {
    let (env, fake) = world();
    let id = env.runner(["acquire", "--grant", "-s", "box"]).run().ok();
    let id = id.out().trim().to_owned();
    env.runner(["acquire", "-s", "box"]).run().code(3);
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn what_was_granted_is_listed_and_can_be_taken_back() {
    let (env, fake) = world();
    let said = env.runner(["plugin", "grant", "box"]).run().ok();
    // What it means, and not only that it happened.
    for part in ["sh", fake.directory().to_str().unwrap()] {
        assert!(said.out().contains(part), "no `{part}`: {said}");
    }
    let id = env.acquire("box");
    let listed = env.runner(["plugin", "list", "-v"]).run().ok();
    assert!(listed.out().contains("box"), "{listed}");
    env.runner(["plugin", "revoke", "box"]).run().ok();
    env.runner(["acquire", "-s", "box"])
        .run()
        .code(3)
        .says(&["grant"]);
    env.runner(["run", &id, "--", "true"])
        .run()
        .code(125)
        .says(&["grant"]);
    // What exists can always be got rid of.
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn a_grant_is_for_one_source() {
    let (env, _fake) = world();
    env.grant("box");
    let other = Fake::ungranted(&env, "other", "");
    env.runner(["acquire", "-s", "other"])
        .run()
        .code(3)
        .says(&["other"]);
    assert!(other.journal().is_empty());
}

#[test]
fn a_larger_request_asks_again_and_shows_the_difference() {
    let (env, fake) = world();
    env.grant("box");
    let id = env.acquire("box");
    // The directory that it asks for is another one now.
    let elsewhere = env.path("elsewhere");
    std::fs::create_dir_all(elsewhere.join("live")).unwrap();
    env.source(
        "box",
        &format!(
            "type = \"{}\"\nbackend = \"{}\"\n",
            guests::fake().display(),
            elsewhere.display()
        ),
    );
    let outcome = env.runner(["acquire", "-s", "box"]).run().code(3);
    outcome.says(&[elsewhere.to_str().unwrap()]);
    assert_eq!(
        std::fs::read_dir(elsewhere.join("live")).unwrap().count(),
        0
    );
    // The one that exists was made with what was granted then, and goes on working.
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn a_changed_component_asks_again() {
    let (env, fake) = world();
    let copy = env.path("plugin.wasm");
    std::fs::copy(guests::fake(), &copy).unwrap();
    let define = || {
        env.source(
            "box",
            &format!(
                "type = \"{}\"\nbackend = \"{}\"\n",
                copy.display(),
                fake.directory().display()
            ),
        )
    };
    define();
    env.grant("box");
    let id = env.acquire("box");
    // One more custom section: the same code, another digest.
    let mut bytes = std::fs::read(&copy).unwrap();
    bytes.extend([0, 5, 4, b'm', b'o', b'r', b'e']);
    std::fs::write(&copy, bytes).unwrap();
    env.runner(["acquire", "-s", "box"])
        .run()
        .code(3)
        .says(&["grant"]);
    // The instance keeps the component it was made with, even when the file is gone.
    std::fs::remove_file(&copy).unwrap();
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn a_project_can_select_and_limit_but_not_grant() {
    let env = TestEnv::new();
    let backend = env.path("backend/theirs");
    std::fs::create_dir_all(backend.join("live")).unwrap();
    let component = guests::fake().display();
    for extra in [
        "",
        "grant = true\n",
        "[grant]\nprograms = [\"*\"]\n",
        "[grants]\nprograms = [\"sh\"]\n",
    ] {
        env.write(
            "work/.runner/sources/theirs/source.toml",
            format!(
                "type = \"{component}\"\nbackend = \"{}\"\n{extra}",
                backend.display()
            ),
        );
        env.runner(["acquire", "-s", "theirs"]).run().code(3);
        assert_eq!(
            std::fs::read_dir(backend.join("live")).unwrap().count(),
            0,
            "{extra}"
        );
    }
}

#[test]
fn the_builtin_plugins_need_no_question_and_are_visible() {
    let env = TestEnv::new();
    env.acquire("local");
    let listed = env.runner(["plugin", "list"]).run().ok();
    for name in ["local", "ssh", "chroot", "container"] {
        assert!(listed.out().contains(name), "no `{name}`: {listed}");
    }
    let inspected = env.runner(["plugin", "inspect", "ssh"]).run().ok();
    assert!(inspected.out().contains("hosts"), "{inspected}");
}

#[test]
fn a_component_can_be_inspected_without_being_run() {
    let env = TestEnv::new();
    let outcome = env
        .runner(["plugin", "inspect"])
        .arg(guests::hostile())
        .run()
        .ok();
    for part in ["hostile", "6.6.6", "Misbehaves", "true", "sleep", "backend"] {
        assert!(outcome.out().contains(part), "no `{part}`: {outcome}");
    }
    // What is no component is an error and not a crash.
    for (name, bytes) in [
        ("empty.wasm", Vec::new()),
        ("noise.wasm", (0..=255).cycle().take(10_000).collect()),
        (
            "cut.wasm",
            std::fs::read(guests::fake()).unwrap()[..100_000].to_vec(),
        ),
        ("module.wasm", b"\0asm\x01\0\0\0".to_vec()),
    ] {
        let file = env.write(name, bytes);
        env.runner(["plugin", "inspect"])
            .arg(&file)
            .run()
            .code(3)
            .says(&[name]);
        env.runner(["acquire", "--grant", "--source"])
            .arg(&file)
            .run()
            .code(3)
            .says(&[name]);
    }
    env.runner(["plugin", "inspect", "./missing.wasm"])
        .run()
        .code(3)
        .says(&["missing.wasm"]);
}

#[test]
fn on_a_terminal_one_screen_asks_and_remembers() {
    let (env, fake) = world();
    let ask = |answer: &str| {
        let command = env.runner(["acquire", "-s", "box"]).into_command();
        let mut terminal = Terminal::start(&command, 100, 40);
        terminal.wait_for("Grant it?");
        let screen = terminal.seen();
        for part in ["box", "fake", "sh", fake.directory().to_str().unwrap()] {
            assert!(screen.contains(part), "no `{part}`:\n{screen}");
        }
        assert!(
            screen.lines().count() <= 40,
            "more than one screen:\n{screen}"
        );
        terminal.type_in(answer);
        terminal.wait()
    };
    assert_eq!(ask("\n"), 3);
    assert_eq!(ask("n\n"), 3);
    assert!(fake.journal().is_empty());
    assert_eq!(ask("o\n"), 0);
    assert_eq!(ask("y\n"), 0);
    // From now on nobody is asked.
    env.acquire("box");
    assert_eq!(fake.live().len(), 3);
}

#[test]
fn an_audit_shows_what_was_used_beside_what_was_granted() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "");
    let audit = || {
        let said = env.runner(["plugin", "audit", "box", "--json"]).run().ok();
        said.json()["audits"][0].clone()
    };
    let id = env.acquire("box");
    // It was granted a shell, and making an instance took none.
    let before = audit();
    assert_eq!(before["used"], serde_json::json!([]));
    assert!(
        before["unused"]["programs"]["named"]["sh"].is_string(),
        "{before}"
    );
    for _ in 0..2 {
        env.runner(["run", &id, "--", "true"]).run().ok();
    }
    let after = audit();
    assert_eq!(after["used"][0]["right"], "program");
    assert_eq!(after["used"][0]["what"], "sh");
    assert_eq!(after["used"][0]["uses"], 2);
    assert_eq!(after["unused"]["programs"]["named"], serde_json::json!({}));
    assert_eq!(after["requests"]["programs"], serde_json::json!(["sh"]));
    let text = env.runner(["plugin", "audit", "box"]).run().ok();
    assert!(text.out().contains("as tight as what it used"), "{text}");
}
