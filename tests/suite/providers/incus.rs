//! `incus` over the real daemon, with containers; virtual machines need a kernel with vhost-vsock, which the test machines have not.

use runner_tests::TestEnv;
use runner_tests::backends::incus::Incus;
use runner_tests::service::{Service, eventually};

/// A world with a daemon and the source `box`.
fn world() -> Option<TestEnv> {
    let mut env = TestEnv::new();
    let incus = Incus::start(&mut env)?;
    env.keep(incus);
    env.source(
        "box",
        "type = \"incus\"\nimage = \"tiny\"\nmemory = \"64MiB\"\ncheck_period = \"1s\"\ncheck_attempts = 2\n",
    );
    Some(env)
}

#[test]
fn a_container_is_all_that_a_command_needs() {
    let Some(env) = world() else { return };
    let name = env.acquire("box");
    let run = |script: &str| {
        env.runner(["run", &name, "--", "sh", "-c", script])
            .stdin("in")
            .run()
    };
    assert_eq!(run("cat; echo").ok().out(), "in\n");
    // Codes that the client uses for itself as well, and a signal.
    for code in [0, 1, 7, 127, 255] {
        run(&format!("exit {code}")).code(code);
    }
    run("kill -TERM $$").code(143);
    let odd = std::ffi::OsStr::new("a b'\"$x\n");
    let echoed = env
        .runner([
            "run",
            "--env",
            "V=ä b",
            "--cwd",
            "/tmp",
            &name,
            "--",
            "sh",
            "-c",
            "pwd; printf %s \"$V$0\"",
        ])
        .arg(odd)
        .run()
        .ok();
    assert_eq!(echoed.out(), "/tmp\nä ba b'\"$x\n", "{echoed}");
    let file = env.write("work/file", "copied");
    env.runner(["cp"])
        .arg(&file)
        .arg(format!("{name}:/root/"))
        .run()
        .ok();
    assert_eq!(run("cat /root/file").ok().out(), "copied");
    env.runner(["release", &name]).run().ok();
    eventually("it is gone", || Incus::instances(&env).is_empty());

    // What somebody else removed is noticed, and is no trouble to discard.
    let other = env.acquire("box");
    let [made] = &Incus::instances(&env)[..] else {
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
    env.acquire("box");
    let _serve = Service::start(&env);
    eventually("a check that passes", || {
        env.live().iter().any(|one| !one["checked"].is_null())
    });
    let [made] = &Incus::instances(&env)[..] else {
        panic!("one instance")
    };
    env.program("incus")
        .args(["stop", "--force", made])
        .run()
        .ok();
    eventually("the end of what was stopped", || {
        Incus::instances(&env).is_empty()
    });

    // What cannot be made says why.
    env.source("none", "type = \"incus\"\nimage = \"no-such\"\n");
    let said = env
        .runner(["acquire", "-s", "none"])
        .run()
        .says(&["no-such", "not found"]);
    assert!(!said.to_string().contains("cannot be listed"), "{said}");
    assert!(Incus::instances(&env).is_empty());
}
