//! Shelves as the command line shows them: what is kept for whom, what is never handed to anybody else, and what happens to a
//! shelf in use.

use std::sync::Arc;

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

#[track_caller]
fn acquire(env: &TestEnv, args: &[&str]) -> String {
    let acquired = env.runner(["acquire", "-s", "box"]).args(args).run().ok();
    acquired.words().remove(0)
}

#[track_caller]
fn ok(env: &TestEnv, args: &[&str]) {
    let outcome = env.runner(args).run().ok();
    assert_eq!(outcome.err(), "");
}

/// What is on the shelf, with its state.
#[track_caller]
fn guests(env: &TestEnv, shelf: &str) -> Vec<(String, String)> {
    let listed = env.runner(["shelf", "guests", shelf, "--json"]).run().ok();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    listed.json()["guests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["instance"]), text(&one["state"])))
        .collect()
}

fn ready(id: &str) -> (String, String) {
    (id.to_owned(), "ready".to_owned())
}

#[test]
fn what_is_used_under_a_shelf_comes_back_to_it() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    ok(&env, &["shelf", "create", "mine", "--capacity", "2"]);
    let first = acquire(&env, &["--shelf", "mine"]);
    assert_eq!(guests(&env, "mine"), [(first.clone(), "leased".into())]);
    ok(&env, &["release", &first]);
    assert_eq!(guests(&env, "mine"), [ready(&first)]);
    // A hit; while it is out, another one is made.
    assert_eq!(acquire(&env, &["--shelf", "mine"]), first);
    let second = acquire(&env, &["--shelf", "mine"]);
    assert_ne!(second, first);
    ok(&env, &["release", &first, &second]);
    assert_eq!(fake.live().len(), 2);
    // Not for who does not name it, nor for who wants nothing used.
    let other = acquire(&env, &[]);
    let fresh = acquire(&env, &["--shelf", "mine", "--fresh"]);
    assert!(![&first, &second].contains(&&other) && ![&first, &second].contains(&&fresh));
    ok(&env, &["release", &other]);
    assert_eq!(fake.live().len(), 3);
    // Full: what comes back now is destroyed.
    ok(&env, &["release", &fresh]);
    assert_eq!(fake.live().len(), 2);
    let shown = env.runner(["shelf", "show", "mine", "--json"]).run().ok();
    let shown = &shown.json()["shelves"][0];
    assert_eq!(
        (&shown["current"], &shown["in-use"]),
        (&2.into(), &0.into())
    );
    assert_eq!(
        (&shown["owner"], &shown["capacity"]),
        (&"tester".into(), &2.into())
    );
    let counted = env
        .runner(["status", "box", "--query", "cached"])
        .run()
        .ok();
    assert_eq!(counted.out(), "2\n");
}

#[test]
fn what_fits_is_decided_by_source_and_configuration() {
    let env = TestEnv::new();
    let _box = Fake::source(&env, "box", "tags = [\"x86\"]\n");
    let _other = Fake::source(&env, "other", "");
    ok(&env, &["shelf", "create", "mine"]);
    let id = acquire(&env, &["--shelf", "mine", "--requires", "cpus >= 2"]);
    ok(&env, &["release", &id]);
    let other = env
        .runner(["acquire", "-s", "other", "--shelf", "mine"])
        .run()
        .ok();
    assert!(other.out().starts_with("other-"), "{other}");
    env.runner(["acquire", "--shelf", "mine", "--no-wait", "-s", "box"])
        .args(["--requires", "cpus >= 8"])
        .run()
        .code(3);
    let hit = env
        .runner(["acquire", "--shelf", "mine", "--tag", "x86"])
        .args(["--requires", "cpus = 4"])
        .run()
        .ok();
    assert_eq!(hit.out().trim(), id);
    ok(&env, &["release", &id]);
    // Made by settings that are not those of now.
    let _changed = Fake::source(&env, "box", "capacity = 77\n");
    let anew = acquire(&env, &["--shelf", "mine"]);
    assert_ne!(anew, id);
}

