//! The harness itself: the binary is found, starts, and answers.

use runner_tests::TestEnv;

#[test]
fn the_binary_says_its_version() {
    let env = TestEnv::new();
    let outcome = env.runner(["--version"]).run().ok();
    assert!(outcome.out().starts_with("runner "), "{outcome}");
}
