//! Another component for a source while its instances are out: what exists stays with what made it, what is new comes
//! from the new one, a trial makes a part of what is new, and nothing is lost when a component is.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use runner_tests::fake::Fake;
use runner_tests::service::{Service, events, eventually, happens};
use runner_tests::{TestEnv, guests, variant};

/// The fake provider in this version, as a file.
fn component(env: &TestEnv, name: &str, version: &str) -> PathBuf {
    let bytes = std::fs::read(guests::fake()).unwrap();
    env.write(name, variant::version(&bytes, version))
}

/// Puts another version in the place of a component, as a package manager would: by renaming.
fn replace(env: &TestEnv, path: &Path, version: &str) {
    let new = component(env, "new.wasm", version);
    std::fs::rename(new, path).unwrap();
}

/// A source over version 1.0.0 of the fake provider, in a file of its own.
fn world(more: &str) -> (TestEnv, Fake, PathBuf) {
    let env = TestEnv::new();
    let file = component(&env, "box.wasm", "1.0.0");
    let fake = Fake::of_type(&env, "box", &file.display().to_string(), more);
    env.grant("box");
    (env, fake, file)
}

/// The token of an instance, from where the fake says that its home is.
fn token(env: &TestEnv, id: &str) -> String {
    let instance = instance(env, id);
    let home = instance["attributes"]["home"].as_str().unwrap();
    home.rsplit('/').next().unwrap().to_owned()
}

fn instance(env: &TestEnv, id: &str) -> serde_json::Value {
    let live = env.live();
    let found = live.into_iter().find(|one| one["name"] == id);
    found.unwrap_or_else(|| panic!("no `{id}`"))
}

/// Where the copy of a component is kept.
fn kept(env: &TestEnv, digest: &str) -> PathBuf {
    env.path(format!("state/runner/components/{digest}.wasm"))
}

/// As if it had last been used hours ago.
fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let then = SystemTime::now() - Duration::from_secs(3 * 3600);
    file.set_modified(then).unwrap();
}

/// A command answers with these parts.
#[track_caller]
fn told(env: &TestEnv, words: &[&str], parts: &[&str]) {
    let said = env.runner(words).run().ok();
    for part in parts {
        assert!(said.out().contains(part), "no `{part}`: {said}");
    }
}

fn canary(env: &TestEnv, more: &[&str]) -> serde_json::Value {
    let mut words = vec!["plugin", "canary", "box", "--json"];
    words.extend(more);
    env.runner(words).run().ok().json()
}

/// How many of what exists each version made: of 1.0.0, of 2.0.0.
fn made(fake: &Fake) -> (usize, usize) {
    let makers = fake.makers();
    let of = |version: &str| makers.iter().filter(|(by, _)| by == version).count();
    (of("1.0.0"), of("2.0.0"))
}

#[test]
fn what_exists_stays_with_what_made_it() {
    let (env, fake, file) = world("");
    let old = env.acquire("box");
    let old_token = token(&env, &old);
    let first = instance(&env, &old)["made-by"].clone();
    assert_eq!(first["plugin"], "fake 1.0.0", "{first}");

    replace(&env, &file, "2.0.0");
    // Another component is another grant; what exists needs none.
    env.runner(["acquire", "-s", "box"]).run().code(3);
    env.runner(["run", &old, "--", "true"]).run().ok();
    env.grant("box");
    let new = env.acquire("box");
    let new_token = token(&env, &new);
    let second = instance(&env, &new)["made-by"].clone();
    assert_eq!(second["plugin"], "fake 2.0.0", "{second}");
    assert_ne!(first["digest"], second["digest"]);

    // Even where the configuration names neither any more.
    std::fs::remove_file(&file).unwrap();
    let text = env.write("here", "text");
    for (id, token, version) in [(&old, &old_token, "1.0.0"), (&new, &new_token, "2.0.0")] {
        env.runner(["run", id, "--", "true"]).run().ok();
        let there = format!("{id}:there");
        env.runner(["cp"]).arg(&text).arg(there).run().ok();
        env.runner(["release", id]).run().ok();
        for call in ["allocate", "run", "discard"] {
            assert_eq!(fake.served(call, token), [version], "{call} of {id}");
        }
    }
    assert!(fake.live().is_empty());
    assert_eq!(fake.violations(), "");
}