#[test]
fn nobody_else_gets_it_and_the_owner_is_asked_for_in_every_call() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 2\nreserve = 2\n");
    ok(&env, &["shelf", "create", "anns", "--owner", "ann"]);
    let id = acquire(&env, &["--shelf", "anns", "--owner", "ann"]);
    ok(&env, &["release", &id, "--owner", "ann"]);
    for args in [
        &["acquire", "-s", "box", "--shelf", "anns"][..],
        &["ticket", "open", "-s", "box", "--shelf", "anns"],
        &["shelf", "show", "anns"],
        &["shelf", "guests", "anns"],
        &["shelf", "enable", "anns"],
        &["shelf", "disable", "anns"],
        &["shelf", "rename", "anns", "bobs"],
        &["shelf", "delete", "anns"],
        &["shelf", "check", "anns"],
        &["shelf", "discard", "anns", "--all"],
        &["shelf", "add", "anns", &id],
        &["shelf", "fill", "anns", "1", "-s", "box"],
    ] {
        for owner in [&["--owner", "bob"][..], &[]] {
            let refused = env.runner(args).args(owner).run().code(3);
            refused.says(&["`anns`", "belongs to `ann`"]);
        }
    }
    let bobs = acquire(&env, &["--owner", "bob"]);
    assert_ne!(bobs, id);
    let refused = env
        .runner(["release", "--shelf", "anns", "--owner", "bob", &bobs])
        .run();
    refused.code(3).says(&["belongs to `ann`"]);
    // Nor through a shelf of one's own.
    ok(&env, &["shelf", "create", "bobs", "--owner", "bob"]);
    ok(
        &env,
        &["release", "--shelf", "bobs", "--owner", "bob", &bobs],
    );
    assert_eq!(acquire(&env, &["--shelf", "bobs", "--owner", "bob"]), bobs);
    assert_eq!(acquire(&env, &["--shelf", "anns", "--owner", "ann"]), id);
    // The other one's would be all that is left.
    env.runner(["release", &bobs]).run().ok();
    env.runner(["acquire", "-s", "box", "--owner", "carl"])
        .run()
        .code(3)
        .says(&["maximum of 2"]);
    assert_eq!(fake.live().len(), 2);
    let mine = |args: &[&str]| {
        let listed = env
            .runner(["shelf", "list", "--json"])
            .args(args)
            .run()
            .ok();
        listed.json()["shelves"].as_array().unwrap().len()
    };
    assert_eq!(
        (mine(&[]), mine(&["--owner", "ann"]), mine(&["--all"])),
        (0, 1, 2)
    );
    env.runner(["shelf", "create", "anns"])
        .run()
        .code(3)
        .says(&["already"]);
    env.runner(["shelf", "create", "a/b"]).run().code(3);
    env.runner(["shelf", "show", "nobodys"]).run().code(3);
}

#[test]
fn many_at_once_never_fill_a_shelf_beyond_its_capacity() {
    let env = Arc::new(TestEnv::new());
    let fake = Fake::source(&env, "box", "");
    ok(&env, &["shelf", "create", "mine", "--capacity", "3"]);
    let acquired = env
        .runner(["acquire", "-s", "box", "--shelf", "mine", "12"])
        .run()
        .ok();
    let at_once = |calls: Vec<Vec<String>>| {
        let calls: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let env = Arc::clone(&env);
                std::thread::spawn(move || env.runner(call).run().ok().words())
            })
            .collect();
        let ended = calls.into_iter().map(|call| call.join().unwrap());
        ended.flatten().collect::<Vec<String>>()
    };
    at_once(
        acquired
            .words()
            .into_iter()
            .map(|id| vec!["release".to_owned(), id])
            .collect(),
    );
    assert_eq!(fake.live().len(), 3);
    assert_eq!(guests(&env, "mine").len(), 3);
    // Each hit takes one, and no two the same one.
    let words = ["acquire", "-s", "box", "--shelf", "mine"].map(str::to_owned);
    let mut ids = at_once(vec![words.to_vec(); 6]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    assert_eq!(fake.live().len(), 6);
}

#[test]
fn a_shelf_in_use_can_be_renamed_disabled_and_deleted() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    ok(&env, &["shelf", "create", "old"]);
    let id = acquire(&env, &["--shelf", "old"]);
    ok(&env, &["shelf", "rename", "old", "new"]);
    env.runner(["shelf", "show", "old"])
        .run()
        .code(3)
        .says(&["no shelf `old`"]);
    ok(&env, &["release", &id]);
    assert_eq!(guests(&env, "new"), [ready(&id)]);
    // Disabled, it gives and does not take.
    ok(&env, &["shelf", "disable", "new"]);
    assert_eq!(acquire(&env, &["--shelf", "new"]), id);
    ok(&env, &["release", &id]);
    assert!(fake.live().is_empty());
    ok(&env, &["shelf", "enable", "new", "--capacity", "1"]);
    let first = acquire(&env, &["--shelf", "new"]);
    let second = acquire(&env, &["--shelf", "new"]);
    ok(&env, &["release", &first]);
    let waiting = env
        .runner(["ticket", "open", "-s", "box", "--shelf", "new", "-q"])
        .run()
        .ok();
    let held = env
        .runner(["ticket", "check", waiting.out().trim()])
        .run()
        .ok();
    assert_eq!(held.out(), format!("served {first}\n"));
    let third = acquire(&env, &["--shelf", "new"]);
    ok(&env, &["release", &third]);
    assert_eq!(fake.live().len(), 3);
    ok(&env, &["shelf", "delete", "new"]);
    assert_eq!(fake.live().len(), 2);
    // What is in use goes on, and ends with its use.
    env.runner(["run", &first, "true"]).run().ok();
    env.runner(["run", &second, "true"]).run().ok();
    ok(&env, &["release", &first, &second]);
    assert!(fake.live().is_empty());
}

