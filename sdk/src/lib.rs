//! Write a provider or a hook for `runner`: implement one trait, call one macro, build for `wasm32-wasip2`.
//!
//! The contract behind these items, and what the host promises and expects, is in `wit/README.md` of the `runner`
//! repository; `sdk/README.md` has a complete provider. This crate only makes the contract pleasant in Rust: nothing
//! here adds to it, and nothing here is known to the host.
//!
//! ```
//! use runner_sdk::prelude::*;
//!
//! struct Shed;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     tool: String,
//! }
//!
//! type Ctx = Context<Config>;
//!
//! impl Provider for Shed {
//!     type Config = Config;
//!
//!     fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
//!         process::output([&ctx.config.tool, "new", &request.token])?.success()?;
//!         Ok(Allocated::new(&request.token))
//!     }
//!
//!     fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
//!         process::exec(command.wrapped_in([&ctx.config.tool, "in", &instance.token, "--"]), io)
//!     }
//!
//!     fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
//!         process::output([&ctx.config.tool, "rm", "--force", &doomed.token])?.success()?;
//!         Ok(())
//!     }
//! }
//! # #[cfg(any())]
//! runner_sdk::provider!(Shed, manifest = "plugin.json");
//! ```

#![warn(missing_docs)]

mod adapter;
mod bindings;
pub mod cloud;
mod command;
mod context;
mod error;
mod hook;
pub mod http;
pub mod inner;
pub mod log;
mod macros;
mod output;
pub mod prelude;
mod probe;
pub mod process;
mod provider;
pub mod secrets;
pub mod shell;
pub mod ssh;
pub mod state;
pub mod target;
mod types;

pub use context::Context;
pub use error::{Error, ErrorKind, Result};
pub use hook::{Candidate, Event, Hook, Point, Router, Ticket, Verdict};
pub use output::{Complaint, Output};
pub use process::Stdio;
pub use provider::{Inventory, Liveness, Power, Probe, Provider, Reuse, Signals};
pub use types::{
    Access, Allocated, Command, Direction, Doomed, Entry, ExitStatus, Facts, HostKeys, Instance,
    Request, SshAccess, SshKey, SshTarget,
};

/// What the macros need to reach from an author's crate. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::adapter::{HookAdapter, ProviderAdapter};
    pub use crate::bindings::{
        facts, hook, inventory, liveness, power, provider, reuse, routing, signals,
    };
}
