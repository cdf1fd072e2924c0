//! `incus` over the real daemon, with containers; virtual machines need a kernel with vhost-vsock, which the test machines have not.

use runner_tests::TestEnv;
use runner_tests::backends::incus::Incus;
use runner_tests::service::{Service, eventually};

use super::stage::Stage;
use crate::contract::bench::SOURCE;

/// A world with a daemon.
pub(super) fn stage() -> Option<Stage> {
    let mut env = TestEnv::new();
    let incus = Incus::start(&mut env)?;
    env.keep(incus);
    env.source(
        SOURCE,
        "type = \"incus\"\nimage = \"tiny\"\nmemory = \"64MiB\"\ncheck_period = \"1s\"\ncheck_attempts = 2\n",
    );
    Some(Stage {
        env,
        bad: "image=no-such",
        left: Box::new(Incus::instances),
        then: Box::new(|env, _| then(env)),
    })
}

/// What becomes of an instance that somebody else has a hand in.
fn then(env: &TestEnv) {
    let name = env.acquire(SOURCE);
    let file = env.write("work/file", "copied");
    env.runner(["cp"])
        .arg(&file)
        .arg(format!("{name}:/root/"))
        .run()
        .ok();
    let read = env.runner(["run", &name, "--", "cat", "/root/file"]).run();
    assert_eq!(read.ok().out(), "copied");
    env.runner(["release", &name]).run().ok();
    eventually("it is gone", || Incus::instances(env).is_empty());

    // What somebody else removed is noticed, and is no trouble to discard.
    let other = env.acquire(SOURCE);
    let [made] = &Incus::instances(env)[..] else {
        panic!("one instance")
    };
    env.program("incus")
        .args(["delete", "--force", made])
        .run()
        .ok();
    env.runner(["run", &other, "--", "true"])
        .run()
        .says(&["not found"]);
    env.runner(["release", &other]).run();
    eventually("it is out of the books", || env.live().is_empty());

    // The service's own look.
    env.acquire(SOURCE);
    let _serve = Service::start(env);
    eventually("a check that passes", || {
        env.live().iter().any(|one| !one["checked"].is_null())
    });
    let [made] = &Incus::instances(env)[..] else {
        panic!("one instance")
    };
    env.program("incus")
        .args(["stop", "--force", made])
        .run()
        .ok();
    eventually("the end of what was stopped", || {
        Incus::instances(env).is_empty()
    });

    // What cannot be made says why.
    env.source("none", "type = \"incus\"\nimage = \"no-such\"\n");
    let said = env
        .runner(["acquire", "-s", "none"])
        .run()
        .says(&["no-such", "not found"]);
    assert!(!said.to_string().contains("cannot be listed"), "{said}");
    assert!(Incus::instances(env).is_empty());
}
