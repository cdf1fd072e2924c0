//! The state machine of an instance. A machine leaves the books only through `discarded`.
//!
//! ```text
//!              allocated              provisioned            assigned
//! (intent) ─► allocating ─► provisioning ─────────► ready ─────────────► leased
//!                 │               │                  │ ▲                   │ released / holder gone
//!                 │ failed        │ failed  excess   │ │ kept              ▼
//!                 ▼               ▼                  │ └─────────────── releasing
//!               broken ◄──────────┘                  │                     │ not kept
//!                 │ always                           ▼                     │
//!                 └──────────────────────────► discarding ◄────────────────┘
//!                                               │  ▲  │ confirmed, or gone
//!                                               └──┘  ▼
//!                                              retry  discarded
//! ```
//!
//! `broken` also comes from `ready`, `leased` and `releasing`, when a check fails or the backend says it is gone.

use serde::{Deserialize, Serialize};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The intent is recorded and the provider asked; the handle is not known yet.
    Allocating,
    /// It exists; provision hooks run.
    Provisioning,
    /// Idle and usable.
    Ready,
    /// Held by a lease.
    Leased,
    /// The lease has ended; the host is deciding and cleaning.
    Releasing,
    /// Not usable: a hook or check failed, or the outcome of a call is unknown.
    Broken,
    /// The provider is asked to destroy it, again and again until it confirms.
    Discarding,
    /// Certain to cost nothing; kept for history.
    Discarded,
}

/// Every state, in the order of a life.
pub const STATES: [State; 8] = [
    State::Allocating,
    State::Provisioning,
    State::Ready,
    State::Leased,
    State::Releasing,
    State::Broken,
    State::Discarding,
    State::Discarded,
];

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The provider answered with a handle.
    Allocated,
    /// Provision hooks passed.
    Provisioned,
    /// A lease took it.
    Assigned,
    /// Its lease ended.
    Released,
    /// Cleaned, and kept for the next holder.
    Kept,
    /// It is not usable any more.
    Failed,
    /// It shall be destroyed.
    Doomed,
    /// The provider confirmed that it is gone.
    Confirmed,
}

/// An event that cannot happen in a state: a bug in the engine, or a row somebody else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an instance that is {state:?} cannot take the event {event:?}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub state: State,
    /// The event that does not fit.
    pub event: Event,
}

impl State {
    /// The state after `event`.
    pub fn apply(self, event: Event) -> Result<Self, IllegalTransition> {
        match (self, event) {
            (Self::Allocating, Event::Allocated) => Ok(Self::Provisioning),
            (Self::Provisioning, Event::Provisioned) | (Self::Releasing, Event::Kept) => {
                Ok(Self::Ready)
            }
            (Self::Ready, Event::Assigned) => Ok(Self::Leased),
            (Self::Leased, Event::Released) => Ok(Self::Releasing),
            (
                Self::Allocating
                | Self::Provisioning
                | Self::Ready
                | Self::Leased
                | Self::Releasing,
                Event::Failed,
            ) => Ok(Self::Broken),
            (Self::Ready | Self::Releasing | Self::Broken, Event::Doomed) => Ok(Self::Discarding),
            (Self::Discarding, Event::Confirmed) => Ok(Self::Discarded),
            (state, event) => Err(IllegalTransition { state, event }),
        }
    }

    /// It may cost money: counts against `maximum`.
    pub fn is_live(self) -> bool {
        self != Self::Discarded
    }

    /// Counts as `cached` in `status`.
    pub fn is_cached(self) -> bool {
        self == Self::Ready
    }

    /// Counts as `in-use` in `status`.
    pub fn is_in_use(self) -> bool {
        matches!(self, Self::Leased | Self::Releasing)
    }

    /// Somebody must be working on it; when that process is gone, repair takes over.
    pub fn is_transitional(self) -> bool {
        matches!(
            self,
            Self::Allocating
                | Self::Provisioning
                | Self::Releasing
                | Self::Broken
                | Self::Discarding
        )
    }

    /// The word used in the database, in JSON and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allocating => "allocating",
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Releasing => "releasing",
            Self::Broken => "broken",
            Self::Discarding => "discarding",
            Self::Discarded => "discarded",
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        STATES.into_iter().find(|state| state.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 8] = [
        Event::Allocated,
        Event::Provisioned,
        Event::Assigned,
        Event::Released,
        Event::Kept,
        Event::Failed,
        Event::Doomed,
        Event::Confirmed,
    ];

    #[test]
    fn the_only_way_out_is_a_confirmed_discard() {
        for state in STATES {
            for event in EVENTS {
                if state.apply(event) == Ok(State::Discarded) {
                    assert_eq!((state, event), (State::Discarding, Event::Confirmed));
                }
            }
        }
        for event in EVENTS {
            assert!(State::Discarded.apply(event).is_err());
        }
    }

    #[test]
    fn every_live_state_can_reach_discarded() {
        for start in STATES.into_iter().filter(|state| state.is_live()) {
            let mut seen = vec![start];
            let mut next = 0;
            while next < seen.len() {
                for event in EVENTS {
                    if let Ok(state) = seen[next].apply(event)
                        && !seen.contains(&state)
                    {
                        seen.push(state);
                    }
                }
                next += 1;
            }
            assert!(seen.contains(&State::Discarded), "{start:?}");
        }
    }

    #[test]
    fn words_round_trip() {
        for state in STATES {
            assert_eq!(State::from_word(state.as_str()), Some(state));
        }
    }
}
