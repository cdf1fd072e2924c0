//! The trait of a hook, and what a hook may do with the instance that its event is about.

use serde::de::DeserializeOwned;

pub use crate::bindings::hook::exports::runner::plugin::hook::Point;
use crate::{Context, Instance, Result};

/// A hook: called when instances of the source are made and destroyed. Export it with [`crate::hook!`].
pub trait Hook {
    /// The hook's own configuration keys.
    type Config: DeserializeOwned;

    /// At [`Point::Provision`] an error makes the instance unusable: it is discarded. At [`Point::Discard`] an error is
    /// reported and does not keep the instance alive. An event that does not concern the hook is success.
    /// The instance is reached with [`crate::target::run`].
    fn on_event(ctx: &Context<Self::Config>, at: Point, instance: &Instance) -> Result<()>;
}
