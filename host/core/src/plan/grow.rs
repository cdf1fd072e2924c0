//! How much more of each source may be made: the limits, less what earlier decisions of the same plan took.

use super::reason::Why;
use super::world::{SourceView, World};
use crate::id::Timestamp;
use crate::policy::Limit;

/// What is left of each source and pool while a plan is being made.
pub(super) struct Ledger {
    sources: Vec<Left>,
    pools: Vec<u32>,
}

struct Left {
    /// Below `maximum`.
    room: u32,
    /// Below `max_starting`, and what `start_delay` allows.
    starts: u32,
    /// Why no more can be started now.
    starting: Limit,
    delayed: Option<Timestamp>,
    left_out: Option<(u32, Timestamp)>,
    configured: bool,
    live: u32,
    /// Some are idle, for those who came before.
    idle: bool,
    maximum: Limit,
    /// Room that tickets wait for.
    claimed: u32,
}

impl Ledger {
    pub(super) fn new(world: &World, now: Timestamp) -> Self {
        Self {
            sources: world
                .sources
                .iter()
                .map(|source| Left::new(source, now))
                .collect(),
            pools: world
                .pools
                .iter()
                .map(|pool| pool.policy.maximum.room(pool.live))
                .collect(),
        }
    }

    /// How many fit below the maximum, whenever they can be started.
    pub(super) fn room(&self, source: usize) -> u32 {
        let left = &self.sources[source];
        if left.configured { left.room } else { 0 }
    }

    /// How many of them can be started at this moment.
    pub(super) fn startable(&self, source: usize) -> u32 {
        self.room(source).min(self.sources[source].starts)
    }

    pub(super) fn left_out(&self, source: usize) -> bool {
        self.sources[source].left_out.is_some()
    }

    /// When more can be started, if it is only a matter of time.
    pub(super) fn later(&self, source: usize) -> Option<Timestamp> {
        let left = &self.sources[source];
        let out = left.left_out.map(|(_, until)| until);
        out.max(left.delayed)
    }

    pub(super) fn pool_room(&self, pool: Option<usize>) -> u32 {
        pool.map_or(u32::MAX, |pool| self.pools[pool])
    }

    /// Some are made, or will be as soon as that is possible: the room is taken.
    pub(super) fn take(&mut self, source: usize, pool: Option<usize>, room: u32, started: u32) {
        let left = &mut self.sources[source];
        left.room = left.room.saturating_sub(room);
        left.starts = left.starts.saturating_sub(started);
        if let Some(pool) = pool {
            self.pools[pool] = self.pools[pool].saturating_sub(room);
        }
    }

    /// A ticket that cannot be served yet keeps its place against those behind it.
    pub(super) fn claim(&mut self, source: usize, count: u32) {
        let left = &mut self.sources[source];
        let count = count.min(left.room);
        left.room -= count;
        left.claimed += count;
    }

    /// Why no more can be made of a source now.
    pub(super) fn obstacle(&self, source: usize, ahead: u32) -> Why {
        let left = &self.sources[source];
        if !left.configured {
            return Why::Unconfigured;
        }
        if left.room == 0
            && ahead > 0
            && (left.idle || left.claimed > 0 || left.maximum.room(left.live) > 0)
        {
            return Why::Ahead { waiting: ahead };
        }
        if let Some((failures, until)) = left.left_out.filter(|_| left.room > 0) {
            return Why::LeftOut { failures, until };
        }
        if left.starts >= left.room {
            return Why::Maximum {
                maximum: left.maximum,
                live: left.live,
            };
        }
        match left.delayed {
            Some(until) => Why::Delay { until },
            None => Why::Starting {
                maximum: left.starting,
            },
        }
    }
}

impl Left {
    fn new(source: &SourceView, now: Timestamp) -> Self {
        let policy = source.policy.unwrap_or_default();
        let live = source.counts.live();
        let mut starts = policy.max_starting.room(source.counts.starting);
        let mut delayed = None;
        if policy.start_delay.0 > 0 {
            starts = starts.min(1);
            let next = source
                .health
                .last_start
                .map(|last| policy.start_delay.after(last));
            if let Some(next) = next.filter(|next| *next > now) {
                starts = 0;
                delayed = Some(next);
            }
        }
        let until = source.health.left_out_until.filter(|until| *until > now);
        Self {
            room: policy.maximum.room(live),
            starts,
            starting: policy.max_starting,
            delayed,
            left_out: until.map(|until| (source.health.failures, until)),
            configured: source.policy.is_some(),
            live,
            idle: source.counts.ready > 0,
            maximum: policy.maximum,
            claimed: 0,
        }
    }
}
