//! What carries something out by what is said or shown: secrets in errors, messages, attributes, recordings and bundles, and names of
//! files and of what is copied out.

use std::path::Path;

use runner_tests::Outcome;

use super::{LIMITS, World, printable};

const SECRET: &str = "do-not-tell-8f2a";

/// A world whose plugin was granted the secret `TOLD`.
fn knowing(at: &str, mode: &str) -> World {
    let mut world = World::new("allocate", "", "");
    world.env.set("RUNNER_SECRET_TOLD", SECRET);
    let more = format!("secrets = [\"TOLD\"]\n{LIMITS}");
    world.configure_within(at, mode, "TOLD", &more);
    world.env.grant("evil");
    world
}

/// The secret is in nothing of what was said.
#[track_caller]
fn untold(outcome: &Outcome) {
    printable(outcome);
    // Reports wrap their lines.
    let said = format!("{}{}", outcome.out(), outcome.err()).to_lowercase();
    let said: String = said.split_whitespace().collect();
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!said.contains(SECRET) && !said.contains(&hex), "{outcome}");
}

#[test]
fn a_secret_in_errors_messages_and_what_was_printed() {
    for at in ["allocate", "run", "discard"] {
        let world = knowing(at, "tell");
        let mut said = vec![world.env.runner(["-vv", "acquire", "-s", "evil"]).run()];
        if at != "allocate" {
            let id = said[0].out().trim().to_owned();
            said.push(world.env.runner(["-vv", "run", &id, "--", "true"]).run());
            said.push(world.env.runner(["-vv", "release", &id]).run());
        }
        let all: Vec<_> = said
            .iter()
            .flat_map(|one| one.err().split_whitespace())
            .collect();
        let all = all.join(" ");
        // It was said, with what stands for it.
        assert!(all.contains("cannot log in with {{secret:TOLD}}"), "{all}");
        for args in [
            &["log"][..],
            &["log", "--json"],
            &["status", "-v"],
            &["status", "-v", "--json"],
            &["events"],
        ] {
            said.push(world.env.runner(args).run());
        }
        said.iter().for_each(untold);
        world.env.written_nowhere(SECRET);
        world.calm();
        world.env.runner(["discard", "evil-0"]).run();
        world.assert_clean();
    }
}

#[test]
fn a_secret_that_is_kept_with_an_instance() {
    for at in ["run", "discard"] {
        let world = World::new(at, "tell-kept", SECRET);
        let id = world.acquire().ok().out().trim().to_owned();
        // In a later call, which did not make it up.
        let told = match at {
            "run" => world.env.runner(["-vv", "run", &id, "--", "true"]).run(),
            _ => world.env.runner(["-vv", "release", &id]).run(),
        };
        untold(&told);
        let told = told.says(&["{{secret:login}}"]);
        World::names_the_culprit(told, at);
        for args in [
            &["log", "--json"][..],
            &["status", "-v", "--json"],
            &["events"],
        ] {
            untold(&world.env.runner(args).run().ok());
        }
        world.calm();
        world.env.runner(["discard", &id]).run();
        world.assert_clean();
    }
}

#[test]
fn a_secret_in_what_is_shown_of_an_instance() {
    let world = knowing("allocate", "tell-attributes");
    let id = world.acquire().ok().out().trim().to_owned();
    let status = world.env.runner(["status", "-v", "--json"]).run().ok();
    assert!(status.out().contains("{{secret:TOLD}}"), "{status}");
    untold(&status);
    world.env.written_nowhere(SECRET);
    world.env.runner(["release", &id]).run().ok();
    world.assert_clean();
}

#[test]
fn a_secret_in_a_recording_and_in_a_bundle() {
    let world = knowing("check", "tell");
    let tape = world.env.path("tape.jsonl");
    let recorded = world
        .env
        .runner(["plugin", "record", "evil", "--to"])
        .arg(&tape)
        .run();
    untold(&recorded);
    let text = std::fs::read_to_string(&tape).unwrap();
    assert!(
        text.contains("cannot log in with {{secret:TOLD}}"),
        "{text}"
    );
    let bundle = world.env.path("bundle.tar");
    let tested = world
        .env
        .runner(["plugin", "test", "evil", "--level", "basic", "--bundle"])
        .arg(&bundle)
        .run();
    untold(&tested);
    assert!(bundle.exists(), "{tested}");
    world.env.written_nowhere(SECRET);
}

#[test]
fn names_that_lead_out_of_the_granted_directory() {
    let world = World::new("allocate", "", "");
    let secret = world.env.write("secret", "not for plugins");
    for (mode, target) in [
        ("plant-link", "/etc/passwd"),
        ("plant-link", secret.to_str().unwrap()),
        ("plant-link-up", ""),
        ("hard-link", secret.to_str().unwrap()),
        ("rename-out", "/tmp/runner-hostile-moved"),
        ("rename-up", ""),
    ] {
        world.configure("allocate", mode, target);
        let outcome = World::names_the_culprit(world.acquire().code(3), "allocate");
        assert!(outcome.err().contains("refused:"), "{mode}: {outcome}");
        assert!(!outcome.err().contains("ESCAPED"), "{mode}: {outcome}");
        world.assert_clean();
    }
    assert!(!Path::new("/tmp/runner-hostile-moved").exists());
    assert!(!world.env.path("moved").exists());
}

#[test]
fn names_in_what_is_copied_out() {
    let world = World::new("run", "", "");
    let id = world.acquire().ok().out().trim().to_owned();
    world.env.write("secret", "not for plugins");
    for mode in [
        "tar-up",
        "tar-absolute",
        "tar-through",
        "tar-hard",
        "tar-device",
        "tar-names",
    ] {
        world.env.runner(["release", &id]).run().ok();
        world.configure("run", mode, "");
        let id = world.acquire().ok().out().trim().to_owned();
        let into = world.env.path(format!("copies/{mode}/deep"));
        std::fs::create_dir_all(&into).unwrap();
        let outcome = world
            .env
            .runner(["cp", &format!("{id}:/x")])
            .arg(&into)
            .run();
        printable(&outcome);
        if mode != "tar-names" {
            assert_ne!(outcome.code, Some(0), "{mode}: {outcome}");
        }
        // Nothing beside where it was to go.
        for beside in [
            world.env.path(""),
            world.env.path("copies"),
            into.parent().unwrap().to_owned(),
        ] {
            assert!(!beside.join("escaped").exists(), "{mode}");
        }
        let beside: Vec<_> = std::fs::read_dir(into.parent().unwrap()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{mode}: {beside:?}");
        assert!(!Path::new("/tmp/runner-hostile-unpacked").exists());
        for entry in std::fs::read_dir(&into).unwrap().flatten() {
            let inside = entry.path().join("copy");
            assert!(!inside.exists(), "{mode}: {}", inside.display());
        }
        world.env.runner(["release", &id]).run().ok();
    }
    world.assert_clean();
}
