//! The verbs over the real store and a model of a backend.

mod fleet;
mod model;
mod routing;
mod uncertain;

use std::time::Duration;

use model::{Fault, World};
use runner_core::id::{InstanceName, SourceName};
use runner_core::instance::State;
use runner_core::policy::{Limit, Policy};

use super::*;
use crate::store::WorkerId;

fn source(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

fn limits(maximum: u32, reserve: u32) -> Policy {
    let maximum = if maximum == 0 {
        Limit::Unlimited
    } else {
        Limit::At(maximum)
    };
    Policy {
        maximum,
        reserve,
        ..Policy::default()
    }
}

fn ask(count: u32, wait: Wait) -> Ask {
    Ask {
        count,
        wait,
        ..Ask::default()
    }
}

fn names(acquired: &Acquired) -> Vec<String> {
    acquired.names().iter().map(ToString::to_string).collect()
}

/// Acquires and confirms.
async fn get(world: &World, draw: &Draw, count: u32) -> Vec<InstanceName> {
    let acquired = world
        .engine
        .acquire(draw, &ask(count, Wait::No))
        .await
        .unwrap();
    let names = acquired.names();
    acquired.confirm().unwrap();
    names
}

fn end(released: &[Released]) -> Vec<&'static str> {
    released
        .iter()
        .map(|released| match released.end {
            ReleaseEnd::Kept => "kept",
            ReleaseEnd::Discarded => "discarded",
            ReleaseEnd::Already => "already",
            ReleaseEnd::Pending(_) => "pending",
        })
        .collect()
}

#[tokio::test]
async fn a_whole_life() {
    let world = World::new(&[("web", limits(2, 0))]);
    let draw = world.draw("web");
    let held = get(&world, &draw, 2).await;
    assert_eq!(
        held.iter().map(InstanceName::as_str).collect::<Vec<_>>(),
        ["web-0", "web-1"]
    );
    assert_eq!(world.backend.existing(), 2);
    let full = world
        .engine
        .acquire(&draw, &ask(1, Wait::No))
        .await
        .err()
        .unwrap();
    assert_eq!(full.kind, FailureKind::Exhausted);
    assert!(full.message.contains("maximum of 2"), "{full}");
    assert_eq!(
        end(&world
            .engine
            .release(&held, &Destination::Usual)
            .await
            .unwrap()),
        ["discarded", "discarded"]
    );
    assert_eq!(world.backend.existing(), 0);
    assert_eq!(
        end(&world
            .engine
            .release(&held, &Destination::Usual)
            .await
            .unwrap()),
        ["already", "already"]
    );
}

#[tokio::test]
async fn reserve_keeps_and_hands_out_again() {
    let world = World::new(&[("web", limits(1, 1))]);
    let draw = world.draw("web");
    let first = get(&world, &draw, 1).await;
    assert_eq!(
        end(&world
            .engine
            .release(&first, &Destination::Usual)
            .await
            .unwrap()),
        ["kept"]
    );
    assert_eq!(get(&world, &draw, 1).await, first);
    assert_eq!(world.backend.made(), 1);
}

#[tokio::test]
async fn an_outdated_idle_instance_is_replaced() {
    let world = World::new(&[("web", limits(1, 1))]);
    let first = get(&world, &world.draw("web"), 1).await;
    world
        .engine
        .release(&first, &Destination::Usual)
        .await
        .unwrap();
    let mut changed = world.draw("web");
    changed.sources[0].shape = "another".into();
    assert_ne!(get(&world, &changed, 1).await, first);
    assert_eq!((world.backend.made(), world.backend.existing()), (2, 1));
}

#[tokio::test]
async fn unknown_names_touch_nothing() {
    let world = World::new(&[("web", limits(0, 0))]);
    let held = get(&world, &world.draw("web"), 1).await;
    let with_unknown = [held[0].clone(), InstanceName::typed("web-7")];
    let error = world
        .engine
        .release(&with_unknown, &Destination::Usual)
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, FailureKind::UnknownInstance);
    assert_eq!(world.state(&held[0]), State::Leased);
}

