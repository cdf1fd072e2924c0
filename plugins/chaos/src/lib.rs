//! A wrapper that has accidents: calls of the provider behind it fail or take longer, for tests of what stands in front.
//!
//! Whether a call has one depends on the seed and on its number among the source's calls, which is counted in the host's books. What was
//! made before an answer was "lost" is left to the ordinary `discard`, which fails at most every second time.

use std::thread::sleep;
use std::time::Duration;

use runner_sdk::prelude::*;
use runner_sdk::{Doomed, ErrorKind, inner, state};

struct Chaos;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    seed: u64,
    calls: Vec<String>,
    fail: f64,
    when: When,
    kind: Kind,
    delay: f64,
    delay_ms: u64,
}

/// Before or after the real call.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum When {
    Before,
    After,
    Either,
}

/// What it fails as.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Unavailable,
    Exhausted,
    Failed,
}

type Ctx = Context<Config>;

/// More than this, and what is to be destroyed might never be.
const DISCARD: f64 = 0.5;
/// The number of calls so far.
const COUNT: &str = "calls";

/// What happens to one call.
#[derive(Clone, Debug, PartialEq)]
struct Accident {
    wait: Duration,
    /// None: it does not fail.
    fails: Option<bool>,
}

/// Numbers from 0 to 1 (splitmix64): the same for the same start.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 53 bits are what a number of this type holds.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Config {
    /// What happens to the call with this number; in `fails`, true: before it is done.
    fn accident(&self, call: &str, number: u64) -> Accident {
        let mut dice = Dice(self.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let (late, how_late, bad, early) = (dice.roll(), dice.roll(), dice.roll(), dice.roll());
        let likely = match call {
            "discard" => self.fail.min(DISCARD),
            _ => self.fail,
        };
        let before = match self.when {
            When::Before => true,
            When::After => false,
            When::Either => early < 0.5,
        };
        Accident {
            wait: match late < self.delay {
                true => Duration::from_millis(self.delay_ms).mul_f64(how_late),
                false => Duration::ZERO,
            },
            fails: (bad < likely).then_some(before),
        }
    }

    fn error(&self, call: &str, number: u64, what: &str) -> Error {
        let kind = match self.kind {
            Kind::Unavailable => ErrorKind::Unavailable,
            Kind::Exhausted => ErrorKind::Exhausted,
            Kind::Failed => ErrorKind::Failed,
        };
        Error::new(
            kind,
            format!(
                "an accident on purpose: `{call}` {what} (call {number} of this source, seed {})",
                self.seed
            ),
        )
        .remedy("take the wrapper `chaos` out of the source's `wrap` when this is not wanted")
    }

    /// Does it, unless it has an accident.
    fn with<T>(&self, call: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.calls.iter().any(|one| one == call) {
            return work();
        }
        let number = next()?;
        let accident = self.accident(call, number);
        sleep(accident.wait);
        match accident.fails {
            Some(true) => Err(self.error(call, number, "was not done")),
            Some(false) => {
                work()?;
                Err(self.error(call, number, "was done, and its answer lost"))
            }
            None => work(),
        }
    }
}

/// Counts a call.
fn next() -> Result<u64> {
    loop {
        let old = state::get(COUNT)?;
        let number = match &old {
            Some(bytes) => serde_json::from_slice::<u64>(bytes)?.wrapping_add(1),
            None => 1,
        };
        if state::compare_and_set(COUNT, old.as_deref(), Some(number.to_string().as_bytes()))? {
            return Ok(number);
        }
    }
}

impl Provider for Chaos {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        ctx.config.with("allocate", || inner::allocate(request))
    }

    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        ctx.config.with("run", || inner::run(instance, command, io))
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        ctx.config.with("discard", || inner::discard(doomed))
    }
}

runner_sdk::provider!(Chaos, manifest = "plugin.json");

#[cfg(test)]
mod tests {
    use super::*;

    fn config(seed: u64, fail: f64) -> Config {
        Config {
            seed,
            calls: Vec::new(),
            fail,
            when: When::Either,
            kind: Kind::Unavailable,
            delay: 0.25,
            delay_ms: 1000,
        }
    }

    #[test]
    fn accidents_are_as_likely_as_they_should_be_and_the_same_every_time() {
        let all = |seed| -> Vec<Accident> {
            (0..10_000)
                .map(|number| config(seed, 0.3).accident("allocate", number))
                .collect()
        };
        let one = all(7);
        assert_eq!(one, all(7));
        assert_ne!(one, all(8));
        let share = |what: fn(&Accident) -> bool| one.iter().filter(|one| what(one)).count();
        assert!((2800..3200).contains(&share(|one| one.fails.is_some())));
        assert!((1350..1650).contains(&share(|one| one.fails == Some(true))));
        assert!((2300..2700).contains(&share(|one| !one.wait.is_zero())));
        assert!(one.iter().all(|one| one.wait <= Duration::from_secs(1)));
    }

    #[test]
    fn what_is_to_be_destroyed_is_destroyed_in_the_end() {
        let always = config(0, 1.0);
        assert!((0..1000).all(|number| always.accident("allocate", number).fails.is_some()));
        let discards =
            (0..1000).filter(|number| always.accident("discard", *number).fails.is_some());
        assert!((400..600).contains(&discards.count()));
        let never = config(0, 0.0);
        assert!((0..1000).all(|number| never.accident("discard", number).fails.is_none()));
    }
}
