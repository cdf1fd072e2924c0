//! For hooks: the instance that the event is about.

use crate::bindings::hook::runner::plugin::target as wit;
use crate::{Command, Output, Result};

/// Runs a command on the instance with no input and collects what it prints, at most 1 MiB of each stream.
pub fn run(command: impl Into<Command>) -> Result<Output> {
    run_with(command, &[])
}

/// [`run`], with `stdin` as the command's input.
pub fn run_with(command: impl Into<Command>, stdin: &[u8]) -> Result<Output> {
    let command = command.into();
    let output = wit::run(&command, stdin)?;
    Ok(Output::of(
        format!("{} (on the instance)", command.describe()),
        output,
    ))
}
