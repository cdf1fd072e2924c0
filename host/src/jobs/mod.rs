//! Spread projects: loading them, choosing jobs, running them.
//!
//! What jobs are and which there are is decided in `runner_core::matrix`; here is what touches files, runs host commands and
//! talks to systems. Nothing here prints: `cli` and `report` do.

mod changed;
pub mod events;
pub mod lint;
pub mod load;
pub mod logs;
mod mask;
pub mod options;
pub mod pack;
pub mod plan;
mod quarantine;
pub mod recorder;
pub mod reuse;
pub mod run;
pub mod schema;
pub mod server;
mod shard;
mod stream;
pub mod tally;
#[cfg(test)]
mod tests;

pub use options::{Action, Shard, Style, TestOptions};
