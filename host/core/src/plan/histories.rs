//! Properties over random histories: plans are carried out step by step, with every kind of accident.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{NOW, idle, source, ticket};
use super::*;
use crate::policy::{Limit, Policy};

/// A world that plans are carried out in, step by step, with every kind of accident.
#[derive(Debug)]
struct Model {
    sources: Vec<SourceView>,
    tickets: BTreeMap<i64, TicketView>,
    /// Per ticket: which rows it holds.
    held: BTreeMap<i64, Vec<(usize, i64)>>,
    /// What is being made: its source, and for whom.
    coming: Vec<(usize, Option<i64>)>,
    leased: BTreeSet<i64>,
    next: i64,
    now: i64,
}

#[derive(Clone, Debug)]
enum Step {
    Open {
        wanted: u32,
        sources: BTreeSet<usize>,
        priority: i32,
    },
    Close(usize),
    Made(usize),
    Failed(usize),
    Plan,
    Wait(u16),
}

impl Model {
    fn world(&self) -> World {
        let mut sources = self.sources.clone();
        for (index, source) in sources.iter_mut().enumerate() {
            let starting = self.coming.iter().filter(|(of, _)| *of == index);
            source.counts.starting = starting.clone().count() as u32;
            source.unassigned_starting =
                starting.filter(|(_, ticket)| ticket.is_none()).count() as u32;
            source.counts.ready = source.idle.len() as u32;
            let held = self.held.values().flatten();
            source.counts.leased = held.filter(|(of, _)| *of == index).count() as u32;
        }
        let tickets = self.tickets.iter().map(|(id, ticket)| {
            let mut ticket = ticket.clone();
            ticket.held = self.held.get(id).map_or(0, Vec::len) as u32;
            ticket.coming = self
                .coming
                .iter()
                .filter(|(_, of)| *of == Some(*id))
                .count() as u32;
            ticket
        });
        World {
            tickets: tickets
                .filter(|ticket| ticket.held < ticket.wanted)
                .collect(),
            sources,
            pools: Vec::new(),
            tend: true,
        }
    }

    fn live(&self, source: usize) -> u32 {
        self.world().sources[source].counts.live()
    }

    fn carry_out(&mut self) {
        let world = self.world();
        let decided = plan(&world, Timestamp(self.now));
        for waiting in &world.tickets {
            let served = decided.actions.iter().any(|action| {
                matches!(action, Action::Assign { ticket, .. } | Action::Grow { ticket: Some(ticket), .. } if *ticket == waiting.id)
            });
            assert!(
                served || decided.report(waiting.id).is_some(),
                "ticket {} waits without a reason",
                waiting.id
            );
        }
        for action in decided.actions {
            match action {
                Action::Assign { ticket, instances } => {
                    for id in instances {
                        assert!(self.leased.insert(id.0), "{id:?} has two holders");
                        let (source, _) = self.take(id.0);
                        self.held.entry(ticket.0).or_default().push((source, id.0));
                    }
                }
                Action::Grow {
                    source,
                    count,
                    ticket,
                } => {
                    for _ in 0..count {
                        self.coming.push((source, ticket.map(|ticket| ticket.0)));
                    }
                }
                Action::GiveBack { ticket } => {
                    for (source, id) in self.held.remove(&ticket.0).unwrap_or_default() {
                        self.leased.remove(&id);
                        self.sources[source].idle.push(Idle {
                            uses: 1,
                            ..idle(id)
                        });
                    }
                }
                Action::Fail { ticket, .. } => drop(self.tickets.remove(&ticket.0)),
                Action::Discard { instance, .. } => drop(self.take(instance.0)),
            }
        }
        for (index, source) in self.sources.iter().enumerate() {
            let maximum = source.policy.unwrap().maximum;
            assert!(
                maximum.room(0) >= self.live(index),
                "{} exist of at most {maximum}",
                self.live(index)
            );
        }
    }

    fn take(&mut self, id: i64) -> (usize, Idle) {
        for (index, source) in self.sources.iter_mut().enumerate() {
            if let Some(at) = source.idle.iter().position(|one| one.id.0 == id) {
                return (index, source.idle.remove(at));
            }
        }
        panic!("{id} is not idle");
    }

