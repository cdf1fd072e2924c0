//! The watchdog against real parts: an sshd that is switched off, containers removed and made behind our back, a disk that is full.

use std::process::Command;

use runner_tests::TestEnv;
use runner_tests::backends::podman::{self, Podman};
use runner_tests::backends::sshd::Sshd;
use runner_tests::service::{Service, eventually};
use runner_tests::skip::{is_root, skip};

/// The names of everything that exists.
fn names(env: &TestEnv) -> Vec<String> {
    let live = env.live();
    let names = live
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn a_host_that_is_switched_off_is_taken_out_and_comes_back() {
    let mut env = TestEnv::new();
    let Some(mut sshd) = Sshd::start(&mut env, &["box"]) else {
        return;
    };
    env.source(
        "hosts",
        "type = \"ssh\"\nhosts = [\"box\"]\nreserve = 1\ncheck_period = \"1s\"\ncheck_attempts = 2\n",
    );
    env.grant("hosts");
    let id = env.acquire("hosts");
    env.runner(["release", &id]).run().ok();
    let serve = Service::start(&env);
    // Alive, it stays.
    eventually("a check that passes", || {
        let live = env.live();
        live.len() == 1 && !live[0]["checked"].is_null()
    });
    assert_eq!(names(&env), [id.as_str()]);
    sshd.stop();
    eventually("the end of the dead host", || !names(&env).contains(&id));
    env.runner(["acquire", "-s", "hosts"]).run().code(3);
    sshd.restart(&env);
    let again = env.runner(["acquire", "-s", "hosts", "--wait"]).run().ok();
    let again = again.out().trim().to_owned();
    assert_ne!(again, id);
    env.runner(["run", &again, "--", "true"]).run().ok();
    drop(serve);
}

#[test]
fn a_leased_host_that_dies_is_told_to_whoever_holds_it() {
    let mut env = TestEnv::new();
    let Some(mut sshd) = Sshd::start(&mut env, &["box"]) else {
        return;
    };
    env.source(
        "hosts",
        "type = \"ssh\"\nhosts = [\"box\"]\ncheck_period = \"1s\"\ncheck_attempts = 2\n",
    );
    env.grant("hosts");
    let id = env.acquire("hosts");
    let _serve = Service::start(&env);
    sshd.stop();
    eventually("the end of the dead host", || names(&env).is_empty());
    env.runner(["run", &id, "--", "true"])
        .run()
        .code(125)
        .says(&[&id]);
    let told = env.runner(["why", &id]).run().ok();
    assert!(told.out().contains("instance.dead"), "{told}");
}

/// A world with podman, a source `box` and a quick watchdog.
fn containers(env: &mut TestEnv) -> Option<()> {
    let podman = Podman::start(env)?;
    env.keep(podman);
    env.write(
        "config/runner/config.toml",
        "[fleet]\norphan_grace = \"1s\"\n",
    );
    env.source(
        "box",
        &format!(
            "type = \"container\"\nimage = \"{}\"\nreserve = 2\ncheck_period = \"1h\"\n",
            podman::IMAGE
        ),
    );
    env.grant("box");
    Some(())
}

fn podman(env: &TestEnv, args: &[&str]) {
    env.program("podman").args(args).run().ok();
}

#[test]
fn containers_removed_behind_our_back_are_noticed() {
    let mut env = TestEnv::new();
    let Some(()) = containers(&mut env) else {
        return;
    };
    let kept = env.acquire("box");
    env.runner(["release", &kept]).run().ok();
    let held = env.acquire_many("box", 2);
    assert!(held.contains(&kept));
    let _serve = Service::start(&env);
    podman(&env, &["rm", "--all", "--force", "--time", "0"]);
    eventually("both being missed", || {
        let live = names(&env);
        held.iter().all(|id| !live.contains(id))
    });
    for id in &held {
        env.runner(["run", id, "--", "true"]).run().code(125);
    }
}

#[test]
fn what_a_command_found_gone_or_never_left_is_given_to_nobody() {
    let mut env = TestEnv::new();
    let Some(()) = containers(&mut env) else {
        return;
    };
    let gone = env.acquire("box");
    podman(&env, &["rm", "--all", "--force", "--time", "0"]);
    env.runner(["run", &gone, "--", "true"])
        .run()
        .code(125)
        .says(&["does not exist any more"]);
    env.runner(["release", &gone]).run().ok();

    let busy = env.acquire("box");
    assert_ne!(busy, gone);
    let mut run = env
        .runner(["run", &busy, "--", "sh", "-c", "echo up; exec sleep 600"])
        .into_command()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    std::io::Read::read_exact(run.stdout.as_mut().unwrap(), &mut up).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    env.runner(["release", &busy]).run().ok();
    let clean = env.acquire("box");
    assert_ne!(clean, busy);
    env.runner(["run", &clean, "--", "true"]).run().ok();
    env.runner(["release", &clean]).run().ok();
    assert_eq!(
        env.acquire("box"),
        clean,
        "what was used well is used again"
    );
}

#[test]
fn containers_made_behind_our_back_are_destroyed_only_when_they_are_ours() {
    let mut env = TestEnv::new();
    let Some(()) = containers(&mut env) else {
        return;
    };
    // What a creation that ended late looks like: the token is ours, and the books say that it is gone.
    let id = env.acquire("box");
    let label = |name: &str| {
        let format = format!("{{{{index .Labels \"{name}\"}}}}");
        let told = env
            .program("podman")
            .args(["ps", "--all", "--format", &format])
            .run()
            .ok();
        told.out().trim().to_owned()
    };
    let token = label("runner.token");
    let state = format!("--label=runner.state={}", label("runner.state"));
    env.runner(["discard", &id]).run().ok();
    let make = |name: &str, token: &str| {
        let token = format!("--label=runner.token={token}");
        let labels = [token.as_str(), "--label=runner.source=box", &state];
        let rest = [podman::IMAGE, "sleep", "1000"];
        let begin = ["run", "--detach", "--name", name];
        podman(&env, &[&begin[..], &labels[..], &rest[..]].concat());
    };
    make("late", &token);
    make("stranger", &"f".repeat(32));
    podman(
        &env,
        &[
            "run",
            "--detach",
            "--name",
            "unlabelled",
            podman::IMAGE,
            "sleep",
            "1000",
        ],
    );
    let _serve = Service::start(&env);
    eventually("the end of the late one", || {
        !Podman::containers(&env).contains(&"late".to_owned())
    });
    // Long enough for the others to have been judged as well.
    eventually("two more listings", || {
        let events = env.runner(["events", "--source", "box"]).run().ok();
        let found = events
            .out()
            .lines()
            .filter(|line| line.contains("orphan.found"));
        found.count() >= 2
    });
    let left = Podman::containers(&env);
    for name in ["stranger", "unlabelled"] {
        assert!(
            left.contains(&name.to_owned()),
            "`{name}` was not ours: {left:?}"
        );
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let mut env = TestEnv::new();
    if !is_root() {
        return skip("a disk of its own needs root (mount)");
    }
    let state = env.path("full");
    std::fs::create_dir_all(&state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(&state)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("a tmpfs cannot be mounted here");
    }
    let unmount = Unmount(state.clone());
    env.set("RUNNER_STATE_DIR", &state);
    env.source("many", "type = \"local\"\nmaximum = 8\nreserve = 8\n");
    let held = env.acquire_many("many", 3);
    let filler = state.join("filler");
    fill(&filler);
    // Whatever is asked now: an error that names the place, no crash, and nothing half-known.
    let mut failed = 0;
    for _ in 0..20 {
        let outcome = env.runner(["acquire", "-s", "many"]).run();
        if outcome.code != Some(0) {
            outcome.code(3);
            failed += 1;
        }
    }
    assert!(failed > 0, "the disk was never full");
    let serve = env.runner(["serve"]).into_command().spawn();
    std::fs::remove_file(&filler).unwrap();
    if let Ok(mut serve) = serve {
        drop(serve.kill());
        drop(serve.wait());
    }
    for id in &held {
        env.runner(["run", id, "--", "true"]).run().ok();
    }
    let live = names(&env);
    env.runner(["release"]).args(&live).run().ok();
    assert!(live.len() <= 8, "{live:?}");
    env.runner(["discard"]).args(&live).run().ok();
    assert!(env.live().is_empty());
    let left = std::fs::read_dir(state.join("work")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a directory of an instance stayed");
    drop(env);
    drop(unmount);
}

/// Writes until nothing more fits.
fn fill(path: &std::path::Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [65_536, 4096, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Takes the disk away again.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}
