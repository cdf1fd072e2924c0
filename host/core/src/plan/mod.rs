//! Decisions: which ticket gets what, what to make, what to destroy, and why somebody waits.
//!
//! [`plan`] takes a view of the [`World`] (as little of it as the question needs) and the time, and answers with
//! actions and with reasons. Nothing here changes anything, and the same world always gives the same plan.
//! [`release`] decides over one instance whose lease has ended.

mod assign;
mod evict;
mod grow;
mod reason;
mod release;
mod tend;
mod world;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;

pub use reason::{Decline, Report, Why};
pub use release::{ReleaseView, ShelfRoom, Verdict, release};
pub use world::{
    Accepts, Candidate, Counts, Health, Idle, Patience, PoolView, Refused, RowId, SourceView,
    TicketView, World,
};

use crate::id::{TicketId, Timestamp};

/// One thing to do. The engine carries them out in this order; each is right on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// These idle instances are the ticket's from now on. Another action may still make the rest for it.
    Assign {
        ticket: TicketId,
        instances: Vec<RowId>,
    },
    /// Make so many of a source (its index in the world), for a ticket or ahead of demand.
    Grow {
        source: usize,
        count: u32,
        ticket: Option<TicketId>,
    },
    /// The ticket cannot be completed now: what it holds goes back, so that it does not stand in another's way.
    GiveBack { ticket: TicketId },
    /// The ticket ends without being served; the report says why.
    Fail { ticket: TicketId, end: FailedBy },
    /// Destroy an idle instance.
    Discard { instance: RowId, because: Because },
}

/// Why a ticket ends without being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedBy {
    /// No state of the world can serve it.
    Never,
    /// Each source that could have, failed for good.
    Failures,
    /// Its time is over.
    Deadline,
    /// It does not wait, and cannot be served now.
    Refused,
}

/// Why an idle instance is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// Its source is not configured any more.
    Unconfigured,
    /// It was made by an older configuration.
    Outdated,
    /// It is older than `max_age`.
    Aged,
    /// It was used for longer than `reuse_max_time`.
    WornOut,
    /// Nobody wanted it for `reuse_opportunity_time`.
    Unwanted,
    /// It was idle for `idle_timeout`.
    Idle,
    /// Made for a ticket that does not want it any more.
    Surplus,
    /// A ticket needs its place.
    MakeRoom,
}

impl Because {
    /// In a log: what follows "discarded: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unconfigured => "its source is not configured any more",
            Self::Outdated => "made by an older configuration",
            Self::Aged => "older than `max_age`",
            Self::WornOut => "in use for longer than `reuse_max_time`",
            Self::Unwanted => "nobody wanted it for `reuse_opportunity_time`",
            Self::Idle => "idle for `idle_timeout`",
            Self::Surplus => "made on demand, and the demand is gone",
            Self::MakeRoom => "outdated, and in the way of a ticket",
        }
    }
}

/// What to do now, why some wait, and when to look again even if nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub actions: Vec<Action>,
    /// One for each ticket that is not served by this plan.
    pub reports: Vec<Report>,
    pub next: Option<Timestamp>,
}

impl Plan {
    fn look_again(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Why a ticket waits.
    pub fn report(&self, ticket: TicketId) -> Option<&Report> {
        self.reports.iter().find(|report| report.ticket == ticket)
    }
}

/// Serves the tickets in their order, then tends what is idle (when the world asks for that), then makes ahead.
pub fn plan(world: &World, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut ledger = grow::Ledger::new(world, now);
    let claimed = assign::serve(world, now, &mut ledger, &mut plan);
    if world.tend {
        tend::tend(world, now, &mut ledger, &claimed, &mut plan);
    }
    plan
}
