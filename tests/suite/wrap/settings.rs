//! Settings of the provider that a wrapper changes for one instance: those that the operator named, as the schema wants them, without a
//! right more; and `fallback`, which is what it is for.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

use super::asked;

/// `fallback` with these tries, allowed to set these keys.
fn fallback(sets: &str, tries: &str) -> String {
    format!(
        "wrap = [{{ plugin = \"fallback\", sets = [{sets}], options = {{ tries = [{tries}] }} }}]\n"
    )
}

const TRIES: &str = "{ flavour = \"spot\" }, { flavour = \"large\" }, {}";

#[test]
fn the_first_settings_that_work_make_the_instance() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", &fallback("\"flavour\"", TRIES));
    fake.refuse("allocate@spot", Some("exhausted"));
    let id = env.acquire("box");
    // What the failed try left went before the next one; whatever is not made there sees the source's own.
    let flavours = ["allocate-spot", "discard-plain", "allocate-large"];
    assert_eq!(fake.flavours(), flavours);
    assert_eq!(fake.live().len(), 1);
    let which = &env.live()[0]["attributes"]["fallback"];
    assert_eq!(which, "2 of 3: flavour=large");
    env.runner(["run", &id, "--", "true"]).run().ok();
    env.runner(["release", &id]).run().ok();
    assert_eq!(fake.flavours()[3..], ["run-plain", "discard-plain"]);
    assert!(fake.live().is_empty());

    // At the end each is told, and nothing is left.
    fake.refuse("allocate@large", Some("unavailable"));
    fake.refuse("allocate@plain", Some("exhausted"));
    let none = env.runner(["acquire", "-s", "box"]).run().code(3);
    none.says(&["flavour=spot", "flavour=large", "the source as it stands"]);
    assert!(fake.live().is_empty() && fake.homes().is_empty());
    // What no other settings would help is not tried with others.
    fake.refuse("allocate@spot", Some("denied"));
    let before = asked(&fake, "allocate");
    env.runner(["acquire", "-s", "box"]).run().code(3);
    assert_eq!(asked(&fake, "allocate") - before, 1);
    assert_eq!(fake.violations(), "");
}

#[test]
fn only_what_was_named_and_suits_and_needs_no_right() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    for (sets, tries, says) in [
        // Not named.
        (
            "",
            "{ flavour = \"spot\" }",
            &["may not change `flavour`", "`sets`"][..],
        ),
        (
            "\"capacity\"",
            "{ capacity = 1, flavour = \"spot\" }",
            &["may not change `flavour`"],
        ),
        // Not what the schema wants.
        (
            "\"flavour\"",
            "{ flavour = 7 }",
            &["`flavour`", "must be a text"],
        ),
        (
            "\"flavour\"",
            "{ flavour = \"A b\" }",
            &["`flavour`", "must match"],
        ),
        (
            "\"capacity\"",
            "{ capacity = -1 }",
            &["`capacity`", "at least 0"],
        ),
        // A right that the source has not got.
        (
            "\"ssh-host\"",
            "{ ssh-host = \"evil.example\" }",
            &["log in to `evil.example`"],
        ),
    ] {
        fake.configure(&env, "box", &fallback(sets, tries));
        let refused = env.runner(["acquire", "-s", "box"]).run().code(3);
        refused.says(says);
        assert_eq!(asked(&fake, "allocate"), 0, "{tries}");
        assert!(env.live().is_empty(), "{tries}");
    }
    for (sets, says) in [
        ("\"flavuor\"", "did you mean `flavour`?"),
        // It says where the instance is: the others would look elsewhere.
        ("\"backend\"", "matters after an instance is made"),
    ] {
        fake.configure(&env, "box", &fallback(sets, "{}"));
        let wrong = env.runner(["acquire", "-s", "box"]).run().code(3);
        wrong.says(&["source.toml:3:", says]);
    }
    // Without a change it is as if nothing stood there.
    fake.configure(&env, "box", &fallback("", "{}"));
    env.acquire("box");
    assert_eq!(fake.flavours().last().unwrap(), "allocate-plain");
}

#[test]
fn a_chain_passes_settings_on_and_the_nearest_has_the_last_word() {
    let env = TestEnv::new();
    let one = |tries: &str| {
        format!(
            "{{ plugin = \"fallback\", sets = [\"flavour\", \"capacity\"], options = {{ tries = [{tries}] }} }}"
        )
    };
    // Through another wrapper, twice because the first answer was lost.
    let through = format!("wrap = [{}, \"retry\"]\n", one("{ flavour = \"spot\" }"));
    let fake = Fake::source(&env, "box", &through);
    fake.refuse_times("allocate", "unavailable", 1);
    env.acquire("box");
    let made = ["allocate-spot", "discard-plain", "allocate-spot"];
    assert_eq!(fake.flavours(), made);
    // What the outer one set holds, unless the inner one sets it.
    let both = format!(
        "wrap = [{}, {}]\n",
        one("{ flavour = \"spot\", capacity = 50 }"),
        one("{ flavour = \"large\" }")
    );
    let chain = Fake::source(&env, "chain", &both);
    env.acquire("chain");
    assert_eq!(chain.flavours(), ["allocate-large"]);
}

#[test]
fn an_idle_instance_fits_while_the_same_may_be_set() {
    let env = TestEnv::new();
    let keep = |sets| format!("reserve = 1\n{}", fallback(sets, "{}"));
    let fake = Fake::source(&env, "box", &keep("\"flavour\""));
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    assert_eq!(env.acquire("box"), id);
    env.runner(["release", &id]).run().ok();
    fake.configure(&env, "box", &keep("\"flavour\", \"capacity\""));
    assert_ne!(env.acquire("box"), id);
}
