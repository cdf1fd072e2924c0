//! The text format of Prometheus (0.0.4): every family with its help and its type, every label escaped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use runner_core::policy::Limit;

use crate::engine::{Measures, SourceStatus};

/// Counters of a shelf, as the store names them, and their help.
const OF_SHELVES: [(&str, &str); 6] = [
    (
        "shelf_hits_total",
        "Requests that an instance on the shelf served",
    ),
    (
        "shelf_misses_total",
        "Requests that nothing on the shelf served",
    ),
    ("shelf_stored_total", "Instances that were put on the shelf"),
    (
        "shelf_removals_total",
        "Instances on the shelf that were destroyed",
    ),
    (
        "shelf_forced_removals_total",
        "Instances on the shelf that somebody had destroyed",
    ),
    (
        "shelf_dead_total",
        "Instances on the shelf that were found dead",
    ),
];

/// Counters of a source: the store's name, the one to print, and the help.
const OF_SOURCES: [(&str, &str, &str); 7] = [
    (
        "source_starts_total",
        "source_starts_total",
        "Instances that were begun to be made",
    ),
    (
        "source_started_total",
        "source_started_total",
        "Instances that were made",
    ),
    (
        "source_failures_total",
        "source_failures_total",
        "Instances that could not be made",
    ),
    (
        "source_dead_total",
        "source_dead_total",
        "Instances that were found dead",
    ),
    (
        "checks_failed_total",
        "source_checks_failed_total",
        "Checks that failed",
    ),
    (
        "orphans_found_total",
        "source_orphans_found_total",
        "Things that were found at the backend and are not in the books",
    ),
    (
        "orphans_destroyed_total",
        "source_orphans_destroyed_total",
        "Of those, the ones that were destroyed",
    ),
];

/// Everything, in a fixed order.
pub fn text(measures: &Measures) -> String {
    let mut page = Page::default();
    page.family("build_info", "gauge", "The version of runner");
    page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.family(
        "serving",
        "gauge",
        "1 when `runner serve` works on this state",
    );
    page.sample("serving", &[], if measures.served { 1.0 } else { 0.0 });
    let counters: BTreeMap<(&str, &str), f64> = measures
        .counters
        .iter()
        .map(|one| ((one.name.as_str(), one.label.as_str()), one.value))
        .collect();
    shelves(&mut page, measures, &counters);
    sources(&mut page, measures, &counters);
    queue(&mut page, measures, &counters);
    page.0
}

type Counters<'a> = BTreeMap<(&'a str, &'a str), f64>;

/// All that exist, and all that were ever counted: a counter does not go away with what it counted.
fn labels<'a>(
    existing: impl Iterator<Item = &'a str>,
    counters: &Counters<'a>,
    names: &[&str],
) -> BTreeSet<&'a str> {
    let counted = counters
        .keys()
        .filter(|(name, _)| names.contains(name))
        .map(|(_, label)| *label);
    existing.chain(counted).collect()
}

fn counted(counters: &Counters<'_>, name: &str, label: &str) -> f64 {
    counters.get(&(name, label)).copied().unwrap_or(0.0)
}

fn shelves(page: &mut Page, measures: &Measures, counters: &Counters<'_>) {
    page.family(
        "shelf_size",
        "gauge",
        "How many instances the shelf holds at most",
    );
    for shelf in &measures.shelves {
        page.sample(
            "shelf_size",
            &[("shelf", &shelf.name)],
            f64::from(shelf.capacity),
        );
    }
    page.family("shelf_current", "gauge", "Idle instances on the shelf");
    for shelf in &measures.shelves {
        page.sample(
            "shelf_current",
            &[("shelf", &shelf.name)],
            f64::from(shelf.current),
        );
    }
    page.family(
        "shelf_in_use",
        "gauge",
        "Instances that are leased under the shelf",
    );
    for shelf in &measures.shelves {
        page.sample(
            "shelf_in_use",
            &[("shelf", &shelf.name)],
            f64::from(shelf.in_use),
        );
    }
    let names = OF_SHELVES.map(|(name, _)| name);
    let existing = measures.shelves.iter().map(|shelf| shelf.name.as_str());
    let all = labels(existing, counters, &names);
    for (name, help) in OF_SHELVES {
        page.family(name, "counter", help);
        for shelf in &all {
            page.sample(name, &[("shelf", shelf)], counted(counters, name, shelf));
        }
    }
}

