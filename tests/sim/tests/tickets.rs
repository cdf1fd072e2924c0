//! What histories found about tickets, told one by one.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use runner::engine::{Ask, Destination, EngineError, Wait};
use runner::provider::ErrorKind;
use runner::store::{StoreError, TicketState};
use runner_core::policy::{Millis, Policy};
use runner_sim::world::{POOL, Source, World, name};
use runner_sim::{Chance, Fate, Life, Traits};
use tokio::task::LocalSet;

fn world() -> Arc<World> {
    let source = |cost| Source {
        policy: Policy {
            cost,
            ..Policy::default()
        },
        traits: Traits::default(),
    };
    let sources = [("a", source(0)), ("b", source(1))];
    World::new(Chance::new(1), &sources, Some(Policy::default()))
}

/// Acquires one of the pool, ends its lease this way, and answers what became of its ticket.
async fn after(world: &World, forced: bool) -> TicketState {
    let life = Life::long();
    let done = world.command(None, &life, |engine| async move {
        let ask = Ask {
            wait: Wait::For(Duration::from_secs(60)),
            ..Ask::default()
        };
        let acquired = engine.acquire(&world.draw(POOL), &ask).await?;
        let (names, ticket) = (acquired.names(), acquired.ticket().unwrap());
        acquired.confirm()?;
        if forced {
            engine.discard(&names, false).await?;
        } else {
            engine.release(&names, &Destination::Nowhere).await?;
        }
        Ok::<_, EngineError>(ticket)
    });
    let ticket = done.await.unwrap().unwrap();
    let row = world.observer.read::<_, StoreError>(|tx| tx.ticket(ticket));
    row.unwrap().unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_over_when_its_last_instance_is_discarded() {
    assert_eq!(after(&world(), true).await, TicketState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_over_while_what_could_not_be_made_for_it_is_still_on_its_way_out() {
    let world = world();
    let lost = Fate::Lost(ErrorKind::Failed);
    let refused = Fate::Error(ErrorKind::Unavailable { retry_after: None });
    // Made, but the answer is lost; and then it cannot be destroyed for a while.
    let orders = [(1, lost), (2, refused)];
    world.backend.inner().orders.extend(orders);
    assert_eq!(after(&world, false).await, TicketState::Closed);
    assert_eq!(
        world.rows().len(),
        1,
        "the first one is still being destroyed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_dead_process_does_not_take_the_only_start_there_is() {
    let source = Source {
        policy: Policy {
            start_delay: Millis(200),
            ..Policy::default()
        },
        traits: Traits::default(),
    };
    let world = World::new(Chance::new(1), &[("a", source)], None);
    world.backend.inner().quota.insert(name("a"), 0);
    let acquire = |life: Arc<Life>, wait| {
        let world = Arc::clone(&world);
        async move {
            let ask = Ask {
                wait,
                ..Ask::default()
            };
            let draw = world.draw("a");
            let acquired = world.command(None, &life, |engine| async move {
                engine.acquire(&draw, &ask).await?.confirm()
            });
            acquired.await
        }
    };
    let life = Life::long();
    let first = LocalSet::new();
    let waiting = first.spawn_local(acquire(Arc::clone(&life), Wait::Forever));
    let time = Duration::from_secs(60);
    first.run_until(tokio::time::sleep(time)).await;
    life.kill();
    first.await;
    assert!(
        waiting.await.unwrap().is_none(),
        "it waited until it was killed"
    );
    world.backend.inner().quota.clear();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let second = tokio::time::timeout(time, acquire(Life::long(), Wait::No)).await;
    second.unwrap().unwrap().unwrap();
}
