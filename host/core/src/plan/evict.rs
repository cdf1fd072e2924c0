//! Making room at a source that is full: idle instances that cannot serve the ticket that waits go, when that helps.

use super::assign::{Group, Turn};
use super::world::RowId;
use super::{Action, Because, Plan};

impl Turn<'_> {
    /// Idle instances that occupy the room this ticket needs and cannot serve it: outdated ones, and for one that wants its
    /// instances fresh those that were used before. Only when that helps.
    pub(super) fn evict(
        &mut self,
        order: &[usize],
        lacking: u32,
        plan: &mut Plan,
    ) -> Vec<(usize, u32)> {
        let mut left = lacking.min(self.ledger.pool_room(self.ticket.pool));
        if left < lacking {
            return Vec::new();
        }
        let mut doomed = Vec::new();
        let mut evicted = Vec::new();
        for source in order {
            let before = doomed.len();
            let stale = &mut self.stale[*source];
            let idle = &self.world.sources[*source].idle;
            for _ in 0..left {
                let Some(place) = stale.pop_front() else {
                    break;
                };
                doomed.push((*source, place, idle[place].id));
            }
            let count = (doomed.len() - before) as u32;
            left -= count;
            if count > 0 {
                evicted.push((*source, count));
            }
        }
        if self.ticket.fresh {
            left = self.evict_used(order, left, &mut doomed, &mut evicted);
        }
        if left > 0 && doomed.is_empty() {
            return Vec::new();
        }
        for (source, place, id) in doomed {
            self.claimed[source][place] = true;
            plan.actions.push(Action::Discard {
                instance: id,
                because: Because::MakeRoom,
            });
        }
        evicted
    }

    /// The same for what is idle after a use, oldest idle first: others could still use it, so only when enough of it is there for
    /// all that is lacking. Answers what is lacking then.
    fn evict_used(
        &mut self,
        order: &[usize],
        lacking: u32,
        doomed: &mut Vec<(usize, usize, RowId)>,
        evicted: &mut Vec<(usize, u32)>,
    ) -> u32 {
        let groups: Vec<Group> = order
            .iter()
            .flat_map(|source| {
                let used =
                    |group: &&Group| group.source == *source && group.used && group.shelf.is_none();
                self.idle.keys().filter(used).copied()
            })
            .collect();
        let there: usize = groups.iter().map(|group| self.idle[group].len()).sum();
        if there < lacking as usize {
            return lacking;
        }
        let mut left = lacking;
        for group in groups {
            let Some(rows) = self.idle.get_mut(&group) else {
                continue;
            };
            let count = left.min(rows.len() as u32);
            for place in rows.drain(..count as usize) {
                let id = self.world.sources[group.source].idle[place].id;
                doomed.push((group.source, place, id));
            }
            left -= count;
            match evicted
                .iter_mut()
                .find(|(source, _)| *source == group.source)
            {
                Some((_, sum)) => *sum += count,
                None if count > 0 => evicted.push((group.source, count)),
                None => {}
            }
        }
        left
    }
}
