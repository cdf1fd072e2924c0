//! Native programs, connected to the caller's own descriptors.
//!
//! `connect` gives the program the descriptors themselves, so that its bytes never pass through us; `capture` collects
//! what a control command prints, within a bound. Dropping either future kills the program, and its process group when
//! it has one of its own. The room decides nothing about *which* program may run: grants are checked by whoever calls.
//! It reads no environment variables; programs inherit ours.

mod child;
mod collect;
mod command;
mod error;
mod helper;
pub mod identity;
mod keyboard;
mod placement;
mod run;

pub(crate) use child::next_signal;
pub(crate) use collect::{CollectError, Pipes};
pub use command::NativeCommand;
pub use error::ProcessError;
pub use helper::Helper;
pub(crate) use keyboard::Keyboard;
pub(crate) use run::detach;
pub use run::{capture, connect};

#[cfg(test)]
mod tests;