#[tokio::test]
async fn all_or_nothing_when_one_cannot_be_made() {
    let world = World::new(&[("web", limits(0, 0))]);
    world.backend.fail_allocate(2, Fault::Error);
    let error = world
        .engine
        .acquire(&world.draw("web"), &ask(3, Wait::No))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, FailureKind::Provider);
    assert_eq!((world.backend.existing(), world.live()), (0, 0));
}

#[tokio::test]
async fn a_lost_answer_leaves_nothing_behind() {
    let world = World::new(&[("web", limits(0, 0))]);
    world.backend.fail_allocate(1, Fault::MadeThenError);
    world
        .engine
        .acquire(&world.draw("web"), &ask(1, Wait::No))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (world.backend.made(), world.backend.existing(), world.live()),
        (1, 0, 0)
    );
}

#[tokio::test]
async fn a_handle_in_use_is_refused_and_its_owner_is_left_alone() {
    let world = World::new(&[("web", limits(0, 0))]);
    let draw = world.draw("web");
    let held = get(&world, &draw, 1).await;
    world.backend.fail_allocate(2, Fault::SameHandle);
    let error = world
        .engine
        .acquire(&draw, &ask(1, Wait::No))
        .await
        .err()
        .unwrap();
    assert!(error.message.contains("already in use"), "{error}");
    assert_eq!(world.state(&held[0]), State::Leased);
    assert_eq!(world.backend.existing(), 1);
}

#[tokio::test]
async fn a_pool_goes_on_to_the_next_source() {
    let world = World::new(&[("spot", limits(0, 0)), ("steady", limits(0, 0))]);
    world.backend.fail_allocate(1, Fault::Exhausted);
    let held = get(
        &world,
        &world.pool("pool", &["spot", "steady"], limits(0, 0)),
        1,
    )
    .await;
    assert_eq!(held[0].as_str(), "pool-1");
    let row = world
        .store
        .read(|tx| tx.instance(&held[0]))
        .unwrap()
        .unwrap();
    assert_eq!(row.source, source("steady"));
    assert_eq!(world.backend.existing(), 1);
}

