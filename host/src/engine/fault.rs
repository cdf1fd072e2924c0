//! Named points at which a test can kill the process, between any two durable writes.
//!
//! They are part of the program, not of a special build, so that what is tested is what is shipped. Nothing happens
//! at them unless `RUNNER_FAULT` names one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every point, in the order in which a life passes them.
pub const POINTS: &[&str] = &[
    "acquire:ticket-opened",
    "acquire:intended",
    "provision:workdir-made",
    "provision:allocated",
    "provision:recorded",
    "provision:script-passed",
    "provision:hooks-passed",
    "provision:assigned",
    "acquire:served",
    "acquire:printed",
    "acquire:confirmed",
    "run:started",
    "run:ended",
    "copy:started",
    "copy:ended",
    "release:decided",
    "discard:doomed",
    "discard:hooks-passed",
    "discard:destroyed",
    "discard:workdir-removed",
    "discard:confirmed",
    "fail:recorded",
    "repair:claimed",
];

struct Armed {
    point: String,
    /// Passes left before it fires.
    passes: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms one point: `NAME`, or `NAME@N` for the N-th time it is passed. Only the first call counts.
pub fn arm(setting: &str) {
    let (point, passes) = match setting.split_once('@') {
        Some((point, count)) => (point, count.parse().unwrap_or(1)),
        None => (setting, 1),
    };
    drop(ARMED.set(Armed {
        point: point.to_owned(),
        passes: AtomicU32::new(passes),
    }));
}

/// Dies here if this point is armed.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not in the list");
    if let Some(armed) = ARMED.get()
        && armed.point == name
        && armed.passes.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // As hard as it gets: no destructors, no flushing. There is no answer to a failure of this.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
