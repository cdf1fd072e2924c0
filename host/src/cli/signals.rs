//! Signals as values: what arrives is told to whoever waits, with where it came from.
//!
//! Ctrl-C in a terminal reaches every process of the foreground group by itself, a `kill` only the one it names; who
//! passes signals on must know which it was. A signal that was ignored when we were started (`nohup`) stays ignored.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::{emulate_default_handler, siginfo::Cause};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::error::Failure;
use crate::engine::{Arrived, FailureKind};

/// What ends a verb.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// What a command is told.
const PASSED_ON: [i32; 6] = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];

/// The signals of this process, from now on.
pub(super) struct Signals {
    arrived: UnboundedReceiver<Arrived>,
    handle: Handle,
}

impl Signals {
    /// Those that end a verb which has something to clean up.
    pub(super) fn ending() -> Result<Self, Failure> {
        Self::watch(&ENDING)
    }

    /// Those that a command is told.
    pub(super) fn passed_on() -> Result<Self, Failure> {
        Self::watch(&PASSED_ON)
    }

    fn watch(numbers: &[i32]) -> Result<Self, Failure> {
        let ignored = ignored();
        let numbers = numbers
            .iter()
            .filter(|number| ignored >> (**number - 1) & 1 == 0);
        let failed = |error| Failure::io("signals cannot be watched", &error);
        let mut signals = SignalsInfo::<WithOrigin>::new(numbers).map_err(failed)?;
        let handle = signals.handle();
        let (sender, arrived) = unbounded_channel();
        // A thread that sleeps: the one way that does not depend on what the runtime is doing.
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for origin in &mut signals {
                    let Ok(number) = u8::try_from(origin.signal) else {
                        continue;
                    };
                    let from_terminal = origin.cause == Cause::Kernel;
                    if sender
                        .send(Arrived {
                            number,
                            from_terminal,
                        })
                        .is_err()
                    {
                        return;
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self { arrived, handle })
    }

    /// The next one; never when none can come any more.
    pub(super) async fn next(&mut self) -> Arrived {
        match self.arrived.recv().await {
            Some(arrived) => arrived,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Ends the process as the signal would have, so that a calling shell sees that it was one. Returns only if the
/// signal does not end processes.
pub(super) fn die_of(number: u8) {
    // An unknown number is the only failure, and these came from the kernel.
    let _unknown_number = emulate_default_handler(i32::from(number));
}

/// The failure of a verb that a signal ended.
pub(super) fn interrupted(arrived: Arrived) -> Failure {
    Failure {
        signal: Some(arrived.number),
        ..Failure::new(
            FailureKind::Interrupted.word(),
            format!("interrupted by signal {}", arrived.number),
        )
    }
}

/// The signals that are ignored, as bits from 0 for signal 1. The kernel tells; elsewhere none is known to be.
fn ignored() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
