//! A terminal as the input of a program that is not in the terminal's foreground group.
//!
//! The kernel stops such a program when it reads (`SIGTTIN`). It gets a pipe instead, and we, who are in the foreground,
//! read the terminal for it. The same for a program of another session, such as the `ssh` that holds a connection: it
//! would go on reading what is meant for the shell while we are stopped. Only what is typed goes this way; pipes and files are always handed over as they are.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::getpgrp;
use rustix::termios::{isatty, tcgetpgrp};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

/// Stops reading the terminal when it is dropped.
pub(crate) struct Keyboard(Option<JoinHandle<io::Result<()>>>);

impl Keyboard {
    /// What the program gets as its input: a pipe if `stdin` is a terminal, else `stdin` itself.
    pub(crate) fn attach(stdin: OwnedFd) -> io::Result<(Self, OwnedFd)> {
        if !isatty(&stdin) {
            return Ok((Self(None), stdin));
        }
        let (typed, program) = pipe::pipe()?;
        let program = program.into_blocking_fd()?;
        // The terminal stays in blocking mode, which is shared with everyone who has it open.
        let terminal = pipe::Receiver::from_owned_fd_unchecked(stdin)?;
        let task = tokio::spawn(forward(terminal, typed));
        Ok((Self(Some(task)), program))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn forward(terminal: pipe::Receiver, mut typed: pipe::Sender) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        terminal.readable().await?;
        let read = terminal.try_io(|| {
            if readable_now(&terminal)? {
                Ok(rustix::io::read(&terminal, &mut buffer)?)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
        match read {
            Ok(0) => return Ok(()),
            Ok(n) => typed.write_all(&buffer[..n]).await?,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reading would neither block (readiness may be stale, and somebody else may read the same terminal) nor stop us
/// because we are in the background.
fn readable_now(terminal: &pipe::Receiver) -> io::Result<bool> {
    // An error: it is not our controlling terminal, and everybody may read it.
    if tcgetpgrp(terminal).is_ok_and(|foreground| foreground != getpgrp()) {
        return Ok(false);
    }
    let mut fds = [PollFd::new(terminal, PollFlags::IN)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(poll(&mut fds, Some(&now))? > 0)
}
