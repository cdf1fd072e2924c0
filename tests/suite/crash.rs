//! The process dies at every named point between two durable writes; one more command later nothing is leaked, lost or
//! held by two.
//!
//! What exists is read from the fake's backend and not from the books: the two must agree.

use std::collections::BTreeSet;

use runner_tests::fake::Fake;
use runner_tests::{Outcome, TestEnv};

/// A world with a source `fake` (at most 3) whose scripts run `runner` themselves, and a healthy `other`.
struct World {
    env: TestEnv,
    fake: Fake,
    other: Fake,
}

impl World {
    fn new(more: &str) -> Self {
        let env = TestEnv::new();
        let fake = Fake::source(
            &env,
            "fake",
            &format!("maximum = 3\ncapacity = 3\nconcurrency = 1\n{more}"),
        );
        let other = Fake::source(&env, "other", "capacity = 2\nmaximum = 2\n");
        let script = "#!/bin/sh\nexec runner run \"$1\" -- true\n";
        env.script("config/runner/sources/fake/provision.d/10-first", script);
        env.script("config/runner/sources/fake/provision.d/20-second", script);
        env.script(
            "config/runner/sources/fake/discard.d/10-bye",
            "#!/bin/sh\nexit 0\n",
        );
        Self { env, fake, other }
    }

    /// A call that dies at `point`, the `pass`-th time it comes there. None: it never came there.
    fn dies(&self, point: &str, pass: u32, args: &[&str]) -> Option<Outcome> {
        let outcome = self
            .env
            .runner(args)
            .stdin("some input for whoever reads it\n")
            .env("RUNNER_FAULT", format!("{point}@{pass}"))
            .run();
        (outcome.signal == Some(9)).then_some(outcome)
    }

    /// One more command, of another source, and then the books and the backend must agree. Answers the ids that are
    /// leased.
    #[track_caller]
    fn settle(&self, point: &str) -> BTreeSet<String> {
        let bystander = self.env.acquire("other");
        let live = self.env.live();
        let mut leased = BTreeSet::new();
        let mut known = 0;
        for instance in live.iter().filter(|instance| instance["source"] == "fake") {
            let state = instance["state"].as_str().unwrap_or_default();
            known += 1;
            match state {
                "leased" => assert!(leased.insert(instance["name"].as_str().unwrap().to_owned())),
                "ready" => {}
                other => panic!("after `{point}` an instance is still `{other}`: {live:#?}"),
            }
        }
        let exist = self.fake.live();
        assert_eq!(
            exist.len(),
            known,
            "after `{point}`: {exist:?} exist, the books say {live:#?}"
        );
        assert_eq!(self.fake.homes(), exist, "after `{point}`");
        assert_eq!(self.fake.violations(), "", "after `{point}`");
        assert_eq!(self.other.live().len(), 1);
        for id in &leased {
            self.env.runner(["run", id, "--", "true"]).run().ok();
        }
        self.env.runner(["release", &bystander]).run().ok();
        assert_eq!(self.other.live().len(), 0);
        leased
    }

    /// Everything can still be had, once: as many as the maximum, all different, all working; then given back.
    #[track_caller]
    fn drain(&self, point: &str, leased: &BTreeSet<String>) {
        let rest = 3 - leased.len();
        let mut all = leased.clone();
        if rest > 0 {
            for id in self.env.acquire_many("fake", rest) {
                assert!(all.insert(id), "after `{point}` an id was handed out twice");
            }
        }
        self.env.runner(["acquire", "-s", "fake"]).run().code(3);
        assert_eq!(self.fake.live().len(), 3, "after `{point}`");
        assert_eq!(self.fake.violations(), "", "after `{point}`");
        self.env.runner(["discard"]).args(&all).run().ok();
        assert_eq!(self.fake.live(), BTreeSet::new(), "after `{point}`");
        assert!(
            self.env.live().is_empty(),
            "after `{point}`: {:#?}",
            self.env.live()
        );
        let work = self.env.path("state/runner/work");
        let dirs = std::fs::read_dir(work).map_or(0, Iterator::count);
        assert_eq!(dirs, 0, "after `{point}` a work directory stayed");
    }
}

/// The names of all points.
fn points() -> Vec<String> {
    let env = TestEnv::new();
    let points = env.runner(["debug", "fault-points"]).run().ok().words();
    assert!(points.len() > 10, "{points:?}");
    points
}

