//! The world as the planner sees it: sources with their idle instances, tickets that wait, limits of pools.
//!
//! A command hands over the part that concerns its own request, the continuous loop everything; the planner cannot
//! tell the difference.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::id::{ShelfId, SourceName, TicketId, Timestamp};
use crate::policy::{Millis, Policy};

/// The store's key of an instance row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

/// Everything a decision needs.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub sources: Vec<SourceView>,
    pub pools: Vec<PoolView>,
    /// Those that wait, in any order.
    pub tickets: Vec<TicketView>,
    /// Also look after what is idle and make ahead. Needs all idle instances of each source.
    pub tend: bool,
}

/// A source and what exists of it.
#[derive(Clone, Debug)]
pub struct SourceView {
    pub name: SourceName,
    /// None: not configured (any more). Nothing is handed out or made, what is idle is destroyed.
    pub policy: Option<Policy>,
    pub counts: Counts,
    /// Of those being made, those that no ticket waits for.
    pub unassigned_starting: u32,
    /// Idle instances; all of them, or as many as the tickets could use.
    pub idle: Vec<Idle>,
    pub health: Health,
}

/// How many instances of a source are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub starting: u32,
    pub ready: u32,
    pub leased: u32,
    pub releasing: u32,
    pub broken: u32,
    pub discarding: u32,
}

impl Counts {
    /// Everything that exists.
    pub fn live(self) -> u32 {
        self.starting + self.ready + self.leased + self.releasing + self.broken + self.discarding
    }

    /// What will still exist when everything that is being destroyed is gone.
    pub fn staying(self) -> u32 {
        self.starting + self.ready + self.leased + self.releasing
    }
}

/// An instance that is `ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    pub id: RowId,
    /// On this shelf. It is handed out under that shelf only.
    pub shelf: Option<ShelfId>,
    /// Made by the configuration that is in force.
    pub fits: bool,
    /// Its last check failed: not handed out until one passes.
    pub suspect: bool,
    /// How often it was leased.
    pub uses: u32,
    /// Instances of one class have the same facts and tags.
    pub class: u32,
    pub created: Timestamp,
    /// Idle since.
    pub since: Timestamp,
    pub first_leased: Option<Timestamp>,
}

/// How a source did lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures since the last success.
    pub failures: u32,
    /// Nothing is made before this, except for who has no time to wait and nowhere else to go.
    pub left_out_until: Option<Timestamp>,
    pub last_start: Option<Timestamp>,
}

/// A pool's own limits.
#[derive(Clone, Debug)]
pub struct PoolView {
    pub name: SourceName,
    pub policy: Policy,
    /// Instances that carry the pool's name, whatever their state.
    pub live: u32,
}

/// Whether a ticket waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Now or never.
    None,
    /// Until this instant, or for ever.
    Until(Option<Timestamp>),
}

/// A request.
#[derive(Clone, Debug)]
pub struct TicketView {
    pub id: TicketId,
    pub wanted: u32,
    /// Already leased to it, while the rest is being made.
    pub held: u32,
    /// Being made for it.
    pub coming: u32,
    /// Larger is served first.
    pub priority: i32,
    pub opened: Timestamp,
    pub patience: Patience,
    pub shelf: Option<ShelfId>,
    /// Nothing that was used before.
    pub fresh: bool,
    /// The index of the pool it was asked of.
    pub pool: Option<usize>,
    pub candidates: Vec<Candidate>,
    pub accepts: Accepts,
}

/// Which classes of instances meet what the ticket requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepts {
    Any,
    Only(BTreeSet<u32>),
}

impl Accepts {
    pub(super) fn class(&self, class: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Only(classes) => classes.contains(&class),
        }
    }
}

/// A source that a ticket may draw on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the world.
    pub source: usize,
    /// What a route hook said; smaller comes first.
    pub rank: i32,
    /// The sum of the priorities of the tags that were asked for.
    pub tags: i32,
    /// Out of the question for this ticket. Nothing new is made for it there; idle instances are still handed out, unless
    /// it was ruled out.
    pub refused: Option<Refused>,
}

/// Why a source is out of the question for one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It could not make one; the text is its error.
    Failed { text: String, passing: bool },
    /// A hook or a requirement rules it out; the text says which.
    RuledOut(String),
}

/// A ticket gains one step of priority for each of these that it waits: nobody starves.
pub(super) const AGING: Millis = Millis::seconds(60);

impl TicketView {
    /// Its priority, with the wait counted in.
    pub(super) fn standing(&self, now: Timestamp) -> i64 {
        let waited = now.0.saturating_sub(self.opened.0).max(0);
        i64::from(self.priority).saturating_add(waited / AGING.0 as i64)
    }

    /// What it still needs that is neither held nor being made.
    pub fn missing(&self) -> u32 {
        self.wanted.saturating_sub(self.held + self.coming)
    }
}
