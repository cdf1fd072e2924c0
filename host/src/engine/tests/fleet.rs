//! Leases, checks, orphans and the clock, over the model of a backend.

use std::time::Duration;

use runner_core::id::InstanceName;
use runner_core::instance::State;
use runner_core::policy::{Checks, Millis, Policy};

use super::model::World;
use super::{ask, end, get, limits};
use crate::engine::*;

fn with(change: impl FnOnce(&mut Policy)) -> World {
    let mut policy = limits(3, 3);
    change(&mut policy);
    World::new(&[("web", policy)])
}

/// The same instance with the number of its lease.
fn fenced(world: &World, name: &InstanceName) -> InstanceName {
    let row = world.store.read(|tx| tx.instance(name)).unwrap().unwrap();
    InstanceName::typed(format!("{name}@{}", row.lease.unwrap().fence.0))
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_ends_in_a_release() {
    let world = with(|policy| policy.lease_ttl = Some(Millis(1000)));
    let held = get(&world, &world.draw("web"), 2).await;
    world.clock.advance(Duration::from_millis(900));
    world.engine.renew(&held[..1], None).await.unwrap();
    world.clock.advance(Duration::from_millis(200));
    world.engine.repair().await.unwrap();
    assert_eq!(world.state(&held[0]), State::Leased);
    assert_eq!(world.state(&held[1]), State::Ready);
    let late = world.engine.renew(&held[1..], None).await.err().unwrap();
    assert_eq!(late.kind, FailureKind::NotLeased);
}

#[tokio::test]
async fn who_lost_the_lease_cannot_use_what_somebody_else_holds_now() {
    let world = with(|_| {});
    let draw = world.draw("web");
    let first = get(&world, &draw, 1).await;
    let old = fenced(&world, &first[0]);
    let usual = Destination::Usual;
    assert_eq!(
        end(&world.engine.release(&first, &usual).await.unwrap()),
        ["kept"]
    );
    assert_eq!(get(&world, &draw, 1).await, first);
    let new = fenced(&world, &first[0]);
    assert_ne!(old, new);
    let refused = world.engine.release(&[old], &usual).await.err().unwrap();
    assert_eq!(refused.kind, FailureKind::NotLeased);
    assert_eq!(world.state(&first[0]), State::Leased);
    assert_eq!(
        end(&world.engine.release(&[new], &usual).await.unwrap()),
        ["kept"]
    );
}

#[tokio::test]
async fn a_lease_ends_with_the_process_that_it_watches() {
    let world = with(|_| {});
    let mut child = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let found = crate::process::identity::of(child.id()).unwrap();
    let wish = Ask {
        holder: Some(Holder::Process {
            pid: child.id(),
            started: found.started,
            boot: found.boot,
        }),
        ..ask(1, Wait::No)
    };
    let acquired = world
        .engine
        .acquire(&world.draw("web"), &wish)
        .await
        .unwrap();
    let held = acquired.names();
    acquired.confirm().unwrap();
    world.engine.repair().await.unwrap();
    assert_eq!(world.state(&held[0]), State::Leased);
    child.kill().unwrap();
    child.wait().unwrap();
    world.engine.repair().await.unwrap();
    assert_eq!(world.state(&held[0]), State::Ready);
}

#[tokio::test]
async fn a_failed_check_keeps_an_instance_back_and_more_destroy_it() {
    let world = with(|policy| {
        policy.checks = Checks {
            period: Some(Millis(1000)),
            attempts: 2,
        };
    });
    let draw = world.draw("web");
    let held = get(&world, &draw, 1).await;
    world
        .engine
        .release(&held, &Destination::Usual)
        .await
        .unwrap();
    world.backend.fail_checks(true);
    let found = world.engine.check(&held[0]).await.unwrap();
    assert!(
        matches!(found, Finding::Failed { failures: 1, .. }),
        "{found:?}"
    );
    assert_ne!(get(&world, &draw, 1).await, held);
    world.backend.fail_checks(false);
    assert!(matches!(
        world.engine.check(&held[0]).await.unwrap(),
        Finding::Alive
    ));
    assert_eq!(get(&world, &draw, 1).await, held);
    world.backend.fail_checks(true);
    for _ in 0..2 {
        drop(world.engine.check(&held[0]).await.unwrap());
    }
    assert_eq!(world.state(&held[0]), State::Discarded);
}

#[tokio::test]
async fn orphans_of_ours_are_destroyed_after_their_quarantine_and_strangers_never() {
    let world = with(|_| {});
    let source = super::source("web");
    let grace = Millis(1000);
    let held = get(&world, &world.draw("web"), 1).await;
    let row = world
        .store
        .read(|tx| tx.instance(&held[0]))
        .unwrap()
        .unwrap();
    world.engine.discard(&held, false).await.unwrap();
    assert_eq!(world.backend.existing(), 0);
    // What was confirmed to be gone comes back (a creation that ended late), beside something of somebody else's.
    world.backend.appears(row.token.as_str(), "late");
    world.backend.appears(&"f".repeat(32), "stranger");
    world.engine.sweep(&source, grace).await.unwrap();
    let known: Vec<_> = world.engine.orphans().unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known.iter().filter(|one| one.made_as.is_some()).count(), 1);
    world.engine.sweep(&source, grace).await.unwrap();
    assert_eq!(world.backend.existing(), 2, "not before its time");
    world.clock.advance(Duration::from_millis(1000));
    world.engine.sweep(&source, grace).await.unwrap();
    assert_eq!(world.backend.existing(), 1);
    world.engine.sweep(&source, grace).await.unwrap();
    assert_eq!(world.engine.orphans().unwrap().len(), 1);
}

