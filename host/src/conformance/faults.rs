//! The world fails at every import of `allocate` and `discard` in turn, once each. Around it is the real engine with books of
//! its own, doing what it always does when a call fails: what is shown is not that a plugin never fails, but that
//! nothing remains when it did. Some lives are led side by side: a real cloud takes a minute for each.

use std::collections::BTreeSet;

use runner_core::id::InstanceName;
use runner_core::policy::{Limit, Millis};
use tokio::task::JoinSet;

use super::behaviour::{Miss, Shown};
use super::bench::{Bench, Life};
use crate::engine::{Acquired, Ask, Engine, EngineError, ReleaseEnd, chain};
use crate::tape::{Fault, Injection, Struck};

/// So often is a discard tried before it is given up.
const TRIES: usize = 4;
/// So many lives are led at once: as many instances as the other behaviours want at once, too.
const SIDE_BY_SIDE: u32 = 3;
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
    let faults = &bench.setup.faults;
    let mut at = 0;
    loop {
        let end = faults.most(verb).clamp(1, MOST);
        let places = at..end;
        let places = places.filter(|at| !http || faults.import_at(verb, *at) == Some("http.fetch"));
        let places: Vec<Injection> = places
            .take(width(bench, life))
            .map(|at| Injection {
                verb: verb.to_owned(),
                at,
                fault,
            })
            .collect();
        let Some(last) = places.last() else {
            break;
        };
        at = last.at + 1;
        struck.extend(lives(bench, life, before.as_ref(), &places).await?);
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

/// How many lives can be led at once.
fn width(bench: &Bench, life: &Life) -> usize {
    let own = life.draw.sources.iter().map(|one| one.policy.maximum);
    let room = own
        .chain([bench.setup.maximum])
        .fold(SIDE_BY_SIDE, |room, limit| match limit {
            Limit::At(limit) => room.min(limit),
            Limit::Unlimited => room,
        });
    room.max(1) as usize
}

/// So many lives side by side, each with one of these faults in it. Answers the imports that they struck.
async fn lives(
    bench: &Bench,
    life: &Life,
    before: Option<&BTreeSet<String>>,
    injections: &[Injection],
) -> Result<Vec<&'static str>, Miss> {
    let faults = &bench.setup.faults;
    let discards = injections.iter().all(|one| one.verb == "discard");
    if !discards {
        faults.arm_each(injections);
    }
    let (acquired, failures) = acquire(life, injections.len()).await?;
    let mut struck = faults.disarm();
    let mut failure = match discards {
        // Without a fault it must succeed.
        true => failures.into_iter().next().map(|error| failed(&error)),
        false => None,
    };
    if discards && failure.is_none() {
        // A wrapper may give another name, and never another token.
        let tokens = acquired.iter().flat_map(Acquired::tokens);
        let tokens = tokens.map(|token| token.as_str().to_owned());
        faults.arm_for(tokens.zip(injections.iter().cloned()));
    }
    for one in acquired {
        if let Err(error) = one.confirm() {
            failure.get_or_insert(failed(&error));
        }
    }
    let emptied = empty(&life.engine, &life.draw).await;
    if discards {
        struck = faults.disarm();
    }
    let left = match before {
        Some(before) if failure.is_none() && emptied.is_ok() => {
            strangers(bench, life, before, injections).await?
        }
        _ => BTreeSet::new(),
    };
    let told = |what: &str| Miss::Failed(format!("{}: {what}", blamed(&struck, &left)));
    match (failure, emptied) {
        (Some(Miss::Failed(why)), _) | (None, Err(Miss::Failed(why))) => return Err(told(&why)),
        (Some(miss), _) | (None, Err(miss)) => return Err(miss),
        (None, Ok(())) => {}
    }
    match left.is_empty() {
        true => Ok(struck.into_iter().filter_map(|one| one.import).collect()),
        false => Err(told(&format!(
            "the books are empty, and the backend still has {}",
            left.iter().cloned().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The faults behind what is left; all of them where that cannot be told.
fn blamed(struck: &[Struck], left: &BTreeSet<String>) -> String {
    let told = |one: &Struck| match one.import {
        Some(import) => format!("`{}` (in `{import}`)", one.injection),
        None => format!("`{}`", one.injection),
    };
    let guilty = |one: &&Struck| one.token.as_ref().is_some_and(|token| left.contains(token));
    let mut names: Vec<String> = struck.iter().filter(guilty).map(told).collect();
    if names.is_empty() {
        names = struck.iter().map(told).collect();
    }
    names.join(", ")
}

/// Acquires so many, one each. Answers what was acquired, and why the rest was not.
async fn acquire(life: &Life, count: usize) -> Result<(Vec<Acquired>, Vec<EngineError>), Miss> {
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (engine, draw) = (life.engine.clone(), life.draw.clone());
        tasks.spawn(async move { engine.acquire(&draw, &Ask::default()).await });
    }
    let (mut acquired, mut failures) = (Vec::new(), Vec::new());
    while let Some(ended) = tasks.join_next().await {
        match ended.map_err(|error| Miss::Failed(format!("a life broke off: {error}")))? {
            Ok(one) => acquired.push(one),
            Err(error) => failures.push(error),
        }
    }
    Ok((acquired, failures))
}

/// The tokens that are listed and were not before.
async fn strangers(
    bench: &Bench,
    life: &Life,
    before: &BTreeSet<String>,
    injections: &[Injection],
) -> Result<BTreeSet<String>, Miss> {
    let listed = async || {
        let now = bench.listed().await?.unwrap_or_default();
        Ok::<BTreeSet<String>, Miss>(now.difference(before).cloned().collect())
    };
    let mut left = listed().await?;
    let stale = injections.iter().any(|one| one.fault == Fault::Stale);
    if !left.is_empty() && stale {
        // Whoever believes an outdated list cannot know better; the host looks again, as `serve` does all the time.
        for _ in 0..2 {
            for definition in &life.draw.sources {
                let swept = life.engine.sweep(&definition.source, Millis(0)).await;
                swept.map_err(|error| failed(&error))?;
            }
        }
        left = listed().await?;
    }
    Ok(left)
}

/// Ends what an engine was in the middle of, and discards what its books hold. The error says what would not go.
pub(super) async fn clear(life: &Life) -> Result<(), String> {
    let abandoned = life.engine.abandon().await;
    let abandoned = abandoned.map_err(|error| chain(&error));
    let emptied = empty(&life.engine, &life.draw).await;
    let emptied = emptied.map_err(|(Miss::Failed(why) | Miss::NotShown(why))| why);
    abandoned.map(drop).and(emptied)
}

/// Discards everything, side by side, until the books are empty.
async fn empty(engine: &Engine, draw: &crate::engine::Draw) -> Result<(), Miss> {
    let mut trouble = String::new();
    for _ in 0..TRIES {
        let names = live(engine, draw)?;
        if names.is_empty() {
            return Ok(());
        }
        let mut tasks = JoinSet::new();
        for name in names {
            let engine = engine.clone();
            tasks.spawn(async move { engine.discard(&[name], false).await });
        }
        while let Some(ended) = tasks.join_next().await {
            let ended =
                ended.map_err(|error| Miss::Failed(format!("a life broke off: {error}")))?;
            // Whoever begins may find another's to be due again, and be faster than its own: the next look tells.
            let released = ended.unwrap_or_else(|error| {
                trouble = chain(&error);
                Vec::new()
            });
            for one in released {
                if let ReleaseEnd::Pending(error) = one.end {
                    trouble = chain(&error);
                }
            }
        }
    }
    match live(engine, draw)?.is_empty() {
        true => Ok(()),
        false => Err(Miss::Failed(format!(
            "it cannot be discarded, tried {TRIES} times: {trouble}"
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
