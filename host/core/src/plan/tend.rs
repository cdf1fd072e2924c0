//! Looking after what is idle: what is outdated, aged or not wanted goes; what is wanted ahead of demand is made.

use super::assign::Claims;
use super::grow::Ledger;
use super::world::{Idle, SourceView, World};
use super::{Action, Because, Plan};
use crate::id::Timestamp;
use crate::policy::{Millis, Policy};

/// Decides over everything that no ticket spoke for.
pub(super) fn tend(
    world: &World,
    now: Timestamp,
    ledger: &mut Ledger,
    claimed: &Claims,
    plan: &mut Plan,
) {
    let demand = demand(world);
    for (index, source) in world.sources.iter().enumerate() {
        let free = |place: usize| !claimed[index][place];
        let idle = source.idle.iter().enumerate();
        let idle = idle.filter(|(place, _)| free(*place)).map(|(_, one)| one);
        let Some(policy) = source.policy else {
            for one in idle {
                discard(plan, one, Because::Unconfigured);
            }
            continue;
        };
        let mut left = Left {
            policy,
            staying: source.counts.staying(),
            unused: 0,
            demand: demand[index],
        };
        let idle: Vec<&Idle> = idle.collect();
        left.unused = idle.iter().filter(|one| ahead_of_demand(one)).count() as u32;
        for one in idle {
            if let Some(because) = left.judge(one, now, plan) {
                left.staying = left.staying.saturating_sub(1);
                if ahead_of_demand(one) {
                    left.unused -= 1;
                }
                discard(plan, one, because);
            }
        }
        make_ahead(index, source, &left, ledger, plan);
    }
}

/// Made, never used, on no shelf, and usable: what `prealloc` counts.
fn ahead_of_demand(one: &Idle) -> bool {
    one.fits && one.uses == 0 && one.shelf.is_none()
}

/// Per source, how much the waiting tickets still lack.
fn demand(world: &World) -> Vec<u32> {
    let mut demand = vec![0u32; world.sources.len()];
    for ticket in &world.tickets {
        for candidate in &ticket.candidates {
            let wanted = &mut demand[candidate.source];
            *wanted = wanted.saturating_add(ticket.missing());
        }
    }
    demand
}

/// One source while its idle instances are gone through.
struct Left {
    policy: Policy,
    staying: u32,
    unused: u32,
    demand: u32,
}

impl Left {
    fn judge(&self, one: &Idle, now: Timestamp, plan: &mut Plan) -> Option<Because> {
        let policy = &self.policy;
        if !one.fits {
            return Some(Because::Outdated);
        }
        let mut over = |limit: Option<Millis>, from: Timestamp| {
            let end = limit?.after(from);
            if end > now {
                plan.look_again(end);
            }
            Some(end <= now)
        };
        if over(policy.max_age, one.created) == Some(true) {
            return Some(Because::Aged);
        }
        if let Some(first) = one.first_leased
            && over(policy.reuse.max_time, first) == Some(true)
        {
            return Some(Because::WornOut);
        }
        let spare = self.staying > policy.reserve;
        if spare && one.uses > 0 && over(policy.reuse.opportunity, one.since) == Some(true) {
            return Some(Because::Unwanted);
        }
        let unused = ahead_of_demand(one);
        if unused && policy.on_demand && self.unused > self.demand {
            return Some(Because::Surplus);
        }
        let wanted_ahead = unused && self.unused <= policy.prealloc && !policy.on_demand;
        if spare && !wanted_ahead && over(policy.idle_timeout, one.since) == Some(true) {
            return Some(Because::Idle);
        }
        None
    }
}

fn discard(plan: &mut Plan, one: &Idle, because: Because) {
    plan.actions.push(Action::Discard {
        instance: one.id,
        because,
    });
}

fn make_ahead(
    index: usize,
    source: &SourceView,
    left: &Left,
    ledger: &mut Ledger,
    plan: &mut Plan,
) {
    if left.policy.on_demand {
        return;
    }
    let coming = left.unused + source.unassigned_starting;
    let for_prealloc = left.policy.prealloc.saturating_sub(coming);
    let for_reserve = left.policy.reserve.saturating_sub(left.staying);
    let wanted = for_prealloc.max(for_reserve);
    if wanted == 0 {
        return;
    }
    if ledger.left_out(index) {
        plan.next = [plan.next, ledger.later(index)].into_iter().flatten().min();
        return;
    }
    let count = wanted.min(ledger.startable(index));
    if count > 0 {
        ledger.take(index, None, count, count);
        plan.actions.push(Action::Grow {
            source: index,
            count,
            ticket: None,
        });
    }
    if count < wanted
        && let Some(at) = ledger.later(index)
    {
        plan.look_again(at);
    }
}
