//! The world fails at every import of `allocate` and `discard` in turn, once each. Around it is the real engine with books of
//! its own, doing what it always does when a call fails: what is shown is not that a plugin never fails, but that
//! nothing remains when it did.

use std::collections::BTreeSet;

use runner_core::id::InstanceName;
use runner_core::policy::Millis;

use super::behaviour::{Miss, Shown};
use super::bench::{Bench, Life};
use crate::engine::{Ask, Engine, EngineError, ReleaseEnd, chain};
use crate::tape::{Fault, Injection};

/// So often is a discard tried before it is given up.
const TRIES: usize = 4;
/// A call that asks for more has no end.
const MOST: u64 = 200;

macro_rules! faults {
    ($($name:ident $verb:literal $fault:expr, $http:literal;)*) => {
        $(pub(super) async fn $name(bench: &Bench) -> Shown {
            everywhere(bench, $verb, $fault, $http).await
        })*
    };
}

faults! {
    allocate_refused "allocate" Fault::Status(503), false;
    allocate_rate_limit "allocate" Fault::Status(429), true;
    allocate_time_out "allocate" Fault::TimeOut, false;
    allocate_reset "allocate" Fault::Reset, true;
    allocate_lost_reply "allocate" Fault::LostReply, false;
    allocate_stale "allocate" Fault::Stale, false;
    allocate_killed "allocate" Fault::Killed, false;
    allocate_killed_after "allocate" Fault::KilledAfter, false;
    discard_refused "discard" Fault::Status(503), false;
    discard_rate_limit "discard" Fault::Status(429), true;
    discard_time_out "discard" Fault::TimeOut, false;
    discard_reset "discard" Fault::Reset, true;
    discard_lost_reply "discard" Fault::LostReply, false;
    discard_stale "discard" Fault::Stale, false;
    discard_killed "discard" Fault::Killed, false;
    discard_killed_after "discard" Fault::KilledAfter, false;
}

fn failed(error: &EngineError) -> Miss {
    Miss::Failed(format!("the engine failed: {}", chain(error)))
}

/// One fault at each place. `http`: it is told from another fault only where there is HTTP, and not tried elsewhere.
async fn everywhere(bench: &Bench, verb: &'static str, fault: Fault, http: bool) -> Shown {
    let Some(life) = &bench.setup.life else {
        return Err(Miss::NotShown(
            "a cassette has one course of events: faults need a backend".to_owned(),
        ));
    };
    // The instance of the other behaviours may be all that the source has room for.
    if let Some(held) = bench.take_main() {
        bench.discard(&held).await?;
    }
    let before = bench.listed().await?;
    let mut struck: Vec<&'static str> = Vec::new();
    let mut at = 0;
    while at < bench.setup.faults.most(verb).max(1) && at < MOST {
        let injection = Injection {
            verb: verb.to_owned(),
            at,
            fault,
        };
        if http && bench.setup.faults.import_at(verb, at) != Some("http.fetch") {
            at += 1;
            continue;
        }
        let outcome = one(bench, life, before.as_ref(), &injection).await;
        match outcome {
            Ok(import) => struck.extend(import),
            Err(Miss::Failed(why)) => return Err(Miss::Failed(format!("`{injection}`: {why}"))),
            Err(miss) => return Err(miss),
        }
        at += 1;
    }
    if struck.is_empty() {
        return Err(Miss::NotShown(format!(
            "`{verb}` asks for nothing of the world where this could happen"
        )));
    }
    let kinds: BTreeSet<&str> = struck.iter().copied().collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let asked = match before {
        Some(_) => "by the books and by `list`",
        None => "by the books (the plugin lists nothing)",
    };
    Ok(format!(
        "{} places ({}); nothing remained, {asked}",
        struck.len(),
        kinds.join(", ")
    ))
}

/// One life with one fault in it. Answers the import that it struck.
async fn one(
    bench: &Bench,
    life: &Life,
    before: Option<&BTreeSet<String>>,
    injection: &Injection,
) -> Result<Option<&'static str>, Miss> {
    let faults = &bench.setup.faults;
    let engine = &life.engine;
    let discards = injection.verb == "discard";
    if !discards {
        faults.arm(injection.clone());
    }
    let acquired = engine.acquire(&life.draw, &Ask::default()).await;
    let struck = match discards {
        false => faults.disarm(),
        true => {
            acquired.as_ref().map_err(failed)?;
            faults.arm(injection.clone());
            None
        }
    };
    if let Ok(acquired) = acquired {
        acquired.confirm().map_err(|error| failed(&error))?;
    }
    let emptied = empty(engine, &life.draw).await;
    let struck = struck.or_else(|| faults.disarm());
    emptied?;

    let Some(before) = before else {
        return Ok(struck);
    };
    let mut left = strangers(bench, before).await?;
    if !left.is_empty() && injection.fault == Fault::Stale {
        // Whoever believes an outdated list cannot know better; the host looks again, as `serve` does all the time.
        for _ in 0..2 {
            for definition in &life.draw.sources {
                let swept = engine.sweep(&definition.source, Millis(0)).await;
                swept.map_err(|error| failed(&error))?;
            }
        }
        left = strangers(bench, before).await?;
    }
    match left.is_empty() {
        true => Ok(struck),
        false => Err(Miss::Failed(format!(
            "after `{}` the books are empty, and the backend still has {}",
            struck.unwrap_or("no fault"),
            left.into_iter().collect::<Vec<_>>().join(", ")
        ))),
    }
}

async fn strangers(bench: &Bench, before: &BTreeSet<String>) -> Result<BTreeSet<String>, Miss> {
    let now = bench.listed().await?.unwrap_or_default();
    Ok(now.difference(before).cloned().collect())
}

/// Ends what an engine was in the middle of, and discards what its books hold. The error says what would not go.
pub(super) async fn clear(life: &Life) -> Result<(), String> {
    let abandoned = life.engine.abandon().await;
    let abandoned = abandoned.map_err(|error| chain(&error));
    let emptied = empty(&life.engine, &life.draw).await;
    let emptied = emptied.map_err(|(Miss::Failed(why) | Miss::NotShown(why))| why);
    abandoned.map(drop).and(emptied)
}

/// Discards everything until the books are empty.
async fn empty(engine: &Engine, draw: &crate::engine::Draw) -> Result<(), Miss> {
    let mut troubles = Vec::new();
    for _ in 0..TRIES {
        let names = live(engine, draw)?;
        if names.is_empty() {
            return Ok(());
        }
        let ended = engine.discard(&names, false).await;
        for released in ended.map_err(|error| failed(&error))? {
            if let ReleaseEnd::Pending(error) = released.end {
                troubles.push(chain(&error));
            }
        }
    }
    let names = live(engine, draw)?;
    match names.is_empty() {
        true => Ok(()),
        false => Err(Miss::Failed(format!(
            "it cannot be discarded, tried {TRIES} times: {}",
            troubles.pop().unwrap_or_default()
        ))),
    }
}

fn live(engine: &Engine, draw: &crate::engine::Draw) -> Result<Vec<InstanceName>, Miss> {
    let sources: Vec<_> = draw.sources.iter().map(|one| one.source.clone()).collect();
    let status = engine.status(&sources, true);
    let status = status.map_err(|error| failed(&error))?;
    Ok(status
        .into_iter()
        .flat_map(|source| source.instances)
        .map(|instance| instance.name)
        .collect())
}
