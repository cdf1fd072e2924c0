//! Leases as the command line shows them: who holds what, until when, and what the old holder is told.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::Duration;

use runner_tests::TestEnv;
use runner_tests::command::kill;
use runner_tests::fake::Fake;
use rustix::process::Signal;

#[track_caller]
fn acquire(env: &TestEnv, args: &[&str]) -> String {
    let acquired = env.runner(["acquire", "-s", "box"]).args(args).run().ok();
    acquired.words().remove(0)
}

/// A command that changes nothing of these instances, and so does only what every command does first.
fn any_command(env: &TestEnv) {
    let id = env.acquire("local");
    env.runner(["release", &id]).run().ok();
}

fn leases(env: &TestEnv) -> Vec<serde_json::Value> {
    let listed = env.runner(["lease", "list", "--json"]).run().ok().json();
    listed["leases"].as_array().unwrap().clone()
}

#[test]
fn what_acquire_tells_programs() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "");
    let object = env
        .runner(["acquire", "-s", "box", "--json", "--ttl", "1h", "2"])
        .run()
        .ok()
        .json();
    assert_eq!(object["instances"], serde_json::json!(["box-0", "box-1"]));
    assert!(object["ticket"].is_number(), "{object}");
    for (number, lease) in object["leases"].as_array().unwrap().iter().enumerate() {
        assert_eq!(lease["instance"], format!("box-{number}"));
        assert!(lease["fence"].is_number() && lease["expires"].is_string());
    }
    let all = leases(&env);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["fence"], object["leases"][0]["fence"]);
    assert_eq!(all[0]["owner"]["user"], "tester");
    let renewed = env
        .runner(["lease", "renew", "--json", "--ttl", "2h", "box-0", "box-1"])
        .run()
        .ok()
        .json();
    assert!(renewed["leases"][1]["expires"].as_str() > all[1]["expires"].as_str());
    let table = env.runner(["lease", "list"]).run().ok();
    assert!(table.out().contains("(1h"), "{table}");
    // All or none.
    env.runner(["release", "box-1"]).run().ok();
    env.runner(["lease", "renew", "box-0", "box-1"])
        .run()
        .code(3)
        .says(&["box-1", "not leased"]);
}

#[test]
fn a_lease_whose_time_is_over_is_released_by_the_next_command() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let id = acquire(&env, &["--ttl", "1s"]);
    // A command renews it for as long as it runs.
    env.runner(["run", &id, "sleep", "2"]).run().ok();
    env.runner(["run", &id, "true"]).run().ok();
    loop {
        let run = env.runner(["run", &id, "true"]).run();
        if run.code != Some(0) {
            run.code(125).says(&["has expired", "lease renew"]);
            break;
        }
        // Its own run has renewed it: give it the time to end.
        std::thread::sleep(Duration::from_millis(1100));
    }
    assert_eq!(fake.live().len(), 1);
    any_command(&env);
    assert!(fake.live().is_empty());
    assert!(leases(&env).is_empty());
    env.runner(["lease", "renew", &id]).run().code(3);
    // The source's own time is what holds without `--ttl`.
    let _short = Fake::source(&env, "short", "lease_ttl = \"1h\"\n");
    env.acquire("short");
    assert!(leases(&env)[0]["expires"].is_string());
}

