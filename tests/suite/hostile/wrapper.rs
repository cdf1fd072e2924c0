//! A wrapper that means harm: it stands in front of a provider that is honest (the fake), whose backend shows what came through.

use runner_tests::fake::Fake;
use runner_tests::{Outcome, TestEnv, guests, variant};

/// A source `box` behind the wrapper, and an honest one, `other`, with an instance that nobody may touch.
struct Behind {
    env: TestEnv,
    fake: Fake,
    other: Fake,
    /// The neighbour's instance.
    theirs: String,
    token: String,
}

impl Behind {
    fn new() -> Self {
        let env = TestEnv::new();
        let other = Fake::source(&env, "other", "");
        let theirs = env.acquire("other");
        let token = other.live().into_iter().next().unwrap();
        let fake = Fake::source(&env, "box", &wrapped("", "", ""));
        Self {
            env,
            fake,
            other,
            theirs,
            token,
        }
    }

    /// From now on it does this.
    fn does(&self, mode: &str, target: &str) {
        self.with(mode, target, "");
    }

    fn with(&self, mode: &str, target: &str, more: &str) {
        self.fake
            .configure(&self.env, "box", &wrapped(mode, target, more));
    }

    fn acquire(&self) -> Outcome {
        self.env.runner(["acquire", "-s", "box"]).run()
    }

    /// It tried in `allocate`, was told no, and nothing is there.
    #[track_caller]
    fn is_refused(&self, mode: &str, target: &str) -> String {
        self.does(mode, target);
        let outcome = self.acquire().code(3);
        let said = self.refusal(outcome);
        self.is_clean();
        said
    }

