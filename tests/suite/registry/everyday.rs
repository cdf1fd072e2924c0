//! What somebody does with plugins day by day.

use std::path::{Path, PathBuf};

use runner_tests::backends::registry::{LOGIN, Registry};
use runner_tests::fake::Fake;
use runner_tests::pty::Terminal;
use runner_tests::{Outcome, TestEnv, guests, variant};

use super::{World, installed};

#[test]
fn published_found_installed_used_and_removed() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    let published = world.publish("1.0.0", "team");
    assert_eq!(published["reference"], world.at("fake:1.0.0"));

    let found = env
        .runner(["plugin", "search", "directory", "--json"])
        .run()
        .ok()
        .json();
    assert_eq!(found["plugins"][0]["from"], world.at("fake"), "{found}");
    assert_eq!(found["plugins"][0]["version"], "1.0.0");
    let nothing = env
        .runner(["plugin", "search", "nonsense", "--json"])
        .run()
        .ok()
        .json();
    assert_eq!(nothing["plugins"].as_array().unwrap().len(), 0, "{nothing}");

    let said = world.install("fake", &[]).ok();
    assert!(
        said.out().contains("installed plugin `fake` 1.0.0"),
        "{said}"
    );
    assert!(said.out().contains("signed by  key "), "{said}");
    assert_eq!(world.installed().as_deref(), Some("1.0.0"));

    // A name like any other now; installing granted nothing.
    let fake = Fake::of_type(env, "box", "fake", "");
    env.runner(["acquire", "-s", "box"]).run().code(3);
    assert!(fake.live().is_empty());
    env.grant("box");
    let id = env.acquire("box");
    let removed = env.runner(["plugin", "remove", "fake"]).run().ok();
    assert!(removed.err().contains("source `box` names it"), "{removed}");
    assert_eq!(world.installed(), None);
    // What it made can still be used and given back.
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    env.runner(["plugin", "remove", "fake"]).run().code(3);
    let built_in = env.runner(["plugin", "remove", "local"]).run().code(3);
    assert!(
        built_in.err().contains("part of this program"),
        "{built_in}"
    );
}

#[test]
fn ranges_and_withdrawn_versions() {
    let Some(world) = World::new() else { return };
    for version in ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "3.0.0-rc.1"] {
        world.publish(version, "team");
    }
    for (wanted, version) in [
        ("fake@1.0.0", "1.0.0"),
        ("fake@~1.1", "1.1.0"),
        ("fake@^1", "1.2.0"),
        ("fake", "2.0.0"),
        ("fake@3.0.0-rc.1", "3.0.0-rc.1"),
    ] {
        world.install(wanted, &[]).ok();
        assert_eq!(world.installed().as_deref(), Some(version), "{wanted}");
    }
    let missing = world.install("fake@^4", &[]).code(3);
    assert!(
        missing
            .err()
            .contains("no version is in `^4`; there are 3.0.0-rc.1, 2.0.0"),
        "{missing}"
    );
    let unknown = world.install("fakes", &[]).code(3);
    assert!(
        unknown.err().contains("there is no plugin `fakes`"),
        "{unknown}"
    );

    let env = &world.env;
    env.runner(["plugin", "remove", "fake"]).run().ok();
    env.runner(["plugin", "yank", &world.at("fake:1.2.0")])
        .run()
        .ok();
    world.install("fake@^1", &[]).ok();
    assert_eq!(world.installed().as_deref(), Some("1.1.0"));
    for wanted in ["fake@1.2.0".to_owned(), world.at("fake:1.2.0")] {
        let refused = world.install(&wanted, &[]).code(3);
        assert!(
            refused.err().contains("was withdrawn by its publisher"),
            "{refused}"
        );
    }
    world.install("fake@1.2.0", &["--yanked"]).ok();
    let list = env.runner(["plugin", "outdated"]).run().ok();
    assert!(list.out().contains("its version was withdrawn"), "{list}");
}