#[tokio::test]
async fn an_exhausted_child_is_named() {
    // crcache printed an empty line and ended with 0.
    let world = World::new(&[("local", limits(1, 0))]);
    let pool = world.pool("pool", &["local"], limits(0, 0));
    get(&world, &pool, 1).await;
    let error = world
        .engine
        .acquire(&pool, &ask(1, Wait::No))
        .await
        .err()
        .unwrap();
    assert!(
        error
            .message
            .contains("source `local` is at its maximum of 1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_failing_discard_is_repeated_until_confirmed() {
    let world = World::new(&[("web", limits(1, 0))]);
    let draw = world.draw("web");
    let held = get(&world, &draw, 1).await;
    world.backend.fail_discards(1);
    assert_eq!(
        end(&world
            .engine
            .release(&held, &Destination::Usual)
            .await
            .unwrap()),
        ["pending"]
    );
    assert_eq!(
        (world.live(), world.state(&held[0])),
        (1, State::Discarding)
    );
    // It still exists, so it still counts.
    assert_eq!(
        world
            .engine
            .acquire(&draw, &ask(1, Wait::No))
            .await
            .err()
            .unwrap()
            .kind,
        FailureKind::Exhausted
    );
    world.clock.advance(Duration::from_secs(5));
    get(&world, &draw, 1).await;
    assert_eq!(world.backend.existing(), 1);
}

#[tokio::test]
async fn forgetting_is_the_operators_word() {
    let world = World::new(&[("web", limits(1, 0))]);
    let held = get(&world, &world.draw("web"), 1).await;
    world.backend.fail_discards(9);
    assert_eq!(
        end(&world.engine.discard(&held, false).await.unwrap()),
        ["pending"]
    );
    assert_eq!(
        end(&world.engine.discard(&held, true).await.unwrap()),
        ["discarded"]
    );
    assert_eq!(world.live(), 0);
}

#[tokio::test]
async fn what_a_dead_process_held_unconfirmed_is_taken_back() {
    let world = World::new(&[("web", limits(0, 1))]);
    let draw = world.draw("web");
    let acquired = world
        .engine
        .acquire(&draw, &ask(2, Wait::No))
        .await
        .unwrap();
    let held = names(&acquired);
    drop(acquired);
    world.orphan(&held);
    let report = world.engine.repair().await.unwrap();
    assert_eq!(report.finished.len(), 2);
    assert_eq!((world.live(), world.backend.existing()), (1, 1));
}

#[tokio::test]
async fn a_confirmed_lease_outlives_its_process() {
    let world = World::new(&[("web", limits(0, 0))]);
    let held = get(&world, &world.draw("web"), 1).await;
    world.engine.repair().await.unwrap();
    assert_eq!(world.state(&held[0]), State::Leased);
}

#[tokio::test]
async fn waiting_ends_when_somebody_releases() {
    let world = World::new(&[("web", limits(1, 0))]);
    let draw = world.draw("web");
    let held = get(&world, &draw, 1).await;
    let waiting = {
        let (engine, draw) = (world.engine.clone(), draw.clone());
        tokio::spawn(async move {
            engine
                .acquire(&draw, &ask(1, Wait::Forever))
                .await
                .map(|acquired| names(&acquired))
        })
    };
    while world
        .store
        .read(|tx| tx.waiting_for(&source("web")))
        .unwrap()
        .is_empty()
    {
        tokio::task::yield_now().await;
    }
    // Somebody who comes later does not overtake.
    assert_eq!(
        world
            .engine
            .acquire(&draw, &ask(1, Wait::No))
            .await
            .err()
            .unwrap()
            .kind,
        FailureKind::Exhausted
    );
    world
        .engine
        .release(&held, &Destination::Usual)
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), ["web-1"]);
    assert!(
        world
            .store
            .read(|tx| tx.waiting_for(&source("web")))
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn waiting_has_an_end() {
    let world = World::new(&[("web", limits(1, 0))]);
    let draw = world.draw("web");
    get(&world, &draw, 1).await;
    let error = world
        .engine
        .acquire(&draw, &ask(1, Wait::For(Duration::from_millis(20))))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, FailureKind::TimedOut);
    let never = world
        .engine
        .acquire(&draw, &ask(2, Wait::Forever))
        .await
        .err()
        .unwrap();
    assert_eq!(never.kind, FailureKind::Exhausted);
    assert!(
        world
            .store
            .read(|tx| tx.waiting_for(&source("web")))
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_source_may_be_gone_from_the_configuration() {
    let world = World::new(&[("web", limits(0, 5))]);
    let held = get(&world, &world.draw("web"), 1).await;
    world.unconfigure("web");
    assert_eq!(
        end(&world
            .engine
            .release(&held, &Destination::Usual)
            .await
            .unwrap()),
        ["discarded"]
    );
    assert_eq!(world.backend.existing(), 0);
}

#[tokio::test]
async fn an_abandoned_acquire_is_cleaned_up() {
    let world = World::new(&[("web", limits(0, 0))]);
    let draw = world.draw("web");
    world.backend.fail_allocate(1, Fault::MadeThenHang);
    let wish = ask(1, Wait::No);
    let pending = world.engine.acquire(&draw, &wish);
    tokio::select! {
        _ = pending => panic!("it hangs"),
        () = world.backend.hanging() => {}
    }
    assert_eq!((world.live(), world.backend.existing()), (1, 1));
    world.engine.abandon().await.unwrap();
    assert_eq!((world.live(), world.backend.existing()), (0, 0));
}

/// A process that is certainly dead.
fn nobody() -> WorkerId {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.workers().own(|| [9; 8]).unwrap().id().clone()
}
