//! `runner` gets, uses, keeps and gives back compute, through sandboxed WebAssembly providers.
//!
//! `ARCHITECTURE.md` beside this crate's manifest has the map of the rooms and the invariants between them.

pub mod app;
pub mod author;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conformance;
pub mod engine;
#[doc(hidden)]
pub mod fuzz;
pub mod history;
pub mod jobs;
pub mod plugin;
pub mod process;
pub mod provider;
pub mod registry;
pub mod report;
pub mod store;
pub mod tape;
pub mod terminal;
mod tls;
pub mod transfer;
pub mod transport;
pub mod workdir;
