//! Spread projects: loading them, choosing jobs, running them.
//!
//! What jobs are and which there are is decided in `runner_core::matrix`; here is what touches files, runs host commands and
//! talks to systems. Nothing here prints: `cli` and `report` do.

pub mod options;

pub use options::{Action, Shard, Style, TestOptions};
