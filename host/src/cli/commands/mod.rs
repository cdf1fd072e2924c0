//! One file per verb: its arguments, whose comments are its manual, and what it does.

pub(super) mod acquire;
pub(super) mod completions;
pub(super) mod config;
pub(super) mod cp;
pub(super) mod debug;
pub(super) mod discard;
pub(super) mod distribution;
pub(super) mod events;
pub(super) mod exec;
pub(super) mod help;
pub(super) mod import;
pub(super) mod lease;
pub(super) mod list;
pub(super) mod log;
pub(super) mod metrics;
pub(super) mod plugin;
pub(super) mod release;
pub(super) mod run;
pub(super) mod serve;
pub(super) mod shelf;
pub(super) mod source;
pub(super) mod status;
pub(super) mod test;
pub(super) mod ticket;
pub(super) mod top;
pub(super) mod why;
