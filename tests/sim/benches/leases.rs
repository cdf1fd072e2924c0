//! Many more histories, until so many leases were given (100,000, or the first argument): leases per second of real time,
//! and what went wrong. `RUNNER_SIM_SEED=n` plays only that one and prints its journal.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::time::{Duration, Instant};

use runner_sim::{Length, play};

fn main() {
    let wanted = std::env::args().find_map(|word| word.parse().ok());
    let wanted: u64 = wanted.unwrap_or(100_000);
    let length = Length {
        users: 8,
        time: Duration::from_secs(600),
        leases: u64::MAX,
    };
    let only = std::env::var("RUNNER_SIM_SEED").ok();
    if let Some(seed) = only.and_then(|seed| seed.parse().ok()) {
        let played = play(seed, length);
        println!("{}", played.journal.join("\n"));
        println!("{:#?}", played.problems);
        return;
    }
    let began = Instant::now();
    let (mut leases, mut made, mut problems) = (0, 0, 0);
    // Other histories than those of the test.
    for seed in 1_000_000.. {
        if leases >= wanted {
            break;
        }
        let played = play(seed, length);
        leases += played.leases;
        made += played.made;
        problems += played.problems.len();
        for problem in played.problems {
            println!("seed {seed}: {problem}");
        }
    }
    let rate = leases as f64 / began.elapsed().as_secs_f64();
    println!(
        "simulated: {leases} leases, {made} machines, {rate:.0} leases/s, {problems} leaks, double leases and lost tickets"
    );
}
