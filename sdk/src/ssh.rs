//! The user's own OpenSSH, with its configuration, agent and known hosts. Targets must be requested and granted.

use crate::bindings::provider::runner::plugin::ssh as wit;
use crate::{Command, ExitStatus, Output, Result, SshTarget, Stdio};

/// Runs a command on the target, connected to the caller's streams. Every argument arrives unchanged; a lost
/// connection is `unavailable`, not an exit code.
pub fn exec(target: &SshTarget, command: impl Into<Command>, io: Stdio) -> Result<ExitStatus> {
    Ok(wit::exec(target, &command.into(), io.0)?)
}

/// Runs a command on the target with no input and collects what it prints, at most 1 MiB of each stream.
pub fn output(target: &SshTarget, command: impl Into<Command>) -> Result<Output> {
    output_with(target, command, &[])
}

/// [`output`], with `stdin` as the command's input.
pub fn output_with(
    target: &SshTarget,
    command: impl Into<Command>,
    stdin: &[u8],
) -> Result<Output> {
    let command = command.into();
    let output = wit::output(target, &command, stdin)?;
    Ok(Output::of(
        format!("{} (on {target})", command.describe()),
        output,
    ))
}

/// Closes the connection that the host keeps to the target, if there is one.
pub fn disconnect(target: &SshTarget) -> Result<()> {
    Ok(wit::disconnect(target)?)
}
