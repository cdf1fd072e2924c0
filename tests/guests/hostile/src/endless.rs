//! What takes without end: time, memory, stack, handles, log, processes. Nothing here is expected to come back, but
//! for the two floods that the host must cut without stopping the call.

use std::hint::black_box;

use runner_sdk::{log, process};

use crate::Config;

/// Does `mode`, if it is one of these.
pub(crate) fn run(mode: &str, config: &Config) {
    match mode {
        "loop" => busy(),
        "panic" => panic!("a panic of the guest \u{1b}[31mwith colour"),
        "abort" => std::process::abort(),
        #[expect(
            clippy::exit,
            reason = "ending in the middle of a call is the misbehaviour"
        )]
        "exit" => std::process::exit(7),
        "sleep" => loop {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        },
        // In the smallest pieces: each of them is within every limit.
        "naps" => loop {
            std::thread::sleep(std::time::Duration::from_millis(1));
        },
        "memory" => memory(),
        "stack" => {
            black_box(deeper(0));
        }
        "stack-frames" => {
            black_box(wider(0));
        }
        "handles" => handles(config),
        "log-flood" => {
            for number in 0..20_000_u32 {
                log::error(format!("log line {number} {}", "x".repeat(500)));
            }
        }
        "stderr-flood" => flood(&mut std::io::stderr()),
        "stdout-flood" => flood(&mut std::io::stdout()),
        "processes" => loop {
            drop(process::output(["true"]));
        },
        // The program outlives any patience; the host must end it with the call.
        "program-hang" => drop(process::output(["sleep", "98765"])),
        _ => {}
    }
}

#[expect(clippy::empty_loop, reason = "burning processor time is the point")]
fn busy() {
    loop {}
}

fn memory() {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn deeper(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX {
        return 0;
    }
    black_box(deeper(depth + 1)) + 1
}

fn wider(depth: u64) -> u64 {
    let frame = black_box([depth; 4096]);
    if frame[17] == u64::MAX {
        return 0;
    }
    black_box(wider(depth + 1)) + frame[4095]
}

fn handles(config: &Config) {
    let path = config.target.as_str();
    let mut kept = Vec::new();
    loop {
        // A refusal must not end the attempt: a guest that is told "no more" and goes on asking is the attack.
        if let Ok(file) = std::fs::File::open(path) {
            kept.push(black_box(file));
        }
    }
}

fn flood(stream: &mut dyn std::io::Write) {
    for number in 0..20_000_u32 {
        drop(writeln!(stream, "line {number} {}", "y".repeat(500)));
    }
}
