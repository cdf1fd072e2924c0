//! Wrappers in front of a provider: what passes through them, what they add, and what they may not do.

mod accidents;
mod budget;
mod settings;

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::guests;

const RETRY: &str = "wrap = [{ plugin = \"retry\", options = { attempts = 4, pause-ms = 1 } }]\n";

fn asked(fake: &Fake, what: &str) -> usize {
    let journal = fake.journal();
    journal.iter().filter(|one| one.starts_with(what)).count()
}

#[test]
fn what_passes_is_tried_again_and_the_rest_passes_through() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", RETRY);
    // Twice it cannot, then it can.
    fake.refuse_times("allocate", "unavailable", 2);
    let id = env.acquire("box");
    assert_eq!((asked(&fake, "allocate"), fake.live().len()), (3, 1));
    // What a failed try may have left was destroyed before the next one.
    assert_eq!(asked(&fake, "discard"), 2);

    // Bytes, codes and files pass through both.
    let script = "cat; exit 7";
    let said = env
        .runner(["run", &id, "--", "sh", "-c", script])
        .stdin(b"in\n".to_vec())
        .run()
        .code(7);
    assert_eq!(said.out(), "in\n");
    let here = env.write("here", "text");
    env.runner(["cp"])
        .arg(&here)
        .arg(format!("{id}:there"))
        .run()
        .ok();
    // Facts are those of the provider behind, which alone has the interface.
    let facts = env
        .runner(["acquire", "-s", "box", "--requires", "cpus >= 4"])
        .run();
    facts.ok();

    fake.refuse_times("discard", "unavailable", 1);
    env.runner(["release", &id]).run().ok();
    assert_eq!(fake.live().len(), 1);
    assert_eq!(fake.violations(), "");
    // What does not pass is not tried again, and what passes not for ever.
    for (kind, tries) in [("denied", 1), ("unavailable", 4)] {
        let before = asked(&fake, "allocate");
        fake.refuse("allocate", Some(kind));
        env.runner(["acquire", "-s", "box"]).run().code(3);
        assert_eq!(asked(&fake, "allocate") - before, tries, "{kind}");
        fake.refuse("allocate", None);
    }
}

#[test]
fn each_keeps_its_own_rights_and_the_chain_its_deadline() {
    let env = TestEnv::new();
    // The provider behind must be granted what it asks for, whoever stands in front.
    let fake = Fake::ungranted(&env, "box", RETRY);
    let refused = env.runner(["acquire", "-s", "box"]).run().code(3);
    refused.says(&["plugin `fake`", "runner plugin grant"]);
    assert_eq!(asked(&fake, "allocate"), 0);
    env.grant("box");
    env.acquire("box");

    // Two in a row are one chain.
    let twice = "wrap = [\"retry\", { plugin = \"retry\", options = { pause-ms = 1 } }]\n";
    let chain = Fake::source(&env, "chain", twice);
    chain.refuse_times("allocate", "unavailable", 2);
    env.acquire("chain");
    assert_eq!(asked(&chain, "allocate"), 3);

    // However patient the wrapper is, the limit of its call ends it, and nothing is left.
    let patient = "wrap = [{ plugin = \"retry\", options = { attempts = 100, pause-ms = 600000 } }]\n\
         [limits]\nallocate = 2\n";
    let slow = Fake::source(&env, "slow", patient);
    slow.refuse("allocate", Some("unavailable"));
    let ended = env.runner(["acquire", "-s", "slow"]).run().code(3);
    ended.says(&["plugin `retry`", "2 s"]);
    assert_eq!(asked(&slow, "allocate"), 1);
    assert!(slow.live().is_empty());
}

#[test]
fn only_wrappers_wrap_and_only_around_something() {
    let env = TestEnv::new();
    env.source("alone", "type = \"retry\"\n");
    let alone = env.runner(["acquire", "-s", "alone"]).run().code(3);
    alone.says(&["is a wrapper", "wrap"]);
    let fake = guests::fake().display().to_string();
    env.source("wrong", &format!("type = \"local\"\nwrap = [\"{fake}\"]\n"));
    let wrong = env.runner(["acquire", "-s", "wrong"]).run().code(3);
    wrong.says(&["source.toml:2:9", "is no wrapper"]);
    env.source(
        "keys",
        "type = \"local\"\nwrap = [{ plugin = \"retry\", options = { attemps = 2 } }]\n",
    );
    let keys = env.runner(["acquire", "-s", "keys"]).run().code(3);
    keys.says(&["attemps", "attempts"]);
}

#[test]
fn the_provider_behind_is_told_another_name() {
    let env = TestEnv::new();
    let named = "wrap = [{ plugin = \"rename\", options = { pattern = \"ci-{name}-{short}\" } }]\n";
    let fake = Fake::source(&env, "box", named);
    let id = env.acquire("box");
    let token = fake.live().into_iter().next().unwrap();
    assert_eq!(fake.name_of(&token), format!("ci-{id}-{}", &token[..8]));
    // For everybody else it is called as ever.
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
    fake.configure(
        &env,
        "box",
        "wrap = [{ plugin = \"rename\", options = { pattern = \"{nmae}\" } }]\n",
    );
    let wrong = env.runner(["acquire", "-s", "box"]).run().code(3);
    wrong.says(&["source.toml", "pattern"]);
}
