//! A gibibyte through every door, unchanged, and in constant memory.

use std::fs::File;
use std::io::Read as _;

use runner_tests::Outcome;
use runner_tests::files::{Noise, digest};

use super::bench::Bench;
use super::over_every_provider;

/// `command` is left out: its bytes go through a program that the plugin names, as those of `container`, to the server of `ssh`.
macro_rules! over {
    ($($provider:ident),*) => {
        $(over_every_provider!(
            @ $provider: a_gibibyte_through_run, a_gibibyte_through_cp_from_and_to_files,
            a_gibibyte_through_cp_from_and_to_streams
        );)*
    };
}
over!(local, ssh, chroot, container, fake);

const GIB: u64 = 1 << 30;

/// Far below what is moved. The aim of the product is 40 MiB, and this is a build that is not optimised.
const MEMORY_KIB: u64 = 96 << 10;

#[track_caller]
fn assert_constant_memory(outcome: &Outcome) {
    assert!(
        outcome.peak_kib > 0 && outcome.peak_kib < MEMORY_KIB,
        "peak memory was {} KiB: {outcome}",
        outcome.peak_kib
    );
}

/// A pipe that a gibibyte of noise comes out of.
fn source() -> std::io::PipeReader {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || drop(std::io::copy(&mut Noise::new(1, GIB), &mut writer)));
    reader
}

fn expected() -> String {
    digest(Noise::new(1, GIB)).0
}

fn a_gibibyte_through_run(bench: &Bench) {
    let id = bench.acquire();
    // In and out at once, so that both directions must flow at the same time.
    let (outcome, (sum, length)) = bench
        .command(&id, &["cat"])
        .stdin_from(source())
        .run_into(digest);
    let outcome = outcome.ok();
    assert_eq!((sum.as_str(), length), (expected().as_str(), GIB));
    assert_constant_memory(&outcome);
}

fn a_gibibyte_through_cp_from_and_to_files(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let there = bench.env.path("tmp/big");
    std::io::copy(&mut Noise::new(1, GIB), &mut File::create(&there).unwrap()).unwrap();
    let outcome = bench
        .env
        .runner(["cp"])
        .arg(&there)
        .arg(format!("{id}:{directory}/big"))
        .run()
        .ok();
    assert_constant_memory(&outcome);
    std::fs::remove_file(&there).unwrap();
    let sum = bench.sh(&id, &format!("sha256sum < {directory}/big"));
    assert!(sum.starts_with(&expected()), "{sum}");
    let back = bench.env.path("tmp/back");
    let outcome = bench
        .env
        .runner(["cp"])
        .arg(format!("{id}:{directory}/big"))
        .arg(&back)
        .run()
        .ok();
    assert_constant_memory(&outcome);
    assert_eq!(digest(File::open(back).unwrap()), (expected(), GIB));
    bench.sh(&id, &format!("rm -rf {directory}"));
}

fn a_gibibyte_through_cp_from_and_to_streams(bench: &Bench) {
    let id = bench.acquire();
    let directory = bench.directory(&id);
    let outcome = bench
        .env
        .runner(["cp", "-"])
        .arg(format!("{id}:{directory}/big"))
        .stdin_from(source())
        .run()
        .ok();
    assert_constant_memory(&outcome);
    let (outcome, (sum, length)) = bench
        .env
        .runner(["cp"])
        .arg(format!("{id}:{directory}/big"))
        .arg("-")
        .run_into(|stdout| digest(stdout.take(2 * GIB)));
    let outcome = outcome.ok();
    assert_eq!((sum, length), (expected(), GIB));
    assert_constant_memory(&outcome);
    bench.sh(&id, &format!("rm -rf {directory}"));
}
