//! `runner serve` keeps a fleet: made ahead, handed out, checked, destroyed; settings change under it, and it is killed.

use std::os::unix::net::UnixDatagram;

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::service::{Service, events, eventually, happens, number};
use rustix::process::Signal;

/// A token that nobody of ours ever made.
const STRANGER: &str = "0123456789abcdef0123456789abcdef";

fn ready(env: &TestEnv, source: &str, count: u64) {
    eventually(format!("{count} of `{source}` are ready"), || {
        number(env, source, "ready") == count && number(env, source, "starting") == 0
    });
}

#[test]
fn what_is_made_ahead_is_made_again() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "fake", "prealloc = 2\nmaximum = 4\ncapacity = 4\n");
    let mut service = Service::start(&env);
    ready(&env, "fake", 2);
    let id = env.acquire("fake");
    ready(&env, "fake", 2);
    assert_eq!(fake.live().len(), 3);
    env.runner(["release", &id]).run().ok();
    eventually("what was used is gone", || fake.live().len() == 2);
    assert_eq!(fake.violations(), "");
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    assert_eq!(fake.live().len(), 2, "what is idle stays");
}

#[test]
fn tickets_are_served_without_anybody_waiting() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "fake", "maximum = 2\ncapacity = 2\n");
    Fake::source(
        &env,
        "ahead",
        "maximum = 3\nprealloc = 1\non_demand = false\n",
    );
    let _service = Service::start(&env);
    for source in ["fake", "ahead", "ahead"] {
        let ticket = env.runner(["ticket", "open", "-s", source]).run().ok();
        let ticket = ticket.out().trim().to_owned();
        eventually(format!("ticket {ticket} is served"), || {
            let check = env.runner(["ticket", "check", &ticket]).run();
            check.code == Some(0) && check.out().starts_with("served ")
        });
    }
    assert_eq!(fake.live().len(), 1);
    assert!(number(&env, "ahead", "leased") == 2);
}

#[test]
fn settings_change_under_it() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "fake", "prealloc = 1\nmaximum = 5\n");
    let file = env.path("config/runner/sources/fake/source.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let service = Service::start(&env);
    ready(&env, "fake", 1);

    // A change is noticed.
    let more = good.replace("prealloc = 1", "prealloc = 3");
    std::fs::write(&file, &more).unwrap();
    ready(&env, "fake", 3);
    happens(&env, "source.changed", "fake");

    // What is broken is said, and what was good stays in force.
    std::fs::write(&file, good.replace("prealloc = 1", "prealloc = \"many\"")).unwrap();
    happens(&env, "source.kept", "fake");
    happens(&env, "serve.problems", "");
    assert!(service.log().contains("prealloc"), "{}", service.log());
    let victim = env.live()[0]["name"].as_str().unwrap().to_owned();
    env.runner(["discard", &victim]).run().ok();
    ready(&env, "fake", 3);

    // SIGHUP reads anew, whatever the files say of themselves.
    let reloads = || {
        let all = events(&env);
        all.iter()
            .filter(|one| one["event"] == "serve.reloaded")
            .count()
    };
    let before = reloads();
    service.signal(Signal::HUP);
    eventually("it reads anew", || reloads() > before);

    // What is not configured any more is drained.
    std::fs::remove_dir_all(env.path("config/runner/sources/fake")).unwrap();
    happens(&env, "source.removed", "fake");
    eventually("everything of it is destroyed", || fake.live().is_empty());
}

#[test]
fn there_is_one() {
    let mut env = TestEnv::new();
    let socket = env.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    env.set("NOTIFY_SOCKET", &socket);
    let mut service = Service::start(&env);
    let mut told = [0; 100];
    let length = manager.recv(&mut told).unwrap();
    assert_eq!(&told[..length], b"READY=1\n");
    let refused = env.runner(["serve"]).run().code(3);
    refused.says(&[
        &format!("process {} of tester@", service.pid()),
        "already serves",
    ]);
    let status = env.runner(["status", "--json"]).run().ok().json();
    assert_eq!(status["served-by"]["pid"], service.pid());
    service.signal(Signal::INT);
    assert_eq!(service.wait().code(), Some(0));
    let length = manager.recv(&mut told).unwrap();
    assert!(told[..length].starts_with(b"STOPPING=1\n"));
    // Now there is room for another one.
    drop(Service::start(&env));
}