#[test]
fn a_version_stays_what_it_is() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    let first = world.publish("1.0.0", "team");
    let again = world.publish("1.0.0", "team");
    assert_eq!(again["unchanged"], true);
    assert_eq!(again["manifest"], first["manifest"]);
    // Without a key: what signed it before still counts, and is not asked for again.
    let unsigned = env.runner(["plugin", "publish", &world.at("fake")]);
    let same = variant::version(&world.component, "1.0.0");
    let unsigned = unsigned.arg(world.file(&same)).run().ok();
    assert!(
        unsigned.out().contains("signed by  nobody anew: the "),
        "{unsigned}"
    );
    let kept = env.runner(["plugin", "keygen", "team"]).run();
    assert_ne!(kept.code, Some(0), "{kept}");
    assert!(kept.err().contains("never overwritten"), "{kept}");
    let other = variant::variant(&world.component, |manifest| {
        manifest["version"] = "1.0.0".into();
        manifest["description"] = "something else".into();
    });
    let file = world.file(&other);
    let publish = |more: &[&str]| {
        let call = env
            .runner(["plugin", "publish", &world.at("fake")])
            .arg(&file);
        call.args(["--key", "team.key"]).args(more).run()
    };
    let refused = publish(&[]).code(3);
    assert!(
        refused
            .err()
            .contains("is published already, with other content"),
        "{refused}"
    );

    world.install("fake", &[]).ok();
    publish(&["--force"]).ok();
    let changed = world.install("fake", &[]).code(3);
    assert!(
        changed.err().contains("version 1.0.0 is not what it was"),
        "{changed}"
    );
    world.install("fake", &["--replace"]).ok();
}

#[test]
fn what_is_published_is_what_it_says() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    let file = world.file(&world.component);
    for (reference, said) in [
        (world.at("other"), "calls itself `fake`"),
        (
            world.at("fake:9.9.9"),
            "is version 0.1.0, and would be published as `9.9.9`",
        ),
        (
            "oci://127.0.0.1:1/fake".to_owned(),
            "there is no answer from http://127.0.0.1:1",
        ),
        ("oci://r_x/fake".to_owned(), "the host is no host name"),
    ] {
        let call = env.runner(["plugin", "publish", &reference]).arg(&file);
        let refused = call.run().code(3);
        assert!(refused.err().contains(said), "{refused}");
    }
    let text = env.write("work/text.wasm", "hello");
    let call = env
        .runner(["plugin", "publish", &world.at("fake")])
        .arg(text);
    let refused = call.run().code(3);
    assert!(refused.err().contains("this is a text file"), "{refused}");
}

/// The file with what `plugin test` says of a `fake`.
fn report_of(env: &TestEnv, component: &Path) -> PathBuf {
    let backend = format!("backend={}", env.path("backend/fake").display());
    for part in ["live", "homes"] {
        std::fs::create_dir_all(env.path(format!("backend/fake/{part}"))).unwrap();
    }
    let call = env.runner(["plugin", "test"]).arg(component).arg(backend);
    let report = env.path("work/tried.json");
    let call = call.args(["--level", "basic", "--grant", "--report"]);
    call.arg(&report).run().ok();
    report
}

