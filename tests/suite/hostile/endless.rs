//! What takes without end: time, memory, stack, handles, log, programs.

use super::World;

/// `acquire` fails, the error names `says`, and nothing is left.
#[track_caller]
fn allocate_ends(mode: &str, target: &str, says: &[&str]) {
    let world = World::new("allocate", mode, target);
    let outcome = world.acquire().code(3);
    World::names_the_culprit(outcome, "allocate").says(says);
    world.assert_clean();
}

#[test]
fn a_busy_loop_ends_at_the_compute_limit() {
    allocate_ends("loop", "", &["compute"]);
}

#[test]
fn a_sleep_ends_at_the_deadline() {
    allocate_ends("sleep", "", &["allocate", "3 s"]);
}

#[test]
fn a_panic_is_an_error_with_the_last_words() {
    let world = World::new("allocate", "panic", "");
    let outcome = World::names_the_culprit(world.acquire().code(3), "allocate");
    outcome.says(&["a panic of the guest"]);
    world.assert_clean();
}

#[test]
fn an_abort_is_an_error() {
    allocate_ends("abort", "", &[]);
}

#[test]
fn an_exit_of_the_guest_does_not_end_the_host() {
    allocate_ends("exit", "", &[]);
}

#[test]
fn a_memory_bomb_ends_at_the_memory_limit() {
    let world = World::new("allocate", "memory", "");
    let outcome = world.acquire().code(3);
    // It asked for gigabytes; what it got is the limit, and the host's own.
    assert!(
        outcome.peak_kib < 128 << 10,
        "peak {} KiB",
        outcome.peak_kib
    );
    World::names_the_culprit(outcome, "allocate").says(&["memory"]);
    world.assert_clean();
}

#[test]
fn a_recursion_ends_at_the_stack_limit() {
    allocate_ends("stack", "", &["stack"]);
}

#[test]
fn a_recursion_with_large_frames_ends() {
    // Large frames live in the guest's own memory: it runs off its end, or into the stack limit first.
    allocate_ends("stack-frames", "", &[]);
}

#[test]
fn a_handle_flood_ends_at_the_handles_limit() {
    let world = World::new("allocate", "handles", "");
    let file = world.env.write("backend/evil/file", "x");
    world.configure("allocate", "handles", file.to_str().unwrap());
    // The same grant still fits: only the target changed.
    let outcome = world.acquire().code(3);
    // Either the table's limit ends the call, or the guest, refused again and again, runs into the compute limit.
    let outcome = World::names_the_culprit(outcome, "allocate");
    let text = outcome.err().to_owned();
    assert!(
        text.contains("handles") || text.contains("compute"),
        "{outcome}"
    );
    world.assert_clean();
}

#[test]
fn a_table_of_millions_is_refused_at_the_tables_limit() {
    let world = World::new("allocate", "", "");
    world.env.source(
        "table",
        &format!("type = \"{}\"\n", runner_tests::guests::table().display()),
    );
    let outcome = world.env.runner(["acquire", "-s", "table"]).run().code(3);
    outcome.says(&["table", "6.6.6", "tables"]);
    world.assert_clean();
}

#[test]
fn a_flood_of_programs_ends_at_the_processes_limit() {
    allocate_ends("processes", "", &["processes"]);
}

#[test]
fn a_program_that_hangs_ends_with_the_call() {
    allocate_ends("program-hang", "", &["allocate"]);
}

/// Floods are cut and counted, and do not stop the call.
#[track_caller]
fn flood_is_cut(mode: &str) {
    let world = World::new("allocate", mode, "");
    // The flood is long: on a busy machine it takes longer than the small limits of these tests.
    let patient = super::LIMITS
        .replace("compute = 0.5", "compute = 60")
        .replace("allocate = 3", "allocate = 300");
    world.configure_within("allocate", mode, "", &patient);
    let outcome = world.acquire().ok();
    assert!(
        outcome.peak_kib < 128 << 10,
        "peak {} KiB",
        outcome.peak_kib
    );
    assert!(
        outcome.stderr.len() < 64 << 10,
        "{} bytes of errors",
        outcome.stderr.len()
    );
    super::printable(&outcome);
    let id = outcome.out().trim().to_owned();
    world.env.runner(["-v", "release", &id]).run().ok();
    world.assert_clean();
    // What was logged is bounded where it is kept, too.
    let database = std::fs::metadata(world.env.path("state/runner/state.db")).unwrap();
    assert!(
        database.len() < 4 << 20,
        "the state has {} bytes",
        database.len()
    );
}

#[test]
fn a_log_flood_is_cut() {
    flood_is_cut("log-flood");
}

#[test]
fn a_flood_of_errors_is_cut() {
    flood_is_cut("stderr-flood");
}

#[test]
fn a_flood_of_output_is_cut_and_never_reaches_stdout() {
    flood_is_cut("stdout-flood");
}

#[test]
fn a_hang_after_the_instance_was_made_leaves_nothing() {
    let world = World::new("allocate", "create-then-hang", "");
    World::names_the_culprit(world.acquire().code(3), "allocate");
    world.assert_clean();
}

#[test]
fn an_error_after_the_instance_was_made_leaves_nothing() {
    let world = World::new("allocate", "create-then-fail", "");
    World::names_the_culprit(world.acquire().code(3), "allocate").says(&["said no after doing it"]);
    world.assert_clean();
}

#[test]
fn a_discard_that_never_returns_ends_the_lease_and_is_repeated() {
    for mode in ["sleep", "loop", "panic", "program-hang"] {
        let world = World::new("discard", mode, "");
        let id = world.acquire().ok().out().trim().to_owned();
        let outcome = world.env.runner(["release", &id]).run();
        // The lease is over, whatever the provider does; what is not confirmed is said.
        World::names_the_culprit(outcome, "discard");
        world.env.runner(["run", &id, "--", "true"]).run().code(125);
        assert_eq!(world.left(), 1, "{mode}");
        let live = world.env.live();
        assert_eq!(live.len(), 1, "it is not forgotten: {live:#?}");
        assert_ne!(live[0]["state"], "leased");
        world.neighbour_is_well();
        world.calm();
        // Asked for by name it is tried at once.
        world.env.runner(["discard", &id]).run().ok();
        world.assert_clean();
    }
}

#[test]
fn a_run_that_never_returns_ends_at_its_deadline_and_keeps_the_lease() {
    let world = World::new("run", "sleep", "");
    let id = world.acquire().ok().out().trim().to_owned();
    let outcome = world.env.runner(["run", &id, "--", "true"]).run().code(125);
    World::names_the_culprit(outcome, "run").says(&[&id]);
    world.calm();
    let outcome = world.env.runner(["run", &id, "--", "true"]).run().ok();
    assert_eq!(outcome.out(), "ran\n");
    world.env.runner(["release", &id]).run().ok();
    world.assert_clean();
}
