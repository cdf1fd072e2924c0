//! Programs on the host's machine. Each must be requested in the manifest and granted by the user.

use crate::bindings::provider::runner::plugin::process as wit;
use crate::{Command, ExitStatus, Output, Result};

/// The standard streams of the caller of `run` or `copy`. Hand it to [`exec`] or [`crate::ssh::exec`] and the host
/// connects the caller's descriptors: the bytes do not pass through the plugin. The methods are for backends
/// with a protocol of their own.
#[derive(Debug)]
pub struct Stdio(pub(crate) wit::Stdio);

impl Stdio {
    /// Up to `max` bytes (at most 1 MiB) of the caller's standard input; empty means the end.
    pub fn read_stdin(&self, max: u32) -> Result<Vec<u8>> {
        Ok(self.0.read_stdin(max)?)
    }

    /// Writes all of `bytes` (at most 1 MiB) to the caller's standard output.
    pub fn write_stdout(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_stdout(bytes)?)
    }

    /// Writes all of `bytes` (at most 1 MiB) to the caller's standard error.
    pub fn write_stderr(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_stderr(bytes)?)
    }
}

/// Runs a program connected to the caller's streams and waits for it. Signals, window size and end of input
/// follow by themselves.
pub fn exec(command: impl Into<Command>, io: Stdio) -> Result<ExitStatus> {
    Ok(wit::exec(&command.into(), io.0)?)
}

/// Runs a program with no input and collects what it prints, at most 1 MiB of each stream.
///
/// ```no_run
/// # fn main() -> runner_sdk::Result<()> {
/// let names = runner_sdk::process::output(["podman", "ps", "--format={{.Names}}"])?.success()?;
/// for name in names.text()?.lines() {
///     runner_sdk::log::info(name);
/// }
/// # Ok(())
/// # }
/// ```
pub fn output(command: impl Into<Command>) -> Result<Output> {
    output_with(command, &[])
}

/// [`output`], with `stdin` as the program's input.
pub fn output_with(command: impl Into<Command>, stdin: &[u8]) -> Result<Output> {
    let command = command.into();
    let output = wit::output(&command, stdin)?;
    Ok(Output::of(command.describe(), output))
}