#[test]
fn an_update_shows_what_changes_before_it_is_taken() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    world.publish("1.0.0", "team");
    world.install("fake@^1", &[]).ok();
    let nothing = env.runner(["plugin", "update"]).run().ok();
    assert!(nothing.out().contains("newest in its range"), "{nothing}");
    world.publish("2.0.0", "team");
    let bigger = variant::variant(&world.component, |manifest| {
        manifest["version"] = "1.5.0".into();
        manifest["description"] = "".into();
        manifest["requests"]["programs"] = serde_json::json!(["sh", "curl"]);
    });
    let file = world.file(&bigger);
    // What it reached is told of the very component that was tried.
    let publish = |tried: &Path| {
        let call = env.runner(["plugin", "publish", &world.at("fake")]);
        let call = call.arg(&file).args(["--key", "team.key", "--proof"]);
        call.arg(report_of(env, tried)).run()
    };
    publish(guests::fake())
        .code(3)
        .says(&["shows no level of this plugin: it is about another component"]);
    publish(&file).ok();

    let outdated = env
        .runner(["plugin", "outdated", "--json"])
        .run()
        .ok()
        .json();
    let one = &outdated["plugins"][0];
    assert_eq!(
        (&one["installed"], &one["wanted"], &one["newest"]),
        (&"1.0.0".into(), &"1.5.0".into(), &"2.0.0".into())
    );

    let shows = |outcome: &Outcome| {
        for part in [
            "plugin `fake`",
            "version      1.0.0 -> 1.5.0",
            "requests     + programs \"curl\"",
            "conformance  none claimed -> basic (tested by its publisher with runner 0.1.0, live)",
        ] {
            assert!(
                outcome.out().contains(part),
                "`{part}` is not shown: {outcome}"
            );
        }
    };
    shows(&env.runner(["plugin", "update", "--dry-run"]).run().ok());
    // Nobody is there to be asked.
    let refused = env.runner(["plugin", "update", "fake"]).run().code(3);
    shows(&refused);
    assert!(refused.err().contains("were not taken"), "{refused}");
    assert_eq!(world.installed().as_deref(), Some("1.0.0"));

    let fake = Fake::of_type(env, "box", "fake", "");
    env.grant("box");
    let id = env.acquire("box");
    shows(&env.runner(["plugin", "update", "--yes"]).run().ok());
    assert_eq!(world.installed().as_deref(), Some("1.5.0"));
    // Another component, and a larger request: it is not granted by having been installed.
    env.runner(["acquire", "-s", "box"]).run().code(3);
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
    let file = env.runner(["plugin", "update", "nosuch"]).run().code(3);
    assert!(
        file.err().contains("no plugin `nosuch` is installed"),
        "{file}"
    );
}

#[test]
fn an_update_at_a_terminal_asks() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    world.publish("1.0.0", "team");
    world.install("fake", &[]).ok();
    world.publish("1.1.0", "team");
    for (answer, version, code) in [("n", "1.0.0", 3), ("y", "1.1.0", 0)] {
        let command = env.runner(["plugin", "update"]).into_command();
        let mut terminal = Terminal::start(&command, 100, 40);
        terminal.wait_for("[y]es / [N]o");
        terminal.type_in(&format!("{answer}\n"));
        assert_eq!(terminal.wait(), code);
        assert_eq!(world.installed().as_deref(), Some(version));
    }
}

#[test]
fn passwords() {
    let env = TestEnv::new();
    let Some(registry) = Registry::start_private(&env) else {
        return;
    };
    let (host, (user, password)) = (registry.host(), LOGIN);
    env.runner(["plugin", "keygen", "team"]).run().ok();
    let reference = format!("oci://{host}/fake");
    let publish = || {
        let call = env.runner(["plugin", "publish", &reference]);
        call.arg(guests::fake()).args(["--key", "team.key"]).run()
    };
    let refused = publish().code(3);
    assert!(refused.err().contains("status 401"), "{refused}");
    assert!(refused.err().contains("runner plugin login"), "{refused}");
    let login = |password: &str| {
        let call = env.runner(["plugin", "login", &host, "-u", user, "--password-stdin"]);
        call.stdin(password.as_bytes()).run()
    };
    login("wrong").ok();
    publish().code(3);
    login(password).ok();
    publish().ok();
    let file = std::fs::read_to_string(env.path("config/runner/registry-auth.json")).unwrap();
    assert!(!file.contains(password), "{file}");
    env.runner(["plugin", "logout", &host]).run().ok();
    publish().code(3);
    // What docker knows, we know.
    let docker =
        format!(r#"{{"auths": {{"{host}": {{"username": "{user}", "password": "{password}"}}}}}}"#);
    env.write("home/.docker/config.json", docker);
    let call = env.runner(["plugin", "install", &reference, "--key", "team.pub"]);
    call.run().ok();
    assert_eq!(installed(&env).as_deref(), Some("0.1.0"));
    // A helper is a program, and is not started.
    env.write(
        "home/.docker/config.json",
        format!(r#"{{"credHelpers": {{"{host}": "evil"}}}}"#),
    );
    let refused = publish().code(3);
    assert!(
        refused.err().contains("docker-credential-evil"),
        "{refused}"
    );
}
