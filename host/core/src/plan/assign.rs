//! Serving tickets: idle instances first, then growth; all that a ticket wants, or nothing of it.
//!
//! Tickets are served by standing (priority, and the time they wait), then by age. One that cannot be served keeps a claim on what
//! it could use, so that nobody behind it takes that away; nothing is held for it, so that two who want much cannot
//! block each other.

use std::collections::{BTreeMap, VecDeque};

use super::grow::Ledger;
use super::reason::{Decline, Report, Why};
use super::world::{Accepts, Candidate, Patience, Refused, RowId, SourceView, TicketView, World};
use super::{Action, FailedBy, Plan};
use crate::id::{ShelfId, Timestamp};
use crate::policy::Limit;

/// What idle instances have in common, as far as tickets care.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) source: usize,
    pub(super) shelf: Option<ShelfId>,
    pub(super) used: bool,
    class: u32,
}

/// The idle instances that may be handed out (their places in their source's list), oldest idle first in each group.
pub(super) type Shelves = BTreeMap<Group, VecDeque<usize>>;

/// Per source, which of its idle instances are spoken for.
pub(super) type Claims = Vec<Vec<bool>>;

/// Decides over all tickets. Answers which idle instances are spoken for.
pub(super) fn serve(world: &World, now: Timestamp, ledger: &mut Ledger, plan: &mut Plan) -> Claims {
    let mut claimed: Claims = world
        .sources
        .iter()
        .map(|source| vec![false; source.idle.len()])
        .collect();
    let mut idle = sort_idle(world, now);
    let mut stale: Vec<VecDeque<usize>> = world.sources.iter().map(outdated).collect();
    let mut order: Vec<&TicketView> = world.tickets.iter().collect();
    order.sort_by_cached_key(|ticket| {
        (
            std::cmp::Reverse(ticket.standing(now)),
            ticket.opened,
            ticket.id,
        )
    });
    let mut ahead = vec![0; world.sources.len()];
    for ticket in order {
        let mut turn = Turn {
            world,
            now,
            ticket,
            ledger: &mut *ledger,
            idle: &mut idle,
            claimed: &mut claimed,
            stale: &mut stale,
            ahead: &ahead,
        };
        turn.serve(plan);
        for candidate in &ticket.candidates {
            ahead[candidate.source] += 1;
        }
    }
    claimed
}

fn outdated(source: &SourceView) -> VecDeque<usize> {
    let idle = source.idle.iter().enumerate();
    idle.filter(|(_, one)| !one.fits)
        .map(|(place, _)| place)
        .collect()
}

fn sort_idle(world: &World, now: Timestamp) -> Shelves {
    let mut idle = Shelves::new();
    for (source, view) in world.sources.iter().enumerate() {
        let Some(policy) = view.policy else { continue };
        for (place, one) in view.idle.iter().enumerate() {
            let aged = policy
                .max_age
                .is_some_and(|age| age.after(one.created) <= now);
            let worn = policy.reuse.max_time.is_some_and(|time| {
                one.first_leased
                    .is_some_and(|first| time.after(first) <= now)
            });
            if !one.fits || one.suspect || aged || worn {
                continue;
            }
            let group = Group {
                source,
                shelf: one.shelf,
                used: one.uses > 0,
                class: one.class,
            };
            idle.entry(group).or_default().push_back(place);
        }
    }
    idle
}

/// One ticket's turn.
pub(super) struct Turn<'a> {
    pub(super) world: &'a World,
    now: Timestamp,
    pub(super) ticket: &'a TicketView,
    pub(super) ledger: &'a mut Ledger,
    pub(super) idle: &'a mut Shelves,
    pub(super) claimed: &'a mut Claims,
    /// Per source, the outdated ones that nobody wants out of the way yet.
    pub(super) stale: &'a mut [VecDeque<usize>],
    /// Per source, the tickets that had their turn before.
    ahead: &'a [u32],
}

