//! The guest's clocks, in steps: fine enough for time-outs and dates, too coarse to time what the processor's caches hold.

use std::time::Duration;

use wasmtime_wasi::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Nanoseconds of a step. Browsers gave scripts this much when finer clocks had turned out to be a way to read others' memory.
pub(crate) const STEP: u64 = 100_000;

/// Gives the guest clocks that go in steps.
pub(crate) fn coarse(wasi: &mut WasiCtxBuilder) {
    wasi.wall_clock(Wall(wall_clock()));
    wasi.monotonic_clock(Monotonic(monotonic_clock()));
}

struct Wall(Box<dyn HostWallClock + Send>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP)
    }

    fn now(&self) -> Duration {
        let now = self.0.now();
        let below = u64::from(now.subsec_nanos()) % STEP;
        now - Duration::from_nanos(below)
    }
}

struct Monotonic(Box<dyn HostMonotonicClock + Send>);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        STEP
    }

    fn now(&self) -> u64 {
        let now = self.0.now();
        now - now % STEP
    }
}