#[test]
fn a_drain_finishes_what_is_in_flight() {
    let env = std::sync::Arc::new(TestEnv::new());
    let fake = Fake::source(&env, "fake", "maximum = 2\ncapacity = 2\n");
    fake.hold("allocate");
    let mut service = Service::start(&env);
    let waiting = {
        let env = std::sync::Arc::clone(&env);
        std::thread::spawn(move || env.runner(["acquire", "-s", "fake", "--wait"]).run())
    };
    eventually("it is asked for one", || !fake.journal().is_empty());
    // The command left it to the service.
    let log = env.runner(["log", "--json"]).run().ok().json();
    let maker = log["operations"][0]["owner"]["pid"].as_u64();
    assert_eq!(maker, Some(u64::from(service.pid())), "{log}");
    service.signal(Signal::TERM);
    eventually("it drains", || service.log().contains("draining"));
    fake.let_go("allocate");
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let id = waiting.join().unwrap().ok();
    env.runner(["run", id.out().trim(), "--", "true"])
        .run()
        .ok();
    env.runner(["release", id.out().trim()]).run().ok();
    assert!(fake.live().is_empty() && env.live().is_empty());
    let journal = fake.journal();
    let made = journal.iter().filter(|one| one.starts_with("allocate"));
    assert_eq!(made.count(), 1, "{journal:?}");
}

#[test]
fn killing_it_loses_nothing() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "fake", "maximum = 2\ncapacity = 2\n");
    Fake::source(&env, "other", "");
    fake.hold("allocate");
    let mut service = Service::start(&env);
    let ticket = env.runner(["ticket", "open", "-s", "fake"]).run().ok();
    let ticket = ticket.out().trim().to_owned();
    eventually("it is asked for one", || !fake.journal().is_empty());
    service.signal(Signal::KILL);
    service.wait();
    fake.let_go("allocate");
    // The next command finds what nobody works on.
    env.acquire("other");
    let unfinished: Vec<_> = env
        .live()
        .into_iter()
        .filter(|one| one["state"] != "leased")
        .collect();
    assert!(unfinished.is_empty(), "{unfinished:#?}");
    assert!(fake.live().is_empty());
    // And the ticket has kept its place.
    let served = env.runner(["ticket", "wait", &ticket]).run().ok();
    assert_eq!(fake.live().len(), 1);
    env.runner(["release"]).args(served.words()).run().ok();
    assert!(fake.live().is_empty());
    assert_eq!(fake.violations(), "");
}

#[test]
fn what_is_old_or_idle_for_long_is_destroyed() {
    let env = TestEnv::new();
    let aging = Fake::source(
        &env,
        "aging",
        "prealloc = 1\nmaximum = 3\nmax_age = \"1s\"\n",
    );
    let idle = Fake::source(
        &env,
        "idle",
        "prealloc = 2\nmaximum = 3\nidle_timeout = \"1s\"\n",
    );
    let _service = Service::start(&env);
    eventually("it is replaced", || {
        let journal = aging.journal();
        let count = |what: &str| journal.iter().filter(|one| one.starts_with(what)).count();
        count("allocate") >= 2 && count("discard") >= 1
    });
    ready(&env, "idle", 2);
    let file = env.path("config/runner/sources/idle/source.toml");
    let less = std::fs::read_to_string(&file)
        .unwrap()
        .replace("prealloc = 2", "prealloc = 0");
    std::fs::write(&file, less).unwrap();
    eventually("nobody uses them", || idle.live().is_empty());
}

