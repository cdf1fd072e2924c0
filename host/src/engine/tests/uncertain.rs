//! A backend that is down: what that leaves in the books, and that it goes when the backend answers again.

use super::model::{Fault, World};
use super::*;

async fn refused(world: &World, draw: &Draw) -> EngineError {
    let acquired = world.engine.acquire(draw, &ask(1, Wait::No)).await;
    acquired.err().unwrap()
}

#[tokio::test]
async fn what_never_left_the_host_leaves_no_row() {
    let world = World::new(&[("web", limits(0, 0))]);
    let draw = world.draw("web");
    for nth in 1..=5 {
        world.backend.fail_allocate(nth, Fault::Untouched);
    }
    // Nothing could be confirmed either, and nothing needs to be.
    world.backend.fail_discards(100);
    for _ in 1..=5 {
        let error = refused(&world, &draw).await;
        assert_eq!(error.kind, FailureKind::Provider);
        assert_eq!(world.live(), 0);
    }
    assert!(world.engine.loose_ends(&[]).unwrap().is_empty());
}

#[tokio::test]
async fn a_backend_that_is_down_does_not_fill_the_books() {
    let world = World::new(&[("web", limits(0, 0))]);
    let draw = world.draw("web");
    for nth in 1..=3 {
        world.backend.fail_allocate(nth, Fault::MadeThenError);
    }
    world.backend.fail_discards(100);
    for _ in 1..=6 {
        refused(&world, &draw).await;
    }
    assert_eq!((world.live(), world.backend.made()), (3, 3));
    let error = refused(&world, &draw).await;
    assert!(error.message.contains("3 instances"), "{error}");
    let hint = error.hint.unwrap();
    assert!(hint.contains("discard --forget web-0"), "{hint}");
    // Nor do several at once.
    let gang = world.engine.acquire(&draw, &ask(4, Wait::No)).await;
    assert!(gang.is_err());
    assert_eq!((world.live(), world.backend.made()), (3, 3));
    let loose = world.engine.loose_ends(&[source("web")]).unwrap();
    let ends: Vec<_> = loose.iter().map(|one| one.loose_end).collect();
    assert_eq!(ends, [Some(LooseEnd::Uncertain); 3]);

    // It answers again: whoever comes next is served, and what was left goes without anybody's word.
    world.backend.fail_discards(0);
    let held = get(&world, &draw, 4).await;
    world.engine.repair().await.unwrap();
    assert_eq!((world.live(), world.backend.existing()), (4, 4));
    assert_eq!(held.len(), 4);
    assert!(world.engine.loose_ends(&[]).unwrap().is_empty());
}

#[tokio::test]
async fn what_a_dead_process_held_is_told_before_it_is_taken_back() {
    let world = World::new(&[("web", limits(0, 0))]);
    let draw = world.draw("web");
    let acquired = world.engine.acquire(&draw, &ask(1, Wait::No)).await;
    let acquired = acquired.unwrap();
    let held = names(&acquired);
    assert!(world.engine.loose_ends(&[]).unwrap().is_empty());
    drop(acquired);
    world.orphan(&held);
    let loose = world.engine.loose_ends(&[]).unwrap();
    assert_eq!(loose[0].loose_end, Some(LooseEnd::NeverTold));
    assert!(
        world
            .engine
            .loose_ends(&[source("other")])
            .unwrap()
            .is_empty()
    );
    let shown = world.engine.status(&[], true).unwrap();
    assert_eq!(shown[0].instances[0].loose_end, Some(LooseEnd::NeverTold));
    world.engine.repair().await.unwrap();
    assert!(world.engine.loose_ends(&[]).unwrap().is_empty());
}
