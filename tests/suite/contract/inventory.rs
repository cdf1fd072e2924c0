//! A provider that lists tells everything it has, and nothing twice: orphans are found by it.

use std::collections::BTreeSet;

use super::bench::{Bench, SOURCE};
use super::over_every_provider;

over_every_provider!(the_list_is_complete_and_ends_empty);

fn the_list_is_complete_and_ends_empty(bench: &Bench) {
    let list = || {
        let outcome = bench.env.runner(["debug", "inventory", "-s", SOURCE]).run();
        if outcome.code == Some(3)
            && String::from_utf8_lossy(&outcome.stderr).contains("does not do `list`")
        {
            return None;
        }
        let tokens = outcome.ok().words();
        let distinct: BTreeSet<_> = tokens.iter().cloned().collect();
        assert_eq!(
            distinct.len(),
            tokens.len(),
            "something is listed twice: {tokens:?}"
        );
        Some(distinct)
    };
    let Some(none) = list() else {
        // A provider need not list. That is part of the contract, not something left out.
        return;
    };
    assert!(none.is_empty(), "{none:?}");
    let mut previous = none;
    let mut ids = Vec::new();
    for count in 1..=3 {
        ids.push(bench.acquire());
        let now = list().unwrap();
        assert_eq!(now.len(), count);
        assert!(now.is_superset(&previous));
        previous = now;
    }
    bench.env.runner(["discard", &ids[1]]).run().ok();
    let now = list().unwrap();
    assert_eq!(now.len(), 2);
    assert!(now.is_subset(&previous));
    bench.env.runner(["discard", &ids[0], &ids[2]]).run().ok();
    assert!(list().unwrap().is_empty());
}
