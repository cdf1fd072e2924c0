//! What `run` and `exec` share: how a command is started, and how its end becomes ours.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;

use runner_core::id::InstanceName;
use tokio::sync::mpsc::unbounded_channel;

use super::commands::run::HowArgs;
use super::error::{Failure, Outcome};
use super::exit_code;
use super::signals::Signals;
use super::status_fd::StatusFd;
use super::values;
use crate::engine::Engine;
use crate::provider::{Command, ExitStatus, Stdio};
use crate::terminal::Terminal;

/// Carries out `body`, and tells its end by the exit code and, if wanted, on a descriptor of the caller's. The
/// descriptor is claimed before `body` opens anything.
pub(super) fn answer(
    status_fd: Option<i32>,
    body: impl FnOnce() -> Result<ExitStatus, Failure>,
) -> Outcome {
    // Also where a signal came before the command: the caller waits for a command's end, and learns that there is none.
    let ours = |failure| Failure {
        code: exit_code::RUNNER_FAILED,
        silent: false,
        signal: None,
        ..failure
    };
    let mut status_fd = status_fd.map(StatusFd::claim).transpose().map_err(ours)?;
    let ended = body().map_err(ours);
    let told = match (&mut status_fd, &ended) {
        (None, _) => Ok(()),
        (Some(fd), Ok(status)) => fd.ended(*status),
        (Some(fd), Err(failure)) => fd.failed(failure),
    };
    let status = ended?;
    told.map_err(|error| {
        ours(Failure::io(
            "the command has ended, but that cannot be written to `--status-fd`",
            &error,
        ))
    })?;
    Ok(status.shell_code())
}

/// The command that the arguments describe.
pub(super) struct Plan {
    command: Command,
}

impl Plan {
    /// No words stand for an interactive shell, which gets a terminal if we have one.
    pub(super) fn new(how: HowArgs, words: &[OsString]) -> Self {
        let interactive = words.is_empty() && stdin().is_terminal() && stdout().is_terminal();
        Self {
            command: Command {
                argv: values::argv(words),
                env: how.env,
                cwd: how.cwd.map(OsString::into_vec),
                tty: how.tty || interactive,
                // The engine gives it one.
                id: String::new(),
            },
        }
    }

    /// Runs it, and passes on what arrives.
    pub(super) async fn run(
        self,
        engine: &Engine,
        name: &InstanceName,
        signals: &mut Signals,
    ) -> Result<ExitStatus, Failure> {
        let no_terminal = |error| Failure::io("there is no terminal for the command", &error);
        if self.command.tty {
            let (terminal, stdio) = Terminal::open().map_err(no_terminal)?;
            let running = self.connected(engine, name, stdio, signals);
            return terminal.drive(running).await.map_err(no_terminal)?;
        }
        let stdio = our_streams()?;
        self.connected(engine, name, stdio, signals).await
    }

    async fn connected(
        self,
        engine: &Engine,
        name: &InstanceName,
        stdio: Stdio,
        signals: &mut Signals,
    ) -> Result<ExitStatus, Failure> {
        let (sender, passed_on) = unbounded_channel();
        let running = engine.run(name, self.command, stdio, passed_on);
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => return Ok(ended?),
                arrived = signals.next() => {
                    // It has just ended: there is nobody left to tell.
                    let _too_late = sender.send(arrived);
                }
            }
        }
    }
}

/// Copies of our own streams, for the command.
fn our_streams() -> Result<Stdio, Failure> {
    let copy = |fd: std::os::fd::BorrowedFd<'_>| {
        fd.try_clone_to_owned().map_err(|error| {
            Failure::io(
                "the standard streams cannot be handed to the command",
                &error,
            )
        })
    };
    Ok(Stdio {
        stdin: copy(stdin().as_fd())?,
        stdout: copy(stdout().as_fd())?,
        stderr: copy(stderr().as_fd())?,
        terminal: false,
        own_group: false,
        signals: None,
    })
}