#[test]
fn copies_are_kept_as_long_as_they_are_needed() {
    let (env, _fake, file) = world("");
    let digest = |id: &str| {
        instance(&env, id)["made-by"]["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let old = env.acquire("box");
    let old_copy = kept(&env, &digest(&old));
    replace(&env, &file, "2.0.0");
    env.grant("box");
    let new = env.acquire("box");
    let new_copy = kept(&env, &digest(&new));
    // However long ago both were used, an instance needs the first.
    age(&old_copy);
    age(&new_copy);
    env.runner(["release", &new]).run().ok();
    assert!(old_copy.exists());
    assert!(!new_copy.exists(), "nothing needs it");
    age(&old_copy);
    env.runner(["release", &old]).run().ok();
    assert!(!old_copy.exists(), "nothing needs it any more");
    // It comes back with the next use.
    let again = env.acquire("box");
    assert!(new_copy.exists());
    env.runner(["release", &again]).run().ok();
    assert!(new_copy.exists(), "it was used a moment ago");

    // What is part of the program is kept as well: another program may have another one.
    let local = env.acquire("local");
    assert!(kept(&env, &digest(&local)).exists());
}

#[test]
fn a_lost_component_loses_no_instance() {
    let mut env = TestEnv::with_own_cache();
    let file = component(&env, "box.wasm", "1.0.0");
    let fake = Fake::of_type(&env, "box", &file.display().to_string(), "");
    env.grant("box");
    let id = env.acquire("box");
    let made_by = instance(&env, &id)["made-by"].clone();
    let digest = made_by["digest"].as_str().unwrap();
    let copy = kept(&env, digest);
    std::fs::rename(&copy, env.path("lost.wasm")).unwrap();
    // Compiled code would do as well: another cache has none.
    env.set("RUNNER_CACHE_DIR", env.path("tmp/cache"));

    let wanted = [digest, "runner discard --forget"];
    env.runner(["run", &id, "--", "true"])
        .run()
        .code(125)
        .says(&wanted);
    // In the table's warnings.
    env.runner(["status", "-v", "box"]).run().ok().says(&wanted);
    assert_eq!(instance(&env, &id)["made-by"]["there"], false);
    told(&env, &["why", &id], &["made by `fake` 1.0.0", digest]);

    // It cannot be destroyed, and says so; it stays in the books.
    let released = env.runner(["release", &id]).run();
    assert!(released.err().contains(digest), "{released}");
    assert_eq!(instance(&env, &id)["state"], "discarding");
    assert_eq!(fake.live().len(), 1);
    told(&env, &["why", &id], &wanted);

    // With the file back, everything goes its way.
    std::fs::rename(env.path("lost.wasm"), &copy).unwrap();
    env.runner(["discard", &id]).run().ok();
    assert!(fake.live().is_empty());
    assert!(env.live().is_empty());
}

#[test]
fn a_service_takes_another_component_without_a_restart() {
    let env = TestEnv::new();
    // Installed under a name: no settings file changes with it.
    std::fs::create_dir_all(env.path("data/runner/plugins")).unwrap();
    let installed = component(&env, "data/runner/plugins/fake.wasm", "1.0.0");
    let fake = Fake::of_type(&env, "box", "fake", "prealloc = 1\nmaximum = 3\n");
    env.grant("box");
    let mut service = Service::start(&env);
    eventually("one is made ahead", || made(&fake) == (1, 0));
    let held = env.acquire("box");
    let held_token = token(&env, &held);
    eventually("another one is made ahead", || made(&fake) == (2, 0));

    replace(&env, &installed, "2.0.0");
    env.grant("box");
    happens(&env, "source.changed", "box");
    eventually("what was idle is made anew, what is held is not", || {
        made(&fake) == (1, 1)
    });
    env.runner(["run", &held, "--", "true"]).run().ok();
    env.runner(["release", &held]).run().ok();
    eventually("the last of the old ones is gone", || made(&fake) == (0, 1));
    for call in ["run", "discard"] {
        assert_eq!(fake.served(call, &held_token), ["1.0.0"], "{call}");
    }
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
}

#[test]
fn a_trial_makes_its_share_and_is_promoted() {
    let (env, fake, file) = world("maximum = 20\n");
    let next = component(&env, "next.wasm", "2.0.0");
    let next = next.to_str().unwrap();
    let refused = env
        .runner(["plugin", "canary", "box", next, "--percent", "50"])
        .run()
        .code(3);
    refused.says(&[
        "is not granted what it asks for",
        "runner plugin canary box",
        "--grant",
    ]);
    assert_eq!(canary(&env, &[]), serde_json::Value::Null);
    env.runner(["plugin", "canary", "box", "--promote"])
        .run()
        .code(3);
    env.runner(["plugin", "canary", "nobody", next])
        .run()
        .code(3);
    let same = file.to_str().unwrap();
    let same = env.runner(["plugin", "canary", "box", same]).run().code(3);
    same.says(&["made of this component already"]);

    let begun = canary(&env, &[next, "--percent", "50", "--grant"]);
    assert_eq!(begun["state"], "running", "{begun}");
    for _ in 0..3 {
        env.acquire("box");
    }
    env.acquire_many("box", 3);
    assert_eq!(made(&fake), (3, 3), "half of them, whoever made them");
    let status = canary(&env, &[]);
    for side in ["candidate", "stable"] {
        let side = &status[side];
        assert_eq!(
            (&side["outcomes"], &side["failed"]),
            (&3.into(), &0.into()),
            "{status}"
        );
    }
    assert_eq!(
        (&status["begun"], &status["live"]),
        (&6.into(), &3.into()),
        "{status}"
    );
    let line = "source box: `fake` 2.0.0 makes 50 % of what is new";
    told(&env, &["status"], &[line]);
    let json = env.runner(["status", "--json", "box"]).run().ok().json();
    assert_eq!(json["sources"][0]["canary"]["state"], "running", "{json}");

    // What was asked for with settings of its own is nobody's trial.
    for _ in 0..2 {
        env.runner(["acquire", "-s", "box", "-o", "capacity=30"])
            .run()
            .ok();
    }
    assert_eq!(made(&fake), (5, 3));

    // A service makes its share as well, and what is promoted, without being told.
    let _service = Service::start(&env);
    env.acquire_many("box", 2);
    assert_eq!(made(&fake), (6, 4));
    canary(&env, &["--promote"]);
    env.acquire_many("box", 2);
    assert_eq!(made(&fake), (6, 6));
    told(&env, &["status"], &["was promoted"]);

    // The configuration's newer word counts.
    replace(&env, &file, "3.0.0");
    env.grant("box");
    happens(&env, "canary.replaced", "box");
    let id = env.acquire("box");
    assert_eq!(instance(&env, &id)["made-by"]["plugin"], "fake 3.0.0");
    assert_eq!(canary(&env, &[])["state"], "replaced");
    env.runner(["plugin", "canary", "box", "--abort"])
        .run()
        .code(3);
    assert_eq!(fake.violations(), "");
}

#[test]
fn a_trial_that_fails_returns_and_costs_nobody_anything() {
    let (env, fake, _file) = world("maximum = 40\n");
    let next = component(&env, "next.wasm", "2.0.0");
    canary(
        &env,
        &[next.to_str().unwrap(), "--percent", "50", "--grant"],
    );
    fake.refuse("2.0.0.allocate", Some("denied"));
    // Nobody who asks for an instance notices.
    for _ in 0..10 {
        env.acquire("box");
    }
    assert_eq!(made(&fake), (10, 0));
    let status = canary(&env, &[]);
    assert_eq!(status["state"], "returned", "{status}");
    assert_eq!(status["candidate"]["error-rate"], 1.0, "{status}");
    assert_eq!(status["stable"]["failed"], 0, "{status}");
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains("were failures"), "{reason}");
    let asked = |what: &str| {
        fake.journal()
            .iter()
            .filter(|one| one.starts_with(what))
            .count()
    };
    let tried = asked("allocate") - 10;
    assert!((5..=10).contains(&tried), "{tried} tries");
    assert_eq!(asked("discard"), tried, "what failed was cleaned up");
    assert!(
        events(&env)
            .iter()
            .any(|one| one["event"] == "canary.returned")
    );
    told(
        &env,
        &["status"],
        &["the trial of `fake` 2.0.0 was returned"],
    );
    // From now on it is not asked any more.
    env.acquire_many("box", 4);
    assert_eq!(asked("allocate"), 14 + tried);
    assert_eq!(fake.violations(), "");
}

#[test]
fn what_a_trial_made_ends_with_it_and_an_operator_can_end_it() {
    let (env, fake, file) = world("reserve = 1\n");
    let next = component(&env, "next.wasm", "2.0.0");
    let next = next.to_str().unwrap();
    canary(&env, &[next, "--percent", "100", "--grant"]);
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    // Idle, it is as good as any.
    assert_eq!(env.acquire("box"), id);
    let aborted = canary(&env, &["--abort"]);
    assert_eq!(aborted["state"], "aborted", "{aborted}");
    env.runner(["run", &id, "--", "true"]).run().ok();
    // The trial is over: it is not kept for the next one.
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
    env.acquire("box");
    assert_eq!(made(&fake), (1, 0));

    // Another component in the configuration ends a trial that compares with the one before.
    canary(&env, &[next, "--percent", "100"]);
    replace(&env, &file, "1.5.0");
    env.grant("box");
    let id = env.acquire("box");
    assert_eq!(instance(&env, &id)["made-by"]["plugin"], "fake 1.5.0");
    let status = canary(&env, &[]);
    assert_eq!(status["state"], "replaced", "{status}");
}
