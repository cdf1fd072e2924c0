//! The planner by itself, over worlds of growing size.

use std::time::{Duration, Instant};

use runner_core::id::{SourceName, TicketId, Timestamp};
use runner_core::plan::{
    Accepts, Candidate, Counts, Health, Idle, Patience, RowId, SourceView, TicketView, World, plan,
};
use runner_core::policy::{Limit, Policy};

/// Sources that the instances are spread over.
const SOURCES: usize = 100;

/// Plans over 10,000 to 100,000 live instances, a tenth as many waiting tickets, and prints how the time grows.
pub(super) fn scale() {
    let mut before: Option<(f64, f64)> = None;
    for instances in [10_000, 30_000, 100_000] {
        let tickets = instances / 10;
        let world = world(instances, tickets);
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let started = Instant::now();
                let planned = plan(&world, Timestamp(2_000_000));
                assert_eq!(planned.reports.len() + served(&planned), tickets);
                started.elapsed()
            })
            .collect();
        times.sort();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let size = instances as f64;
        let growth = before.map_or(String::new(), |(smaller, took)| {
            let allowed = (size * size.ln()) / (smaller * smaller.ln());
            format!(", {:.2} of n log n", median / took / allowed)
        });
        println!(
            "planning {instances:6} live, {tickets:5} waiting: {median:7.1} ms a round, {:.0} MiB peak{growth}",
            peak()
        );
        before = Some((size, median));
    }
}

fn served(plan: &runner_core::plan::Plan) -> usize {
    let assigned = plan
        .actions
        .iter()
        .filter(|action| matches!(action, runner_core::plan::Action::Assign { .. }));
    assigned.count()
}

/// Half of everything is idle, half leased; each ticket may draw on three sources, and half of them want one more than there is.
fn world(instances: usize, tickets: usize) -> World {
    let each = instances / SOURCES;
    let sources = (0..SOURCES).map(|number| {
        let ready = each / 2;
        SourceView {
            name: SourceName::new(format!("source-{number}")).unwrap(),
            policy: Some(Policy {
                maximum: Limit::At(each as u32),
                prealloc: 3,
                ..Policy::default()
            }),
            counts: Counts {
                ready: ready as u32,
                leased: (each - ready) as u32,
                ..Counts::default()
            },
            unassigned_starting: 0,
            idle: (0..ready)
                .map(|row| Idle {
                    id: RowId((number * each + row) as i64),
                    shelf: None,
                    fits: true,
                    suspect: false,
                    uses: (row % 3) as u32,
                    class: (row % 5) as u32,
                    created: Timestamp(0),
                    since: Timestamp(row as i64),
                    first_leased: None,
                })
                .collect(),
            health: Health::default(),
        }
    });
    let tickets = (0..tickets).map(|number| TicketView {
        id: TicketId(number as i64),
        wanted: if number % 2 == 0 {
            1
        } else {
            (each * 2) as u32
        },
        held: 0,
        coming: 0,
        priority: (number % 7) as i32,
        opened: Timestamp(1_000_000 + number as i64),
        patience: Patience::Until(None),
        shelf: None,
        fresh: false,
        pool: None,
        candidates: (0..3)
            .map(|step| Candidate {
                source: (number + step * 7) % SOURCES,
                rank: 0,
                tags: 0,
                refused: None,
            })
            .collect(),
        accepts: Accepts::Any,
    });
    World {
        sources: sources.collect(),
        tickets: tickets.collect(),
        pools: Vec::new(),
        tend: true,
    }
}

/// The most memory that this process ever had, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}