#[tokio::test]
async fn what_vanished_is_noticed_and_its_ticket_told() {
    let world = with(|_| {});
    let ticket = world
        .engine
        .open_ticket(&world.draw("web"), &ask(1, Wait::Forever))
        .await
        .unwrap();
    let served = world
        .engine
        .wait_ticket(ticket.id, Wait::Forever)
        .await
        .unwrap();
    assert_eq!(served.state, "served");
    world.backend.fail_checks(true);
    world.backend.vanishes();
    world
        .engine
        .sweep(&super::source("web"), Millis(1000))
        .await
        .unwrap();
    let told = world.engine.check_ticket(ticket.id).unwrap();
    assert_eq!(told.state, "failed");
    assert!(told.reason.unwrap().contains("died"));
}

#[tokio::test]
async fn a_clock_that_is_set_ends_nothing() {
    let world = with(|policy| policy.lease_ttl = Some(Millis::seconds(60)));
    let held = get(&world, &world.draw("web"), 1).await;
    world.clock.set_by(Duration::from_secs(24 * 3600));
    world.engine.repair().await.unwrap();
    assert_eq!(world.state(&held[0]), State::Leased);
    // Only what really passed counts.
    world.clock.advance(Duration::from_secs(61));
    world.engine.repair().await.unwrap();
    assert_eq!(world.state(&held[0]), State::Ready);
}

#[tokio::test]
async fn two_who_want_much_do_not_block_each_other() {
    let world = with(|policy| policy.reserve = 0);
    let draw = world.draw("web");
    let one = get(&world, &draw, 1).await;
    let wish = ask(3, Wait::Forever);
    let (first, second, _) = tokio::join!(
        async {
            let acquired = world.engine.acquire(&draw, &wish).await.unwrap();
            let names = acquired.names();
            acquired.confirm().unwrap();
            world
                .engine
                .release(&names, &Destination::Usual)
                .await
                .unwrap();
            names.len()
        },
        async {
            let acquired = world.engine.acquire(&draw, &wish).await.unwrap();
            let names = acquired.names();
            acquired.confirm().unwrap();
            world
                .engine
                .release(&names, &Destination::Usual)
                .await
                .unwrap();
            names.len()
        },
        async {
            tokio::task::yield_now().await;
            world
                .engine
                .release(&one, &Destination::Usual)
                .await
                .unwrap();
        }
    );
    assert_eq!((first, second), (3, 3));
    assert_eq!(world.backend.existing(), 0);
}

#[tokio::test]
async fn a_shelf_gives_back_to_its_owner_and_holds_no_more_than_it_may() {
    let world = with(|policy| policy.reserve = 0);
    world.engine.create_shelf("mine", 1).unwrap();
    let draw = world.draw("web");
    let wish = Ask {
        shelf: Some("mine".into()),
        ..ask(2, Wait::No)
    };
    let acquired = world.engine.acquire(&draw, &wish).await.unwrap();
    let held = acquired.names();
    acquired.confirm().unwrap();
    let mut ends = end(&world
        .engine
        .release(&held, &Destination::Usual)
        .await
        .unwrap());
    ends.sort_unstable();
    assert_eq!(ends, ["discarded", "kept"]);
    assert_eq!(world.engine.shelf("mine").unwrap().current, 1);
    // Nobody gets it without the shelf.
    let other = get(&world, &draw, 1).await;
    assert!(!held.contains(&other[0]));
    let again = world
        .engine
        .acquire(&draw, &Ask { count: 1, ..wish })
        .await
        .unwrap();
    assert!(held.contains(&again.names()[0]));
    again.confirm().unwrap();
    let filled = world
        .engine
        .fill_shelf("mine", &draw, &ask(1, Wait::No))
        .await
        .unwrap();
    assert_eq!(world.state(&filled[0]), State::Ready);
    assert_eq!(
        end(&world.engine.delete_shelf("mine").await.unwrap()),
        ["discarded"]
    );
}
