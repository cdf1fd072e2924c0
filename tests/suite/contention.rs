//! Many processes, few instances: never more than the maximum, never one instance to two holders, and nobody fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runner_tests::TestEnv;
use runner_tests::fake::Fake;

/// Cycles of each test.
const CYCLES: u32 = 1250;
const PROCESSES: u32 = 64;

/// Each worker is one client: it acquires, marks the instance as its own in a way that only one can, and releases.
fn storm(env: &Arc<TestEnv>, source: &'static str, marks: &PathBuf) {
    std::fs::create_dir_all(marks).unwrap();
    let left = Arc::new(AtomicU32::new(CYCLES));
    let workers: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let (env, left, marks) = (Arc::clone(env), Arc::clone(&left), marks.clone());
            std::thread::spawn(move || {
                while left
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok()
                {
                    let outcome = env.runner(["acquire", "-s", source, "--wait"]).run().ok();
                    let id = outcome.out().trim().to_owned();
                    let mark = marks.join(&id);
                    std::fs::File::create_new(&mark)
                        .unwrap_or_else(|error| panic!("`{id}` is held by two: {error}"));
                    std::fs::remove_file(&mark).unwrap();
                    env.runner(["release", &id]).run().ok();
                }
            })
        })
        .collect();
    let failed = workers
        .into_iter()
        .filter_map(|worker| worker.join().err())
        .count();
    assert_eq!(failed, 0, "{failed} of {PROCESSES} clients failed");
}

#[test]
fn sixty_four_processes_share_eight_fresh_instances() {
    let env = Arc::new(TestEnv::new());
    let fake = Fake::source(&env, "fake", "maximum = 8\ncapacity = 8\n");
    storm(&env, "fake", &env.path("marks"));
    assert_eq!(fake.violations(), "");
    assert!(fake.live().is_empty(), "{:?}", fake.live());
    assert!(env.live().is_empty());
}

#[test]
fn sixty_four_processes_share_eight_kept_instances() {
    let env = Arc::new(TestEnv::new());
    let fake = Fake::source(&env, "fake", "maximum = 8\nreserve = 8\ncapacity = 8\n");
    storm(&env, "fake", &env.path("marks"));
    assert_eq!(fake.violations(), "");
    let cached = env
        .runner(["status", "--query", "cached", "fake"])
        .run()
        .ok();
    assert_eq!(cached.out().trim(), fake.live().len().to_string());
    // Between two holders each is cleaned; nothing else happens to it.
    let mut made = fake.journal();
    made.retain(|entry| !entry.starts_with("clean-"));
    assert_eq!(
        made.len(),
        fake.live().len(),
        "something was made anew: {made:?}"
    );
}

#[test]
fn readers_and_first_starts_do_not_disturb_each_other() {
    let env = Arc::new(TestEnv::with_own_cache());
    let fake = Fake::source(&env, "fake", "maximum = 8\ncapacity = 8\n");
    // The very first commands of a machine, all at once: the database and the cache of compiled code are made here.
    let workers: Vec<_> = (0..16)
        .map(|number| {
            let env = Arc::clone(&env);
            std::thread::spawn(move || {
                if number % 2 == 0 {
                    env.runner(["status"]).run().ok();
                } else {
                    let id = env.runner(["acquire", "-s", "fake", "--wait"]).run().ok();
                    env.runner(["release", id.out().trim()]).run().ok();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("nobody fails");
    }
    assert_eq!(fake.violations(), "");
    assert!(fake.live().is_empty());
}