fn sources(page: &mut Page, measures: &Measures, counters: &Counters<'_>) {
    page.family(
        "source_instances",
        "gauge",
        "Instances that exist, by state",
    );
    for source in &measures.sources {
        for (state, count) in states(source) {
            let labels = [("source", source.source.as_str()), ("state", state)];
            page.sample("source_instances", &labels, f64::from(count));
        }
    }
    type Gauge = (
        &'static str,
        &'static str,
        fn(&Measures, &SourceStatus) -> f64,
    );
    let gauges: [Gauge; 5] = [
        (
            "source_maximum",
            "How many instances may exist",
            |_, source| match source.maximum {
                Limit::Unlimited => f64::INFINITY,
                Limit::At(bound) => f64::from(bound),
            },
        ),
        (
            "source_checking",
            "Idle and leased instances whose last check failed",
            |_, source| f64::from(source.suspect),
        ),
        (
            "source_shelved",
            "Idle instances that are on shelves",
            |_, source| f64::from(source.shelved),
        ),
        (
            "source_waiting",
            "Tickets that the source could serve and that wait",
            |_, source| f64::from(source.waiting),
        ),
        (
            "source_orphans",
            "Things at the backend that are not in the books",
            |all, source| f64::from(all.orphans.get(&source.source).copied().unwrap_or(0)),
        ),
    ];
    for (name, help, value) in gauges {
        page.family(name, "gauge", help);
        for source in &measures.sources {
            let labels = [("source", source.source.as_str())];
            page.sample(name, &labels, value(measures, source));
        }
    }
    let names = OF_SOURCES.map(|(name, ..)| name);
    let existing = measures.sources.iter().map(|source| source.source.as_str());
    let all = labels(existing, counters, &names);
    for (stored, name, help) in OF_SOURCES {
        page.family(name, "counter", help);
        for source in &all {
            page.sample(
                name,
                &[("source", source)],
                counted(counters, stored, source),
            );
        }
    }
    let name = "source_start_seconds";
    page.family(name, "summary", "How long it took to make an instance");
    for source in &all {
        let labels = [("source", *source)];
        let sum = counted(counters, "source_start_seconds_total", source);
        page.sample(&format!("{name}_sum"), &labels, sum);
        let count = counted(counters, "source_started_total", source);
        page.sample(&format!("{name}_count"), &labels, count);
    }
}

fn states(source: &SourceStatus) -> [(&'static str, u32); 6] {
    let counts = source.counts;
    [
        ("starting", counts.starting),
        ("ready", counts.ready),
        ("leased", counts.leased),
        ("releasing", counts.releasing),
        ("broken", counts.broken),
        ("discarding", counts.discarding),
    ]
}

fn queue(page: &mut Page, measures: &Measures, counters: &Counters<'_>) {
    page.family("tickets_waiting", "gauge", "Tickets that wait");
    page.sample("tickets_waiting", &[], measures.waiting.len() as f64);
    page.family(
        "ticket_oldest_wait_seconds",
        "gauge",
        "How long the oldest of the tickets that wait has waited",
    );
    let oldest = measures.waiting.iter().min().copied();
    let waited = oldest.map_or(0, |oldest| (measures.now.0 - oldest.0).max(0));
    page.sample("ticket_oldest_wait_seconds", &[], waited as f64 / 1000.0);
    for (name, help) in [
        (
            "tickets_opened_total",
            "Tickets that were opened, those of `acquire` too",
        ),
        ("tickets_served_total", "Tickets that were served"),
        ("tickets_failed_total", "Tickets that failed"),
    ] {
        page.family(name, "counter", help);
        page.sample(name, &[], counted(counters, name, ""));
    }
    let name = "ticket_wait_seconds";
    page.family(name, "summary", "How long tickets waited that were served");
    let sum = counted(counters, "ticket_wait_seconds_total", "");
    page.sample("ticket_wait_seconds_sum", &[], sum);
    let count = counted(counters, "tickets_served_total", "");
    page.sample("ticket_wait_seconds_count", &[], count);
    let name = "leases_ended_total";
    page.family(
        name,
        "counter",
        "Leases that ended without a release, by reason",
    );
    for reason in ["expired", "holder-gone"] {
        page.sample(name, &[("reason", reason)], counted(counters, name, reason));
    }
}

/// The page under construction. Names get their prefix here.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        let _infallible = write!(
            self.0,
            "# HELP runner_{name} {help}\n# TYPE runner_{name} {kind}\n"
        );
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _infallible = write!(self.0, "runner_{name}");
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let text = text
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let _infallible = write!(self.0, "{before}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _infallible = if value.is_infinite() {
            writeln!(self.0, " +Inf")
        } else {
            writeln!(self.0, " {value}")
        };
    }
}

#[cfg(test)]
mod tests {
    use runner_core::id::Timestamp;

    use super::*;
    use crate::engine::ShelfStatus;

    #[test]
    fn what_never_happened_is_zero_and_labels_are_escaped() {
        let measures = Measures {
            sources: Vec::new(),
            shelves: vec![ShelfStatus {
                name: "a\\b\"c\nd".into(),
                owner: "ann".into(),
                capacity: 3,
                enabled: true,
                created: Timestamp(0),
                current: 1,
                in_use: 0,
            }],
            orphans: BTreeMap::new(),
            waiting: vec![Timestamp(500)],
            counters: Vec::new(),
            served: false,
            now: Timestamp(2000),
        };
        let text = text(&measures);
        assert!(text.contains(
            "# TYPE runner_shelf_hits_total counter\nrunner_shelf_hits_total{shelf=\"a\\\\b\\\"c\\nd\"} 0\n"
        ));
        assert!(text.contains("\nrunner_ticket_oldest_wait_seconds 1.5\n"));
        assert!(text.contains("\nrunner_tickets_failed_total 0\n"));
        assert!(text.ends_with('\n'));
    }
}
