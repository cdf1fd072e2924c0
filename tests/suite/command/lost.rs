//! The process dies, or gives up, while `new` is on its way: the machine is found again by what was written down before.

use std::time::{Duration, Instant};

use runner_tests::TestEnv;

use super::files;

/// A source `pool` whose machines are files. `gate` holds `new` up until the file of that name is there.
fn world(more: &str) -> TestEnv {
    let env = TestEnv::new();
    for name in ["machines", "calls"] {
        std::fs::create_dir(env.path(name)).unwrap();
    }
    let here = env.path("");
    let here = here.display();
    env.script(
        "hooks/new",
        format!(
            "#!/bin/sh\necho $RESALLOC_NAME >>{here}/calls/new\n[ ! -e {here}/slow ] || {{ : >{here}/calls/waits; while [ ! -e {here}/gate ]; do sleep 0.01; done; }}\n\
             : >{here}/machines/$RESALLOC_NAME\necho localhost\n"
        ),
    );
    env.script(
        "hooks/delete",
        format!("#!/bin/sh\necho $RESALLOC_NAME >>{here}/calls/delete\nrm -f {here}/machines/$RESALLOC_NAME\n"),
    );
    env.source(
        "pool",
        &format!("type = \"command\"\naccess = \"none\"\nnew = '{here}/hooks/new'\ndelete = '{here}/hooks/delete'\n{more}"),
    );
    env
}

fn machines(env: &TestEnv) -> Vec<String> {
    files(&env.path("machines"))
}

