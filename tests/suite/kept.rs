//! Components of earlier versions of the contract, kept as they were built: they work as they did.

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::{guests, skip};

#[test]
fn a_provider_of_version_0_1_makes_uses_and_destroys() {
    let env = TestEnv::new();
    let component = guests::kept("airgap-provider-0.1.0");
    let said = env
        .runner(["plugin", "inspect", "--json"])
        .arg(&component)
        .run();
    let imports = said.ok().json()["imports"].to_string();
    assert!(imports.contains("runner:plugin/process@0.1.0"), "{imports}");
    if skip::program("unshare").is_none() {
        return skip::skip("no `unshare`");
    }
    env.source(
        "air",
        &format!("type = \"{}\"\nloopback = false\n", component.display()),
    );
    // It gets no more than it got: what it asks for, when it is granted.
    env.runner(["acquire", "-s", "air"]).run().code(3).says(&[
        "airgap",
        "unshare",
        "runner plugin grant --source air",
    ]);
    env.grant("air");
    let id = env.acquire("air");
    // Bytes pass by it, and codes are the command's.
    let script = "cat; ls /sys/class/net; exit 7";
    let said = env
        .runner(["run", &id, "--", "sh", "-c", script])
        .stdin(b"in\n".to_vec())
        .run()
        .code(7);
    assert!(said.out().starts_with("in\n"), "{said}");
    env.write("here", "copied");
    env.runner(["cp"])
        .arg(env.path("here"))
        .arg(format!("{id}:there"))
        .run()
        .ok();
    let read = env.runner(["run", &id, "--", "cat", "there"]).run().ok();
    assert_eq!(read.out(), "copied");
    env.runner(["release", &id]).run().ok();
    assert!(env.live().is_empty());
}

#[test]
fn a_hook_of_version_0_1_is_told_and_believed() {
    let env = TestEnv::new();
    let hook = |minimum: &str| {
        format!(
            "[[hooks]]\nplugin = \"{}\"\noptions = {{ minimum-mb = {minimum} }}\n",
            guests::kept("audit-hook-0.1.0").display()
        )
    };
    // Beside a provider of the newest version, whose instance it looks at.
    let fake = Fake::source(&env, "box", &hook("1"));
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    let full = Fake::source(&env, "full", &hook("1000000000"));
    env.runner(["acquire", "-s", "full"]).run().code(3).says(&[
        "free-space",
        "MB are free",
        "minimum-mb",
    ]);
    assert!(fake.live().is_empty());
    assert!(full.live().is_empty());
}
