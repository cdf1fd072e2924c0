//! Every call of a provider, in turn, goes wrong in every way, for each thing that the program does: what the books say
//! is gone, is gone, and what exists is in the books.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use runner::engine::{Ask, Destination, Engine, Result, Wait};
use runner::provider::ErrorKind;
use runner_core::id::InstanceName;
use runner_core::policy::{Backoff, Limit, Millis, Policy};
use runner_sim::world::{POOL, Source, World, name};
use runner_sim::{Chance, Fate, Life, Traits};
use tokio::task::LocalSet;

/// The owner of everything here.
const OWNER: Option<&str> = Some("anna");

/// What the program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Acquire,
    AcquireElsewhere,
    Gang,
    ReleaseAndDiscard,
    ReleaseAndClean,
    Check,
    Sweep,
    FillShelf,
    Discard,
    Forget,
}

fn fates() -> Vec<Fate> {
    vec![
        Fate::Error(ErrorKind::Unavailable { retry_after: None }),
        Fate::Error(ErrorKind::Failed),
        Fate::Error(ErrorKind::Deadline),
        Fate::Lost(ErrorKind::Deadline),
        Fate::Late(ErrorKind::Deadline),
        Fate::Wrong,
        Fate::DieBefore,
        Fate::DieAfter,
    ]
}

fn source(reserve: u32, cost: u32) -> Source {
    Source {
        policy: Policy {
            maximum: Limit::At(3),
            reserve,
            cost,
            backoff: Backoff {
                first: Millis::seconds(1),
                longest: Millis::seconds(8),
            },
            ..Policy::default()
        },
        traits: Traits {
            lists: true,
            checks: true,
            cleans: true,
            facts: true,
        },
    }
}

fn ask(count: u32, wait: Wait) -> Ask {
    Ask {
        count,
        wait,
        ..Ask::default()
    }
}

async fn get(engine: &Engine, world: &World, asked: &str, ask: Ask) -> Result<Vec<InstanceName>> {
    let acquired = engine.acquire(&world.draw(asked), &ask).await?;
    let names = acquired.names();
    acquired.confirm()?;
    Ok(names)
}

/// What must be there before.
async fn prepare(engine: Engine, world: &World, verb: Verb) -> Result<Vec<InstanceName>> {
    match verb {
        Verb::Acquire | Verb::Gang => Ok(Vec::new()),
        Verb::AcquireElsewhere => {
            world.backend.inner().quota.insert(name("a"), 0);
            Ok(Vec::new())
        }
        Verb::FillShelf => engine.create_shelf("anna", 2).map(|_| Vec::new()),
        Verb::ReleaseAndDiscard | Verb::ReleaseAndClean | Verb::Discard | Verb::Forget => {
            get(&engine, world, "a", ask(2, Wait::No)).await
        }
        Verb::Check => get(&engine, world, "a", ask(1, Wait::No)).await,
        Verb::Sweep => {
            let names = get(&engine, world, "a", ask(1, Wait::No)).await?;
            let token = world.rows()[0].token.clone();
            engine.release(&names, &Destination::Nowhere).await?;
            // It comes back: the call that made it had not ended after all.
            world.backend.inner().birth(&token, &name("a"), true);
            Ok(names)
        }
    }
}

