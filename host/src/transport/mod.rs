//! Instances that the host reaches itself, through the user's own OpenSSH.
//!
//! One connection per target is opened by the user's `ssh` program, with the user's whole configuration (agent, jump
//! hosts, known hosts, proxies), and stays for later commands, also those of other `runner` processes. Commands run as
//! sessions of that connection: our descriptors go to the `ssh` that holds it, so no byte passes through us. Only
//! `instance` knows the provider port; nothing here knows plugins or grants, or reads environment variables.
//!
//! ```text
//! exec ── master: is there a connection? else open one, under a lock ──► ssh -N -f (holds the connection)
//!   │                                                                         ▲
//!   ├── no terminal: mux: pass the descriptors, wait for the status ──────────┤
//!   └── terminal:    `ssh -tt` over the same socket ──────────────────────────┘
//! ```

mod error;
mod exec;
mod forward;
mod instance;
mod login;
mod master;
mod mux;
mod quote;
mod remote;
mod target;

pub use error::{TransportError, TransportKind};
pub use exec::OUTPUT_LIMIT;
pub use instance::{Patience, SshInstance};
pub use login::{Login, Secrets};
pub use master::SshSessions;
pub(crate) use target::checked_arguments as target_arguments;

#[cfg(test)]
mod tests;
