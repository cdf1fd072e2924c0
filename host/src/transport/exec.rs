//! Commands on a target: connected to the caller, or collected.

use std::os::fd::AsFd;

use tokio::sync::mpsc::UnboundedReceiver;

use super::master::{Held, io_error, null};
use super::mux::{Opened, Session};
use super::remote::Remote;
use super::{SshSessions, TransportError, quote, target};
use crate::process::{self, CollectError, Keyboard, Pipes};
use crate::provider::{Arrived, Command, ExitStatus, Output, SshTarget, Stdio};

/// What `output` collects of each stream.
pub const OUTPUT_LIMIT: usize = 1024 * 1024;

/// The kernel's bound for one argument, and the line is one argument of the remote login shell.
const LONGEST_LINE: usize = 128 * 1024 - 1;

/// Connections to one target at once. With OpenSSH's `MaxSessions` of 10 that is 640 commands.
const LANES: u32 = 64;

/// So many new connections may refuse their first session (others may have been faster) before we believe it.
const REFUSALS: u32 = 3;

impl SshSessions {
    /// Runs a command connected to `stdio` and waits for its end.
    ///
    /// What comes through `stdio.signals` is sent to the command's process group on the target, also those that a terminal
    /// generated: nothing else brings them there. Dropping the future kills that group. A command that leaves processes
    /// behind ends when they have closed its streams, as with `ssh`. For a terminal, call [`SshSessions::connect`] before
    /// anything reads the terminal, because ssh may have to ask for a passphrase.
    ///
    /// # Errors
    /// Everything that is not the command's own end, see [`TransportError`].
    pub async fn exec(
        &self,
        to: &SshTarget,
        command: &Command,
        mut stdio: Stdio,
    ) -> Result<ExitStatus, TransportError> {
        target::check(to)?;
        let id = identity().map_err(|e| io_error(to, "asking for random bytes", e))?;
        let line = quote::run(command, &id);
        if line.len() > LONGEST_LINE {
            return Err(TransportError::TooLong {
                target: target::shown(to),
                bytes: line.len(),
                limit: LONGEST_LINE,
            });
        }
        let mut signals = stdio.signals.take();
        if command.tty || stdio.terminal {
            let mut held = tokio::select! {
                biased;
                held = self.master(to, 0) => held?,
                number = deadly(&mut signals) => return Ok(ExitStatus::Signal(number)),
            };
            let master = held
                .control
                .alive()
                .await
                .map_err(|e| io_error(to, "asking the connection", e))?;
            drop(held.control);
            let mut remote = Remote::new(self, to, id);
            remote.starts(held.socket, master);
            return remote.on_terminal(line, stdio, signals).await;
        }
        let (_keyboard, stdin) =
            Keyboard::attach(stdio.stdin).map_err(|e| io_error(to, "opening the terminal", e))?;
        stdio.stdin = stdin;
        let mut remote = Remote::new(self, to, id);
        let session = tokio::select! {
            biased;
            session = self.open_session(to, &line, &stdio, Some(&mut remote)) => session?,
            // Should it have been started in this moment, dropping `remote` kills it.
            number = deadly(&mut signals) => return Ok(ExitStatus::Signal(number)),
        };
        // Ours would keep the caller's pipes open.
        drop(stdio);
        remote.in_session(session, signals).await
    }

    /// Runs a command with `stdin` as its input and collects what it prints, at most [`OUTPUT_LIMIT`] of each stream.
    ///
    /// # Errors
    /// As `exec`, and too much output.
    pub async fn output(
        &self,
        to: &SshTarget,
        command: &Command,
        stdin: Vec<u8>,
    ) -> Result<Output, TransportError> {
        let (pipes, ends) = Pipes::new().map_err(|e| io_error(to, "making pipes", e))?;
        let stdio = Stdio {
            stdin: ends.stdin,
            stdout: ends.stdout,
            stderr: ends.stderr,
            terminal: false,
            own_group: false,
            signals: None,
        };
        let command = Command {
            tty: false,
            ..command.clone()
        };
        let collected = pipes
            .collect(stdin, OUTPUT_LIMIT, self.exec(to, &command, stdio))
            .await
            .map_err(|e| match e {
                CollectError::TooMuch(stream) => TransportError::TooMuch {
                    target: target::shown(to),
                    stream,
                    limit: OUTPUT_LIMIT,
                },
                CollectError::Io(e) => io_error(to, "reading what a command prints", e),
            })?;
        Ok(Output {
            status: collected.ended?,
            stdout: collected.stdout,
            stderr: collected.stderr,
        })
    }

