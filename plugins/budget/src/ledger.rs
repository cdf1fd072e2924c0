//! The sums of one period: what is gone has cost, and since when what exists costs. No clock, no host: only sums.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is older than this is left behind when a period begins: nobody is going to say that it is gone.
const FORGOTTEN: u64 = 366 * 24 * 3_600_000;

/// Sums of a period, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// When the period began, in milliseconds since 1970.
    start: u64,
    /// What was spent in it by instances that are gone.
    pub(crate) spent: f64,
    /// Instances that exist: since when, and for how long at least they are billed.
    exist: BTreeMap<String, (u64, u64)>,
}

/// What an instance costs in so many milliseconds.
pub(crate) fn cost(price: f64, milliseconds: u64) -> f64 {
    // Exact up to 285,000 years.
    price * milliseconds as f64 / 3_600_000.0
}

impl Ledger {
    /// Makes it that of the period which began then.
    pub(crate) fn open(&mut self, start: u64) {
        // A clock that was set back begins nothing.
        if start > self.start {
            self.start = start;
            self.spent = 0.0;
            self.exist
                .retain(|_, (since, _)| start.saturating_sub(*since) < FORGOTTEN);
        }
    }

    /// What an instance has cost in this period.
    fn of(&self, (since, least): (u64, u64), price: f64, now: u64) -> f64 {
        let here = now.saturating_sub(since.max(self.start));
        // The least belongs to the period in which it began.
        let least = if since >= self.start { least } else { 0 };
        cost(price, here.max(least))
    }

    /// What those that exist have cost in this period.
    pub(crate) fn running(&self, price: f64, now: u64) -> f64 {
        self.exist
            .values()
            .map(|one| self.of(*one, price, now))
            .sum()
    }

    /// How many exist.
    pub(crate) fn count(&self) -> usize {
        self.exist.len()
    }

    /// One is about to be made. A repeated call changes nothing.
    pub(crate) fn begin(&mut self, token: &str, now: u64, least: u64) {
        self.exist.entry(token.to_owned()).or_insert((now, least));
    }

    /// It was not made after all: it is billed for no least time.
    pub(crate) fn unbill(&mut self, token: &str) {
        if let Some((_, least)) = self.exist.get_mut(token) {
            *least = 0;
        }
    }

    /// It is gone. A repeated call changes nothing.
    pub(crate) fn end(&mut self, token: &str, price: f64, now: u64) {
        if let Some(one) = self.exist.remove(token) {
            self.spent += self.of(one, price, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn near(amount: f64, expected: f64) {
        assert!(
            (amount - expected).abs() < 1e-9,
            "{amount} is not {expected}"
        );
    }

    #[test]
    fn what_exists_costs_as_it_runs_and_what_is_gone_no_more() {
        let mut ledger = Ledger::default();
        ledger.open(0);
        ledger.begin("a", HOUR, 0);
        ledger.begin("b", 2 * HOUR, 0);
        near(ledger.running(2.0, 3 * HOUR), 6.0);
        ledger.end("a", 2.0, 3 * HOUR);
        ledger.end("a", 2.0, 9 * HOUR);
        near(ledger.spent, 4.0);
        near(ledger.running(2.0, 4 * HOUR), 4.0);
        assert_eq!(ledger.count(), 1);
        // A clock that goes back costs nothing.
        near(ledger.running(2.0, 0), 0.0);
    }

    #[test]
    fn a_period_begins_with_what_exists_and_without_what_was_spent() {
        let mut ledger = Ledger::default();
        ledger.open(0);
        ledger.begin("a", HOUR, 5 * HOUR);
        near(ledger.running(1.0, 2 * HOUR), 5.0);
        ledger.begin("gone", HOUR, 0);
        ledger.end("gone", 1.0, 2 * HOUR);
        ledger.open(10 * HOUR);
        near(ledger.spent, 0.0);
        near(ledger.running(1.0, 11 * HOUR), 1.0);
        ledger.open(0);
        near(ledger.running(1.0, 11 * HOUR), 1.0);
        ledger.end("a", 1.0, 12 * HOUR);
        near(ledger.spent, 2.0);
        ledger.begin("lost", 12 * HOUR, 0);
        ledger.open(12 * HOUR + FORGOTTEN);
        assert_eq!(ledger.count(), 0);
    }

    #[test]
    fn the_least_is_billed_for_what_was_made() {
        let mut ledger = Ledger::default();
        ledger.begin("a", 0, HOUR);
        ledger.begin("b", 0, HOUR);
        ledger.begin("b", HOUR, 9 * HOUR);
        near(ledger.running(3.0, 1), 6.0);
        ledger.unbill("b");
        ledger.end("a", 3.0, 1);
        ledger.end("b", 3.0, HOUR / 2);
        near(ledger.spent, 4.5);
        let kept = serde_json::to_vec(&ledger).unwrap();
        assert_eq!(serde_json::from_slice::<Ledger>(&kept).unwrap(), ledger);
    }
}