    #[track_caller]
    fn refusal(&self, outcome: Outcome) -> String {
        super::printable(&outcome);
        let outcome = outcome.says(&["usurper", "6.6.6", "box", "refused: "]);
        assert!(!outcome.err().contains("ESCAPED"), "{outcome}");
        outcome
            .err()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[track_caller]
    fn is_clean(&self) {
        let live = self.fake.live();
        assert!(live.is_empty() && self.fake.homes().is_empty(), "{live:?}");
        assert_eq!(self.env.live().len(), 1, "only the neighbour's");
        assert!(self.other.live().contains(&self.token));
        assert_eq!(self.fake.violations(), "");
    }
}

fn wrapped(mode: &str, target: &str, more: &str) -> String {
    let file = guests::usurper().display();
    format!(
        "wrap = [{{ plugin = \"{file}\", sets = [\"capacity\"], options = {{ mode = '{mode}', target = '{target}' }} }}]\n{more}"
    )
}

#[test]
fn it_names_an_instance_that_its_call_is_not_about() {
    let behind = Behind::new();
    let said = behind.is_refused("token", &behind.token);
    assert!(said.contains("can only name the instance"), "{said}");
    behind.is_refused("workdir", "/etc");
    behind.is_refused("foreign-discard", &behind.token);
    for name in ["../x", "-rf", "a b", "$(touch x)", ""] {
        behind.is_refused("name", name);
    }
    behind.does("", "");
    let mine = behind.env.acquire("box");
    behind.env.runner(["release", &mine]).run().ok();
    behind.is_clean();
    // Nor in the middle of its life, by the definition that the instance has.
    for mode in ["run-token", "run-handle"] {
        behind.does(mode, &behind.token);
        let id = behind.env.acquire("box");
        let outcome = behind
            .env
            .runner(["run", &id, "--", "true"])
            .run()
            .code(125);
        behind.refusal(outcome);
        behind.env.runner(["release", &id]).run().ok();
    }
    behind
        .env
        .runner(["run", &behind.theirs, "--", "true"])
        .run()
        .ok();
    behind.is_clean();
}

#[test]
fn it_makes_and_destroys_where_that_is_not_its_call() {
    let behind = Behind::new();
    for mode in ["run-discard", "run-allocate"] {
        behind.does(mode, "");
        let id = behind.env.acquire("box");
        let outcome = behind
            .env
            .runner(["run", &id, "--", "true"])
            .run()
            .code(125);
        let said = behind.refusal(outcome);
        assert!(said.contains("in `run`"), "{said}");
        assert_eq!(behind.fake.live().len(), 1, "{mode}");
        behind.env.runner(["release", &id]).run().ok();
        behind.is_clean();
    }
    // One intent is one machine.
    let said = behind.is_refused("twice", "");
    assert!(said.contains("asked for already in this call"), "{said}");
}

#[test]
fn it_changes_settings_that_it_may_not() {
    let behind = Behind::new();
    for key in ["flavour", "backend", "", "Capacity"] {
        let said = behind.is_refused("settings", key);
        assert!(said.contains("may not change"), "{said}");
    }
    // One that it may, to what suits nobody.
    let said = behind.is_refused("settings", "capacity");
    assert!(said.contains("must be a whole number"), "{said}");
    assert!(
        behind
            .fake
            .journal()
            .iter()
            .all(|one| !one.starts_with("allocate"))
    );
}

#[test]
fn it_answers_another_handle_than_it_was_given() {
    let behind = Behind::new();
    let theirs = format!("fake:{}", behind.token);
    for (mode, handle) in [
        ("made-up", theirs.as_str()),
        ("made-up", "x"),
        ("other-handle", &theirs),
    ] {
        behind.does(mode, handle);
        let outcome = behind.acquire().code(3);
        outcome.says(&[
            "usurper",
            "`allocate`",
            "a handle that the provider behind it did not",
        ]);
        behind.is_clean();
    }
}

#[test]
fn it_never_returns_with_an_instance_in_hand() {
    let behind = Behind::new();
    for mode in ["hang", "again"] {
        behind.with(mode, "", "[limits]\nallocate = 2\n");
        let outcome = behind.acquire().code(3);
        outcome.says(&["usurper", "`allocate`", "2 s"]);
        behind.is_clean();
    }
}

#[test]
fn it_says_that_something_is_gone_which_is_not() {
    let behind = Behind::new();
    for mode in ["pretend", "pretend-gone"] {
        behind.does(mode, "");
        let id = behind.env.acquire("box");
        behind.env.runner(["release", &id]).run().ok();
        // The provider behind was asked all the same; and where it cannot, that is what counts.
        behind.is_clean();
        let id = behind.env.acquire("box");
        behind.fake.refuse("discard", Some("failed"));
        behind.env.runner(["release", &id]).run();
        assert_eq!(behind.fake.live().len(), 1, "{mode}");
        assert_eq!(behind.env.live().len(), 2, "{mode}: it is not forgotten");
        behind.fake.refuse("discard", None);
        behind.env.runner(["discard", &id]).run().ok();
        behind.is_clean();
    }
}

#[test]
fn it_uses_rights_of_the_provider_behind() {
    let mut behind = Behind::new();
    behind
        .env
        .set("RUNNER_SECRET_BEHIND", "only-for-the-provider");
    // What the provider behind is granted: `sh`, and this secret.
    let secret = "ssh-password = \"BEHIND\"\n";
    behind.with("", "", secret);
    behind.env.grant("box");
    for (mode, target, says) in [
        ("secret", "BEHIND", "is not granted"),
        ("program", "sh", "is not granted"),
        ("keep", "login", "keeps no secrets"),
    ] {
        behind
            .fake
            .configure(&behind.env, "box", &wrapped(mode, target, secret));
        let outcome = behind.acquire().code(3);
        let said = behind.refusal(outcome);
        assert!(said.contains(says), "{said}");
        behind.is_clean();
    }
    behind.is_refused("remembered", "sums/month");
}

#[test]
fn it_reads_or_replaces_the_key_that_an_instance_is_reached_with() {
    let behind = Behind::new();
    let keyed = "ssh-host = \"127.0.0.1\"\nssh-make-key = true\n";
    for mode in ["read-behind", "overwrite-behind"] {
        let file = guests::usurper().display();
        behind.fake.configure(
            &behind.env,
            "box",
            &format!(
                "{keyed}wrap = [{{ plugin = \"{file}\", options = {{ mode = '{mode}' }} }}]\n"
            ),
        );
        behind.env.grant("box");
        let outcome = behind.acquire().code(3);
        behind.refusal(outcome);
        behind.is_clean();
    }
}

#[test]
fn it_says_that_an_instance_is_reached_elsewhere() {
    let behind = Behind::new();
    behind.does("swap-access", "");
    let id = behind.env.acquire("box");
    // It is reached as the provider behind said: by the provider.
    let ran = behind
        .env
        .runner(["run", &id, "--", "echo", "here"])
        .run()
        .ok();
    assert_eq!(ran.out(), "here\n");
    behind.env.runner(["release", &id]).run().ok();
    behind.is_clean();
}

#[test]
fn it_takes_the_name_of_the_provider_to_read_what_that_remembers() {
    let behind = Behind::new();
    let bytes = std::fs::read(guests::usurper()).unwrap();
    let fake = variant::variant(&bytes, |manifest| manifest["name"] = "fake".into());
    let file = behind.env.write("fake.wasm", fake);
    behind.fake.configure(
        &behind.env,
        "box",
        &format!("wrap = [\"{}\"]\n", file.display()),
    );
    let refused = behind.acquire().code(3);
    refused.says(&["source.toml:3:9", "is called `fake` as well"]);
    behind.is_clean();
}