    /// Success: the target takes commands.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn reachable(&self, to: &SshTarget) -> Result<(), TransportError> {
        let command = Command {
            argv: vec![b"true".to_vec()],
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: String::new(),
        };
        let output = self.output(to, &command, Vec::new()).await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(TransportError::Refused {
                target: target::shown(to),
                reason: format!(
                    "`true` ended with {}: {}",
                    output.status.shell_code(),
                    super::error::escaped(String::from_utf8_lossy(&output.stderr).trim())
                ),
            })
        }
    }

    /// A session on the first connection that has room for one. `remote` learns which one before anything is started.
    pub(super) async fn open_session(
        &self,
        to: &SshTarget,
        line: &[u8],
        stdio: &Stdio,
        mut remote: Option<&mut Remote<'_>>,
    ) -> Result<Session, TransportError> {
        let mut refusals = 0;
        let mut lane = 0;
        while lane < LANES {
            let Held {
                mut control,
                socket,
                fresh,
            } = self.master(to, lane).await?;
            let Ok(master) = control.alive().await else {
                // It ended since it said hello, and has started nothing for us.
                continue;
            };
            let fds = [
                stdio.stdin.as_fd(),
                stdio.stdout.as_fd(),
                stdio.stderr.as_fd(),
            ];
            if let Some(remote) = &mut remote {
                remote.starts(socket.clone(), master);
            }
            match control.open(line, &self.environment, fds).await {
                Ok(Opened::Session(session)) => return Ok(session),
                Ok(Opened::Refused(reason)) => {
                    if let Some(remote) = &mut remote {
                        remote.ended();
                    }
                    lane += 1;
                    refusals += u32::from(fresh);
                    if refusals == REFUSALS {
                        return Err(refused(to, reason));
                    }
                }
                // Whether the command was started nobody knows, so it is not tried again.
                Err(_broken) => {
                    if let Some(remote) = &mut remote {
                        remote.ended();
                    }
                    return Err(TransportError::lost(
                        target::shown(to),
                        &super::master::words(&socket),
                    ));
                }
            }
        }
        Err(refused(to, "all connections are full".to_owned()))
    }

    /// Runs a line whose output nobody needs; the exit code if there was one.
    pub(super) async fn errand(
        &self,
        to: &SshTarget,
        line: &[u8],
    ) -> Result<Option<u32>, TransportError> {
        let null = || {
            null()
                .map(Into::into)
                .map_err(|e| io_error(to, "opening `/dev/null`", e))
        };
        let stdio = Stdio {
            stdin: null()?,
            stdout: null()?,
            stderr: null()?,
            terminal: false,
            own_group: false,
            signals: None,
        };
        let mut session = self.open_session(to, line, &stdio, None).await?;
        let ended = session.wait().await;
        ended.map_err(|e| io_error(to, "waiting for a command", e))
    }
}

fn refused(to: &SshTarget, reason: String) -> TransportError {
    TransportError::Refused {
        target: target::shown(to),
        reason,
    }
}

/// The next signal that would end a command which is not running yet: nobody has to wait for a connection.
async fn deadly(signals: &mut Option<UnboundedReceiver<Arrived>>) -> u8 {
    const HUP_INT_QUIT_TERM: [u8; 4] = [1, 2, 3, 15];
    loop {
        let number = process::next_signal(signals).await.number;
        if HUP_INT_QUIT_TERM.contains(&number) {
            return number;
        }
    }
}

/// Unique among all that ever ran there; not the caller's, which may come from a plugin.
fn identity() -> std::io::Result<String> {
    let bits = getrandom::u64().map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(format!("{bits:016x}"))
}