/// What is done to the world until the process dies, and what must hold before the one more command.
type Scenario = fn(&World, &str, u32) -> bool;

const SCENARIOS: [(&str, &str, Scenario); 9] = [
    ("acquire", "", acquire),
    ("acquire that waits", "", acquire_waits),
    ("acquire a kept one", "reserve = 1\n", acquire_kept),
    ("acquire that fails", "", acquire_fails),
    ("run", "", run),
    ("copy", "", copy),
    ("release", "", release),
    ("release that keeps", "reserve = 2\n", release),
    ("repair", "", repair),
];

/// Kills at every point, the first three times it is passed.
fn at_every_point(name: &str) {
    let (_, more, scenario) = SCENARIOS
        .iter()
        .find(|(known, ..)| *known == name)
        .expect("a scenario");
    let mut killed = 0;
    for point in points() {
        for pass in 1..=3 {
            let world = World::new(more);
            if !scenario(&world, &point, pass) {
                break;
            }
            killed += 1;
            let leased = world.settle(&point);
            world.drain(&point, &leased);
        }
    }
    assert!(killed > 0, "no point lies on the way of `{name}`");
}

fn acquire(world: &World, point: &str, pass: u32) -> bool {
    let held = world.env.acquire("fake");
    let Some(outcome) = world.dies(point, pass, &["acquire", "-s", "fake", "2"]) else {
        return false;
    };
    // Once confirmed the leases are the caller's, who has read the ids; before, they must be taken back.
    let leased = world.settle(point);
    let mut want = BTreeSet::from([held]);
    if point == "acquire:confirmed" {
        want.extend(outcome.words());
    }
    assert_eq!(leased, want, "after `{point}`: {outcome}");
    true
}

fn acquire_waits(world: &World, point: &str, pass: u32) -> bool {
    // Whoever died while it waited stands in nobody's way.
    let ids = world.env.acquire_many("fake", 3);
    // A short wait: at the points that it does not pass it must come to an end.
    let args = ["acquire", "-s", "fake", "2", "--wait=1s"];
    if world.dies(point, pass, &args).is_none() {
        return false;
    }
    world.env.runner(["release", &ids[0]]).run().ok();
    world.env.acquire("fake");
    true
}

fn acquire_kept(world: &World, point: &str, pass: u32) -> bool {
    let id = world.env.acquire("fake");
    world.env.runner(["release", &id]).run().ok();
    world
        .dies(point, pass, &["acquire", "-s", "fake", "2"])
        .is_some()
}

fn acquire_fails(world: &World, point: &str, pass: u32) -> bool {
    let script = world
        .env
        .path("config/runner/sources/fake/provision.d/20-second");
    let good = std::fs::read(&script).unwrap();
    std::fs::write(&script, "#!/bin/sh\nexit 1\n").unwrap();
    let died = world
        .dies(point, pass, &["acquire", "-s", "fake", "2"])
        .is_some();
    std::fs::write(&script, good).unwrap();
    died
}

fn run(world: &World, point: &str, pass: u32) -> bool {
    let id = world.env.acquire("fake");
    let Some(_) = world.dies(point, pass, &["run", &id, "--", "sh", "-c", "echo > here"]) else {
        return false;
    };
    // Its place among the commands (concurrency is 1) is free again, and it is still ours.
    assert_eq!(world.settle(point), BTreeSet::from([id]));
    true
}

fn copy(world: &World, point: &str, pass: u32) -> bool {
    let id = world.env.acquire("fake");
    let Some(_) = world.dies(point, pass, &["cp", "-", &format!("{id}:file")]) else {
        return false;
    };
    assert_eq!(world.settle(point), BTreeSet::from([id.clone()]));
    let seen = world
        .env
        .runner(["run", &id, "--", "sh", "-c", "cat file 2>/dev/null; true"])
        .run()
        .ok();
    assert!(
        seen.stdout.is_empty() || seen.out() == "some input for whoever reads it\n",
        "half a file after `{point}`: {seen}"
    );
    true
}

fn release(world: &World, point: &str, pass: u32) -> bool {
    let ids = world.env.acquire_many("fake", 3);
    let Some(_) = world.dies(point, pass, &["release", &ids[0], &ids[1]]) else {
        return false;
    };
    let leased = world.settle(point);
    assert!(
        leased.contains(&ids[2]),
        "after `{point}` an instance was lost: {leased:?}"
    );
    // Whatever was still leased can be released again.
    world.env.runner(["release", &ids[0], &ids[1]]).run().ok();
    assert_eq!(world.settle(point), BTreeSet::from([ids[2].clone()]));
    true
}

