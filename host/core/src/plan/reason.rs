//! Why a ticket waits or a source does not serve, in words for people.

use std::fmt;

use crate::id::{SourceName, TicketId, Timestamp};
use crate::policy::Limit;

/// What stands in the way of one source serving one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// As many as allowed exist.
    Maximum { maximum: Limit, live: u32 },
    /// As many as allowed are being made.
    Starting { maximum: Limit },
    /// The next start must wait.
    Delay { until: Timestamp },
    /// It failed lately.
    LeftOut { failures: u32, until: Timestamp },
    /// Tickets before this one take what there is.
    Ahead { waiting: u32 },
    /// Making one for this ticket failed.
    Failed(String),
    /// A hook or a requirement rules it out.
    RuledOut(String),
    /// It is not configured any more.
    Unconfigured,
    /// Outdated idle instances are being destroyed first.
    MakingRoom { count: u32 },
}

/// A source and why it does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    pub source: SourceName,
    pub why: Why,
}

/// Why one ticket is not served by a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub ticket: TicketId,
    /// How many tickets come before it for any of its sources.
    pub ahead: u32,
    pub wanted: u32,
    /// Held already, or being made for it.
    pub underway: u32,
    /// How many could be had at this moment, with those.
    pub possible_now: u32,
    /// Nothing that can happen serves it.
    pub never: bool,
    /// The pool's own limit is what stands in the way.
    pub pool_maximum: Option<Limit>,
    pub declines: Vec<Decline>,
}

impl fmt::Display for Decline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = &self.source;
        match &self.why {
            Why::Maximum {
                maximum: Limit::At(maximum),
                live,
            } if live < maximum => write!(
                f,
                "source `{source}` has room for {} more below its maximum of {maximum} ({live} exist)",
                maximum - live
            ),
            Why::Maximum { maximum, live } => {
                write!(
                    f,
                    "source `{source}` is at its maximum of {maximum} ({live} exist)"
                )
            }
            Why::Starting { maximum } => {
                write!(
                    f,
                    "source `{source}` makes at most {maximum} at once (`max_starting`)"
                )
            }
            Why::Delay { .. } => write!(
                f,
                "source `{source}` waits between two starts (`start_delay`)"
            ),
            Why::LeftOut { failures, .. } => write!(
                f,
                "source `{source}` failed {failures} times in a row and is left out for a while"
            ),
            Why::Ahead { waiting } => {
                write!(f, "source `{source}` has {waiting} waiting before this")
            }
            Why::Failed(text) => write!(f, "source `{source}` could not make one: {text}"),
            Why::RuledOut(text) => write!(f, "source `{source}` is ruled out: {text}"),
            Why::Unconfigured => write!(f, "source `{source}` is not configured any more"),
            Why::MakingRoom { count } => write!(
                f,
                "source `{source}` destroys {count} outdated instances first"
            ),
        }
    }
}