impl Turn<'_> {
    fn serve(&mut self, plan: &mut Plan) {
        let ticket = self.ticket;
        let missing = ticket.missing();
        if let Patience::Until(Some(deadline)) = ticket.patience {
            if deadline <= self.now {
                self.give_up(plan, FailedBy::Deadline, 0);
                return;
            }
            plan.look_again(deadline);
        }
        if missing == 0 {
            plan.reports.push(self.report(Vec::new(), 0));
            return;
        }
        let chosen = self.take_idle(missing);
        let rest = missing - chosen.len() as u32;
        let order = self.growth_order();
        let growth = self.growth(&order, rest);
        let room: u32 = growth.iter().map(|(_, room, _)| room).sum();
        if room == rest {
            self.commit(plan, chosen, &growth, rest);
            return;
        }

        let evicted = self.evict(&order, rest - room, plan);
        if self.ceiling() < ticket.wanted {
            self.give_up(plan, FailedBy::Never, chosen.len() as u32 + room);
            return;
        }
        if self.all_failed() {
            self.give_up(plan, FailedBy::Failures, chosen.len() as u32 + room);
            return;
        }
        if ticket.patience == Patience::None && evicted.is_empty() {
            self.give_up(plan, FailedBy::Refused, chosen.len() as u32 + room);
            return;
        }
        let mut declines = self.declines();
        for (source, count) in evicted {
            declines.retain(|decline| decline.source != self.world.sources[source].name);
            declines.push(self.decline(source, Why::MakingRoom { count }));
        }
        plan.reports
            .push(self.report(declines, chosen.len() as u32 + room));
        for (source, room, _) in &growth {
            self.ledger.claim(*source, *room);
        }
        self.wake_for(&order, plan);
        if ticket.held > 0 {
            plan.actions.push(Action::GiveBack { ticket: ticket.id });
        }
    }

    /// Enough of everything: hand over what is idle, start what can be started.
    fn commit(
        &mut self,
        plan: &mut Plan,
        chosen: Vec<RowId>,
        growth: &[(usize, u32, u32)],
        rest: u32,
    ) {
        let ticket = self.ticket.id;
        if !chosen.is_empty() {
            plan.actions.push(Action::Assign {
                ticket,
                instances: chosen,
            });
        }
        let mut started = 0;
        for &(source, room, count) in growth {
            self.ledger.take(source, self.ticket.pool, room, count);
            if count > 0 {
                plan.actions.push(Action::Grow {
                    source,
                    count,
                    ticket: Some(ticket),
                });
            }
            started += count;
        }
        if started < rest {
            let slow: Vec<usize> = growth
                .iter()
                .filter(|(_, room, count)| count < room)
                .map(|(source, _, _)| *source)
                .collect();
            let declines = slow
                .iter()
                .map(|source| self.decline(*source, self.ledger.obstacle(*source, 0)))
                .collect();
            plan.reports.push(self.report(declines, self.ticket.wanted));
            self.wake_for(&slow, plan);
        }
    }

    /// Takes fitting idle instances off the shelves, the ticket's own shelf first.
    fn take_idle(&mut self, missing: u32) -> Vec<RowId> {
        let ticket = self.ticket;
        let mut groups: Vec<(u8, usize, Group)> = Vec::new();
        for (position, candidate) in ticket.candidates.iter().enumerate() {
            if matches!(candidate.refused, Some(Refused::RuledOut(_))) {
                continue;
            }
            let low = Group {
                source: candidate.source,
                shelf: None,
                used: false,
                class: 0,
            };
            for (group, rows) in self.idle.range(low..) {
                if group.source != candidate.source {
                    break;
                }
                let own = group.shelf.is_some() && group.shelf == ticket.shelf;
                let usable = (own || group.shelf.is_none())
                    && !(ticket.fresh && group.used)
                    && !rows.is_empty()
                    && ticket.accepts.class(group.class);
                if usable {
                    // Used before is kept for exactly this; what was never used may be wanted fresh by somebody else.
                    let preference = match (own, group.used) {
                        (true, _) => 0,
                        (false, true) => 1,
                        (false, false) => 2,
                    };
                    groups.push((preference, position, *group));
                }
            }
        }
        groups.sort_by_key(|(preference, position, _)| (*preference, *position));
        let mut chosen = Vec::new();
        for (_, _, group) in groups {
            let Some(rows) = self.idle.get_mut(&group) else {
                continue;
            };
            while chosen.len() < missing as usize {
                let Some(place) = rows.pop_front() else {
                    break;
                };
                self.claimed[group.source][place] = true;
                chosen.push(self.world.sources[group.source].idle[place].id);
            }
        }
        chosen
    }

    /// The sources that may make something for this ticket, best first: what the router says, then tags and priority, cost, recent success.
    /// Sources of one priority other than 0 take turns, and so do those that were found by their tags; otherwise
    /// the order of the list decides.
    fn growth_order(&self) -> Vec<usize> {
        let by_tag = self.ticket.pool.is_none() && self.ticket.candidates.len() > 1;
        let mut order: Vec<(usize, &Candidate)> =
            self.ticket.candidates.iter().enumerate().collect();
        order.retain(|(_, candidate)| {
            candidate.refused.is_none() && self.world.sources[candidate.source].policy.is_some()
        });
        order.sort_by_key(|(position, candidate)| {
            let source = &self.world.sources[candidate.source];
            let policy = source.policy.unwrap_or_default();
            let turn = if by_tag || policy.priority != 0 {
                source.health.last_start.map_or(i64::MIN, |last| last.0)
            } else {
                0
            };
            let best = std::cmp::Reverse(i64::from(candidate.tags) + i64::from(policy.priority));
            (
                candidate.rank,
                self.ledger.left_out(candidate.source),
                best,
                policy.cost,
                source.health.failures > 0,
                turn,
                *position,
            )
        });
        let sources: Vec<usize> = order
            .into_iter()
            .map(|(_, candidate)| candidate.source)
            .collect();
        if self.ticket.patience == Patience::None {
            return sources;
        }
        // Who can wait leaves alone what failed a moment ago.
        sources
            .into_iter()
            .filter(|source| !self.ledger.left_out(*source))
            .collect()
    }

    /// Per source: how much room is used, and how much of it can be started at once.
    fn growth(&self, order: &[usize], wanted: u32) -> Vec<(usize, u32, u32)> {
        let mut left = wanted.min(self.ledger.pool_room(self.ticket.pool));
        let mut growth: Vec<(usize, u32, u32)> = Vec::new();
        // First what can be started at this moment, anywhere; then what has room for later.
        for source in order {
            let count = left.min(self.ledger.startable(*source));
            growth.push((*source, count, count));
            left -= count;
        }
        for (source, room, _) in &mut growth {
            let more = left.min(self.ledger.room(*source) - *room);
            *room += more;
            left -= more;
        }
        growth.retain(|(_, room, _)| *room > 0);
        growth
    }

    /// The most that can ever exist for this ticket.
    fn ceiling(&self) -> u32 {
        let sources = self
            .ticket
            .candidates
            .iter()
            .filter(|candidate| !matches!(candidate.refused, Some(Refused::RuledOut(_))))
            .filter_map(|candidate| self.world.sources[candidate.source].policy)
            .map(|policy| policy.maximum)
            .fold(Limit::At(0), Limit::plus);
        let bound = match self.ticket.pool {
            None => sources,
            Some(pool) => sources.tighter(self.world.pools[pool].policy.maximum),
        };
        bound.room(0)
    }

    /// Each source that could have made one failed in a way that does not pass.
    fn all_failed(&self) -> bool {
        let mut possible = self
            .ticket
            .candidates
            .iter()
            .filter(|candidate| !matches!(candidate.refused, Some(Refused::RuledOut(_))));
        possible.all(|candidate| {
            matches!(
                candidate.refused,
                Some(Refused::Failed { passing: false, .. })
            )
        })
    }

    fn give_up(&mut self, plan: &mut Plan, end: FailedBy, possible: u32) {
        let declines = self.declines();
        let mut report = self.report(declines, possible);
        report.never = end == FailedBy::Never;
        plan.reports.push(report);
        if self.ticket.held > 0 {
            plan.actions.push(Action::GiveBack {
                ticket: self.ticket.id,
            });
        }
        plan.actions.push(Action::Fail {
            ticket: self.ticket.id,
            end,
        });
    }

    fn declines(&self) -> Vec<Decline> {
        self.ticket
            .candidates
            .iter()
            .map(|candidate| {
                let why = match &candidate.refused {
                    Some(Refused::Failed { text, .. }) => Why::Failed(text.clone()),
                    Some(Refused::RuledOut(text)) => Why::RuledOut(text.clone()),
                    None => self
                        .ledger
                        .obstacle(candidate.source, self.ahead[candidate.source]),
                };
                self.decline(candidate.source, why)
            })
            .collect()
    }

    fn decline(&self, source: usize, why: Why) -> Decline {
        Decline {
            source: self.world.sources[source].name.clone(),
            why,
        }
    }

    fn report(&self, declines: Vec<Decline>, more: u32) -> Report {
        let ticket = self.ticket;
        let most_ahead = ticket
            .candidates
            .iter()
            .map(|candidate| self.ahead[candidate.source])
            .max();
        let underway = ticket.held + ticket.coming;
        let pool_room = self.ledger.pool_room(ticket.pool);
        Report {
            ticket: ticket.id,
            ahead: most_ahead.unwrap_or(0),
            wanted: ticket.wanted,
            underway,
            possible_now: (underway + more).min(ticket.wanted),
            never: false,
            pool_maximum: ticket
                .pool
                .filter(|_| pool_room < ticket.missing())
                .map(|pool| self.world.pools[pool].policy.maximum),
            declines,
        }
    }

    /// When waiting for these sources is only a matter of time, the loop shall look again then.
    fn wake_for(&self, order: &[usize], plan: &mut Plan) {
        let left_out = self
            .ticket
            .candidates
            .iter()
            .filter(|candidate| candidate.refused.is_none());
        let sources = order
            .iter()
            .copied()
            .chain(left_out.map(|candidate| candidate.source));
        for source in sources {
            if let Some(at) = self.ledger.later(source) {
                plan.look_again(at);
            }
        }
    }
}

/// `Accepts` of a ticket without requirements.
impl Default for Accepts {
    fn default() -> Self {
        Self::Any
    }
}
