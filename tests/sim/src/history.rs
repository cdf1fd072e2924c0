//! One history: a world drawn from a seed, users, a `serve` that is killed and started again, machines that vanish; then
//! rest, and the count of what went wrong.

use std::sync::Arc;
use std::time::Duration;

use runner::engine::Order;
use runner_core::policy::{Backoff, Checks, Limit, Millis, Policy, Reuse};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::arm::Traits;
use super::chance::Chance;
use super::fates::Trouble;
use super::life::Life;
use super::users::{User, create_shelves};
use super::world::{Source, World, name};

/// How long a history is.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub users: u64,
    /// Of virtual time.
    pub time: Duration,
    /// Ends earlier when there were so many leases.
    pub leases: u64,
}

/// What came of it.
pub struct Played {
    pub problems: Vec<String>,
    pub journal: Vec<String>,
    pub leases: u64,
    pub made: u64,
}

/// Plays one history.
pub fn play(seed: u64, length: Length) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let played = LocalSet::new().block_on(&runtime, history(seed, length));
    // Late births and the like are still asleep.
    runtime.shutdown_background();
    played
}

async fn history(seed: u64, length: Length) -> Played {
    let mut chance = Chance::new(seed);
    let sources = [
        ("a", source(&mut chance, true, true)),
        ("b", source(&mut chance, true, false)),
        ("c", source(&mut chance, false, false)),
    ];
    let pool = Policy {
        maximum: Limit::At(2 + chance.below(6) as u32),
        ..Policy::default()
    };
    let world = World::new(chance.fork(), &sources, Some(pool));
    trouble(&world, &mut chance);
    create_shelves(&world).await;
    let end = Instant::now() + length.time;
    let mut users = tokio::task::JoinSet::new();
    for number in 0..length.users {
        let user = User::new(&world, number, chance.fork(), end, length.leases);
        users.spawn_local(user.live());
    }
    let rest = [
        tokio::task::spawn_local(keep_serving(Arc::clone(&world), chance.fork(), end)),
        tokio::task::spawn_local(meddle(Arc::clone(&world), chance.fork(), end)),
    ];
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }
    for task in rest {
        task.abort();
        match task.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => {}
        }
    }
    world.inspect();
    world.settle().await;
    let inner = world.backend.inner();
    Played {
        problems: inner.problems.clone(),
        journal: inner.journal.clone(),
        leases: inner.leases,
        made: inner.made,
    }
}

fn source(chance: &mut Chance, lists: bool, checks: bool) -> Source {
    let maximum = 1 + chance.below(4) as u32;
    let some = |chance: &mut Chance, least, most| {
        let span = chance.span(least, most);
        chance
            .percent(30)
            .then_some(Millis(span.as_millis() as u64))
    };
    let policy = Policy {
        maximum: Limit::At(maximum),
        reserve: chance.below(u64::from(maximum) + 1) as u32,
        prealloc: chance.below(3) as u32,
        max_starting: Limit::At(1 + chance.below(3) as u32),
        start_delay: Millis(chance.below(2) * 200),
        on_demand: chance.percent(20),
        cost: chance.below(3) as u32,
        reuse: Reuse {
            max_count: chance.below(4) as u32,
            max_time: some(chance, 5_000, 30_000),
            opportunity: some(chance, 1_000, 20_000),
        },
        idle_timeout: some(chance, 2_000, 20_000),
        max_age: some(chance, 10_000, 60_000),
        lease_ttl: some(chance, 2_000, 10_000),
        checks: Checks {
            period: Some(Millis::seconds(3)),
            attempts: 1 + chance.below(3) as u32,
        },
        backoff: Backoff {
            first: Millis::seconds(1),
            longest: Millis::seconds(8),
        },
        ..Policy::default()
    };
    Source {
        policy,
        traits: Traits {
            lists,
            checks,
            cleans: chance.percent(40),
            facts: chance.percent(30),
        },
    }
}

fn trouble(world: &World, chance: &mut Chance) {
    let hard = *chance.one(&[0, 1, 2, 4]);
    let mut inner = world.backend.inner();
    inner.trouble = Trouble {
        errors: 4 * hard,
        lost: 2 * hard,
        late: hard,
        wrong: hard,
        deaths: hard,
        slowest: *chance.one(&[5, 200, 2_000]),
    };
    if chance.percent(30) {
        let quota = 1 + chance.below(2) as u32;
        inner.quota.insert(name("a"), quota);
    }
}

/// A `serve` that is killed, ordered to drain, and started again; in some histories there is none.
async fn keep_serving(world: Arc<World>, mut chance: Chance, end: Instant) {
    if chance.percent(25) {
        return;
    }
    while Instant::now() < end {
        let life = Life::long();
        let (order, orders) = tokio::sync::watch::channel(Order::Run);
        let time = chance.span(300, 8_000);
        let drains = chance.percent(30);
        let watch = tokio::task::spawn_local({
            let life = Arc::clone(&life);
            async move {
                tokio::time::sleep(time).await;
                if drains {
                    let _ = order.send(Order::Drain);
                    // Its patience is over.
                    tokio::time::sleep(Duration::from_secs(30)).await;
                }
                life.kill();
            }
        });
        if let Some(Err(error)) = world.serve(&life, orders).await {
            world.backend.inner().problem(format!("serve: {error}"));
        }
        watch.abort();
        tokio::time::sleep(chance.span(0, 5_000)).await;
    }
}

/// Machines vanish, and somebody looks whether all that exists is known.
async fn meddle(world: Arc<World>, mut chance: Chance, end: Instant) {
    let vanish = chance.percent(50);
    while Instant::now() < end {
        tokio::time::sleep(chance.span(500, 8_000)).await;
        world.inspect();
        let mut inner = world.backend.inner();
        // Those of `c` can neither be listed nor checked: nobody could ever tell.
        let visible = inner
            .machines
            .iter()
            .filter(|one| one.source.as_str() != "c");
        let tokens: Vec<_> = visible.map(|one| one.token.clone()).collect();
        if vanish && chance.percent(30) && !tokens.is_empty() {
            let token = chance.one(&tokens).clone();
            inner.note("somebody else destroys a machine:".into());
            inner.death(&token);
        }
    }
}
