//! The jobs that nobody has taken yet, and who takes which.
//!
//! A worker goes on with the samples of the task that it just ran; else it takes of the highest priority that is left, and
//! among those the first of its own order in the suite where it is, else the first in a suite where the fewest workers of
//! its system are. The list is shared, so whoever is free takes what is left.

use std::collections::{BTreeMap, BTreeSet};

use super::permutation;

/// A job as far as its turn depends on it. Numbers stand for names: equal numbers, equal names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Backend and system.
    pub system: usize,
    pub suite: usize,
    /// The job without its sample: samples of one task and variant share it.
    pub task: usize,
    pub sample: u32,
    pub priority: i64,
}

/// How jobs are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By priority, suites together, each worker by an order of its own that follows from the seed.
    Seed(i64),
    /// As listed; priorities do not count.
    AsListed,
}

/// A worker's place: its system, and which of that system's workers it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat(usize);

struct Place {
    system: usize,
    /// The items of its system, in the order in which it looks at them.
    order: Vec<usize>,
    suite: Option<usize>,
    last: Option<usize>,
    gone: bool,
}

/// See the module.
pub struct Queue {
    items: Vec<Item>,
    pending: BTreeSet<usize>,
    places: Vec<Place>,
    order: Order,
    /// How long each item is expected to take, if that decides.
    weights: Option<Vec<u64>>,
}

impl Queue {
    /// All of them, taken by nobody.
    pub fn new(items: Vec<Item>, order: Order) -> Self {
        Self {
            pending: (0..items.len()).collect(),
            items,
            places: Vec::new(),
            order,
            weights: None,
        }
    }

    /// Where the seed would decide, the longest come first: then no worker begins something long when the others are done.
    /// What weighs the same keeps the seed's order; priorities, suites and samples count as always. One weight for each item.
    #[must_use]
    pub fn longest_first(mut self, weights: Vec<u64>) -> Self {
        self.weights = Some(weights);
        self
    }

    /// A worker of this system comes: its number among the system's workers decides its order.
    pub fn join(&mut self, system: usize) -> Seat {
        let number = self
            .places
            .iter()
            .filter(|place| place.system == system)
            .count();
        let order = match self.order {
            Order::AsListed => (0..self.items.len()).collect(),
            Order::Seed(seed) => {
                let own = seed.wrapping_add(i64::try_from(number).unwrap_or(i64::MAX));
                let mut order = permutation::of(self.items.len(), own.cast_unsigned());
                if let Some(weights) = &self.weights {
                    let weight = |index: &usize| weights.get(*index).copied().unwrap_or(0);
                    order.sort_by_key(|index| std::cmp::Reverse(weight(index)));
                }
                order
            }
        };
        self.places.push(Place {
            system,
            order: order
                .into_iter()
                .filter(|&index| self.items[index].system == system)
                .collect(),
            suite: None,
            last: None,
            gone: false,
        });
        Seat(self.places.len() - 1)
    }

    /// The worker takes no more.
    pub fn leave(&mut self, seat: Seat) {
        self.places[seat.0].gone = true;
        self.places[seat.0].suite = None;
    }

    /// The next job of a worker, which keeps out of the suites in `without`.
    pub fn take(&mut self, seat: Seat, without: &BTreeSet<usize>) -> Option<usize> {
        let chosen = self.choose(seat, without)?;
        self.pending.remove(&chosen);
        let place = &mut self.places[seat.0];
        place.suite = Some(self.items[chosen].suite);
        place.last = Some(chosen);
        // What is taken is not looked at again.
        let pending = &self.pending;
        if place.order.len() > 64 && place.order.len() > 2 * pending.len() {
            place.order.retain(|index| pending.contains(index));
        }
        Some(chosen)
    }

    fn choose(&self, seat: Seat, without: &BTreeSet<usize>) -> Option<usize> {
        let place = &self.places[seat.0];
        let mine = || {
            place.order.iter().copied().filter(|index| {
                self.pending.contains(index) && !without.contains(&self.items[*index].suite)
            })
        };
        if self.order == Order::AsListed {
            return mine().next();
        }
        if let Some(last) = place.last {
            let task = self.items[last].task;
            let samples = mine().filter(|&index| self.items[index].task == task);
            if let Some(next) = samples.min_by_key(|&index| self.items[index].sample) {
                return Some(next);
            }
        }
        let highest = mine().map(|index| self.items[index].priority).max()?;
        let urgent = || mine().filter(|&index| self.items[index].priority == highest);
        if let Some(suite) = place.suite
            && let Some(next) = urgent().find(|&index| self.items[index].suite == suite)
        {
            return Some(self.first_sample(next, without));
        }
        let mut crowd: BTreeMap<usize, usize> = BTreeMap::new();
        for other in &self.places {
            if let (true, Some(suite)) = (other.system == place.system, other.suite) {
                *crowd.entry(suite).or_default() += 1;
            }
        }
        let workers = |index: usize| crowd.get(&self.items[index].suite).copied().unwrap_or(0);
        // The first of equals is kept.
        let next = urgent().min_by_key(|&index| workers(index))?;
        Some(self.first_sample(next, without))
    }

    /// Samples are run in their order, whichever of them the worker's order shows first.
    fn first_sample(&self, of: usize, without: &BTreeSet<usize>) -> usize {
        let Item {
            task,
            system,
            priority,
            ..
        } = self.items[of];
        let same = |index: &usize| {
            let item = self.items[*index];
            item.task == task
                && item.system == system
                && item.priority == priority
                && !without.contains(&item.suite)
        };
        let samples = self.pending.iter().copied().filter(same);
        samples
            .min_by_key(|&index| self.items[index].sample)
            .unwrap_or(of)
    }

    /// How many nobody has taken.
    pub fn left(&self) -> usize {
        self.pending.len()
    }

    /// How many of a system nobody has taken.
    pub fn left_of(&self, system: usize) -> usize {
        let own = |index: &&usize| self.items[**index].system == system;
        self.pending.iter().filter(own).count()
    }

    /// Takes out what no worker is left for: all of a system whose workers are gone (or never came, once `closed` says that
    /// none comes any more).
    pub fn orphaned(&mut self, closed: impl Fn(usize) -> bool) -> Vec<usize> {
        let alive: BTreeSet<usize> = self
            .places
            .iter()
            .filter(|place| !place.gone)
            .map(|place| place.system)
            .collect();
        let (keep, out) = self.pending.iter().partition(|&&index| {
            let system = self.items[index].system;
            alive.contains(&system) || !closed(system)
        });
        self.pending = keep;
        let out: BTreeSet<usize> = out;
        out.into_iter().collect()
    }
}
