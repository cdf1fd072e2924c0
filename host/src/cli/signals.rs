//! Signals as values: what arrives is told to whoever waits, with where it came from.
//!
//! Ctrl-C in a terminal reaches every process of the foreground group by itself, a `kill` only the one it names; who
//! passes signals on must know which it was. A signal that was ignored when we were started (`nohup`) stays ignored.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::low_level::emulate_default_handler;
use tokio::sync::mpsc::UnboundedReceiver;

use super::error::Failure;
use crate::engine::{Arrived, Engine, FailureKind};
use crate::terminal::{self, signals::Guard};

/// What ends a verb.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// What a command is told.
const PASSED_ON: [i32; 6] = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];

/// The signals of this process, from now on.
pub(super) struct Signals {
    arrived: UnboundedReceiver<Arrived>,
    _guard: Guard,
}

impl Signals {
    /// Those that end a verb which has something to clean up.
    pub(super) fn ending() -> Result<Self, Failure> {
        Self::watch(&ENDING)
    }

    /// Those that a service is told.
    pub(super) fn service() -> Result<Self, Failure> {
        Self::watch(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// Those that a command is told.
    pub(super) fn passed_on() -> Result<Self, Failure> {
        Self::watch(&PASSED_ON)
    }

    fn watch(numbers: &[i32]) -> Result<Self, Failure> {
        let (guard, arrived) = terminal::signals::catch(numbers)
            .map_err(|error| Failure::io("signals cannot be watched", &error))?;
        Ok(Self {
            arrived,
            _guard: guard,
        })
    }

    /// Works on something, unless a signal comes first: then what was begun is cleaned up before anything else. A second
    /// signal ends that too; the next command finishes it.
    pub(super) async fn guard<T>(
        &mut self,
        engine: &Engine,
        work: impl Future<Output = crate::engine::Result<T>>,
    ) -> Result<T, Failure> {
        let first = tokio::select! {
            done = work => return Ok(done?),
            arrived = self.next() => arrived,
        };
        tokio::select! {
            cleaned = engine.abandon() => drop(cleaned?),
            second = self.next() => die_of(second.number),
        }
        Err(interrupted(first))
    }

    /// The next one; never when none can come any more.
    pub(super) async fn next(&mut self) -> Arrived {
        match self.arrived.recv().await {
            Some(arrived) => arrived,
            None => std::future::pending().await,
        }
    }
}

/// Ends the process as the signal would have, so that a calling shell sees that it was one. Returns only if the
/// signal does not end processes.
pub(super) fn die_of(number: u8) {
    // An unknown number is the only failure, and these came from the kernel.
    let _unknown_number = emulate_default_handler(i32::from(number));
}

/// The failure of a verb that a signal ended. Who sent the signal knows, so it is not told, except for a command.
pub(super) fn interrupted(arrived: Arrived) -> Failure {
    Failure {
        signal: Some(arrived.number),
        silent: true,
        ..Failure::new(
            FailureKind::Interrupted.word(),
            format!("interrupted by signal {}", arrived.number),
        )
    }
}
