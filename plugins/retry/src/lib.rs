//! A wrapper that tries again what another provider could not do for a passing reason.
//!
//! Only what can be repeated: making an instance (whatever a failed try left is destroyed before the next one) and destroying one.
//! A command is run once. The deadline of the call that is wrapped holds for all tries together.

use std::thread::sleep;
use std::time::Duration;

use runner_sdk::prelude::*;
use runner_sdk::{Doomed, ErrorKind, inner};

struct Retry;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    attempts: u32,
    pause_ms: u64,
    exhausted: bool,
}

type Ctx = Context<Config>;

impl Config {
    /// Another try may help.
    fn passes(&self, error: &Error) -> bool {
        match error.kind {
            ErrorKind::Unavailable => true,
            ErrorKind::Exhausted => self.exhausted,
            _ => false,
        }
    }

    /// How long to wait after this many tries.
    fn pause(&self, tries: u32, advice: Option<Duration>) -> Duration {
        let own = Duration::from_millis(self.pause_ms << (tries - 1).min(16));
        own.max(advice.unwrap_or_default())
    }

    /// Tries until it works, fails for good, or was tried often enough. `again` makes way for the next try.
    fn persist<T>(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> Result<T>,
        mut again: impl FnMut() -> Result<()>,
    ) -> Result<T> {
        for tries in 1.. {
            let error = match attempt() {
                Err(error) if tries < self.attempts && self.passes(&error) => error,
                ended => return ended,
            };
            log::info(format!("{what}: try {tries} of {}: {error}", self.attempts));
            again()?;
            sleep(self.pause(tries, error.retry_after));
        }
        Err(Error::failed("there is no end of numbers"))
    }
}

impl Provider for Retry {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let left = request.leftover();
        ctx.config.persist(
            "allocate",
            || inner::allocate(request),
            || inner::discard(&left),
        )
    }

    fn run(_: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        inner::run(instance, command, io)
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        let config = &ctx.config;
        config.persist("discard", || inner::discard(doomed), || Ok(()))
    }
}

runner_sdk::provider!(Retry, manifest = "plugin.json");
