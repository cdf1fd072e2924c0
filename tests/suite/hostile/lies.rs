//! False answers: malformed, oversized, about other people's instances, dressed up as something the terminal obeys.

use std::path::Path;

use super::{World, printable};

/// `allocate` gives an answer that is not used; what was made is destroyed.
#[track_caller]
fn not_used(mode: &str, says: &[&str]) {
    let world = World::new("allocate", mode, "");
    let outcome = world.acquire().code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    assert!(
        outcome.stderr.len() < 16 << 10,
        "{} bytes of error",
        outcome.stderr.len()
    );
    World::names_the_culprit(outcome, "allocate").says(says);
    world.assert_clean();
}

#[test]
fn an_empty_handle() {
    not_used("handle-empty", &["handle"]);
}

#[test]
fn a_handle_with_control_characters() {
    not_used("handle-control", &["handle"]);
}

#[test]
fn a_handle_of_a_megabyte() {
    not_used("handle-huge", &[]);
}

#[test]
fn an_answer_of_many_megabytes() {
    let world = World::new("allocate", "answer-huge", "");
    let outcome = world.acquire().code(3);
    assert!(
        outcome.peak_kib < 128 << 10,
        "peak {} KiB",
        outcome.peak_kib
    );
    World::names_the_culprit(outcome, "allocate");
    world.assert_clean();
}

#[test]
fn attributes_without_end() {
    not_used("attributes-many", &["33 attributes"]);
    not_used("attributes-flood", &["limit `"]);
    not_used("attribute-huge", &["attribute"]);
}

#[test]
fn the_same_handle_for_two_instances() {
    let world = World::new("allocate", "handle-same", "");
    let first = world.acquire().ok().out().trim().to_owned();
    let outcome = world.acquire().code(3);
    World::names_the_culprit(outcome, "allocate").says(&["handle"]);
    // The first one is not touched by it.
    assert_eq!(world.left(), 1);
    world.env.runner(["run", &first, "--", "true"]).run().ok();
    world.env.runner(["release", &first]).run().ok();
    world.assert_clean();
    // Nor may two of one request share it.
    let outcome = world
        .env
        .runner(["acquire", "-s", "evil", "2"])
        .run()
        .code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    world.assert_clean();
}

#[test]
fn an_ssh_target_that_is_an_option_or_was_not_granted() {
    not_used("access-option", &[]);
    not_used("access-foreign", &["not-granted.invalid"]);
    assert!(!Path::new("/tmp/runner-hostile-escaped").exists());
}

#[test]
fn escape_sequences_in_errors_are_shown_and_not_obeyed() {
    let world = World::new("run", "error-forged", "");
    let id = world.acquire().ok().out().trim().to_owned();
    let outcome = world.env.runner(["run", &id, "--", "true"]).run().code(125);
    let outcome = World::names_the_culprit(outcome, "run");
    assert!(
        outcome.err().contains("\\u{1b}"),
        "the attempt is hidden: {outcome}"
    );
    // Nor later, where it is told again.
    for args in [
        &["log"][..],
        &["log", "--json"],
        &["status", "-v"],
        &["status", "-v", "--json"],
    ] {
        printable(&world.env.runner(args).run().ok());
    }
    world.calm();
    world.env.runner(["release", &id]).run().ok();
    world.assert_clean();
}

#[test]
fn escape_sequences_in_attributes_are_shown_and_not_obeyed() {
    let world = World::new("allocate", "attribute-forged", "");
    let outcome = world.acquire();
    printable(&outcome);
    if outcome.code == Some(0) {
        for args in [&["status", "-v"][..], &["status", "-v", "--json"], &["log"]] {
            printable(&world.env.runner(args).run().ok());
        }
        world
            .env
            .runner(["release", outcome.out().trim()])
            .run()
            .ok();
    }
    world.assert_clean();
}

#[test]
fn an_error_of_many_megabytes_is_cut() {
    let world = World::new("run", "error-huge", "");
    let id = world.acquire().ok().out().trim().to_owned();
    let outcome = world.env.runner(["run", &id, "--", "true"]).run().code(125);
    assert!(
        outcome.stderr.len() < 16 << 10,
        "{} bytes of error",
        outcome.stderr.len()
    );
    World::names_the_culprit(outcome, "run");
    world.env.runner(["release", &id]).run().ok();
    world.assert_clean();
}

#[test]
fn a_list_that_claims_somebody_elses_instance() {
    let world = World::new("list", "list-foreign", "");
    let theirs = world.env.acquire("fake");
    let token = world.fake.live().into_iter().next().unwrap();
    world.configure("list", "list-foreign", &token);
    // Listing is for finding what a crash left behind: so crash.
    let died = world
        .env
        .runner(["acquire", "-s", "evil"])
        .env("RUNNER_FAULT", "provision:allocated")
        .run();
    assert_eq!(died.signal, Some(9), "{died}");
    let mine = world.acquire().ok().out().trim().to_owned();
    assert_eq!(
        world.left(),
        1,
        "what the crash left is gone, the new one is there"
    );
    // The neighbour's instance is neither taken nor destroyed.
    assert!(world.fake.live().contains(&token));
    world.env.runner(["run", &theirs, "--", "true"]).run().ok();
    world.env.runner(["release", &theirs, &mine]).run().ok();
    world.assert_clean();
}

#[test]
fn a_list_that_is_malformed_or_without_end() {
    for mode in ["list-malformed", "list-huge", "list-empty"] {
        let world = World::new("list", mode, "");
        let died = world
            .env
            .runner(["acquire", "-s", "evil"])
            .env("RUNNER_FAULT", "provision:allocated")
            .run();
        assert_eq!(died.signal, Some(9), "{died}");
        let outcome = world.acquire();
        printable(&outcome);
        let id = outcome.ok().out().trim().to_owned();
        assert_eq!(
            world.left(),
            1,
            "{mode}: what the crash left is gone, the new one is there"
        );
        // Without a list nobody knows that nothing else is there: it stays in the books until the list is right.
        world.calm();
        world.env.runner(["discard", "evil-0"]).run().ok();
        world.env.runner(["release", &id]).run().ok();
        world.assert_clean();
    }
}
