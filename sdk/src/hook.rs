//! The traits of a hook: told what happens to instances, asked where a ticket goes, or both.

use serde::de::DeserializeOwned;

pub use crate::bindings::hook::exports::runner::plugin::hook::{Event, Point};
pub use crate::bindings::routing::exports::runner::plugin::routing::{Candidate, Ticket, Verdict};
use crate::{Context, Instance, Result};

/// Told what happens to the instances of a source. Export it with [`crate::hook!`].
///
/// Implement the points that concern the hook, and name them under `points` in its manifest, so that the others cost
/// nothing. The instance is reached with [`crate::target::run`]. Each call may be repeated, and cut off anywhere.
pub trait Hook {
    /// The hook's own configuration keys.
    type Config: DeserializeOwned;

    /// The instance was made, and nobody has it yet. An error makes it unusable: it is discarded.
    fn provision(_ctx: &Context<Self::Config>, _: &Event, _instance: &Instance) -> Result<()> {
        Ok(())
    }

    /// The instance is about to be handed out, new or kept. An error: it is discarded instead, and the ticket takes
    /// another.
    fn acquire(_ctx: &Context<Self::Config>, _: &Event, _instance: &Instance) -> Result<()> {
        Ok(())
    }

    /// The lease has ended. An error: the instance is not used again, but discarded.
    fn release(_ctx: &Context<Self::Config>, _: &Event, _instance: &Instance) -> Result<()> {
        Ok(())
    }

    /// The instance, idle or leased, is being checked. An error is a failed check.
    fn check(_ctx: &Context<Self::Config>, _: &Event, _instance: &Instance) -> Result<()> {
        Ok(())
    }

    /// The instance is about to be destroyed. An error is reported and does not keep it alive.
    fn discard(_ctx: &Context<Self::Config>, _: &Event, _instance: &Instance) -> Result<()> {
        Ok(())
    }

    /// Every event, for hooks that treat all points alike. Left out, it calls the method of the point.
    fn on_event(ctx: &Context<Self::Config>, event: &Event, instance: &Instance) -> Result<()> {
        match event.at {
            Point::Provision => Self::provision(ctx, event, instance),
            Point::Acquire => Self::acquire(ctx, event, instance),
            Point::Release => Self::release(ctx, event, instance),
            Point::Check => Self::check(ctx, event, instance),
            Point::Discard => Self::discard(ctx, event, instance),
        }
    }
}

/// Orders or rejects the sources that could serve a ticket. Export it with [`crate::hook!`] and `exports = [routing]`.
pub trait Router {
    /// The hook's own configuration keys.
    type Config: DeserializeOwned;

    /// One verdict per candidate, in their order. [`crate::Error::denied`] rejects all of them with its message; after
    /// any other error the ticket goes on without this hook's opinion. Called often: answer fast.
    fn route(
        ctx: &Context<Self::Config>,
        ticket: &Ticket,
        candidates: &[Candidate],
    ) -> Result<Vec<Verdict>>;
}

impl Point {
    /// The word in configuration and manifests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Check => "check",
            Self::Discard => "discard",
        }
    }
}

impl Verdict {
    /// Not this one: one sentence without a full stop, shown to whoever waits.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }
}
