//! `budget`: what the instances of a source cost, across releases, failures and processes (each command here is one).

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

fn budget(options: &str) -> String {
    format!("wrap = [{{ plugin = \"budget\", options = {{ currency = \"EUR\", {options} }} }}]\n")
}

#[test]
fn no_more_is_made_than_there_is_money_for() {
    let env = TestEnv::new();
    // Each costs at least one, whatever the clock says; there is money for three.
    let more = budget("price = 1, limit = 3.1, period = \"ever\", minimum-minutes = 60");
    let fake = Fake::source(&env, "box", &more);
    // What was never made is not billed.
    for _ in 0..4 {
        fake.refuse_times("allocate", "unavailable", 1);
        env.runner(["acquire", "-s", "box"]).run().code(3);
    }
    let first = env.acquire("box");
    let second = env.acquire("box");
    env.runner(["release", &first]).run().ok();
    let third = env.acquire("box");
    let refused = env.runner(["acquire", "-s", "box"]).run().code(3);
    refused.says(&[
        "the budget of 3.10 EUR in all",
        "1.00 EUR are spent by what is gone",
        "2.00 EUR by 2 that exist",
        "one costs at least 1.00 EUR",
        "raise `limit`",
    ]);
    // A refusal costs nothing and makes nothing; what exists is used and destroyed as ever.
    assert_eq!(fake.live().len(), 2);
    env.runner(["run", &third, "--", "true"]).run().ok();
    env.runner(["release", &second, &third]).run().ok();
    assert!(fake.live().is_empty());
    // Money that was spent does not come back, and more of it helps.
    let refused = env.runner(["acquire", "-s", "box"]).run().code(3);
    refused.says(&["3.00 EUR are spent by what is gone", "by 0 that exist"]);
    fake.configure(
        &env,
        "box",
        &budget("price = 1, limit = 4.1, period = \"ever\", minimum-minutes = 60"),
    );
    env.acquire("box");
    // Another source has sums of its own, and a pool goes on to it.
    let other = Fake::source(&env, "other", &more);
    env.source("both", "type = \"pool\"\nsources = [\"box\", \"other\"]\n");
    env.acquire("both");
    assert_eq!((fake.live().len(), other.live().len()), (1, 1));
}

#[test]
fn what_exists_costs_as_it_runs() {
    let env = TestEnv::new();
    // 27 a second: soon there is nothing left, however fast this machine is.
    let fake = Fake::source(
        &env,
        "box",
        &budget("price = 100000, limit = 20, period = \"ever\""),
    );
    let mut made = vec![env.acquire("box")];
    let refused = loop {
        let outcome = env.runner(["acquire", "-s", "box"]).run();
        match outcome.code {
            Some(0) => made.push(outcome.out().trim().to_owned()),
            _ => break outcome,
        }
    };
    refused.code(3).says(&["the budget of 20.00 EUR in all"]);
    assert_eq!(fake.live().len(), made.len());
    // What it keeps does not grow with what is gone.
    for id in &made {
        env.runner(["release", id]).run().ok();
    }
    assert!(fake.live().is_empty() && env.live().is_empty());
}
