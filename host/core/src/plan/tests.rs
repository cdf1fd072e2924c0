//! Tables of world → plan. Random histories are in `histories.rs`.

use std::collections::BTreeSet;

use super::*;
use crate::id::{ShelfId, SourceName};
use crate::policy::{Limit, Millis, Policy};

pub(super) const NOW: Timestamp = Timestamp(1_000_000);

fn named(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

fn at_most(maximum: u32) -> Policy {
    Policy {
        maximum: Limit::At(maximum),
        ..Policy::default()
    }
}

pub(super) fn idle(id: i64) -> Idle {
    Idle {
        id: RowId(id),
        shelf: None,
        fits: true,
        suspect: false,
        uses: 0,
        class: 0,
        created: Timestamp(0),
        since: Timestamp(id),
        first_leased: None,
    }
}

pub(super) fn source(name: &str, policy: Policy, leased: u32, idle: Vec<Idle>) -> SourceView {
    SourceView {
        name: named(name),
        policy: Some(policy),
        counts: Counts {
            leased,
            ready: idle.len() as u32,
            ..Counts::default()
        },
        unassigned_starting: 0,
        idle,
        health: Health::default(),
    }
}

pub(super) fn ticket(id: i64, wanted: u32, sources: &[usize]) -> TicketView {
    TicketView {
        id: TicketId(id),
        wanted,
        held: 0,
        coming: 0,
        priority: 0,
        opened: Timestamp(NOW.0 - 1000),
        patience: Patience::Until(None),
        shelf: None,
        fresh: false,
        pool: None,
        candidates: sources
            .iter()
            .map(|source| Candidate {
                source: *source,
                rank: 0,
                tags: 0,
                refused: None,
            })
            .collect(),
        accepts: Accepts::Any,
    }
}

fn assign(ticket: i64, rows: &[i64]) -> Action {
    Action::Assign {
        ticket: TicketId(ticket),
        instances: rows.iter().map(|row| RowId(*row)).collect(),
    }
}

fn grow(source: usize, count: u32, ticket: i64) -> Action {
    Action::Grow {
        source,
        count,
        ticket: Some(TicketId(ticket)),
    }
}

fn actions(sources: Vec<SourceView>, tickets: Vec<TicketView>) -> Vec<Action> {
    decide(sources, tickets).actions
}

fn decide(sources: Vec<SourceView>, tickets: Vec<TicketView>) -> Plan {
    let world = World {
        sources,
        tickets,
        ..World::default()
    };
    plan(&world, NOW)
}

#[test]
fn an_idle_instance_is_handed_out_at_the_maximum() {
    // crcache: reserve 1 and maximum 1 failed here with "Instance limit exceeded".
    let full = source("a", at_most(1), 0, vec![idle(1)]);
    assert_eq!(
        actions(vec![full], vec![ticket(1, 1, &[0])]),
        [assign(1, &[1])]
    );
}

#[test]
fn idle_anywhere_before_growth() {
    let sources = vec![
        source("a", Policy::default(), 0, Vec::new()),
        source("b", at_most(2), 0, vec![idle(1)]),
    ];
    assert_eq!(
        actions(sources, vec![ticket(1, 2, &[0, 1])]),
        [assign(1, &[1]), grow(0, 1, 1)]
    );
}

#[test]
fn who_came_first_is_served_first_and_keeps_its_claim() {
    let sources = || vec![source("a", at_most(4), 2, vec![idle(1), idle(2)])];
    // The first wants more than there is: nobody behind it takes what it waits for.
    let plan = decide(sources(), vec![ticket(1, 3, &[0]), ticket(2, 1, &[0])]);
    assert_eq!(plan.actions, []);
    let behind = plan.report(TicketId(2)).unwrap();
    assert_eq!(behind.ahead, 1);
    assert_eq!(behind.declines[0].why, Why::Ahead { waiting: 1 });
    // What it cannot use is free for the next.
    let mut first = ticket(1, 3, &[0]);
    first.accepts = Accepts::Only(BTreeSet::from([7]));
    let mut rich = sources();
    rich[0].counts.leased = 2;
    assert_eq!(
        actions(rich, vec![first, ticket(2, 1, &[0])]),
        [assign(2, &[1])]
    );
}

#[test]
fn priority_comes_before_age_and_age_grows() {
    let sources = || vec![source("a", at_most(1), 0, vec![idle(1)])];
    let mut urgent = ticket(2, 1, &[0]);
    urgent.priority = 1;
    assert_eq!(
        actions(sources(), vec![ticket(1, 1, &[0]), urgent.clone()]),
        [assign(2, &[1])]
    );
    let mut old = ticket(1, 1, &[0]);
    old.opened = Timestamp(NOW.0 - 180_000);
    assert_eq!(actions(sources(), vec![old, urgent]), [assign(1, &[1])]);
}

#[test]
fn a_gang_gets_all_or_nothing() {
    let sources = vec![source("a", at_most(3), 1, vec![idle(1)])];
    assert_eq!(
        actions(sources, vec![ticket(1, 2, &[0])]),
        [assign(1, &[1]), grow(0, 1, 1)]
    );
    let sources = vec![source("a", at_most(2), 1, vec![idle(1)])];
    assert_eq!(actions(sources, vec![ticket(1, 2, &[0])]), []);
    let short = decide(
        vec![source("a", at_most(4), 3, Vec::new())],
        vec![ticket(1, 2, &[0])],
    );
    let maximum = Why::Maximum {
        maximum: Limit::At(4),
        live: 3,
    };
    assert_eq!(short.reports[0].declines[0].why, maximum);
    // One that holds some and cannot be completed lets go.
    let mut stuck = ticket(1, 2, &[0]);
    stuck.held = 1;
    let sources = vec![source("a", at_most(2), 2, Vec::new())];
    assert_eq!(
        actions(sources, vec![stuck]),
        [Action::GiveBack {
            ticket: TicketId(1)
        }]
    );
}

#[test]
fn what_can_never_be_had_fails_at_once() {
    let never = |plan: Plan| {
        let report = plan.reports[0].clone();
        (plan.actions, report.never)
    };
    let fail = |end| Action::Fail {
        ticket: TicketId(1),
        end,
    };
    let zero = vec![source("a", at_most(0), 0, Vec::new())];
    assert_eq!(
        never(decide(zero, vec![ticket(1, 1, &[0])])),
        (vec![fail(FailedBy::Never)], true)
    );
    let mut ruled_out = ticket(1, 1, &[0]);
    ruled_out.candidates[0].refused = Some(Refused::RuledOut("cpus".into()));
    let plenty = || vec![source("a", at_most(9), 0, Vec::new())];
    assert_eq!(
        never(decide(plenty(), vec![ruled_out])),
        (vec![fail(FailedBy::Never)], true)
    );
    let mut failed = ticket(1, 1, &[0]);
    failed.candidates[0].refused = Some(Refused::Failed {
        text: "no".into(),
        passing: false,
    });
    assert_eq!(
        never(decide(plenty(), vec![failed])),
        (vec![fail(FailedBy::Failures)], false)
    );
    let mut late = ticket(1, 1, &[0]);
    late.patience = Patience::Until(Some(NOW));
    assert_eq!(
        never(decide(plenty(), vec![late])),
        (vec![fail(FailedBy::Deadline)], false)
    );
    let full = vec![source("a", at_most(1), 1, Vec::new())];
    let mut hasty = ticket(1, 1, &[0]);
    hasty.patience = Patience::None;
    assert_eq!(
        never(decide(full, vec![hasty])),
        (vec![fail(FailedBy::Refused)], false)
    );
}

#[test]
fn a_failing_source_is_left_out_while_there_is_another() {
    let mut ill = source("a", at_most(9), 0, Vec::new());
    ill.health.failures = 2;
    ill.health.left_out_until = Some(Timestamp(NOW.0 + 5000));
    let well = source("b", at_most(9), 0, Vec::new());
    assert_eq!(
        actions(vec![ill.clone(), well], vec![ticket(1, 1, &[0, 1])]),
        [grow(1, 1, 1)]
    );
    let plan = decide(vec![ill.clone()], vec![ticket(1, 1, &[0])]);
    assert_eq!(
        (plan.actions, plan.next),
        (vec![], Some(Timestamp(NOW.0 + 5000)))
    );
    // Who cannot wait tries it all the same.
    let mut hasty = ticket(1, 1, &[0]);
    hasty.patience = Patience::None;
    assert_eq!(actions(vec![ill], vec![hasty]), [grow(0, 1, 1)]);
}

#[test]
fn growth_goes_by_rank_priority_cost_and_turn() {
    let with = |name, priority, cost, started: Option<i64>| {
        let policy = Policy {
            priority,
            cost,
            ..at_most(9)
        };
        let mut view = source(name, policy, 0, Vec::new());
        view.health.last_start = started.map(Timestamp);
        view
    };
    let chosen = |sources: Vec<SourceView>| {
        let count: Vec<usize> = (0..sources.len()).collect();
        match &actions(sources, vec![ticket(1, 1, &count)])[..] {
            [Action::Grow { source, .. }] => *source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        chosen(vec![with("a", 0, 0, None), with("b", 1, 0, None)]),
        1
    );
    assert_eq!(
        chosen(vec![with("a", 1, 5, None), with("b", 1, 2, None)]),
        1
    );
    assert_eq!(
        chosen(vec![with("a", 1, 2, Some(9)), with("b", 1, 2, Some(5))]),
        1
    );
    let mut routed = ticket(1, 1, &[0, 1]);
    routed.candidates[0].rank = 1;
    let sources = vec![with("a", 9, 0, None), with("b", 0, 9, None)];
    assert_eq!(actions(sources, vec![routed]), [grow(1, 1, 1)]);
}

#[test]
fn starts_are_limited_and_spread() {
    let slow = Policy {
        max_starting: Limit::At(2),
        ..at_most(9)
    };
    let plan = decide(
        vec![source("a", slow, 0, Vec::new())],
        vec![ticket(1, 5, &[0])],
    );
    assert_eq!(plan.actions, [grow(0, 2, 1)]);
    assert!(matches!(
        plan.reports[0].declines[0].why,
        Why::Starting { .. }
    ));
    let spaced = Policy {
        start_delay: Millis(500),
        ..at_most(9)
    };
    let mut view = source("a", spaced, 0, Vec::new());
    view.health.last_start = Some(Timestamp(NOW.0 - 100));
    let plan = decide(vec![view], vec![ticket(1, 1, &[0])]);
    assert_eq!(
        (plan.actions, plan.next),
        (vec![], Some(Timestamp(NOW.0 + 400)))
    );
}

#[test]
fn a_shelf_is_looked_on_first_and_closed_to_others() {
    let shelved = Idle {
        shelf: Some(ShelfId(7)),
        uses: 1,
        ..idle(1)
    };
    let sources = || vec![source("a", at_most(3), 0, vec![shelved, idle(2)])];
    let mut owner = ticket(1, 1, &[0]);
    owner.shelf = Some(ShelfId(7));
    assert_eq!(actions(sources(), vec![owner.clone()]), [assign(1, &[1])]);
    owner.fresh = true;
    assert_eq!(actions(sources(), vec![owner]), [assign(1, &[2])]);
    let mut other = ticket(1, 1, &[0]);
    other.shelf = Some(ShelfId(8));
    assert_eq!(actions(sources(), vec![other]), [assign(1, &[2])]);
    let mut two = ticket(1, 2, &[0]);
    two.shelf = None;
    assert_eq!(
        actions(sources(), vec![two]),
        [assign(1, &[2]), grow(0, 1, 1)]
    );
}

#[test]
fn what_is_suspect_aged_or_worn_is_not_handed_out() {
    let policy = Policy {
        max_age: Some(Millis(1000)),
        ..at_most(9)
    };
    let suspect = Idle {
        suspect: true,
        created: NOW,
        ..idle(1)
    };
    let aged = idle(2);
    let sources = vec![source("a", policy, 0, vec![suspect, aged])];
    assert_eq!(actions(sources, vec![ticket(1, 1, &[0])]), [grow(0, 1, 1)]);
}

#[test]
fn what_was_used_makes_room_for_what_is_wanted_fresh() {
    let used = |id| Idle {
        uses: 1,
        ..idle(id)
    };
    let discard = |id| Action::Discard {
        instance: RowId(id),
        because: Because::MakeRoom,
    };
    let mut fresh = ticket(1, 2, &[0]);
    fresh.fresh = true;
    let three = || vec![used(1), used(2), used(3)];
    let full = |idle| vec![source("a", at_most(3), 0, idle)];
    // As many as it lacks, and none of them is handed to somebody behind it.
    let plan = decide(full(three()), vec![fresh.clone(), ticket(2, 2, &[0])]);
    assert_eq!(plan.actions, [discard(1), discard(2)]);
    // Whoever takes them as they are comes first if it came first.
    let mut late = fresh.clone();
    late.opened = NOW;
    let plan = decide(full(three()), vec![late, ticket(2, 3, &[0])]);
    assert_eq!(plan.actions, [assign(2, &[1, 2, 3])]);
    // Not when that is not enough, not what is on a shelf, and not for whoever can take them.
    let leased = vec![source("a", at_most(3), 2, vec![used(1)])];
    assert_eq!(actions(leased, vec![fresh.clone()]), []);
    let shelved = |id| Idle {
        shelf: Some(ShelfId(7)),
        ..used(id)
    };
    let shelf = full(vec![shelved(1), shelved(2), used(3)]);
    assert_eq!(actions(shelf, vec![fresh.clone()]), []);
    // What never was used serves it; only the rest needs room.
    let mixed = full(vec![idle(1), used(2), used(3)]);
    assert_eq!(actions(mixed, vec![fresh]), [discard(2)]);
}

#[test]
fn outdated_idle_instances_make_room() {
    let stale = Idle {
        fits: false,
        ..idle(7)
    };
    assert_eq!(
        actions(
            vec![source("a", at_most(1), 0, vec![stale])],
            vec![ticket(1, 1, &[0])]
        ),
        [Action::Discard {
            instance: RowId(7),
            because: Because::MakeRoom
        }]
    );
}

fn tended(sources: Vec<SourceView>, tickets: Vec<TicketView>) -> Plan {
    let world = World {
        sources,
        tickets,
        tend: true,
        ..World::default()
    };
    plan(&world, NOW)
}

#[test]
fn prealloc_is_what_is_idle_and_never_used() {
    let policy = Policy {
        prealloc: 3,
        ..at_most(9)
    };
    let used = Idle { uses: 1, ..idle(2) };
    let mut view = source("a", policy, 2, vec![idle(1), used]);
    view.unassigned_starting = 1;
    view.counts.starting = 1;
    let ahead = |count| Action::Grow {
        source: 0,
        count,
        ticket: None,
    };
    assert_eq!(tended(vec![view.clone()], vec![]).actions, [ahead(1)]);
    // A ticket takes the idle one: another is made in its place.
    let plan = tended(vec![view], vec![ticket(1, 1, &[0])]);
    assert_eq!(plan.actions, [assign(1, &[2]), ahead(1)]);
}

#[test]
fn idle_instances_go_for_many_reasons() {
    let because = |policy: Option<Policy>, one: Idle| {
        let mut view = source("a", policy.unwrap_or_default(), 0, vec![one]);
        view.policy = policy;
        let plan = tended(vec![view], vec![]);
        match plan.actions.first() {
            Some(Action::Discard { because, .. }) => Some(*because),
            _ => None,
        }
    };
    let used = Idle {
        uses: 1,
        first_leased: Some(Timestamp(0)),
        since: Timestamp(NOW.0 - 100),
        ..idle(1)
    };
    let with = |change: fn(&mut Policy)| {
        let mut policy = at_most(9);
        change(&mut policy);
        Some(policy)
    };
    assert_eq!(because(None, idle(1)), Some(Because::Unconfigured));
    assert_eq!(because(with(|_| {}), used), None);
    let stale = Idle {
        fits: false,
        ..used
    };
    assert_eq!(because(with(|_| {}), stale), Some(Because::Outdated));
    assert_eq!(
        because(with(|policy| policy.max_age = Some(Millis(10))), used),
        Some(Because::Aged)
    );
    assert_eq!(
        because(
            with(|policy| policy.reuse.max_time = Some(Millis(10))),
            used
        ),
        Some(Because::WornOut)
    );
    assert_eq!(
        because(
            with(|policy| policy.reuse.opportunity = Some(Millis(100))),
            used
        ),
        Some(Because::Unwanted)
    );
    assert_eq!(
        because(
            with(|policy| policy.reuse.opportunity = Some(Millis(101))),
            used
        ),
        None
    );
    assert_eq!(
        because(with(|policy| policy.idle_timeout = Some(Millis(100))), used),
        Some(Because::Idle)
    );
    assert_eq!(
        because(
            with(|policy| {
                policy.idle_timeout = Some(Millis(100));
                policy.reserve = 1;
            }),
            used
        ),
        None
    );
    assert_eq!(
        because(with(|policy| policy.on_demand = true), idle(1)),
        Some(Because::Surplus)
    );
}
