//! Scripts around an instance's life: `provision.d` and `discard.d`, in the order of run-parts, with the id as the
//! first argument.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

/// A world with a fake source and its folder of settings.
fn world() -> (TestEnv, Fake) {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    (env, fake)
}

fn script(env: &TestEnv, name: &str, body: &str) {
    env.script(
        format!("config/runner/sources/box/{name}"),
        format!("#!/bin/sh\n{body}\n"),
    );
}

fn noted(env: &TestEnv) -> String {
    std::fs::read_to_string(env.path("notes")).unwrap_or_default()
}

#[test]
fn scripts_run_in_order_with_the_id() {
    let (env, _fake) = world();
    let notes = env.path("notes").display().to_string();
    for name in [
        "provision.d/20-b",
        "provision.d/10-a",
        "provision.d/9",
        "provision.d/a_z",
        "discard.d/1",
        "discard.d/0",
    ] {
        script(&env, name, &format!("echo \"{name} $1 $#\" >> {notes}"));
    }
    // What run-parts leaves out: editor backups, packaging leftovers, what is not executable.
    for name in [
        "provision.d/30-c~",
        "provision.d/40.sh",
        "provision.d/.hidden",
        "provision.d/50-d.dpkg-old",
    ] {
        script(&env, name, &format!("echo wrong {name} >> {notes}"));
    }
    env.write(
        "config/runner/sources/box/provision.d/60-text",
        "echo wrong",
    );
    let id = env.acquire("box");
    assert_eq!(
        noted(&env),
        "provision.d/10-a box-0 1\nprovision.d/20-b box-0 1\nprovision.d/9 box-0 1\nprovision.d/a_z box-0 1\n"
    );
    std::fs::remove_file(env.path("notes")).unwrap();
    env.runner(["release", &id]).run().ok();
    assert_eq!(noted(&env), "discard.d/0 box-0 1\ndiscard.d/1 box-0 1\n");
}

#[test]
fn scripts_may_run_commands_on_the_instance() {
    let (env, _fake) = world();
    script(
        &env,
        "provision.d/10",
        "runner run \"$1\" -- sh -c 'echo made > mark' && runner cp - \"$1:copied\" < /dev/null",
    );
    let notes = env.path("notes").display().to_string();
    script(
        &env,
        "discard.d/10",
        &format!("runner run \"$1\" -- cat mark > {notes}"),
    );
    let id = env.acquire("box");
    let outcome = env.runner(["run", &id, "--", "ls"]).run().ok();
    assert_eq!(outcome.out(), "copied\nmark\n");
    env.runner(["release", &id]).run().ok();
    assert_eq!(noted(&env), "made\n");
}

#[test]
fn scripts_keep_stdout_clean() {
    let (env, _fake) = world();
    script(&env, "provision.d/10", "echo on stdout; echo on stderr >&2");
    let outcome = env.runner(["acquire", "-s", "box"]).run().ok();
    assert_eq!(outcome.out(), "box-0\n");
}

#[test]
fn a_failing_provision_script_makes_the_instance_unusable() {
    let (env, fake) = world();
    let notes = env.path("notes").display().to_string();
    script(
        &env,
        "provision.d/10-fails",
        "echo why it failed >&2; exit 3",
    );
    script(
        &env,
        "provision.d/20-never",
        &format!("echo wrong >> {notes}"),
    );
    let outcome = env.runner(["acquire", "-s", "box", "2"]).run().code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    outcome.says(&["10-fails", "box", "3"]);
    assert_eq!(noted(&env), "");
    assert!(fake.live().is_empty());
    assert!(env.live().is_empty());
}

#[test]
fn a_failing_discard_script_is_reported_and_keeps_nothing_alive() {
    let (env, fake) = world();
    script(&env, "discard.d/10-fails", "exit 3");
    let id = env.acquire("box");
    let outcome = env.runner(["release", &id]).run();
    outcome.says(&["10-fails"]);
    assert!(fake.live().is_empty());
    assert!(env.live().is_empty());
}

#[test]
fn a_kept_instance_is_provisioned_once() {
    let (env, fake) = world();
    let notes = env.path("notes").display().to_string();
    script(&env, "provision.d/10", &format!("echo up >> {notes}"));
    script(&env, "discard.d/10", &format!("echo down >> {notes}"));
    let component = runner_tests::guests::fake().display().to_string();
    env.source(
        "box",
        &format!(
            "type = \"{component}\"\nbackend = \"{}\"\nreserve = 1\n",
            fake.directory().display()
        ),
    );
    for _ in 0..3 {
        let id = env.acquire("box");
        env.runner(["release", &id]).run().ok();
    }
    assert_eq!(noted(&env), "up\n");
    let id = env.acquire("box");
    env.runner(["discard", &id]).run().ok();
    assert_eq!(noted(&env), "up\ndown\n");
}