#[test]
fn instances_are_put_on_a_shelf_and_taken_off() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "reserve = 1\n");
    ok(&env, &["shelf", "create", "mine", "--capacity", "2"]);
    ok(&env, &["shelf", "create", "yours"]);
    // One idle, one leased.
    let idle = acquire(&env, &[]);
    let leased = acquire(&env, &[]);
    let more = acquire(&env, &[]);
    ok(&env, &["release", &leased, &more]);
    ok(&env, &["release", &idle]);
    assert_eq!(fake.live().len(), 1);
    let leased = acquire(&env, &["--fresh"]);
    ok(&env, &["shelf", "add", "mine", &idle, &leased]);
    assert_eq!(guests(&env, "mine"), [ready(&idle), ready(&leased)]);
    // Full: refused, not destroyed.
    let third = acquire(&env, &[]);
    env.runner(["shelf", "add", "mine", &third])
        .run()
        .code(3)
        .says(&["no room", "capacity 2"]);
    env.runner(["run", &third, "true"]).run().ok();
    env.runner(["shelf", "add", "mine", "box-99"]).run().code(3);
    env.runner(["shelf", "add", "yours", &idle])
        .run()
        .code(3)
        .says(&[&idle]);
    // From one shelf to another there is no way.
    let used = acquire(&env, &["--shelf", "mine"]);
    env.runner(["release", "--shelf", "yours", &used])
        .run()
        .code(3)
        .says(&["another shelf"]);
    ok(&env, &["release", "--no-shelf", &used]);
    assert_eq!(guests(&env, "mine").len(), 1);
    ok(&env, &["release", "--shelf", "mine", &third]);
    assert_eq!(guests(&env, "mine").len(), 2);
    ok(&env, &["shelf", "discard", "mine", &third]);
    env.runner(["shelf", "discard", "mine", &third])
        .run()
        .code(3)
        .says(&[&third]);
    ok(&env, &["shelf", "discard", "mine", "--all"]);
    assert_eq!(guests(&env, "mine"), []);
    assert!(fake.live().is_empty());
}

#[test]
fn a_shelf_is_filled_ahead_and_checked() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    ok(&env, &["shelf", "create", "mine", "--capacity", "3"]);
    let filled = env
        .runner(["shelf", "fill", "mine", "2", "-s", "box"])
        .run()
        .ok();
    let ids = filled.words();
    assert_eq!(ids.len(), 2);
    env.runner(["-s", "box", "shelf", "fill", "mine", "2"])
        .run()
        .code(3)
        .says(&["no room"]);
    assert_eq!(fake.live().len(), 2);
    assert_eq!(guests(&env, "mine"), [ready(&ids[0]), ready(&ids[1])]);
    // Nobody has used them: they are fresh.
    let fresh = acquire(&env, &["--shelf", "mine", "--fresh"]);
    assert!(ids.contains(&fresh));
    ok(&env, &["release", &fresh]);
    let other = acquire(&env, &["--shelf", "mine", "--fresh"]);
    assert!(ids.contains(&other) && other != fresh);
    ok(&env, &["release", &other]);

    let checked = env.runner(["shelf", "check", "mine"]).run().ok();
    assert_eq!(checked.out().matches("alive").count(), 2, "{checked}");
    fake.refuse("check", Some("failed"));
    let checked = env
        .runner(["shelf", "check", "mine", "--json"])
        .run()
        .code(3);
    assert_eq!(checked.json()["checks"][0]["check"], "failed");
    // What failed is not handed out.
    fake.refuse("check", None);
    let anew = acquire(&env, &["--shelf", "mine"]);
    assert!(!ids.contains(&anew));
    env.runner(["shelf", "check", "mine"]).run().ok();
    assert!(ids.contains(&acquire(&env, &["--shelf", "mine"])));
}
