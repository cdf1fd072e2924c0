//! A program that is running: waiting, passing signals on, and making sure that it does not outlive its future.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedReceiver;

use super::placement::Placement;
use super::{NativeCommand, ProcessError};
use crate::provider::{Arrived, ExitStatus};

/// Kills what it started when it is dropped before the end.
pub(super) struct Running {
    program: PathBuf,
    placement: Placement,
    pid: Option<Pid>,
    /// Taken when the program has been reaped. As long as it is there the number `pid` cannot belong to anyone else.
    child: Option<Child>,
}

impl Running {
    /// Starts the program. The descriptors become its own; no copy stays here, so that pipes end when it ends.
    pub(super) fn start(
        native: &NativeCommand,
        placement: Placement,
        stdin: OwnedFd,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<Self, ProcessError> {
        let mut builder = native.builder();
        builder.stdin(stdin).stdout(stdout).stderr(stderr);
        placement.apply(&mut builder);
        let mut builder = Command::from(builder);
        let child = builder
            .spawn()
            .map_err(|e| ProcessError::start(native, e))?;
        drop(builder);
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self {
            program: native.program.clone(),
            placement,
            pid,
            child: Some(child),
        })
    }

    /// Waits for the end, sending on what arrives in `signals`.
    pub(super) async fn wait(
        &mut self,
        mut signals: Option<UnboundedReceiver<Arrived>>,
    ) -> Result<ExitStatus, ProcessError> {
        loop {
            let Some(child) = self.child.as_mut() else {
                return Err(self.lost(std::io::Error::other("it was already waited for")));
            };
            let status = tokio::select! {
                biased;
                status = child.wait() => status,
                arrived = next_signal(&mut signals) => {
                    self.send(arrived);
                    continue;
                }
            };
            return match status {
                Ok(status) => {
                    self.child = None;
                    Ok(ended(status))
                }
                Err(e) => Err(self.lost(e)),
            };
        }
    }

    fn lost(&self, source: std::io::Error) -> ProcessError {
        ProcessError::io(&self.program, "waiting for its end", source)
    }

    /// To the group when the program leads one, else to the program: but not what the kernel gave our whole group, and so
    /// the program, already; to many a second Ctrl-C means "at once". Not an error when it has just ended.
    fn send(&self, arrived: Arrived) {
        if arrived.from_terminal && !self.placement.leads() {
            return;
        }
        if let Some(signal) = signal(arrived.number) {
            self.kill(signal);
        }
    }

    fn kill(&self, signal: Signal) {
        if let (Some(pid), Some(_unreaped)) = (self.pid, &self.child) {
            // Only "no such process" can happen, and that is what a signal wants to achieve.
            let _ = if self.placement.leads() {
                kill_process_group(pid, signal)
            } else {
                kill_process(pid, signal)
            };
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Before the child is reaped: until then its number, and its group's, cannot be given to anybody else.
        self.kill(Signal::KILL);
        if let (Some(mut child), Ok(runtime)) =
            (self.child.take(), tokio::runtime::Handle::try_current())
        {
            // Outside a runtime tokio's own queue of orphans takes it.
            drop(runtime.spawn(async move { child.wait().await }));
        }
    }
}

/// The next signal to pass on; never when there is no channel or its sender is gone.
pub(crate) async fn next_signal(signals: &mut Option<UnboundedReceiver<Arrived>>) -> Arrived {
    if let Some(receiver) = signals {
        if let Some(arrived) = receiver.recv().await {
            return arrived;
        }
        *signals = None;
    }
    std::future::pending().await
}

/// A number as a signal; none when the system has no such signal. Real-time signals are not passed on.
fn signal(number: u8) -> Option<Signal> {
    Signal::from_named_raw(i32::from(number))
}

fn ended(status: std::process::ExitStatus) -> ExitStatus {
    // The kernel keeps both in 8 and 7 bits; the fallbacks are never taken.
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => ExitStatus::Signal(u8::try_from(signal).unwrap_or(u8::MAX)),
        (None, None) => ExitStatus::Code(u8::MAX),
    }
}
