//! `chaos`: calls that fail and answers that are lost, and nothing that is left.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

fn chaos(options: &str) -> String {
    format!("wrap = [{{ plugin = \"chaos\", options = {{ {options} }} }}]\n")
}

#[test]
fn whatever_is_lost_nothing_is_left() {
    let env = TestEnv::new();
    let always = "fail = 1, seed = 5, calls = [\"allocate\", \"discard\"]";
    let fake = Fake::source(&env, "box", &chaos(&format!("{always}, when = \"after\"")));
    for _ in 0..4 {
        let lost = env.runner(["acquire", "-s", "box"]).run().code(3);
        lost.says(&["an accident on purpose", "its answer lost", "seed 5"]);
    }
    // They were made, each of them; and what could not be destroyed at once is tried again until it is.
    let made = fake
        .journal()
        .iter()
        .filter(|one| one.starts_with("allocate"))
        .count();
    assert_eq!(made, 4);
    let names = |env: &TestEnv| -> Vec<String> {
        let live = env.live();
        live.iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    loop {
        let left = names(&env);
        if left.is_empty() {
            break;
        }
        for name in left {
            env.runner(["discard", &name]).run();
        }
    }
    assert!(fake.live().is_empty() && fake.homes().is_empty());
    // Before it: the provider was not even asked.
    fake.configure(
        &env,
        "box",
        &chaos("fail = 1, when = \"before\", calls = [\"allocate\"], kind = \"exhausted\""),
    );
    let refused = env.runner(["acquire", "-s", "box"]).run().code(3);
    refused.says(&["`allocate` was not done"]);
    assert_eq!(
        fake.journal()
            .iter()
            .filter(|one| one.starts_with("allocate"))
            .count(),
        4
    );
}

#[test]
fn the_same_seed_gives_the_same_accidents_and_retry_is_worth_something() {
    let env = TestEnv::new();
    let half = "fail = 0.5, calls = [\"allocate\"], when = \"before\"";
    let codes = |name: &str, seed: u32| -> Vec<Option<i32>> {
        Fake::source(&env, name, &chaos(&format!("{half}, seed = {seed}")));
        (0..10)
            .map(|_| env.runner(["acquire", "-s", name]).run().code)
            .collect()
    };
    let one = codes("a", 7);
    assert_eq!(one, codes("b", 7));
    assert!(one.contains(&Some(0)) && one.contains(&Some(3)), "{one:?}");
    let patient = format!(
        "wrap = [{{ plugin = \"retry\", options = {{ attempts = 50, pause-ms = 0 }} }}, {}",
        chaos(&format!("{half}, seed = 7")).trim_start_matches("wrap = [")
    );
    let fake = Fake::source(&env, "c", &patient);
    for _ in 0..4 {
        env.acquire("c");
    }
    assert_eq!((fake.live().len(), fake.violations().as_str()), (4, ""));
    // A command is never repeated: what it did, it did once.
    let run = Fake::source(
        &env,
        "d",
        &chaos("fail = 1, when = \"after\", calls = [\"run\"]"),
    );
    let id = env.acquire("d");
    let lost = env
        .runner(["run", &id, "--", "sh", "-c", "echo x >> done"])
        .run()
        .code(125);
    lost.says(&["its answer lost"]);
    let home = run
        .directory()
        .join("homes")
        .join(run.live().into_iter().next().unwrap());
    assert_eq!(std::fs::read_to_string(home.join("done")).unwrap(), "x\n");
}
