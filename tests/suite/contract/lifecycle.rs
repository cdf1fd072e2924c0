//! Getting and giving back: ids only on stdout, all or nothing, everything repeatable, nothing left.

use super::bench::{Bench, SOURCE};
use super::over_every_provider;

over_every_provider!(
    acquire_prints_ids_and_nothing_else,
    the_maximum_holds_and_is_all_or_nothing,
    instances_do_not_see_each_other,
    nothing_is_left_after_release,
    release_and_discard_are_repeatable,
    the_unknown_is_refused_and_nothing_is_touched,
    what_was_released_cannot_be_used,
    a_reserve_keeps_the_instance,
    exec_gives_back_on_every_way_out,
);

fn acquire_prints_ids_and_nothing_else(bench: &Bench) {
    let outcome = bench.env.runner(["acquire", "-s", SOURCE, "2"]).run().ok();
    assert_eq!(outcome.out(), "box-0 box-1\n");
    // The option may stand before the verb, which crcache promised and did not do.
    let outcome = bench.env.runner(["-s", SOURCE, "acquire"]).run().ok();
    assert_eq!(outcome.out(), "box-2\n");
}

fn the_maximum_holds_and_is_all_or_nothing(bench: &Bench) {
    let ids = bench.env.acquire_many(SOURCE, 3);
    let outcome = bench
        .env
        .runner(["acquire", "-s", SOURCE, "2"])
        .run()
        .code(3);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    outcome.says(&["box", "4"]);
    assert_eq!(bench.env.live().len(), 3);
    let last = bench.acquire();
    bench.env.runner(["acquire", "-s", SOURCE]).run().code(3);
    for id in ids.iter().chain([&last]) {
        bench.run(id, &["true"]).ok();
    }
}

fn instances_do_not_see_each_other(bench: &Bench) {
    let ids = bench.env.acquire_many(SOURCE, 2);
    assert_ne!(ids[0], ids[1]);
    // Each starts in a place of its own; hosts of one ssh server share a home, so those only keep their names apart.
    if !bench.sees_this_machine() {
        bench.sh(&ids[0], "echo one > /tmp/mark");
        bench.run(&ids[1], &["test", "-e", "/tmp/mark"]).code(1);
    }
}

fn nothing_is_left_after_release(bench: &Bench) {
    let ids = bench.env.acquire_many(SOURCE, 3);
    for id in &ids {
        bench.sh(id, "echo x > left-here; mkdir -p d/e; chmod 555 d");
    }
    let outcome = bench.env.runner(["release"]).args(&ids).run().ok();
    assert!(outcome.stdout.is_empty(), "{outcome}");
    bench.assert_clean();
    // Something that was left running must not hold an instance.
    let id = bench.acquire();
    bench.sh(&id, "sleep 30 > /dev/null 2>&1 < /dev/null & echo started");
    bench.env.runner(["discard", &id]).run().ok();
    if !bench.sees_this_machine() {
        bench.assert_clean();
    }
}

fn release_and_discard_are_repeatable(bench: &Bench) {
    let id = bench.acquire();
    for _ in 0..2 {
        bench.env.runner(["release", &id]).run().ok();
    }
    let id = bench.acquire();
    for _ in 0..2 {
        bench.env.runner(["discard", &id]).run().ok();
    }
    bench.assert_clean();
}

fn the_unknown_is_refused_and_nothing_is_touched(bench: &Bench) {
    let id = bench.acquire();
    for verb in ["release", "discard"] {
        let outcome = bench.env.runner([verb, &id, "box-77"]).run().code(3);
        outcome.says(&["box-77"]);
        bench
            .env
            .runner([verb, "nonsense"])
            .run()
            .code(3)
            .says(&["nonsense"]);
        bench.run(&id, &["true"]).ok();
    }
}

fn what_was_released_cannot_be_used(bench: &Bench) {
    let id = bench.acquire();
    bench.env.runner(["release", &id]).run().ok();
    let outcome = bench.run(&id, &["echo", "still here"]).code(125);
    assert!(outcome.stdout.is_empty(), "{outcome}");
    outcome.says(&[&id]);
    bench
        .env
        .runner(["cp", "-", &format!("{id}:/tmp/x")])
        .run()
        .code(3)
        .says(&[&id]);
}

fn a_reserve_keeps_the_instance(bench: &Bench) {
    let file = bench.env.path("config/runner/sources/box/source.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("reserve = 1\n{text}")).unwrap();
    let id = bench.acquire();
    bench.env.runner(["release", &id]).run().ok();
    let query = |what: &str| {
        let outcome = bench.env.runner(["status", "--query", what, SOURCE]).run();
        outcome.ok().out().trim().to_owned()
    };
    assert_eq!(query("cached"), "1");
    assert_eq!(query("in-use"), "0");
    assert_eq!(query("available"), "4");
    // The cached one is handed out again, and works.
    let again = bench.acquire();
    assert_eq!(query("cached"), "0");
    bench.run(&again, &["true"]).ok();
    bench.env.runner(["discard", &again]).run().ok();
    bench.assert_clean();
}

fn exec_gives_back_on_every_way_out(bench: &Bench) {
    let exec = |argv: &[&str]| {
        bench
            .env
            .runner(["exec", "-s", SOURCE, "--"])
            .args(argv)
            .run()
    };
    let outcome = exec(&["sh", "-c", "echo out; echo err >&2; exit 7"]).code(7);
    assert_eq!(outcome.out(), "out\n");
    assert_eq!(outcome.err(), "err\n");
    bench.assert_clean();
    exec(&["sh", "-c", "kill -9 $$"]).code(137);
    exec(&["no-such-program-anywhere"]).code(127);
    bench.assert_clean();
}
