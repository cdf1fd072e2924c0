//! What histories found about tickets, told one by one.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use runner::engine::{Ask, Destination, EngineError, Wait};
use runner::provider::ErrorKind;
use runner::store::{StoreError, TicketState};
use runner_core::policy::Policy;
use runner_sim::world::{POOL, Source, World};
use runner_sim::{Chance, Fate, Life, Traits};

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