#[test]
fn a_failed_check_takes_it_out_of_service() {
    let env = TestEnv::new();
    let fake = Fake::source(
        &env,
        "fake",
        "prealloc = 1\nmaximum = 1\ncheck_period = \"1s\"\ncheck_attempts = 100000\n",
    );
    let _service = Service::start(&env);
    ready(&env, "fake", 1);
    fake.refuse("check", Some("failed"));
    eventually("it is under suspicion", || {
        number(&env, "fake", "checking") == 1
    });
    env.runner(["acquire", "-s", "fake"]).run().code(3);
    let why = env.runner(["why", "fake-0"]).run().ok();
    assert!(why.out().contains("its last check failed"), "{why}");
    fake.refuse("check", None);
    happens(&env, "check.recovered", "fake");
    assert_eq!(env.acquire("fake"), "fake-0");
}

#[test]
fn the_holder_of_what_died_is_told() {
    let env = TestEnv::new();
    let fake = Fake::source(
        &env,
        "fake",
        "maximum = 1\ncheck_period = \"1s\"\ncheck_attempts = 2\n",
    );
    // Its checks hang for as long as they may, which must not concern the other.
    let hangs = Fake::source(
        &env,
        "hangs",
        "prealloc = 3\nmaximum = 3\ncheck_period = \"1s\"\n",
    );
    hangs.hold("check");
    let _service = Service::start(&env);
    let ticket = env
        .runner(["ticket", "open", "-s", "fake", "--wait"])
        .run()
        .ok();
    let (ticket, id) = ticket.out().split_once('\n').unwrap();
    let id = id.trim();
    fake.refuse("check", Some("failed"));
    eventually("its ticket fails", || {
        env.runner(["ticket", "check", ticket]).run().code == Some(3)
    });
    happens(&env, "instance.dead", "fake");
    eventually("it is destroyed", || fake.live().is_empty());
    env.runner(["run", id, "--", "true"]).run().code(125);
    let why = env.runner(["why", ticket]).run().ok();
    assert!(why.out().contains("died"), "{why}");
    hangs.let_go("check");
}

#[test]
fn orphans_are_destroyed_and_strangers_are_not() {
    let env = TestEnv::new();
    env.write(
        "config/runner/config.toml",
        "[fleet]\norphan_grace = \"1s\"\n",
    );
    let fake = Fake::source(&env, "fake", "maximum = 3\n");
    let id = env.acquire("fake");
    let ours = fake.live().into_iter().next().unwrap();
    env.runner(["release", &id]).run().ok();
    assert!(fake.live().is_empty());
    // A backend that did not do what it confirmed, and a thing of somebody else's.
    fake.put(&ours);
    fake.put(STRANGER);
    let _service = Service::start(&env);
    happens(&env, "orphan.found", "fake");
    happens(&env, "orphan.destroyed", "fake");
    assert!(!fake.live().contains(&ours));
    let found = || {
        let status = env.runner(["status", "--json"]).run().ok().json();
        status["orphans"].as_array().unwrap().clone()
    };
    eventually("the stranger is reported, and listed again", || {
        let found = found();
        assert!(found.len() <= 1, "{found:?}");
        found.iter().any(|one| {
            one["token"] == STRANGER
                && one["made-as"].is_null()
                && one["last-seen"].as_str() > one["first-seen"].as_str()
        })
    });
    let listed = || found()[0]["last-seen"].as_str().unwrap().to_owned();
    // Long after the time of grace it is still there.
    for _ in 0..4 {
        let before = listed();
        eventually("it is listed again", || listed() != before);
    }
    assert!(fake.live().contains(STRANGER));
    assert!(fake.journal().iter().all(|one| !one.contains(STRANGER)));
}

#[test]
fn what_vanished_is_noticed() {
    let env = TestEnv::new();
    env.write(
        "config/runner/config.toml",
        "[fleet]\norphan_grace = \"1s\"\n",
    );
    let fake = Fake::source(&env, "fake", "prealloc = 1\nmaximum = 2\n");
    let _service = Service::start(&env);
    ready(&env, "fake", 1);
    let token = fake.live().into_iter().next().unwrap();
    fake.remove(&token);
    happens(&env, "instance.dead", "fake");
    eventually("another one is made", || {
        fake.live().iter().any(|one| *one != token)
    });
}
