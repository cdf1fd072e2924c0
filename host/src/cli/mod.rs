//! The command line: arguments, dispatch, exit codes, errors.
//!
//! One file per verb under `commands`; nothing here decides what happens to an instance, that is the engine's.

mod args;
mod commands;
mod compile;
mod console;
mod context;
mod dispatch;
mod error;
mod execution;
pub mod exit_code;
mod grant_dialog;
#[cfg(test)]
mod manual;
mod notify;
mod progress;
mod signals;
mod status_fd;
#[cfg(test)]
mod tests;
mod trace;
mod usage;
mod values;
mod wants;

pub use dispatch::main;
