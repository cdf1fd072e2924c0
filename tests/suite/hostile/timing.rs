//! Time as a means: clocks that are too fine, limits that are stretched, and calls that hold up those of others.

use runner_tests::fake::Fake;
use runner_tests::service::{Service, eventually};

use super::World;

#[test]
fn a_clock_is_too_coarse_to_see_what_others_do() {
    let world = World::new("allocate", "clock", "");
    let outcome = World::names_the_culprit(world.acquire().code(3), "allocate");
    outcome.says(&["refused: steps of"]);
    world.assert_clean();
}

#[test]
fn many_short_waits_are_as_long_as_one() {
    let world = World::new("allocate", "naps", "");
    let outcome = world.acquire().code(3);
    World::names_the_culprit(outcome, "allocate").says(&["3 s"]);
    world.assert_clean();
}

#[test]
fn who_sleeps_or_computes_up_to_its_limit_holds_up_nobody_else() {
    for mode in ["sleep", "loop"] {
        let world = World::new("allocate", "", "");
        // Longer than any test: what it holds up would never come.
        let patient = super::LIMITS
            .replace("compute = 0.5", "compute = 100000")
            .replace("allocate = 3", "allocate = 100000");
        let more = format!("prealloc = 2\n{patient}");
        world.configure_within("allocate", mode, "", &more);
        let other = Fake::source(&world.env, "other", "prealloc = 3\n");
        let service = Service::start(&world.env);
        // One process, and all calls of the one are in the middle of something: the other's go on.
        eventually("the other source is ready", || other.live().len() == 3);
        world.neighbour_is_well();
        let id = world.env.acquire("other");
        world.env.runner(["run", &id, "--", "true"]).run().ok();
        world.env.runner(["release", &id]).run().ok();
        drop(service);
        world.calm();
        for live in world.env.live() {
            let name = live["name"].as_str().unwrap();
            world.env.runner(["discard", name]).run().ok();
        }
        assert_eq!(world.left(), 0, "{mode}");
    }
}
