//! A wrapper that counts what a source's instances cost, and makes no more of them once a period's limit is reached.
//!
//! The sums are in the host's books, one value for each kind of period, changed only as a whole and only from what was read: several
//! processes make instances at the same time. An instance is in it before it is asked for, and out of it when it is destroyed for sure.
//! It ends nothing that runs. `ledger.rs` does the sums, `calendar.rs` knows when periods begin.

mod calendar;
mod ledger;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runner_sdk::prelude::*;
use runner_sdk::{Doomed, inner, state};

use calendar::Period;
use ledger::Ledger;

/// Others change the sums at the same time; who is never first has a broken neighbour.
const TRIES: u32 = 1000;

struct Budget;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    price: f64,
    limit: f64,
    period: Period,
    minimum_minutes: u64,
    currency: String,
}

type Ctx = Context<Config>;

impl Config {
    /// An amount, for people.
    fn amount(&self, amount: f64) -> String {
        let currency = &self.currency;
        format!(
            "{amount:.2}{}{currency}",
            if currency.is_empty() { "" } else { " " }
        )
    }

    fn least(&self) -> u64 {
        self.minimum_minutes * 60_000
    }

    /// Changes the sums, and answers what the change does.
    fn change<T>(&self, work: impl Fn(&mut Ledger, u64) -> Result<T>) -> Result<T> {
        let key = format!("sums/{}", self.period.word());
        for _ in 0..TRIES {
            let old = state::get(&key)?;
            let mut ledger = match &old {
                Some(bytes) => serde_json::from_slice(bytes)?,
                None => Ledger::default(),
            };
            let now = now();
            ledger.open(self.period.start(now));
            let answer = work(&mut ledger, now)?;
            let new = serde_json::to_vec(&ledger)?;
            if old.as_ref() == Some(&new)
                || state::compare_and_set(&key, old.as_deref(), Some(&new))?
            {
                return Ok(answer);
            }
        }
        Err(Error::unavailable(
            "what was spent is being changed by others all the time",
        ))
    }

    /// Notes a new instance, if there is money for it.
    fn begin(&self, token: &str) -> Result<()> {
        self.change(|ledger, now| {
            let running = ledger.running(self.price, now);
            let spent = ledger.spent + running;
            // What it costs at once must be there; and where nothing does, at least something of the limit.
            let first = ledger::cost(self.price, self.least());
            if spent + first > self.limit || spent >= self.limit {
                return Err(self.refusal(ledger, running, first, now));
            }
            ledger.begin(token, now, self.least());
            log::info(format!(
                "{} of {} are spent",
                self.amount(spent),
                self.amount(self.limit)
            ));
            Ok(())
        })
    }

    fn refusal(&self, ledger: &Ledger, running: f64, first: f64, now: u64) -> Error {
        let mut message = format!(
            "the budget of {} {} has no room for another instance: {} are spent by what is gone, and {} by {} that exist",
            self.amount(self.limit),
            self.period.words(),
            self.amount(ledger.spent),
            self.amount(running),
            ledger.count()
        );
        if first > 0.0 {
            message.push_str(&format!("; one costs at least {}", self.amount(first)));
        }
        let error = Error::exhausted(message).remedy(
            "raise `limit` of the wrapper `budget`, or destroy instances that are not needed",
        );
        match self.period.end(now) {
            Some(end) => error.retry_after(Duration::from_millis(end.saturating_sub(now))),
            None => error,
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Provider for Budget {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        ctx.config.begin(&request.token)?;
        let made = inner::allocate(request);
        if made.is_err() {
            // Whatever it left costs until it is destroyed; but what was never there is not billed for its first minutes.
            ctx.config.change(|ledger, _| {
                ledger.unbill(&request.token);
                Ok(())
            })?;
        }
        made
    }

    fn run(_: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        inner::run(instance, command, io)
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        inner::discard(doomed)?;
        ctx.config.change(|ledger, now| {
            ledger.end(&doomed.token, ctx.config.price, now);
            Ok(())
        })
    }
}

runner_sdk::provider!(Budget, manifest = "plugin.json");
