//! What must hold: at every moment, and when everything has come to rest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runner::engine::{Destination, EventFilter, Order};
use runner::store::{InstanceRow, StoreError, TicketRow, TicketState};
use runner_core::id::InstanceName;
use runner_core::instance::State;

use super::life::Life;
use super::users::OWNERS;
use super::world::World;

/// Longer than any pause of the engine, many times.
const PATIENCE: u64 = 400;

impl World {
    /// The live rows of the books.
    pub fn rows(&self) -> Vec<InstanceRow> {
        self.observer
            .read::<_, StoreError>(|tx| tx.live_instances(None))
            .unwrap()
    }

    /// At any moment: whatever exists and was not made behind everybody's back is in the books.
    pub fn inspect(&self) {
        let known: BTreeSet<_> = self.rows().into_iter().map(|row| row.token).collect();
        let mut inner = self.backend.inner();
        let leaks: Vec<String> = inner
            .machines
            .iter()
            .filter(|machine| !machine.late && !known.contains(&machine.token))
            .map(|machine| format!("{} of {} leaked", machine.handle, machine.source))
            .collect();
        for leak in leaks {
            if !inner.problems.contains(&leak) {
                inner.problem(leak);
            }
        }
    }

    /// What is not at rest yet; empty when the books and the backend say the same, and nobody waits.
    fn unrest(&self) -> Vec<String> {
        let rows = self.rows();
        let mut unrest = Vec::new();
        let inner = self.backend.inner();
        for row in &rows {
            if row.state != State::Ready {
                let trouble = row.trouble.as_deref().unwrap_or_default();
                unrest.push(format!(
                    "{} is {} ({trouble})",
                    row.name,
                    row.state.as_str()
                ));
            }
            if !inner.machines.iter().any(|one| one.token == row.token) {
                unrest.push(format!("{} has no machine", row.name));
            }
        }
        if inner.unborn > 0 {
            unrest.push(format!("{} machines come late", inner.unborn));
        }
        for machine in &inner.machines {
            if !rows.iter().any(|row| row.token == machine.token) {
                unrest.push(format!("{} is not in the books", machine.handle));
            }
        }
        drop(inner);
        let tickets = self.observer.read::<_, StoreError>(|tx| tx.tickets(false));
        for ticket in tickets.unwrap() {
            if matches!(ticket.state, TicketState::Waiting | TicketState::Served) {
                unrest.push(format!("ticket {} is {}", ticket.id, ticket.state.as_str()));
            }
        }
        unrest
    }

    /// Serves without trouble until everything is at rest: first as it is configured, then with nothing configured any more.
    /// What is left then, is lost.
    pub async fn settle(self: &Arc<Self>) {
        self.backend.inner().trouble = Default::default();
        self.backend.inner().quota.clear();
        self.come_to_rest("after the history").await;
        self.inspect();
        {
            let mut configuration = self.configuration.lock().unwrap();
            configuration.sources.clear();
            configuration.pool = None;
        }
        self.come_to_rest("without a configuration").await;
        let left = self.rows().len() + self.backend.inner().machines.len();
        if left > 0 {
            let text = format!("{left} are left without a configuration");
            self.backend.inner().problem(text);
        }
    }

    async fn come_to_rest(self: &Arc<Self>, when: &str) {
        let (order, orders) = tokio::sync::watch::channel(Order::Run);
        let life = Life::long();
        let server = tokio::task::spawn_local({
            let (world, life) = (Arc::clone(self), Arc::clone(&life));
            async move { world.serve(&life, orders).await }
        });
        let configured = !self.configuration.lock().unwrap().sources.is_empty();
        let mut calm = 0;
        for _ in 0..PATIENCE {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.release_all().await;
            let quiet = self.unrest().is_empty() && (configured || self.rows().is_empty());
            calm = if quiet { calm + 1 } else { 0 };
            if calm == 3 {
                break;
            }
        }
        let unrest = self.unrest();
        if calm < 3 {
            self.recount();
            let text = format!("no rest {when}: {}", unrest.join("; "));
            self.backend.inner().problem(text);
        }
        let _ = order.send(Order::Drain);
        match server.await.unwrap() {
            Some(Ok(())) => {}
            other => {
                let text = format!("serve did not drain: {:?}", other.map(Result::err));
                self.backend.inner().problem(text);
            }
        }
    }

    /// The books' own story, into the journal.
    pub fn recount(&self) {
        let all = EventFilter::default();
        let events = self.observer.read::<_, StoreError>(|tx| tx.events(&all));
        let tickets = self.observer.read::<_, StoreError>(|tx| tx.tickets(false));
        let engine = self.process(None, &Life::long());
        let mut inner = self.backend.inner();
        for ticket in tickets.unwrap() {
            let why = engine.why(&ticket.id.to_string());
            inner.note(format!("{ticket:?}"));
            inner.note(format!("{:?}", why.map(|why| (why.answer, why.considered))));
        }
        for row in self.rows() {
            inner.note(format!("{row:?}"));
        }
        for (name, source) in &self.configuration.lock().unwrap().sources {
            inner.note(format!("{name}: {source:?}"));
        }
        for event in events.unwrap() {
            inner.note(format!("{event:?}"));
        }
    }

    /// The users are gone: the leases that were confirmed to them are released.
    async fn release_all(&self) {
        let waits = |rows: &[TicketRow]| rows.iter().any(|row| row.state == TicketState::Waiting);
        let tickets = self.observer.read::<_, StoreError>(|tx| tx.tickets(false));
        if waits(&tickets.unwrap()) {
            // What is on somebody's shelf is in the way of the others, rightly, until its owner clears it.
            for owner in OWNERS {
                let life = Life::long();
                let cleared = self.command(Some(owner), &life, |engine| async move {
                    engine.discard_shelved(owner, None).await.map(drop)
                });
                if let Some(Err(error)) = cleared.await {
                    self.backend
                        .inner()
                        .note(format!("shelf of {owner}: {error}"));
                }
            }
        }
        let held: Vec<InstanceName> = self
            .rows()
            .into_iter()
            .filter(|row| row.lease.as_ref().is_some_and(|lease| lease.confirmed))
            .map(|row| row.name)
            .collect();
        if held.is_empty() {
            return;
        }
        let released = self
            .command(None, &Life::long(), |engine| async move {
                engine.release(&held, &Destination::Usual).await.map(drop)
            })
            .await;
        if let Some(Err(error)) = released {
            self.backend.inner().note(format!("release: {error}"));
        }
    }
}
