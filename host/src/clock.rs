//! The one place where time enters.

use std::time::{SystemTime, UNIX_EPOCH};

use runner_core::id::Timestamp;

/// Tells the time; the engine passes it down.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;

    /// A clock that nobody sets: a name of the boot, and milliseconds since it. None: there is no such clock.
    fn steady(&self) -> Option<(String, i64)> {
        None
    }
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn steady(&self) -> Option<(String, i64)> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let milliseconds = since.tv_sec.saturating_mul(1000) + since.tv_nsec / 1_000_000;
        Some((boot.trim().to_owned(), milliseconds))
    }
}
