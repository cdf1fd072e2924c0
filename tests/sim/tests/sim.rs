//! Histories drawn from seeds: nothing leaks, nothing is leased twice, no ticket is lost.
//!
//! `RUNNER_SIM_SEED=n` plays only that one and prints its journal; `RUNNER_SIM_SEEDS=n` plays so many.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runner_sim::{Length, play};

/// Short, so that a thousand take less than two minutes; `benches/leases.rs` plays long ones.
const LENGTH: Length = Length {
    users: 4,
    time: Duration::from_secs(8),
    leases: u64::MAX,
};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn a_thousand_histories() {
    if let Some(seed) = number("RUNNER_SIM_SEED") {
        let played = play(seed, LENGTH);
        eprintln!("{}", played.journal.join("\n"));
        assert!(
            played.problems.is_empty(),
            "seed {seed}: {:#?}",
            played.problems
        );
        return;
    }
    let seeds = number("RUNNER_SIM_SEEDS").unwrap_or(1000);
    let next = AtomicU64::new(0);
    let (leases, made) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed: Vec<String> = std::thread::scope(|scope| {
        let player = || {
            let mut failed = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return failed;
                }
                match std::panic::catch_unwind(|| play(seed, LENGTH)) {
                    Ok(played) => {
                        leases.fetch_add(played.leases, Ordering::Relaxed);
                        made.fetch_add(played.made, Ordering::Relaxed);
                        for problem in played.problems {
                            failed.push(format!("RUNNER_SIM_SEED={seed}: {problem}"));
                        }
                    }
                    Err(_) => failed.push(format!("RUNNER_SIM_SEED={seed}: it panicked")),
                }
            }
        };
        let threads = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .min(4);
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(player)).collect();
        players
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    });
    eprintln!(
        "{seeds} histories: {} leases, {} machines, {} problems",
        leases.into_inner(),
        made.into_inner(),
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
