//! What the operator allows and wants of a source.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Timestamp;

/// An upper bound. Configuration files write 0 for "no limit"; past the parser it is this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// No bound.
    Unlimited,
    /// At most this many; `At(0)` means none at all.
    At(u32),
}

impl Limit {
    /// How many more fit beside `live`.
    pub fn room(self, live: u32) -> u32 {
        match self {
            Self::Unlimited => u32::MAX,
            Self::At(bound) => bound.saturating_sub(live),
        }
    }

    /// The tighter of two bounds.
    pub fn tighter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unlimited, bound) | (bound, Self::Unlimited) => bound,
            (Self::At(one), Self::At(two)) => Self::At(one.min(two)),
        }
    }

    /// The sum of two bounds: unlimited if either is.
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one), Self::At(two)) => Self::At(one.saturating_add(two)),
            _ => Self::Unlimited,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::At(bound) => write!(f, "{bound}"),
        }
    }
}

/// A span of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A whole number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The instant this long after `from`.
    pub fn after(self, from: Timestamp) -> Timestamp {
        Timestamp(
            from.0
                .saturating_add(i64::try_from(self.0).unwrap_or(i64::MAX)),
        )
    }
}

/// How often, and how long, a kept instance may be used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reuse {
    /// Leases after the first one; 0 is no limit (resalloc: `reuse_max_count`).
    pub max_count: u32,
    /// Since it was first leased; none is no limit (resalloc: `reuse_max_time`).
    pub max_time: Option<Millis>,
    /// How long a released instance waits for its next holder; none is no limit, zero is "never keep one"
    /// (resalloc: `reuse_opportunity_time`).
    pub opportunity: Option<Millis>,
}

/// How often instances are asked whether they live, and how much patience there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checks {
    /// Between two checks of one instance; none: never.
    pub period: Option<Millis>,
    /// So many failures in a row destroy it; at least 1.
    pub attempts: u32,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            period: Some(Millis::seconds(600)),
            attempts: 3,
        }
    }
}

/// How long a source that fails is left alone: the first pause, doubled with each failure in a row up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backoff {
    pub first: Millis,
    pub longest: Millis,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Millis::seconds(5),
            longest: Millis::seconds(600),
        }
    }
}

/// What the operator allows and wants of one source or pool: plain numbers. Tags and schedules stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Everything that exists, whatever its state.
    pub maximum: Limit,
    /// Do not discard below this many that exist.
    pub reserve: u32,
    /// Commands that one instance takes at once; 0: as many as it has processors.
    pub concurrency: u32,
    /// Idle and never used, kept ahead of demand. Instances that are being made for it count; leased ones do not.
    pub prealloc: u32,
    /// At most this many are being made at once.
    pub max_starting: Limit,
    /// Between the starts of two instances.
    pub start_delay: Millis,
    /// Instances are made for tickets only: whatever `prealloc` says, nothing is made ahead, and what nobody waits for
    /// any more is destroyed.
    pub on_demand: bool,
    /// Larger comes first when several sources could serve.
    pub priority: i32,
    /// Any unit, the same for all sources; the cheaper of two of one priority comes first.
    pub cost: u32,
    pub reuse: Reuse,
    /// An instance that was used and is idle for longer is destroyed, down to `reserve`.
    pub idle_timeout: Option<Millis>,
    /// Older instances are not handed out any more, and destroyed when idle.
    pub max_age: Option<Millis>,
    /// How long a lease lasts without being renewed; none: until it is released.
    pub lease_ttl: Option<Millis>,
    pub checks: Checks,
    pub backoff: Backoff,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            maximum: Limit::Unlimited,
            reserve: 0,
            concurrency: 0,
            prealloc: 0,
            max_starting: Limit::Unlimited,
            start_delay: Millis(0),
            on_demand: false,
            priority: 0,
            cost: 0,
            reuse: Reuse::default(),
            idle_timeout: None,
            max_age: None,
            lease_ttl: None,
            checks: Checks::default(),
            backoff: Backoff::default(),
        }
    }
}

/// A label of a source that tickets can ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag {
    pub name: String,
    /// Among the sources that carry all the tags a ticket asks for, the one with the largest sum of these comes first.
    #[serde(default)]
    pub priority: i32,
}
