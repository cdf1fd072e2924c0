//! The provider behind a wrapper. A component that calls these stands in front of another provider, where a source's configuration
//! puts it (`wrap`); there is nothing behind any other.
//!
//! Only the instance that the call at hand is about can be named, with the token, handle and directory as they came (or the handle that
//! [`allocate`] answered in the same call); the name is yours. Hand on the handle that was answered. How an instance is reached stays between the
//! provider behind and the host.

use serde::Serialize;

use crate::bindings::inner::runner::plugin::provider as wit;
use crate::bindings::provider::runner::plugin::types;
use crate::{Allocated, Command, Direction, Doomed, ExitStatus, Instance, Request, Result, Stdio};

/// The provider behind gets its own from the host.
fn nothing() -> types::Context {
    types::Context {
        source: String::new(),
        state_id: String::new(),
        config: String::new(),
    }
}

/// Makes the instance.
pub fn allocate(request: &Request) -> Result<Allocated> {
    Ok(wit::allocate(&nothing(), request)?)
}

/// Makes the instance with some of the provider's settings replaced: an object whose keys the operator named under `sets` (`denied`
/// for any other), null for a setting's default. `invalid` where they do not suit the provider. Only this call of it sees them: one
/// that is used or destroyed is that with the source's own.
///
/// ```no_run
/// # fn cheap(request: &runner_sdk::Request) -> runner_sdk::Result<runner_sdk::Allocated> {
/// runner_sdk::inner::allocate_with(request, &serde_json::json!({ "spot": true }))
/// # }
/// ```
pub fn allocate_with(request: &Request, settings: &impl Serialize) -> Result<Allocated> {
    let context = types::Context {
        config: serde_json::to_string(settings)?,
        ..nothing()
    };
    Ok(wit::allocate(&context, request)?)
}

/// Runs a command, connected to the caller's streams.
pub fn run(instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
    Ok(wit::run(&nothing(), instance, &command, io.0)?)
}

/// Moves a tar stream.
pub fn copy(instance: &Instance, direction: Direction, io: Stdio) -> Result<()> {
    let direction = match direction {
        Direction::Into(path) => wit::Direction::Into(path),
        Direction::OutOf(path) => wit::Direction::OutOf(path),
    };
    Ok(wit::copy(&nothing(), instance, &direction, io.0)?)
}

/// Destroys whatever carries the token.
pub fn discard(doomed: &Doomed) -> Result<()> {
    Ok(wit::discard(&nothing(), doomed)?)
}