#[test]
fn who_lost_a_lease_is_told_so_by_every_verb() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 1\nreserve = 1\n");
    let old = acquire(&env, &["--fenced"]);
    let (name, _) = old.split_once('@').expect("a fence");
    env.runner(["run", &old, "true"]).run().ok();
    env.runner(["release", &old]).run().ok();
    let new = acquire(&env, &["--fenced"]);
    assert!(new.starts_with(&format!("{name}@")) && new != old);
    env.write("work/file", "x");
    let ended = |args: &[&str], code| {
        env.runner(args).run().code(code).says(&["has ended", name]);
    };
    ended(&["run", &old, "true"], 125);
    ended(&["cp", "file", &format!("{old}:")], 3);
    ended(&["release", &old], 3);
    ended(&["release", "--no-shelf", &old], 3);
    ended(&["lease", "renew", &old], 3);
    ended(&["discard", &old], 3);
    // The new holder goes on.
    env.runner(["cp", "file", &format!("{new}:")]).run().ok();
    env.runner(["run", &new, "cat", "file"]).run().ok();
    env.runner(["lease", "renew", &new]).run().ok();
    env.runner(["discard", &new]).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn who_says_to_be_somebody_else_may_not() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let id = acquire(&env, &["--owner", "ann"]);
    assert_eq!(leases(&env)[0]["owner"]["label"], "ann");
    env.write("work/file", "x");
    let there = format!("{id}:");
    for (args, code) in [
        (&["run", "--owner", "bob", &id, "true"][..], 125),
        (&["cp", "--owner", "bob", "file", &there], 3),
        (&["release", "--owner", "bob", &id], 3),
        (&["--owner", "bob", "lease", "renew", &id], 3),
        (&["discard", "--owner", "bob", &id], 3),
        (&["ticket", "--owner", "bob", "close", "1"], 3),
    ] {
        env.runner(args).run().code(code).says(&["`ann`", "`bob`"]);
    }
    let refused = env
        .runner(["run", &id, "true"])
        .env("RUNNER_OWNER", "bob")
        .run();
    refused.code(125).says(&["`ann`"]);
    env.runner(["run", &id, "true"])
        .env("RUNNER_OWNER", "ann")
        .run()
        .ok();
    // Who says nothing is the user, and the user is both.
    env.runner(["cp", "file", &there]).run().ok();
    env.runner(["lease", "renew", "--owner", "ann", &id])
        .run()
        .ok();
    env.runner(["release", "--owner", "ann", &id]).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn a_lease_ends_with_the_process_it_was_taken_for() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let mut holder = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let pid = holder.id().to_string();
    let id = acquire(&env, &["--holder-pid", &pid]);
    any_command(&env);
    env.runner(["run", &id, "true"]).run().ok();
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Also before anybody has given it back.
    env.runner(["run", &id, "true"])
        .run()
        .code(125)
        .says(&["ended with its holder"]);
    any_command(&env);
    assert!(fake.live().is_empty());
    env.runner(["run", &id, "true"]).run().code(125);
    env.runner(["acquire", "-s", "box", "--holder-pid", &pid])
        .run()
        .code(3)
        .says(&["no process", &pid]);
    assert!(fake.live().is_empty());
}

/// `acquire --hold`, and the id it printed.
fn hold(env: &TestEnv, args: &[&str]) -> (Child, String) {
    let mut child = env
        .runner(["acquire", "-s", "box", "--hold"])
        .args(args)
        .into_command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    // Its reader need not wait for the end of the lease.
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(child.try_wait().unwrap().is_none(), "it holds");
    (child, line.trim_end().to_owned())
}

#[test]
fn a_holder_in_the_foreground_gives_back_when_it_ends() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let (mut child, id) = hold(&env, &["--ttl", "1s"]);
    // It renews.
    std::thread::sleep(Duration::from_millis(2500));
    env.runner(["run", &id, "true"]).run().ok();
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(fake.live().is_empty());

    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (mut child, id) = hold(&env, &["2"]);
        env.runner(["run", id.split(' ').next().unwrap(), "true"])
            .run()
            .ok();
        kill(child.id(), signal);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal:?}");
        assert!(fake.live().is_empty(), "{signal:?}");
    }

    let (mut child, id) = hold(&env, &[]);
    kill(child.id(), Signal::KILL);
    child.wait().unwrap();
    assert_eq!(fake.live().len(), 1);
    any_command(&env);
    assert!(fake.live().is_empty());
    env.runner(["run", &id, "true"]).run().code(125);
}

#[test]
fn a_holder_is_told_when_its_lease_ends_elsewhere() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let (mut child, ids) = hold(&env, &["2"]);
    let input = child.stdin.take();
    let (one, two) = ids.split_once(' ').unwrap();
    env.runner(["release", one]).run().ok();
    env.runner(["discard", two]).run().ok();
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("has ended") && told.contains(two), "{told}");
    assert!(fake.live().is_empty());
}

#[test]
fn exec_tells_its_commands_end_though_its_lease_ended_meanwhile() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let go = env.path("go");
    let script = format!(
        ": > {0}.started; while [ ! -e {0} ]; do sleep 0.02; done; exit 5",
        go.display()
    );
    let mut child = env
        .runner(["exec", "-s", "box", "--owner", "ann", "--ttl", "1h"])
        .args(["--", "sh", "-c", &script])
        .into_command()
        .spawn()
        .unwrap();
    while !env.path("go.started").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let held = leases(&env);
    assert_eq!(held[0]["owner"]["label"], "ann");
    std::fs::write(&go, "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(fake.live().is_empty());
}