fn repair(world: &World, point: &str, pass: u32) -> bool {
    // Something to repair: two that were being made, one that was being destroyed.
    let id = world.env.acquire("fake");
    assert!(
        world
            .dies("discard:destroyed", 1, &["release", &id])
            .is_some()
    );
    assert!(
        world
            .dies("provision:allocated", 1, &["acquire", "-s", "fake", "2"])
            .is_some()
    );
    world
        .dies(point, pass, &["acquire", "-s", "other"])
        .is_some()
        && {
            // The bystander's own lease, when the process lived long enough to make it.
            let ids: Vec<_> = world
                .env
                .live()
                .iter()
                .filter(|instance| instance["source"] == "other")
                .map(|instance| instance["name"].as_str().unwrap().to_owned())
                .collect();
            if !ids.is_empty() {
                world.env.runner(["discard"]).args(ids).run().ok();
            }
            true
        }
}

#[test]
fn killed_while_acquiring() {
    at_every_point("acquire");
}

#[test]
fn killed_while_waiting_for_room() {
    at_every_point("acquire that waits");
}

#[test]
fn killed_while_acquiring_a_kept_one() {
    at_every_point("acquire a kept one");
}

#[test]
fn killed_while_an_acquire_fails() {
    at_every_point("acquire that fails");
}

#[test]
fn killed_while_running() {
    at_every_point("run");
}

#[test]
fn killed_while_copying() {
    at_every_point("copy");
}

#[test]
fn killed_while_releasing() {
    at_every_point("release");
}

#[test]
fn killed_while_releasing_one_that_is_kept() {
    at_every_point("release that keeps");
}

#[test]
fn killed_while_repairing() {
    at_every_point("repair");
}

/// A point that no scenario reaches would be tested by nobody.
#[test]
fn every_point_is_reached_by_some_scenario() {
    let reached = |point: &str| {
        SCENARIOS
            .iter()
            .any(|(_, more, scenario)| scenario(&World::new(more), point, 1))
    };
    let missed: Vec<_> = points()
        .into_iter()
        .filter(|point| !reached(point))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// Not between two writes but in the middle of the provider's own work, before and after it made the instance.
#[test]
fn killed_while_the_provider_is_asked() {
    for (call, args) in [
        ("allocate", ["acquire", "-s", "fake"].as_slice()),
        ("allocated", &["acquire", "-s", "fake"]),
        ("discard", &["release", "fake-0"]),
    ] {
        let world = World::new("");
        if call == "discard" {
            world.env.acquire("fake");
        }
        let directory = world.fake.directory().join("control");
        std::fs::create_dir_all(&directory).unwrap();
        let wait = directory.join(format!("{call}.wait"));
        std::fs::write(&wait, "").unwrap();
        let before = world.fake.journal().len();
        let mut child = world.env.runner(args).into_command();
        let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
        while world.fake.journal().len() == before {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        if call == "allocated" {
            while world.fake.live().is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::remove_file(wait).unwrap();
        let leased = world.settle(call);
        assert_eq!(leased, BTreeSet::new(), "killed in `{call}`");
        world.drain(call, &leased);
    }
}

/// Nobody waits for a provider that takes its time: no lock is held while it is asked.
#[test]
fn others_go_on_while_a_provider_is_slow() {
    let world = World::new("");
    let control = world.fake.directory().join("control");
    std::fs::create_dir_all(&control).unwrap();
    let wait = control.join("allocate.wait");
    std::fs::write(&wait, "").unwrap();
    let mut slow = world
        .env
        .runner(["acquire", "-s", "fake"])
        .into_command()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while world.fake.journal().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let id = world.env.acquire("other");
    world.env.runner(["run", &id, "--", "true"]).run().ok();
    world.env.runner(["status"]).run().ok();
    world.env.runner(["release", &id]).run().ok();
    // And it was not taken for dead meanwhile.
    assert!(slow.try_wait().unwrap().is_none());
    std::fs::remove_file(wait).unwrap();
    assert!(slow.wait().unwrap().success());
    assert_eq!(world.fake.live().len(), 1);
}
