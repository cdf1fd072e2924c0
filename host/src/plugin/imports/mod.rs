//! What a guest can ask of the host: one capability per file, each the same way. The grant is looked at on each call,
//! whatever was linked; a refusal is an answer (`denied`) that names what is missing and how to grant it, because
//! a guest may know what to do without. Limits end the call instead.
//!
//! All interfaces are linked, granted or not: components made by Python and JavaScript toolchains import the whole world
//! whether they use it or not, and a refused call tells more than a failed link.

pub(crate) mod http;
mod inner;
pub(crate) mod log;
mod process;
mod program;
mod secrets;
mod ssh;
mod state;
pub(crate) mod stdio;
mod target;
mod v0_1;

use wasmtime::component::{HasSelf, Linker};

use super::bindings;
use super::bindings::types::{self, Error, Failure, Retryable};
use super::state::State;

/// What every import answers: the outer error ends the call, the inner one is the guest's to handle.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// What both worlds may import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    http::link(linker)?;
    bindings::provider::ProviderPlugin::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    bindings::inner::runner::plugin::provider::add_to_linker::<_, HasSelf<State>>(
        linker,
        |state| state,
    )?;
    // Names carry the version, so both have room in one linker.
    bindings::v0_1::provider::ProviderPlugin::add_to_linker::<_, HasSelf<State>>(linker, |state| {
        state
    })
}

/// What hooks may import besides.
pub(crate) fn link_target(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    bindings::target::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    bindings::v0_1::target::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {}

fn invalid(message: impl Into<String>) -> Error {
    Error::Invalid(Failure {
        message: message.into(),
        remedy: None,
    })
}

fn failed(message: impl Into<String>) -> Error {
    Error::Failed(Failure {
        message: message.into(),
        remedy: None,
    })
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::Unavailable(Retryable {
        message: message.into(),
        remedy: None,
        retry_after: None,
    })
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
