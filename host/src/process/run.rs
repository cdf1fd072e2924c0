//! The two ways to run a program: connected to the caller, or collected.

use super::child::Running;
use super::collect::{CollectError, Pipes};
use super::keyboard::Keyboard;
use super::placement::Placement;
use super::{NativeCommand, ProcessError};
use crate::provider::{ExitStatus, Output, Stdio};

/// Runs a program on the caller's own descriptors and waits for its end.
///
/// Where it is placed follows `stdio`: `terminal` gives it a session with its input as controlling terminal,
/// `own_group` a process group, neither leaves it in ours. What comes through `stdio.signals` goes to it (to its group
/// when it leads one). Dropping the future kills it, with its group when it leads one.
///
/// # Errors
/// Only when the program could not be started, see [`ProcessError::shell_code`].
pub async fn connect(native: &NativeCommand, stdio: Stdio) -> Result<ExitStatus, ProcessError> {
    let Stdio {
        stdin,
        stdout,
        stderr,
        terminal,
        own_group,
        signals,
    } = stdio;
    let placement = match (terminal, own_group) {
        (true, _) => Placement::Session,
        (false, true) => Placement::Group,
        (false, false) => Placement::Ours,
    };
    let (_keyboard, stdin) = if placement == Placement::Group {
        let (keyboard, stdin) = Keyboard::attach(stdin)
            .map_err(|e| ProcessError::io(&native.program, "opening the terminal", e))?;
        (Some(keyboard), stdin)
    } else {
        (None, stdin)
    };
    let mut running = Running::start(native, placement, stdin, stdout, stderr)?;
    running.wait(signals).await
}

/// Runs a program in a process group of its own with `stdin` as its input, and collects what it prints until it ends,
/// at most `limit` bytes of each stream. Dropping the future kills the group, and so does too much output.
///
/// # Errors
/// When the program could not be started, or printed too much.
pub async fn capture(
    native: &NativeCommand,
    stdin: Vec<u8>,
    limit: usize,
) -> Result<Output, ProcessError> {
    let program = &native.program;
    let (pipes, ends) = Pipes::new().map_err(|e| ProcessError::io(program, "making pipes", e))?;
    let mut running = Running::start(
        native,
        Placement::Group,
        ends.stdin,
        ends.stdout,
        ends.stderr,
    )?;
    let collected = pipes
        .collect(stdin, limit, running.wait(None))
        .await
        .map_err(|e| match e {
            CollectError::TooMuch(stream) => ProcessError::TooMuch {
                program: program.clone(),
                stream,
                limit,
            },
            CollectError::Io(e) => ProcessError::io(program, "reading what it prints", e),
        })?;
    Ok(Output {
        status: collected.ended?,
        stdout: collected.stdout,
        stderr: collected.stderr,
    })
}

/// Starts a program that nobody waits for, without input or output and in a group of its own. It may outlive us. Works
/// in `drop`, and without a runtime.
pub(crate) fn detach(native: &NativeCommand) -> Result<(), ProcessError> {
    let mut builder = native.builder();
    builder
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    Placement::Group.apply(&mut builder);
    let mut child = builder
        .spawn()
        .map_err(|e| ProcessError::start(native, e))?;
    // Only so that it does not stay a zombie while we live on.
    std::thread::Builder::new()
        .name("reaper".to_owned())
        .spawn(move || child.wait())
        .map(drop)
        .map_err(|e| ProcessError::io(&native.program, "starting a thread", e))
}