#[test]
fn nothing_runs_without_a_grant_and_the_grant_shows_the_commands() {
    let env = world("");
    let outcome = env.runner(["acquire", "-s", "pool"]).run().code(3);
    let text = outcome.err();
    assert!(
        text.contains("hooks/new") && text.contains("hooks/delete"),
        "{outcome}"
    );
    assert!(!text.contains("any host"), "{outcome}");
    assert!(machines(&env).is_empty());
    env.grant("pool");
    let id = env.acquire("pool");
    env.runner(["release", &id]).run().ok();

    // Another command under the same name is another question.
    let file = env.path("config/runner/sources/pool/source.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("hooks/new'", "hooks/new --again'")).unwrap();
    let outcome = env.runner(["acquire", "-s", "pool"]).run().code(3);
    outcome.says(&["--again"]);

    // Logging in wherever `new` says has to be said.
    std::fs::write(&file, text.replace("access = \"none\"", "")).unwrap();
    let outcome = env.runner(["acquire", "-s", "pool"]).run().code(3);
    outcome.says(&["log in to any host"]);
}

#[test]
fn without_access_a_command_is_refused_with_a_way_out() {
    let env = world("");
    env.grant("pool");
    let id = env.acquire("pool");
    env.runner(["run", &id, "--", "true"])
        .run()
        .code(125)
        .says(&["access", "ssh"]);
    env.runner(["release", &id]).run().ok();
    assert!(machines(&env).is_empty());
}

#[test]
fn a_death_at_any_point_of_an_acquire_leaks_nothing() {
    let points = TestEnv::new()
        .runner(["debug", "fault-points"])
        .run()
        .ok()
        .words();
    let mut died = 0;
    for point in points.iter().filter(|point| {
        point.starts_with("acquire:")
            || point.starts_with("provision:")
            || point.starts_with("discard:")
    }) {
        let env = world("");
        env.grant("pool");
        let verb = |env: &TestEnv| {
            env.runner(["exec", "-s", "pool", "--", "true"])
                .env("RUNNER_FAULT", point)
                .run()
        };
        if verb(&env).signal != Some(9) {
            continue;
        }
        died += 1;
        // One more command, and then what is in the books is what exists.
        env.acquire("local");
        let known = env
            .live()
            .iter()
            .filter(|one| one["source"] == "pool")
            .count();
        assert_eq!(machines(&env).len(), known, "after `{point}`");
        // The same name each time, whatever was known.
        let made = std::fs::read_to_string(env.path("calls/new")).unwrap_or_default();
        let gone = std::fs::read_to_string(env.path("calls/delete")).unwrap_or_default();
        assert!(
            gone.lines().all(|name| made.contains(name)),
            "after `{point}`: {made} {gone}"
        );
    }
    assert!(died >= 4, "{died}");
}

#[test]
fn a_new_that_outlives_its_caller_is_ended_before_delete() {
    let env = world("");
    env.grant("pool");
    std::fs::write(env.path("slow"), "").unwrap();
    let mut child = env
        .runner(["acquire", "-s", "pool"])
        .into_command()
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !env.path("calls/waits").exists() {
        assert!(begun.elapsed() < runner_tests::command::HANG);
        std::thread::sleep(Duration::from_millis(5));
    }
    runner_tests::command::kill(child.id(), rustix::process::Signal::KILL);
    child.wait().unwrap();
    let running = |env: &TestEnv| {
        env.processes()
            .iter()
            .any(|(_, line)| line.contains("hooks/new"))
    };
    assert!(running(&env), "it goes on by itself, as any shell would");
    // The next command deletes; resalloc's would be made after that, and known to nobody.
    env.acquire("local");
    assert!(!running(&env), "{:?}", env.processes());
    std::fs::write(env.path("gate"), "").unwrap();
    let made = std::fs::read_to_string(env.path("calls/new")).unwrap();
    assert_eq!(
        std::fs::read_to_string(env.path("calls/delete")).unwrap(),
        made
    );
    assert!(machines(&env).is_empty());
    assert!(env.live().iter().all(|one| one["source"] != "pool"));
}

#[test]
fn a_new_that_fails_after_it_made_a_machine_is_cleaned_up() {
    let env = world("");
    let here = env.path("");
    let here = here.display();
    env.script(
        "hooks/new",
        format!(
            "#!/bin/sh\n: >{here}/machines/$RESALLOC_NAME\necho 'it does not boot' >&2\nexit 1\n"
        ),
    );
    env.grant("pool");
    let outcome = env.runner(["acquire", "-s", "pool"]).run().code(3);
    outcome.says(&["it does not boot"]);
    assert!(machines(&env).is_empty(), "{:?}", machines(&env));
    assert_eq!(files(&env.path("calls")), ["delete"]);
    assert!(env.live().is_empty(), "{:?}", env.live());
}

#[test]
fn a_delete_that_fails_keeps_the_machine_in_the_books() {
    let env = world("");
    env.grant("pool");
    let id = env.acquire("pool");
    let delete = env.path("hooks/delete");
    let good = std::fs::read(&delete).unwrap();
    std::fs::write(&delete, "#!/bin/sh\necho 'the cloud is down' >&2\nexit 1\n").unwrap();
    env.runner(["release", &id])
        .run()
        .says(&["the cloud is down"]);
    assert_eq!(env.live().len(), 1);
    assert_eq!(machines(&env).len(), 1);
    std::fs::write(&delete, good).unwrap();
    env.runner(["discard", &id]).run().ok();
    assert!(env.live().is_empty() && machines(&env).is_empty());
}

#[test]
fn between_two_holders_release_is_run_and_its_failure_ends_the_machine() {
    let env = world("reserve = 1\n");
    let here = env.path("");
    let file = env.path("config/runner/sources/pool/source.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let release = format!(
        "echo $RESALLOC_NAME >>{here}/calls/release; test ! -e {here}/dirty",
        here = here.display()
    );
    std::fs::write(&file, format!("release = '{release}'\n{text}")).unwrap();
    env.grant("pool");
    let id = env.acquire("pool");
    let name = machines(&env);
    env.runner(["release", &id]).run().ok();
    let cleaned = || std::fs::read_to_string(env.path("calls/release")).unwrap_or_default();
    assert_eq!(cleaned().lines().collect::<Vec<_>>(), name);
    // The same machine again; and then it cannot be cleaned.
    let id = env.acquire("pool");
    assert_eq!(machines(&env), name);
    std::fs::write(env.path("dirty"), "").unwrap();
    env.runner(["release", &id]).run();
    assert_eq!(cleaned().lines().count(), 2);
    assert!(!machines(&env).contains(&name[0]));
}