async fn act(engine: Engine, world: &World, verb: Verb, names: Vec<InstanceName>) -> Result<()> {
    let patient = Wait::For(Duration::from_secs(20));
    match verb {
        Verb::Acquire => get(&engine, world, "a", ask(1, Wait::No)).await.map(drop),
        Verb::AcquireElsewhere => get(&engine, world, POOL, ask(1, patient)).await.map(drop),
        Verb::Gang => get(&engine, world, "a", ask(3, patient)).await.map(drop),
        Verb::ReleaseAndDiscard => {
            let to = Destination::Nowhere;
            engine.release(&names, &to).await.map(drop)
        }
        Verb::ReleaseAndClean => {
            let to = Destination::Usual;
            engine.release(&names, &to).await.map(drop)
        }
        Verb::Check => engine.check(&names[0]).await.map(drop),
        Verb::Sweep => {
            for _ in 0..4 {
                if let Err(error) = engine.sweep(&name("a"), Millis::seconds(2)).await {
                    world.backend.inner().note(error.to_string());
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            Ok(())
        }
        Verb::FillShelf => {
            let (draw, ask) = (world.draw("a"), ask(2, Wait::No));
            engine.fill_shelf("anna", &draw, &ask).await.map(drop)
        }
        Verb::Discard => engine.discard(&names, false).await.map(drop),
        Verb::Forget => engine.discard(&names, true).await.map(drop),
    }
}

/// Does it once, with the call of this number ordered to go so. Answers how many calls there were.
async fn once(verb: Verb, order: Option<(u64, Fate)>) -> u64 {
    let reserve = u32::from(matches!(verb, Verb::ReleaseAndClean | Verb::Check));
    let sources = [("a", source(reserve, 0)), ("b", source(0, 5))];
    let world: Arc<World> = World::new(Chance::new(1), &sources, Some(Policy::default()));
    let life = Life::long();
    let prepared = world.command(OWNER, &life, |engine| prepare(engine, &world, verb));
    let names = prepared.await.unwrap().unwrap();
    let before = world.backend.inner().calls;
    if let Some((number, fate)) = &order {
        let mut inner = world.backend.inner();
        inner.orders.insert(before + number, fate.clone());
    }
    if verb == Verb::Forget {
        // The operator says that they are gone: from then on nobody counts them.
        for machine in &mut world.backend.inner().machines {
            machine.late = true;
        }
    }
    let life = Life::long();
    let acting = world.command(OWNER, &life, |engine| act(engine, &world, verb, names));
    let acted = acting.await;
    let calls = world.backend.inner().calls - before;
    world.inspect();
    // The next process finds what this one left; longer than any pause after a failed discard.
    for _ in 0..3 {
        let life = Life::long();
        let repaired = world.command(OWNER, &life, |engine| async move { engine.repair().await });
        repaired.await.unwrap().unwrap();
        world.inspect();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let unfinished = world.rows().iter().any(|row| row.worker.is_some());
    assert!(
        !unfinished,
        "{verb:?}, {order:?}: something is left unfinished"
    );
    world.settle().await;
    let problems = world.backend.problems();
    assert!(
        problems.is_empty(),
        "{verb:?}, {order:?}, {:?}: {problems:#?}\n{}",
        acted.map(|done| done.map_err(|error| error.to_string())),
        world.backend.inner().journal.join("\n")
    );
    calls
}

fn every_call(verb: Verb) {
    let play = |order| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, once(verb, order))
    };
    let calls = play(None);
    assert!(calls > 0, "{verb:?} calls nothing");
    for number in 1..=calls {
        for fate in fates() {
            play(Some((number, fate)));
        }
    }
}

#[test]
fn acquire_something_new() {
    every_call(Verb::Acquire);
}

#[test]
fn acquire_where_the_first_source_has_none() {
    every_call(Verb::AcquireElsewhere);
}

#[test]
fn acquire_a_gang() {
    every_call(Verb::Gang);
}

#[test]
fn release_what_is_destroyed() {
    every_call(Verb::ReleaseAndDiscard);
}

#[test]
fn release_what_is_cleaned_and_kept() {
    every_call(Verb::ReleaseAndClean);
}

#[test]
fn check() {
    every_call(Verb::Check);
}

#[test]
fn sweep() {
    every_call(Verb::Sweep);
}

#[test]
fn fill_a_shelf() {
    every_call(Verb::FillShelf);
}

#[test]
fn discard() {
    every_call(Verb::Discard);
}

#[test]
fn forget() {
    every_call(Verb::Forget);
}