    fn made(&mut self, nth: usize) {
        if self.coming.is_empty() {
            return;
        }
        let (source, ticket) = self.coming.remove(nth % self.coming.len());
        self.next += 1;
        match ticket.filter(|ticket| self.tickets.contains_key(ticket)) {
            Some(ticket) => {
                self.leased.insert(self.next);
                self.held
                    .entry(ticket)
                    .or_default()
                    .push((source, self.next));
            }
            None => self.sources[source].idle.push(Idle {
                created: Timestamp(self.now),
                since: Timestamp(self.now),
                ..idle(self.next)
            }),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Open {
                wanted,
                sources,
                priority,
            } => {
                self.next += 1;
                let sources: Vec<usize> = sources
                    .iter()
                    .map(|index| index % self.sources.len())
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect();
                let mut new = ticket(self.next, *wanted, &sources);
                new.priority = *priority;
                new.opened = Timestamp(self.now);
                self.tickets.insert(self.next, new);
            }
            Step::Close(nth) => {
                let ids: Vec<i64> = self.tickets.keys().copied().collect();
                if let Some(id) = ids.get(nth % ids.len().max(1)) {
                    self.tickets.remove(id);
                    for (_, row) in self.held.remove(id).unwrap_or_default() {
                        self.leased.remove(&row);
                    }
                }
            }
            Step::Made(nth) => self.made(*nth),
            Step::Failed(nth) => {
                if !self.coming.is_empty() {
                    self.coming.remove(nth % self.coming.len());
                }
            }
            Step::Plan => self.carry_out(),
            Step::Wait(by) => self.now += i64::from(*by),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1u32..5, prop::collection::btree_set(0usize..4, 1..4), 0i32..3)
            .prop_map(|(wanted, sources, priority)| Step::Open { wanted, sources, priority }),
        2 => (0usize..9).prop_map(Step::Close),
        4 => (0usize..9).prop_map(Step::Made),
        1 => (0usize..9).prop_map(Step::Failed),
        6 => Just(Step::Plan),
        1 => any::<u16>().prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

prop_compose! {
    fn policies()(list in prop::collection::vec((1u32..6, 0u32..4, 0u32..3, 1u32..4, 0i32..2, 0u32..3), 1..4)) -> Vec<Policy> {
        list.into_iter().map(|(maximum, reserve, prealloc, starting, priority, cost)| Policy {
            maximum: Limit::At(maximum),
            reserve: reserve.min(maximum),
            prealloc: prealloc.min(maximum),
            max_starting: Limit::At(starting),
            priority,
            cost,
            ..Policy::default()
        }).collect()
    }
}

proptest! {
    /// Whatever happens: limits hold, nobody shares, every wait has a reason; and when the world comes to rest, everybody who
    /// can be served is, reserve and prealloc are met, and the planner has nothing left to do.
    #[test]
    fn histories(policies in policies(), steps in steps()) {
        let sources = policies.iter().enumerate().map(|(index, policy)| {
            source(&format!("s{index}"), *policy, 0, Vec::new())
        });
        let mut model = Model {
            sources: sources.collect(),
            tickets: BTreeMap::new(),
            held: BTreeMap::new(),
            coming: Vec::new(),
            leased: BTreeSet::new(),
            next: 0,
            now: NOW.0,
        };
        for step in &steps {
            model.step(step);
        }
        // From here on everything that is begun succeeds, and whoever is served leaves.
        let mut rounds = 0;
        loop {
            model.carry_out();
            while !model.coming.is_empty() {
                model.made(0);
            }
            let done: Vec<i64> = model.tickets.iter().filter(|(id, ticket)| {
                model.held.get(id).map_or(0, Vec::len) as u32 >= ticket.wanted
            }).map(|(id, _)| *id).collect();
            for id in &done {
                model.tickets.remove(id);
                for (_, row) in model.held.remove(id).unwrap_or_default() {
                    model.leased.remove(&row);
                }
            }
            let settled = done.is_empty() && plan(&model.world(), Timestamp(model.now)).actions.is_empty();
            if settled {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 500, "the planner does not come to rest");
        }
        prop_assert!(model.tickets.is_empty(), "not served: {:?}", model.tickets.keys());
        for (index, policy) in policies.iter().enumerate() {
            let idle = model.sources[index].idle.len() as u32;
            let unused = model.sources[index].idle.iter().filter(|one| one.uses == 0).count() as u32;
            let full = policy.maximum.room(idle) == 0;
            prop_assert!(full || unused >= policy.prealloc, "prealloc {} of {}", unused, policy.prealloc);
            prop_assert!(idle >= policy.reserve, "reserve {} of {}", idle, policy.reserve);
        }
    }
}
