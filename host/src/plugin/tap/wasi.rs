//! The guest's clocks and random numbers through the seam. They cannot fail and are asked without waiting, so that a tap
//! can answer in their place and do nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rand_core::TryRng;
use serde_json::Value;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, Rng, WasiCtxBuilder, thread_rng};

use super::Tapped;
use crate::plugin::clocks::{Monotonic, Wall};

/// Puts the tap between the guest and its clocks and random numbers.
pub(crate) fn tap_wasi(wasi: &mut WasiCtxBuilder, tapped: &Arc<Tapped>) {
    let random = |import| Random {
        tapped: tapped.clone(),
        import,
        real: thread_rng(),
    };
    wasi.wall_clock(WallClock {
        tapped: tapped.clone(),
        real: Wall::default(),
    });
    wasi.monotonic_clock(MonotonicClock {
        tapped: tapped.clone(),
        real: Monotonic::default(),
    });
    wasi.secure_random(random("random.bytes"));
    wasi.insecure_random(random("insecure-random.bytes"));
    // Only the order of hash tables hangs on it.
    wasi.insecure_random_seed(0);
}

struct WallClock {
    tapped: Arc<Tapped>,
    real: Wall,
}

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        self.real.resolution()
    }

    fn now(&self) -> Duration {
        let nanoseconds = self.tapped.value("wall-clock.now", Value::Null, || {
            u64::try_from(self.real.now().as_nanos()).unwrap_or(u64::MAX)
        });
        Duration::from_nanos(nanoseconds)
    }
}

struct MonotonicClock {
    tapped: Arc<Tapped>,
    real: Monotonic,
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        self.real.resolution()
    }

    fn now(&self) -> u64 {
        self.tapped
            .value("monotonic-clock.now", Value::Null, || self.real.now())
    }
}

struct Random {
    tapped: Arc<Tapped>,
    import: &'static str,
    real: Box<dyn Rng + Send>,
}

impl Random {
    fn bytes(&mut self, into: &mut [u8]) {
        let length = into.len();
        let bytes: Vec<u8> = self.tapped.value(self.import, length.into(), || {
            let mut bytes = vec![0; length];
            self.real.fill_bytes(&mut bytes);
            bytes
        });
        // A recording of another length was made for another guest; its bytes are as good as any.
        for (to, from) in into.iter_mut().zip(bytes.iter().cycle()) {
            *to = *from;
        }
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.bytes(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.bytes(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        self.bytes(into);
        Ok(())
    }
}
