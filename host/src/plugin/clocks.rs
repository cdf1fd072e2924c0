//! The guest's clocks, in steps: fine enough for time-outs and dates, too coarse to time what the processor's caches hold.

use std::time::Duration;

use wasmtime_wasi::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Nanoseconds of a step. Browsers gave scripts this much when finer clocks had turned out to be a way to read others' memory.
pub(crate) const STEP: u64 = 100_000;

/// Gives the guest clocks that go in steps.
pub(crate) fn coarse(wasi: &mut WasiCtxBuilder) {
    wasi.wall_clock(Wall::default());
    wasi.monotonic_clock(Monotonic::default());
}

/// The time of day.
pub(crate) struct Wall(Box<dyn HostWallClock + Send>);

impl Default for Wall {
    fn default() -> Self {
        Self(wall_clock())
    }
}

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

/// Time that only goes on.
pub(crate) struct Monotonic(Box<dyn HostMonotonicClock + Send>);

impl Default for Monotonic {
    fn default() -> Self {
        Self(monotonic_clock())
    }
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        STEP
    }

    fn now(&self) -> u64 {
        let now = self.0.now();
        now - now % STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_in_steps_and_never_back() {
        let (wall, monotonic) = (Wall::default(), Monotonic::default());
        let mut last = monotonic.now();
        for _ in 0..10_000 {
            let now = monotonic.now();
            assert!(
                now >= last && now.is_multiple_of(STEP),
                "{now} after {last}"
            );
            last = now;
        }
        assert!(u64::from(wall.now().subsec_nanos()).is_multiple_of(STEP));
        assert_eq!(
            (wall.resolution(), monotonic.resolution()),
            (Duration::from_nanos(STEP), STEP)
        );
    }
}
